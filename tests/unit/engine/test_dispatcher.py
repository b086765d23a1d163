"""The dispatcher's decisions, with an executor whose attempts end when the test says so."""

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest

from openbraket.base.errors import StoreError
from openbraket.base.ids import new_id
from openbraket.blobs import LocalBlobs
from openbraket.engine.dispatcher import CancelResult, Dispatcher
from openbraket.engine.executors.base import Failed, Lost, StoredObject, Succeeded
from openbraket.engine.states import Status
from openbraket.store import buckets, objects, quantum_tasks
from openbraket.store.buckets import Bucket
from openbraket.store.database import Database
from openbraket.store.quantum_tasks import NewTask, create

pytestmark = pytest.mark.anyio

WAIT_S = 30


class FakeExecutor:
    """Attempts that end when the test ends them; a kill ends one as lost."""

    def __init__(self, slots=1):
        self.slots = slots
        self.running = {}
        self.started = []
        self.killed = []
        self.is_running = False

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

    def __init__(self, data_dir, executor, **limits):
        self.executor = executor
        self.database = Database.open(data_dir / "openbraket.sqlite3", durability="normal")
        self.blobs = LocalBlobs(data_dir / "objects", is_durable=False)
        self.dispatcher = Dispatcher(
            self.database,
            self.blobs,
            executor,
            runners={"action": "runner"},
            **{"memory_bytes_max": 1000, "thread_count_max": 64, **limits},
        )

    async def create(self, *, is_told=True, **values):
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
        creation = await self.database.write(lambda c: create(c, task, response_json="{}"))
        if is_told:
            self.dispatcher.task_created(creation.waiting)
        return task_id

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

    def files(self):
        return [path for path in (self.blobs.root / "objects").rglob("*") if path.is_file()]


@asynccontextmanager
async def open_house(data_dir, *, slots=1, is_crashing=False, **limits):
    house = House(data_dir, FakeExecutor(slots), **limits)
    bucket = Bucket(name="bucket", account="000000000000", region="us-east-1", created_at=1)
    await house.database.write(lambda c: buckets.create_bucket(c, bucket))
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


async def test_task_starts_at_once_and_completes_with_its_object(data_dir):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        assert await house.statuses(task_id) == ["RUNNING"]
        assert house.task(task_id).attempt == 1
        house.executor.end(task_id, house.result())
        assert await house.statuses(task_id) == ["COMPLETED"]
        task = house.task(task_id)
        assert task.num_successful_shots == 10
        assert task.ended_at is not None
        stored = house.object(task_id)
        assert house.blobs.path(stored.blob_id).read_bytes() == b"result"
        assert stored.content_type == "application/json"


async def test_work_carries_the_whole_task(data_dir):
    async with open_house(data_dir, thread_count_max=4) as house:
        task_id = await house.create(
            action=b"program", device_parameters="{}", thread_count=9, memory_bytes=7
        )
        await house.settle()
        work, _, _ = house.executor.running[task_id]
        assert (work.action, work.device_parameters, work.shots) == (b"program", "{}", 10)
        assert (work.runner, work.attempt, work.thread_count) == ("runner", 1, 4)
        assert work.task_arn == f"arn:aws:braket:us-east-1:000000000000:quantum-task/{task_id}"


async def test_tasks_that_wait_are_queued_and_start_by_priority_and_age(data_dir):
    async with open_house(data_dir) as house:
        first = await house.create()
        await house.settle()
        waiting = [await house.create(priority=priority) for priority in (0, 0, 1, 0, 1)]
        assert await house.statuses(first, *waiting) == ["RUNNING", *["QUEUED"] * 5]
        order = [first, *(waiting[index] for index in (2, 4, 0, 1, 3))]
        positions = []
        with house.database.read() as connection:
            for task_id in order[1:]:
                task = quantum_tasks.get(connection, task_id)
                positions.append(quantum_tasks.queue_position(connection, task, count_max=100))
        assert positions == [0, 1, 2, 3, 4]
        for task_id in order:
            await house.settle()
            house.executor.end(task_id, house.result())
        assert [task_id for task_id, _ in house.executor.started] == order
        assert await house.statuses(*order) == ["COMPLETED"] * 6


async def test_memory_bounds_what_runs_together(data_dir):
    async with open_house(data_dir, slots=4, memory_bytes_max=100) as house:
        sizes = (60, 30, 60, 10)
        tasks = [await house.create(memory_bytes=size) for size in sizes]
        # The third does not fit, and the fourth does not overtake it.
        assert await house.statuses(*tasks) == ["RUNNING", "RUNNING", "QUEUED", "QUEUED"]
        house.executor.end(tasks[1], house.result())
        assert await house.statuses(*tasks) == ["RUNNING", "COMPLETED", "QUEUED", "QUEUED"]
        house.executor.end(tasks[0], house.result())
        assert await house.statuses(*tasks[2:]) == ["RUNNING", "RUNNING"]


async def test_threads_bound_what_runs_together(data_dir):
    async with open_house(data_dir, slots=4, thread_count_max=4) as house:
        tasks = [await house.create(thread_count=count) for count in (3, 8, 1)]
        assert await house.statuses(*tasks) == ["RUNNING", "QUEUED", "QUEUED"]
        house.executor.end(tasks[0], house.result())
        assert await house.statuses(*tasks) == ["COMPLETED", "RUNNING", "QUEUED"]
        house.executor.end(tasks[1], house.result())
        assert await house.statuses(*tasks) == ["COMPLETED", "COMPLETED", "RUNNING"]


async def test_task_that_can_never_run_fails_with_the_numbers(data_dir):
    async with open_house(data_dir, memory_bytes_max=100) as house:
        large = await house.create(memory_bytes=101)
        unknown = await house.create(action_type="braket.ir.unknown")
        fine = await house.create()
        assert await house.statuses(large, unknown, fine) == ["FAILED", "FAILED", "RUNNING"]
        assert house.task(large).failure_reason == (
            "The quantum task needs 101 bytes of memory; this service can give at most 100."
        )
        assert "braket.ir.unknown" in house.task(unknown).failure_reason


async def test_failed_attempt_fails_the_task_with_its_reason(data_dir, caplog):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        house.executor.end(task_id, Failed("InternalError: a bug", "ValueError: a bug at x:1"))
        assert await house.statuses(task_id) == ["FAILED"]
        task = house.task(task_id)
        assert task.failure_reason == "InternalError: a bug"
        assert task.num_successful_shots is None
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "ValueError: a bug at x:1" in caplog.text


async def test_outcome_into_a_deleted_bucket_fails_and_leaves_no_file(data_dir):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        await house.database.write(lambda c: buckets.delete_bucket(c, "bucket"))
        house.executor.end(task_id, house.result())
        assert await house.statuses(task_id) == ["FAILED"]
        assert house.task(task_id).failure_reason == "The output bucket bucket no longer exists."
        assert house.object(task_id) is None
        await house.dispatcher.stop()
        assert house.files() == []


async def test_replaced_object_leaves_no_file(data_dir):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        foreign = house.blobs.put(b"put there by the client")
        await house.database.write(
            lambda c: objects.put_object(
                c,
                bucket="bucket",
                key=f"tasks/{task_id}/results.json",
                blob=foreign,
                last_modified=1,
            )
        )
        house.executor.end(task_id, house.result())
        await house.settle()
        await house.dispatcher.stop()
        assert [path.read_bytes() for path in house.files()] == [b"result"]


async def test_lost_attempt_runs_again_before_the_others(data_dir):
    async with open_house(data_dir) as house:
        first, second = await house.create(), await house.create()
        await house.settle()
        house.executor.end(first, Lost(-9))
        assert await house.statuses(first, second) == ["RUNNING", "QUEUED"]
        assert house.task(first).lost_count == 1


async def test_task_that_loses_every_attempt_fails_with_the_signal(data_dir):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        for _ in range(3):
            await house.settle()
            house.executor.end(task_id, Lost(-9))
        assert await house.statuses(task_id) == ["FAILED"]
        assert house.executor.started == [(task_id, 1), (task_id, 2), (task_id, 3)]
        assert house.task(task_id).failure_reason == (
            "The worker process ended unexpectedly (signal 9) in each of 3 attempts."
        )


async def test_cancel_of_waiting_task_is_immediate_and_it_never_starts(data_dir):
    async with open_house(data_dir) as house:
        running, waiting = await house.create(), await house.create()
        await house.settle()
        assert await house.dispatcher.cancel(waiting) == CancelResult(
            Status.CANCELLED, is_changed=True
        )
        assert house.task(waiting).status == "CANCELLED"
        house.executor.end(running, house.result())
        assert await house.statuses(running, waiting) == ["COMPLETED", "CANCELLED"]
        assert house.executor.started == [(running, 1)]


async def test_cancel_of_running_task_kills_the_attempt(data_dir):
    async with open_house(data_dir) as house:
        task_id, next_id = await house.create(), await house.create()
        await house.settle()
        result = await house.dispatcher.cancel(task_id)
        assert result == CancelResult(Status.CANCELLING, is_changed=True)
        assert house.executor.killed == [(task_id, 1)]
        assert await house.statuses(task_id, next_id) == ["CANCELLED", "RUNNING"]
        assert house.task(task_id).ended_at is not None
        again = await house.dispatcher.cancel(task_id)
        assert again == CancelResult(Status.CANCELLED, is_changed=False)


async def test_result_that_comes_after_the_cancel_is_dropped(data_dir):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        cancel = asyncio.create_task(house.dispatcher.cancel(task_id))
        await asyncio.sleep(0)
        house.executor.end(task_id, house.result())
        assert (await cancel).status == Status.CANCELLING
        assert await house.statuses(task_id) == ["CANCELLED"]
        assert house.object(task_id) is None
        await house.dispatcher.stop()
        assert house.files() == []


@pytest.mark.parametrize("outcome", ["COMPLETED", "FAILED"])
async def test_cancel_of_ended_task_tells_its_status(data_dir, outcome):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        end = house.result() if outcome == "COMPLETED" else Failed("no")
        house.executor.end(task_id, end)
        await house.settle()
        result = await house.dispatcher.cancel(task_id)
        assert result == CancelResult(Status(outcome), is_changed=False)
        assert await house.statuses(task_id) == [outcome]


async def test_cancel_of_unknown_task_is_none(data_dir):
    async with open_house(data_dir) as house:
        assert await house.dispatcher.cancel("unknown") is None


async def test_task_cancelled_before_the_dispatcher_hears_of_it_is_killed(data_dir):
    async with open_house(data_dir) as house:
        task_id = await house.create(is_told=False)
        assert (await house.dispatcher.cancel(task_id)).status == Status.CANCELLED
        with house.database.read() as connection:
            task = quantum_tasks.get(connection, task_id)
        house.dispatcher.task_created(
            quantum_tasks.WaitingTask(task.seq, task.id, task.device_arn, "CREATED", 0, 0, 0, 0, 1)
        )
        assert await house.statuses(task_id) == ["CANCELLED"]
        assert house.executor.killed == [(task_id, 1)]
        assert house.dispatcher.running_count == 0


async def test_clean_stop_returns_running_tasks_to_the_queue(data_dir):
    async with open_house(data_dir) as house:
        running, waiting = await house.create(), await house.create()
        await house.settle()
        await house.dispatcher.stop()
        assert await house.statuses(running, waiting) == ["QUEUED", "QUEUED"]
        assert (house.task(running).attempt, house.task(running).lost_count) == (1, 0)
    async with open_house(data_dir) as house:
        assert await house.statuses(running, waiting) == ["RUNNING", "QUEUED"]
        assert house.task(running).attempt == 2


async def test_recovery_after_a_crash_runs_everything_in_order(data_dir):
    async with open_house(data_dir, slots=2, is_crashing=True) as house:
        running, cancelling = await house.create(), await house.create()
        done = await house.create()
        await house.settle()
        house.executor.end(running, house.result())
        await house.settle()
        house.executor.end(done, house.result())
        lost = await house.create()
        queued = await house.create()
        untold = await house.create(is_told=False)
        await house.settle()
        house.executor.kill = lambda task_id, attempt: None
        assert (await house.dispatcher.cancel(cancelling)).status == Status.CANCELLING
    async with open_house(data_dir, slots=2) as house:
        everything = (running, cancelling, done, lost, queued, untold)
        assert await house.statuses(*everything) == [
            "COMPLETED",
            "CANCELLED",
            "COMPLETED",
            "RUNNING",
            "RUNNING",
            "QUEUED",
        ]
        assert house.executor.started == [(lost, 2), (queued, 1)]
        assert house.task(lost).lost_count == 1


async def test_task_that_every_crash_interrupts_is_given_up(data_dir):
    async with open_house(data_dir, is_crashing=True) as house:
        task_id = await house.create()
        await house.settle()
    for _ in range(2):
        async with open_house(data_dir, is_crashing=True) as house:
            assert await house.statuses(task_id) == ["RUNNING"]
    async with open_house(data_dir) as house:
        assert await house.statuses(task_id) == ["FAILED"]
        assert "in each of 3 attempts" in house.task(task_id).failure_reason


async def test_outcome_of_an_older_attempt_is_dropped(data_dir):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        await house.database.write(
            lambda c: c.exec_driver_sql("UPDATE quantum_tasks SET attempt = 2")
        )
        house.executor.end(task_id, house.result())
        assert await house.statuses(task_id) == ["RUNNING"]
        assert house.object(task_id) is None
        await house.dispatcher.stop()
        assert house.files() == []


async def test_outcome_waits_while_the_records_refuse_it(data_dir, monkeypatch):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        write, refused = house.database.write, asyncio.Event()

        async def refuse_once(work):
            if not refused.is_set():
                refused.set()
                raise StoreError("The disk is full.")
            return await write(work)

        monkeypatch.setattr("openbraket.engine.dispatcher.RETRY_S_FIRST", 0)
        monkeypatch.setattr(house.database, "write", refuse_once)
        house.executor.end(task_id, house.result())
        await asyncio.wait_for(refused.wait(), WAIT_S)
        assert await house.statuses(task_id) == ["COMPLETED"]


async def test_start_that_the_records_refuse_is_tried_again(data_dir, monkeypatch):
    async with open_house(data_dir) as house:
        submit, refusals = house.database.submit, []

        def refuse_once(work, **options):
            if not refusals:
                refusals.append(work)
                raise StoreError("The disk is full.")
            return submit(work, **options)

        monkeypatch.setattr("openbraket.engine.dispatcher.RETRY_S_MAX", 0)
        monkeypatch.setattr(house.database, "submit", refuse_once)
        task_id = await house.create()
        assert await house.statuses(task_id) == ["RUNNING"]
        assert refusals


async def test_progress_is_passed_on(data_dir):
    seen = []
    async with open_house(data_dir, on_progress=lambda *item: seen.append(item)) as house:
        task_id = await house.create()
        await house.settle()
        house.executor.running[task_id][2](0.25)
    assert seen == [(task_id, 0.25)]
