"""The workers on the cluster: warm ones are used again, idle ones give their places back.

A worker has the processors, memory and further resources that Ray has set aside for it. An attempt
takes an idle worker that has what it needs; else it waits in line for the next one that becomes
free, while one that fits is asked for from Ray, which chooses the node.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import ray

from openbraket import __version__
from openbraket.engine.executors.ray.worker import RayWorker
from openbraket.engine.queue import SMALL_BYTES_MAX

# A worker that nobody needed for so long gives its place on the cluster back.
IDLE_S_MAX: Final = 60.0
# Nobody waits for a place while idle workers of another size may be what holds it.
IDLE_YIELD_S: Final = 1.0
# How often a worker that does not come up is asked for again before its attempt fails.
START_FAILURES_MAX: Final = 5
RESTART_DELAY_S: Final = 1.0

_log = logging.getLogger(__name__)


class StartError(Exception):
    """No worker can be started; the message is for the task's owner."""


class _Actor(RayWorker):
    """The worker as Ray runs it."""

    @ray.method(concurrency_group="news")
    def news(self, attempt: str) -> dict[str, Any] | None:  # type: ignore[override]
        """Wait for news beside the attempt; see `RayWorker.news`."""
        return super().news(attempt)


@dataclass(frozen=True, slots=True)
class Need:
    """What a worker has on its node.

    Attributes:
        thread_count: Processors.
        memory_bytes: Memory by admission's estimate, in bytes.
        resources: Further resources of Ray's by name; `GPU` is Ray's own.
    """

    thread_count: int
    memory_bytes: int
    resources: Mapping[str, float] = field(default_factory=dict)

    def serves(self, other: "Need") -> bool:
        """Return whether a worker with this can run what needs `other`, without waste."""
        return (
            self.thread_count == other.thread_count
            and self.memory_bytes >= other.memory_bytes
            and dict(self.resources) == dict(other.resources)
        )

    def worker(self) -> "Need":
        """Return what to ask for: all small attempts can use the same workers."""
        if self.thread_count > 1 or self.memory_bytes > SMALL_BYTES_MAX:
            return self
        return Need(1, SMALL_BYTES_MAX, self.resources)


@dataclass(eq=False, slots=True)
class Worker:
    """One actor."""

    need: Need
    actor: Any
    is_doomed: bool = False
    expiry: asyncio.TimerHandle | None = None


@dataclass(eq=False, slots=True)
class _Waiter:
    need: Need
    found: "asyncio.Future[Worker]"
    failure_count: int = 0


class Pool:
    """The workers; lives on the bridge's event loop.

    Args:
        preload: Modules that workers import before their first attempt.
        warn: Called with what the operator should know.

    Attributes:
        thread_count_max: Processors of the whole cluster.
    """

    def __init__(self, preload: Sequence[str], warn: Callable[[str], None]) -> None:
        self.thread_count_max = 0
        self._preload = tuple(preload)
        self._warn = warn
        self._class = ray.remote(concurrency_groups={"news": 1})(_Actor)  # type: ignore[call-overload]
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._starting: list[Worker] = []
        self._waiting: list[_Waiter] = []
        self._background: set[asyncio.Task[None]] = set()

    async def take(self, need: Need) -> Worker:
        """Return a worker for an attempt; give it back with `release` or end it with `kill`.

        Args:
            need: What the attempt needs.

        Raises:
            StartError: None can be started.
        """
        fitting = [worker for worker in self._idle if worker.need.serves(need)]
        if fitting and not any(waiter.need.serves(need) for waiter in self._waiting):
            worker = min(fitting, key=lambda worker: worker.need.memory_bytes)
            self._unidle(worker)
            return worker
        waiter = _Waiter(need, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._start(need.worker())
        clearing = asyncio.get_running_loop().call_later(IDLE_YIELD_S, self._clear_idle)
        try:
            return await waiter.found
        finally:
            clearing.cancel()
            self._waiting.remove(waiter)
            self._return_unused(waiter)
            self._drop_surplus(need.worker())

    def _return_unused(self, waiter: _Waiter) -> None:
        """Release the worker that came for an attempt in the moment of its kill."""
        task, found = asyncio.current_task(), waiter.found
        is_killed = task is not None and task.cancelling() > 0
        if is_killed and found.done() and not found.cancelled() and found.exception() is None:
            self.release(found.result())

    def release(self, worker: Worker) -> None:
        """Take a worker back that has ended its attempt and still lives."""
        if worker.is_doomed:
            return
        for waiter in self._waiting:
            if worker.need.serves(waiter.need) and not waiter.found.done():
                waiter.found.set_result(worker)
                return
        loop = asyncio.get_running_loop()
        worker.expiry = loop.call_later(IDLE_S_MAX, self._expire, worker)
        self._idle.append(worker)

    def kill(self, worker: Worker) -> None:
        """End a worker's process, whatever it does."""
        worker.is_doomed = True
        self._workers.discard(worker)
        self._unidle(worker)
        try:
            ray.kill(worker.actor, no_restart=True)
        except Exception as error:
            # It has died, or the cluster has: either way nobody uses it any more.
            _log.debug("a worker could not be killed: %s", error)

    def _unidle(self, worker: Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
        if worker.expiry is not None:
            worker.expiry.cancel()
            worker.expiry = None

    def _expire(self, worker: Worker) -> None:
        if worker in self._idle:
            self.kill(worker)

    def _clear_idle(self) -> None:
        for worker in list(self._idle):
            self.kill(worker)

    def _drop_surplus(self, size: Need) -> None:
        """End workers that are being started and that nobody waits for any more."""
        starting = [
            worker for worker in self._starting if worker.need == size and not worker.is_doomed
        ]
        waiting = sum(waiter.need.worker() == size for waiter in self._waiting)
        for worker in starting[waiting:]:
            self.kill(worker)

    def _make_room(self, thread_count: int) -> None:
        """End idle workers, the oldest first, where all processors are taken."""
        held = sum(worker.need.thread_count for worker in self._workers)
        for worker in list(self._idle):
            if held + thread_count <= self.thread_count_max:
                return
            held -= worker.need.thread_count
            self.kill(worker)

    def _start(self, need: Need) -> None:
        self._make_room(need.thread_count)
        resources = dict(need.resources)
        gpu_count = resources.pop("GPU", 0)
        actor = self._class.options(
            num_cpus=need.thread_count,
            num_gpus=gpu_count,
            memory=need.memory_bytes,
            resources=resources,
            # Retries belong to the records.
            max_restarts=0,
            max_task_retries=0,
        ).remote(self._preload)
        worker = Worker(need, actor)
        self._workers.add(worker)
        self._starting.append(worker)
        self._spawn(self._see_start(worker))

    async def _see_start(self, worker: Worker) -> None:
        try:
            found = await worker.actor.describe.remote()
            trouble = (
                ""
                if found["version"] == __version__
                else f"the node has OpenBraket {found['version']}, the server {__version__}"
            )
        except Exception as error:
            trouble = _short(error)
        finally:
            self._starting.remove(worker)
        if worker.is_doomed:
            return
        if not trouble:
            self.release(worker)
            return
        self.kill(worker)
        self._warn(f"a worker on the Ray cluster cannot be used: {trouble}")
        await self._start_again(worker.need, trouble)

    async def _start_again(self, need: Need, trouble: str) -> None:
        waiting = [waiter for waiter in self._waiting if waiter.need.worker() == need]
        if not waiting:
            return
        waiting[0].failure_count += 1
        if waiting[0].failure_count >= START_FAILURES_MAX:
            if not waiting[0].found.done():
                reason = f"No worker can be started on the Ray cluster: {trouble}."
                waiting[0].found.set_exception(StartError(reason))
            return
        await asyncio.sleep(RESTART_DELAY_S)
        starting = sum(worker.need == need for worker in self._starting)
        if starting < sum(waiter.need.worker() == need for waiter in self._waiting):
            self._start(need)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    words = lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1].strip()}"
    return f"{type(error).__name__}: {words}"[:500]
