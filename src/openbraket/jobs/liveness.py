"""Which process is meant by a number: process ids are used again, start times are not."""

from pathlib import Path


def start_ticks(pid: int) -> int | None:
    """Return when a process started.

    Args:
        pid: Its id.

    Returns:
        Clock ticks since the machine's start; None where there is no such process or only its
        exit status is left.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def is_running(pid: int, start: int) -> bool:
    """Return whether the process of that id and start time runs.

    Args:
        pid: Its id.
        start: What `start_ticks` gave.

    Returns:
        False also where its id belongs to another process now.
    """
    return start_ticks(pid) == start
