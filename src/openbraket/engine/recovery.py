"""What a start makes of the tasks that the last run left behind.

The workers died with the server, and nothing else holds a lease, since the data directory is
locked: every running attempt is lost, but those that had ended and wait for the object store.
"""

from collections.abc import Callable, Collection

from sqlalchemy import Connection

from openbraket.engine import states
from openbraket.engine.outcomes import LOST_COUNT_MAX
from openbraket.engine.spool import Spooled
from openbraket.engine.states import Status
from openbraket.store import quantum_tasks, transitions


def recover(
    clock: Callable[[], int], spooled: Collection[Spooled] = ()
) -> Callable[[Connection], tuple[int, frozenset[str]]]:
    """Return the change that ends or requeues what was active, for `Database.write`.

    RUNNING returns to the queue with its attempt, so that the next one is fenced against it, or
    fails when it has lost too many; CANCELLING becomes CANCELLED.

    Args:
        clock: Milliseconds since the epoch.
        spooled: Attempts whose outcomes the last server kept; they stay RUNNING where the records
            still allow them.

    Returns:
        The change; its result is the number of other tasks that it met, and the ids of the tasks
        whose kept attempts go on.
    """

    def work(connection: Connection) -> tuple[int, frozenset[str]]:
        now = clock()
        kept = {item.task_id: item.attempt for item in spooled}
        for item in spooled:
            # No effect where the record has met the start, or has moved on.
            transitions.apply(
                connection, states.START, item.task_id, at=item.started_at, attempt=item.attempt
            )
        active = quantum_tasks.list_active(connection)
        resumed = frozenset(
            task.id
            for task in active
            if task.status == Status.RUNNING and kept.get(task.id) == task.attempt
        )
        for task in active:
            if task.id in resumed:
                continue
            reason = None
            if task.status == Status.CANCELLING:
                transition = states.END_CANCELLED
            elif task.lost_count + 1 < LOST_COUNT_MAX:
                transition = states.LOSE
            else:
                transition = states.FAIL
                reason = (
                    f"The service or its worker ended unexpectedly in each of {LOST_COUNT_MAX} "
                    "attempts."
                )
            transitions.apply(
                connection,
                transition,
                task.id,
                at=now,
                attempt=task.attempt,
                failure_reason=reason,
            )
        return len(active) - len(resumed), resumed

    return work
