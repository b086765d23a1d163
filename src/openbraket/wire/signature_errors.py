"""The refusals of a signature, with the codes and words of the service that was asked."""

from datetime import datetime, timedelta
from typing import NoReturn

from openbraket.wire.errors import ServiceError
from openbraket.wire.scope import Scope
from openbraket.wire.timestamps import format_basic

# A request's time may differ from the server's by this much.
SKEW_MAX = timedelta(minutes=15)

# Services of the query protocol, whose codes have no "Exception" at the end.
QUERY_SERVICES = frozenset({"sts", "iam", "ec2"})


def check_skew(service: str, signed_at: datetime, now: datetime, *, is_expiring: bool) -> None:
    """Check that a request was signed at about the current time.

    Args:
        service: The service of the credential scope.
        signed_at: When the request was signed.
        now: The current time.
        is_expiring: Whether the request has an expiry of its own and may be old.

    Raises:
        ServiceError: The request is too old or from the future.
    """
    age = now - signed_at
    if -SKEW_MAX <= age <= SKEW_MAX:
        return
    if age < -SKEW_MAX:
        words = f"Signature not yet current: {format_basic(signed_at)} is still later than"
        words += f" {format_basic(now + SKEW_MAX)} ({format_basic(now)} + 15 min.)"
    elif not is_expiring:
        words = f"Signature expired: {format_basic(signed_at)} is now earlier than"
        words += f" {format_basic(now - SKEW_MAX)} ({format_basic(now)} - 15 min.)"
    else:
        return
    if service == "s3":
        message = "The difference between the request time and the current time is too large."
        members = {
            "RequestTime": format_basic(signed_at),
            "ServerTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "MaxAllowedSkewMilliseconds": int(SKEW_MAX.total_seconds() * 1000),
        }
        raise ServiceError("RequestTimeTooSkewed", message, status=403, members=members)
    raise ServiceError(signature_code(service), words, status=403)


def signature_code(service: str) -> str:
    """Return the code of a signature that does not hold."""
    if service == "s3" or service in QUERY_SERVICES:
        return "SignatureDoesNotMatch"
    return "InvalidSignatureException"


def refuse_mismatch(service: str) -> NoReturn:
    """Refuse a signature that is not the one we calculate.

    Args:
        service: The service of the credential scope.

    Raises:
        ServiceError: Always.
    """
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
        if service == "s3"
        else "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation "
        "for details."
    )
    raise ServiceError(signature_code(service), message, status=403)


def unknown_access_key(scope: Scope) -> ServiceError:
    """Return the error for an access key or session token that does not exist."""
    if scope.service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        members = {"AWSAccessKeyId": scope.access_key}
        return ServiceError("InvalidAccessKeyId", message, status=403, members=members)
    is_query = scope.service in QUERY_SERVICES
    code = "InvalidClientTokenId" if is_query else "UnrecognizedClientException"
    message = "The security token included in the request is invalid."
    return ServiceError(code, message, status=403)


def missing_authentication(service: str) -> ServiceError:
    """Return the error for a request to `service` without a readable signature."""
    if service == "s3":
        return ServiceError("AccessDenied", "Access Denied", status=403)
    code = "MissingAuthenticationToken"
    if service not in QUERY_SERVICES:
        code += "Exception"
    return ServiceError(code, "Missing Authentication Token", status=403)
