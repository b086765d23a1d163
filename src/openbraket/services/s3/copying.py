"""CopyObject, and reading the source of a copy for UploadPartCopy."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from sqlalchemy import Connection

from openbraket.base.blob import Blob
from openbraket.base.errors import StoreError
from openbraket.services.context import Context
from openbraket.services.s3 import conditions, contents, headers
from openbraket.services.s3.buckets import owned_bucket, require_bucket
from openbraket.services.s3.errors import S3Error
from openbraket.store import objects
from openbraket.store.objects import StoredObject

# A source may be replaced while it is being copied; then the copy starts again.
_COPY_ATTEMPTS_MAX: Final = 5


def find_source(
    connection: Connection, context: Context, params: Mapping[str, Any]
) -> StoredObject:
    """Return the object that a copy reads, after checking the copy's conditions about it.

    Args:
        connection: For reading.
        context: The request, for its account.
        params: Input of CopyObject or UploadPartCopy.

    Raises:
        S3Error: InvalidArgument, NoSuchBucket, AccessDenied, NoSuchKey, PreconditionFailed.
    """
    bucket, key = _read_copy_source(params["CopySource"])
    owned_bucket(connection, context, bucket, expected=params.get("ExpectedSourceBucketOwner"))
    source = objects.get_object(connection, bucket=bucket, key=key)
    if source is None:
        raise S3Error("NoSuchKey", Key=key)
    conditions.check_copy_source(params, source)
    return source


async def copy_source(
    context: Context, params: Mapping[str, Any], *, source_range: str | None = None
) -> tuple[StoredObject, Blob]:
    """Copy the content, or a range of it, that a copy reads.

    Args:
        context: The request.
        params: Input of CopyObject or UploadPartCopy.
        source_range: `bytes=first-last`; the whole content where None.

    Returns:
        The source's record and the new content.

    Raises:
        S3Error: As `find_source`; InvalidArgument for a malformed range, InvalidRange for
            one outside the object, InvalidRequest for a source above 5 GiB.
        StoreError: The content cannot be copied.
    """
    blob_id = ""
    for _ in range(_COPY_ATTEMPTS_MAX):
        with context.database.read() as connection:
            source = find_source(connection, context, params)
        start, stop = _read_source_range(source_range, source.size)
        if stop - start > contents.CONTENT_BYTES_MAX:
            message = "The specified copy source is larger than the maximum allowable size for a "
            raise S3Error("InvalidRequest", f"{message}copy source: {contents.CONTENT_BYTES_MAX}")
        try:
            content = source.blob_id if source.inline is None else source.inline
            return source, await contents.copy(context, [(content, start, stop)])
        except StoreError:
            if source.blob_id == blob_id:
                raise
            blob_id = source.blob_id
    raise StoreError(f"The source {params['CopySource']} is replaced faster than it is copied.")


async def copy_object(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Copy an object: `PUT /{Bucket}/{Key+}` with x-amz-copy-source.

    An object may be copied to itself only with new metadata.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchKey, PreconditionFailed, InvalidRequest,
            InvalidArgument, KeyTooLongError, MetadataTooLarge, NotImplemented.
    """
    headers.check_request(params)
    bucket, key = params["Bucket"], params["Key"]
    directive = params.get("MetadataDirective", "COPY")
    with context.database.read() as connection:
        require_bucket(connection, context, params)
        source = find_source(connection, context, params)
    is_to_itself = (source.bucket, source.key) == (bucket, key)
    if is_to_itself and directive == "COPY" and "WebsiteRedirectLocation" not in params:
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's metadata, storage class, website redirect location or "
            "encryption attributes.",
        )
    source, blob = await copy_source(context, params)
    last_modified = context.now_ms()
    kept = headers.kept(params) if directive == "REPLACE" else headers.copied(source.headers)
    checksums = headers.checksums(source.headers)
    if checksums.get("ChecksumType") == "FULL_OBJECT":
        kept |= checksums
    else:
        checksums = {}
    content_type = headers.content_type(params) if directive == "REPLACE" else source.content_type

    def work(connection: Connection) -> list[str | None]:
        require_bucket(connection, context, params)
        if "IfMatch" in params or "IfNoneMatch" in params:
            current = objects.get_object(connection, bucket=bucket, key=key)
            conditions.check_write(params, current)
        return [
            objects.put_object(
                connection,
                bucket=bucket,
                key=key,
                blob=blob,
                last_modified=last_modified,
                content_type=content_type,
                headers=kept,
            )
        ]

    await contents.publish(context, blob, work)
    result = {"ETag": headers.quoted(blob.md5), "LastModified": last_modified, **checksums}
    return {"CopyObjectResult": result}


def _read_copy_source(text: str) -> tuple[str, str]:
    # Clients send `bucket/key?versionId=…`, percent-encoded or not, maybe with a slash before it.
    path, _, version = text.partition("?versionId=")
    headers.check_version({"VersionId": version})
    try:
        path = unquote(path, errors="strict")
    except UnicodeDecodeError:
        path = ""
    bucket, _, key = path.removeprefix("/").partition("/")
    if not bucket or not key:
        message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise S3Error(
            "InvalidArgument", message, ArgumentName="x-amz-copy-source", ArgumentValue=text
        )
    return bucket, key


def _read_source_range(text: str | None, size: int) -> tuple[int, int]:
    if text is None:
        return 0, size
    selected = conditions.read_range(text, size) if text.count("-") == 1 else None
    if selected is None or text.startswith("bytes=-") or text.endswith("-"):
        message = "The x-amz-copy-source-range value must be of the form bytes=first-last where "
        message += "first and last are the zero-based offsets of the first and last bytes to copy"
        raise S3Error(
            "InvalidArgument", message, ArgumentName="x-amz-copy-source-range", ArgumentValue=text
        )
    last = text.rpartition("-")[2].strip().lstrip("0")
    if len(last) > len(str(size)) or int(last or "0") >= size:
        message = f"Range specified is not valid for source object of size: {size}"
        raise S3Error(
            "InvalidArgument", message, ArgumentName="x-amz-copy-source-range", ArgumentValue=text
        )
    return selected
