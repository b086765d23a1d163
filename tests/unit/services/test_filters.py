"""Filters and page tokens of the searches."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbraket.services.braket.filters import (
    query_digest,
    read_task_filters,
    read_token,
    write_token,
)
from openbraket.wire.errors import ServiceError

DIGESTS = st.binary(min_size=12, max_size=12)


@given(st.integers(min_value=0, max_value=2**63 - 1), DIGESTS)
def test_tokens_come_back_as_they_were(position, digest):
    assert read_token(write_token(position, digest), digest) == position


@given(st.integers(min_value=0, max_value=2**63 - 1), DIGESTS, DIGESTS)
def test_token_of_another_query_is_refused(position, digest, other):
    if digest != other:
        with pytest.raises(ServiceError):
            read_token(write_token(position, digest), other)


@given(st.text(max_size=60), DIGESTS)
def test_any_other_text_is_refused(token, digest):
    with pytest.raises(ServiceError) as caught:
        read_token(token, digest)
    assert caught.value.code == "ValidationException"


def test_digest_depends_on_every_part_of_the_query():
    queries = [("a", "r", []), ("b", "r", []), ("a", "s", []), ("a", "r", [{"name": "status"}])]
    assert len({query_digest(*query) for query in queries}) == len(queries)


@given(st.text(max_size=40))
def test_any_text_as_a_time_is_read_or_refused(text):
    item = {"name": "createdAt", "operator": "GT", "values": [text]}
    with contextlib.suppress(ServiceError):
        (read,) = read_task_filters([item])
        assert isinstance(read.values[0], int)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T01:00:01+01:00", 1000),
        ("1970-01-01T00:00:01.234", 1234),
        ("1970-01-02", 86_400_000),
        ("17", 17_000),
    ],
)
def test_times_in_each_form(text, expected):
    item = {"name": "createdAt", "operator": "LTE", "values": [text]}
    assert read_task_filters([item])[0].values == (expected,)


@pytest.mark.parametrize(
    "text", ["9" * 256, "٣" * 100, "-" + "9" * 30, "9999-12-31T23:59:59-23:59", "soon"]
)
def test_time_beyond_the_calendar_is_refused(text):
    wanted = [{"name": "createdAt", "operator": "GT", "values": [text]}]
    with pytest.raises(ServiceError) as error:
        read_task_filters(wanted)
    assert error.value.code == "ValidationException"
