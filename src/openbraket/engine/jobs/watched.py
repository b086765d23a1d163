"""What the supervisors of an attempt's instances say, and whether they still live."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from openbraket.jobs.directory import ENDED, RUNNING, InstanceState, JobDirectory

# How often it is asked whether a supervisor lives that has not said that it ended, in seconds.
ALIVE_S: Final = 1.0
# How long after the crash of a server a supervisor that was being started may yet appear.
LAUNCH_GRACE_S: Final = 10.0

_log = logging.getLogger(__name__)


class Watched:
    """What is known of an attempt's instances.

    Args:
        directory: The attempt's.
        numbers: Of its instances.
        is_recovered: Whether an earlier server process may have been starting them.
    """

    def __init__(self, directory: JobDirectory, numbers: range, *, is_recovered: bool) -> None:
        self._directory = directory
        self._states: dict[int, InstanceState | None] = dict.fromkeys(numbers)
        self._stopped: set[int] = set()
        self._grace_until = time.monotonic() + (LAUNCH_GRACE_S if is_recovered else 0)
        self._next_look = time.monotonic() + ALIVE_S
        self.is_running_noted = False

    def look(self) -> Mapping[int, InstanceState | None]:
        """Read what the supervisors say now."""
        for number, known in self._states.items():
            if known is None or known.phase != ENDED:
                self._states[number] = self._read(number) or known
        return self._states

    def all_ended(self) -> bool:
        """Return whether no instance runs any more."""
        return all(state is not None and state.phase == ENDED for state in self._states.values())

    def all_ran(self) -> bool:
        """Return whether every instance runs its script, or has run it to an end."""
        return all(
            state is not None
            and (state.phase == RUNNING or (state.phase == ENDED and state.exit_code is not None))
            for state in self._states.values()
        )

    def ended_states(self) -> list[InstanceState]:
        """Return the last states, in the order of the instances."""
        return [state for state in self._states.values() if state is not None]

    def to_stop(self) -> list[int]:
        """Return the instances that run and were not told to stop; they count as told now."""
        live = [
            number
            for number, state in self._states.items()
            if (state is None or state.phase != ENDED) and number not in self._stopped
        ]
        self._stopped.update(live)
        return live

    async def find_lost(self, is_alive: Callable[[JobDirectory, int], bool], now: float) -> None:
        """Take instances for ended whose supervisors are gone without a word."""
        if now < self._next_look:
            return
        self._next_look = now + ALIVE_S
        for number, state in self._states.items():
            if state is not None and state.phase == ENDED:
                continue
            if (state is None and now < self._grace_until) or await asyncio.to_thread(
                is_alive, self._directory, number
            ):
                continue
            # It may have said its last word since.
            last = self._read(number)
            if last is not None and last.phase == ENDED:
                self._states[number] = last
            else:
                # One that is still being started must not go on.
                with contextlib.suppress(OSError):
                    self._directory.instance(number).request_stop()
                self._states[number] = _lost(last or state, number, time.time())

    def _read(self, number: int) -> InstanceState | None:
        try:
            return self._directory.instance(number).state()
        except (OSError, ValueError, TypeError) as error:
            _log.error("the state of %s cannot be read: %s", self._directory.path, error)
            return None


def _lost(state: InstanceState | None, number: int, now: float) -> InstanceState:
    known = state or InstanceState("STARTING", 0, 0, now)
    message = f"Instance algo-{number} ended unexpectedly: its supervisor is gone"
    return replace(known, phase=ENDED, ended_at=now, reason="lost", message=message)
