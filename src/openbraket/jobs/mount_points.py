"""Places inside a view that is put together, where a job may have left links.

What is mounted on, and made where it is missing, is found folder by folder without following any
link: root's mounts must not land where a job's link leads.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def mount_point(root: str, target: str, *, is_folder: bool) -> Iterator[str]:
    """Open a place, made where it is missing.

    Args:
        root: Where the view is put together.
        target: Absolute path inside the view, without links.
        is_folder: Whether it is a folder; else a file.

    Yields:
        A path that leads to the very place that was opened.

    Raises:
        OSError: If something else or a link is in the way, or it cannot be made.
    """
    place = os.open(root, _FLAGS | os.O_DIRECTORY)
    try:
        *folders, last = [name for name in target.split("/") if name]
        for name in folders:
            place = _enter(place, name)
        place = _enter(place, last) if is_folder else _open_file(place, last)
        yield f"/proc/self/fd/{place}"
    finally:
        os.close(place)


def _enter(folder: int, name: str) -> int:
    """Return a folder in a folder, which is closed if that works."""
    try:
        inner = os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=folder)
    except FileNotFoundError:
        os.mkdir(name, 0o755, dir_fd=folder)
        inner = os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=folder)
    os.close(folder)
    return inner


def _open_file(folder: int, name: str) -> int:
    """Return a file in a folder, which is closed if that works.

    Raises:
        OSError: If it cannot be made, or a link is in the way.
    """
    try:
        file = os.open(name, _FLAGS, dir_fd=folder)
    except FileNotFoundError:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o644, dir_fd=folder))
        file = os.open(name, _FLAGS, dir_fd=folder)
    if stat.S_ISLNK(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.ELOOP, "a link is in the way", name)
    os.close(folder)
    return file
