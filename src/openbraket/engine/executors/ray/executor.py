"""The server's side of a Ray cluster: it starts the bridge, and starts it again when it ends.

While the cluster cannot be reached tasks wait in the queue and clients are served. An attempt that
was under way when the bridge ended is lost.
"""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import orjson

from openbraket.base import metrics
from openbraket.base.errors import OpenBraketError
from openbraket.base.work import Work
from openbraket.engine.executors import frames
from openbraket.engine.executors.base import (
    Capacity,
    Failed,
    Lost,
    Outcome,
    Succeeded,
)

# How often this process shows that it lives before its silence would be too long.
BEAT_COUNT: Final = 8
RESTART_S_FIRST: Final = 1.0
RESTART_S_MAX: Final = 30.0
STOP_S_MAX: Final = 10.0
_SIGKILLED: Final = -9
_BOOTSTRAP: Final = (
    "import sys; sys.path[:] = {sys_path!r}; "
    "from openbraket.engine.executors.ray.bridge import main; main({descriptor}, {settings!r})"
)

_log = logging.getLogger(__name__)


class _Run:
    """One attempt on the cluster."""

    def __init__(self, on_progress: Callable[[float], None]) -> None:
        self.on_progress = on_progress
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def end(self, outcome: Outcome) -> None:
        """Tell the outcome, where anybody still waits for it."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class RayExecutor:
    """Attempts on the nodes of a Ray cluster; see the module.

    Args:
        address: `auto`, `ray://host:port` or `host:port`, as `ray.init` takes it.
        blobs_root: Directory of the contents, as given to `LocalBlobs`.
        preload: Modules that workers find imported, by name.
        resources: Further resources that the tasks of a device need, by its ARN and Ray's names.
        jobs_dir: Where the directories of hybrid jobs lie.
        service: Names this service on the cluster.
        silence_s_max: For how long this process may show no life, in seconds, before the bridge
            and the workers end, since another server leads; 0 means for ever.
    """

    def __init__(
        self,
        *,
        address: str,
        blobs_root: Path,
        preload: Sequence[str] = (),
        resources: Mapping[str, Mapping[str, float]] | None = None,
        jobs_dir: Path = Path("jobs"),
        service: str = "openbraket",
        silence_s_max: float = 0.0,
    ) -> None:
        self._settings = {
            "server_pid": os.getpid(),
            "address": address,
            "preload": list(preload),
            "blobs_root": str(blobs_root),
            "resources": resources or {},
            "jobs_dir": str(jobs_dir),
            "service": service,
            "silence_s_max": silence_s_max,
        }
        self._beat_s = silence_s_max / BEAT_COUNT
        self._beating: asyncio.TimerHandle | None = None
        self._runs: dict[tuple[str, int], _Run] = {}
        self._capacity: Capacity | None = None
        self._is_connected = False
        self._is_stalled = False
        self._is_stopping = False
        self._on_free: Callable[[], None] = _do_nothing
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: _Channel | None = None
        self._restart_s = RESTART_S_FIRST
        self._restarting: asyncio.TimerHandle | None = None
        self._launching: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Attempts of hybrid jobs that the bridge is to look after.
        self._job_paths: dict[str, None] = {}
        self._last_connected_s = time.monotonic()

    @property
    def capacity(self) -> Capacity | None:
        """What the nodes can give, or could when they were last heard of; None before."""
        return self._capacity

    @property
    def free_count(self) -> int:
        """How many attempts could start now: one for each processor that none has."""
        if self._capacity is None or not self._is_connected or self._is_stalled:
            return 0
        return max(0, self._capacity.thread_count - len(self._runs))

    @property
    def bridge_pid(self) -> int | None:
        """Process id of the bridge; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def away_s(self) -> float:
        """For how long the cluster could not be reached, in seconds."""
        return 0.0 if self._is_connected else time.monotonic() - self._last_connected_s

    def attend(self, path: Path) -> None:
        """Have the bridge, and each that comes after it, look after an attempt of a hybrid job.

        May be called from any thread, after `start`.

        Args:
            path: The attempt's directory.
        """
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._attend, str(path))

    def stop_job(self, path: Path) -> None:
        """Have the bridge end the instances of an attempt; from any thread, after `start`.

        Args:
            path: The attempt's directory.
        """
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._order, {"kind": "stop_job", "path": str(path)})

    def _attend(self, path: str) -> None:
        if path not in self._job_paths:
            self._job_paths[path] = None
            if self._is_connected:
                self._order({"kind": "attend", "path": path})

    def _order(self, order: dict[str, Any]) -> None:
        if self._channel is not None:
            self._channel.write(frames.pack(order))

    async def start(self, on_free: Callable[[], None]) -> None:
        """Start the bridge; returns before it has reached the cluster.

        Must be called on a thread that lives as long as the server: the kernel ends the bridge
        with the thread that started it.

        Args:
            on_free: Called whenever `free_count` or `capacity` may have changed.
        """
        self._on_free = on_free
        self._loop = asyncio.get_running_loop()
        self._last_connected_s = time.monotonic()
        self._start_bridge()
        if self._beat_s:
            self._beat()

    def _beat(self) -> None:
        self._order({"kind": "alive"})
        self._beating = asyncio.get_running_loop().call_later(self._beat_s, self._beat)

    def submit(self, work: Work, on_progress: Callable[[float], None]) -> asyncio.Future[Outcome]:
        """Hand an attempt to the cluster.

        Args:
            work: The attempt.
            on_progress: Called with the finished share, 0 to 1, now and then.

        Returns:
            The outcome; it never raises.
        """
        run = _Run(on_progress)
        if self._channel is None:
            run.end(Lost(_SIGKILLED))
            return run.outcome
        self._runs[work.task_id, work.attempt] = run
        self._channel.write(frames.pack_work(work))
        return run.outcome

    def kill(self, task_id: str, attempt: int) -> None:
        """Kill the worker of an attempt that still runs.

        Args:
            task_id: The task.
            attempt: The attempt's number.
        """
        if (task_id, attempt) in self._runs:
            self._order({"kind": "kill", "task_id": task_id, "attempt": attempt})

    async def stop(self) -> None:
        """End the bridge, and with it the workers."""
        self._is_stopping = True
        if self._beating is not None:
            self._beating.cancel()
        if self._restarting is not None:
            self._restarting.cancel()
        if self._launching is not None:
            await asyncio.wait((self._launching,))
        channel = self._channel
        if self._process is not None:
            self._process.kill()
        if channel is not None:
            await asyncio.wait((channel.closed,), timeout=STOP_S_MAX)
        self._lose_all()

    def _start_bridge(self) -> None:
        self._restarting = None
        if not self._is_stopping:
            self._launching = asyncio.get_running_loop().create_task(self._launch())

    async def _launch(self) -> None:
        try:
            ours, theirs = socket.socketpair()
            with theirs, contextlib.ExitStack() as undoing:
                undoing.callback(ours.close)
                self._process = self._popen(theirs)
                undoing.pop_all()
        except OSError as error:
            _log.error("the bridge to Ray cannot be started; trying again: %s", error)
            self._restart_later()
            return
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_unix_connection(lambda: _Channel(self), sock=ours)
        self._channel = channel

    def _popen(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        code = _BOOTSTRAP.format(
            sys_path=[entry for entry in sys.path if entry],
            descriptor=theirs.fileno(),
            settings=orjson.dumps(self._settings).decode(),
        )
        return subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            [sys.executable, "-c", code],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Away from the terminal: Ctrl-C is the server's.
            start_new_session=True,
        )

    def take(self, header: dict[str, Any]) -> None:
        """Take in a message of the bridge."""
        match header.pop("kind"):
            case "capacity":
                self._capacity = Capacity(**header)
                if not self._is_connected:
                    self._is_connected = True
                    for path in self._job_paths:
                        self._order({"kind": "attend", "path": path})
                self._restart_s = RESTART_S_FIRST
                self._on_free()
            case "stalled":
                self._is_stalled = header["is_stalled"]
                self._on_free()
            case "progress":
                run = self._runs.get((header["task_id"], header["attempt"]))
                if run is not None:
                    run.on_progress(header["fraction"])
            case "done":
                self._end(header, Succeeded.from_frame(header))
            case "failed":
                self._end(header, Failed(header["reason"], header.get("log")))
            case "lost":
                self._end(header, Lost(header["status"]))
            case "job_over":
                self._job_paths.pop(header["path"], None)
            case "died":
                metrics.WORKER_DEATHS.inc()
            case "warning":
                _log.warning("Ray: %s", header["text"])

    def _end(self, header: Mapping[str, Any], outcome: Outcome) -> None:
        run = self._runs.pop((header["task_id"], header["attempt"]), None)
        if run is not None:
            run.end(outcome)
        self._on_free()

    def kill_bridge(self) -> None:
        """End a bridge that cannot be understood."""
        if self._process is not None:
            self._process.kill()

    def bridge_ended(self) -> None:
        """Take note that the bridge is gone, and with it the workers."""
        self._channel = None
        if self._is_connected:
            self._last_connected_s = time.monotonic()
        self._is_connected = self._is_stalled = False
        status = None
        if self._process is not None:
            # Its channel is closed: it is on its way out, or of no use.
            self._process.kill()
            status = self._process.wait()
            self._process = None
        self._lose_all()
        self._on_free()
        if not self._is_stopping:
            _log.error(
                "the connection to Ray ended (status %s); trying again in %.0f s",
                status,
                self._restart_s,
            )
            self._restart_later()

    def _restart_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._restarting = loop.call_later(self._restart_s, self._start_bridge)
        self._restart_s = min(2 * self._restart_s, RESTART_S_MAX)

    def _lose_all(self) -> None:
        for run in self._runs.values():
            run.end(Lost(_SIGKILLED))
        self._runs.clear()


class _Channel(asyncio.Protocol):
    """The channel to one bridge process."""

    def __init__(self, executor: RayExecutor) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._executor = executor
        self._reader = frames.FrameReader()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    def write(self, message: bytes) -> None:
        """Send a message."""
        if self._transport is not None:
            self._transport.write(message)

    def data_received(self, data: bytes) -> None:
        """Take in messages of the bridge."""
        try:
            for header, _ in self._reader.feed(data):
                self._executor.take(header)
        except (OpenBraketError, ValueError, LookupError, TypeError) as error:
            _log.error("the bridge to Ray sent what cannot be read: %s", error)
            self._executor.kill_bridge()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        """Take note that nothing more will come."""
        self.closed.set_result(None)
        self._executor.bridge_ended()


def _do_nothing() -> None:
    """Stand in for a listener that is not there yet."""
