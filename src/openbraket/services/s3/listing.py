"""Listings of a bucket's objects: ListObjects, ListObjectsV2."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from openbraket.services.context import Context
from openbraket.services.s3.buckets import owner, require_bucket
from openbraket.services.s3.errors import S3Error
from openbraket.services.s3.headers import quoted
from openbraket.store import objects
from openbraket.store.objects import ListedObject, Page

KEYS_PER_PAGE_MAX: Final = 1000
_COUNT_MAX: Final = (1 << 31) - 1


class KeyEncoding:
    """How a listing writes keys: as they are, or percent-encoded for XML's sake.

    Args:
        params: Input of a listing, for `EncodingType`.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._is_url = params.get("EncodingType") == "url"

    def __call__(self, key: str) -> str:
        """Return `key` as the listing writes it."""
        return quote(key, safe="/*") if self._is_url else key

    def common_prefixes(self, prefixes: list[str]) -> list[dict[str, str]]:
        """Return common prefixes as the listing writes them."""
        return [{"Prefix": self(prefix)} for prefix in prefixes]

    def encode(self, output: dict[str, Any], names: tuple[str, ...]) -> None:
        """Encode the members `names` of an output where they are there."""
        for name in names:
            if name in output:
                output[name] = self(output[name])


def count_max(params: Mapping[str, Any], member: str, parameter: str) -> int:
    """Return how many entries a listing may have.

    Args:
        params: Input of a listing.
        member: The member that limits it.
        parameter: The same as the query names it.

    Raises:
        S3Error: InvalidArgument for a negative number.
    """
    count = params.get(member, KEYS_PER_PAGE_MAX)
    if not 0 <= count <= _COUNT_MAX:
        message = f"Argument {parameter} must be an integer between 0 and {_COUNT_MAX}"
        raise S3Error("InvalidArgument", message, ArgumentName=parameter, ArgumentValue=count)
    return min(int(count), KEYS_PER_PAGE_MAX)


def part_number_marker(params: Mapping[str, Any]) -> int:
    """Return the number of the part after which a listing of parts begins; 0 for all.

    Args:
        params: Input of ListParts or GetObjectAttributes.

    Raises:
        S3Error: InvalidArgument for a negative number.
    """
    marker = int(params.get("PartNumberMarker") or 0)
    if marker < 0:
        name = "part-number-marker"
        message = f"Argument {name} must be an integer between 0 and {_COUNT_MAX}"
        raise S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=marker)
    return marker


async def list_objects(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return a bucket's objects in pages by marker: `GET /{Bucket}`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, InvalidArgument.
    """
    marker, prefix = params.get("Marker", ""), params.get("Prefix", "")
    delimiter = params.get("Delimiter", "")
    cut = marker.find(delimiter, len(prefix)) if delimiter and marker.startswith(prefix) else -1
    if cut >= 0:
        # The marker is, or lies under, a common prefix that was listed before.
        start = objects.end_of_prefix(marker[: cut + len(delimiter)])
    else:
        start = objects.after(marker) if marker else ""
    page = _page(context, params, start)
    output = _output(context, params, page)
    output |= {"Marker": marker, "Prefix": prefix}
    if page.next_start is not None and delimiter:
        output["NextMarker"] = page.last
    KeyEncoding(params).encode(output, ("Prefix", "Delimiter", "Marker", "NextMarker"))
    return output


async def list_objects_v2(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return a bucket's objects in pages by token: `GET /{Bucket}?list-type=2`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, InvalidArgument.
    """
    token, start_after = params.get("ContinuationToken"), params.get("StartAfter", "")
    if token is not None:
        start = _read_token(token)
    else:
        start = objects.after(start_after) if start_after else ""
    page = _page(context, params, start)
    output = _output(context, params, page, with_owner=params.get("FetchOwner", False))
    output |= {
        "Prefix": params.get("Prefix", ""),
        "KeyCount": len(page.objects) + len(page.common_prefixes),
    }
    if start_after:
        output["StartAfter"] = start_after
    if token is not None:
        output["ContinuationToken"] = token
    if page.next_start is not None:
        output["NextContinuationToken"] = _write_token(page.next_start)
    KeyEncoding(params).encode(output, ("Prefix", "Delimiter", "StartAfter"))
    return output


def _page(context: Context, params: dict[str, Any], start: str | None) -> Page:
    limit = count_max(params, "MaxKeys", "max-keys")
    with context.database.read() as connection:
        require_bucket(connection, context, params)
        if start is None:
            return Page([], [], None, "")
        return objects.list_objects(
            connection,
            bucket=params["Bucket"],
            prefix=params.get("Prefix", ""),
            delimiter=params.get("Delimiter", ""),
            start=start,
            count_max=limit,
        )


def _output(
    context: Context, params: Mapping[str, Any], page: Page, *, with_owner: bool = True
) -> dict[str, Any]:
    encode = KeyEncoding(params)
    more = {"Owner": owner(context.account)} if with_owner else {}
    output: dict[str, Any] = {
        "Name": params["Bucket"],
        "MaxKeys": count_max(params, "MaxKeys", "max-keys"),
        "IsTruncated": page.next_start is not None,
        "Contents": [_listed(entry, encode) | more for entry in page.objects],
        "CommonPrefixes": encode.common_prefixes(page.common_prefixes),
    }
    for name in ("Delimiter", "EncodingType"):
        if name in params:
            output[name] = params[name]
    return output


def _listed(entry: ListedObject, encode: KeyEncoding) -> dict[str, Any]:
    return {
        "Key": encode(entry.key),
        "LastModified": entry.last_modified,
        "ETag": quoted(entry.etag),
        "Size": entry.size,
        "StorageClass": "STANDARD",
    }


def _write_token(start: str) -> str:
    return base64.urlsafe_b64encode(f"1:{start}".encode()).decode()


def _read_token(token: str) -> str:
    try:
        version, colon, start = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except (binascii.Error, ValueError):
        version = colon = start = ""
    if version + colon != "1:":
        message = "The continuation token provided is incorrect"
        raise S3Error(
            "InvalidArgument", message, ArgumentName="continuation-token", ArgumentValue=token
        )
    return start
