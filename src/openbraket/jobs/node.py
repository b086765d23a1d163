"""One instance of a job on a node of a cluster, whose disk is not the server's.

Plain Python: Ray makes an actor of the class. The attempt's staged files come in pieces, the
supervisor runs as on the server's machine, and its log, its state and its files are fetched. When
this process dies the kernel kills the supervisor, and with it all that the script has started.
"""

import contextlib
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from openbraket import __version__
from openbraket.base.machine import memory_bytes_available
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.files import FILE_COUNT_MAX, open_below, remove_tree, walk
from openbraket.jobs.process import is_supervised, start_supervisor
from openbraket.jobs.spec import JobSpec

# Names the folder of a node's jobs and environments.
FOLDER_VARIABLE: Final = "OPENBRAKET_NODE_DIR"
# At most so much of files or of the log goes in one message.
PIECE_BYTES: Final = 8 << 20
LOG_PIECE_BYTES: Final = 1 << 20
# How often the log and the state are looked at, and for how long one question waits for news.
LOOK_S: Final = 0.05
NEWS_S_MAX: Final = 1.0
STOP_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file, on its way to or from a node.

    Attributes:
        path: Relative to the attempt's or the asked for folder.
        start: Its first byte's place in the file.
        content: The bytes; None where the file cannot be read any more.
        mtime_ns: When the file was last written, nanoseconds since 1970.
    """

    path: str
    start: int
    content: bytes | None
    mtime_ns: int = 0


def node_folder() -> Path:
    """Return the folder of this node's jobs and environments, made where missing.

    Raises:
        OSError: It cannot be made, or others than this process's user can reach it.
    """
    path = os.environ.get(FOLDER_VARIABLE) or str(
        Path(tempfile.gettempdir(), f"openbraket-node-{os.geteuid()}")
    )
    folder = Path(path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise OSError(f"{folder} is not this user's alone; set {FOLDER_VARIABLE} to one that is")
    return folder


class NodeInstance:
    """Runs one instance; see the module.

    Calls may come from several threads: `news`, `stop` and one of the others at the same time.

    Args:
        name: Of the instance, as no other has it.
        number: The instance, from 1.
    """

    def __init__(self, name: str, number: int) -> None:
        # Ray sets it for actors without processors; the script may use all there are.
        os.environ.pop("OMP_NUM_THREADS", None)
        self._base = node_folder()
        self._folder = self._base / "jobs" / name
        self._number = number
        self._directory = JobDirectory(self._folder / "attempt")
        self._instance = self._directory.instance(number)
        with (self._base / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _sweep(self._folder.parent)
            self._folder.mkdir(mode=0o700, parents=True)
            self._owner = (self._folder / "owner").open("w")
            fcntl.flock(self._owner, fcntl.LOCK_EX)
        self._starting = threading.Lock()
        self._has_begun = False

    def describe(self) -> dict[str, Any]:
        """Return what is checked before anything is sent."""
        return {"version": __version__, "pid": os.getpid()}

    def put(self, pieces: Sequence[Piece]) -> None:
        """Take in parts of staged files; the same ones again change nothing.

        Args:
            pieces: In the order of each file, below the attempt's directory.

        Raises:
            OSError: They cannot be written.
            ValueError: A path leads elsewhere.
        """
        for piece in pieces:
            write_piece(self._directory.path, piece)

    def begin(self, specification: str, addresses: Sequence[str]) -> None:
        """Start the supervisor, once.

        Args:
            specification: The attempt's, as the server has it.
            addresses: At which the instances reach each other, the first one's first; empty where
                all are on this node.

        Raises:
            OSError: The supervisor cannot be started.
            ValueError: The specification cannot be read.
        """
        with self._starting:
            if self._has_begun:
                return
            spec = JobSpec.from_json(specification)
            memory_bytes = min(spec.limits.memory_bytes, memory_bytes_available())
            spec = replace(
                spec,
                data_directory=str(self._base),
                environments_directory=str(self._base / "environments"),
                addresses=tuple(addresses),
                limits=replace(spec.limits, memory_bytes=memory_bytes),
            )
            self._directory.prepare(spec)
            self._start_supervisor()
            self._has_begun = True

    def _start_supervisor(self) -> None:
        """Start it from a thread that never ends: the kernel kills it with that thread.

        Raises:
            OSError: It cannot be started.
        """
        troubles: list[OSError] = []
        is_done = threading.Event()

        def start() -> None:
            try:
                start_supervisor(self._directory, self._number, f"node {os.getpid()}")
            except OSError as error:
                troubles.append(error)
            is_done.set()
            threading.Event().wait()

        threading.Thread(target=start, name="supervisor", daemon=True).start()
        is_done.wait()
        for trouble in troubles:
            raise trouble

    def news(self, log_start: int, known_state: bytes) -> dict[str, Any]:
        """Wait for more of the log or another state, `NEWS_S_MAX` at most.

        Args:
            log_start: How much of the log is known, bytes.
            known_state: What `state.json` said when it was last asked for.

        Returns:
            `log`, its next bytes, `state`, what `state.json` says, and `is_alive`, whether the
            supervisor runs.

        Raises:
            OSError: They cannot be read.
        """
        deadline = time.monotonic() + NEWS_S_MAX
        while True:
            # Before the state: its last word comes before its end.
            is_alive = is_supervised(self._directory, self._number)
            state = self._instance.state_path.read_bytes()
            log = _read(self._instance.log, log_start)
            if log or state != known_state or not is_alive or time.monotonic() >= deadline:
                return {"log": log, "state": state, "is_alive": is_alive}
            time.sleep(LOOK_S)

    def list_files(self, kind: str) -> list[tuple[str, int, int]]:
        """Return what the job has written.

        Args:
            kind: `checkpoints` or `model`.

        Returns:
            Path, size in bytes and time of change in nanoseconds of each regular file.
        """
        found: list[tuple[str, int, int]] = []
        for file in walk(self._files(kind)):
            if len(found) == FILE_COUNT_MAX:
                break
            found.append((file.name, file.size, file.mtime_ns))
        return found

    def read(self, kind: str, wanted: Sequence[tuple[str, int]]) -> list[Piece]:
        """Return parts of files, `PIECE_BYTES` together at most.

        Args:
            kind: `checkpoints` or `model`.
            wanted: Path and first byte of each.

        Returns:
            A piece for each of the first of them, at least one.
        """
        pieces: list[Piece] = []
        left = PIECE_BYTES
        for path, start in wanted:
            content = None
            with contextlib.suppress(OSError), open_below(self._files(kind), path) as file:
                file.seek(start)
                content = file.read(left)
            pieces.append(Piece(path, start, content))
            left -= len(content or b"")
            if left <= 0:
                break
        return pieces

    def stop(self) -> None:
        """Ask the supervisor to end the instance.

        Raises:
            OSError: It cannot be asked.
        """
        # Also before the supervisor starts: it then ends at once.
        self._instance.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._instance.request_stop()

    def finish(self) -> None:
        """End what still runs and remove the instance's files."""
        self.stop()
        deadline = time.monotonic() + STOP_S_MAX
        while is_supervised(self._directory, self._number) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        remove_tree(self._folder)

    def _files(self, kind: str) -> Path:
        return self._instance.model if kind == "model" else self._directory.checkpoints


def staged_pieces(directory: JobDirectory) -> Iterator[list[Piece]]:
    """Yield the staged files of an attempt in messages for `NodeInstance.put`; blocks.

    Args:
        directory: The attempt's, staged.

    Yields:
        Pieces of `PIECE_BYTES` together at most.

    Raises:
        OSError: A file cannot be read.
    """
    message: list[Piece] = []
    size = 0
    for folder in (directory.script, directory.input_data, directory.checkpoints):
        prefix = folder.relative_to(directory.path).as_posix()
        for found in walk(folder):
            with found.file as file:
                start = 0
                while True:
                    content = file.read(PIECE_BYTES - size)
                    path = f"{prefix}/{found.name}"
                    message.append(Piece(path, start, content, found.mtime_ns))
                    start, size = start + len(content), size + len(content)
                    if size < PIECE_BYTES:
                        break
                    yield message
                    message, size = [], 0
            # Small files count too: a message has no more than so many.
            size += 256
            if size >= PIECE_BYTES:
                yield message
                message, size = [], 0
    if message:
        yield message


def write_piece(folder: Path, piece: Piece) -> None:
    """Write a part of a file, whose folders are made; what the file had behind it goes.

    Args:
        folder: That nobody else writes to.
        piece: With a content.

    Raises:
        OSError: It cannot be written.
        ValueError: Its path leads out of the folder.
    """
    target = folder / safe_path(piece.path)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        file.seek(piece.start)
        file.write(piece.content or b"")
        file.truncate()
    os.utime(target, ns=(piece.mtime_ns, piece.mtime_ns))


def safe_path(path: str) -> PurePosixPath:
    """Return a relative path that leads nowhere else.

    Raises:
        ValueError: It is none.
    """
    parts = path.split("/")
    if "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{path[:256]!r} is no path below a folder")
    return PurePosixPath(*parts)


def _read(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(LOG_PIECE_BYTES)
    except FileNotFoundError:
        return b""


def _sweep(jobs: Path) -> None:
    """Remove what instances have left whose processes are gone."""
    for folder in jobs.iterdir() if jobs.is_dir() else ():
        with contextlib.suppress(OSError):
            try:
                with (folder / "owner").open("r+") as owner:
                    fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except FileNotFoundError:
                pass
            except BlockingIOError:
                continue
            remove_tree(folder)
