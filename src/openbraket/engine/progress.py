"""How far long tasks are, in the server's log."""

import logging
import time
from collections.abc import Callable
from typing import Final

# A task is named once it has run for so long, and again each time as long.
INTERVAL_S: Final = 10.0
# Of a task that has said nothing for so long no more is awaited.
SILENCE_S: Final = 3600.0

_log = logging.getLogger(__name__)


class ProgressLog:
    """Tells now and then how far each running task is.

    Args:
        monotonic_clock: Gives the time, in seconds.
    """

    def __init__(self, monotonic_clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = monotonic_clock
        # When a task is to be named next, and when it was last heard of.
        self._times: dict[str, tuple[float, float]] = {}
        self._next_sweep_s = monotonic_clock() + SILENCE_S

    def __call__(self, task_id: str, fraction: float) -> None:
        """Take note of the finished share of a task, 0 to 1; one of the event loop's thread."""
        now = self._clock()
        if now >= self._next_sweep_s:
            self._next_sweep_s = now + SILENCE_S
            self._times = {
                known: times for known, times in self._times.items() if times[1] > now - SILENCE_S
            }
        next_s, _ = self._times.get(task_id, (now + INTERVAL_S, now))
        if now >= next_s:
            next_s = now + INTERVAL_S
            _log.info("task %s: %.0f %% done", task_id, 100 * fraction)
        self._times[task_id] = next_s, now
