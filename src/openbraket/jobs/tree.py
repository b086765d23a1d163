"""What a tree of processes uses, and its end; read from `/proc`."""

import contextlib
import errno
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KILL_ROUNDS_MAX = 10_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that was passed.

    Attributes:
        reason: `memory`, `disk` or `processes`.
        message: A sentence with the value and the limit.
    """

    reason: str
    message: str


class TooDeepError(Exception):
    """Folders are nested deeper than a path can name, so what they hold cannot be told."""


def pids_of_namespace() -> list[int]:
    """Return every process of this process's own namespace but its first; needs its own `/proc`."""
    names = os.listdir("/proc")  # noqa: PTH208 - plain names, ten times a second
    return [int(name) for name in names if name.isdigit() and name != "1"]


def descendants(pid: int) -> list[int]:
    """Return the living descendants of a process.

    Args:
        pid: Its id.

    Returns:
        Ids, parents before children.
    """
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208 - as above
                text = Path(f"/proc/{parent}/task/{task}/children").read_text()
                children = [int(child) for child in text.split()]
                found += children
                waiting += children
    return found


def check_count(pids: list[int], process_count: int) -> Excess | None:
    """Return whether a tree has too many processes.

    Args:
        pids: Its processes.
        process_count: Limit of their number.

    Returns:
        None where it is within the limit.
    """
    if len(pids) <= process_count:
        return None
    return Excess("processes", f"The job had {len(pids)} processes; the limit is {process_count}")


def check_memory(pids: list[int], memory_bytes: int) -> Excess | None:
    """Return whether a tree uses too much memory.

    A process that forks holds up who asks for its memory, for as long as it takes to get a turn: of
    thousands, many seconds.

    Args:
        pids: Its processes.
        memory_bytes: Limit of their resident memory, pages that several share counted once.

    Returns:
        None where it is within the limit.
    """
    # Counts shared pages once for each process, so it is never less than what is used.
    if sum(map(_resident_bytes, pids)) <= memory_bytes:
        return None
    used = sum(map(_proportional_bytes, pids))
    if used <= memory_bytes:
        return None
    return Excess("memory", f"The job used {used} bytes of memory; the limit is {memory_bytes}")


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _proportional_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except ProcessLookupError:
        return 0
    except OSError:
        return _resident_bytes(pid)
    return 0


def kill_descendants(pid: int) -> None:
    """Kill the descendants of a process until none is left; it must adopt orphans.

    Stopped first, so that none can make another while the rest are killed.

    Args:
        pid: The process; this one, so that it can reap.
    """
    for _ in range(KILL_ROUNDS_MAX):
        processes = descendants(pid)
        for wanted in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                with contextlib.suppress(OSError):
                    os.kill(process, wanted)
        try:
            os.waitpid(-1, 0 if processes else os.WNOHANG)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return


def folder_bytes(folders: list[Path]) -> int:
    """Return what folders hold on disk; links are not followed.

    Args:
        folders: Absent ones hold nothing.

    Returns:
        The blocks of their files and folders, at least a page each, in bytes.

    Raises:
        TooDeepError: A folder's path is longer than the kernel takes.
    """
    total = 0
    waiting = [str(folder) for folder in folders]
    while waiting:
        with _unless_too_deep(), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with _unless_too_deep():
                    status = entry.stat(follow_symlinks=False)
                    total += max(status.st_blocks * 512, _PAGE_BYTES)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return total


@contextlib.contextmanager
def _unless_too_deep() -> Iterator[None]:
    """Take no notice of what cannot be read, except where its path is too long.

    Raises:
        TooDeepError: It is.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise TooDeepError from error
