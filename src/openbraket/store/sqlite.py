"""Records in one SQLite file, in WAL mode."""

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from openbraket.store.backend import BUSY_MS_MAX, Backend, Durability

# Pages of the write-ahead log at which a commit also moves them into the database, 16 MiB.
CHECKPOINT_PAGES: Final = 4000


class SqliteBackend(Backend):
    """One database file.

    Args:
        path: The file; created when absent.
        durability: `full`: what was committed survives a loss of power. `normal`: it survives
            the death of the process or of all processes.

    Raises:
        OSError: The file cannot be created.
    """

    errors = (sqlite3.Error, SQLAlchemyError)

    def __init__(self, path: Path, durability: Durability) -> None:
        self.name = str(path)
        self._is_full = durability == "full"
        self._is_synchronous = self._is_full
        # The records hold secrets; SQLite gives its other files the mode of this one.
        path.touch(mode=0o600, exist_ok=True)
        self.engine = create_engine(
            URL.create("sqlite", database=str(path)),
            poolclass=NullPool,
            # Transactions are begun and ended by us: the driver must not open its own.
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "cached_statements": 256},
        )

        @event.listens_for(self.engine, "connect")
        def prepare(driver: Any, record: object) -> None:  # noqa: ANN401, ARG001  (SQLAlchemy's)
            driver.execute(f"PRAGMA busy_timeout = {BUSY_MS_MAX}")
            driver.execute("PRAGMA journal_mode = WAL")
            driver.execute(f"PRAGMA synchronous = {durability.upper()}")
            driver.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            driver.execute("PRAGMA temp_store = MEMORY")
            driver.execute("PRAGMA cache_size = -16384")

    def begin_read(self, driver: Any) -> None:  # noqa: ANN401
        """Begin a transaction that sees one snapshot."""
        driver.execute("BEGIN")

    def begin_write(self, driver: Any, *, is_lasting: bool) -> None:  # noqa: ANN401
        """Begin a transaction; a commit that waits for the disk brings all before it."""
        is_synchronous = is_lasting and self._is_full
        if is_synchronous != self._is_synchronous:
            driver.execute(f"PRAGMA synchronous = {'FULL' if is_synchronous else 'NORMAL'}")
            self._is_synchronous = is_synchronous
        driver.execute("BEGIN IMMEDIATE")

    def is_in_transaction(self, driver: Any) -> bool:  # noqa: ANN401
        """Return whether a transaction is open."""
        is_open: bool = driver.in_transaction
        return is_open

    def lock_schema(self, connection: Connection) -> None:
        """Begin a transaction in which nobody else changes the schema."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def has_table(self, connection: Connection, name: str) -> bool:
        """Return whether there is a table."""
        sql = "SELECT 1 FROM sqlite_master WHERE name = ?"
        return connection.exec_driver_sql(sql, (name,)).first() is not None
