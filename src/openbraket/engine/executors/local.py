"""Attempts in worker processes on this machine.

The server holds two kinds of sockets: the control socket to the fork server (see `fork_server`)
and one channel to each worker. A worker's attempt is over when its outcome has come over the
channel, or when both its exit is reported and its channel is read to the end, so that an outcome
sent just before a death is not missed.
"""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import orjson

from openbraket.base import metrics
from openbraket.base.errors import OpenBraketError
from openbraket.base.work import Work
from openbraket.engine.executors import frames, memory
from openbraket.engine.executors.base import Failed, Lost, Outcome, Succeeded

# Wait before replacing what died before it was ready, so that a broken set-up does not spin.
RESTART_DELAY_S: Final = 1.0
STOP_S_MAX: Final = 10.0
ORDER_RETRY_S: Final = 0.01
_PACKET_BYTES_MAX: Final = 65536
_SIGKILLED: Final = -9
# Simulators bring their own threads, after the fork; a thread before it would be lost in the child.
_THREAD_LIMITS: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_BOOTSTRAP: Final = (
    "import sys; sys.path[:] = {sys_path!r}; "
    "from openbraket.engine.executors.fork_server import main; main({descriptor}, {settings!r})"
)

_log = logging.getLogger(__name__)


class LocalExecutor:
    """A fixed number of preloaded worker processes.

    Args:
        blobs_root: Directory of the contents, as given to `LocalBlobs`.
        worker_count: How many attempts run at once, at least 1.
        preload: Modules that workers find imported, by name.
        inline_bytes_max: Size up to which results come with the outcome and are no files.
    """

    def __init__(
        self,
        *,
        blobs_root: Path,
        worker_count: int,
        preload: Sequence[str] = (),
        inline_bytes_max: int = 0,
    ) -> None:
        self.worker_count = worker_count
        self._settings = {
            "server_pid": os.getpid(),
            "preload": list(preload),
            "blobs_root": str(blobs_root),
            "inline_bytes_max": inline_bytes_max,
        }
        self._workers: dict[int, _Worker] = {}
        self._idle: list[_Worker] = []
        self._last_number = 0
        # Which fork server the workers belong to: only those of the present one are replaced.
        self._generation = 0
        self._on_free: Callable[[], None] = _do_nothing
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._is_stopping = False
        self._is_watching = False
        self._is_ready = False
        self._background: set[asyncio.Task[None]] = set()

    @property
    def capacity(self) -> None:
        """The operator says what this machine gives."""

    @property
    def free_count(self) -> int:
        """How many attempts could start now."""
        return len(self._idle)

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers that have reported themselves."""
        return [worker.pid for worker in self._workers.values() if worker.pid]

    async def start(self, on_free: Callable[[], None]) -> None:
        """Start the fork server and ask for workers; returns before they are ready.

        Must be called on a thread that lives as long as the server: the kernel ends the workers
        with the thread that started them.

        Args:
            on_free: Called whenever a worker has become free.
        """
        self._on_free = on_free
        self._start_fork_server()

    def submit(self, work: Work, on_progress: Callable[[float], None]) -> asyncio.Future[Outcome]:
        """Hand an attempt to a free worker.

        Args:
            work: The attempt.
            on_progress: Called with the finished share, 0 to 1, now and then.

        Returns:
            The outcome; it never raises.
        """
        worker = self._idle.pop()
        self._watch()
        return worker.begin(work, on_progress)

    def kill(self, task_id: str, attempt: int) -> None:
        """Kill the process of an attempt that still runs.

        Args:
            task_id: The task.
            attempt: The attempt's number.
        """
        for worker in self._workers.values():
            work = worker.work
            if work is not None and (work.task_id, work.attempt) == (task_id, attempt):
                self.kill_worker(worker)

    def kill_worker(self, worker: "_Worker") -> None:
        """Kill a worker; it gets no attempt any more, even if it ends its own before it dies."""
        worker.is_doomed = True
        self._order({"kind": "kill", "worker": worker.number})

    async def stop(self) -> None:
        """Kill every worker and wait until their channels are closed."""
        self._is_stopping = True
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        closed = [worker.closed for worker in self._workers.values()]
        self._fork_server_ended()
        if closed:
            await asyncio.wait(closed, timeout=STOP_S_MAX)
        for worker in list(self._workers.values()):
            # Killed, and still held by the kernel: what it may yet write is fenced.
            worker.abandon()

    def _start_fork_server(self) -> None:
        if self._is_stopping:
            return
        try:
            self._launch_fork_server()
        except OSError as error:
            _log.error("the fork server cannot be started; trying again: %s", error)
            asyncio.get_running_loop().call_later(RESTART_DELAY_S, self._start_fork_server)

    def _launch_fork_server(self) -> None:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = _BOOTSTRAP.format(
            sys_path=[entry for entry in sys.path if entry],
            descriptor=theirs.fileno(),
            settings=orjson.dumps(self._settings).decode(),
        )
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
                    [sys.executable, "-c", code],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, **_THREAD_LIMITS},
                    # Away from the terminal: Ctrl-C is the server's, which then stops the workers.
                    start_new_session=True,
                )
            except OSError:
                control.close()
                raise
        control.setblocking(False)
        self._control = control
        self._is_ready = False
        self._generation += 1
        asyncio.get_running_loop().add_reader(control.fileno(), self._read_control)
        for _ in range(self.worker_count):
            self._fork(self._generation)

    def _fork(self, generation: int) -> None:
        """Ask for one worker, unless its fork server is gone: the next one has asked for its own.

        Args:
            generation: Number of the fork server.
        """
        if self._control is None or self._is_stopping or generation != self._generation:
            return
        number = self._last_number + 1
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            self._fork_later(generation, error)
            return
        with theirs:
            order = orjson.dumps({"kind": "fork", "worker": number})
            try:
                socket.send_fds(self._control, [order], [theirs.fileno()])
            except OSError as error:
                # It is busy, or it has just died: then its successor has workers of its own.
                ours.close()
                self._fork_later(generation, error)
                return
        self._last_number = number
        ours.setblocking(False)
        worker = _Worker(number, self, generation)
        self._workers[number] = worker
        task = asyncio.get_running_loop().create_task(worker.connect(ours))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _fork_later(self, generation: int, error: OSError) -> None:
        _log.debug("a worker must wait: %s", error)
        asyncio.get_running_loop().call_later(RESTART_DELAY_S, self._fork, generation)

    def _order(self, order: dict[str, Any]) -> None:
        if self._control is not None:
            try:
                self._control.send(orjson.dumps(order))
            except BlockingIOError:
                # The fork server is busy (it imports the simulators, say).
                asyncio.get_running_loop().call_later(ORDER_RETRY_S, self._order, order)
            except OSError as error:
                _log.warning("order %s did not reach the fork server: %s", order["kind"], error)

    def _read_control(self) -> None:
        if self._control is None:
            return
        try:
            packet = self._control.recv(_PACKET_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._fork_server_ended()
            return
        message = orjson.loads(packet)
        match message["kind"]:
            case "ready":
                self._is_ready = True
            case "warning":
                _log.warning("workers: %s", message["text"])
            case "exited":
                worker = self._workers.get(message["worker"])
                if worker is not None:
                    worker.exited(message["status"])

    def _fork_server_ended(self) -> None:
        """The workers die with it: count them as killed, and start again."""
        if self._control is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._control.fileno())
        self._control.close()
        self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for worker in list(self._workers.values()):
            worker.exited(_SIGKILLED)
        if not self._is_stopping:
            delay_s = 0.0 if self._is_ready else RESTART_DELAY_S
            _log.error("the fork server ended unexpectedly; starting it again")
            loop.call_later(delay_s, self._start_fork_server)

    def _watch(self) -> None:
        """Look at the memory of busy workers, as long as there are any."""
        if not self._is_watching:
            self._is_watching = True
            asyncio.get_running_loop().call_later(memory.LOOK_S, self._look_at_memory)

    def _look_at_memory(self) -> None:
        self._is_watching = False
        busy = [worker for worker in self._workers.values() if worker.work is not None]
        for worker in busy:
            if (reason := worker.memory_excess()) is not None:
                worker.verdict = Failed(reason, log=reason)
                self.kill_worker(worker)
        if busy and not self._is_stopping:
            self._watch()

    def worker_freed(self, worker: "_Worker") -> None:
        """Take note that a worker can run an attempt."""
        self._idle.append(worker)
        self._on_free()

    def worker_ending(self, worker: "_Worker") -> None:
        """Give a worker that is about to be gone no attempt any more."""
        if worker in self._idle:
            self._idle.remove(worker)

    def worker_ended(self, worker: "_Worker") -> None:
        """Replace a worker that is gone."""
        self._workers.pop(worker.number, None)
        if self._is_stopping or self._control is None or worker.generation != self._generation:
            return
        metrics.WORKER_DEATHS.inc()
        if worker.pid:
            self._fork(worker.generation)
        else:
            _log.error(
                "worker %d ended with status %s before it was ready; starting another",
                worker.number,
                worker.status,
            )
            asyncio.get_running_loop().call_later(RESTART_DELAY_S, self._fork, worker.generation)


class _Worker(asyncio.Protocol):
    """The server's side of one worker process.

    Args:
        number: Its name towards the fork server; never used again.
        executor: Told when the worker is free and when it is gone.
        generation: Number of the fork server that it belongs to.
    """

    def __init__(self, number: int, executor: LocalExecutor, generation: int) -> None:
        self.number = number
        self.generation = generation
        self.is_doomed = False
        # What its death means for its attempt, where it is killed for a reason.
        self.verdict: Failed | None = None
        self.pid = 0
        self.work: Work | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._executor = executor
        self._reader = frames.FrameReader()
        self._transport: asyncio.WriteTransport | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self._on_progress: Callable[[float], None] = _do_nothing_with
        self.status: int | None = None

    async def connect(self, channel: socket.socket) -> None:
        """Attach the channel to the event loop."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=channel)

    def begin(self, work: Work, on_progress: Callable[[float], None]) -> asyncio.Future[Outcome]:
        """Send an attempt to the process and return its outcome's future."""
        self.work = work
        self._on_progress = on_progress
        self._outcome = asyncio.get_running_loop().create_future()
        if self._transport is not None:
            self._transport.write(frames.pack_work(work))
        return self._outcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the channel's transport."""
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take in messages of the process."""
        try:
            for header, body in self._reader.feed(data):
                self._take(header, body)
        except (OpenBraketError, ValueError, LookupError, TypeError) as error:
            # Not the worker's own code any more, whatever wrote this: the attempt is lost.
            _log.error("worker %d sent what cannot be read: %s", self.number, error)
            self._executor.kill_worker(self)

    def _take(self, header: dict[str, Any], body: bytes) -> None:
        match header["kind"]:
            case "ready":
                self.pid = header["pid"]
                metrics.WORKER_STARTS.inc()
                self._executor.worker_freed(self)
            case "progress":
                self._on_progress(header["fraction"])
            case "done":
                self._end(Succeeded.from_frame(header, body))
            case "failed":
                self._end(Failed(header["reason"], header.get("log")))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        """Take note that nothing more will come."""
        self.closed.set_result(None)
        self._executor.worker_ending(self)
        if self.status is None:
            # Without a channel it is of no use, should it still live.
            self._executor.kill_worker(self)
        self._end_if_gone()

    def memory_excess(self) -> str | None:
        """Return why the process must be killed for its memory, or None."""
        if self.work is None or self.is_doomed or not self.pid:
            return None
        return memory.excess(self.pid, self.work.memory_bytes)

    def abandon(self) -> None:
        """End the attempt of a process that cannot be waited for."""
        self._resolve(Lost(_SIGKILLED))

    def exited(self, status: int) -> None:
        """Take note of the process's exit status."""
        if self.status is None:
            self.status = status
            self._executor.worker_ending(self)
            self._end_if_gone()

    def _end_if_gone(self) -> None:
        if self.status is None or not self.closed.done():
            return
        self._executor.worker_ended(self)
        self._resolve(self.verdict or Lost(self.status))

    def _end(self, outcome: Outcome) -> None:
        self._resolve(outcome)
        if not self.is_doomed:
            self._executor.worker_freed(self)

    def _resolve(self, outcome: Outcome) -> None:
        future, self._outcome, self.work = self._outcome, None, None
        self._on_progress = _do_nothing_with
        if future is not None and not future.done():
            future.set_result(outcome)


def _do_nothing() -> None:
    """Stand in for a listener that is not there yet."""


def _do_nothing_with(_: float) -> None:
    """Stand in for a listener that is not there any more."""
