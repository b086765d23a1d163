"""How much memory an attempt may use, and how much its process does."""

import os
from pathlib import Path
from typing import Final

# Estimates count amplitudes, not what a library needs besides; the slack is also for the modules
# that every worker has.
ESTIMATE_FACTOR: Final = 2
SLACK_BYTES: Final = 1 << 30
# How often busy workers are looked at.
LOOK_S: Final = 0.25
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def limit_bytes(estimate_bytes: int) -> int:
    """Return what an attempt's process may have in memory before it is killed.

    Args:
        estimate_bytes: Admission's estimate, in bytes.
    """
    return ESTIMATE_FACTOR * estimate_bytes + SLACK_BYTES


def excess(pid: int, estimate_bytes: int) -> str | None:
    """Return why an attempt's process must be killed for its memory, or None.

    Args:
        pid: The process.
        estimate_bytes: Admission's estimate, in bytes.
    """
    used, limit = resident_bytes(pid), limit_bytes(estimate_bytes)
    if used <= limit:
        return None
    return (
        f"The simulation used {used} bytes of memory where {estimate_bytes} were estimated; "
        f"the limit is {limit}."
    )


def resident_bytes(pid: int) -> int:
    """Return how much of a process is in memory, in bytes; 0 where that cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(fields[1]) * _PAGE_BYTES if len(fields) > 1 else 0
