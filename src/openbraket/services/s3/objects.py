"""Single objects: put, get, head and delete.

An object's file is in place before its record is committed, and the record alone makes it
visible: killed at any moment, an object is whole or absent. Of many writers of one key, the last
to commit wins whole.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.services.context import Context
from openbraket.services.s3 import conditions, contents, headers
from openbraket.services.s3.buckets import require_bucket
from openbraket.services.s3.checksums import check_body
from openbraket.services.s3.errors import S3Error
from openbraket.store import objects
from openbraket.store.objects import StoredObject
from openbraket.wire.errors import ServiceError

DELETE_COUNT_MAX: Final = 1000
# A content may be replaced between reading its record and opening it; then the record is read
# again. Each time needs another writer to win the race.
_OPEN_ATTEMPTS_MAX: Final = 5


async def put_object(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Store an object: `PUT /{Bucket}/{Key+}`.

    Access control lists and storage classes are accepted and ignored.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, KeyTooLongError, MetadataTooLarge, EntityTooLarge,
            IncompleteBody, BadDigest, InvalidDigest, XAmzContentSHA256Mismatch, PreconditionFailed,
            NotImplemented.
    """
    headers.check_request(params)
    bucket, key = params["Bucket"], params["Key"]

    def check(connection: Connection) -> None:
        require_bucket(connection, context, params)
        if "IfMatch" in params or "IfNoneMatch" in params:
            current = objects.get_object(connection, bucket=bucket, key=key)
            conditions.check_write(params, current)

    with context.database.read() as connection:
        check(connection)
    blob, checksums = await contents.receive(context, params)
    kept = headers.kept(params) | checksums
    if checksums:
        kept["ChecksumType"] = "FULL_OBJECT"

    def work(connection: Connection) -> list[str | None]:
        check(connection)
        return [
            objects.put_object(
                connection,
                bucket=bucket,
                key=key,
                blob=blob,
                last_modified=context.now_ms(),
                content_type=headers.content_type(params),
                headers=kept,
            )
        ]

    await contents.publish(context, blob, work)
    return {"ETag": headers.quoted(blob.md5), **headers.checksums(kept)}


async def get_object(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return an object or a part of it: `GET /{Bucket}/{Key+}`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchKey, PreconditionFailed, NotModified,
            InvalidRange.
        StoreError: The content is gone or cannot be opened.
    """
    blob_id = ""
    for _ in range(_OPEN_ATTEMPTS_MAX):
        found = find_object(context, params)
        output, start, stop = _select(context, params, found)
        try:
            output["Body"] = _body(context, found, start, stop)
        except StoreError:
            if found.blob_id == blob_id:
                raise
            blob_id = found.blob_id
            continue
        return output
    raise StoreError(f"Object {params['Key']} is replaced faster than it can be opened.")


async def head_object(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return what GetObject would, without the content: `HEAD /{Bucket}/{Key+}`.

    Raises:
        S3Error: as GetObject.
    """
    output, _, _ = _select(context, params, find_object(context, params))
    return output


async def delete_object(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Delete an object; one that is not there is no error: `DELETE /{Bucket}/{Key+}`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, PreconditionFailed.
    """
    headers.check_version(params)

    def work(connection: Connection) -> str | None:
        bucket = require_bucket(connection, context, params)
        return _delete(connection, bucket.name, params)

    await contents.remove(context, [await context.database.write(work)])
    return {}


async def delete_objects(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Delete up to 1000 objects in one transaction: `POST /{Bucket}?delete`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, MalformedXML, BadDigest. What is wrong with one object
            is told in the output.
    """
    check_body(context.request.headers, context.request.body)
    request = params["Delete"]
    if not 1 <= len(request["Objects"]) <= DELETE_COUNT_MAX:
        raise S3Error("MalformedXML")

    def work(connection: Connection) -> tuple[list[str | None], list[Any], list[Any]]:
        bucket = require_bucket(connection, context, params)
        blob_ids: list[str | None] = []
        deleted, failed = [], []
        for identifier in request["Objects"]:
            try:
                headers.check_version(identifier)
                blob_ids.append(_delete(connection, bucket.name, _as_conditions(identifier)))
                deleted.append({"Key": identifier["Key"]})
            except ServiceError as error:
                entry = {"Key": identifier["Key"], "Code": error.code, "Message": error.message}
                failed.append(entry)
        return blob_ids, deleted, failed

    blob_ids, deleted, failed = await context.database.write(work)
    await contents.remove(context, blob_ids)
    return {"Deleted": [] if request.get("Quiet") else deleted, "Errors": failed}


def find_object(context: Context, params: dict[str, Any]) -> StoredObject:
    """Return the object that a read names.

    Args:
        context: The request.
        params: Input of GetObject, HeadObject or GetObjectAttributes.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchKey, InvalidArgument, NotImplemented.
    """
    headers.check_version(params)
    if "SSECustomerAlgorithm" in params:
        raise S3Error("NotImplemented", Header="x-amz-server-side-encryption-customer-algorithm")
    with context.database.read() as connection:
        bucket = require_bucket(connection, context, params)
        found = objects.get_object(connection, bucket=bucket.name, key=params["Key"])
    if found is None:
        raise S3Error("NoSuchKey", Key=params["Key"])
    return found


def _as_conditions(identifier: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "ETag": "IfMatch",
        "LastModifiedTime": "IfMatchLastModifiedTime",
        "Size": "IfMatchSize",
    }
    return {names.get(name, name): value for name, value in identifier.items()}


def _delete(connection: Connection, bucket: str, params: Mapping[str, Any]) -> str | None:
    key = params["Key"]
    current = objects.get_object(connection, bucket=bucket, key=key)
    if current is None:
        return None
    conditions.check_write(params, current)
    size, time_ms = params.get("IfMatchSize"), params.get("IfMatchLastModifiedTime")
    if size not in {None, current.size}:
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-size")
    if time_ms is not None and time_ms // 1000 != current.last_modified // 1000:
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-last-modified-time")
    return objects.delete_object(connection, bucket=bucket, key=key)


def _select(
    context: Context, params: Mapping[str, Any], found: StoredObject
) -> tuple[dict[str, Any], int, int]:
    conditions.check_read(params, found)
    output = headers.returned(params, found)
    selected = None
    if "PartNumber" in params:
        if "Range" in params:
            message = "Cannot specify both Range header and partNumber query parameter"
            raise S3Error("InvalidRequest", message)
        selected = _part(params["PartNumber"], found)
        if headers.PART_SIZES in found.headers:
            output["PartsCount"] = len(found.headers[headers.PART_SIZES])
    elif "Range" in params and conditions.is_range_wanted(
        context.request.headers.get("if-range"), found
    ):
        selected = conditions.read_range(params["Range"], found.size)
    if selected is None:
        return output, 0, found.size
    start, stop = selected
    output["ContentLength"] = stop - start
    output["ContentRange"] = f"bytes {start}-{max(start, stop - 1)}/{found.size}"
    if stop - start != found.size:
        headers.drop_checksums(output)
    return output, start, stop


def _part(number: int, found: StoredObject) -> tuple[int, int] | None:
    # An object that was not uploaded in parts is one part.
    sizes: list[int] = found.headers.get(headers.PART_SIZES, [found.size])
    if not 1 <= number <= len(sizes):
        raise S3Error("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=len(sizes))
    if found.size == 0:
        return None
    start = sum(sizes[: number - 1])
    return start, start + sizes[number - 1]


def _body(
    context: Context, found: StoredObject, start: int, stop: int
) -> AsyncIterator[bytes] | bytes:
    if start == stop:
        return b""
    if found.inline is not None:
        return found.inline[start:stop]
    content = context.blobs.read_at_once(found.blob_id, start, stop)
    return context.blobs.read(found.blob_id, start, stop) if content is None else content
