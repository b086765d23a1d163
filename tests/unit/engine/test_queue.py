"""The queue under random loads: what is shown, what starts, and that nothing is left over."""

import random

import pytest

from openbraket.engine.executors.base import Lost
from support.house import open_house

pytestmark = pytest.mark.anyio


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
            expected, first = house.positions(), len(house.executor.started)
            while house.executor.running:
                house.executor.end(rng.choice(list(house.executor.running)), house.result())
                await house.settle()
            assert [task_id for task_id, _ in house.executor.started[first:]] == expected
            assert house.at_rest()
            checked += len(expected)
        statuses = set(await house.statuses(*created))
        assert statuses <= {"COMPLETED", "CANCELLED", "FAILED"}
    assert checked > 20
