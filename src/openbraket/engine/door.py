"""What the rest of a server asks of the engine, whether this or another server dispatches."""

from collections import Counter
from typing import Protocol

from openbraket.engine.cancelling import CancelResult, Confirm
from openbraket.engine.executors.base import Capacity
from openbraket.engine.states import Status
from openbraket.store.quantum_tasks import QuantumTask, WaitingTask


class Door(Protocol):
    """The engine's door; `Dispatcher` and `SharedDispatcher` say what each method does."""

    @property
    def memory_bytes(self) -> int:
        """What admission counts for the attempts under way in this server."""
        ...

    @property
    def capacity(self) -> Capacity | None:
        """What the machines of this server's executor can give; None where nobody has asked."""
        ...

    @property
    def reason_not_ready(self) -> str:
        """Why a new task would not start, here or in another server; "" if it would."""
        ...

    async def start(self) -> None:
        """Begin to work."""
        ...

    async def stop(self) -> None:
        """Start nothing more, kill the workers and return their tasks to the queue."""
        ...

    def running_counts(self) -> Counter[str]:
        """Return how many attempts are under way in this server, by device."""
        ...

    def waiting_devices(self) -> tuple[str, ...]:
        """Return the devices that have waiting tasks, where this server dispatches."""
        ...

    def first_status(self, device_arn: str) -> Status:
        """Return the status to record for a new task."""
        ...

    def set_closed(self, device_arns: frozenset[str]) -> None:
        """Let exactly these devices start no tasks from now on; what runs there goes on."""
        ...

    def queue_position(self, task: QuantumTask) -> int:
        """Return how many tasks of its device will start before a task that waits."""
        ...

    def queue_depth(self, device_arn: str, *, priority: int) -> int:
        """Return how many tasks of a device wait with this priority."""
        ...

    def task_created(self, task: WaitingTask) -> None:
        """Take in a task whose record is committed."""
        ...

    async def cancel(self, task_id: str, confirm: Confirm | None = None) -> CancelResult | None:
        """Cancel a task and return the status that is committed now."""
        ...

    async def wait_for_end(self, task_id: str, *, timeout_s: float) -> None:
        """Return when an attempt of the task has been concluded, or after `timeout_s` seconds."""
        ...
