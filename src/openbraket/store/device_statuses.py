"""Statuses of devices that the operator has set, beside what their profiles say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, select

from openbraket.store.database import DATABASE_NAME, open_beside
from openbraket.store.statements import Statement, Upsert
from openbraket.store.tables import device_statuses

_SET = Upsert(device_statuses, updates=["status", "changed_at"])
_CLEAR = Statement(
    delete(device_statuses).where(device_statuses.c.device_arn == bindparam("device_arn"))
)
_LIST = Statement(select(device_statuses.c.device_arn, device_statuses.c.status))


def set_status(connection: Connection, device_arn: str, status: str, *, changed_at: int) -> None:
    """Record a device's status.

    Args:
        connection: In a write transaction.
        device_arn: The device.
        status: `OFFLINE` or `RETIRED`.
        changed_at: Now, milliseconds since the epoch.
    """
    _SET.run(connection, device_arn=device_arn, status=status, changed_at=changed_at)


def clear_status(connection: Connection, device_arn: str) -> None:
    """Give a device the status of its profile again."""
    _CLEAR.run(connection, device_arn=device_arn)


def list_statuses(connection: Connection) -> dict[str, str]:
    """Return the recorded statuses by device ARN."""
    return dict(_LIST.all(connection))


@contextmanager
def open_statuses(data_dir: Path, *, url: str = "") -> Iterator[Connection]:
    """Give a connection to change statuses from outside the server, which may be running.

    Args:
        data_dir: The data directory.
        url: The database of the records; "" for the file in the data directory.

    Yields:
        A connection in a write transaction, committed when the block ends.

    Raises:
        StoreError: The records cannot be opened or written.
    """
    with open_beside(data_dir / DATABASE_NAME, url=url) as connection:
        yield connection
