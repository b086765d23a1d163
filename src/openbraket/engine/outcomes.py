"""Applying an attempt's outcome to the records: one transaction, fenced, exactly once.

The result contents are on disk before; here the task's end and the objects' records become visible
together, or not at all.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.engine import states
from openbraket.engine.executors.base import Failed, Lost, Outcome, Succeeded
from openbraket.engine.states import Status
from openbraket.store import buckets, objects, quantum_tasks, transitions
from openbraket.store.quantum_tasks import NewTask, QuantumTask

# Attempts that may be lost (a killed worker, a killed server) before the task is given up.
LOST_COUNT_MAX: Final = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What became of an outcome.

    Attributes:
        status: The status that it led to; None where the record had moved on and it was dropped.
        unused_blob_ids: Contents that no record names after the transaction.
    """

    status: Status | None
    unused_blob_ids: tuple[str, ...]


def conclude(
    task: QuantumTask | NewTask,
    attempt: int,
    outcome: Outcome,
    *,
    lost_count: int,
    started_at: int | None,
    clock: Callable[[], int],
    is_stopping: bool,
    is_elsewhere: bool = False,
) -> Callable[[Connection], Conclusion]:
    """Return the change that applies an outcome, for `Database.write`.

    A cancelled attempt ends as CANCELLED whatever its outcome was; one that the record has left
    behind changes nothing.

    Args:
        task: The task as it was known when the attempt began.
        attempt: The attempt's number, the fencing token.
        outcome: How the attempt ended.
        lost_count: How many attempts were lost before this one.
        started_at: When the attempt started, where the record may not have met that yet: it is
            recorded in the same transaction. None where the record has met it.
        clock: Milliseconds since the epoch.
        is_stopping: Whether the server's own stop killed the worker.
        is_elsewhere: Whether the contents are objects of another store already: here nothing is
            published, and `unused_blob_ids` stays empty.

    Returns:
        The change.
    """

    def work(connection: Connection) -> Conclusion:
        now = clock()
        status: Status | None = None
        if started_at is not None:
            # No effect where the record has met the start, or has moved on.
            transitions.apply(connection, states.START, task.id, at=started_at, attempt=attempt)
        match outcome:
            case Succeeded():
                if not is_elsewhere and not _has_bucket(connection, task.output_bucket):
                    reason = f"The output bucket {task.output_bucket} no longer exists."
                    status = _fail(connection, task, attempt, reason, now)
                elif transitions.apply(
                    connection,
                    states.COMPLETE if outcome.failure_reason is None else states.FAIL,
                    task.id,
                    at=now,
                    attempt=attempt,
                    failure_reason=outcome.failure_reason,
                    num_successful_shots=outcome.num_successful_shots,
                ):
                    replaced = () if is_elsewhere else _publish(connection, task, outcome, now)
                    is_complete = outcome.failure_reason is None
                    return Conclusion(Status.COMPLETED if is_complete else Status.FAILED, replaced)
            case Failed():
                status = _fail(connection, task, attempt, outcome.reason, now)
            case Lost():
                status = _lose(
                    connection, task, attempt, outcome, now, lost_count, is_stopping=is_stopping
                )
        if status is None and (
            transitions.apply(connection, states.END_CANCELLED, task.id, at=now, attempt=attempt)
            or _is_at(connection, task.id, Status.CANCELLED, attempt)
        ):
            status = Status.CANCELLED
        if is_elsewhere or not isinstance(outcome, Succeeded):
            return Conclusion(status, ())
        return Conclusion(status, _unnamed(connection, task, outcome))

    return work


def delete_unused(blobs: LocalBlobs, blob_ids: Iterable[str]) -> None:
    """Remove contents that no record names; what cannot be removed now, the next sweep removes."""
    for blob_id in blob_ids:
        try:
            blobs.delete(blob_id)
        except StoreError as error:
            _log.warning("%s The next sweep removes it.", error)


def describe_exit(status: int) -> str:
    """Return how a process ended, in words: `signal 9` or `exit status 1`."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _has_bucket(connection: Connection, name: str) -> bool:
    return buckets.get_bucket(connection, name) is not None


def _publish(
    connection: Connection, task: QuantumTask | NewTask, outcome: Succeeded, now: int
) -> tuple[str, ...]:
    """Record the result objects and return the contents that they replaced."""
    replaced = [
        objects.put_object(
            connection,
            bucket=task.output_bucket,
            key=f"{task.output_directory}/{item.name}",
            blob=item.blob,
            content_type=item.content_type,
            last_modified=now,
        )
        for item in outcome.objects
    ]
    return tuple(blob_id for blob_id in replaced if blob_id is not None)


def _unnamed(
    connection: Connection, task: QuantumTask | NewTask, outcome: Succeeded
) -> tuple[str, ...]:
    """Return the contents of an outcome that no record names.

    A commit that reported a failure may have taken effect all the same; then the repetition finds
    the task ended and its objects published.
    """
    unnamed = []
    for item in outcome.objects:
        key = f"{task.output_directory}/{item.name}"
        found = objects.get_object(connection, bucket=task.output_bucket, key=key)
        if found is None or found.blob_id != item.blob.id:
            unnamed.append(item.blob.id)
    return tuple(unnamed)


def _fail(
    connection: Connection, task: QuantumTask | NewTask, attempt: int, reason: str, now: int
) -> Status | None:
    is_changed = transitions.apply(
        connection, states.FAIL, task.id, at=now, attempt=attempt, failure_reason=reason
    )
    return Status.FAILED if is_changed else None


def _lose(
    connection: Connection,
    task: QuantumTask | NewTask,
    attempt: int,
    outcome: Lost,
    now: int,
    lost_count: int,
    *,
    is_stopping: bool,
) -> Status | None:
    """Return the task to the queue, or give it up when it has lost too many attempts."""
    if not is_stopping and lost_count + 1 >= LOST_COUNT_MAX:
        end = describe_exit(outcome.status)
        reason = (
            f"The worker process ended unexpectedly ({end}) in each of {LOST_COUNT_MAX} attempts."
        )
        return _fail(connection, task, attempt, reason, now)
    transition = states.RELEASE if is_stopping else states.LOSE
    is_changed = transitions.apply(connection, transition, task.id, at=now, attempt=attempt)
    return (
        Status.QUEUED if is_changed or _is_at(connection, task.id, Status.QUEUED, attempt) else None
    )


def _is_at(connection: Connection, task_id: str, status: Status, attempt: int) -> bool:
    """Return whether a task has got there with this attempt.

    A commit of ours that reported a failure may have taken effect all the same.
    """
    found = quantum_tasks.get(connection, task_id)
    return found is not None and (found.status, found.attempt) == (status, attempt)
