"""What S3 keeps and returns with an object besides its content."""

from collections.abc import Mapping
from typing import Any, Final

from openbraket.services.s3.checksums import MEMBERS
from openbraket.services.s3.errors import S3Error
from openbraket.store.objects import CONTENT_TYPE_DEFAULT, StoredObject
from openbraket.wire.timestamps import format_rfc822

KEY_BYTES_MAX: Final = 1024
METADATA_BYTES_MAX: Final = 2048

# Members kept as they came.
_KEPT: Final = (
    "CacheControl",
    "ContentDisposition",
    "ContentLanguage",
    "Expires",
    "WebsiteRedirectLocation",
)
_CHECKSUMS: Final = frozenset({*MEMBERS.values(), "ChecksumType"})
# Query parameters that replace a header of the response.
_OVERRIDES: Final[Mapping[str, str]] = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
}
# Headers whose promise would be broken silently: encryption with the caller's keys, locks, tags.
_REFUSED: Final[Mapping[str, str]] = {
    "SSECustomerAlgorithm": "x-amz-server-side-encryption-customer-algorithm",
    "CopySourceSSECustomerAlgorithm": "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "ObjectLockMode": "x-amz-object-lock-mode",
    "ObjectLockRetainUntilDate": "x-amz-object-lock-retain-until-date",
    "ObjectLockLegalHoldStatus": "x-amz-object-lock-legal-hold",
    "Tagging": "x-amz-tagging",
    "WriteOffsetBytes": "x-amz-write-offset-bytes",
}
# Keys of `StoredObject.headers` that are for this service alone; the wire does not know them.
UPLOAD_ID: Final = "upload_id"
PART_SIZES: Final = "part_sizes"


def check_request(params: Mapping[str, Any]) -> None:
    """Refuse what cannot be kept: a long key, much metadata, and features that are not here.

    Args:
        params: Input of an operation that makes an object.

    Raises:
        S3Error: KeyTooLongError, MetadataTooLarge or NotImplemented.
    """
    key_size = len(params["Key"].encode())
    if key_size > KEY_BYTES_MAX:
        raise S3Error("KeyTooLongError", Size=key_size, MaxSizeAllowed=KEY_BYTES_MAX)
    metadata = params.get("Metadata") or {}
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > METADATA_BYTES_MAX:
        raise S3Error("MetadataTooLarge", Size=size, MaxSizeAllowed=METADATA_BYTES_MAX)
    for member, header in _REFUSED.items():
        if member in params:
            raise S3Error("NotImplemented", Header=header)
    if params.get("ServerSideEncryption", "AES256") != "AES256":
        raise S3Error("NotImplemented", Header="x-amz-server-side-encryption")


def check_version(params: Mapping[str, Any]) -> None:
    """Refuse a version id; objects have no versions but `null`.

    Raises:
        S3Error: InvalidArgument.
    """
    version = params.get("VersionId")
    if version not in {None, "", "null"}:
        raise S3Error("InvalidArgument", "Invalid version id specified", ArgumentName="versionId")


def content_type(params: Mapping[str, Any]) -> str:
    """Return the content type to keep."""
    return params.get("ContentType") or CONTENT_TYPE_DEFAULT


def kept(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to keep with an object, by the names of S3's model.

    Args:
        params: Input of PutObject, CopyObject or CreateMultipartUpload.
    """
    headers = {name: params[name] for name in _KEPT if name in params}
    # How the request was encoded is no property of the object.
    encodings = [text.strip() for text in params.get("ContentEncoding", "").split(",")]
    if encoding := ",".join(text for text in encodings if text not in {"", "aws-chunked"}):
        headers["ContentEncoding"] = encoding
    if params.get("Metadata"):
        headers["Metadata"] = params["Metadata"]
    return headers


def copied(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a copy of an object takes over: all but checksums and traces of an upload."""
    left_out = {*_CHECKSUMS, UPLOAD_ID, PART_SIZES}
    return {name: value for name, value in headers.items() if name not in left_out}


def checksums(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums among what is kept with an object."""
    return {name: value for name, value in headers.items() if name in _CHECKSUMS}


def returned(params: Mapping[str, Any], found: StoredObject) -> dict[str, Any]:
    """Return the output of GetObject and HeadObject, without the members about ranges.

    Args:
        params: Input of the operation.
        found: The object.
    """
    output = {
        "AcceptRanges": "bytes",
        "LastModified": found.last_modified,
        "ETag": quoted(found.etag),
        "ContentType": found.content_type,
        "ContentLength": found.size,
        **found.headers,
    }
    if params.get("ChecksumMode") != "ENABLED":
        drop_checksums(output)
    for parameter, member in _OVERRIDES.items():
        if parameter in params:
            output[member] = params[parameter]
    if "ResponseExpires" in params:
        output["Expires"] = format_rfc822(params["ResponseExpires"])
    return output


def drop_checksums(output: dict[str, Any]) -> None:
    """Take the checksums out of an output, since they are of the whole object."""
    for name in _CHECKSUMS & output.keys():
        del output[name]


def quoted(etag: str) -> str:
    """Return an entity tag as HTTP writes it."""
    return f'"{etag}"'
