"""Progress of one call into the kernels, told while it runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from openbraket.kernels import Monitor

REPORT_INTERVAL_S: Final = 0.2


@contextmanager
def reporting(monitor: Monitor, report: Callable[[float], None] | None) -> Iterator[None]:
    """Call `report` with the monitor's fraction until the block ends.

    Args:
        monitor: Of the call that the block makes.
        report: Called every `REPORT_INTERVAL_S` from another thread; None calls nothing.

    Yields:
        Nothing.
    """
    if report is None:
        yield
        return
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(REPORT_INTERVAL_S):
            report(monitor.fraction)

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
