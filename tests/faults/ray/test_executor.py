"""Attempts on the nodes of a real cluster: outcomes, kills, deaths of workers and nodes."""

import asyncio
import json
import os
import signal

import pytest

from openbraket.blobs import LocalBlobs
from openbraket.engine.executors import memory
from openbraket.engine.executors.base import Failed, Lost, Succeeded
from support.ray_cluster import MIB, WAIT_S, open_pool

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def pool(anyio_backend, tmp_path_factory, nodes):
    """An executor that every test leaves without attempts."""
    async with open_pool(tmp_path_factory.mktemp("pool"), nodes.address) as pool:
        yield pool


async def end(pool, outcome, task_id):
    """End an attempt that blocks."""
    pool.executor.kill(task_id, 1)
    assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)


async def test_attempts_outcomes_come_back(pool):
    outcome = await pool.run()
    assert isinstance(outcome, Succeeded)
    assert outcome.num_successful_shots == 5
    (stored,) = outcome.objects
    content = LocalBlobs(pool.root).path(stored.blob.id).read_bytes()
    assert json.loads(content)["task"] == "arn:task"
    assert json.loads(content)["attempt"] == 1

    outcome = await pool.run({"do": "many", "count": 3, "failure": "all failed"})
    assert outcome.failure_reason == "all failed"
    names = [item.name for item in outcome.objects]
    assert names == ["parts/0.json", "parts/1.json", "parts/2.json", "results.json"]

    assert await pool.run({"do": "reject"}) == Failed("[line 3] qubit 7 does not exist", None)
    outcome = await pool.run({"do": "crash"})
    assert outcome.reason == "InternalError: ValueError: a bug"
    assert "runners_under_test.py:" in outcome.log
    assert (await pool.run({"do": "exit"})).reason == "InternalError: SystemExit: 3"
    assert isinstance(await pool.run(b"x" * 6_000_000), Succeeded)


async def test_capacity_is_that_of_the_nodes(pool):
    await pool.until(lambda: pool.executor.free_count == 3)
    capacity = pool.executor.capacity
    assert (capacity.thread_count, capacity.task_thread_count) == (3, 2)
    assert (capacity.memory_bytes, capacity.task_memory_bytes) == (2 << 30, 1 << 30)


async def test_large_result_is_fetched_in_pieces_and_written_whole(pool):
    size = 100 * MIB  # more than an object store of the tests' holds
    outcome = await pool.run({"do": "pieces", "size": size})
    (stored,) = outcome.objects
    assert stored.blob.size == size
    with LocalBlobs(pool.root).path(stored.blob.id).open("rb") as file:
        for index in range(size // MIB):
            assert file.read(MIB) == bytes([index % 256]) * MIB


async def test_warm_worker_is_used_again(pool):
    pids = {await _pid(pool) for _ in range(5)}
    assert len(pids) == 1


async def test_attempt_gets_the_processors_of_one_node(pool):
    assert (await _seen(pool, thread_count=64))["threads"] == 2


async def test_kill_ends_the_attempt_and_no_other(pool):
    outcome, reported = await pool.submit({"do": "spin"})
    neighbour, _ = await pool.submit({"do": "block"}, task_id="neighbour")
    await asyncio.wait_for(reported.wait(), WAIT_S)
    pool.executor.kill("task", 2)
    pool.executor.kill("other", 1)
    pool.executor.kill("task", 1)
    assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
    assert isinstance(await pool.run(attempt=2), Succeeded)
    assert not neighbour.done()
    await end(pool, neighbour, "neighbour")


async def test_attempt_that_waits_for_a_place_can_be_killed(pool):
    wide, reported = await pool.submit({"do": "block"}, task_id="wide", thread_count=2)
    await asyncio.wait_for(reported.wait(), WAIT_S)
    second, _ = await pool.submit(task_id="second", thread_count=2)
    pool.executor.kill("second", 1)
    assert await asyncio.wait_for(second, WAIT_S) == Lost(-signal.SIGKILL)
    assert not wide.done()
    await end(pool, wide, "wide")


async def test_attempt_without_a_place_keeps_others_from_starting(pool):
    _, reported = await pool.submit({"do": "block"}, task_id="wide", thread_count=2)
    await asyncio.wait_for(reported.wait(), WAIT_S)
    second, _ = await pool.submit(task_id="second", thread_count=2)
    await pool.until(lambda: pool.executor.free_count == 0)
    pool.executor.kill("wide", 1)
    assert isinstance(await asyncio.wait_for(second, WAIT_S), Succeeded)
    await pool.until(lambda: pool.executor.free_count == 3)


async def test_idle_workers_make_room_for_wide_attempts(pool):
    await asyncio.gather(*(pool.run(task_id=str(index)) for index in range(3)))
    assert (await _seen(pool, thread_count=2))["threads"] == 2


async def test_worker_killed_from_outside_loses_its_attempt(pool):
    assert await pool.run({"do": "kill"}) == Lost(-signal.SIGKILL)
    assert isinstance(await pool.run(), Succeeded)


async def test_idle_worker_killed_from_outside_costs_one_attempt_at_most(pool):
    os.kill(await _pid(pool), signal.SIGKILL)
    assert isinstance(await pool.run(), Succeeded | Lost)
    assert isinstance(await pool.run(), Succeeded)


async def test_worker_that_eats_memory_is_killed_with_the_figures(pool):
    neighbour, _ = await pool.submit({"do": "block"}, task_id="neighbour")
    outcome = await pool.run({"do": "eat"}, memory_bytes=MIB)
    limit = memory.limit_bytes(MIB)
    assert f"bytes of memory where {MIB} were estimated; the limit is {limit}." in outcome.reason
    assert not neighbour.done()
    await end(pool, neighbour, "neighbour")


async def test_custom_resources_choose_the_node_and_limit_the_device(tmp_path, nodes):
    node = nodes.add(1, resources={"annealer": 1})
    try:
        async with open_pool(
            tmp_path, nodes.address, resources={"arn:special": {"annealer": 1}}
        ) as pool:
            await pool.until(lambda: pool.executor.free_count == 4)
            assert pool.executor.capacity.device_counts == {"arn:special": 1}
            seen = await _seen(pool, device_arn="arn:special")
            assert seen["node"] == node.node_id
    finally:
        await asyncio.to_thread(nodes.kill, node)


async def test_node_that_dies_loses_its_attempts_and_the_capacity_follows(tmp_path, nodes):
    node = nodes.add(4)
    async with open_pool(tmp_path, nodes.address) as pool:
        await pool.until(lambda: pool.executor.free_count == 7)
        outcome, reported = await pool.submit({"do": "spin"}, thread_count=4)
        await asyncio.wait_for(reported.wait(), WAIT_S)
        await asyncio.to_thread(nodes.kill, node)
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
        await pool.until(lambda: pool.executor.capacity.thread_count == 3)
        # It may come back: what only it could hold waits a while before it is refused.
        assert pool.executor.capacity.task_thread_count == 4


async def test_bridge_killed_from_outside_is_replaced(tmp_path, nodes, caplog):
    async with open_pool(tmp_path, nodes.address) as pool:
        outcome, reported = await pool.submit({"do": "spin"})
        await asyncio.wait_for(reported.wait(), WAIT_S)
        os.kill(pool.executor.bridge_pid, signal.SIGKILL)
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
        assert isinstance(await pool.run(attempt=2), Succeeded)
    assert "the connection to Ray ended" in caplog.text


async def _seen(pool, **values):
    outcome = await pool.run({"do": "describe"}, **values)
    return json.loads(LocalBlobs(pool.root).path(outcome.objects[0].blob.id).read_bytes())


async def _pid(pool):
    return (await _seen(pool))["pid"]
