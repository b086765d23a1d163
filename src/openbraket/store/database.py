"""The database file: opened once, written by one thread, read by snapshots."""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from openbraket.base.errors import StoreError
from openbraket.store import schema
from openbraket.store.writer import DRIVER_ERRORS, Writer

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
Durability = Literal["normal", "full"]

DATABASE_NAME = "openbraket.sqlite3"
LOCK_NAME = "lock"
# How long a statement waits for another process (a command of the operator) that writes.
BUSY_MS_MAX = 10_000
# Read connections kept open between uses; more are opened when more read at once.
IDLE_READERS_MAX = 8
# Pages of the write-ahead log at which a commit also moves them into the database, 16 MiB.
CHECKPOINT_PAGES = 4000


class Database:
    """All records of one data directory; made by `open`."""

    def __init__(self, engine: Engine, lock: int, writer: Writer) -> None:
        self._engine = engine
        self._lock = lock
        self._writer = writer
        self._readers: deque[Connection] = deque()
        self._is_closed = False

    @classmethod
    def open(cls, path: Path, *, durability: Durability = "full") -> "Database":
        """Open the records, create or migrate them, and start the writer thread.

        Args:
            path: The database file; its directory is the data directory, which is made when
                absent and locked until `close`.
            durability: `full`: what was committed survives a loss of power. `normal`: it survives
                the death of the process or of all processes.

        Raises:
            StoreError: The data directory is in use, not writable, or of a newer version.
        """
        lock = _lock(path.parent)
        with ExitStack() as undo:
            undo.callback(os.close, lock)
            try:
                engine = _engine(path, durability)
                connection = engine.connect()
                undo.callback(connection.close)
                schema.upgrade(connection)
            except (OSError, *DRIVER_ERRORS) as error:
                raise StoreError(f"Cannot open the records in {path}: {error}.") from error
            undo.pop_all()
        return cls(engine, lock, Writer(connection, is_full=durability == "full"))

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
        return await self._writer.submit_async(work, asyncio.get_running_loop())

    def write_soon(self, work: Callable[[Connection], T]) -> "Future[T]":
        """Do the same as `write` for callers without an event loop.

        Args:
            work: Makes the change, in the writer thread; must have no other effect.

        Returns:
            A future that resolves after the commit, in the writer thread.

        Raises:
            StoreError: The database is closed, or too many changes wait.
        """
        return self._writer.submit(work)

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
        return self._writer.submit_async(work, asyncio.get_running_loop(), is_lasting=is_lasting)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one snapshot of the records, for short reads.

        Yields:
            A connection; changes through it are undone.

        Raises:
            StoreError: The records cannot be read.
        """
        if self._is_closed:
            raise StoreError("The records are closed.")
        try:
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._engine.connect()
            driver: Any = connection.connection.driver_connection
            driver.execute("BEGIN")
            try:
                yield connection
            finally:
                if driver.in_transaction:
                    driver.execute("ROLLBACK")
                if len(self._readers) < IDLE_READERS_MAX and not self._is_closed:
                    self._readers.append(connection)
                else:
                    connection.close()
        except DRIVER_ERRORS as error:
            raise StoreError(f"The records could not be read: {error}.") from error

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
        """Commit what was handed over, close the file and release the data directory."""
        if self._is_closed:
            return
        self._is_closed = True
        self._writer.close()
        while self._readers:
            self._readers.pop().close()
        self._writer.connection.close()
        self._engine.dispose()
        os.close(self._lock)


@contextmanager
def open_beside(path: Path) -> Iterator[Connection]:
    """Give a connection for one change beside a server that may be running.

    For commands of the operator. The change is one transaction, committed when the block ends.

    Args:
        path: The database file; created when absent.

    Yields:
        A connection in a write transaction.

    Raises:
        StoreError: The records cannot be opened or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = _engine(path, "full")
        with engine.connect() as connection:
            schema.upgrade(connection)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
    except (OSError, *DRIVER_ERRORS) as error:
        raise StoreError(f"Cannot change the records in {path}: {error}.") from error


def _engine(path: Path, durability: Durability) -> Engine:
    # The records hold secrets; SQLite gives its other files the mode of this one.
    path.touch(mode=0o600, exist_ok=True)
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        # Transactions are begun and ended by us: the driver must not open its own.
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def prepare(driver: Any, record: object) -> None:  # noqa: ANN401, ARG001  (SQLAlchemy's call)
        driver.execute(f"PRAGMA busy_timeout = {BUSY_MS_MAX}")
        driver.execute("PRAGMA journal_mode = WAL")
        driver.execute(f"PRAGMA synchronous = {durability.upper()}")
        driver.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        driver.execute("PRAGMA temp_store = MEMORY")
        driver.execute("PRAGMA cache_size = -16384")

    return engine


def _lock(data_dir: Path) -> int:
    """Lock the data directory and return the lock's descriptor.

    The lock belongs to the open file, so it ends with the process however it dies.

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
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreError(
            f"The data directory {data_dir} is in use by another server (process {holder})."
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
