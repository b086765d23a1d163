"""The process that talks to a Ray cluster for the server, and writes what comes from there.

A process of its own, because Ray ends a process that has lost its cluster: the server must outlive
that. Like a worker of this machine it puts result objects on disk before the server hears of them.
It speaks over a stream socket in the frames of `executors.frames`:

    server → bridge   {"kind": "run", …} and the action, as `frames.pack_work` makes it
                      {"kind": "kill", "task_id": …, "attempt": 1}
                      {"kind": "attend" | "stop_job", "path": …} for an attempt of a hybrid job
                      {"kind": "alive"} now and then, where silence means that another server leads
    bridge → server   {"kind": "capacity", …} whenever nodes have come or gone
                      {"kind": "stalled", "is_stalled": true} while an attempt has no place
                      {"kind": "progress" | "done" | "failed" | "lost", "task_id": …, "attempt": 1}
                      {"kind": "job_over", "path": …}
                      {"kind": "died"} of a worker, {"kind": "warning", "text": …}

The kernel kills it when the server ends; then Ray ends its workers. Hybrid jobs go on. Where
servers share the records it also ends when its server hangs: what that has under way nobody wants
any more, and the next leader needs the processors.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import ray
from ray.exceptions import RayError, RayTaskError

from openbraket.base.errors import OpenBraketError, StoreError
from openbraket.base.work import Work
from openbraket.blobs import Blob, LocalBlobs
from openbraket.engine.executors import frames
from openbraket.engine.executors.fork_server import die_with_parent
from openbraket.engine.executors.ray.job_attempts import JobAttempts
from openbraket.engine.executors.ray.nodes import GRACE_S, Nodes
from openbraket.engine.executors.ray.pool import Need, Pool, StartError, Worker

if TYPE_CHECKING:
    from openbraket.engine.executors.base import Capacity

# How often the nodes are looked at, and how long the head may take to answer.
NODES_S: Final = 1.0
HEAD_S_MAX: Final = 15.0
# An attempt that has had no place for so long keeps others from starting before it.
STALL_S: Final = 5.0
# Progress and memory are asked for only of attempts that take a while.
NEWS_DELAY_S: Final = 0.2
# How long Ray may take to tell that a killed worker is gone.
KILL_S_MAX: Final = 5.0
# For how long a client port keeps workers whose bridge is gone; Ray's own is 30 s.
CLIENT_GRACE_S: Final = 5
# Attempts whose results are written at once.
WRITER_COUNT: Final = 8
HEAD_LOST_STATUS: Final = 3
_READ_BYTES: Final = 1 << 18
_SIGKILLED: Final = -9
_INTERNAL: Final = "InternalError: The cluster's worker answered with an error: "

Attempt = tuple[str, int]


def main(descriptor: int, settings_json: str) -> None:
    """Serve until the server or the cluster is gone; never returns.

    Args:
        descriptor: This side of the channel to the server.
        settings_json: `server_pid`, `address`, `preload`, `blobs_root`, `resources`, `jobs_dir`,
            `service` and `silence_s_max`.
    """
    settings = orjson.loads(settings_json)
    die_with_parent(settings["server_pid"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=descriptor)
    os.environ.setdefault("RAY_CLIENT_RECONNECT_GRACE_PERIOD", str(CLIENT_GRACE_S))
    try:
        ray.init(
            address=settings["address"],
            namespace=settings["service"],
            log_to_driver=False,
            configure_logging=False,
        )
    except Exception as error:
        with contextlib.suppress(OSError):
            channel.sendall(frames.pack(_trouble(settings["address"], error)))
        os._exit(HEAD_LOST_STATUS)
    channel.setblocking(False)
    asyncio.run(_serve(channel, settings))


async def _serve(channel: socket.socket, settings: Mapping[str, Any]) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    blobs = LocalBlobs(Path(settings["blobs_root"]), is_durable=False)
    bridge = Bridge(writer, blobs, settings)
    watching = asyncio.create_task(bridge.watch_nodes())
    serving = asyncio.create_task(bridge.serve(reader))
    done, _ = await asyncio.wait((watching, serving), return_when=asyncio.FIRST_COMPLETED)
    errors = [error for task in done if (error := task.exception()) is not None]
    for error in errors:
        writer.write(frames.pack(_trouble(settings["address"], error)))
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.drain(), NODES_S)
    # At once: Ray's own way out, and threads that ask it, wait for a cluster that may be gone.
    os._exit(HEAD_LOST_STATUS if errors else 0)


def _trouble(address: str, error: BaseException) -> dict[str, Any]:
    text = f"the cluster {address}: {type(error).__name__}: {error}"
    return {"kind": "warning", "text": " ".join(text.split())[:2000]}


class Bridge:
    """The attempts that are on the cluster.

    Args:
        writer: To the server.
        blobs: The contents.
        settings: See `main`.
    """

    def __init__(
        self, writer: asyncio.StreamWriter, blobs: LocalBlobs, settings: Mapping[str, Any]
    ) -> None:
        self._writer = writer
        self._blobs = blobs
        self._resources: Mapping[str, Mapping[str, float]] = settings["resources"]
        self._nodes = Nodes(self._resources)
        self._capacity: Capacity | None = None
        self._pool = Pool(settings["preload"], lambda text: self._send(kind="warning", text=text))
        self._jobs = JobAttempts(
            Path(settings["jobs_dir"]), settings["service"], self._nodes, self._send
        )
        self._silence_s_max: float = settings["silence_s_max"]
        self._runs: dict[Attempt, asyncio.Task[None]] = {}
        self._workers: dict[Attempt, Worker] = {}
        self._killed: set[Attempt] = set()
        # Why attempts end whose workers are killed for what they do.
        self._verdicts: dict[Attempt, str] = {}
        # Apart, so that large results never keep the head's answer waiting.
        self._looking = ThreadPoolExecutor(1)
        self._writing = ThreadPoolExecutor(WRITER_COUNT)
        self._stalled: set[Attempt] = set()
        self._background: set[asyncio.Task[None]] = set()

    async def watch_nodes(self) -> None:
        """Tell the server what the nodes can give, for ever.

        Raises:
            TimeoutError: The head does not answer.
            Exception: Whatever Ray raises when the cluster is gone.
        """
        loop = asyncio.get_running_loop()
        self._spawn(self._jobs.sweep())
        while True:
            looking = loop.run_in_executor(self._looking, ray.nodes)
            found = await asyncio.wait_for(looking, HEAD_S_MAX)
            capacity = self._nodes.update(found)
            if capacity != self._capacity:
                self._capacity = capacity
                self._pool.thread_count_max = capacity.thread_count
                self._send(kind="capacity", **asdict(capacity))
            await asyncio.sleep(NODES_S)

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Do what the server says until it is gone.

        Raises:
            TimeoutError: It shows no life.
        """
        stream = frames.FrameReader()
        while data := await self._read(reader):
            for header, body in stream.feed(data):
                match header.get("kind"):
                    case "kill":
                        self._kill((header["task_id"], header["attempt"]))
                    case "attend":
                        self._jobs.attend(header["path"])
                    case "stop_job":
                        self._jobs.stop(header["path"])
                    case "alive":
                        pass
                    case _:
                        self._begin(frames.unpack_work((header, body)))

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """Return what the server has sent next.

        Raises:
            TimeoutError: It shows no life.
        """
        if not self._silence_s_max:
            return await reader.read(_READ_BYTES)
        # Twice: after a pause of this process what has come meanwhile is seen at the second look.
        for _ in range(2):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._silence_s_max / 2):
                    return await reader.read(_READ_BYTES)
        raise TimeoutError(f"the server has shown no life for {self._silence_s_max:g} s")

    def _begin(self, work: Work) -> None:
        attempt = (work.task_id, work.attempt)
        self._runs[attempt] = self._spawn(self._see(work, attempt))

    def _kill(self, attempt: Attempt) -> None:
        run = self._runs.get(attempt)
        if run is None or attempt in self._killed:
            return
        self._killed.add(attempt)
        worker = self._workers.get(attempt)
        if worker is None:
            # Not before its first step: one that has not begun would end without a word.
            asyncio.get_running_loop().call_soon(run.cancel)
            return
        self._pool.kill(worker)
        asyncio.get_running_loop().call_later(KILL_S_MAX, run.cancel)

    async def _see(self, work: Work, attempt: Attempt) -> None:
        """See one attempt to its end and tell the server."""
        try:
            outcome = await self._attempt(work, attempt)
        except asyncio.CancelledError:
            outcome = {"kind": "lost", "status": _SIGKILLED}
        except StartError as error:
            outcome = {"kind": "failed", "reason": str(error), "log": str(error)}
        except Exception as error:
            detail = f"{_INTERNAL}{type(error).__name__}: {error}"[:2000]
            outcome = {"kind": "failed", "reason": detail, "log": detail}
        finally:
            self._runs.pop(attempt, None)
            self._killed.discard(attempt)
        self._send(**outcome, task_id=attempt[0], attempt=attempt[1])

    async def _attempt(self, work: Work, attempt: Attempt) -> dict[str, Any]:
        resources = self._resources.get(work.device_arn, {})
        work = await self._fit(work, resources)
        need = Need(work.thread_count, work.memory_bytes, resources)
        with self._waiting(attempt):
            worker = await self._pool.take(need)
        self._workers[attempt] = worker
        try:
            return await self._run(work, attempt, worker)
        except RayTaskError:
            self._pool.kill(worker)
            raise
        except RayError:
            # The process, its node or the way there is gone; whatever it may yet do is not heard.
            self._pool.kill(worker)
            self._send(kind="died")
            if (reason := self._verdicts.get(attempt)) is not None:
                return {"kind": "failed", "reason": reason, "log": reason}
            return {"kind": "lost", "status": _SIGKILLED}
        except asyncio.CancelledError:
            self._pool.kill(worker)
            raise
        finally:
            del self._workers[attempt]
            self._verdicts.pop(attempt, None)

    async def _fit(self, work: Work, resources: Mapping[str, float]) -> Work:
        """Return the attempt with as many threads as one node has.

        Raises:
            StartError: No node could hold it for a minute.
        """
        deadline = asyncio.get_running_loop().time() + GRACE_S
        while True:
            count = self._nodes.thread_count(work.thread_count, work.memory_bytes, resources)
            if count:
                return replace(work, thread_count=count)
            if asyncio.get_running_loop().time() > deadline:
                others = "".join(f", {name} {amount:g}" for name, amount in resources.items())
                raise StartError(
                    f"No node of the Ray cluster has {work.memory_bytes} bytes of memory{others}."
                )
            await asyncio.sleep(NODES_S)

    @contextlib.contextmanager
    def _waiting(self, attempt: Attempt) -> Iterator[None]:
        """Have the server start nothing more while an attempt waits for a place too long."""
        timer = asyncio.get_running_loop().call_later(STALL_S, self._stall, attempt)
        try:
            yield
        finally:
            timer.cancel()
            if attempt in self._stalled:
                self._stalled.remove(attempt)
                if not self._stalled:
                    self._send(kind="stalled", is_stalled=False)

    def _stall(self, attempt: Attempt) -> None:
        if not self._stalled:
            self._send(kind="stalled", is_stalled=True)
        self._stalled.add(attempt)

    async def _run(self, work: Work, attempt: Attempt, worker: Worker) -> dict[str, Any]:
        telling = asyncio.get_running_loop().call_later(
            NEWS_DELAY_S, lambda: self._spawn(self._tell_news(worker, attempt))
        )
        try:
            answer, contents = await worker.actor.run.remote(frames.pack_work(work))
        finally:
            telling.cancel()
        if answer["kind"] != "done":
            self._pool.release(worker)
            return dict(answer)
        is_here = bool(contents) or not answer["objects"]
        try:
            coming = (
                iter([(content,) for content in contents])
                if is_here
                else (_pieces(worker, i, item["size"]) for i, item in enumerate(answer["objects"]))
            )
            answer["objects"] = await asyncio.get_running_loop().run_in_executor(
                self._writing, self._put, answer["objects"], coming
            )
        except StoreError as error:
            # Ours, not the program's: a full disk, say.
            answer = {"kind": "failed", "reason": str(error), "log": str(error)}
        if not is_here:
            worker.actor.forget.remote()
        self._pool.release(worker)
        return dict(answer)

    def _put(self, objects: list[dict[str, Any]], contents: Iterator[Any]) -> list[dict[str, Any]]:
        stored: list[Blob] = []
        try:
            stored += [self._blobs.put(content) for content in contents]
        except BaseException:
            for blob in stored:
                with contextlib.suppress(OpenBraketError):
                    self._blobs.delete(blob.id)
            raise
        return [
            {**item, "id": blob.id, "size": blob.size, "md5": blob.md5}
            for item, blob in zip(objects, stored, strict=True)
        ]

    async def _tell_news(self, worker: Worker, attempt: Attempt) -> None:
        name = f"{attempt[0]}/{attempt[1]}"
        with contextlib.suppress(RayError):
            while self._workers.get(attempt) is worker:
                news = await worker.actor.news.remote(name)
                if news is None:
                    return
                if (excess := news.get("excess")) is not None:
                    self._verdicts[attempt] = excess
                    self._pool.kill(worker)
                    return
                fraction = news["fraction"]
                self._send(
                    kind="progress", task_id=attempt[0], attempt=attempt[1], fraction=fraction
                )

    def _send(self, **header: object) -> None:
        self._writer.write(frames.pack(header))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _pieces(worker: Worker, index: int, size: int) -> Iterator[bytes]:
    """Yield an object's content in order; blocks.

    Raises:
        RayError: The worker is gone.
    """
    coming = worker.actor.read.remote(index, 0)
    start = 0
    while start < size:
        piece: bytes = ray.get(coming)
        start += len(piece)
        if start < size:
            coming = worker.actor.read.remote(index, start)
        yield piece
