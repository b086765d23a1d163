"""A leader that has lost its lock, and does not know it yet, changes nothing any more."""

import asyncio
from contextlib import contextmanager

import pytest

from openbraket.base.errors import StoreError
from openbraket.engine.executors.base import Lost
from openbraket.engine.states import Status
from support.databases import database_url, postgresql_only, postgresql_server
from support.house import FakeExecutor, House, add_bucket, open_house
from support.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, postgresql_only]


@contextmanager
def lead(data_dir):
    """Hold the lead of the servers on a data directory, and give its guard."""
    from openbraket.store.peers import Lead
    from openbraket.store.postgresql import LEADER_LOCK

    name = database_url(data_dir).rpartition("/")[2]
    with postgresql_server().connect(name) as connection:
        connection.execute(f"SELECT pg_advisory_lock({LEADER_LOCK})")
        try:
            yield Lead(connection.info.backend_pid).require
        finally:
            connection.execute(f"SELECT pg_advisory_unlock({LEADER_LOCK})")


async def test_outcome_of_a_deposed_leader_is_refused_even_with_the_same_attempt(data_dir):
    with lead(data_dir) as guard:
        old = House(data_dir, FakeExecutor(), guard=guard, start_record_delay_s=1000)
        await add_bucket(old)
        await old.dispatcher.start()
        task_id = await old.create()
        await old.settle()
        assert old.executor.started == [(task_id, 1)]
        assert old.task(task_id).attempt == 0
    with lead(data_dir) as guard:
        async with open_house(data_dir, guard=guard) as new:
            assert await new.statuses(task_id) == ["RUNNING"]
            assert new.executor.started == [(task_id, 1)]
            # The same number: it alone would let the old leader take the task away.
            old.executor.end(task_id, Lost(-9))
            await old.settle()
            assert await new.statuses(task_id) == ["RUNNING"]
            await asyncio.wait_for(old.dispatcher.stop(), PATIENCE_S)
            assert await new.statuses(task_id) == ["RUNNING"]
            new.executor.end(task_id, new.result())
            assert await new.statuses(task_id) == ["COMPLETED"]
            assert new.task(task_id).lost_count == 0
    old.database.close()


async def test_deposed_leader_neither_starts_nor_cancels(data_dir):
    with lead(data_dir) as guard:
        house = House(data_dir, FakeExecutor(), guard=guard)
        await add_bucket(house)
        await house.dispatcher.start()
    task_id = await house.create()
    await house.settle()
    assert house.task(task_id).status == Status.CREATED
    with pytest.raises(StoreError, match="does not lead any more"):
        await house.dispatcher.cancel(task_id)
    await house.dispatcher.stop()
    house.database.close()


async def test_lead_of_another_server_lets_nobody_else_recover(data_dir):
    with lead(data_dir) as guard:
        pass
    with lead(data_dir):
        house = House(data_dir, FakeExecutor(), guard=guard)
        with pytest.raises(StoreError, match="does not lead any more"):
            await house.dispatcher.start()
        house.database.close()
