"""What runs on a node: one attempt after the other, in a process of Ray's.

Plain Python: Ray makes an actor of the class. The results of an attempt stay here until the bridge
has fetched them, small ones with the answer, large ones in pieces, so that no result needs to fit
into an object store.
"""

import importlib
import os
import threading
import time
import traceback
from collections.abc import Sequence
from typing import Any, Final

from openbraket import __version__
from openbraket.base.errors import OpenBraketError
from openbraket.base.work import RunnerOutput
from openbraket.engine.executors import frames, memory

# Results up to this go with the answer; larger ones are fetched in pieces.
INLINE_BYTES_MAX: Final = 1 << 20
PIECE_BYTES: Final = 8 << 20
PROGRESS_INTERVAL_S: Final = 0.1


class RayWorker:
    """One process on a node, with imported simulators.

    `run` and `read` are called one after the other; `news` at the same time, in a thread of its
    own.

    Args:
        preload: Modules to import before the first attempt.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        for name in preload:
            importlib.import_module(name)
        self._contents: tuple[bytes, ...] = ()
        self._news = threading.Condition()
        self._fraction: float | None = None
        self._running = ""
        self._memory_bytes = 0

    def describe(self) -> dict[str, Any]:
        """Return what the bridge checks before the first attempt."""
        return {"version": __version__, "pid": os.getpid()}

    def run(self, message: bytes) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        """Run one attempt.

        Args:
            message: What `frames.pack_work` made of it.

        Returns:
            The outcome as JSON's types, and the contents of its objects where they are small.
        """
        (frame,) = frames.FrameReader().feed(message)
        work = frames.unpack_work(frame)
        with self._news:
            self._running, self._fraction = f"{work.task_id}/{work.attempt}", None
            self._memory_bytes = work.memory_bytes
        try:
            output: RunnerOutput = importlib.import_module(work.runner).run(work, self._report)
        except OpenBraketError as error:
            return {"kind": "failed", "reason": str(error)}, ()
        except MemoryError:
            reason = f"The simulation ran out of memory; {work.memory_bytes} bytes were estimated."
            return {"kind": "failed", "reason": reason}, ()
        except BaseException as error:  # a runner that calls sys.exit must not end the worker
            place = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__}: {error}"
            log = f"{detail} at {place.filename}:{place.lineno}"
            return {"kind": "failed", "reason": f"InternalError: {detail}", "log": log}, ()
        finally:
            with self._news:
                self._running = ""
                self._news.notify_all()
        return self._answer(output)

    def _answer(self, output: RunnerOutput) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        contents = tuple(item.content for item in output.objects)
        answer = {
            "kind": "done",
            "objects": [
                {"name": item.name, "content_type": item.content_type, "size": len(item.content)}
                for item in output.objects
            ],
            "shots": output.num_successful_shots,
            "failure": output.failure_reason,
        }
        if sum(map(len, contents)) <= INLINE_BYTES_MAX:
            return answer, contents
        self._contents = contents
        return answer, ()

    def read(self, index: int, start: int) -> bytes:
        """Return a piece of an object of the last attempt.

        Args:
            index: Which object, from 0.
            start: First byte.

        Returns:
            At most `PIECE_BYTES`.
        """
        return bytes(memoryview(self._contents[index])[start : start + PIECE_BYTES])

    def forget(self) -> None:
        """Let the objects of the last attempt go."""
        self._contents = ()

    def news(self, attempt: str) -> dict[str, Any] | None:
        """Wait until an attempt has come further, uses too much memory, or has ended.

        Args:
            attempt: Its task's id and number, `id/1`.

        Returns:
            `fraction`, the finished share, 0 to 1, or `excess`, why this process must be killed;
            None where the attempt does not run.
        """
        with self._news:
            while True:
                if self._running != attempt:
                    return None
                if (excess := memory.excess(os.getpid(), self._memory_bytes)) is not None:
                    return {"excess": excess}
                if self._fraction is not None:
                    break
                self._news.wait(memory.LOOK_S)
            fraction, self._fraction = self._fraction, None
        time.sleep(PROGRESS_INTERVAL_S)
        return {"fraction": fraction}

    def _report(self, fraction: float) -> None:
        with self._news:
            self._fraction = float(fraction)
            self._news.notify_all()
