"""Multipart uploads: begun, filled part by part in any order, completed or aborted."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from openbraket.base.blob import Blob
from openbraket.base.errors import StoreError
from openbraket.services.context import Context
from openbraket.services.s3 import conditions, contents, headers
from openbraket.services.s3.buckets import require_bucket
from openbraket.services.s3.checksums import MEMBERS, composite, joined_crc32, mismatch
from openbraket.services.s3.copying import copy_source
from openbraket.services.s3.errors import S3Error
from openbraket.store import objects, uploads
from openbraket.store.uploads import Part, Upload

PART_COUNT_MAX: Final = 10_000
PART_BYTES_MIN: Final = 5 << 20

# What an upload keeps for its completion, beside the future object's headers.
_CONTENT_TYPE: Final = "ContentType"
_ALGORITHM: Final = "checksum_algorithm"
_TYPE: Final = "checksum_type"
_FULL_OBJECT_ONLY: Final = frozenset({"CRC64NVME"})


async def create_multipart_upload(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Begin an upload: `POST /{Bucket}/{Key+}?uploads`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, KeyTooLongError, MetadataTooLarge, NotImplemented.
    """
    headers.check_request(params)
    kept = headers.kept(params) | {_CONTENT_TYPE: headers.content_type(params)}
    algorithm = params.get("ChecksumAlgorithm")
    output = {"Bucket": params["Bucket"], "Key": params["Key"]}
    if algorithm is not None:
        default = "FULL_OBJECT" if algorithm in _FULL_OBJECT_ONLY else "COMPOSITE"
        kept |= {_ALGORITHM: algorithm, _TYPE: params.get("ChecksumType", default)}
        output |= {"ChecksumAlgorithm": algorithm, "ChecksumType": kept[_TYPE]}
    initiated_at = context.now_ms()
    # The time comes first, so that ids sort by age.
    upload_id = f"{initiated_at:012x}{secrets.token_hex(20)}"
    upload = Upload(upload_id, params["Bucket"], params["Key"], initiated_at, kept)

    def work(connection: Connection) -> None:
        require_bucket(connection, context, params)
        uploads.create_upload(connection, upload)

    await context.database.write(work)
    return output | {"UploadId": upload_id}


async def upload_part(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Store a part: `PUT /{Bucket}/{Key+}?partNumber&uploadId`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchUpload, InvalidArgument, and those of PutObject
            about the body.
    """
    _check_part_number(params)
    with context.database.read() as connection:
        _require_upload(connection, context, params)
    blob, checksums = await contents.receive(context, params)
    part = await _publish_part(context, params, blob, checksums)
    return {"ETag": headers.quoted(part.etag), **checksums}


async def upload_part_copy(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Store a part that is copied from an object: `PUT` with x-amz-copy-source.

    Raises:
        S3Error: those of UploadPart and of CopyObject about the source; InvalidArgument for a range
            outside the source.
    """
    _check_part_number(params)
    with context.database.read() as connection:
        _require_upload(connection, context, params)
    source, blob = await copy_source(context, params, source_range=params.get("CopySourceRange"))
    # A copy of the whole source has the source's checksums; of a part of it none is known.
    known = headers.checksums(source.headers) if blob.size == source.size else {}
    checksums = {
        name: text
        for name, text in known.items()
        if known.get("ChecksumType") == "FULL_OBJECT" and name != "ChecksumType"
    }
    part = await _publish_part(context, params, blob, checksums)
    result = {"ETag": headers.quoted(part.etag), "LastModified": part.last_modified, **checksums}
    return {"CopyPartResult": result}


async def complete_multipart_upload(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Make the parts named an object: `POST /{Bucket}/{Key+}?uploadId`.

    Repeating a request that succeeded succeeds again while the object is there.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchUpload, MalformedXML, InvalidPartOrder,
            InvalidPart, EntityTooSmall, BadDigest, InvalidRequest, PreconditionFailed.
    """
    with context.database.read() as connection:
        require_bucket(connection, context, params)
        upload = _find_upload(connection, params)
        if upload is None:
            return _repeated(connection, params)
        stored = uploads.list_parts(connection, upload.upload_id)
    parts = _chosen_parts(params, stored)
    size = sum(part.size for part in parts)
    if params.get("MpuObjectSize", size) != size:
        message = (
            "The provided 'x-amz-mp-object-size' header value does not match what was computed"
        )
        raise S3Error("InvalidRequest", f"{message}: {size}")
    checksums = _whole_checksums(upload, params, parts)
    etags = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    etag = f"{etags.hexdigest()}-{len(parts)}"

    def work(connection: Connection) -> list[str | None]:
        require_bucket(connection, context, params)
        _require_unchanged(connection, upload, parts)
        if "IfMatch" in params or "IfNoneMatch" in params:
            found = objects.get_object(connection, bucket=upload.bucket, key=upload.key)
            conditions.check_write(params, found)
        replaced = objects.put_object(
            connection,
            bucket=upload.bucket,
            key=upload.key,
            blob=blob,
            last_modified=context.now_ms(),
            content_type=upload.headers[_CONTENT_TYPE],
            etag=etag,
            headers=_object_headers(upload, parts) | checksums,
        )
        return [replaced, *uploads.delete_upload(connection, upload.upload_id)]

    try:
        blob = await _join(context, parts)
        await contents.publish(context, blob, work)
    except S3Error:
        with context.database.read() as connection:
            if uploads.get_upload(connection, upload.upload_id) is not None:
                raise
            # The same request came twice and the other was faster.
            return _repeated(connection, params)
    return _completed(params, etag) | checksums


async def abort_multipart_upload(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Drop an upload and its parts: `DELETE /{Bucket}/{Key+}?uploadId`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchUpload.
    """

    def work(connection: Connection) -> list[str]:
        upload = _require_upload(connection, context, params)
        return uploads.delete_upload(connection, upload.upload_id)

    await contents.remove(context, await context.database.write(work))
    return {}


def _check_part_number(params: Mapping[str, Any]) -> None:
    number = params["PartNumber"]
    if not 1 <= number <= PART_COUNT_MAX:
        message = f"Part number must be an integer between 1 and {PART_COUNT_MAX}, inclusive"
        raise S3Error("InvalidArgument", message, ArgumentName="partNumber", ArgumentValue=number)


def _find_upload(connection: Connection, params: Mapping[str, Any]) -> Upload | None:
    upload = uploads.get_upload(connection, params["UploadId"])
    if upload is None or (upload.bucket, upload.key) != (params["Bucket"], params["Key"]):
        return None
    return upload


def _require_upload(connection: Connection, context: Context, params: dict[str, Any]) -> Upload:
    require_bucket(connection, context, params)
    upload = _find_upload(connection, params)
    if upload is None:
        raise S3Error("NoSuchUpload", UploadId=params["UploadId"])
    return upload


async def _publish_part(
    context: Context, params: dict[str, Any], blob: Blob, checksums: dict[str, str]
) -> Part:
    number = params["PartNumber"]
    part = Part(number, blob.id, blob.size, blob.md5, context.now_ms(), checksums)

    def work(connection: Connection) -> list[str | None]:
        upload = _require_upload(connection, context, params)
        return [uploads.put_part(connection, upload.upload_id, part)]

    await contents.publish(context, blob, work)
    return part


def _chosen_parts(params: Mapping[str, Any], stored: Sequence[Part]) -> list[Part]:
    chosen = (params.get("MultipartUpload") or {}).get("Parts") or []
    if not 1 <= len(chosen) <= PART_COUNT_MAX:
        raise S3Error("MalformedXML")
    by_number = {part.part_number: part for part in stored}
    parts: list[Part] = []
    last_number = 0
    for entry in chosen:
        number = entry.get("PartNumber", 0)
        if number <= last_number:
            raise S3Error("InvalidPartOrder", UploadId=params["UploadId"])
        last_number = number
        part = by_number.get(number)
        etag = conditions.bare_etag(entry.get("ETag", ""))
        if part is None or part.etag != etag:
            raise S3Error("InvalidPart", PartNumber=number, ETag=etag)
        for member in MEMBERS.values():
            if member in entry and entry[member] != part.checksums.get(member, entry[member]):
                raise S3Error("InvalidPart", PartNumber=number, ETag=etag)
        parts.append(part)
    for part in parts[:-1]:
        if part.size < PART_BYTES_MIN:
            raise S3Error(
                "EntityTooSmall",
                ProposedSize=part.size,
                MinSizeAllowed=PART_BYTES_MIN,
                PartNumber=part.part_number,
                ETag=part.etag,
            )
    return parts


def _whole_checksums(
    upload: Upload, params: Mapping[str, Any], parts: Sequence[Part]
) -> dict[str, str]:
    algorithm = upload.headers.get(_ALGORITHM)
    if algorithm is None:
        return {}
    member, kind = MEMBERS[algorithm], upload.headers[_TYPE]
    if params.get("ChecksumType", kind) != kind:
        message = f"The upload was created with the checksum type {kind}"
        raise S3Error("InvalidRequest", message)
    if kind == "COMPOSITE":
        computed = composite(algorithm, (part.checksums.get(member) for part in parts))
    elif algorithm == "CRC32":
        computed = joined_crc32((part.checksums.get(member), part.size) for part in parts)
    else:
        computed = None
    given = params.get(member)
    # The number of parts may be left out of a composite checksum.
    if computed and given and given not in {computed, computed.partition("-")[0]}:
        raise S3Error("BadDigest", mismatch(algorithm))
    value = computed or given
    return {} if value is None else {member: value, "ChecksumType": kind}


async def _join(context: Context, parts: Sequence[Part]) -> Blob:
    try:
        return await contents.copy(context, [(part.blob_id, 0, part.size) for part in parts])
    except StoreError as error:
        # Another request replaced a part or ended the upload meanwhile; else the reason stands.
        for part in parts:
            if not context.blobs.path(part.blob_id).exists():
                raise S3Error("InvalidPart", PartNumber=part.part_number) from error
        raise


def _require_unchanged(connection: Connection, upload: Upload, parts: Sequence[Part]) -> None:
    # The upload may have ended or changed while its parts were being joined.
    if uploads.get_upload(connection, upload.upload_id) is None:
        raise S3Error("NoSuchUpload", UploadId=upload.upload_id)
    now = {
        part.part_number: part.blob_id for part in uploads.list_parts(connection, upload.upload_id)
    }
    for part in parts:
        if now.get(part.part_number) != part.blob_id:
            raise S3Error("InvalidPart", PartNumber=part.part_number, ETag=part.etag)


def _object_headers(upload: Upload, parts: Sequence[Part]) -> dict[str, Any]:
    own = {_CONTENT_TYPE, _ALGORITHM, _TYPE}
    kept = {name: value for name, value in upload.headers.items() if name not in own}
    kept[headers.UPLOAD_ID] = upload.upload_id
    kept[headers.PART_SIZES] = [part.size for part in parts]
    return kept


def _completed(params: Mapping[str, Any], etag: str) -> dict[str, Any]:
    bucket, key = params["Bucket"], params["Key"]
    return {
        "Location": f"/{bucket}/{key}",
        "Bucket": bucket,
        "Key": key,
        "ETag": headers.quoted(etag),
    }


def _repeated(connection: Connection, params: Mapping[str, Any]) -> dict[str, Any]:
    # The client may not have seen the answer to its first request.
    found = objects.get_object(connection, bucket=params["Bucket"], key=params["Key"])
    if found is None or found.headers.get(headers.UPLOAD_ID) != params["UploadId"]:
        raise S3Error("NoSuchUpload", UploadId=params["UploadId"])
    return _completed(params, found.etag) | headers.checksums(found.headers)
