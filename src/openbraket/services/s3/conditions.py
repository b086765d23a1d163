"""Conditional headers and byte ranges, after RFC 9110 as S3 reads it.

Entity tags are compared without their quotes, and times by the second, which is all that an HTTP
date can say.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from openbraket.services.s3.errors import S3Error
from openbraket.store.objects import StoredObject
from openbraket.wire.timestamps import parse_text

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
# A position with more digits lies behind the end of any object.
_POSITION_DIGITS_MAX: Final = 18


def bare_etag(text: str) -> str:
    """Return an entity tag without quotes and without the mark of a weak one."""
    return text.strip().removeprefix("W/").strip('"')


def _names_etag(condition: str, etag: str) -> bool:
    return condition.strip() == "*" or etag in map(bare_etag, condition.split(","))


def check_read(params: Mapping[str, Any], found: StoredObject) -> None:
    """Check the conditions of a read, in the order of RFC 9110 section 13.2.2.

    Args:
        params: Input of GetObject or HeadObject.
        found: The object.

    Raises:
        S3Error: PreconditionFailed or NotModified.
    """
    _check_preconditions(params, found, prefix="")
    if "IfNoneMatch" in params:
        is_unchanged = _names_etag(params["IfNoneMatch"], found.etag)
    else:
        since = params.get("IfModifiedSince")
        is_unchanged = since is not None and _second(found.last_modified) <= _second(since)
    if is_unchanged:
        raise S3Error("NotModified", ETag=f'"{found.etag}"', LastModified=found.last_modified)


def check_copy_source(params: Mapping[str, Any], source: StoredObject) -> None:
    """Check the conditions that a copy makes about its source.

    Args:
        params: Input of CopyObject or UploadPartCopy.
        source: The source object.

    Raises:
        S3Error: PreconditionFailed, also where a read would answer NotModified.
    """
    _check_preconditions(params, source, prefix="CopySource")
    if "CopySourceIfNoneMatch" in params:
        if _names_etag(params["CopySourceIfNoneMatch"], source.etag):
            raise S3Error("PreconditionFailed", Condition="x-amz-copy-source-If-None-Match")
        return
    since = params.get("CopySourceIfModifiedSince")
    if since is not None and _second(source.last_modified) <= _second(since):
        raise S3Error("PreconditionFailed", Condition="x-amz-copy-source-If-Modified-Since")


def check_write(params: Mapping[str, Any], current: StoredObject | None) -> None:
    """Check the conditions of a write about the object that has the key now.

    Args:
        params: Input of PutObject, CopyObject, CompleteMultipartUpload or DeleteObject.
        current: The object that has the key; None where it is free.

    Raises:
        S3Error: PreconditionFailed; NoSuchKey where If-Match finds no object.
    """
    unwanted = params.get("IfNoneMatch")
    if unwanted is not None and current is not None and _names_etag(unwanted, current.etag):
        raise S3Error("PreconditionFailed", Condition="If-None-Match")
    if "IfMatch" in params:
        if current is None:
            raise S3Error("NoSuchKey", Key=params["Key"])
        if not _names_etag(params["IfMatch"], current.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")


def _check_preconditions(params: Mapping[str, Any], found: StoredObject, *, prefix: str) -> None:
    header = "x-amz-copy-source-" if prefix else ""
    match = params.get(f"{prefix}IfMatch")
    if match is not None:
        if not _names_etag(match, found.etag):
            raise S3Error("PreconditionFailed", Condition=f"{header}If-Match")
        return
    until = params.get(f"{prefix}IfUnmodifiedSince")
    if until is not None and _second(found.last_modified) > _second(until):
        raise S3Error("PreconditionFailed", Condition=f"{header}If-Unmodified-Since")


def _second(time_ms: int) -> int:
    return time_ms // 1000


def is_range_wanted(if_range: str | None, found: StoredObject) -> bool:
    """Return whether a Range header counts, given the If-Range header beside it."""
    if not if_range:
        return True
    if if_range.lstrip().startswith('"'):
        return bare_etag(if_range) == found.etag
    time_ms = parse_text(if_range)
    return time_ms is not None and _second(time_ms) >= _second(found.last_modified)


def read_range(text: str, size: int) -> tuple[int, int] | None:
    """Return the bytes that a Range header asks for.

    Args:
        text: The header, `bytes=first-last`, `bytes=first-` or `bytes=-count`.
        size: Size of the object in bytes.

    Returns:
        First byte and one after the last; None where the header is to be ignored because it is
        malformed or asks for several ranges.

    Raises:
        S3Error: InvalidRange where no byte of the object is asked for.
    """
    match = _RANGE.fullmatch(text.replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, stop = max(0, size - _position(match[2])), size
    else:
        start = _position(match[1])
        last = _position(match[2]) if match[2] else size - 1
        if match[2] and last < start:
            return None
        stop = min(last + 1, size)
    if start >= stop:
        raise S3Error("InvalidRange", ActualObjectSize=size, RangeRequested=text)
    return start, stop


def _position(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _POSITION_DIGITS_MAX else 10**_POSITION_DIGITS_MAX
