"""How long the engine waits before it tries again what was refused."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Retry:
    """Waits that double from the first to the longest.

    Attributes:
        first_s: Before the second try, in seconds.
        max_s: At most, in seconds.
    """

    first_s: float
    max_s: float

    def after(self, pause_s: float) -> float:
        """Return the wait that follows a wait, in seconds."""
        return min(2 * pause_s, self.max_s)


# The records, which a full disk or a database that is away make refuse a change.
RECORDS: Final = Retry(0.1, 5.0)
# Another object store, which is away or slow.
OBJECTS: Final = Retry(0.25, 10.0)
