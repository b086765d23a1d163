"""What this machine has."""

import os
from pathlib import Path
from typing import Final

_MEMORY_SHARE: Final = 0.85


def memory_bytes_available() -> int:
    """Return 85 % of the machine's memory, or of the control group's limit where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(name).read_text().strip()))
        except (OSError, ValueError):
            continue
    return int(total * _MEMORY_SHARE)
