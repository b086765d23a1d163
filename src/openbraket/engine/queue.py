"""The queue: every task that waits, in the order in which tasks start, and each one's position.

The order is (priority, acceptance). Tasks of a closed device are held apart: they keep their
places, but others pass them.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

from openbraket.store.quantum_tasks import QuantumTask, WaitingTask

# Entries of the heap that may be out of date before it is built anew.
STALE_COUNT_MAX: Final = 1000

_Place = tuple[int, int]


class TaskQueue:
    """The tasks that wait.

    Cost: `add` and `discard` move at most the places of one device, 8 bytes for each of its
    waiting tasks; `position` and `depth` are logarithmic.
    """

    def __init__(self) -> None:
        # The heap may hold ids that no longer wait or are held; `_startable` decides.
        self._heap: list[tuple[int, int, str]] = []
        self._startable: dict[str, WaitingTask] = {}
        self._held: dict[str, WaitingTask] = {}
        self._closed: frozenset[str] = frozenset()
        # Each device's waiting tasks, held or not, in their order.
        self._places: dict[str, list[_Place]] = {}

    def __bool__(self) -> bool:
        """Return whether any task could start if there were room."""
        return bool(self._startable)

    def __iter__(self) -> Iterator[WaitingTask]:
        """Give every task, in no order."""
        yield from self._startable.values()
        yield from self._held.values()

    def is_closed(self, device_arn: str) -> bool:
        """Return whether a device starts no tasks now."""
        return device_arn in self._closed

    def add(self, task: WaitingTask) -> None:
        """Take in a task that is not in the queue."""
        insort(self._places.setdefault(task.device_arn, []), _place(task))
        self._put(task)

    def discard(self, task_id: str) -> WaitingTask | None:
        """Take a task out and return it, or None where it does not wait."""
        task = self._startable.pop(task_id, None) or self._held.pop(task_id, None)
        if task is None:
            return None
        places = self._places[task.device_arn]
        del places[bisect_left(places, _place(task))]
        if not places:
            del self._places[task.device_arn]
        if len(self._heap) > len(self._startable) + STALE_COUNT_MAX:
            self._heap = [(*_place(waiting), waiting.id) for waiting in self._startable.values()]
            heapq.heapify(self._heap)
        return task

    def first(self) -> WaitingTask | None:
        """Return the task that starts next, or None where none can."""
        while self._heap:
            task = self._startable.get(self._heap[0][2])
            if task is not None:
                return task
            heapq.heappop(self._heap)
        return None

    def close(self, device_arns: frozenset[str]) -> None:
        """Let exactly these devices start no tasks.

        Cost: linear in the waiting tasks.
        """
        self._closed = device_arns
        tasks = list(self)
        self._startable, self._held, self._heap = {}, {}, []
        for task in tasks:
            self._put(task)

    def position(self, task: WaitingTask | QuantumTask) -> int:
        """Return how many tasks of the same device will start before this one.

        Args:
            task: A task that waits; for one that has just started the answer is 0.
        """
        return bisect_left(self._places.get(task.device_arn, ()), (-task.priority, task.seq))

    def devices(self) -> tuple[str, ...]:
        """Return the devices that have waiting tasks."""
        return tuple(self._places)

    def depth(self, device_arn: str, priority: int) -> int:
        """Return how many tasks of a device wait with this priority."""
        places = self._places.get(device_arn, ())
        behind = bisect_left(places, (-priority + 1, 0))
        return behind - bisect_left(places, (-priority, 0))

    def _put(self, task: WaitingTask) -> None:
        if task.device_arn in self._closed:
            self._held[task.id] = task
        else:
            self._startable[task.id] = task
            heapq.heappush(self._heap, (*_place(task), task.id))


def _place(task: WaitingTask) -> _Place:
    return -task.priority, task.seq
