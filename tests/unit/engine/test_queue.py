"""The queue under random loads: what is shown, what starts, and that nothing is left over."""

import random

import pytest

from openbraket.engine.executors.base import Lost
from openbraket.engine.queue import SMALL_BYTES_MAX, TaskQueue
from openbraket.store.quantum_tasks import WaitingTask
from support.house import open_house

pytestmark = pytest.mark.anyio


def waiting_task(seq, *, account="a", priority=0, device_arn="arn:sv1", threads=1, memory=0):
    return WaitingTask(
        seq=seq, id=f"task-{seq}", account=account, device_arn=device_arn, status="QUEUED",
        attempt=0, lost_count=0, priority=priority, memory_bytes=memory, thread_count=threads,
    )  # fmt: skip


async def disturb(house, rng, created):
    """Do one thing that a client or a machine may do."""
    choice, running = rng.random(), list(house.executor.running)
    if choice < 0.6:
        sizes = {"memory_bytes": rng.choice((0, 10, 60, 100)), "thread_count": rng.choice((1, 4))}
        created.append(await house.create(priority=rng.randrange(2), **sizes))
    elif choice < 0.7 and created:
        await house.dispatcher.cancel(rng.choice(created))
    elif running:
        house.executor.end(rng.choice(running), Lost(-9) if choice < 0.8 else house.result())


@pytest.mark.parametrize("seed", range(5))
async def test_tasks_start_in_the_order_of_their_positions(data_dir, seed):
    rng, created, checked = random.Random(seed), [], 0
    async with open_house(data_dir, slots=2, memory_bytes_max=100, thread_count_max=4) as house:
        for _ in range(5):
            for _ in range(rng.randrange(10, 25)):
                await disturb(house, rng, created)
                if rng.random() < 0.5:
                    await house.settle()
            await house.settle()
            expected, first = house.positions().get("arn:sv1", []), len(house.executor.started)
            while house.executor.running:
                house.executor.end(rng.choice(list(house.executor.running)), house.result())
                await house.settle()
            assert [task_id for task_id, _ in house.executor.started[first:]] == expected
            assert house.at_rest()
            checked += len(expected)
        statuses = set(await house.statuses(*created))
        assert statuses <= {"COMPLETED", "CANCELLED", "FAILED"}
    assert checked > 20


DEVICES = ("arn:sv1", "arn:qpu", "arn:other")


async def disturb_devices(house, rng, created):
    """Create, cancel, open and close; every step is one that a client or an operator may do."""
    choice = rng.random()
    if choice < 0.7:
        created.append(
            await house.create(priority=rng.randrange(2), device_arn=rng.choice(DEVICES))
        )
    elif choice < 0.85 and created:
        await house.dispatcher.cancel(rng.choice(created))
    else:
        closed = frozenset(rng.sample(DEVICES, rng.randrange(3)))
        house.dispatcher.set_closed(closed)


@pytest.mark.parametrize("seed", range(5))
async def test_each_device_keeps_its_order_while_devices_open_and_close(data_dir, seed):
    rng, created, checked = random.Random(seed), [], 0
    async with open_house(data_dir, slots=2) as house:
        for _ in range(5):
            for _ in range(20):
                await disturb_devices(house, rng, created)
            await house.settle()
            expected, first = house.positions(), len(house.executor.started)
            devices = {task_id: arn for arn, ids in expected.items() for task_id in ids}
            house.dispatcher.set_closed(frozenset())
            await house.settle()
            while house.executor.running:
                house.executor.end(rng.choice(list(house.executor.running)), house.result())
                await house.settle()
            started = [task_id for task_id, _ in house.executor.started[first:]]
            for arn, ids in expected.items():
                assert [task_id for task_id in started if devices[task_id] == arn] == ids
            checked += len(started)
    assert checked > 20


async def test_tasks_of_a_closed_device_wait_and_others_pass_them(data_dir):
    async with open_house(data_dir) as house:
        house.dispatcher.set_closed(frozenset({"arn:qpu"}))
        assert house.dispatcher.first_status("arn:qpu") == "QUEUED"
        assert house.dispatcher.first_status("arn:sv1") == "CREATED"
        held = [await house.create(device_arn="arn:qpu") for _ in range(2)]
        urgent = await house.create(device_arn="arn:qpu", priority=1)
        other = await house.create()
        assert await house.statuses(*held, urgent, other) == [*["QUEUED"] * 3, "RUNNING"]
        assert house.positions() == {"arn:qpu": [urgent, *held]}
        assert house.dispatcher.queue_depth("arn:qpu", priority=0) == 2
        await house.dispatcher.cancel(held[0])
        house.executor.end(other, house.result())
        assert await house.statuses(held[0], urgent) == ["CANCELLED", "QUEUED"]
        house.dispatcher.set_closed(frozenset())
        assert await house.statuses(held[1], urgent) == ["QUEUED", "RUNNING"]
        house.executor.end(urgent, house.result())
        assert await house.statuses(held[1]) == ["RUNNING"]


async def test_closed_device_still_waits_after_a_restart(data_dir):
    async with open_house(data_dir) as house:
        house.dispatcher.set_closed(frozenset({"arn:qpu"}))
        held = await house.create(device_arn="arn:qpu")
        await house.settle()
    async with open_house(data_dir, closed=frozenset({"arn:qpu"})) as house:
        assert await house.statuses(held) == ["QUEUED"]
        house.dispatcher.set_closed(frozenset())
        assert await house.statuses(held) == ["RUNNING"]


async def test_task_that_has_started_is_ahead_of_nobody(data_dir):
    # Its record says CREATED until the start is written: the position must not count it.
    async with open_house(data_dir, start_record_delay_s=60) as house:
        running, waiting = await house.create(), await house.create()
        await house.settle()
        assert house.executor.started == [(running, 1)]
        assert house.task(running).status == "CREATED"
        assert house.dispatcher.queue_position(house.task(waiting)) == 0
        house.executor.end(running, house.result())
        assert await house.statuses(running) == ["COMPLETED"]


def test_positions_of_a_long_queue_are_exact():
    queue, rng = TaskQueue(), random.Random(1)
    tasks = [waiting_task(seq, priority=rng.randrange(2)) for seq in range(3000)]
    for task in rng.sample(tasks, len(tasks)):
        queue.add(task)
    for task in rng.sample(tasks, 1000):
        assert queue.discard(task.id) == task
        assert queue.discard(task.id) is None
    left = sorted(queue, key=lambda task: (-task.priority, task.seq))
    assert len(left) == 2000
    assert [queue.position(task) for task in left] == list(range(2000))
    counts = [sum(task.priority == priority for task in left) for priority in (0, 1)]
    assert [queue.depth("arn:sv1", priority) for priority in (0, 1)] == counts
    for task in left:
        assert queue.first() == task
        queue.discard(task.id)
    assert queue.first() is None
    assert queue._lines == {}


def drain(queue):
    """Start everything in the queue and return the numbers of acceptance in that order."""
    order = []
    while (task := queue.first()) is not None:
        queue.start(task)
        order.append(task.seq)
    return order


def test_accounts_take_turns_and_each_keeps_its_own_order():
    queue = TaskQueue()
    for seq, account in enumerate("aaaaabbbc"):
        queue.add(waiting_task(seq, account=account))
    assert drain(queue) == [0, 5, 8, 1, 6, 2, 7, 3, 4]


@pytest.mark.parametrize("seed", range(20))
def test_positions_are_the_order_of_starts_whoever_waits(seed):
    queue, rng, kept = TaskQueue(), random.Random(seed), {}
    for seq in range(60):
        task = waiting_task(seq, account=rng.choice("abcd"), priority=rng.randrange(2))
        queue.add(task)
        kept[task.id] = task
        if rng.random() < 0.2:
            gone = rng.choice(list(kept))
            assert queue.discard(gone) == kept.pop(gone)
        if kept and rng.random() < 0.2:
            started = queue.first()
            queue.start(started)
            del kept[started.id]
    expected = sorted(kept.values(), key=queue.position)
    assert [queue.position(task) for task in expected] == list(range(len(expected)))
    assert drain(queue) == [task.seq for task in expected]
    assert not queue._lines
    assert not queue._ids


def test_between_devices_the_account_that_had_least_goes_first():
    queue = TaskQueue()
    for seq in range(4):
        queue.add(waiting_task(seq, account="wide", device_arn="arn:sv1", threads=8))
    for seq in range(4, 24):
        queue.add(waiting_task(seq, account="narrow", device_arn="arn:dm1"))
    order = drain(queue)
    starts = [order.index(seq) for seq in range(4)]
    # Eight tasks of one thread for each of eight threads.
    assert starts == [0, 9, 18, 23]


def test_an_account_that_was_away_does_not_make_up_for_it():
    queue = TaskQueue()
    for seq in range(50):
        queue.add(waiting_task(seq, account="here", device_arn="arn:sv1"))
        queue.start(queue.first())
    for seq in range(50, 60):
        account, device_arn = [("here", "arn:sv1"), ("away", "arn:dm1")][seq % 2]
        queue.add(waiting_task(seq, account=account, device_arn=device_arn))
    assert [seq % 2 for seq in drain(queue)[:6]] in ([0, 1] * 3, [1, 0] * 3)


def test_the_first_small_task_is_found_behind_wide_ones():
    queue = TaskQueue()
    assert queue.first_small() is None
    for seq in range(3):
        queue.add(waiting_task(seq, threads=8))
    queue.add(waiting_task(3, memory=SMALL_BYTES_MAX + 1))
    assert queue.first_small() is None
    small = [waiting_task(4, account="b"), waiting_task(5)]
    for task in small:
        queue.add(task)
    assert queue.first_small() == small[1]  # a's turn comes before b's
    queue.start(small[1])
    assert queue.first_small() == small[0]
    assert queue.first().seq == 4


async def test_small_tasks_run_beside_a_wide_one_which_they_do_not_delay(data_dir):
    limits = {"slots": 4, "thread_count_max": 4, "memory_bytes_max": 1 << 30, "extra_count": 1}
    async with open_house(data_dir, **limits) as house:
        wide = [await house.create(thread_count=4) for _ in range(2)]
        small = [await house.create(thread_count=1) for _ in range(3)]
        await house.settle()
        assert list(house.executor.running) == [wide[0], small[0]]
        house.executor.end(small[0], house.result())
        await house.settle()
        assert list(house.executor.running) == [wide[0], small[1]]
        house.executor.end(wide[0], house.result())
        await house.settle()
        # The small one in the extra place takes nothing of what the next wide one needs.
        assert list(house.executor.running) == [small[1], wide[1]]
        house.executor.end(small[1], house.result())
        house.executor.end(wide[1], house.result())
        await house.settle()
        assert list(house.executor.running) == [small[2]]
        house.executor.end(small[2], house.result())
        await house.settle()
        assert house.at_rest()
