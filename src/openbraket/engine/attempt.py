"""One attempt of a quantum task while it is under way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from openbraket.base import metrics
from openbraket.base.work import Work
from openbraket.engine import states
from openbraket.engine.room import Share
from openbraket.engine.states import Status
from openbraket.store import transitions
from openbraket.store.quantum_tasks import NewTask, QuantumTask, WaitingTask

if TYPE_CHECKING:
    import asyncio


@dataclass(slots=True)
class Run:
    """One attempt under way.

    Attributes:
        waiting: What returns to the queue if the attempt is lost.
        task: The task as it was known when the attempt began.
        attempt: The attempt's number, the fencing token.
        started_at: Milliseconds since the epoch.
        share: What the attempt has of the machine.
        recording: The change that records the start; None before it is handed over.
    """

    waiting: WaitingTask
    task: QuantumTask | NewTask
    attempt: int
    started_at: int
    share: Share
    recording: "asyncio.Future[frozenset[str]] | None" = None

    @classmethod
    def ended_before(cls, task: QuantumTask, started_at: int) -> "Run":
        """Return an attempt that ended under the last server; it has nothing of the machine."""
        waiting = WaitingTask(
            seq=task.seq,
            id=task.id,
            account=task.account,
            device_arn=task.device_arn,
            status=task.status,
            attempt=task.attempt,
            lost_count=task.lost_count,
            priority=task.priority,
            memory_bytes=task.memory_bytes,
            thread_count=task.thread_count,
        )
        return cls(waiting, task, task.attempt, started_at, Share(0, 0, is_extra=False))

    def work(
        self, action: bytes, *, runner: str, seed: int | None, settings: Mapping[str, str]
    ) -> Work:
        """Return what the worker gets.

        Args:
            action: The task's action as the client sent it.
            runner: The module that runs it.
            seed: Seed of a task that names none.
            settings: See `Work.settings`.
        """
        task = self.task
        return Work(
            task_id=task.id,
            attempt=self.attempt,
            runner=runner,
            task_arn=task.arn,
            device_arn=task.device_arn,
            shots=task.shots,
            action=action,
            device_parameters=task.device_parameters,
            created_at=task.created_at,
            thread_count=self.share.thread_count,
            memory_bytes=task.memory_bytes,
            output_bucket=task.output_bucket,
            output_directory=task.output_directory,
            seed=seed,
            settings=settings,
        )

    def is_start_recorded(self) -> bool:
        """Return whether it is certain that the record has met the start."""
        recording = self.recording
        return recording is not None and recording.done() and recording.exception() is None

    def drop_action(self) -> None:
        """Let go of the program, where the outcome may have to wait for long."""
        if isinstance(self.task, NewTask):
            self.task = replace(self.task, action=b"")

    def count_start(self) -> None:
        """Count how long the task has waited."""
        waiting_s = max(0, self.started_at - self.task.created_at) / 1000
        metrics.TASK_WAITING_SECONDS.labels(self.task.device_arn).observe(waiting_s)

    def count_end(self, status: Status | None, now: int) -> None:
        """Count an outcome that took effect.

        Args:
            status: What the outcome led to; None where it was dropped.
            now: Milliseconds since the epoch.
        """
        if status is not None:
            device_arn = self.task.device_arn
            metrics.TASKS_ENDED.labels(device_arn, status.value).inc()
            run_s = max(0, now - self.started_at) / 1000
            metrics.TASK_RUN_SECONDS.labels(device_arn).observe(run_s)


def record_starts(runs: Mapping[str, Run]) -> Callable[[Connection], frozenset[str]]:
    """Return the change that records attempts as RUNNING, for `Database.submit`.

    Args:
        runs: The attempts by the ids of their tasks.

    Returns:
        The change; its result is the ids of the tasks whose records allowed it.
    """

    def work(connection: Connection) -> frozenset[str]:
        return frozenset(
            task_id
            for task_id, run in runs.items()
            if transitions.apply(
                connection, states.START, task_id, at=run.started_at, attempt=run.attempt
            )
        )

    return work
