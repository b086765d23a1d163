"""What a start makes of the tasks that the last run left behind.

The workers died with the server, and nothing else holds a lease, since the data directory is
locked: every running attempt is lost.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from openbraket.engine import states
from openbraket.engine.outcomes import LOST_COUNT_MAX
from openbraket.engine.states import Status
from openbraket.store import quantum_tasks, transitions


def recover(clock: Callable[[], int]) -> Callable[[Connection], int]:
    """Return the change that ends or requeues what was active, for `Database.write`.

    RUNNING returns to the queue with its attempt, so that the next one is fenced against it, or
    fails when it has lost too many; CANCELLING becomes CANCELLED.

    Args:
        clock: Milliseconds since the epoch.

    Returns:
        The change; its result is the number of tasks that it met.
    """

    def work(connection: Connection) -> int:
        now = clock()
        active = quantum_tasks.list_active(connection)
        for task in active:
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
        return len(active)

    return work
