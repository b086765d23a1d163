"""The data directory's lock, and which records its contents belong to.

With SQLite the records are a file in it, and one server has it alone. With PostgreSQL several
servers share it; a file names the database, and a comment in the database names the file, so that
neither is used with another one by mistake.
"""

import fcntl
import os
import re
import uuid
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.store.backend import Backend

SQLITE_NAME: Final = "openbraket.sqlite3"
LOCK_NAME: Final = "lock"
# Holds the identity of the PostgreSQL database that has the records.
IDENTITY_NAME: Final = "database"
_IDENTITY_PREFIX: Final = "OpenBraket "


def lock(data_dir: Path, *, is_shared: bool = False) -> int:
    """Lock the data directory, made when absent, and return the lock's descriptor.

    The lock belongs to the open file, so it ends with the process however it dies.

    Args:
        data_dir: The data directory.
        is_shared: Whether servers that share it may run beside this one.

    Raises:
        StoreError: The directory is in use or not writable.
    """
    path = data_dir / LOCK_NAME
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"Cannot write to the data directory {data_dir}: {error.strerror}."
        ) from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreError(
            f"The data directory {data_dir} is in use by another server (process {holder})."
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def require_sqlite(data_dir: Path) -> None:
    """Refuse a data directory whose records are in a PostgreSQL database.

    Raises:
        StoreError: It is one.
    """
    if (data_dir / IDENTITY_NAME).exists():
        raise StoreError(
            f"The records of the data directory {data_dir} are in a PostgreSQL database: give its "
            "address with --database or in OPENBRAKET_DATABASE."
        )


def own_identity(data_dir: Path) -> str | None:
    """Return the identity in a data directory for PostgreSQL, or None where it has none yet.

    Raises:
        StoreError: The directory has records of its own, or cannot be read.
    """
    if (data_dir / SQLITE_NAME).exists():
        raise StoreError(
            f"The data directory {data_dir} has records of its own in {SQLITE_NAME}: with "
            "--database it needs to be another one."
        )
    path = data_dir / IDENTITY_NAME
    try:
        return path.read_text().strip() if path.exists() else None
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror}.") from error


def claim_identity(data_dir: Path) -> str:
    """Return the identity in a data directory for PostgreSQL; a fresh directory gets one.

    Raises:
        StoreError: The directory has records of its own, or cannot be read or written.
    """
    own = own_identity(data_dir)
    if own is not None:
        return own
    path = data_dir / IDENTITY_NAME
    try:
        fresh = data_dir / f"{IDENTITY_NAME}.{uuid.uuid4().hex}"
        fresh.touch(mode=0o600)
        fresh.write_text(f"{uuid.uuid4()}\n")
        try:
            # Of several servers that start together, one names it.
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise StoreError(f"Cannot use {path}: {error.strerror}.") from error


def match_identity(connection: Connection, backend: Backend, data_dir: Path, identity: str) -> None:
    """Bind a fresh database to its data directory, and refuse any other pair.

    Args:
        connection: To a PostgreSQL database with the schema, in autocommit mode.
        backend: The database.
        data_dir: The data directory.
        identity: From `claim_identity`.

    Raises:
        StoreError: They do not belong together.
    """
    if not re.fullmatch(r"[0-9a-f-]{36}", identity):
        raise StoreError(f"{data_dir / IDENTITY_NAME} is not a file of OpenBraket.")
    known = read_identity(connection)
    if known is None:
        # Of several servers that start together, one binds it.
        backend.lock_schema(connection)
        known = read_identity(connection)
        if known is None:
            known = identity
            connection.exec_driver_sql(
                f"COMMENT ON TABLE alembic_version IS '{_IDENTITY_PREFIX}{identity}'"
            )
        connection.exec_driver_sql("COMMIT")
    require_same(known, identity, data_dir, backend.name)


def require_same(known: str | None, identity: str, data_dir: Path, name: str) -> None:
    """Refuse a data directory and a database that do not belong together.

    Args:
        known: What the database says.
        identity: What the data directory says.
        data_dir: The data directory, for the message.
        name: The database, for the message.

    Raises:
        StoreError: They do not belong together.
    """
    if known != identity:
        raise StoreError(
            f"The data directory {data_dir} does not belong to the database {name}: it has "
            f"contents of {identity}, and the database has records of {known}."
        )


def read_identity(connection: Connection) -> str | None:
    """Return whose contents a PostgreSQL database with the schema has records of, or None."""
    comment = connection.exec_driver_sql(
        "SELECT obj_description('alembic_version'::regclass, 'pg_class')"
    ).scalar()
    return None if comment is None else str(comment).removeprefix(_IDENTITY_PREFIX)
