"""Applying one transition of a state machine to one record, fenced by its WHERE clause.

Which transitions there are is the engine's business.
"""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, bindparam, text, update

from openbraket.store.statements import Statement
from openbraket.store.tables import quantum_tasks


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed change of a quantum task's status.

    Attributes:
        name: What happens, for people.
        sources: The statuses it may start from.
        target: The status it leads to.
        is_fenced: Whether it belongs to an attempt: the record must still be at that attempt.
        is_terminal: Whether the task has ended with it.
        begins_attempt: Whether the record's attempt goes up by one, to the given one.
        counts_loss: Whether the attempt counts as lost.
    """

    name: str
    sources: tuple[str, ...]
    target: str
    is_fenced: bool = False
    is_terminal: bool = False
    begins_attempt: bool = False
    counts_loss: bool = False


def apply(
    connection: Connection,
    transition: Transition,
    task_id: str,
    *,
    at: int,
    attempt: int | None = None,
    failure_reason: str | None = None,
    num_successful_shots: int | None = None,
) -> bool:
    """Change a task's status if the record still allows it.

    Args:
        connection: In a write transaction.
        transition: What happens.
        task_id: The task.
        at: When it happens, milliseconds since the epoch.
        attempt: The attempt that a fenced transition belongs to, or that begins.
        failure_reason: For the end of a task that failed.
        num_successful_shots: For the end of a task that completed.

    Returns:
        Whether it took effect; False means that the record has moved on.
    """
    count = _statement(transition).run(
        connection,
        task_id=task_id,
        new_attempt=attempt,
        old_attempt=None if attempt is None else attempt - transition.begins_attempt,
        at=at,
        new_reason=failure_reason,
        new_shots=num_successful_shots,
    )
    return count > 0


@cache
def _statement(transition: Transition) -> Statement:
    columns = quantum_tasks.c
    statuses = ", ".join(f"'{status}'" for status in transition.sources)
    statement = update(quantum_tasks).where(
        columns.id == bindparam("task_id"), text(f"status IN ({statuses})")
    )
    statement = statement.values({columns.status: text(f"'{transition.target}'")})
    if transition.is_fenced or transition.begins_attempt:
        statement = statement.where(columns.attempt == bindparam("old_attempt"))
    if transition.begins_attempt:
        statement = statement.values({
            columns.attempt: bindparam("new_attempt"),
            columns.started_at: bindparam("at"),
        })
    if transition.counts_loss:
        statement = statement.values({columns.lost_count: columns.lost_count + text("1")})
    if transition.is_terminal:
        statement = statement.values({
            columns.ended_at: bindparam("at"),
            columns.failure_reason: bindparam("new_reason"),
            columns.num_successful_shots: bindparam("new_shots"),
        })
    return Statement(statement)
