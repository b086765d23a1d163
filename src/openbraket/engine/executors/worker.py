"""What a worker process does: run attempts, one after the other, until the server is gone.

A small result goes to the server with the outcome; a larger one is a complete file before the
server hears of it, and the server brings it to the disk. A worker never touches the records: an
attempt that nobody waits for any more may leave files without a record, which are swept.
"""

import importlib
import os
import socket
import threading
import time
import traceback
from typing import Any, Final

from openbraket.base.errors import OpenBraketError, StoreError
from openbraket.base.work import RunnerOutput, Work
from openbraket.blobs import LocalBlobs
from openbraket.engine.executors import frames
from openbraket.engine.executors.base import StoredObject, Succeeded

# Progress reports between these are not sent; the last one of an attempt may be dropped.
PROGRESS_INTERVAL_S: Final = 0.1


def serve(channel: socket.socket, *, blobs: LocalBlobs) -> None:
    """Run attempts from `channel` until its other side is closed.

    Args:
        channel: Blocking stream socket to the server.
        blobs: The contents; they need not reach the disk.
    """
    _send(channel, {"kind": "ready", "pid": os.getpid()})
    while (frame := frames.receive(channel)) is not None:
        work = frames.unpack_work(frame)
        _send(channel, *_run(work, blobs, _Progress(channel)))


class _Progress:
    """Sends progress now and then; may be called from any thread of the runner."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._next_s = 0.0
        self._lock = threading.Lock()
        self._is_open = True

    def __call__(self, fraction: float) -> None:
        with self._lock:
            now = time.monotonic()
            if self._is_open and now >= self._next_s:
                self._next_s = now + PROGRESS_INTERVAL_S
                _send(self._channel, {"kind": "progress", "fraction": float(fraction)})

    def close(self) -> None:
        """Send nothing any more: the channel is the next message's."""
        with self._lock:
            self._is_open = False


def _run(work: Work, blobs: LocalBlobs, progress: _Progress) -> frames.Frame:
    """Run one attempt and return the message that tells its outcome."""
    try:
        try:
            output: RunnerOutput = importlib.import_module(work.runner).run(work, progress)
        finally:
            progress.close()
        return _store(output, blobs)
    except StoreError as error:
        # Ours, not the program's: a full disk, say.
        return {"kind": "failed", "reason": str(error), "log": str(error)}, b""
    except OpenBraketError as error:
        return {"kind": "failed", "reason": str(error)}, b""
    except MemoryError:
        reason = f"The simulation ran out of memory; {work.memory_bytes} bytes were estimated."
        return {"kind": "failed", "reason": reason}, b""
    except BaseException as error:  # a runner that calls sys.exit must not end the worker
        place = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {error}"
        return {
            "kind": "failed",
            "reason": f"InternalError: {detail}",
            "log": f"{detail} at {place.filename}:{place.lineno}",
        }, b""


def _store(output: RunnerOutput, blobs: LocalBlobs) -> frames.Frame:
    """Store the result objects and return the message that names or has them."""
    stored: list[StoredObject] = []
    try:
        for result in output.objects:
            blob = blobs.keep(result.content)
            stored.append(StoredObject(result.name, result.content_type, blob))
    except BaseException:
        for item in stored:
            blobs.delete(item.blob.id)
        raise
    outcome = Succeeded(tuple(stored), output.num_successful_shots, output.failure_reason)
    return outcome.to_frame()


def _send(channel: socket.socket, header: dict[str, Any], body: bytes = b"") -> None:
    channel.sendall(frames.pack(header, body))
