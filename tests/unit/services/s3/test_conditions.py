"""Byte ranges and conditional headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbraket.services.s3 import conditions
from openbraket.store.objects import StoredObject
from openbraket.wire.errors import ServiceError

FOUND = StoredObject("b", "k", "0" * 32, 10, "abc", "text/x", 1_000_900)


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_closed_range_is_a_slice(size, first, last):
    content = bytes(range(size))
    text = f"bytes={first}-{last}"
    if last < first:
        assert conditions.read_range(text, size) is None
    elif first >= size:
        with pytest.raises(ServiceError) as error:
            conditions.read_range(text, size)
        assert error.value.status == 416
    else:
        start, stop = conditions.read_range(text, size)
        assert content[start:stop] == content[first : last + 1]


@given(st.integers(1, 50), st.integers(1, 60))
def test_suffix_is_the_end(size, count):
    content = bytes(range(size))
    start, stop = conditions.read_range(f"bytes=-{count}", size)
    assert content[start:stop] == content[-count:]


@pytest.mark.parametrize("text", ["bytes=-", "bytes=", "0-1", "bytes=1-2,3-4", "bytes=x-y", ""])
def test_malformed_range_is_none(text):
    assert conditions.read_range(text, 10) is None


@pytest.mark.parametrize("text", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_empty_object_satisfies_no_range(text):
    with pytest.raises(ServiceError):
        conditions.read_range(text, 0)


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        (None, True),
        ('"abc"', True),
        ('"abd"', False),
        ('W/"abc"', False),
        ("Thu, 01 Jan 1970 00:16:40 GMT", True),
        ("Thu, 01 Jan 1970 00:16:39 GMT", False),
        ("yesterday", False),
    ],
)
def test_if_range(text, is_wanted):
    assert conditions.is_range_wanted(text, FOUND) is is_wanted


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"IfNoneMatch": "*"}, "PreconditionFailed"),
        ({"IfNoneMatch": '"abc"'}, "PreconditionFailed"),
        ({"IfNoneMatch": '"x", "abc"'}, "PreconditionFailed"),
        ({"IfNoneMatch": '"x"'}, None),
        ({"IfMatch": '"abc"'}, None),
        ({"IfMatch": '"x"'}, "PreconditionFailed"),
    ],
)
def test_conditional_write_over_an_object(params, code):
    assert code_of(conditions.check_write, params, FOUND) == code


@pytest.mark.parametrize(
    ("params", "code"), [({"IfNoneMatch": "*"}, None), ({"IfMatch": "*"}, "NoSuchKey"), ({}, None)]
)
def test_conditional_write_to_a_free_key(params, code):
    assert code_of(conditions.check_write, params | {"Key": "k"}, None) == code


def code_of(check, *arguments):
    try:
        check(*arguments)
    except ServiceError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=3-" + "9" * 5000, (3, 10)),
        ("bytes=-" + "9" * 5000, (0, 10)),
        ("bytes=" + "0" * 5000 + "3-4", (3, 5)),
    ],
)
def test_position_of_any_length_is_read(text, expected):
    assert conditions.read_range(text, 10) == expected


def test_range_that_begins_behind_every_object_is_unsatisfiable():
    with pytest.raises(ServiceError) as error:
        conditions.read_range("bytes=" + "9" * 5000 + "-", 10)
    assert error.value.status == 416
