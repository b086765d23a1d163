"""Scalars as text, as they stand in headers, queries, paths and XML."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from openbraket.wire.errors import MalformedError
from openbraket.wire.model import Member
from openbraket.wire.timestamps import (
    RFC822,
    UNIX,
    format_iso8601,
    format_rfc822,
    parse_text,
    to_seconds,
)

TextReader = Callable[[str], Any]
TextWriter = Callable[[Any], str]

INTEGER_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
BOUNDS = {"integer": INTEGER_MAX, "long": LONG_MAX}

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def text_reader(member: Member) -> TextReader:
    """Return a function that reads the member's value; it raises `MalformedError`."""
    kind = member.shape.type
    if kind in BOUNDS:
        return lambda text: read_integer(text, BOUNDS[kind])
    readers: dict[str, TextReader] = {
        "string": lambda text: text,
        "float": _read_number,
        "double": _read_number,
        "boolean": _read_boolean,
        "timestamp": read_timestamp,
        "blob": read_blob,
    }
    return readers[kind]


def read_integer(text: str, most: int) -> int:
    """Return the whole number that `text` says.

    Raises:
        MalformedError: `text` is not a whole number, or beyond `most` either way.
    """
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped):
        value = int(stripped)
        if -most - 1 <= value <= most:
            return value
    raise MalformedError("Not an integer or not within the integer range", is_document=False)


def _read_number(text: str) -> float:
    stripped = text.strip()
    if stripped in _SPECIAL_NUMBERS:
        return _SPECIAL_NUMBERS[stripped]
    if not _NUMBER.fullmatch(stripped):
        raise MalformedError("Not a number", is_document=False)
    return float(stripped)


def _read_boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in {"true", "false"}:
        raise MalformedError("Not true or false", is_document=False)
    return lowered == "true"


def read_timestamp(text: str) -> int:
    """Return the time that `text` says in any of the protocols' formats, in milliseconds.

    Raises:
        MalformedError: `text` is not a timestamp.
    """
    time_ms = parse_text(text)
    if time_ms is None:
        raise MalformedError("Not a timestamp", is_document=False)
    return time_ms


def read_blob(text: str) -> bytes:
    """Return the bytes that `text` has in base 64.

    Raises:
        MalformedError: `text` is not base 64.
    """
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedError("Not base 64") from error


def timestamp_writer(member: Member, default: str) -> Callable[[int], str | int | float]:
    """Return a function that formats milliseconds since the epoch as the member wants.

    Args:
        member: A timestamp.
        default: The format where neither the member nor its shape names one.
    """
    chosen = member.timestamp_format or member.shape.timestamp_format or default
    if chosen == UNIX:
        return to_seconds
    return format_rfc822 if chosen == RFC822 else format_iso8601


def text_writer(member: Member, timestamp_format: str) -> TextWriter:
    """Return a function that writes the member's value as text.

    Args:
        member: A member of a scalar type.
        timestamp_format: The format of timestamps without one of their own.
    """
    kind = member.shape.type
    if kind == "timestamp":
        write_time = timestamp_writer(member, timestamp_format)
        return lambda value: str(write_time(value))
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind == "blob":
        return lambda value: base64.b64encode(value).decode("ascii")
    if kind in {"float", "double"}:
        return number_text
    return str


def number_text(value: float) -> str:
    """Return a floating-point number as text, with Java's words for what is none."""
    if value != value:
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)
