"""The one thread that writes: many callers' changes in one transaction.

Callers hand over closures. The thread takes all that wait, runs them in order in one transaction,
commits once, and only then resolves the callers' futures: what a caller was told is on disk. That
one commit for many is what makes `synchronous=FULL` affordable.

A batch runs without savepoints, since each statement costs a hand-over of the interpreter's
lock. If a closure raises, the batch is undone and runs again with a savepoint for each closure, so
that the one that raises undoes its own change and no other. A commit that fails undoes all of the
batch. So a closure may run twice: it must have no effect but through its connection and its result.

Closures run in the order in which they were handed over, over all batches: who hands over A before
B may rely on A's effect being visible to B.

A closure may come with a guard, which is asked before it: once a transaction, however many closures
have the same one. Where the guard raises, its closures are not run.

What one turn of an event loop hands over reaches the thread together, at the turn's end: that wakes
it once, and makes one commit of many.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection

from openbraket.base import metrics
from openbraket.base.errors import StoreError
from openbraket.store.backend import Backend

T = TypeVar("T")
Work = Callable[[Connection], Any]
Guard = Callable[[Connection], None]

# Closures at which a transaction takes in no more: bounds how long the first waits for the last.
BATCH_COUNT_MAX = 512
# Closures that may wait; beyond it the caller is refused instead of memory filling up.
PENDING_COUNT_MAX = 100_000

_log = logging.getLogger(__name__)


class _Item:
    """One closure, where its result goes, and the result once known."""

    __slots__ = ("error", "future", "guard", "is_lasting", "loop", "result", "work")

    def __init__(
        self,
        work: Work,
        future: "asyncio.Future[Any] | Future[Any]",
        loop: asyncio.AbstractEventLoop | None,
        *,
        is_lasting: bool = True,
        guard: Guard | None = None,
    ) -> None:
        self.work = work
        self.is_lasting = is_lasting
        self.guard = guard
        self.future = future
        self.loop = loop
        self.result: object = None
        self.error: Exception | None = None

    def run(self, connection: Connection, passed: set[Guard]) -> None:
        """Run the closure; `passed` has the guards that this transaction has asked already."""
        if self.guard is not None and self.guard not in passed:
            self.guard(connection)
            passed.add(self.guard)
        self.result = self.work(connection)


class Writer:
    """The writer thread of one database.

    Args:
        connection: Used by the thread alone from now on; in autocommit mode, so that the
            transaction is the writer's own.
        backend: Its database.
    """

    def __init__(self, connection: Connection, backend: Backend) -> None:
        self.connection = connection
        self._backend = backend
        self._driver: Any = connection.connection.driver_connection
        self._queue: SimpleQueue[list[_Item] | None] = SimpleQueue()
        # Handed over in the present turn of an event loop, not queued yet.
        self._collected: list[_Item] = []
        self._pending_count = 0
        self._is_closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._is_closed

    def submit(self, work: Callable[[Connection], T], *, guard: Guard | None = None) -> "Future[T]":
        """Hand over a closure; the future resolves after the commit, in the writer thread.

        Raises:
            StoreError: The database is closed, or too many closures wait.
        """
        future: Future[T] = Future()
        # From now on it cannot be cancelled: that would meet the thread just as it resolves it.
        future.set_running_or_notify_cancel()
        self._put(_Item(work, future, None, guard=guard))
        return future

    def submit_async(
        self,
        work: Callable[[Connection], T],
        loop: asyncio.AbstractEventLoop,
        *,
        is_lasting: bool = True,
        guard: Guard | None = None,
    ) -> "asyncio.Future[T]":
        """Hand over a closure; the future resolves after the commit, on `loop`.

        Raises:
            StoreError: The database is closed, or too many closures wait.
        """
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Item(work, future, loop, is_lasting=is_lasting, guard=guard))
        return future

    def close(self) -> None:
        """Finish what was handed over, then end the thread."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue_collected()
            self._queue.put(None)
        self._thread.join()

    def _put(self, item: _Item) -> None:
        if self._pending_count >= PENDING_COUNT_MAX:
            raise StoreError(f"More than {PENDING_COUNT_MAX} changes wait for the disk.")
        with self._closing:
            if self._is_closed:
                raise StoreError("The records are closed.")
            self._pending_count += 1
            self._collected.append(item)
            if item.loop is None:
                self._queue_collected()
            elif len(self._collected) == 1:
                item.loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        with self._closing:
            self._queue_collected()

    def _queue_collected(self) -> None:
        if self._collected:
            self._queue.put(self._collected)
            self._collected = []

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch: list[_Item] = []
            items = self._queue.get()
            while items is not None:
                batch += items
                if len(batch) >= BATCH_COUNT_MAX or self._queue.empty():
                    break
                items = self._queue.get()
            is_open = items is not None
            if batch:
                started = time.perf_counter()
                self._commit(batch)
                metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
                metrics.COMMIT_CHANGES.observe(len(batch))
                with self._closing:
                    self._pending_count -= len(batch)
                _resolve(batch)

    def _commit(self, batch: list[_Item]) -> None:
        is_lasting = any(item.is_lasting for item in batch)
        try:
            self._begin(is_lasting=is_lasting)
            if not self._run_all(batch):
                self._backend.roll_back(self._driver)
                self._backend.begin_write(self._driver, is_lasting=is_lasting)
                passed: set[Guard] = set()
                for item in batch:
                    self._run_one(item, passed)
            self._backend.commit(self._driver)
        except Exception as error:  # whatever it is, every caller must hear of it
            _log.error("The records could not be written: %s", error)
            self._roll_back()
            failure = StoreError(f"The records could not be written: {error}.")
            for item in batch:
                item.error = item.error or failure

    def _roll_back(self) -> None:
        try:
            self._backend.roll_back(self._driver)
        except self._backend.errors as error:
            # The thread must go on; the next batch reports what is wrong.
            _log.error("The records could not be rolled back: %s", error)

    def _begin(self, *, is_lasting: bool) -> None:
        """Begin a transaction, on a new connection where the last one was lost."""
        backend = self._backend
        if not backend.is_broken(self._driver):
            try:
                backend.begin_write(self._driver, is_lasting=is_lasting)
            except backend.errors:
                if not backend.is_broken(self._driver):
                    raise
            else:
                return
        self._connect_again()
        backend.begin_write(self._driver, is_lasting=is_lasting)

    def _connect_again(self) -> None:
        with suppress(*self._backend.errors):
            self.connection.close()
        self.connection = self._backend.connect_writer()
        self._driver = self.connection.connection.driver_connection
        _log.info("The records can be written again.")

    def _run_all(self, batch: list[_Item]) -> bool:
        """Run the closures one after the other and return whether none raised."""
        passed: set[Guard] = set()
        try:
            for item in batch:
                item.run(self.connection, passed)
        except Exception:
            # Which one, and whose error it is, the second run finds out.
            return False
        return True

    def _run_one(self, item: _Item, passed: set[Guard]) -> None:
        """Run one closure in a savepoint and keep its result or its error."""
        driver = self._driver
        driver.execute("SAVEPOINT one")
        try:
            item.run(self.connection, passed)
        except Exception as error:
            # A full disk rolls back the whole transaction: then every caller must hear of it.
            if not self._backend.is_in_transaction(driver):
                raise
            driver.execute("ROLLBACK TO one")
            if isinstance(error, self._backend.errors):
                item.error = StoreError(f"The records could not be written: {error}.")
                item.error.__cause__ = error
            else:
                item.error = error
        driver.execute("RELEASE one")


def _resolve(batch: list[_Item]) -> None:
    """Resolve the futures, with one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
    for item in batch:
        if item.loop is None:
            _set(item)
        else:
            by_loop.setdefault(item.loop, []).append(item)
    for loop, items in by_loop.items():
        try:
            loop.call_soon_threadsafe(_set_all, items)
        except RuntimeError:
            _log.debug("%d results came after their event loop had ended", len(items))


def _set_all(items: list[_Item]) -> None:
    for item in items:
        _set(item)


def _set(item: _Item) -> None:
    future = item.future
    if future.cancelled() or future.done():
        return
    if item.error is not None:
        future.set_exception(item.error)
    else:
        future.set_result(item.result)
