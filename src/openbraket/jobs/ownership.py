"""Folders that change hands between the server and the user of a job."""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def give(folders: Iterable[Path], user_id: int) -> None:
    """Make folders and all in them a user's; links are not followed.

    Args:
        folders: That no process of a job changes meanwhile.
        user_id: The user's id, and its group's.

    Raises:
        OSError: If the file system does not allow it.
    """
    for folder in folders:
        os.chown(folder, user_id, user_id, follow_symlinks=False)
        for entry in _entries(folder):
            os.chown(entry.path, user_id, user_id, follow_symlinks=False)


def take_back(folder: Path, user_id: int) -> None:
    """Make what a user left in a folder the server's: for all to read, for nobody to change.

    What belongs to somebody else, as a link to another's file does, is left alone.

    Args:
        folder: That no process of the user changes any more.
        user_id: The user's id.

    Raises:
        OSError: If the file system does not allow it, or a path is too long.
    """
    owner, group = os.geteuid(), os.getegid()
    for place, status in ((entry.path, _status(entry)) for entry in _entries(folder)):
        if status is None or status.st_uid != user_id:
            continue
        if not stat.S_ISLNK(status.st_mode):
            # First: the file must not be root's with a right that the user gave it.
            Path(place).chmod(_mode_for_all(status.st_mode))
        os.chown(place, owner, group, follow_symlinks=False)
    folder.chmod(0o755)
    os.chown(folder, owner, group)


def _mode_for_all(mode: int) -> int:
    if stat.S_ISDIR(mode) or mode & _EXECUTABLE:
        return stat.S_IWUSR | _READABLE | _EXECUTABLE
    return stat.S_IWUSR | _READABLE


def _status(entry: "os.DirEntry[str]") -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):
        return entry.stat(follow_symlinks=False)
    return None


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Yield what is in a folder, each folder before what it holds."""
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def open_way(data: Path, folders: Iterable[Path], own: Iterable[Path]) -> None:
    """Let a user reach its folders by their paths, and close what else the service has.

    For machines where a job sees the real files.

    Args:
        data: The service's data directory.
        folders: Between it and the user's own, which are passed through and not listed.
        own: The user's, which nobody else enters.

    Raises:
        OSError: If the file system does not allow it.
    """
    for folder in own:
        folder.chmod(0o700)
    for folder in folders:
        folder.chmod(0o711)
    passed = {path.name for folder in folders for path in (folder, *folder.parents)}
    for entry in os.scandir(data):
        mode = entry.stat(follow_symlinks=False).st_mode
        if entry.name not in {*passed, "environments"} and not stat.S_ISLNK(mode):
            Path(entry.path).chmod(stat.S_IMODE(mode) & ~0o007)
    data.chmod(stat.S_IMODE(data.stat().st_mode) | stat.S_IXOTH)
