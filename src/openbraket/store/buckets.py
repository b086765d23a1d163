"""Buckets: who owns them, where they lie, and their settings."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from openbraket.store.statements import Row, Statement
from openbraket.store.tables import buckets


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket.

    Attributes:
        name: Name, unique over all accounts.
        account: Twelve-digit account of the owner.
        region: Region that the bucket was created in.
        created_at: Milliseconds since the epoch.
        settings: Settings documents by name, for example `policy`.
    """

    name: str
    account: str
    region: str
    created_at: int
    settings: dict[str, Any] = field(default_factory=dict)


_COLUMNS = (
    buckets.c.name,
    buckets.c.account,
    buckets.c.region,
    buckets.c.created_at,
    buckets.c.settings,
)
_GET = Statement(select(*_COLUMNS).where(buckets.c.name == bindparam("name")))
_LIST = Statement(
    select(*_COLUMNS).where(buckets.c.account == bindparam("account")).order_by(buckets.c.name)
)
_INSERT = Statement(insert(buckets))
_DELETE = Statement(delete(buckets).where(buckets.c.name == bindparam("name")))
_SET_SETTINGS = Statement(
    update(buckets)
    .where(buckets.c.name == bindparam("of_name"))
    .values(settings=bindparam("new_settings"))
)


def get_bucket(connection: Connection, name: str) -> Bucket | None:
    """Return a bucket by its name, or None where there is none."""
    row = _GET.first(connection, name=name)
    return None if row is None else _bucket(row)


def is_owned(connection: Connection, name: str, *, account: str) -> bool:
    """Return whether there is a bucket of this name and it is this account's."""
    bucket = get_bucket(connection, name)
    return bucket is not None and bucket.account == account


def list_buckets(connection: Connection, account: str) -> list[Bucket]:
    """Return the buckets of an account in the order of their names."""
    return [_bucket(row) for row in _LIST.all(connection, account=account)]


def create_bucket(connection: Connection, bucket: Bucket) -> Bucket | None:
    """Record a new bucket, unless its name is taken.

    Args:
        connection: In a transaction.
        bucket: The bucket.

    Returns:
        The bucket that has the name already; None where `bucket` was recorded.
    """
    existing = get_bucket(connection, bucket.name)
    if existing is None:
        _INSERT.run(
            connection,
            name=bucket.name,
            account=bucket.account,
            region=bucket.region,
            created_at=bucket.created_at,
            settings=orjson.dumps(bucket.settings).decode(),
        )
    return existing


def delete_bucket(connection: Connection, name: str) -> None:
    """Remove a bucket's record; its objects and uploads are the caller's business."""
    _DELETE.run(connection, name=name)


def set_setting(connection: Connection, name: str, setting: str, document: object) -> None:
    """Set or remove one of a bucket's settings.

    Args:
        connection: In a transaction.
        name: The bucket's name; nothing happens where there is no such bucket.
        setting: The setting's name.
        document: What JSON can hold; None removes the setting.
    """
    bucket = get_bucket(connection, name)
    if bucket is None:
        return
    settings = {key: value for key, value in bucket.settings.items() if key != setting}
    if document is not None:
        settings[setting] = document
    _SET_SETTINGS.run(connection, of_name=name, new_settings=orjson.dumps(settings).decode())


def _bucket(row: Row) -> Bucket:
    name, account, region, created_at, settings = row
    return Bucket(name, account, region, created_at, orjson.loads(settings) if settings else {})
