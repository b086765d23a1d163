"""What `database`, `writer` and `schema` ask of SQLite or PostgreSQL: connections, transactions.

Transactions are begun and ended by statements of ours: connections are in autocommit mode.
"""

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, Literal

from sqlalchemy import Connection, Engine

Durability = Literal["normal", "full"]

# How long a statement waits for another process that writes.
BUSY_MS_MAX = 10_000


class Backend(ABC):
    """One database, and how to work with it.

    Attributes:
        name: For messages; without a password.
        errors: What its driver and SQLAlchemy raise.
        engine: Makes connections.
    """

    name: str
    errors: tuple[type[Exception], ...]
    engine: Engine

    def connect(self) -> Connection:
        """Open a connection for reading.

        Raises:
            Exception: One of `errors`.
        """
        return self.engine.connect()

    def connect_writer(self) -> Connection:
        """Open the writer's connection.

        Raises:
            Exception: One of `errors`.
        """
        return self.engine.connect()

    @abstractmethod
    def begin_read(self, driver: Any) -> None:  # noqa: ANN401  (the driver's connection)
        """Begin a transaction that sees one snapshot."""

    @abstractmethod
    def begin_write(self, driver: Any, *, is_lasting: bool) -> None:  # noqa: ANN401
        """Begin a transaction that no other one writes beside.

        Args:
            driver: The driver's connection.
            is_lasting: Whether its commit must survive a loss of power.
        """

    @abstractmethod
    def is_in_transaction(self, driver: Any) -> bool:  # noqa: ANN401
        """Return whether a transaction is open; False for a broken connection."""

    def is_broken(self, driver: Any) -> bool:  # noqa: ANN401, ARG002  (others can break)
        """Return whether a connection can be used no more."""
        return False

    def roll_back(self, driver: Any) -> None:  # noqa: ANN401
        """End a transaction that is open, if one is.

        Raises:
            Exception: One of `errors`.
        """
        # Some errors have ended it already, a full disk among them.
        if self.is_in_transaction(driver):
            driver.execute("ROLLBACK")

    def commit(self, driver: Any) -> None:  # noqa: ANN401
        """Commit the open transaction.

        Raises:
            Exception: One of `errors`.
        """
        driver.execute("COMMIT")

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Begin a transaction in which nobody else changes the schema."""

    @abstractmethod
    def has_table(self, connection: Connection, name: str) -> bool:
        """Return whether there is a table."""

    def describe(self, connection: Connection) -> str:
        """Return what the database is, in a few words."""
        return connection.dialect.name

    def close(self) -> None:
        """Let go of what the engine holds."""
        with suppress(*self.errors):
            self.engine.dispose()
