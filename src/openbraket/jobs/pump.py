"""The supervisor's loop while a command runs: its output, the stop request and the limits."""

import contextlib
import os
import select
import time
from dataclasses import dataclass

from openbraket.jobs import tree
from openbraket.jobs.contained import Command, Contained
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.output import LogFile
from openbraket.jobs.spec import JobSpec

POLL_SECONDS = 0.05
READ_BYTES = 256 * 1024
KEPT_OUTPUT_BYTES = 64 * 1024
DISK_SECONDS_LEAST = 0.25
# How much of its time the measuring of a folder may take.
DISK_SHARE = 20


class StoppedError(Exception):
    """The instance was ended from outside its script.

    Attributes:
        reason: As in `InstanceState.reason`.
        message: A sentence.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended by itself.

    Attributes:
        exit_code: 128 + n for signal n; None where nobody can tell.
        trouble: Why it could not be run, None where it ran.
        output: The last of what it printed.
    """

    exit_code: int | None
    trouble: str | None
    output: str


class Pump:
    """Runs commands one after another under one deadline and one set of limits."""

    def __init__(self, directory: JobDirectory, spec: JobSpec, number: int, log: LogFile) -> None:
        """Start the clock.

        Args:
            directory: The attempt's.
            spec: Its specification.
            number: The instance, from 1.
            log: Takes what is printed.
        """
        self._instance = directory.instance(number)
        self._limits = spec.limits
        self._log = log
        self._deadline = time.monotonic() + spec.limits.runtime_seconds
        self._shared = [directory.checkpoints, directory.input_data]
        self._own = [self._instance.ml, self._instance.tmp, self._instance.home]
        self._staged_bytes = tree.folder_bytes(self._shared)
        self._next_disk = 0.0

    def run(self, command: Command, mode: str) -> Ending:
        """Run a command to its end.

        Args:
            command: What to run.
            mode: How it is contained.

        Returns:
            How it ended.

        Raises:
            StoppedError: If it was ended for a stop request or a limit; no process is left.
            NotAllowedError: If the machine does not allow the mode; nothing ran.
            OSError: If no process can be started.
        """
        contained = Contained(command, mode)
        kept = b""
        poll = select.poll()
        poll.register(contained.output, select.POLLIN)
        poll.register(contained.status, select.POLLIN)
        try:
            while not contained.is_over:
                for descriptor, _event in poll.poll(POLL_SECONDS * 1000):
                    if descriptor == contained.status:
                        contained.read_status()
                    else:
                        text = self._read(contained, poll)
                        kept = (kept + text)[-KEPT_OUTPUT_BYTES:]
                self.check()
            contained.kill()
            while text := self._read(contained, poll):
                kept = (kept + text)[-KEPT_OUTPUT_BYTES:]
        finally:
            contained.close()
        self._log.flush()
        if contained.excess is not None:
            raise StoppedError(contained.excess.reason, contained.excess.message)
        return Ending(contained.exit_code, contained.trouble, kept.decode(errors="replace"))

    def _read(self, contained: Contained, poll: "select.poll") -> bytes:
        with contextlib.suppress(BlockingIOError):
            text = os.read(contained.output, READ_BYTES)
            if not text:
                with contextlib.suppress(KeyError):
                    poll.unregister(contained.output)
            self._log.take(text)
            return text
        return b""

    def check(self) -> None:
        """Look at the stop request, the clock and, now and then, the disk.

        Raises:
            StoppedError: If the instance has to end.
        """
        if self._instance.stop_path.exists():
            raise StoppedError("stopped", "The job was stopped")
        if not self._instance.path.exists():
            raise StoppedError("stopped", "The job's directory is gone")
        now = time.monotonic()
        if now >= self._deadline:
            seconds = self._limits.runtime_seconds
            raise StoppedError("max_runtime", f"The job ran for its limit of {seconds:g} seconds")
        if now >= self._next_disk:
            if self.is_disk_full():
                raise self.disk_full()
            took = time.monotonic() - now
            self._next_disk = now + max(DISK_SECONDS_LEAST, took * DISK_SHARE)

    def is_unwanted(self) -> bool:
        """Return whether the instance has to end, for who waits without a loop of their own."""
        return self._instance.stop_path.exists() or time.monotonic() >= self._deadline

    def is_disk_full(self) -> bool:
        """Return whether the instance has written as much as it may."""
        try:
            return self._written_bytes() >= self._limits.disk_bytes
        except tree.TooDeepError:
            return True

    def disk_full(self) -> StoppedError:
        """Return the error that says so."""
        try:
            written = f"{self._written_bytes()} bytes"
        except tree.TooDeepError:
            written = "into folders nested deeper than a path can name"
        return StoppedError(
            "disk", f"The job wrote {written}; the limit is {self._limits.disk_bytes} bytes"
        )

    def _written_bytes(self) -> int:
        shared = max(tree.folder_bytes(self._shared) - self._staged_bytes, 0)
        return tree.folder_bytes(self._own) + shared
