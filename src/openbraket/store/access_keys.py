"""The access keys that may sign requests."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, insert, select

from openbraket.store.database import DATABASE_NAME, open_beside
from openbraket.store.statements import Statement
from openbraket.store.tables import access_keys


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One registered key.

    Attributes:
        access_key: The public part, as it stands in a request's credential scope.
        secret_key: The secret that requests are signed with.
        account: Twelve-digit account that the key acts for.
        created_at: When it was registered, milliseconds since the epoch.
    """

    access_key: str
    secret_key: str
    account: str
    created_at: int


_COLUMNS = (
    access_keys.c.access_key,
    access_keys.c.secret_key,
    access_keys.c.account,
    access_keys.c.created_at,
)
_ADD = Statement(insert(access_keys))
_GET = Statement(select(*_COLUMNS).where(access_keys.c.access_key == bindparam("access_key")))
_LIST = Statement(select(*_COLUMNS).order_by(access_keys.c.access_key))
_DELETE = Statement(delete(access_keys).where(access_keys.c.access_key == bindparam("access_key")))


def add_key(connection: Connection, key: AccessKey) -> None:
    """Record a new key."""
    _ADD.run(
        connection,
        access_key=key.access_key,
        secret_key=key.secret_key,
        account=key.account,
        created_at=key.created_at,
    )


def get_key(connection: Connection, access_key: str) -> AccessKey | None:
    """Return a key, or None where it is not registered."""
    row = _GET.first(connection, access_key=access_key)
    return None if row is None else AccessKey(*row)


def list_keys(connection: Connection) -> list[AccessKey]:
    """Return every registered key, in the order of the public parts."""
    return [AccessKey(*row) for row in _LIST.all(connection)]


def delete_key(connection: Connection, access_key: str) -> bool:
    """Remove a key and return whether it was registered."""
    return _DELETE.run(connection, access_key=access_key) > 0


def register(
    data_dir: Path,
    access_key: str,
    secret_key: str,
    *,
    account: str,
    created_at: int,
    url: str = "",
) -> None:
    """Record a key from outside the server, which may be running.

    Args:
        data_dir: The data directory.
        access_key: The public part.
        secret_key: The secret.
        account: Twelve-digit account that the key acts for.
        created_at: Now, milliseconds since the epoch.
        url: The database of the records; "" for the file in the data directory.

    Raises:
        StoreError: The records cannot be opened or written.
    """
    with open_beside(data_dir / DATABASE_NAME, url=url) as connection:
        add_key(connection, AccessKey(access_key, secret_key, account, created_at))
