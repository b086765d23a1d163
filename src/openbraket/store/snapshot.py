"""A copy of the records as they are at one moment, and what may be wrong in them."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.pool import NullPool

from openbraket.base.errors import StoreError
from openbraket.base.files import sync
from openbraket.store.sqlite import SqliteBackend

# Pages copied at a time, 16 MiB; between two pieces the server's commits go on.
_PIECE_PAGES: Final = 4000
# Findings that are listed; a damaged file has many.
_FINDINGS_MAX: Final = 100


def copy_records(path: Path, target: Path, report: Callable[[float], None]) -> None:
    """Copy the records beside a server that may be running.

    Args:
        path: The database file; not changed.
        target: Where the copy goes; replaced where it exists. On disk when this returns.
        report: Called now and then with the share that is done.

    Raises:
        StoreError: The file cannot be read, or the copy not be written.
    """
    try:
        target.unlink(missing_ok=True)
        target.touch(mode=0o600)
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            # One read transaction over the whole copy: later commits do not start it again.
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM sqlite_master").fetchone()
            source.backup(
                copy,
                pages=_PIECE_PAGES,
                progress=lambda _, remaining, total: report(1 - remaining / max(total, 1)),
            )
            copy.execute("PRAGMA journal_mode = DELETE")
        sync(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"Cannot copy the records in {path} to {target}: {error}.") from error


@contextmanager
def open_snapshot(path: Path) -> Iterator[Connection]:
    """Give a connection that only reads one snapshot of a database file, wherever it lies.

    Args:
        path: The database file.

    Yields:
        A connection.

    Raises:
        StoreError: The file cannot be read.
    """
    url = URL.create("sqlite", database=f"{path.resolve().as_uri()}?mode=ro", query={"uri": "true"})
    try:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
    except SqliteBackend.errors as error:
        raise StoreError(f"Cannot read the records in {path}: {error}.") from error


def damages(path: Path) -> list[str]:
    """Return what SQLite finds wrong with a database file; empty for a sound one.

    Args:
        path: The database file; not changed.

    Raises:
        StoreError: The file cannot be read at all.

    Cost:
        Reads the whole file.
    """
    with open_snapshot(path) as connection:
        rows = connection.exec_driver_sql(f"PRAGMA integrity_check({_FINDINGS_MAX})").all()
    return [str(row[0]) for row in rows if row[0] != "ok"]
