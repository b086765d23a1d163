"""Listings of uploads in progress and of their parts: ListMultipartUploads, ListParts."""

from typing import Any

from openbraket.services.context import Context
from openbraket.services.s3.buckets import owner, require_bucket
from openbraket.services.s3.errors import S3Error
from openbraket.services.s3.headers import quoted
from openbraket.services.s3.listing import KeyEncoding, count_max, part_number_marker
from openbraket.store import objects, uploads
from openbraket.store.uploads import Part, Upload


async def list_parts(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of an upload in pages: `GET /{Bucket}/{Key+}?uploadId`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchUpload, InvalidArgument.
    """
    limit = count_max(params, "MaxParts", "max-parts")
    marker = part_number_marker(params)
    with context.database.read() as connection:
        require_bucket(connection, context, params)
        upload = uploads.get_upload(connection, params["UploadId"])
        if upload is None or (upload.bucket, upload.key) != (params["Bucket"], params["Key"]):
            raise S3Error("NoSuchUpload", UploadId=params["UploadId"])
        found = uploads.list_parts(
            connection, upload.upload_id, after_number=marker, count_max=limit + 1
        )
    parts = found[:limit]
    output: dict[str, Any] = {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": parts[-1].part_number if parts else 0,
        "MaxParts": limit,
        "IsTruncated": len(found) > limit > 0,
        "Parts": [_listed_part(part) for part in parts],
        "Initiator": owner(context.account),
        "Owner": owner(context.account),
        "StorageClass": "STANDARD",
    }
    return output | _checksum_members(upload)


async def list_multipart_uploads(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return a bucket's uploads in progress, by key and age: `GET /{Bucket}?uploads`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, InvalidArgument.
    """
    limit = count_max(params, "MaxUploads", "max-uploads")
    encode = KeyEncoding(params)
    output: dict[str, Any] = {
        "Bucket": params["Bucket"],
        "KeyMarker": params.get("KeyMarker", ""),
        "UploadIdMarker": params.get("UploadIdMarker", ""),
        "MaxUploads": limit,
        "Prefix": params.get("Prefix", ""),
    }
    for name in ("Delimiter", "EncodingType"):
        if name in params:
            output[name] = params[name]
    with context.database.read() as connection:
        require_bucket(connection, context, params)
        listed, prefixes, is_truncated = _page(context, params, limit)
    if is_truncated:
        is_prefix_last = bool(prefixes) and (not listed or prefixes[-1] > listed[-1].key)
        output["NextKeyMarker"] = prefixes[-1] if is_prefix_last else listed[-1].key
        output["NextUploadIdMarker"] = "" if is_prefix_last else listed[-1].upload_id
    owned = owner(context.account)
    output |= {
        "IsTruncated": is_truncated,
        "Uploads": [
            {
                "UploadId": upload.upload_id,
                "Key": encode(upload.key),
                "Initiated": upload.initiated_at,
                "StorageClass": "STANDARD",
                "Owner": owned,
                "Initiator": owned,
                **_checksum_members(upload),
            }
            for upload in listed
        ],
        "CommonPrefixes": encode.common_prefixes(prefixes),
    }
    encode.encode(output, ("Prefix", "Delimiter", "KeyMarker", "NextKeyMarker"))
    return output


def _page(
    context: Context, params: dict[str, Any], limit: int
) -> tuple[list[Upload], list[str], bool]:
    """Return uploads, common prefixes, and whether there are more.

    Reads every upload under the prefix that is behind the marker; uploads in progress are few.
    """
    prefix, delimiter = params.get("Prefix", ""), params.get("Delimiter", "")
    key_marker, id_marker = params.get("KeyMarker", ""), params.get("UploadIdMarker", "")
    listed: list[Upload] = []
    prefixes: list[str] = []
    start = max(prefix, objects.after(key_marker) if key_marker else "")
    after_key, after_upload = (key_marker, id_marker) if id_marker else ("", "")
    while True:
        with context.database.read() as connection:
            batch = uploads.list_uploads(
                connection,
                bucket=params["Bucket"],
                start=start,
                after_key=after_key,
                after_upload=after_upload,
            )
        for upload in batch:
            if not upload.key.startswith(prefix):
                return listed, prefixes, False
            cut = upload.key.find(delimiter, len(prefix)) if delimiter else -1
            common = upload.key[: cut + len(delimiter)] if cut >= 0 else ""
            if common and (common in prefixes[-1:] or key_marker.startswith(common)):
                continue
            if len(listed) + len(prefixes) == limit:
                return listed, prefixes, limit > 0
            if common:
                prefixes.append(common)
            else:
                listed.append(upload)
        if not batch:
            return listed, prefixes, False
        start, after_key = objects.after(batch[-1].key), batch[-1].key
        after_upload = batch[-1].upload_id


def _listed_part(part: Part) -> dict[str, Any]:
    return {
        "PartNumber": part.part_number,
        "LastModified": part.last_modified,
        "ETag": quoted(part.etag),
        "Size": part.size,
        **part.checksums,
    }


def _checksum_members(upload: Upload) -> dict[str, str]:
    names = {"checksum_algorithm": "ChecksumAlgorithm", "checksum_type": "ChecksumType"}
    return {
        member: upload.headers[name] for name, member in names.items() if name in upload.headers
    }
