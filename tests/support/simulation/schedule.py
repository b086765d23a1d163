"""One seed's schedule: servers live and die on one disk while clients ask, and what must hold."""

import asyncio
import functools
import logging
import random
from collections import Counter

from openbraket.base.errors import StoreError
from openbraket.engine.dispatcher import Dispatcher
from openbraket.engine.states import TERMINAL, TRANSITIONS
from openbraket.engine.uploads import Uploads
from openbraket.store import objects, quantum_tasks
from openbraket.store.quantum_tasks import NewTask, create
from support.simulation.disk import (
    ACCOUNT,
    BUCKET,
    OtherStore,
    Records,
    SimulatedBlobs,
    SimulatedDatabase,
    SimulatedSpool,
)
from support.simulation.loop import SimulatedLoop
from support.simulation.workers import SimulatedExecutor

MEMORY_BYTES_MAX = 100
DEVICES = ("arn:sv1", "arn:dm1")
# By then, in simulated seconds, a machine without faults must have ended every task.
DRAIN_S_MAX = 3600
ALLOWED = {
    (source, str(transition.target)) for transition in TRANSITIONS for source in transition.sources
}


@functools.cache
def _records():
    return Records()


class World:
    """Everything that one seed decides.

    Attributes:
        accepted: Ids of the tasks whose creation was told.
        unsure: Ids of those whose creation was refused, or cut off: they may be there or not.
        told: Every status that a client was told, in order, by task.
        killed: Attempts whose processes were killed.
    """

    def __init__(self, seed):
        self.seed = seed
        self.rng = random.Random(seed)
        self.records = _records()
        self.records.clear()
        self.blobs = SimulatedBlobs(self)
        self.spool = SimulatedSpool(self)
        rng = self.rng
        self.store = OtherStore(self) if rng.random() < 0.3 else None
        self.loses_power = rng.random() < 0.5
        self.crash_share = rng.choice((0.0, 0.002, 0.01, 0.03))
        self.has_faults = self.has_any_faults = rng.random() < 0.7
        self.task_s = rng.choice((0.002, 0.02, 0.2))
        self.pace_s = rng.choice((0.001, 0.01, 0.1))
        self.slots = rng.randint(1, 4)
        self.extra_count = rng.randint(0, self.slots - 1)
        self.now_ms = 1_000_000
        self.accepted, self.unsure, self.killed = [], set(), []
        self.told = {}
        self.loop = None
        self.crashed = None
        self.crash_count = 0

    def delay_s(self, mean_s):
        return self.rng.expovariate(1 / mean_s)

    def may_crash(self, where):
        """Return whether the server dies now."""
        if self.loop.is_dead:
            return True
        if self.crashed is None or self.crashed.done() or self.rng.random() >= self.crash_share:
            return False
        self.crash()
        return True

    def crash(self):
        """Die: nothing has an effect from now on."""
        self.loop.is_dead = True
        self.crashed.set_result(None)

    def clock(self):
        return self.now_ms + int(1000 * self.loop.time())

    def hear(self, task_id, status, *, is_late=False):
        """Take note of what a client is told, and check that it fits what was told before.

        An answer that took its time may be overtaken by one to another client.
        """
        told = self.told.setdefault(task_id, [])
        last = told[-1] if told else None
        if is_late and (last, status) == ("CANCELLED", "CANCELLING"):
            return
        if last != status:
            assert last not in TERMINAL, f"{task_id} was told {last}, then {status}"
            assert last != "CANCELLING" or status == "CANCELLED", f"{task_id}: {last}, {status}"
            told.append(status)


class Life:
    """One server process."""

    def __init__(self, world, *, is_last):
        self.world = world
        self.is_last = is_last
        world.loop = self.loop = SimulatedLoop(lambda: world.delay_s(0.002))
        world.crashed = None
        self.database = SimulatedDatabase(world, self.loop)
        self.executor = SimulatedExecutor(world, world.slots)
        self.executor.on_submit = self.check_room
        uploads = None
        if world.store is not None:
            uploads = Uploads(world.store, world.blobs, world.spool)
        self.dispatcher = Dispatcher(
            self.database,
            world.blobs,
            self.executor,
            runners={"action": "runner"},
            memory_bytes_max=MEMORY_BYTES_MAX,
            thread_count_max=world.slots,
            extra_count=world.extra_count,
            clock=world.clock,
            uploads=uploads,
        )

    def run(self):
        """Live until the end of the last task, a clean stop, or a crash."""
        main = self.loop.create_task(self.live())
        self.loop.run_until_complete(main)
        self.loop.end()
        self.world.now_ms = self.world.clock()

    async def live(self):
        world = self.world
        world.crashed = self.loop.create_future()
        living = asyncio.ensure_future(self.work())
        await asyncio.wait((living, world.crashed), return_when=asyncio.FIRST_COMPLETED)
        if living.done():
            living.result()
        if not world.crashed.done():
            return
        world.crash_count += 1
        if world.loses_power and world.rng.random() < 0.5:
            world.records.lose_power(world.rng)
            world.blobs.lose_power(world.rng)

    async def work(self):
        world, rng = self.world, self.world.rng
        try:
            await self.dispatcher.start()
        except StoreError:
            assert world.has_faults
            return
        if self.is_last:
            await self.drain()
            await self.dispatcher.stop()
            self.check_rest()
            return
        actions = [self.act() for _ in range(rng.randint(1, 25))]
        await asyncio.gather(*actions)
        if rng.random() < 0.7:
            world.crash()
        else:
            await self.dispatcher.stop()

    async def act(self):
        """Do one thing at some moment, as a client or as fate."""
        world, rng = self.world, self.world.rng
        await asyncio.sleep(rng.uniform(0, 25 * world.pace_s))
        draw = rng.random()
        if draw < 0.5 or not world.accepted:
            await self.create()
        elif draw < 0.65:
            await self.cancel(rng.choice(world.accepted))
        elif draw < 0.8:
            self.look(rng.choice(world.accepted))
        elif draw < 0.85:
            task_id = rng.choice(world.accepted)
            await self.dispatcher.wait_for_end(task_id, timeout_s=world.delay_s(0.05))
            self.look(task_id)
        elif draw < 0.9:
            # The clock is set, forward or back.
            world.now_ms += rng.choice((1, 1000, 10**9, -1000, -(10**9)))
        elif draw < 0.95:
            closed = frozenset(device for device in DEVICES if rng.random() < 0.5)
            self.dispatcher.set_closed(closed)
        elif world.store is not None:
            world.store.is_away = not world.store.is_away

    async def create(self):
        world, rng = self.world, self.world.rng
        task_id = f"{len(world.accepted) + len(world.unsure):04d}-{rng.getrandbits(32):08x}"
        device_arn = rng.choice(DEVICES)
        task = NewTask(
            id=task_id,
            account=rng.choice((ACCOUNT, "111111111111")),
            region="us-east-1",
            device_arn=device_arn,
            shots=10,
            output_bucket=BUCKET,
            output_directory=f"tasks/{task_id}",
            action=b"{}",
            action_type="action",
            created_at=world.clock(),
            status=self.dispatcher.first_status(device_arn),
            priority=rng.choice((0, 0, 0, 1)),
            memory_bytes=rng.choice((0, 0, 40, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1)),
            thread_count=rng.choice((1, 1, 1, 9)),
        )
        world.unsure.add(task_id)
        try:
            waiting = await self.database.write(lambda connection: create(connection, task))
        except StoreError:
            assert world.has_faults
            return
        world.unsure.discard(task_id)
        world.accepted.append(task_id)
        self.dispatcher.task_created(waiting)

    async def cancel(self, task_id):
        world, rng = self.world, self.world.rng
        call = asyncio.ensure_future(self.dispatcher.cancel(task_id))
        if rng.random() < 0.3:
            await asyncio.sleep(world.delay_s(0.001))
            call.cancel()
            await asyncio.wait((call,))
            return
        try:
            result = await call
        except StoreError:
            assert world.has_faults
            return
        assert result is not None
        world.hear(task_id, str(result.status), is_late=True)

    def look(self, task_id):
        try:
            with self.database.read() as connection:
                task = quantum_tasks.get(connection, task_id)
        except StoreError:
            assert self.world.has_faults
            return
        assert task is not None, f"{task_id} was accepted and is gone"
        self.world.hear(task_id, task.status)
        position = self.dispatcher.queue_position(task)
        assert position >= 0

    async def drain(self):
        """Let every task end, where nothing fails any more but programs and workers."""
        self.dispatcher.set_closed(frozenset())
        until = self.loop.time() + DRAIN_S_MAX
        while self.count_live():
            assert self.loop.time() < until, f"{self.count_live()} tasks never end"
            await asyncio.sleep(0.1)
        # What was cancelled late may still have its objects taken back.
        while self.dispatcher._background:
            await asyncio.wait(self.dispatcher._background)

    def count_live(self):
        with self.database.read() as connection:
            waiting = quantum_tasks.list_waiting(connection)
            return len(waiting) + len(quantum_tasks.list_active(connection))

    def check_room(self):
        room = self.dispatcher._room
        assert 0 <= room.memory_bytes <= MEMORY_BYTES_MAX
        assert 0 <= room.thread_count <= self.world.slots
        assert 0 <= room.extra_used <= self.world.extra_count

    def check_rest(self):
        """Every budget is given back, and nobody is waited for."""
        dispatcher = self.dispatcher
        rest = {
            "running": dispatcher.running_counts().total(),
            "memory": dispatcher._room.memory_bytes,
            "threads": dispatcher._room.thread_count,
            "extra places": dispatcher._room.extra_used,
            "returning": dispatcher._returning_count,
            "unrecorded": len(dispatcher._unrecorded),
            "waiters": len(dispatcher._end_waiters),
            "queue": len(list(dispatcher._queue)),
        }
        assert not any(rest.values()), rest


def run(seed):
    """Go through one schedule.

    Args:
        seed: Decides everything.

    Returns:
        How often what happened, by name.

    Raises:
        AssertionError: Something did not hold; the message says what, the caller names the seed.
    """
    was_disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        world = World(seed)
        for _ in range(world.rng.randint(1, 4)):
            Life(world, is_last=False).run()
        world.has_faults = False
        world.crash_share = 0.0
        if world.store is not None:
            world.store.is_away = False
        Life(world, is_last=True).run()
        return check(world)
    finally:
        logging.disable(was_disabled)


def check(world):
    """Check what must hold whatever happened, and count it."""
    connection = world.records.connection
    history = connection.exec_driver_sql("SELECT id, old, new FROM history").all()
    assert {(old, new) for _, old, new in history} <= ALLOWED
    ids = set(connection.exec_driver_sql("SELECT id FROM quantum_tasks").scalars())
    assert set(world.accepted) <= ids, "an accepted task is gone"
    assert ids <= set(world.accepted) | world.unsure
    ends = sorted(task_id for task_id, _, new in history if new in TERMINAL)
    assert ends == sorted(ids), "a task has not exactly one end"
    known = objects.known_file_ids(connection)
    assert known <= world.blobs.contents.keys(), "a record names a content that is gone"
    inline = "SELECT blob_id FROM objects WHERE blob_id LIKE 'i%'"
    kept = connection.exec_driver_sql("SELECT blob_id FROM contents").scalars()
    assert set(kept) == set(connection.exec_driver_sql(inline).scalars())
    found = Counter(crashes=world.crash_count, kills=len(world.killed))
    for task_id in sorted(ids):
        task = quantum_tasks.get(connection, task_id)
        found[task.status] += 1
        found["attempts"] += task.attempt
        check_told(task, world.told.get(task_id, []))
        check_objects(world, task)
    return found


def check_told(task, told):
    assert not told or told[-1] not in TERMINAL or told[-1] == task.status
    if "CANCELLING" in told:
        assert task.status == "CANCELLED"
    assert (task.status == "FAILED") == (task.failure_reason is not None)


def check_objects(world, task):
    """The result is there where the task completed, once, and of the attempt that counts."""
    key = f"tasks/{task.id}/results.json"
    stored = objects.get_object(world.records.connection, bucket=BUCKET, key=key)
    content = None
    if world.store is not None:
        assert stored is None
        content = world.store.objects.get(key)
        may_be_left = (
            task.id in world.spool.refused
            # Noted still: it was not resumed, ran again, and the next start would see to it.
            or any(task.id == item.task_id for item in world.spool.items())
            or task.status == "FAILED"
        )
    else:
        if stored is not None:
            in_file = world.blobs.contents.get(stored.blob_id)
            content = in_file if stored.inline is None else stored.inline
        may_be_left = False
    is_partly_failed = task.failure_reason == "some failed"
    if task.status == "COMPLETED" or is_partly_failed:
        assert content == f"{task.id} {task.attempt}".encode(), f"{task.id}: {content}"
    elif not may_be_left:
        assert content is None, f"{task.id} is {task.status} and has a result"
