"""S3 locations in requests, checked."""

from typing import Final

from openbraket.base.s3_uri import S3Location, parse_s3_uri
from openbraket.services.errors import InvalidRequestError

# The model limits a location's URI and not the key in it; S3 limits the key.
KEY_BYTES_MAX: Final = 1024


def read_s3_uri(text: str, *, member: str) -> S3Location:
    """Return the location that a member of a request names.

    Args:
        text: The URI.
        member: The member's path, for the refusal.

    Returns:
        The bucket and the key.

    Raises:
        InvalidRequestError: ValidationException for what is no location in S3.
    """
    location = parse_s3_uri(text)
    if location is None:
        raise InvalidRequestError(
            f"'{text}' in {member} is not a location in S3; expected s3://BUCKET/KEY"
        )
    if len(location.key.encode()) > KEY_BYTES_MAX:
        raise InvalidRequestError(
            f"The key in {member} has {len(location.key.encode())} bytes; "
            f"the limit is {KEY_BYTES_MAX}"
        )
    return location
