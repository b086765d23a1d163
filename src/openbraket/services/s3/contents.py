"""Contents on their way in and out: received, checked, copied, and removed when replaced."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from openbraket.base.blob import Blob
from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.services.context import Context
from openbraket.services.s3.checksums import Expectations
from openbraket.services.s3.errors import S3Error
from openbraket.wire.chunked import decoded
from openbraket.wire.errors import ServiceError

# S3's limit for one PutObject, one part and one CopyObject.
CONTENT_BYTES_MAX: Final = 5 << 30
_COPY_BYTES: Final = 1 << 20

_log = logging.getLogger("openbraket.services.s3")

# A file's name or a content that is none, the first byte and one after the last.
Piece = tuple[str | bytes, int, int]


async def receive(context: Context, params: Mapping[str, Any]) -> tuple[Blob, dict[str, str]]:
    """Store the body of a request, checking everything that was said about it.

    Args:
        context: The request; its headers tell how the body is encoded.
        params: Input of PutObject or UploadPart, with the stream `Body`.

    Returns:
        The content, and the checksums to keep with it.

    Raises:
        S3Error: The body is too large, incomplete, or not what its checksums say; nothing
            of it is left.
    """
    request_headers = context.request.headers
    _check_announced_size(request_headers)
    expectations = Expectations(
        params,
        request_headers.get("x-amz-content-sha256", ""),
        request_headers.get("x-amz-trailer", ""),
    )
    body = _bounded(decoded(context, params["Body"], expectations))
    blob = await context.blobs.put_stream(body, digests=expectations.digests)
    try:
        return blob, expectations.check(blob.md5)
    except S3Error:
        await remove(context, [blob.id])
        raise


async def publish(
    context: Context, blob: Blob, work: Callable[[Connection], Iterable[str | None]]
) -> None:
    """Commit records that name a new content, then remove contents that none names any more.

    Args:
        context: The request.
        blob: The new content; removed where `work` refuses.
        work: Writes the records and returns the names of replaced contents.

    Raises:
        ServiceError: What `work` raised.
        StoreError: The commit failed. The content stays until the next sweep, since a commit
            that reports a failure may have reached the disk.
    """
    try:
        replaced = await context.database.write(work)
    except ServiceError:
        await remove(context, [blob.id])
        raise
    await remove(context, replaced)


async def remove(context: Context, blob_ids: Iterable[str | None]) -> None:
    """Remove contents that no record names; a failure is left to the next sweep.

    Args:
        context: The request.
        blob_ids: Names of contents; None entries are passed over.
    """
    names = [blob_id for blob_id in blob_ids if blob_id is not None]
    if names:
        await asyncio.to_thread(_remove, context.blobs, names)


async def copy(context: Context, pieces: Sequence[Piece]) -> Blob:
    """Store the concatenation of parts of contents as a new content.

    Args:
        context: The request.
        pieces: What to concatenate, in order.

    Returns:
        The new content.

    Raises:
        StoreError: A content is gone or cannot be copied.

    Cost:
        Reads and writes every byte, in a thread, with one buffer of 1 MiB.
    """
    return await asyncio.to_thread(context.blobs.put, _bytes_of(context.blobs, pieces))


def _check_announced_size(request_headers: Mapping[str, str]) -> None:
    text = request_headers.get(
        "x-amz-decoded-content-length", request_headers.get("content-length")
    )
    # `int` refuses thousands of digits.
    if text is None or not text.isdecimal():
        return
    if len(text) > len(str(CONTENT_BYTES_MAX)) or int(text) > CONTENT_BYTES_MAX:
        raise S3Error("EntityTooLarge", ProposedSize=text, MaxSizeAllowed=CONTENT_BYTES_MAX)


async def _bounded(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    # A body shorter than announced never gets here: the server sees the connection close.
    received = 0
    async for chunk in body:
        received += len(chunk)
        if received > CONTENT_BYTES_MAX:
            raise S3Error("EntityTooLarge", MaxSizeAllowed=CONTENT_BYTES_MAX)
        yield chunk


def _remove(blobs: LocalBlobs, blob_ids: Sequence[str]) -> None:
    for blob_id in blob_ids:
        try:
            blobs.delete(blob_id)
        except StoreError as error:
            _log.warning("content %s stays until the next start: %s", blob_id, error)


def _bytes_of(blobs: LocalBlobs, pieces: Sequence[Piece]) -> Iterator[bytes]:
    for blob_id, start, stop in pieces:
        if isinstance(blob_id, bytes):
            yield blob_id[start:stop]
            continue
        try:
            with blobs.path(blob_id).open("rb", buffering=0) as file:
                file.seek(start)
                remaining = stop - start
                while remaining > 0:
                    data = file.read(min(_COPY_BYTES, remaining))
                    if not data:
                        raise StoreError(f"Content {blob_id} ends {remaining} bytes early.")
                    remaining -= len(data)
                    yield data
        except OSError as error:
            raise StoreError(f"Cannot read content {blob_id}: {error.strerror}.") from error
