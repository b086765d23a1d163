"""What outlives a server: the records, the contents, the spool, and the other store's objects."""

import contextlib
import sqlite3

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from openbraket.base.blob import Blob
from openbraket.base.errors import StoreError
from openbraket.blobs.remote import ObjectsAwayError
from openbraket.store import buckets, schema
from openbraket.store.buckets import Bucket
from openbraket.store.sqlite import SqliteBackend
from openbraket.store.writer import BATCH_COUNT_MAX, Writer, _resolve

BUCKET = "bucket"
ACCOUNT = "000000000000"
HISTORY = (
    "CREATE TABLE history (id TEXT, old TEXT, new TEXT)",
    (
        "CREATE TRIGGER keep_history AFTER UPDATE OF status ON quantum_tasks "
        "BEGIN INSERT INTO history VALUES (old.id, old.status, new.status); END"
    ),
)
# Small pages keep the copies of the whole file small.
PAGE_BYTES = 1024


class Records:
    """One SQLite database in memory, used by all schedules one after the other."""

    def __init__(self):
        engine = create_engine(
            "sqlite://",
            poolclass=StaticPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"cached_statements": 256},
        )
        self.connection = engine.connect()
        self.driver = self.connection.connection.driver_connection
        self.driver.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        schema.upgrade(self.connection, BackendInMemory())
        for statement in HISTORY:
            self.connection.exec_driver_sql(statement)
        bucket = Bucket(name=BUCKET, account=ACCOUNT, region="us-east-1", created_at=1)
        buckets.create_bucket(self.connection, bucket)
        self._template = self.driver.serialize()
        self._on_disk = None

    def clear(self):
        """Begin again with the tables and the bucket."""
        self.driver.deserialize(self._template)
        self._on_disk = None

    def before_commit(self, *, is_lasting):
        """Keep what a loss of power would leave, where the next commit need not last."""
        if is_lasting:
            self._on_disk = None
        elif self._on_disk is None:
            self._on_disk = self.driver.serialize()

    def lose_power(self, rng):
        """Take back the commits that nobody was to rely on, or not."""
        if self._on_disk is not None and rng.random() < 0.7:
            self.driver.deserialize(self._on_disk)
        self._on_disk = None


class FaultyDriver:
    """The writer's connection, whose commits fail now and then, some after they took effect."""

    def __init__(self, driver, world):
        self._driver = driver
        self._world = world

    @property
    def in_transaction(self):
        return self._driver.in_transaction

    def execute(self, sql):
        if sql != "COMMIT":
            return self._driver.execute(sql)
        draw = self._world.rng.random()
        if self._world.has_faults and draw < 0.02:
            raise sqlite3.OperationalError("database or disk is full")
        result = self._driver.execute(sql)
        if self._world.has_faults and draw > 0.99:
            raise sqlite3.OperationalError("disk I/O error")
        return result


class BackendInMemory(SqliteBackend):
    """SQLite's transactions, without a file: `Records` has the connection."""

    def __init__(self):
        self.name = "the simulated records"
        self._is_full = self._is_synchronous = False


class SimulatedWriter(Writer):
    """The writer's own batches and commits, at moments of the simulated time.

    The server may die before a commit, in it, and after it before anybody hears of it.
    """

    def __init__(self, world, loop):
        self.connection = world.records.connection
        self._driver = FaultyDriver(world.records.driver, world)
        self._backend = BackendInMemory()
        self._world = world
        self._loop = loop
        self._waiting = []
        self._is_busy = False

    def _put(self, item):
        if self._loop.is_dead:
            raise StoreError("The records are closed.")
        self._waiting.append(item)
        self._go_on()

    def _go_on(self):
        if self._waiting and not self._is_busy:
            self._is_busy = True
            self._loop.call_later(self._world.delay_s(0.002), self._work)

    def _work(self):
        if self._loop.is_dead:
            return
        batch, self._waiting = self._waiting[:BATCH_COUNT_MAX], self._waiting[BATCH_COUNT_MAX:]
        world = self._world
        if world.may_crash("before a commit"):
            return
        world.records.before_commit(is_lasting=any(item.is_lasting for item in batch))
        if world.may_crash("in a commit"):
            # Everything but the commit itself.
            self._driver.execute("BEGIN IMMEDIATE")
            self._run_all(batch)
            self._driver.execute("ROLLBACK")
            return
        self._commit(batch)
        if world.may_crash("after a commit"):
            return
        self._loop.call_later(world.delay_s(0.002), self._tell, batch)

    def _tell(self, batch):
        if not self._loop.is_dead:
            _resolve(batch)
            self._is_busy = False
            self._go_on()


class SimulatedDatabase:
    """What the engine asks of `Database`."""

    def __init__(self, world, loop):
        self._world = world
        self._loop = loop
        self._writer = SimulatedWriter(world, loop)

    def submit(self, work, *, is_lasting=True):
        return self._writer.submit_async(work, self._loop, is_lasting=is_lasting)

    async def write(self, work):
        return await self.submit(work)

    @contextlib.contextmanager
    def read(self):
        if self._loop.is_dead or (self._world.has_faults and self._world.rng.random() < 0.005):
            raise StoreError("The records could not be read.")
        # No writer is in the middle of anything: that is a snapshot.
        yield self._world.records.connection


class ContentPath:
    """Where a content would lie."""

    def __init__(self, contents, blob_id):
        self.blob_id = blob_id
        self._contents = contents

    def exists(self):
        return self.blob_id in self._contents


class SimulatedBlobs:
    """Contents by name; a loss of power takes those that were not brought to the disk."""

    def __init__(self, world):
        self._world = world
        self.contents = {}
        self._unsynced = set()
        self._count = 0

    def put(self, content):
        self._count += 1
        name = f"{self._count:032x}"
        self.contents[name] = content
        self._unsynced.add(name)
        return Blob(name, len(content), "md5")

    def keep(self, content):
        """Leave about every other content to the records, where no store elsewhere has them."""
        world = self._world
        if world.store is not None or world.rng.random() < 0.5:
            return self.put(content)
        self._count += 1
        return Blob(f"i{self._count:031x}", len(content), "md5", content)

    async def make_lasting(self, blob_ids):
        loop = self._world.loop
        await loop.run_in_executor(None, self._sync, tuple(blob_ids))

    def _sync(self, blob_ids):
        if self._world.has_faults and self._world.rng.random() < 0.01:
            # Nor is it noted then.
            refused = self._world.spool.refused
            refused.update(self.contents[name].decode().split()[0] for name in blob_ids)
            raise StoreError("Cannot store an object's content: Input/output error.")
        self._unsynced.difference_update(blob_ids)

    def path(self, blob_id):
        return ContentPath(self.contents, blob_id)

    def delete(self, blob_id):
        self.contents.pop(blob_id, None)
        self._unsynced.discard(blob_id)

    def lose_power(self, rng):
        for name in sorted(self._unsynced):
            if rng.random() < 0.7:
                del self.contents[name]
        self._unsynced.clear()


class SimulatedSpool:
    """The spool, which survives everything."""

    def __init__(self, world):
        self._world = world
        self._items = {}
        # Tasks that could not be noted: one that is cancelled as its server dies may leave objects.
        self.refused = set()

    def write(self, item):
        if self._world.has_faults and self._world.rng.random() < 0.05:
            self.refused.add(item.task_id)
            raise StoreError("Cannot write the spool: No space left on device.")
        self._items[item.task_id, item.attempt] = item

    def remove(self, task_id, attempt):
        self._items.pop((task_id, attempt), None)

    def items(self):
        return iter(list(self._items.values()))


class OtherStore:
    """The S3 store beside this service; calls begin, take effect, and are answered, or are not."""

    def __init__(self, world):
        self._world = world
        self.objects = {}
        self.is_away = False

    def submit(self, work, *args):
        loop = self._world.loop
        answer = loop.create_future()

        def begin():
            # As with a thread: who no longer waits stops a call that has begun no more.
            if not answer.cancelled() and not loop.is_dead:
                loop.call_later(self._world.delay_s(0.05), run)

        def run():
            if loop.is_dead:
                return
            try:
                result = work(*args)
            except StoreError as error:
                if not answer.cancelled():
                    answer.set_exception(error)
            else:
                if not answer.cancelled():
                    answer.set_result(result)

        loop.call_later(self._world.delay_s(0.01), begin)
        return answer

    async def call(self, work, *args):
        return await self.submit(work, *args)

    def put(self, path, blob, *, bucket, key, content_type):
        contents = self._world.blobs.contents
        if self._fails():
            raise ObjectsAwayError("The store does not answer.")
        self.objects[key] = contents[path.blob_id]
        if self._fails():
            raise ObjectsAwayError("The store did not answer.")

    def delete(self, bucket, key):
        if self._fails():
            raise ObjectsAwayError("The store does not answer.")
        self.objects.pop(key, None)

    def _fails(self):
        return self.is_away or (self._world.has_faults and self._world.rng.random() < 0.15)
