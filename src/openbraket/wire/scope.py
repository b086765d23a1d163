"""What a request says about its signature, in any of the forms that AWS clients use."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from openbraket.wire.http import Request
from openbraket.wire.timestamps import format_basic, parse_text

ALGORITHM = "AWS4-HMAC-SHA256"


class Scope(NamedTuple):
    """What a request says about its signature.

    Attributes:
        access_key: The access key's id.
        date: Date of the credential scope, `YYYYMMDD`; "" in version 2.
        region: Region of the credential scope; "" in version 2.
        service: Service of the credential scope; `s3` in version 2.
        version: 4 or 2.
        is_query: Whether the signature is in the URL (presigned) and not in a header.
        signature: The signature, hexadecimal in version 4, base 64 in version 2.
        signed_headers: Names of the signed headers, `;` between them; "" in version 2.
        time: When the request was signed, `YYYYMMDDTHHMMSSZ`; "" where the request does not say.
        expires: Presigned only: seconds after `time` (version 4), or since the epoch (version 2).
        session_token: The session token, or "".
    """

    access_key: str
    date: str
    region: str
    service: str
    version: int
    is_query: bool
    signature: str
    signed_headers: str = ""
    time: str = ""
    expires: int | None = None
    session_token: str = ""


def read_scope(request: Request) -> Scope | None:
    """Return what the request says about its signature; None where nothing readable is said."""
    headers = request.headers
    authorization = headers.get("authorization")
    if authorization is None:
        return _read_query(request.query_string) if request.query_string else None
    token = headers.get("x-amz-security-token", "")
    if authorization.startswith("AWS "):
        access_key, _, signature = authorization[4:].strip().partition(":")
        if not access_key or not signature:
            return None
        return Scope(access_key, "", "", "s3", 2, False, signature, session_token=token)
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        return None
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.partition("=")
        parts[name.strip()] = value.strip()
    credential = parts.get("Credential", "").split("/")
    signed, signature = parts.get("SignedHeaders", ""), parts.get("Signature", "")
    if len(credential) != 5 or credential[4] != "aws4_request" or not signed or not signature:
        return None
    access_key, date, region, service, _ = credential
    time = headers.get("x-amz-date") or _header_time(headers.get("date", ""))
    return Scope(access_key, date, region, service, 4, False, signature, signed, time, None, token)


def _read_query(query_string: str) -> Scope | None:
    if "X-Amz-Credential=" not in query_string and "AWSAccessKeyId=" not in query_string:
        return None
    fields: dict[str, str] = {}
    for pair in query_string.split("&"):
        name, _, value = pair.partition("=")
        fields[unquote(name)] = unquote_plus(value)
    # An access key has no plus sign, a version 2 signature may; clients encode both.
    if "AWSAccessKeyId" in fields:
        access_key, signature = fields["AWSAccessKeyId"], fields.get("Signature", "")
        expires = _whole(fields.get("Expires", ""))
        if not access_key or not signature or expires is None:
            return None
        token = fields.get("x-amz-security-token", "")
        return Scope(
            access_key, "", "", "s3", 2, True, signature, expires=expires, session_token=token
        )
    credential = fields["X-Amz-Credential"].split("/") if "X-Amz-Credential" in fields else []
    signed, signature = fields.get("X-Amz-SignedHeaders", ""), fields.get("X-Amz-Signature", "")
    if (
        fields.get("X-Amz-Algorithm") != ALGORITHM
        or len(credential) != 5
        or credential[4] != "aws4_request"
        or not signed
        or not signature
    ):
        return None
    access_key, date, region, service, _ = credential
    return Scope(
        access_key,
        date,
        region,
        service,
        4,
        True,
        signature,
        signed,
        fields.get("X-Amz-Date", ""),
        _whole(fields.get("X-Amz-Expires", "")),
        fields.get("X-Amz-Security-Token", ""),
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _header_time(http_date: str) -> str:
    """Return a Date header's time in the form of X-Amz-Date, or ""."""
    time_ms = parse_text(http_date)
    if time_ms is None:
        return ""
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return format_basic(time) if time.year >= 1000 else ""
