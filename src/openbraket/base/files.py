"""What every writer of files needs."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Return once a file's bytes, or a directory's entries, are on the disk.

    Args:
        path: The file or directory.

    Raises:
        OSError: It cannot be opened, or the disk has failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
