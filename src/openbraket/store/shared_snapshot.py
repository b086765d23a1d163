"""Looking at records in PostgreSQL beside the servers, without changing anything."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.store import data_directory, schema
from openbraket.store.backend import Backend
from openbraket.store.database import DATABASE_NAME, open_backend, reason_of


@contextmanager
def open_shared_snapshot(data_dir: Path, url: str) -> Iterator[Connection]:
    """Give a connection that only reads one snapshot of the records of a data directory.

    Args:
        data_dir: The data directory.
        url: The PostgreSQL database that has its records.

    Yields:
        A connection in a transaction.

    Raises:
        StoreError: The database cannot be read, does not belong to the data directory, or has not
            the schema of this version.
    """
    with _connected(data_dir, url) as (connection, backend):
        revision = schema.read_revision(connection, backend)
        if revision != schema.REVISION:
            raise StoreError(
                f"The records in {backend.name} have schema revision {revision or 'none'} instead "
                f"of {schema.REVISION}; a server of this version must have been started on them."
            )
        _require_pair(connection, backend, data_dir)
        backend.begin_read(connection.connection.driver_connection)
        yield connection


def describe_database(data_dir: Path, url: str) -> str:
    """Return what a PostgreSQL database is, and how far it is set up.

    Args:
        data_dir: The data directory that is to be used with it.
        url: Its address.

    Raises:
        StoreError: A server could not use it.
    """
    with _connected(data_dir, url) as (connection, backend):
        name = f"{backend.name}, {backend.describe(connection)}"
        revision = schema.read_revision(connection, backend)
        if revision is None:
            sql = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
            if not connection.exec_driver_sql(sql).scalar():
                raise StoreError(f"The user of {backend.name} may not create tables in it.")
            return f"{name}, empty"
        if revision > schema.REVISION:
            raise StoreError(
                f"The records in {backend.name} were written by a newer version of OpenBraket."
            )
        _require_pair(connection, backend, data_dir)
        if revision < schema.REVISION:
            return f"{name}, to be migrated from revision {revision} to {schema.REVISION}"
        return f"{name}, has records"


@contextmanager
def _connected(data_dir: Path, url: str) -> Iterator[tuple[Connection, Backend]]:
    backend = open_backend(data_dir / DATABASE_NAME, url=url)
    try:
        with closing(backend.connect_writer()) as connection:
            yield connection, backend
    except backend.errors as error:
        raise StoreError(f"Cannot use {backend.name}: {reason_of(error)}.") from error
    finally:
        backend.close()


def _require_pair(connection: Connection, backend: Backend, data_dir: Path) -> None:
    known = data_directory.read_identity(connection)
    identity = data_directory.own_identity(data_dir)
    if known is not None:
        data_directory.require_same(known, identity or "no database", data_dir, backend.name)
