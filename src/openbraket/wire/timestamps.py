"""Timestamps of the AWS protocols, as integer milliseconds since the epoch and back."""

from calendar import timegm
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

ISO8601 = "iso8601"
RFC822 = "rfc822"
UNIX = "unixTimestamp"

# The years 1 to 9999, which every client's date type can hold.
MILLISECONDS_MIN = -62_135_596_800_000
MILLISECONDS_MAX = 253_402_300_799_999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Without a time zone, so that its text has no offset.
_EPOCH_UTC = datetime(1970, 1, 1)  # noqa: DTZ001
_MILLISECOND = timedelta(milliseconds=1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_text(text: str) -> int | None:
    """Return the time that `text` says in any of the three formats, or None.

    Args:
        text: For example `2025-05-16T17:23:19.107Z`, `Fri, 16 May 2025 17:23:19 GMT` or
            `1747416199.107`. A time without an offset counts as UTC.

    Returns:
        Milliseconds since the epoch, cut to whole ones; None also outside the years 1 to 9999.
    """
    time_ms = _parse(text.strip())
    if time_ms is None or not MILLISECONDS_MIN <= time_ms <= MILLISECONDS_MAX:
        return None
    return time_ms


def _parse(text: str) -> int | None:
    if not text.isascii() or len(text) > 64:
        return None
    try:
        if text[:1].isalpha():
            return _parse_rfc822(text)
        if "-" in text[1:] or "T" in text:
            time = datetime.fromisoformat(text)
            if time.tzinfo is None:
                time = time.replace(tzinfo=UTC)
            return (time - _EPOCH) // _MILLISECOND
        return from_seconds(float(text))
    except (ValueError, OverflowError, IndexError, TypeError):  # the last two: `parsedate_tz`
        return None


def from_seconds(seconds: float) -> int | None:
    """Return `seconds` since the epoch in milliseconds; None outside the years 1 to 9999."""
    if not MILLISECONDS_MIN <= seconds * 1000 <= MILLISECONDS_MAX:
        return None
    return round(seconds * 1000)


def _parse_rfc822(text: str) -> int | None:
    parts = parsedate_tz(text)
    if parts is None:
        return None
    # `timegm` would accept the 31st of February; `datetime` does not.
    time = datetime(*parts[:6], tzinfo=UTC)
    return (timegm(time.timetuple()) - (parts[9] or 0)) * 1000


def format_iso8601(time_ms: int) -> str:
    """Return `time_ms` as `2025-05-16T17:23:19.107Z`."""
    time = _EPOCH_UTC + timedelta(milliseconds=time_ms)
    return time.isoformat(timespec="milliseconds") + "Z"


def format_rfc822(time_ms: int) -> str:
    """Return `time_ms` as `Fri, 16 May 2025 17:23:19 GMT`, in any locale."""
    time = _EPOCH + timedelta(milliseconds=time_ms)
    day, month = _DAYS[time.weekday()], _MONTHS[time.month - 1]
    return f"{day}, {time.day:02d} {month} {time.year:04d} {time:%H:%M:%S} GMT"


def format_basic(time: datetime) -> str:
    """Return a time in UTC as `YYYYMMDDTHHMMSSZ`."""
    return f"{time:%Y%m%dT%H%M%SZ}"


def to_seconds(time_ms: int) -> int | float:
    """Return `time_ms` in seconds; a whole number where there is no fraction."""
    whole, fraction = divmod(time_ms, 1000)
    return whole if fraction == 0 else time_ms / 1000
