"""Objects of S3 buckets: a record for each, naming its content.

A content that is a file is complete before its record is written, and removed only after the
record that named it is gone: functions that take a file out of the records return its name for that
purpose. A small content that is no file comes and goes with its record, in one transaction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Integer, bindparam, delete, literal_column, select, update

from openbraket.base.blob import INLINE_MARK, Blob, is_inline
from openbraket.store.statements import Row, Statement, Upsert
from openbraket.store.tables import contents, objects, upload_parts

CONTENT_TYPE_DEFAULT = "binary/octet-stream"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object.

    Attributes:
        bucket: The bucket's name.
        key: The object's key.
        blob_id: Name of the content.
        size: Length of the content in bytes.
        etag: Entity tag without quotes: MD5, or `MD5-N` of an object uploaded in N parts.
        content_type: MIME type.
        last_modified: Milliseconds since the epoch.
        headers: Everything else that S3 returns with the object, by the names of its model:
            `CacheControl`, `Metadata`, `ChecksumCRC32` and so on.
        inline: The content; None where it is a file.
    """

    bucket: str
    key: str
    blob_id: str
    size: int
    etag: str
    content_type: str
    last_modified: int
    headers: dict[str, Any] = field(default_factory=dict)
    inline: bytes | None = None


@dataclass(frozen=True, slots=True)
class ListedObject:
    """What a listing tells about an object."""

    key: str
    size: int
    etag: str
    last_modified: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, in the order of the keys' UTF-8 bytes.

    Attributes:
        objects: Objects that no common prefix stands for.
        common_prefixes: Keys up to the first delimiter after the listing's prefix, once each.
        next_start: Where the next page starts; None where this one is the last.
        last: The last key or common prefix of the page, "" where it is empty.
    """

    objects: list[ListedObject]
    common_prefixes: list[str]
    next_start: str | None
    last: str


_IS_FILE = objects.c.blob_id.not_like(literal_column(f"'{INLINE_MARK}%'"))
_WITH_CONTENT = objects.outerjoin(contents, contents.c.blob_id == objects.c.blob_id)
_OF_KEY = (objects.c.bucket == bindparam("of_bucket"), objects.c.key == bindparam("of_key"))
_GET = Statement(
    select(
        objects.c.blob_id,
        objects.c.size,
        objects.c.etag,
        objects.c.content_type,
        objects.c.last_modified,
        objects.c.headers_json,
        contents.c.content,
    )
    .select_from(_WITH_CONTENT)
    .where(*_OF_KEY)
)
_GET_BLOB_ID = Statement(select(objects.c.blob_id).where(*_OF_KEY))
_GET_CONTENT = Statement(
    select(contents.c.content).where(contents.c.blob_id == bindparam("of_blob"))
)
_KEEP = Upsert(contents)
_RELEASE = Statement(delete(contents).where(contents.c.blob_id == bindparam("of_blob")))
_INSERT = Upsert(objects)
_REPLACE = Statement(
    update(objects)
    .where(*_OF_KEY)
    .values({
        name: bindparam(f"new_{name}")
        for name in (
            "blob_id",
            "size",
            "etag",
            "content_type",
            "headers_json",
            "last_modified",
        )
    })
)
_DELETE = Statement(delete(objects).where(*_OF_KEY))
_LISTED = select(objects.c.key, objects.c.size, objects.c.etag, objects.c.last_modified).where(
    objects.c.bucket == bindparam("of_bucket"), objects.c.key >= bindparam("start")
)
_LIMIT = bindparam("row_count_max", type_=Integer)
_LIST_FROM = Statement(_LISTED.order_by(objects.c.key).limit(_LIMIT))
_LIST_BETWEEN = Statement(
    _LISTED.where(objects.c.key < bindparam("stop")).order_by(objects.c.key).limit(_LIMIT)
)
_FILE_IDS = Statement(select(objects.c.blob_id).where(_IS_FILE))
_HELD_COLUMNS = (
    objects.c.bucket,
    objects.c.key,
    objects.c.blob_id,
    objects.c.size,
    objects.c.etag,
)
_HELD = Statement(select(*_HELD_COLUMNS).where(_IS_FILE))
_HELD_INLINE = Statement(
    select(*_HELD_COLUMNS, contents.c.content).select_from(_WITH_CONTENT).where(~_IS_FILE)
)
_PART_FILE_IDS = Statement(select(upload_parts.c.blob_id))

# Rows read at once where a delimiter may make most of them useless.
_DELIMITED_ROWS = 64


def put_object(
    connection: Connection,
    *,
    bucket: str,
    key: str,
    blob: Blob,
    last_modified: int,
    content_type: str = CONTENT_TYPE_DEFAULT,
    etag: str | None = None,
    headers: Mapping[str, Any] | None = None,
) -> str | None:
    """Record an object, in place of the one that had the key.

    Args:
        connection: In a transaction.
        bucket: The bucket's name; that it exists is the caller's business.
        key: The object's key.
        blob: The content: a complete file, or with the bytes to keep.
        last_modified: Milliseconds since the epoch.
        content_type: MIME type.
        etag: Entity tag without quotes; the content's MD5 where None.
        headers: What else S3 returns with the object; see `StoredObject.headers`.

    Returns:
        The name of the replaced file, to be removed after the commit; None where the key was
        free or keeps its content, or where the replaced content was no file.
    """
    values = {
        "blob_id": blob.id,
        "size": blob.size,
        "etag": blob.md5 if etag is None else etag,
        "content_type": content_type,
        "headers_json": orjson.dumps(headers).decode() if headers else "",
        "last_modified": last_modified,
    }
    if blob.inline is not None:
        _KEEP.run(connection, blob_id=blob.id, content=blob.inline)
    if _INSERT.run(connection, bucket=bucket, key=key, **values):
        return None
    replaced = _GET_BLOB_ID.first(connection, of_bucket=bucket, of_key=key)
    new_values = {f"new_{name}": value for name, value in values.items()}
    _REPLACE.run(connection, of_bucket=bucket, of_key=key, **new_values)
    if replaced is None or replaced[0] == blob.id:
        return None
    return _release(connection, replaced[0])


def get_object(connection: Connection, *, bucket: str, key: str) -> StoredObject | None:
    """Return an object's record, or None where there is none."""
    row = _GET.first(connection, of_bucket=bucket, of_key=key)
    return None if row is None else _stored_object(bucket, key, row)


def delete_object(connection: Connection, *, bucket: str, key: str) -> str | None:
    """Remove an object's record.

    Args:
        connection: In a transaction.
        bucket: The bucket's name.
        key: The object's key.

    Returns:
        The name of its file, to be removed after the commit; None where there was no object, or
        its content was no file.
    """
    row = _GET_BLOB_ID.first(connection, of_bucket=bucket, of_key=key)
    if row is None:
        return None
    _DELETE.run(connection, of_bucket=bucket, of_key=key)
    return _release(connection, row[0])


def _release(connection: Connection, blob_id: str) -> str | None:
    """Remove a content that no record names any more, or return the name of its file."""
    if not is_inline(blob_id):
        return blob_id
    _RELEASE.run(connection, of_blob=blob_id)
    return None


def has_objects(connection: Connection, bucket: str) -> bool:
    """Return whether a bucket holds any object."""
    return bool(_LIST_FROM.all(connection, of_bucket=bucket, start="", row_count_max=1))


def list_objects(
    connection: Connection,
    *,
    bucket: str,
    prefix: str = "",
    delimiter: str = "",
    start: str = "",
    count_max: int = 1000,
) -> Page:
    """Return one page of a bucket's objects and common prefixes.

    Args:
        connection: For reading.
        bucket: The bucket's name.
        prefix: What the keys begin with.
        delimiter: Keys that have it after the prefix are rolled up into common prefixes.
        start: The first key that may be listed; `after(key)` gives the one behind a key.
        count_max: Objects and common prefixes together, at least 0.

    Returns:
        The page.

    Cost:
        An index range of the keys listed, and one search in the index for each common prefix
        whose keys end outside the rows at hand; keys under a common prefix are passed over.
    """
    page = Page([], [], None, "")
    stop = end_of_prefix(prefix)
    position = max(start, prefix)
    last = ""
    while count_max > 0:
        room = count_max - len(page.objects) - len(page.common_prefixes) + 1
        row_count = min(room, _DELIMITED_ROWS) if delimiter else room
        rows = _read_rows(connection, bucket, position, stop, row_count)
        for row in rows:
            key: str = row[0]
            if key < position:
                continue  # under a common prefix that is listed already
            if len(page.objects) + len(page.common_prefixes) == count_max:
                return Page(page.objects, page.common_prefixes, position, last)
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                page.objects.append(ListedObject(*row))
                last, position = key, after(key)
                continue
            last = key[: cut + len(delimiter)]
            page.common_prefixes.append(last)
            beyond = end_of_prefix(last)
            if beyond is None:
                return Page(page.objects, page.common_prefixes, None, last)
            position = beyond
        if len(rows) < row_count:
            break
    return Page(page.objects, page.common_prefixes, None, last)


def after(key: str) -> str:
    """Return the smallest text greater than `key`."""
    return key + "\0"


def end_of_prefix(prefix: str) -> str | None:
    """Return the smallest text greater than all that begin with `prefix`; None where none is."""
    while prefix:
        code = ord(prefix[-1])
        if code < 0x10FFFF:
            # Surrogates are no characters: UTF-8 has no bytes for them.
            following = 0xE000 if code == 0xD7FF else code + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return None


@dataclass(frozen=True, slots=True)
class Held:
    """What an object's record says of its content."""

    bucket: str
    key: str
    blob_id: str
    size: int
    etag: str

    @property
    def name(self) -> str:
        """The object's address."""
        return f"s3://{self.bucket}/{self.key}"


def list_held(connection: Connection) -> Iterator[Held]:
    """Give every object whose content is a file, in no order."""
    return (Held(*row) for row in _HELD.all(connection))


def each_held_inline(connection: Connection) -> Iterator[tuple[Held, bytes | None]]:
    """Give every object whose content is no file, one by one, with it; None: it is missing."""
    for row in _HELD_INLINE.each(connection):
        yield Held(*row[:-1]), row[-1]


def get_content(connection: Connection, blob_id: str) -> bytes | None:
    """Return a content that is no file, or None where there is none of this name."""
    row = _GET_CONTENT.first(connection, of_blob=blob_id)
    return None if row is None else row[0]


def known_file_ids(connection: Connection) -> set[str]:
    """Return the names of all files that objects and parts of uploads hold.

    Cost:
        Some 100 bytes for each.
    """
    return set(each_file_id(connection))


def each_file_id(connection: Connection) -> Iterator[str]:
    """Give the names of all files that objects and parts of uploads hold, one by one."""
    for statement in (_FILE_IDS, _PART_FILE_IDS):
        for row in statement.each(connection):
            yield row[0]


def _read_rows(
    connection: Connection, bucket: str, start: str, stop: str | None, row_count: int
) -> list[Row]:
    if stop is None:
        return _LIST_FROM.all(connection, of_bucket=bucket, start=start, row_count_max=row_count)
    return _LIST_BETWEEN.all(
        connection, of_bucket=bucket, start=start, stop=stop, row_count_max=row_count
    )


def _stored_object(bucket: str, key: str, row: Row) -> StoredObject:
    blob_id, size, etag, content_type, last_modified, headers_json, inline = row
    headers = orjson.loads(headers_json) if headers_json else {}
    return StoredObject(
        bucket, key, blob_id, size, etag, content_type, last_modified, headers, inline
    )
