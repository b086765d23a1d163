"""What a job wrote, read without following where its links lead."""

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


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


def walk(folder: Path) -> Iterator[JobFile]:
    """Open the regular files below a folder, also while the job writes there.

    Args:
        folder: One that a job can write to; nothing where it is a link or not there.

    Yields:
        Each file, by name; links, devices and what vanishes meanwhile are passed over.
    """
    if not folder.is_dir():
        return
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for path, folders, names, descriptor in os.fwalk(folder, follow_symlinks=False):
        folders.sort()
        for name in sorted(names):
            try:
                opened = os.open(name, flags, dir_fd=descriptor)
            except OSError:
                continue
            with io.FileIO(opened) as file:
                status = os.fstat(opened)
                if stat.S_ISREG(status.st_mode):
                    relative = str(Path(path, name).relative_to(folder))
                    with io.BufferedReader(file) as reader:
                        yield JobFile(relative, reader, status.st_size, status.st_mtime_ns)
