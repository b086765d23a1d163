"""S3 on this port where the objects are in another store.

Clients are told where that is. The clients inside hybrid jobs sign with temporary keys that the
other store does not know, so what they ask of objects is asked there with the store's own key.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from openbraket.base.blob import Blob
from openbraket.blobs.remote import RemoteObjects, StoreAnswerError
from openbraket.services.context import Context, Handler
from openbraket.services.s3 import contents
from openbraket.services.s3.errors import S3Error
from openbraket.wire.errors import ServiceError

# What jobs may ask of the store: objects, not the buckets themselves.
FORWARDED: Final = frozenset({
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketLocation",
    "GetObject",
    "GetObjectAttributes",
    "HeadBucket",
    "HeadObject",
    "ListMultipartUploads",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
})
_READ_BYTES: Final = 1 << 20


async def refuse(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Refuse an operation of S3.

    Raises:
        S3Error: InvalidRequest; names the store.
    """
    del params
    store = "another store" if context.remote is None else context.remote.endpoint_url
    raise S3Error(
        "InvalidRequest",
        f"The objects of this service are at {store}; point S3 clients there, for example with "
        f"AWS_ENDPOINT_URL_S3={store}",
    )


async def forward(operation: str, context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Do for a job what it asks of the store, and refuse everybody else.

    A body is received whole and checked before it is sent on; of its checksums only the MD5 goes
    with it, which every store knows.

    Args:
        operation: Its name.
        context: The request.
        params: Its input.

    Raises:
        ServiceError: What the store answers, or InvalidRequest for one who is no job.
        ObjectsAwayError: The store does not answer.
    """
    remote = context.remote
    if remote is None or context.session is None:
        return await refuse(context, params)
    if "Body" not in params:
        return await _ask(remote, operation, params)
    blob, _ = await contents.receive(context, params)
    try:
        return await _ask(remote, operation, params, (context.blobs.path(blob.id), blob))
    finally:
        await contents.remove(context, [blob.id])


async def _ask(
    remote: RemoteObjects,
    operation: str,
    params: Mapping[str, Any],
    body: tuple[Path, Blob] | None = None,
) -> dict[str, Any]:
    try:
        output = await remote.call(remote.ask, operation, params, body)
    except StoreAnswerError as error:
        raise ServiceError(error.code, error.message, status=error.status) from error
    if "Body" in output:
        output["Body"] = _stream(remote, output["Body"])
    return output


async def _stream(remote: RemoteObjects, body: Any) -> AsyncIterator[bytes]:  # noqa: ANN401
    with closing(body):
        while piece := await remote.call(body.read, _READ_BYTES):
            yield piece


def handlers(names: Iterable[str]) -> Mapping[str, Handler]:
    """Return a handler for each of these operations."""
    return {name: partial(forward, name) if name in FORWARDED else refuse for name in names}
