"""What CreateQuantumTask and CreateJob ask of another object store before they record anything.

Who owns a bucket there is the store's business: all accounts reach what its key reaches.
"""

from collections.abc import Mapping

from openbraket.base.s3_uri import S3Location
from openbraket.blobs.remote import RemoteObjects
from openbraket.services.errors import InvalidRequestError


async def require_bucket(remote: RemoteObjects, name: str, *, what: str) -> None:
    """Check that a bucket is in the store.

    Args:
        remote: The store.
        name: The bucket.
        what: What the refusal names.

    Raises:
        InvalidRequestError: ValidationException: the bucket is missing or closed to the store's
            key.
        ObjectsAwayError: The store does not say; the client may try again.
    """
    if not await remote.has_bucket(name):
        raise InvalidRequestError(f"Caller doesn't have access to {what} or it doesn't exist.")


async def require_locations(
    remote: RemoteObjects, locations: Mapping[str, S3Location], script: S3Location | None
) -> None:
    """Check every bucket of a job's request, and that its script is there.

    Args:
        remote: The store.
        locations: By the member that names them.
        script: Where the script is; None without one.

    Raises:
        InvalidRequestError: ValidationException; names the location.
        ObjectsAwayError: The store does not say; the client may try again.
        ObjectRefusedError: The store refuses the question.
    """
    for member, location in locations.items():
        await require_bucket(remote, location.bucket, what=f"s3://{location.bucket} of {member}")
    if script is None:
        return
    if await remote.call(remote.find, script.bucket, script.key) is None:
        raise InvalidRequestError(
            f"The script s3://{script.bucket}/{script.key} of scriptModeConfig does not exist."
        )
