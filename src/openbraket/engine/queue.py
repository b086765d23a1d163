"""The queue: every task that waits, in the order in which tasks start, and each one's position.

The policy, which docs/architecture.md states and `benchmarks/simulate_queue.py` shows:

- On one device, tasks of higher priority (those of jobs) start first. Within a priority the
  accounts take turns, a task each, and an account's own tasks start in the order of acceptance. So
  a device that one account uses is first in, first out.
- Between devices, the task starts whose account has had least of the machine, counted in threads
  (start-time fair queueing: Goyal, Vin and Cheng, 1996); of equals, the one accepted first.
- Tasks of a closed device, or of one whose own resources are all in use, keep their places, but
  others pass them.
- A small task may be asked for apart, by `first_small`: for the places that only these can use.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from openbraket.store.quantum_tasks import QuantumTask, WaitingTask

# A small task needs one thread and at most this; admission estimates a Bell state at 48 MiB.
SMALL_BYTES_MAX: Final = 128 << 20
# Programs of waiting tasks that stay in memory: how long each is at most, and the queue.
KEPT_ACTION_BYTES_MAX: Final = 4096
KEPT_ACTION_COUNT_MAX: Final = 1000


def is_small(task: WaitingTask) -> bool:
    """Return whether a task can use the places that are kept for small ones."""
    return task.thread_count == 1 and task.memory_bytes <= SMALL_BYTES_MAX


class TaskQueue:
    """The tasks that wait.

    Cost: `add`, `discard` and `start` move at most the places of one account on one device, 8 bytes
    for each of its waiting tasks; `first` looks at each device, `position` at each account of the
    device.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, WaitingTask] = {}
        self._ids: dict[int, str] = {}
        self._closed: frozenset[str] = frozenset()
        self._full: frozenset[str] = frozenset()
        # Waiting tasks by device and priority; a line that becomes empty goes.
        self._lines: dict[tuple[str, int], _Line] = {}
        # What each account has had of the machine, in threads, and what the last start had begun
        # with: whoever has waited for nothing meanwhile does not make up for it later.
        self._used: dict[str, float] = {}
        self._now = 0.0

    def __bool__(self) -> bool:
        """Return whether any task could start if there were room."""
        return any(device_arn not in self._closed for device_arn, _ in self._lines)

    def __len__(self) -> int:
        """Return how many tasks wait, those of closed devices among them."""
        return len(self._tasks)

    def __iter__(self) -> Iterator[WaitingTask]:
        """Give every task, in no order."""
        return iter(self._tasks.values())

    def __contains__(self, task_id: str) -> bool:
        """Return whether a task waits."""
        return task_id in self._tasks

    def is_closed(self, device_arn: str) -> bool:
        """Return whether a device starts no tasks now."""
        return device_arn in self._closed

    def lighten(self, task: WaitingTask) -> WaitingTask:
        """Return a task that must wait as it should be kept: only short programs stay in memory."""
        if task.new is None:
            return task
        is_short = len(task.new.action) <= KEPT_ACTION_BYTES_MAX
        return task if is_short and len(self) < KEPT_ACTION_COUNT_MAX else replace(task, new=None)

    def add(self, task: WaitingTask) -> None:
        """Take in a task that is not in the queue."""
        self._tasks[task.id] = task
        self._ids[task.seq] = task.id
        self._lines.setdefault((task.device_arn, task.priority), _Line()).add(task)

    def discard(self, task_id: str) -> WaitingTask | None:
        """Take a task out and return it, or None where it does not wait."""
        task = self._tasks.pop(task_id, None)
        if task is None:
            return None
        del self._ids[task.seq]
        line = self._lines[task.device_arn, task.priority]
        line.remove(task)
        if not line:
            del self._lines[task.device_arn, task.priority]
        return task

    def start(self, task: WaitingTask) -> None:
        """Take out a task that starts: its account has had its turn."""
        line = self._lines[task.device_arn, task.priority]
        line.end_turn(task.account)
        self.discard(task.id)
        self._now = self._share(task.account)
        self._used[task.account] = self._now + task.thread_count

    def first(self) -> WaitingTask | None:
        """Return the task that starts next, or None where none can."""
        return self._best(line.first for line in self._open_lines())

    def first_small(self) -> WaitingTask | None:
        """Return the small task that starts next, whatever waits before it; None without one."""
        return self._best(line.first_small for line in self._open_lines())

    def close(self, device_arns: frozenset[str]) -> None:
        """Let exactly these devices start no tasks."""
        self._closed = device_arns

    def pass_over(self, device_arns: frozenset[str]) -> None:
        """Let others start before the tasks of exactly these devices, which have no room now."""
        self._full = device_arns

    def position(self, task: WaitingTask | QuantumTask) -> int:
        """Return how many tasks of the same device are before this one.

        Args:
            task: A task that waits; for one that has just started the answer is 0.
        """
        if task.id not in self._tasks:
            return 0
        ahead = sum(
            line.count
            for (device_arn, priority), line in self._lines.items()
            if device_arn == task.device_arn and priority > task.priority
        )
        line = self._lines[task.device_arn, task.priority]
        return ahead + line.position(task.account, task.seq)

    def devices(self) -> tuple[str, ...]:
        """Return the devices that have waiting tasks."""
        return tuple(dict.fromkeys(device_arn for device_arn, _ in self._lines))

    def depth(self, device_arn: str, priority: int) -> int:
        """Return how many tasks of a device wait with this priority."""
        line = self._lines.get((device_arn, priority))
        return 0 if line is None else line.count

    def _open_lines(self) -> "Iterator[_Line]":
        for (device_arn, _), line in self._lines.items():
            if device_arn not in self._closed and device_arn not in self._full:
                yield line

    def _best(self, places: Iterable[int | None]) -> WaitingTask | None:
        tasks = (self._tasks[self._ids[seq]] for seq in places if seq is not None)
        return min(
            tasks,
            key=lambda task: (-task.priority, self._share(task.account), task.seq),
            default=None,
        )

    def _share(self, account: str) -> float:
        return max(self._used.get(account, 0.0), self._now)


class _Line:
    """The waiting tasks of one device and priority: accounts take turns."""

    def __init__(self) -> None:
        self.count = 0
        # Numbers of acceptance by account, in the order of the accounts' turns.
        self._seqs: dict[str, list[int]] = {}
        self._small: dict[str, list[int]] = {}

    def __bool__(self) -> bool:
        """Return whether a task waits."""
        return self.count > 0

    @property
    def first(self) -> int | None:
        """The task whose turn it is."""
        return next((seqs[0] for seqs in self._seqs.values()), None)

    @property
    def first_small(self) -> int | None:
        """The small task whose turn it is among small ones."""
        if not self._small:
            return None
        return next(self._small[account][0] for account in self._seqs if account in self._small)

    def add(self, task: WaitingTask) -> None:
        """Take in a task; an account that has none takes its turn after the others."""
        insort(self._seqs.setdefault(task.account, []), task.seq)
        if is_small(task):
            insort(self._small.setdefault(task.account, []), task.seq)
        self.count += 1

    def remove(self, task: WaitingTask) -> None:
        """Take out a task."""
        _remove(self._seqs, task)
        if is_small(task):
            _remove(self._small, task)
        self.count -= 1

    def end_turn(self, account: str) -> None:
        """Let an account wait for the others."""
        self._seqs[account] = self._seqs.pop(account)

    def position(self, account: str, seq: int) -> int:
        """Return how many tasks are before one, by the turns that its account must wait for."""
        turn = bisect_left(self._seqs[account], seq)
        ahead, is_before = 0, True
        for other, seqs in self._seqs.items():
            if other == account:
                is_before = False
                ahead += turn
            else:
                # Those whose turn comes first have one more task before this one.
                ahead += min(len(seqs), turn + is_before)
        return ahead


def _remove(by_account: dict[str, list[int]], task: WaitingTask) -> None:
    seqs = by_account[task.account]
    del seqs[bisect_left(seqs, task.seq)]
    if not seqs:
        del by_account[task.account]
