"""What a job prints, as records in a file of bounded size."""

import os
import time
from pathlib import Path

LINE_BYTES_MAX = 64 * 1024


class LogFile:
    """Appends `<epoch ms> <text>` lines to an instance's log.

    Attributes:
        left_bytes: How much more it takes before it cuts.
    """

    def __init__(self, path: Path, bytes_max: int) -> None:
        """Open it.

        Args:
            path: Made where it is not there.
            bytes_max: Its size at most, beside the last line that says so.

        Raises:
            OSError: If it cannot be opened.
        """
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._bytes_max = bytes_max
        self.left_bytes = bytes_max - os.fstat(self._file).st_size
        self._rest = b""
        self._epoch_ms = 0

    def say(self, text: str) -> None:
        """Add lines of our own, after what the job printed so far.

        Args:
            text: One line or more.
        """
        self.flush()
        self.take(text.encode(errors="replace") + b"\n")

    def take(self, output: bytes) -> None:
        """Add output as it was read; an unfinished line waits for its end.

        Args:
            output: Any bytes.
        """
        if self.left_bytes <= 0:
            return
        *lines, self._rest = (self._rest + output).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            *parts, self._rest = _parts(self._rest)
            lines += parts
        self._write(lines)

    def flush(self) -> None:
        """Write the unfinished line."""
        rest, self._rest = self._rest, b""
        if rest:
            self._write([rest])

    def close(self) -> None:
        """Write the unfinished line and close the file."""
        self.flush()
        os.close(self._file)

    def _write(self, lines: list[bytes]) -> None:
        if not lines or self.left_bytes <= 0:
            return
        if max(map(len, lines)) > LINE_BYTES_MAX:
            lines = [part for line in lines for part in _parts(line)]
        # Never back, even where the machine's clock is set back.
        self._epoch_ms = max(self._epoch_ms, time.time_ns() // 1_000_000)
        stamp = b"%d " % self._epoch_ms
        text = stamp + (b"\n" + stamp).join(lines) + b"\n"
        if len(text) > self.left_bytes:
            text = text[: text.rfind(b"\n", 0, self.left_bytes) + 1]
            text += stamp + b"Output beyond %d bytes is left out.\n" % self._bytes_max
            self.left_bytes = 0
            self._rest = b""
        self.left_bytes -= len(text)
        written = 0
        while written < len(text):
            written += os.write(self._file, text[written:])


def _parts(line: bytes) -> list[bytes]:
    """Return a long line in pieces that end where characters end."""
    parts = []
    start = 0
    while len(line) - start > LINE_BYTES_MAX:
        end = start + LINE_BYTES_MAX
        for back in range(4):
            if line[end - back] & 0xC0 != 0x80:
                end -= back
                break
        parts.append(line[start:end])
        start = end
    parts.append(line[start:])
    return parts
