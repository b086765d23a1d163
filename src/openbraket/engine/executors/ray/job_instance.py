"""One instance of a hybrid job on a node, and its mirror in the server's data directory.

The engine reads an instance's log, state and files where a supervisor of this machine writes them.
Here they are brought from the node. How much of them has come is told by the files themselves, so
that another bridge can go on.
"""

import asyncio
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError, RayTaskError

from openbraket.jobs.directory import ENDED, JobDirectory
from openbraket.jobs.node import NodeInstance, safe_path, write_piece

T = TypeVar("T")

# How often checkpoints are looked for while the script runs.
CHECKPOINTS_S: Final = 3.0
# Files that are asked for at once.
WANTED_MAX: Final = 1000
# Wait before something is tried again: a node that does not answer, a full disk of ours.
RETRY_S: Final = 1.0


class LostError(Exception):
    """An instance is gone; the message is for the job's owner."""


class InstanceActor(NodeInstance):
    """The instance as Ray runs it."""

    def describe(self) -> dict[str, Any]:
        """Return what is checked, and where this is."""
        context = ray.get_runtime_context()
        return {
            **super().describe(),
            "node": context.get_node_id(),
            "address": ray.util.get_node_ip_address(),  # type: ignore[no-untyped-call]
        }

    @ray.method(concurrency_group="news")
    def news(self, log_start: int, known_state: bytes) -> dict[str, Any]:  # type: ignore[override]
        """Wait for news beside other calls; see `NodeInstance.news`."""
        return super().news(log_start, known_state)

    @ray.method(concurrency_group="control")
    def stop(self) -> None:  # type: ignore[override]
        """Stop beside other calls; see `NodeInstance.stop`."""
        super().stop()


class Mirror:
    """Brings what an instance writes from its node.

    Args:
        directory: The attempt's, on this machine.
        number: The instance, from 1.
        actor: The instance on its node.
        files: Does what blocks.
        warn: Called with what the operator should know.
    """

    def __init__(
        self,
        directory: JobDirectory,
        number: int,
        actor: Any,  # noqa: ANN401  (Ray's handles have no type)
        *,
        files: Executor,
        warn: Callable[[str], None],
    ) -> None:
        self.actor = actor
        self._directory = directory
        self._instance = directory.instance(number)
        self._number = number
        self._files = files
        self._warn = warn
        # Its own: the bridge of a leader that hangs may still be at the same files.
        self._aside_name = f"incoming-{secrets.token_hex(4)}"
        # What the node's checkpoints were when they were last the same as ours.
        self._known: dict[str, tuple[int, int]] = {}
        # What the node's `state.json` said last.
        self._state = b""
        self._syncing: asyncio.Task[None] | None = None
        self._next_sync = time.monotonic() + CHECKPOINTS_S

    async def know_checkpoints(self) -> None:
        """Take for known what is on the node and not newer than here.

        Raises:
            RayError: The node cannot be asked.
        """
        listed = await self.actor.list_files.remote("checkpoints")
        self._known = await self._run(_not_newer, self._directory.checkpoints, listed)

    async def follow(self) -> None:
        """Bring everything until the instance has ended; the state that says so comes last.

        Raises:
            LostError: The instance is gone.
            RayError: The cluster is.
        """
        try:
            while not await self._take_news():
                if self._syncing is None or self._syncing.done():
                    await self._sync_when_due()
        finally:
            if self._syncing is not None:
                self._syncing.cancel()

    async def _take_news(self) -> bool:
        """Bring what is new of log and state; return whether all is here and over.

        Raises:
            LostError: The instance is gone.
            RayError: The cluster is.
        """
        start = await self._run(_size, self._instance.log)
        news = await self._ask(lambda: self.actor.news.remote(start, self._state))
        log, state = news["log"], news["state"]
        if log:
            await self._write(append_log, self._instance.log, log, start)
        has_ended = json.loads(state)["phase"] == ENDED
        if has_ended and not log:
            if self._syncing is not None:
                await self._syncing
            await self._bring("checkpoints", self._directory.checkpoints)
            await self._bring("model", self._instance.model)
            await self._write(write_state, self._instance.path, state)
            return True
        if not has_ended and not news["is_alive"] and not log:
            raise LostError(f"Instance algo-{self._number} was lost: its supervisor was killed")
        if not has_ended and state != self._state:
            await self._write(write_state, self._instance.path, state)
        self._state = state
        return False

    async def _sync_when_due(self) -> None:
        """Bring checkpoints beside the log, now and then."""
        if self._syncing is not None:
            syncing, self._syncing = self._syncing, None
            await syncing
        if time.monotonic() >= self._next_sync:
            self._next_sync = time.monotonic() + CHECKPOINTS_S
            self._syncing = asyncio.create_task(
                self._bring("checkpoints", self._directory.checkpoints)
            )

    async def _ask(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401  (what the node answers)
        """Ask the node, again while it is away for a moment.

        Raises:
            LostError: The instance is gone.
            RayError: The cluster is.
        """
        while True:
            try:
                return await call()
            except ActorUnavailableError:
                await asyncio.sleep(RETRY_S)
            except ActorDiedError as error:
                raise LostError(lost_sentence(self._number, error)) from error
            except RayTaskError as error:
                text = str(error.cause or error).strip().splitlines()[-1]
                raise LostError(f"Instance algo-{self._number} was lost: {text}") from error

    async def _bring(self, kind: str, folder: Path) -> None:
        """Copy the files that are new or have changed.

        Raises:
            LostError: The instance is gone.
            RayError: The cluster is.
        """
        listed = await self._ask(lambda: self.actor.list_files.remote(kind))
        marks = {path: (size, mtime_ns) for path, size, mtime_ns in listed}
        known = self._known if kind == "checkpoints" else {}
        left = [(path, 0) for path, mark in marks.items() if known.get(path) != mark]
        aside = self._instance.path / self._aside_name
        while left:
            read = partial(self.actor.read.remote, kind, left[:WANTED_MAX])
            for piece in await self._ask(read):
                path, start = left.pop(0)
                size, mtime_ns = marks[path]
                if piece.content is None:
                    continue
                end = start + len(piece.content)
                here = replace(piece, path=self._aside_name, mtime_ns=mtime_ns)
                await self._write(write_piece, self._instance.path, here)
                if piece.content and end < size:
                    left.insert(0, (path, end))
                    break
                await self._write(_move, aside, folder, path, self._warn)
                known[path] = marks[path]

    async def _write(self, work: Callable[..., T], *arguments: object) -> T:
        """Write here, again and again while this machine's disk refuses it.

        Raises:
            FileNotFoundError: The attempt's directory has gone.
        """
        while True:
            try:
                return await self._run(work, *arguments)
            except FileNotFoundError:
                raise
            except OSError as error:
                self._warn(f"a job's files cannot be written: {error}")
                await asyncio.sleep(RETRY_S)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._files, work, *arguments)


def lost_sentence(number: int, error: RayError) -> str:
    """Return why an instance is gone, from what Ray says of its actor."""
    text = str(error)
    if "worker process has died" not in text and "node" in text:
        where = "its node of the Ray cluster died"
    else:
        where = "its process on the Ray cluster was killed"
    return f"Instance algo-{number} was lost: {where}"


def has_ended(directory: JobDirectory, number: int) -> bool:
    """Return whether an instance's state here says that it has ended; blocks."""
    try:
        state = directory.instance(number).state()
    except (ValueError, TypeError):
        return False
    return state is not None and state.phase == ENDED


def write_state(folder: Path, state: bytes) -> None:
    """Replace an instance's `state.json` by the node's; blocks."""
    aside = folder / "state.json.new"
    aside.write_bytes(state)
    aside.replace(folder / "state.json")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def append_log(path: Path, content: bytes, start: int) -> None:
    """Append all of it or, where that fails, nothing.

    Nothing either where another bridge, of a leader that hangs, has appended since.

    Args:
        path: The file.
        content: What the node's file has from `start` on.
        start: The file's size before, in bytes.

    Raises:
        OSError: It cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size != start:
            return
        view = memoryview(content)
        try:
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _move(aside: Path, folder: Path, path: str, warn: Callable[[str], None]) -> None:
    """Put a file in its place; one that cannot have its place is left out."""
    try:
        target = folder / safe_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.replace(target)
    except (ValueError, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        # Two instances disagree on what is a folder.
        warn(f"a job's file is left out: {error}")


def _not_newer(folder: Path, listed: list[tuple[str, int, int]]) -> dict[str, tuple[int, int]]:
    known = {}
    for path, size, mtime_ns in listed:
        try:
            ours = (folder / safe_path(path)).stat()
        except (OSError, ValueError):
            continue
        if mtime_ns <= ours.st_mtime_ns:
            known[path] = (size, mtime_ns)
    return known
