"""Signature version 2 of S3: the header form, and the presigned URLs that boto3 still makes.

Source: "Signing and authenticating REST requests (AWS signature version 2)" in AWS's
documentation; tested against botocore's own signers.
"""

import base64
import hmac
from datetime import UTC, datetime
from urllib.parse import unquote, unquote_plus

from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request
from openbraket.wire.scope import Scope
from openbraket.wire.signature_errors import check_skew, refuse_mismatch
from openbraket.wire.timestamps import parse_text

# The parameters that are part of the resource; all others are not signed.
_SIGNED_PARAMETERS = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory",
    "lifecycle", "location", "logging", "metrics", "notification", "object-lock", "partNumber",
    "policy", "replication", "requestPayment", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "select", "select-type",
    "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
    "versions", "website",
})  # fmt: skip


def verify(
    request: Request, scope: Scope, secret_key: str, *, now: datetime, virtual_bucket: str = ""
) -> None:
    """Check a version 2 signature.

    Args:
        request: The request.
        scope: What `read_scope` returned for it.
        secret_key: The secret of `scope.access_key`.
        now: The current time, with a time zone.
        virtual_bucket: The bucket, where the Host header has it.

    Raises:
        ServiceError: The signature is wrong, or too old.
    """
    headers = request.headers
    if scope.is_query:
        if scope.expires is None or now.timestamp() > scope.expires:
            raise ServiceError("AccessDenied", "Request has expired", status=403)
        # A presigned URL carries its headers as parameters.
        headers = _parameters(request.query_string) | headers
        date = str(scope.expires)
    else:
        _check_date(headers, now)
        date = "" if "x-amz-date" in headers else headers["date"].strip()
    lines = [
        request.method,
        headers.get("content-md5", "").strip(),
        headers.get("content-type", "").strip(),
        date,
    ]
    amz = sorted(name for name in headers if name.startswith("x-amz-"))
    lines += [f"{name}:{headers[name].strip()}" for name in amz]
    lines.append(_resource(request, virtual_bucket))
    digest = hmac.digest(secret_key.encode("utf-8"), "\n".join(lines).encode("utf-8"), "sha1")
    expected = base64.b64encode(digest)
    if not hmac.compare_digest(expected, scope.signature.encode("utf-8")):
        refuse_mismatch("s3")


def _check_date(headers: dict[str, str], now: datetime) -> None:
    time_ms = parse_text(headers.get("x-amz-date") or headers.get("date", ""))
    if time_ms is None:
        message = "AWS authentication requires a valid Date or x-amz-date header"
        raise ServiceError("AccessDenied", message, status=403)
    signed_at = datetime.fromtimestamp(time_ms / 1000, UTC)
    check_skew("s3", signed_at, now, is_expiring=False)


def _parameters(query_string: str) -> dict[str, str]:
    """Return the parameters that stand for headers."""
    found = {}
    for pair in query_string.split("&"):
        name, _, value = pair.partition("=")
        lowered = unquote(name).lower()
        if lowered.startswith("x-amz-") or lowered in {"content-md5", "content-type"}:
            found[lowered] = unquote_plus(value)
    return found


def _resource(request: Request, virtual_bucket: str) -> str:
    path = f"/{virtual_bucket}{request.raw_path}" if virtual_bucket else request.raw_path
    signed = []
    for pair in request.query_string.split("&"):
        name, equals, value = pair.partition("=")
        if name in _SIGNED_PARAMETERS:
            signed.append((name, f"{name}={unquote(value)}" if equals else name))
    if not signed:
        return path
    signed.sort(key=lambda entry: entry[0])
    return f"{path}?{'&'.join(text for _, text in signed)}"
