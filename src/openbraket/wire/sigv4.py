"""Signature version 4: whether a request's signature holds.

What a request says is read in `scope`; version 2, which clients still use for presigned S3 URLs,
is checked in `sigv2`. Everything a server needs is to be had from this module.

Source: "Signing AWS API requests" and "Authenticating Requests (AWS Signature Version 4)" in
AWS's documentation; tested against botocore's own signers.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from openbraket.wire import sigv2
from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request
from openbraket.wire.scope import ALGORITHM, Scope, read_scope
from openbraket.wire.signature_errors import (
    QUERY_SERVICES,
    check_skew,
    missing_authentication,
    refuse_mismatch,
    signature_code,
    unknown_access_key,
)

__all__ = [
    "ChunkSigner",
    "Scope",
    "missing_authentication",
    "read_scope",
    "unknown_access_key",
    "verify",
]

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256().hexdigest()

EXPIRES_MAX_S = 7 * 24 * 3600
_KEY_COUNT_MAX = 1024

_ENCODED_PATH = re.compile(r"(?:[A-Za-z0-9\-._~/]|%[0-9A-F]{2})*")
_SIMPLE_PATH = re.compile(r"[A-Za-z0-9\-._~/%]*")
_ENCODED_PART = re.compile(r"(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*")
_TIME = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_SHA256 = re.compile("[0-9a-f]{64}")


def verify(
    request: Request,
    scope: Scope,
    secret_key: str,
    *,
    now: datetime,
    session_token: str = "",
    virtual_bucket: str = "",
) -> None:
    """Check the signature of a request.

    Every service but S3 encodes the path twice. The payload's hash is checked against the body
    where the body is complete; a streaming operation checks it while it reads.

    Args:
        request: The request.
        scope: What `read_scope` returned for it.
        secret_key: The secret of `scope.access_key`.
        now: The current time, with a time zone.
        session_token: The token that belongs to a temporary access key, or "".
        virtual_bucket: Version 2 only: the bucket, where the Host header has it.

    Raises:
        ServiceError: The signature, the time or the token is wrong, with the code and the words
            of the scope's service.

    Cost: about 6 µs for a body of 2 KB.
    """
    if session_token and not hmac.compare_digest(
        scope.session_token.encode("utf-8"), session_token.encode("utf-8")
    ):
        error = unknown_access_key(scope)
        raise error
    if scope.version == 2:
        sigv2.verify(request, scope, secret_key, now=now, virtual_bucket=virtual_bucket)
        return
    _check_time(scope, now)
    _check_signed_headers(request, scope)
    canonical = _canonical_request(request, scope)
    text = (
        f"{ALGORITHM}\n{scope.time}\n{scope.date}/{scope.region}/{scope.service}/aws4_request\n"
        f"{hashlib.sha256(canonical).hexdigest()}"
    )
    key = _signing_key(secret_key, scope.date, scope.region, scope.service)
    expected = hmac.digest(key, text.encode("utf-8"), "sha256").hex()
    if not hmac.compare_digest(expected.encode("ascii"), scope.signature.encode("utf-8")):
        refuse_mismatch(scope.service)


def _check_time(scope: Scope, now: datetime) -> None:
    time = scope.time
    if not _TIME.fullmatch(time) or time[:8] != scope.date:
        raise _incomplete(scope, "Date in Credential scope does not match the request's date.")
    signed_at = _parse_time(time)
    if signed_at is None:
        raise _incomplete(scope, f"{time} is not a date.")
    check_skew(scope.service, signed_at, now, is_expiring=scope.is_query)
    if scope.is_query:
        _check_expiry(scope, signed_at, now)


# Requests of one second share their time.
@lru_cache(maxsize=64)
def _parse_time(time: str) -> datetime | None:
    try:
        return datetime(
            int(time[:4]),
            int(time[4:6]),
            int(time[6:8]),
            int(time[9:11]),
            int(time[11:13]),
            int(time[13:15]),
            tzinfo=UTC,
        )
    except ValueError:
        return None


def _check_expiry(scope: Scope, signed_at: datetime, now: datetime) -> None:
    expires = scope.expires
    if expires is None or expires > EXPIRES_MAX_S:
        message = f"X-Amz-Expires must be a number from 0 to {EXPIRES_MAX_S} (seconds)."
        raise _incomplete(scope, message)
    if now > signed_at + timedelta(seconds=expires):
        if scope.service == "s3":
            raise ServiceError("AccessDenied", "Request has expired", status=403)
        words = f"Signature expired: {scope.time} plus {expires} s has passed"
        raise ServiceError(signature_code(scope.service), words, status=403)


def _check_signed_headers(request: Request, scope: Scope) -> None:
    # An unsigned host, or for S3 an unsigned x-amz-* header, could be changed unnoticed.
    signed = scope.signed_headers.split(";")
    unsigned = [] if "host" in signed else ["host"]
    if scope.service == "s3":
        unsigned += [
            name for name in request.headers if name.startswith("x-amz-") and name not in signed
        ]
    if not unsigned:
        return
    message = "There were headers present in the request which were not signed"
    if scope.service == "s3":
        members = {"HeadersNotSigned": ", ".join(unsigned)}
        raise ServiceError("AccessDenied", message, status=403, members=members)
    raise ServiceError(
        signature_code(scope.service), f"{message}: {', '.join(unsigned)}", status=403
    )


def _canonical_request(request: Request, scope: Scope) -> bytes:
    headers = request.headers
    lines = [
        request.method,
        _canonical_path(request.raw_path, is_s3=scope.service == "s3"),
        _canonical_query(request.query_string) if request.query_string else "",
    ]
    for name in scope.signed_headers.split(";"):
        value = headers.get(name, "")
        if "  " in value or value[:1].isspace() or value[-1:].isspace():
            value = " ".join(value.split())
        lines.append(f"{name}:{value}")
    lines += ["", scope.signed_headers, _payload_hash(request, scope)]
    text = "\n".join(lines)
    # Headers are decoded as Latin-1; this gives back the bytes that were signed.
    return text.encode("latin-1", "replace")


def _canonical_path(raw_path: str, *, is_s3: bool) -> str:
    if is_s3:
        if _ENCODED_PATH.fullmatch(raw_path):
            return raw_path
        return quote(unquote_to_bytes(raw_path.encode("latin-1", "replace")), safe="/~")
    if "//" in raw_path or "/." in raw_path:
        raw_path = _normalized(raw_path)
    if _SIMPLE_PATH.fullmatch(raw_path):
        return raw_path.replace("%", "%25")
    return quote(raw_path.encode("latin-1", "replace"), safe="/~")


def _normalized(path: str) -> str:
    """Return a path without empty and dot segments, after RFC 3986 5.2.4."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    end = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + end


def _canonical_query(query_string: str) -> str:
    pairs = []
    for pair in query_string.split("&"):
        name, _, value = pair.partition("=")
        if name and name != "X-Amz-Signature":
            pairs.append((_canonical_part(name), _canonical_part(value)))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


def _canonical_part(text: str) -> str:
    if _ENCODED_PART.fullmatch(text):
        return text
    raw = text.replace("+", " ").encode("latin-1", "replace")
    return quote(unquote_to_bytes(raw), safe="~")


def _payload_hash(request: Request, scope: Scope) -> str:
    declared = request.headers.get("x-amz-content-sha256")
    if declared is None:
        if scope.service != "s3":
            return hashlib.sha256(request.body).hexdigest() if request.body else EMPTY_SHA256
        if scope.is_query:
            return UNSIGNED_PAYLOAD
        message = "Missing required header for this request: x-amz-content-sha256"
        raise ServiceError("InvalidRequest", message, status=400)
    if request.stream is None and _SHA256.fullmatch(declared):
        _check_sha256(declared, hashlib.sha256(request.body).hexdigest(), scope.service)
    return declared


def _check_sha256(declared: str, computed: str, service: str) -> None:
    if declared == computed:
        return
    if service != "s3":
        refuse_mismatch(service)
    message = "The provided 'x-amz-content-sha256' header does not match what was computed."
    members = {"ClientComputedContentSHA256": declared, "S3ComputedContentSHA256": computed}
    raise ServiceError("XAmzContentSHA256Mismatch", message, status=400, members=members)


_keys: dict[tuple[str, str, str, str], bytes] = {}


def _signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    cached = (secret_key, date, region, service)
    key = _keys.get(cached)
    if key is None:
        key = ("AWS4" + secret_key).encode("utf-8")
        for part in (date, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode("utf-8"), "sha256")
        if len(_keys) >= _KEY_COUNT_MAX:
            _keys.clear()
        _keys[cached] = key
    return key


class ChunkSigner:
    """The running signature of a body that is signed piece by piece.

    Args:
        scope: The scope of a request whose own signature holds.
        secret_key: The secret of `scope.access_key`.
    """

    def __init__(self, scope: Scope, secret_key: str) -> None:
        self._key = _signing_key(secret_key, scope.date, scope.region, scope.service)
        place = f"{scope.date}/{scope.region}/{scope.service}/aws4_request"
        self._prefix = f"{scope.time}\n{place}\n"
        self._previous = scope.signature

    def check_chunk(self, signature: str, sha256: str) -> None:
        """Check the signature of the next chunk.

        Args:
            signature: What the chunk says.
            sha256: The hash of the chunk's content, hexadecimal.

        Raises:
            ServiceError: The signature is another.
        """
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{sha256}", signature)

    def check_trailer(self, signature: str, sha256: str) -> None:
        """Check the signature of the trailing headers.

        Args:
            signature: What the trailer says.
            sha256: The hash of the trailing headers, hexadecimal.

        Raises:
            ServiceError: The signature is another.
        """
        self._check("AWS4-HMAC-SHA256-TRAILER", sha256, signature)

    def _check(self, algorithm: str, hashes: str, signature: str) -> None:
        text = f"{algorithm}\n{self._prefix}{self._previous}\n{hashes}"
        expected = hmac.digest(self._key, text.encode("utf-8"), "sha256").hex()
        if not hmac.compare_digest(expected.encode("ascii"), signature.encode("utf-8")):
            refuse_mismatch("s3")
        self._previous = expected


def _incomplete(scope: Scope, message: str) -> ServiceError:
    if scope.service == "s3":
        is_query = scope.is_query
        code = "AuthorizationQueryParametersError" if is_query else "AuthorizationHeaderMalformed"
        return ServiceError(code, message, status=400)
    suffix = "" if scope.service in QUERY_SERVICES else "Exception"
    return ServiceError(f"IncompleteSignature{suffix}", message, status=400)
