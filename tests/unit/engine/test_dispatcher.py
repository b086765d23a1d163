"""The dispatcher's decisions, with an executor whose attempts end when the test says so."""

import asyncio
import logging
from dataclasses import replace

import pytest

from openbraket.base.errors import StoreError
from openbraket.engine import queue
from openbraket.engine.dispatcher import CancelResult
from openbraket.engine.executors.base import Failed, Lost, StoredObject, Succeeded
from openbraket.engine.retries import Retry
from openbraket.engine.states import Status
from openbraket.store import buckets, objects, quantum_tasks
from support.house import WAIT_S, open_house

pytestmark = pytest.mark.anyio


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
    async with open_house(data_dir, thread_count_max=4, seed=3) as house:
        task_id = await house.create(
            action=b"program", device_parameters="{}", thread_count=9, memory_bytes=7
        )
        await house.settle()
        work, _, _ = house.executor.running[task_id]
        assert (work.action, work.device_parameters, work.shots) == (b"program", "{}", 10)
        assert (work.runner, work.attempt, work.thread_count) == ("runner", 1, 4)
        assert work.seed == 3
        assert work.task_arn == f"arn:aws:braket:us-east-1:000000000000:quantum-task/{task_id}"


async def test_tasks_that_wait_are_queued_and_start_by_priority_and_age(data_dir):
    async with open_house(data_dir) as house:
        first = await house.create()
        await house.settle()
        waiting = [await house.create(priority=priority) for priority in (0, 0, 1, 0, 1)]
        assert await house.statuses(first, *waiting) == ["RUNNING", *["QUEUED"] * 5]
        order = [first, *(waiting[index] for index in (2, 4, 0, 1, 3))]
        assert house.positions() == {"arn:sv1": order[1:]}
        depth = house.dispatcher.queue_depth
        assert [depth("arn:sv1", priority=priority) for priority in (0, 1)] == [3, 2]
        assert depth("arn:other", priority=0) == 0
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


async def test_task_cancelled_before_the_dispatcher_hears_of_it_never_starts(data_dir):
    async with open_house(data_dir) as house:
        task_id, _ = await house.record()
        assert (await house.dispatcher.cancel(task_id)).status == Status.CANCELLED
        with house.database.read() as connection:
            task = quantum_tasks.get(connection, task_id)
        house.dispatcher.task_created(
            quantum_tasks.WaitingTask(
                task.seq, task.id, task.account, task.device_arn, "CREATED", 0, 0, 0, 0, 1
            )
        )
        assert await house.statuses(task_id) == ["CANCELLED"]
        assert house.executor.started == []
        assert house.dispatcher.running_counts().total() == 0


async def test_attempt_whose_task_was_cancelled_unheard_is_killed(data_dir):
    async with open_house(data_dir) as house:
        task_id, waiting = await house.record()
        assert (await house.dispatcher.cancel(task_id)).status == Status.CANCELLED
        house.dispatcher.task_created(waiting)
        assert await house.statuses(task_id) == ["CANCELLED"]
        assert house.executor.killed == [(task_id, 1)]
        assert house.at_rest()


async def test_cancel_between_start_and_its_record_kills_the_attempt(data_dir):
    async with open_house(data_dir, start_record_delay_s=WAIT_S) as house:
        task_id = await house.create()
        assert await house.statuses(task_id) == ["CREATED"]
        assert house.executor.started == [(task_id, 1)]
        result = await house.dispatcher.cancel(task_id)
        assert result == CancelResult(Status.CANCELLING, is_changed=True)
        assert await house.statuses(task_id) == ["CANCELLED"]
        assert house.at_rest()


async def test_outcome_before_the_record_of_its_start_needs_no_other_change(data_dir):
    async with open_house(data_dir, start_record_delay_s=WAIT_S) as house:
        done, lost = await house.create(), await house.create()
        await house.settle()
        house.executor.end(done, house.result())
        await house.settle()
        house.executor.end(lost, Lost(-9))
        assert await house.statuses(done, lost) == ["COMPLETED", "QUEUED"]
        assert house.task(done).attempt == 1
        assert house.task(done).started_at is not None
        assert (house.task(lost).attempt, house.task(lost).lost_count) == (1, 1)
        assert house.executor.started == [(done, 1), (lost, 1), (lost, 2)]


async def test_cancellation_goes_on_when_its_caller_is_gone(data_dir):
    async with open_house(data_dir) as house:
        running, waiting = await house.create(), await house.create()
        await house.settle()
        for task_id in (running, waiting):
            caller = asyncio.create_task(house.dispatcher.cancel(task_id))
            await asyncio.sleep(0)
            caller.cancel()
        assert await house.statuses(running, waiting) == ["CANCELLED", "CANCELLED"]
        assert house.executor.killed == [(running, 1)]
        assert house.at_rest()


async def test_task_whose_cancellation_the_records_refuse_is_as_before(data_dir, monkeypatch):
    async with open_house(data_dir) as house:
        running, waiting = await house.create(), await house.create()
        await house.settle()

        def refuse(work, **options):
            future = asyncio.get_running_loop().create_future()
            future.set_exception(StoreError("The disk is full."))
            return future

        with monkeypatch.context() as patch:
            patch.setattr(house.database, "submit", refuse)
            caller = asyncio.create_task(house.dispatcher.cancel(waiting))
            await asyncio.sleep(0)
            caller.cancel()
            with pytest.raises(StoreError):
                await house.dispatcher.cancel(running)
        assert await house.statuses(running, waiting) == ["RUNNING", "QUEUED"]
        house.executor.end(running, house.result())
        assert await house.statuses(running, waiting) == ["COMPLETED", "RUNNING"]


async def test_nobody_who_waited_for_an_end_is_kept(data_dir):
    async with open_house(data_dir) as house:
        dispatcher = house.dispatcher
        running, waiting = await house.create(), await house.create()
        await house.settle()
        await dispatcher.wait_for_end(running, timeout_s=0)
        caller = asyncio.create_task(dispatcher.wait_for_end(running, timeout_s=WAIT_S))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait((caller,))
        assert len(dispatcher._end_waiters) == 0
        callers = [
            asyncio.create_task(dispatcher.wait_for_end(task_id, timeout_s=100 * WAIT_S))
            for task_id in (running, waiting)
        ]
        await asyncio.sleep(0)
        await dispatcher.cancel(waiting)
        house.executor.end(running, house.result())
        await asyncio.wait_for(asyncio.gather(*callers), WAIT_S)
        assert len(dispatcher._end_waiters) == 0


async def test_waiting_tasks_keep_no_long_programs_in_memory(data_dir, monkeypatch):
    monkeypatch.setattr(queue, "KEPT_ACTION_COUNT_MAX", 3)
    long = b"x" * (queue.KEPT_ACTION_BYTES_MAX + 1)
    async with open_house(data_dir) as house:
        for action in (b"run", b"short", long, b"short", b"one too many"):
            await house.create(action=action)
        await house.settle()
        kept = sorted(house.dispatcher._queue, key=lambda task: task.seq)
        assert [task.new and task.new.action for task in kept] == [b"short", None, b"short", None]
        assert all(run.waiting.new is None for run in house.dispatcher._running.values())
        while house.executor.running:
            (task_id,) = house.executor.running
            house.executor.end(task_id, house.result())
            await house.settle()
        assert [work.action for work in house.executor.works] == [
            b"run", b"short", long, b"short", b"one too many"
        ]  # fmt: skip


async def test_cancelled_tasks_do_not_stay_in_the_queue(data_dir):
    async with open_house(data_dir) as house:
        await house.create()
        kept = await house.create()
        for _ in range(30):
            await house.dispatcher.cancel(await house.create())
        queue = house.dispatcher._queue
        assert [line.count for line in queue._lines.values()] == [1]
        assert len(queue._ids) == 1
        assert [task.id for task in house.dispatcher._queue] == [kept]


def fail_first_commit_after_all(house, monkeypatch):
    """Have the next commit take effect and report a failure; it is tried again at once."""
    write, failures = house.database.write, []

    async def fail_once(work):
        result = await write(work)
        if not failures:
            failures.append(work)
            raise StoreError("The disk did not answer.")
        return result

    monkeypatch.setattr("openbraket.engine.concluding.RECORDS", Retry(0, 0))
    monkeypatch.setattr(house.database, "write", fail_once)


async def test_commit_that_failed_after_all_leaves_the_result_readable(data_dir, monkeypatch):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        fail_first_commit_after_all(house, monkeypatch)
        house.executor.end(task_id, house.result())
        assert await house.statuses(task_id) == ["COMPLETED"]
        await house.dispatcher.stop()
        stored = house.object(task_id)
        assert house.blobs.path(stored.blob_id).read_bytes() == b"result"


async def test_loss_whose_commit_failed_after_all_returns_to_the_queue(data_dir, monkeypatch):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        fail_first_commit_after_all(house, monkeypatch)
        house.executor.end(task_id, Lost(-9))
        assert await house.statuses(task_id) == ["RUNNING"]
        assert house.executor.started == [(task_id, 1), (task_id, 2)]
        assert house.task(task_id).lost_count == 1


async def test_attempt_whose_start_the_records_refuse_still_completes(data_dir, monkeypatch):
    async with open_house(data_dir) as house:
        submit = house.database.submit

        def refuse(work, **options):
            raise StoreError("The disk is full.")

        monkeypatch.setattr(house.database, "submit", refuse)
        task_id = await house.create()
        await house.settle()
        monkeypatch.setattr(house.database, "submit", submit)
        house.executor.end(task_id, house.result())
        assert await house.statuses(task_id) == ["COMPLETED"]
        assert house.executor.started == [(task_id, 1)]
        assert house.at_rest()


async def test_stop_does_not_wait_for_a_retry(data_dir, monkeypatch):
    monkeypatch.setattr("openbraket.engine.concluding.RECORDS", Retry(10 * WAIT_S, 10 * WAIT_S))
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        write = house.database.write

        async def refuse(work):
            raise StoreError("The disk is full.")

        with monkeypatch.context() as patch:
            patch.setattr(house.database, "write", refuse)
            house.executor.end(task_id, house.result())
            for _ in range(5):
                await asyncio.sleep(0)
            await asyncio.wait_for(house.dispatcher.stop(), WAIT_S)
        assert write == house.database.write
    async with open_house(data_dir) as house:
        assert await house.statuses(task_id) == ["RUNNING"]


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
        untold, _ = await house.record()
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

        monkeypatch.setattr("openbraket.engine.concluding.RECORDS", Retry(0, 0))
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

        monkeypatch.setattr("openbraket.engine.dispatcher.RECORDS", Retry(0, 0))
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


async def test_task_that_failed_with_results_has_its_reason_and_its_objects(data_dir):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        outcome = replace(house.result(), num_successful_shots=0, failure_reason="all failed")
        house.executor.end(task_id, outcome)
        assert await house.statuses(task_id) == ["FAILED"]
        task = house.task(task_id)
        assert (task.failure_reason, task.num_successful_shots) == ("all failed", 0)
        assert house.object(task_id).blob_id == outcome.objects[0].blob.id


NAMES = ["metadata.json", "programs/0/results.json", "results.json"]


def several_objects(house):
    stored = [
        StoredObject(name, "application/json", house.blobs.put(name.encode())) for name in NAMES
    ]
    return Succeeded(tuple(stored), 10)


def keys(house):
    with house.database.read() as connection:
        listed = objects.list_objects(connection, bucket="bucket", prefix="tasks/").objects
    return [item.key for item in listed]


async def test_objects_of_one_outcome_appear_together_or_not_at_all(data_dir):
    async with open_house(data_dir, slots=2) as house:
        kept, dropped = await house.create(), await house.create()
        await house.settle()
        cancel = asyncio.create_task(house.dispatcher.cancel(dropped))
        await asyncio.sleep(0)
        house.executor.end(dropped, several_objects(house))
        house.executor.end(kept, several_objects(house))
        assert (await cancel).status == Status.CANCELLING
        assert await house.statuses(kept, dropped) == ["COMPLETED", "CANCELLED"]
        assert keys(house) == [f"tasks/{kept}/{name}" for name in NAMES]
        await house.dispatcher.stop()
        assert sorted(path.read_text() for path in house.files()) == NAMES


async def test_objects_of_an_outcome_whose_commit_is_repeated_are_all_kept(data_dir, monkeypatch):
    async with open_house(data_dir) as house:
        task_id = await house.create()
        await house.settle()
        fail_first_commit_after_all(house, monkeypatch)
        house.executor.end(task_id, several_objects(house))
        assert await house.statuses(task_id) == ["COMPLETED"]
        await house.dispatcher.stop()
        assert keys(house) == [f"tasks/{task_id}/{name}" for name in NAMES]
        assert sorted(path.read_text() for path in house.files()) == NAMES
