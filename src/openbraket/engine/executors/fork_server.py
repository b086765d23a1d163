"""The process that forks workers: imports the simulators once, then forks in milliseconds.

Our own rather than `multiprocessing`'s: that one imports the server's main module again in every
worker, which costs time and runs a caller's script twice. It has one thread and one blocking loop,
and talks to the server over a `SOCK_SEQPACKET` pair, one JSON document a packet:

    server → fork server   {"kind": "fork", "worker": 7} with the worker's channel, a descriptor
                           {"kind": "kill", "worker": 7}
    fork server → server   {"kind": "ready"}
                           {"kind": "warning", "text": …}
                           {"kind": "exited", "worker": 7, "status": -9}

Being the workers' parent, it alone can kill one without the risk that its process id has been
given away. The kernel kills it when the server's thread that started it ends, and kills the workers
when it ends: no process outlives the server, however that dies.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

import orjson

from openbraket.blobs import LocalBlobs
from openbraket.engine.executors import worker

PACKET_BYTES_MAX: Final = 65536
_PR_SET_PDEATHSIG: Final = 1
# The kernel's choice when memory runs out should be a worker, not the server.
_OOM_SCORE_ADJ: Final = "500"


def main(control_descriptor: int, settings_json: str) -> None:
    """Serve until the server is gone; never returns.

    Args:
        control_descriptor: This side of the control socket.
        settings_json: `server_pid`, `preload`, `blobs_root` and `inline_bytes_max`.
    """
    settings = orjson.loads(settings_json)
    die_with_parent(settings["server_pid"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=control_descriptor)
    server = ForkServer(control, Path(settings["blobs_root"]), settings["inline_bytes_max"])
    server.preload(settings["preload"])
    server.serve()
    os._exit(0)


class ForkServer:
    """The fork server's state; see the module.

    Args:
        control: This side of the control socket.
        blobs_root: Directory of the contents.
        inline_bytes_max: Size up to which results come with the outcome and are no files.
    """

    def __init__(self, control: socket.socket, blobs_root: Path, inline_bytes_max: int) -> None:
        self._control = control
        self._blobs_root = blobs_root
        self._inline_bytes_max = inline_bytes_max
        self._worker_by_pid: dict[int, int] = {}
        self._pid_by_worker: dict[int, int] = {}
        self._wake_in, self._wake_out = socket.socketpair()

    def preload(self, modules: list[str]) -> None:
        """Import what every worker will need; one that fails is reported and left out."""
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception as error:
                text = f"cannot preload {name}: {type(error).__name__}: {error}"
                self._send({"kind": "warning", "text": text[:2000]})
        gc.collect()
        # Keeps the collector from writing to pages that the workers share.
        gc.freeze()
        self._send({"kind": "ready"})

    def serve(self) -> None:
        """Fork, kill and reap until the server closes the control socket."""
        self._wake_out.setblocking(False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.set_wakeup_fd(self._wake_out.fileno(), warn_on_full_buffer=False)
        while True:
            readable, _, _ = select.select([self._control, self._wake_in], [], [])
            if self._wake_in in readable:
                self._wake_in.recv(PACKET_BYTES_MAX)
                self._reap()
            if self._control in readable and not self._take_order():
                return

    def _take_order(self) -> bool:
        """Do what one packet says and return whether the server is still there."""
        packet, descriptors, _, _ = socket.recv_fds(self._control, PACKET_BYTES_MAX, 1)
        if not packet:
            return False
        order = orjson.loads(packet)
        number: int = order["worker"]
        if order["kind"] == "fork":
            channel = socket.socket(fileno=descriptors[0])
            self._fork(number, channel)
            channel.close()
        elif order["kind"] == "kill" and number in self._pid_by_worker:
            os.kill(self._pid_by_worker[number], signal.SIGKILL)
        return True

    def _fork(self, number: int, channel: socket.socket) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._send({"kind": "warning", "text": f"cannot start a worker: {error.strerror}"})
            self._send({"kind": "exited", "worker": number, "status": 1})
            return
        if pid == 0:
            self._be_worker(parent, channel)
        self._worker_by_pid[pid] = number
        self._pid_by_worker[number] = pid

    def _be_worker(self, parent: int, channel: socket.socket) -> None:
        """Run as the forked worker; never returns."""
        status = 1
        try:
            die_with_parent(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (self._control, self._wake_in, self._wake_out):
                other.close()
            with contextlib.suppress(OSError):  # where /proc is hidden or read-only
                Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE_ADJ)
            blobs = LocalBlobs(
                self._blobs_root, is_durable=False, inline_bytes_max=self._inline_bytes_max
            )
            worker.serve(channel, blobs=blobs)
            status = 0
        except (BrokenPipeError, ConnectionResetError):
            status = 0  # the server is gone
        finally:
            # Not sys.exit: nothing of the fork server's own may run in the worker.
            os._exit(status)

    def _reap(self) -> None:
        while self._worker_by_pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._worker_by_pid.pop(pid)
            del self._pid_by_worker[number]
            code = os.waitstatus_to_exitcode(status)
            self._send({"kind": "exited", "worker": number, "status": code})

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(orjson.dumps(message))
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)  # the server is gone


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process with SIGKILL when its parent ends.

    Args:
        parent_pid: The parent, to notice that it has ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)


def _ignore(number: int, frame: object) -> None:
    """Only the wake-up descriptor matters; without a handler Python would not write to it."""
