"""What a job wrote, read and removed without following where its links lead.

A job may nest folders deeper than any recursion or path goes, and take away its own rights.
"""

import contextlib
import fcntl
import io
import os
import secrets
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# Folders within folders that are looked into; each level holds a descriptor.
DEPTH_MAX = 100
# Files of one job that are looked at where they are copied elsewhere.
FILE_COUNT_MAX = 100_000
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class JobFile:
    """A regular file, open.

    Attributes:
        name: Path relative to the folder, with `/`.
        file: To be read; closed when the walk goes on.
        size: Its length when it was opened, bytes.
        mtime_ns: When it was last written, nanoseconds since 1970.
    """

    name: str
    file: BinaryIO
    size: int
    mtime_ns: int

    def is_being_written(self) -> bool | None:
        """Return whether any process has it open for writing; None where the kernel does not say.

        It grants a lease for reading only where none has.
        """
        descriptor = self.file.fileno()
        try:
            # Who opens it in between is told by a signal; this one does nothing by default.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except BlockingIOError:
            return True
        except OSError:
            return None
        return False

    def is_unchanged(self) -> bool:
        """Return whether nobody has written to it since it was opened."""
        status = os.fstat(self.file.fileno())
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


def walk(folder: Path) -> Iterator[JobFile]:
    """Open the regular files below a folder, also while the job writes there.

    Args:
        folder: One that a job can write to; nothing where it is a link or not there.

    Yields:
        Each file, by name; links, devices, what cannot be opened or vanishes meanwhile, what lies
        more than `DEPTH_MAX` folders deep, and what is a second name of another user's file are
        passed over.
    """
    try:
        descriptor = os.open(folder, _FOLDER_FLAGS)
    except OSError:
        return
    yield from _walk(descriptor, "", 0, os.fstat(descriptor).st_uid)


def _walk(descriptor: int, prefix: str, depth: int, owner: int) -> Iterator[JobFile]:
    """Yield the files of an open folder, then those of its folders; closes the descriptor."""
    try:
        with os.scandir(descriptor) as entries:
            found = sorted((entry.is_dir(follow_symlinks=False), entry.name) for entry in entries)
        for is_folder, name in found:
            if is_folder and depth == DEPTH_MAX:
                continue
            flags = _FOLDER_FLAGS if is_folder else _FILE_FLAGS
            try:
                opened = os.open(name, flags, dir_fd=descriptor)
            except OSError:
                continue
            if is_folder:
                yield from _walk(opened, f"{prefix}{name}/", depth + 1, owner)
                continue
            with io.FileIO(opened) as file:
                status = os.fstat(opened)
                if stat.S_ISREG(status.st_mode) and _is_own(status, owner):
                    with io.BufferedReader(file) as reader:
                        yield JobFile(prefix + name, reader, status.st_size, status.st_mtime_ns)
    finally:
        os.close(descriptor)


def _is_own(status: os.stat_result, owner: int) -> bool:
    """Return whether a file is one that a job made in a folder, and not a link to another's.

    A folder that belongs to a job's user has nothing of others in it that the job may give away.
    """
    if status.st_uid == owner:
        return True
    return owner == os.geteuid() and status.st_nlink == 1


@contextlib.contextmanager
def open_below(folder: Path, name: str) -> Iterator[BinaryIO]:
    """Open a regular file below a folder, following no link on the way.

    Args:
        folder: One that a job can write to.
        name: Path relative to it, as `walk` gives it.

    Yields:
        The file, to be read.

    Raises:
        OSError: There is no such file, or no regular one.
    """
    descriptor = os.open(folder, _FOLDER_FLAGS)
    try:
        *folders, last = name.split("/")
        for part in folders:
            inner = os.open(part, _FOLDER_FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        opened = os.open(last, _FILE_FLAGS, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(f"{name} is no regular file")
    with os.fdopen(opened, "rb") as file:
        yield file


def remove_tree(folder: Path) -> None:
    """Remove a folder of a job and all that is in it, as far as the machine allows; blocks.

    Its folders are moved up beside it first, so that no path becomes long.

    Args:
        folder: One that no process changes any more; need not be there.
    """
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        with contextlib.suppress(OSError):
            place.chmod(0o700)
            with os.scandir(place) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        if not entry.is_dir(follow_symlinks=False):
                            Path(entry.path).unlink()
                            continue
                        # Moving a folder takes the right to write in it.
                        Path(entry.path).chmod(0o700)
                        aside = folder.with_name(f"{folder.name}~{secrets.token_hex(8)}")
                        Path(entry.path).rename(aside)
                        waiting.append(aside)
            place.rmdir()
