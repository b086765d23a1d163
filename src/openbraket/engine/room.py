"""What running attempts may use together, and which waiting task fits beside them."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openbraket.engine.executors.base import Capacity
from openbraket.engine.queue import is_small
from openbraket.store.quantum_tasks import WaitingTask

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Share:
    """What one attempt has of the machine.

    Attributes:
        memory_bytes: By admission's estimate.
        thread_count: Threads.
        is_extra: Whether it runs beside the limits, in a place for small tasks.
        device_arn: The device that it runs on.
    """

    memory_bytes: int
    thread_count: int
    is_extra: bool
    device_arn: str = ""


def extra_count(worker_count: int) -> int:
    """Return how many workers may run small tasks beside wide ones: a quarter, rounded up.

    A wide task needs a worker process for itself, so one worker alone has no such place.
    """
    return min(-(-worker_count // 4), worker_count - 1)


class Room:
    """The memory and threads of all attempts together.

    Beyond the limits there are places for small tasks: a wide simulation that takes every thread
    then shares the processors with them, instead of making them wait for its end.

    Args:
        memory_bytes_max: What all attempts but those in extra places may use, in bytes.
        thread_count_max: The same in threads; a task that wants more gets this.
        extra_count: Extra places for small tasks.

    Attributes:
        task_memory_bytes_max: What one attempt can have at most.
    """

    def __init__(self, memory_bytes_max: int, thread_count_max: int, extra_count: int = 0) -> None:
        self._memory_bytes_max = self.task_memory_bytes_max = memory_bytes_max
        self._thread_count_max = self._task_thread_count_max = thread_count_max
        self._extra_count = extra_count
        self.memory_bytes = 0
        self.thread_count = 0
        self.extra_used = 0
        self._device_counts_max: Mapping[str, int] = {}
        self._device_counts: Counter[str] = Counter()

    def follow(self, capacity: Capacity | None) -> None:
        """Take over the limits of machines that come and go; None leaves them as they are."""
        if capacity is not None:
            self._memory_bytes_max = capacity.memory_bytes
            self._thread_count_max = capacity.thread_count
            self.task_memory_bytes_max = capacity.task_memory_bytes
            self._task_thread_count_max = capacity.task_thread_count
            self._device_counts_max = capacity.device_counts

    def full_devices(self) -> frozenset[str]:
        """Return the devices that can run no further attempt, whatever it needs."""
        return frozenset(
            arn
            for arn, count_max in self._device_counts_max.items()
            if self._device_counts[arn] >= count_max
        )

    def fits(self, task: WaitingTask) -> bool:
        """Return whether a task fits beside what runs; one that never will is let through."""
        if task.memory_bytes > self.task_memory_bytes_max:
            return True
        thread_count = min(task.thread_count, self._task_thread_count_max)
        return (
            self.memory_bytes + task.memory_bytes <= self._memory_bytes_max
            and self.thread_count + thread_count <= self._thread_count_max
        )

    def fits_extra(self, task: WaitingTask) -> bool:
        """Return whether a task can have an extra place."""
        return is_small(task) and self.extra_used < self._extra_count

    def take(self, task: WaitingTask, *, is_extra: bool) -> Share:
        """Give a task what it needs, to be given back at its end."""
        thread_count = min(task.thread_count, self._task_thread_count_max)
        share = Share(task.memory_bytes, thread_count, is_extra, task.device_arn)
        self._add(share, 1)
        return share

    def give_back(self, share: Share) -> None:
        """Take back what an attempt had."""
        self._add(share, -1)

    def _add(self, share: Share, sign: int) -> None:
        self._device_counts[share.device_arn] += sign
        if share.is_extra:
            self.extra_used += sign
            return
        self.memory_bytes += sign * share.memory_bytes
        self.thread_count += sign * share.thread_count
