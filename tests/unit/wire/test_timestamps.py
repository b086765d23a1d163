"""Timestamps: every format that clients send, and the three that we write."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import hypothesis
import hypothesis.strategies as st
import pytest

from openbraket.wire.timestamps import (
    MILLISECONDS_MAX,
    MILLISECONDS_MIN,
    format_iso8601,
    format_rfc822,
    from_seconds,
    parse_text,
    to_seconds,
)

TIMES = st.integers(MILLISECONDS_MIN, MILLISECONDS_MAX)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2025-05-16T17:23:19.107Z", 1747416199107),
        ("2025-05-16T17:23:19Z", 1747416199000),
        ("2025-05-16T17:23:19", 1747416199000),
        ("2025-05-16T19:23:19.107999+02:00", 1747416199107),
        ("20250516T172319Z", 1747416199000),
        ("Fri, 16 May 2025 17:23:19 GMT", 1747416199000),
        ("Fri, 16 May 2025 19:23:19 +0200", 1747416199000),
        ("Friday, 16-May-25 17:23:19 GMT", 1747416199000),
        ("1747416199.107", 1747416199107),
        ("-1", -1000),
        (" 0 ", 0),
    ],
)
def test_every_format_is_read(text, time_ms):
    assert parse_text(text) == time_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2025-13-01",
        "Fri, 31 Feb 2025 00:00:00 GMT",
        "1e300",
        "nan",
        "inf",
        "٣",
        "-",
        "T",
    ],
)
def test_what_is_no_time_is_none(text):
    assert parse_text(text) is None


@hypothesis.given(st.text(max_size=30))
def test_no_text_raises(text):
    parse_text(text)


@hypothesis.given(TIMES)
def test_iso8601_comes_back(time_ms):
    text = format_iso8601(time_ms)
    assert len(text) == 24
    assert parse_text(text) == time_ms


@hypothesis.given(TIMES)
def test_rfc822_is_the_standard_librarys(time_ms):
    time = EPOCH + timedelta(milliseconds=time_ms)
    if time.year >= 1000:
        assert format_rfc822(time_ms) == format_datetime(time, usegmt=True)


@hypothesis.given(st.integers(-(10**12), 10**13))
def test_seconds_come_back(time_ms):
    assert from_seconds(to_seconds(time_ms)) == time_ms
    assert isinstance(to_seconds(time_ms), int) == (time_ms % 1000 == 0)


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "Fri, 16 May 2025 17:23:19 +9999999999999",
        "Fri, 16 May 2025 17:23:19 -" + "9" * 30,
    ],
)
def test_offset_that_leads_out_of_the_calendar_is_no_time(text):
    assert parse_text(text) is None
