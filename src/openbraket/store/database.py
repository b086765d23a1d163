"""The records: opened once, written by one thread, read by snapshots."""

import asyncio
import copy
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError

from openbraket.base.errors import StoreError
from openbraket.store import data_directory, schema
from openbraket.store.backend import BUSY_MS_MAX, Backend, Durability
from openbraket.store.sqlite import SqliteBackend
from openbraket.store.writer import Guard, Writer

__all__ = ["BUSY_MS_MAX", "DATABASE_NAME", "Database", "Durability", "open_beside"]

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

DATABASE_NAME: Final = data_directory.SQLITE_NAME
# Read connections kept open between uses; more are opened when more read at once.
IDLE_READERS_MAX: Final = 8
_ADDRESS_FORM: Final = "it looks like postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME"


class Database:
    """All records of one data directory; made by `open`."""

    def __init__(self, backend: Backend, lock: int, writer: Writer) -> None:
        self.backend: Final = backend
        self._lock = lock
        self._writer = writer
        self._readers: deque[Connection] = deque()
        self._guard: Guard | None = None

    @classmethod
    def open(cls, path: Path, *, durability: Durability = "full", url: str = "") -> "Database":
        """Open the records, create or migrate them, and start the writer thread.

        Args:
            path: The database file; its directory is the data directory, which is made when
                absent and locked until `close`.
            durability: `full`: what was committed survives a loss of power. `normal`: it survives
                the death of the process or of all processes.
            url: A PostgreSQL database that has the records instead of the file; then the data
                directory may be shared.

        Raises:
            StoreError: The data directory is in use, not writable, of a newer version or of other
                records; or the database cannot be used.
        """
        lock = data_directory.lock(path.parent, is_shared=bool(url))
        with ExitStack() as undo:
            undo.callback(os.close, lock)
            backend = open_backend(path, durability=durability, url=url)
            undo.callback(backend.close)
            try:
                connection = backend.connect_writer()
                undo.callback(connection.close)
                _prepare(connection, backend, path.parent)
            except (OSError, *backend.errors) as error:  # type: ignore[misc]
                raise StoreError(
                    f"Cannot open the records in {backend.name}: {reason_of(error)}."
                ) from error
            undo.pop_all()
        return cls(backend, lock, Writer(connection, backend))

    def guarded(self, guard: Guard) -> "Database":
        """Return the same records for one who may be refused; not to be closed.

        Args:
            guard: Called in each transaction before the first change that comes this way; where it
                raises, none of them is made.
        """
        view = copy.copy(self)
        view._guard = guard
        return view

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the writer's next transaction and return its result after the commit.

        Cancelling the caller does not take the change back.

        Args:
            work: Makes the change, in the writer thread; must have no other effect.

        Returns:
            What `work` returned.

        Raises:
            StoreError: The change could not be committed, or the database is closed. An error of
                `work` passes through, and its change is undone.
        """
        loop = asyncio.get_running_loop()
        return await self._writer.submit_async(work, loop, guard=self._guard)

    def write_soon(self, work: Callable[[Connection], T]) -> "Future[T]":
        """Do the same as `write` for callers without an event loop.

        Args:
            work: Makes the change, in the writer thread; must have no other effect.

        Returns:
            A future that resolves after the commit, in the writer thread.

        Raises:
            StoreError: The database is closed, or too many changes wait.
        """
        return self._writer.submit(work, guard=self._guard)

    def submit(
        self, work: Callable[[Connection], T], *, is_lasting: bool = True
    ) -> "asyncio.Future[T]":
        """Hand over a change now and return its future on the running event loop.

        The place in the order of changes is taken by this call, not by awaiting the future.

        Args:
            work: Makes the change, in the writer thread; must have no other effect.
            is_lasting: False: a loss of power may take the change back (the death of a process
                may not), which spares a wait for the disk.

        Returns:
            A future that resolves after the commit, with the result or error of `write`.

        Raises:
            StoreError: The database is closed, or too many changes wait.
        """
        loop = asyncio.get_running_loop()
        return self._writer.submit_async(work, loop, is_lasting=is_lasting, guard=self._guard)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one snapshot of the records, for short reads.

        Yields:
            A connection; changes through it are undone.

        Raises:
            StoreError: The records cannot be read.
        """
        if self._writer.is_closed:
            raise StoreError("The records are closed.")
        backend = self.backend
        try:
            connection = self._begin_read()
            driver: Any = connection.connection.driver_connection
            try:
                yield connection
            finally:
                backend.roll_back(driver)
                is_kept = len(self._readers) < IDLE_READERS_MAX and not self._writer.is_closed
                if is_kept and not backend.is_broken(driver):
                    self._readers.append(connection)
                else:
                    connection.close()
        except backend.errors as error:
            raise StoreError(f"The records could not be read: {reason_of(error)}.") from error

    def _begin_read(self) -> Connection:
        """Return a connection in a transaction; one that was lost while it was idle is dropped."""
        while True:
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self.backend.connect()
                self.backend.begin_read(connection.connection.driver_connection)
                return connection
            try:
                self.backend.begin_read(connection.connection.driver_connection)
            except self.backend.errors:
                connection.close()
            else:
                return connection

    async def read_aside(self, work: Callable[[Connection], T]) -> T:
        """Run a longer read in a thread, on a snapshot.

        Args:
            work: Reads; gets the connection.

        Returns:
            What `work` returned.

        Raises:
            StoreError: The records cannot be read. An error of `work` passes through.
        """

        def run() -> T:
            with self.read() as connection:
                return work(connection)

        return await asyncio.to_thread(run)

    def close(self) -> None:
        """Commit what was handed over, close the records and release the data directory."""
        if self._writer.is_closed:
            return
        self._writer.close()
        while self._readers:
            self._readers.pop().close()
        self._writer.connection.close()
        self.backend.close()
        os.close(self._lock)


def open_backend(path: Path, *, durability: Durability = "full", url: str = "") -> Backend:
    """Return the database of a data directory; see `Database.open`.

    Raises:
        StoreError: The address is wrong, its driver is not installed, or the directory's records
            are elsewhere.
    """
    if not url:
        data_directory.require_sqlite(path.parent)
        try:
            return SqliteBackend(path, durability)
        except OSError as error:
            raise StoreError(f"Cannot open the records in {path}: {error}.") from error
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        # The error names the whole address, which may hold a password.
        raise StoreError(f"The address of the database cannot be read; {_ADDRESS_FORM}.") from error
    if address.drivername not in {"postgresql", "postgresql+psycopg"} or not address.database:
        name = address.render_as_string(hide_password=True)
        raise StoreError(f"'{name}' is no address of a PostgreSQL database; {_ADDRESS_FORM}.")
    try:
        from openbraket.store.postgresql import PostgresqlBackend
    except ImportError as error:
        raise StoreError(
            f"PostgreSQL needs its driver: pip install 'openbraket[postgres]' ({error})."
        ) from error
    return PostgresqlBackend(address)


@contextmanager
def open_beside(path: Path, *, url: str = "") -> Iterator[Connection]:
    """Give a connection for one change beside a server that may be running.

    For commands of the operator. The change is one transaction, committed when the block ends.

    Args:
        path: The database file; created when absent.
        url: A PostgreSQL database that has the records instead.

    Yields:
        A connection in a write transaction.

    Raises:
        StoreError: The records cannot be opened or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"Cannot use the data directory {path.parent}: {error}.") from error
    backend = open_backend(path, url=url)
    try:
        with backend.connect_writer() as connection:
            _prepare(connection, backend, path.parent)
            driver: Any = connection.connection.driver_connection
            backend.begin_write(driver, is_lasting=True)
            try:
                yield connection
            except BaseException:
                backend.roll_back(driver)
                raise
            backend.commit(driver)
    except (OSError, *backend.errors) as error:  # type: ignore[misc]
        raise StoreError(
            f"Cannot change the records in {backend.name}: {reason_of(error)}."
        ) from error
    finally:
        backend.close()


def _prepare(connection: Connection, backend: Backend, data_dir: Path) -> None:
    """Bring the schema up to date, and check that the records belong to the data directory."""
    if not isinstance(backend, SqliteBackend):
        identity = data_directory.claim_identity(data_dir)
        schema.upgrade(connection, backend)
        data_directory.match_identity(connection, backend, data_dir, identity)
    else:
        schema.upgrade(connection, backend)


def reason_of(error: Exception) -> str:
    """Return a driver's message on one line, without SQLAlchemy's additions and a full stop."""
    return " ".join(str(getattr(error, "orig", None) or error).split()).rstrip(".")
