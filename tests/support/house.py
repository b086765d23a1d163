"""A server's engine on a data directory, with attempts that end when the test says so."""

import asyncio
from contextlib import asynccontextmanager

from openbraket.base.ids import new_id
from openbraket.blobs import LocalBlobs
from openbraket.engine.dispatcher import Dispatcher
from openbraket.engine.executors.base import Lost, StoredObject, Succeeded
from openbraket.store import buckets, objects, quantum_tasks
from openbraket.store.buckets import Bucket
from openbraket.store.quantum_tasks import NewTask, create
from support.databases import open_database
from support.patience import PATIENCE_S

WAIT_S = PATIENCE_S


class FakeExecutor:
    """Attempts that end when the test ends them; a kill ends one as lost."""

    def __init__(self, slots=1):
        self.slots = slots
        self.running = {}
        self.started = []
        self.works = []
        self.killed = []
        self.is_running = False

    @property
    def capacity(self):
        return None

    @property
    def free_count(self):
        return self.slots - len(self.running) if self.is_running else 0

    async def start(self, on_free):
        self.on_free = on_free
        self.is_running = True

    def submit(self, work, on_progress):
        assert self.free_count > 0
        future = asyncio.get_running_loop().create_future()
        self.running[work.task_id] = (work, future, on_progress)
        self.started.append((work.task_id, work.attempt))
        self.works.append(work)
        return future

    def end(self, task_id, outcome):
        _, future, _ = self.running.pop(task_id)
        future.set_result(outcome)
        if self.is_running:
            self.on_free()

    def kill(self, task_id, attempt):
        self.killed.append((task_id, attempt))
        if task_id in self.running and self.running[task_id][0].attempt == attempt:
            self.end(task_id, Lost(-9))

    async def stop(self):
        self.is_running = False
        for task_id in list(self.running):
            self.end(task_id, Lost(-9))


class House:
    """One server's engine on a data directory."""

    def __init__(self, data_dir, executor, *, guard=None, **limits):
        self.executor = executor
        self.database = open_database(data_dir / "openbraket.sqlite3")
        self.blobs = LocalBlobs(data_dir / "objects", is_durable=False)
        self.dispatcher = Dispatcher(
            self.database if guard is None else self.database.guarded(guard),
            self.blobs,
            executor,
            **{
                "runners": {"action": "runner"},
                "memory_bytes_max": 1000,
                "thread_count_max": 64,
                "start_record_delay_s": 0,
                **limits,
            },
        )

    async def create(self, **values):
        """Create a task as a service does, and return its id."""
        task_id, waiting = await self.record(**values)
        self.dispatcher.task_created(waiting)
        return task_id

    async def record(self, **values):
        """Record a task of which the dispatcher does not hear."""
        task_id = new_id()
        task = NewTask(**{
            "id": task_id,
            "account": "000000000000",
            "region": "us-east-1",
            "device_arn": "arn:sv1",
            "shots": 10,
            "output_bucket": "bucket",
            "output_directory": f"tasks/{task_id}",
            "action": b"{}",
            "action_type": "action",
            "created_at": 1,
            **values,
        })
        waiting = await self.database.write(lambda c: create(c, task))
        return task_id, waiting

    async def settle(self):
        """Let everything that is due happen: the loop's callbacks and the writer's queue."""
        for _ in range(3):
            for _ in range(5):
                await asyncio.sleep(0)
            await self.database.write(lambda connection: None)
        await asyncio.to_thread(lambda: None)
        for _ in range(5):
            await asyncio.sleep(0)

    def task(self, task_id):
        with self.database.read() as connection:
            return quantum_tasks.get(connection, task_id)

    async def statuses(self, *task_ids):
        await self.settle()
        return [self.task(task_id).status for task_id in task_ids]

    def result(self, text=b"result"):
        blob = self.blobs.put(text)
        return Succeeded((StoredObject("results.json", "application/json", blob),), 10)

    def object(self, task_id):
        with self.database.read() as connection:
            return objects.get_object(
                connection, bucket="bucket", key=f"tasks/{task_id}/results.json"
            )

    def positions(self):
        """The waiting tasks of each device, in the order of the positions that clients see."""
        by_device = {}
        with self.database.read() as connection:
            for waiting in quantum_tasks.list_waiting(connection):
                task = quantum_tasks.get(connection, waiting.id)
                position = self.dispatcher.queue_position(task)
                by_device.setdefault(task.device_arn, {})[position] = task.id
        for by_position in by_device.values():
            assert sorted(by_position) == list(range(len(by_position)))
        return {
            arn: [by_position[position] for position in sorted(by_position)]
            for arn, by_position in by_device.items()
        }

    def at_rest(self):
        """Whether nothing runs and every budget is given back."""
        dispatcher = self.dispatcher
        counts = (
            dispatcher.running_counts().total(),
            dispatcher._room.memory_bytes,
            dispatcher._room.thread_count,
            dispatcher._room.extra_used,
            dispatcher._returning_count,
            len(dispatcher._unrecorded),
            len(dispatcher._end_waiters),
        )
        return not any(counts)

    def files(self):
        return [path for path in (self.blobs.root / "objects").rglob("*") if path.is_file()]


async def add_bucket(house):
    bucket = Bucket(name="bucket", account="000000000000", region="us-east-1", created_at=1)
    await house.database.write(lambda c: buckets.create_bucket(c, bucket))


@asynccontextmanager
async def open_house(data_dir, *, slots=1, is_crashing=False, closed=frozenset(), **limits):
    house = House(data_dir, FakeExecutor(slots), **limits)
    house.dispatcher.set_closed(closed)
    await add_bucket(house)
    await house.dispatcher.start()
    try:
        yield house
    finally:
        if is_crashing:
            # As after kill -9: the records close as they are, and nobody hears of the attempts.
            for task in house.dispatcher._background:
                task.cancel()
        else:
            await asyncio.wait_for(house.dispatcher.stop(), WAIT_S)
        house.database.close()
