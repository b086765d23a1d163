"""Multipart uploads in progress and their parts.

Contents follow the rule of `objects`: names that leave the records are returned, to be removed
after the commit.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Integer, and_, bindparam, delete, insert, or_, select, update

from openbraket.store.statements import Row, Statement
from openbraket.store.tables import upload_parts, uploads


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload in progress.

    Attributes:
        upload_id: Its id; ids sort in the order of their creation.
        bucket: The bucket's name.
        key: Key of the object to be.
        initiated_at: Milliseconds since the epoch.
        headers: What the object will have, as in `StoredObject.headers`, and `ContentType`.
    """

    upload_id: str
    bucket: str
    key: str
    initiated_at: int
    headers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload.

    Attributes:
        part_number: 1 to 10,000.
        blob_id: Name of the file with the content.
        size: Length in bytes.
        etag: MD5 of the content, without quotes.
        last_modified: Milliseconds since the epoch.
        checksums: Base64 checksums by the names of S3's model.
    """

    part_number: int
    blob_id: str
    size: int
    etag: str
    last_modified: int
    checksums: dict[str, str] = field(default_factory=dict)


_LIMIT = bindparam("row_count_max", type_=Integer)
_UPLOAD_COLUMNS = (
    uploads.c.upload_id,
    uploads.c.bucket,
    uploads.c.key,
    uploads.c.initiated_at,
    uploads.c.headers_json,
)
_GET = Statement(select(*_UPLOAD_COLUMNS).where(uploads.c.upload_id == bindparam("of_upload")))
_INSERT = Statement(insert(uploads))
_DELETE = Statement(delete(uploads).where(uploads.c.upload_id == bindparam("of_upload")))
_LIST = Statement(
    select(*_UPLOAD_COLUMNS)
    .where(
        uploads.c.bucket == bindparam("of_bucket"),
        or_(
            uploads.c.key >= bindparam("start"),
            and_(
                uploads.c.key == bindparam("of_key"),
                uploads.c.upload_id > bindparam("after_upload"),
            ),
        ),
    )
    .order_by(uploads.c.key, uploads.c.upload_id)
    .limit(_LIMIT)
)

_OF_PART = (
    upload_parts.c.upload_id == bindparam("of_upload"),
    upload_parts.c.part_number == bindparam("of_number"),
)
_LIST_PARTS = Statement(
    select(
        upload_parts.c.part_number,
        upload_parts.c.blob_id,
        upload_parts.c.size,
        upload_parts.c.etag,
        upload_parts.c.last_modified,
        upload_parts.c.checksums_json,
    )
    .where(
        upload_parts.c.upload_id == bindparam("of_upload"),
        upload_parts.c.part_number > bindparam("after_number"),
    )
    .order_by(upload_parts.c.part_number)
    .limit(_LIMIT)
)
_GET_PART = Statement(select(upload_parts.c.blob_id).where(*_OF_PART))
_INSERT_PART = Statement(insert(upload_parts))
_REPLACE_PART = Statement(
    update(upload_parts)
    .where(*_OF_PART)
    .values({
        name: bindparam(f"new_{name}")
        for name in ("blob_id", "size", "etag", "checksums_json", "last_modified")
    })
)
_DELETE_PARTS = Statement(
    delete(upload_parts).where(upload_parts.c.upload_id == bindparam("of_upload"))
)


def get_upload(connection: Connection, upload_id: str) -> Upload | None:
    """Return an upload in progress, or None where there is none."""
    row = _GET.first(connection, of_upload=upload_id)
    return None if row is None else _upload(row)


def create_upload(connection: Connection, upload: Upload) -> None:
    """Record a new upload."""
    _INSERT.run(
        connection,
        upload_id=upload.upload_id,
        bucket=upload.bucket,
        key=upload.key,
        headers_json=orjson.dumps(upload.headers).decode(),
        initiated_at=upload.initiated_at,
    )


def delete_upload(connection: Connection, upload_id: str) -> list[str]:
    """Remove an upload and its parts, and return the names of their contents."""
    blob_ids = [part.blob_id for part in list_parts(connection, upload_id)]
    _DELETE_PARTS.run(connection, of_upload=upload_id)
    _DELETE.run(connection, of_upload=upload_id)
    return blob_ids


def list_uploads(
    connection: Connection,
    *,
    bucket: str,
    start: str = "",
    after_key: str = "",
    after_upload: str = "",
    count_max: int = 1000,
) -> list[Upload]:
    """Return uploads of a bucket, ordered by key and then by age.

    Args:
        connection: For reading.
        bucket: The bucket's name.
        start: The first key that may be listed.
        after_key: With `after_upload`: a key below `start` whose later uploads are listed too.
        after_upload: Id of the upload of `after_key` after which to go on.
        count_max: How many at most.
    """
    rows = _LIST.all(
        connection,
        of_bucket=bucket,
        start=start,
        of_key=after_key,
        after_upload=after_upload,
        row_count_max=count_max,
    )
    return [_upload(row) for row in rows]


def put_part(connection: Connection, upload_id: str, part: Part) -> str | None:
    """Record a part, in place of the one that had its number.

    Args:
        connection: In a transaction.
        upload_id: The upload's id; that it exists is the caller's business.
        part: The part, its content complete on disk.

    Returns:
        The name of the replaced content, to be removed after the commit, if there was one.
    """
    values = {
        "blob_id": part.blob_id,
        "size": part.size,
        "etag": part.etag,
        "checksums_json": orjson.dumps(part.checksums).decode(),
        "last_modified": part.last_modified,
    }
    replaced = _GET_PART.first(connection, of_upload=upload_id, of_number=part.part_number)
    if replaced is None:
        _INSERT_PART.run(connection, upload_id=upload_id, part_number=part.part_number, **values)
        return None
    new_values = {f"new_{name}": value for name, value in values.items()}
    _REPLACE_PART.run(connection, of_upload=upload_id, of_number=part.part_number, **new_values)
    blob_id: str = replaced[0]
    return blob_id


def list_parts(
    connection: Connection, upload_id: str, *, after_number: int = 0, count_max: int = 10_000
) -> list[Part]:
    """Return the parts of an upload whose number is above `after_number`, in order."""
    rows = _LIST_PARTS.all(
        connection, of_upload=upload_id, after_number=after_number, row_count_max=count_max
    )
    return [
        Part(number, blob_id, size, etag, last_modified, orjson.loads(checksums_json))
        for number, blob_id, size, etag, last_modified, checksums_json in rows
    ]


def _upload(row: Row) -> Upload:
    upload_id, bucket, key, initiated_at, headers_json = row
    return Upload(upload_id, bucket, key, initiated_at, orjson.loads(headers_json))
