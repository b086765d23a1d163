"""The real pool: a fork server and worker processes, started by the tests."""

import asyncio
import hashlib
import json
import os
import select
import signal
import subprocess
import tempfile
from contextlib import asynccontextmanager

import psutil
import pytest

from openbraket.base.blob import INLINE_BYTES_MAX, Blob, new_inline_id
from openbraket.base.work import Work
from openbraket.blobs import LocalBlobs
from openbraket.engine.executors import frames
from openbraket.engine.executors.base import Failed, Lost, StoredObject, Succeeded
from openbraket.engine.executors.local import LocalExecutor
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

WAIT_S = PATIENCE_S


class Pool:
    """An executor, and waiting for its workers without polling."""

    def __init__(self, root, **options):
        self.root = root
        self.freed = asyncio.Event()
        self.executor = LocalExecutor(blobs_root=root, **options)

    async def free(self, count=1):
        async with asyncio.timeout(WAIT_S):
            while self.executor.free_count < count:
                self.freed.clear()
                await self.freed.wait()

    async def submit(self, action=b"", *, task_id="task", attempt=1, runner="runners_under_test"):
        """Start an attempt and return its outcome's future and an event set by its progress."""
        await self.free()
        reported = asyncio.Event()
        work = Work(
            task_id=task_id,
            attempt=attempt,
            runner=runner,
            task_arn=f"arn:{task_id}",
            device_arn="arn:device",
            shots=5,
            action=action if isinstance(action, bytes) else json.dumps(action).encode(),
            device_parameters="",
            created_at=1,
            thread_count=1,
            memory_bytes=10,
        )
        return self.executor.submit(work, lambda fraction: reported.set()), reported

    async def run(self, action=b"", **values):
        outcome, _ = await self.submit(action, **values)
        return await asyncio.wait_for(outcome, WAIT_S)


@asynccontextmanager
async def open_pool(tmp_path, *, preload=("runners_under_test",), worker_count=1, **options):
    options = {"worker_count": worker_count, "preload": preload, **options}
    pool = Pool(tmp_path / "objects", **options)
    await pool.executor.start(pool.freed.set)
    try:
        yield pool
    finally:
        pids = pool.executor.worker_pids
        await asyncio.wait_for(pool.executor.stop(), WAIT_S)
        await gone(*pids)


async def gone(*pids):
    """Wait until processes have ended; raises after a while."""

    def wait(pid):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            assert select.select([descriptor], [], [], WAIT_S)[0], f"process {pid} still runs"
        finally:
            os.close(descriptor)

    for pid in pids:
        await asyncio.to_thread(wait, pid)


async def test_attempt_returns_its_objects_on_disk(tmp_path):
    async with open_pool(tmp_path) as pool:
        outcome = await pool.run()
        assert isinstance(outcome, Succeeded)
        assert outcome.num_successful_shots == 5
        (stored,) = outcome.objects
        assert (stored.name, stored.content_type) == ("results.json", "application/json")
        content = LocalBlobs(pool.root).path(stored.blob.id).read_bytes()
        assert json.loads(content) == {"task": "arn:task", "attempt": 1}


async def test_small_objects_come_with_the_outcome(tmp_path):
    async with open_pool(tmp_path, inline_bytes_max=2) as pool:
        outcome = await pool.run({"do": "many", "count": 2})
        assert [stored.blob.inline for stored in outcome.objects] == [b"[]"] * 3
        assert {stored.blob.md5 for stored in outcome.objects} == {hashlib.md5(b"[]").hexdigest()}
        outcome = await pool.run({"do": "large", "size": 3})
        assert [stored.blob.inline for stored in outcome.objects] == [None]
        files = [path for path in pool.root.rglob("*") if path.is_file()]
        assert [path.read_bytes() for path in files] == [b"   "]


@pytest.mark.parametrize("announced", [1, 5, INLINE_BYTES_MAX + 1, -1])
def test_outcome_whose_contents_are_not_there_is_refused(announced):
    blob = Blob(new_inline_id(), 4, "md5", b"four")
    succeeded = Succeeded((StoredObject("r", "t", blob),), 1)
    header, body = succeeded.to_frame()
    assert Succeeded.from_frame(header, body) == succeeded
    header["objects"][0]["size"] = announced
    if announced > INLINE_BYTES_MAX:
        body = b"x" * announced
    with pytest.raises(ValueError, match=r"bytes of r"):
        Succeeded.from_frame(header, body)


async def test_several_objects_and_a_failure_with_results_come_back(tmp_path):
    async with open_pool(tmp_path) as pool:
        outcome = await pool.run({"do": "many", "count": 3, "failure": "all failed"})
        assert isinstance(outcome, Succeeded)
        assert outcome.failure_reason == "all failed"
        names = [stored.name for stored in outcome.objects]
        assert names == ["parts/0.json", "parts/1.json", "parts/2.json", "results.json"]
        assert (await pool.run({"do": "many", "count": 0})).failure_reason is None


async def test_worker_runs_one_attempt_after_the_other(tmp_path):
    async with open_pool(tmp_path) as pool:
        await pool.free()
        pids = pool.executor.worker_pids
        for attempt in range(1, 6):
            assert isinstance(await pool.run(attempt=attempt), Succeeded)
        assert pool.executor.worker_pids == pids


async def test_large_action_arrives_whole(tmp_path):
    async with open_pool(tmp_path) as pool:
        assert isinstance(await pool.run(b"x" * 6_000_000), Succeeded)


async def test_refused_program_fails_with_the_runners_message(tmp_path):
    async with open_pool(tmp_path) as pool:
        outcome = await pool.run({"do": "reject"})
        assert outcome == Failed("[line 3] qubit 7 does not exist", None)


async def test_bug_in_a_runner_fails_and_tells_the_operator_where(tmp_path):
    async with open_pool(tmp_path) as pool:
        outcome = await pool.run({"do": "crash"})
        assert outcome.reason == "InternalError: ValueError: a bug"
        assert "runners_under_test.py:" in outcome.log
        assert "\n" not in outcome.log
        outcome = await pool.run({"do": "exit"})
        assert outcome.reason == "InternalError: SystemExit: 3"
        outcome = await pool.run(runner="no_such_runner")
        assert "No module named 'no_such_runner'" in outcome.reason


async def test_noise_of_a_runner_disturbs_nothing(tmp_path, capfd):
    async with open_pool(tmp_path) as pool:
        assert isinstance(await pool.run({"do": "print"}), Succeeded)
        assert isinstance(await pool.run(), Succeeded)
    assert capfd.readouterr() == ("", "")


async def test_progress_arrives(tmp_path):
    async with open_pool(tmp_path) as pool:
        _, reported = await pool.submit({"do": "block"})
        await asyncio.wait_for(reported.wait(), WAIT_S)


@pytest.mark.parametrize("kind", ["block", "spin"])
async def test_kill_ends_the_attempt_and_the_worker_is_replaced(tmp_path, kind):
    async with open_pool(tmp_path) as pool:
        outcome, reported = await pool.submit({"do": kind})
        await asyncio.wait_for(reported.wait(), WAIT_S)
        (pid,) = pool.executor.worker_pids
        pool.executor.kill("task", 2)
        pool.executor.kill("other", 1)
        pool.executor.kill("task", 1)
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
        await gone(pid)
        assert isinstance(await pool.run(attempt=2), Succeeded)
        assert pid not in pool.executor.worker_pids


async def test_kill_leaves_the_neighbours_alone(tmp_path):
    async with open_pool(tmp_path, worker_count=2) as pool:
        await pool.free(2)
        killed, reported = await pool.submit({"do": "block"}, task_id="a")
        neighbour, _ = await pool.submit({"do": "block"}, task_id="b")
        await asyncio.wait_for(reported.wait(), WAIT_S)
        pool.executor.kill("a", 1)
        await asyncio.wait_for(killed, WAIT_S)
        await pool.free()
        assert not neighbour.done()


async def test_worker_killed_from_outside_loses_its_attempt(tmp_path):
    async with open_pool(tmp_path) as pool:
        assert await pool.run({"do": "kill"}) == Lost(-signal.SIGKILL)
        assert isinstance(await pool.run(), Succeeded)


async def test_idle_worker_killed_from_outside_is_replaced(tmp_path):
    async with open_pool(tmp_path) as pool:
        await pool.free()
        (pid,) = pool.executor.worker_pids
        pool.freed.clear()
        os.kill(pid, signal.SIGKILL)
        await asyncio.wait_for(pool.freed.wait(), WAIT_S)
        assert isinstance(await pool.run(), Succeeded)
        assert pid not in pool.executor.worker_pids


async def test_dead_fork_server_takes_the_workers_along_and_is_started_again(tmp_path, caplog):
    async with open_pool(tmp_path) as pool:
        outcome, reported = await pool.submit({"do": "spin"})
        await asyncio.wait_for(reported.wait(), WAIT_S)
        (pid,) = pool.executor.worker_pids
        os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
        assert isinstance(await pool.run(), Succeeded)
        await gone(pid)
    assert "starting it again" in caplog.text


async def test_module_that_cannot_be_preloaded_is_a_warning(tmp_path, caplog):
    async with open_pool(tmp_path, preload=("no_such_module",)) as pool:
        assert isinstance(await pool.run(), Succeeded)
    assert "cannot preload no_such_module" in caplog.text


async def test_workers_inherit_nothing_of_the_server(tmp_path):
    with tempfile.TemporaryFile():
        async with open_pool(tmp_path) as pool:
            await pool.free()
            worker = psutil.Process(pool.executor.worker_pids[0])
            assert worker.open_files() == []
            assert worker.num_threads() == 1


async def test_stop_during_start_leaves_no_process(tmp_path):
    pool = Pool(tmp_path / "objects", worker_count=2, preload=["runners_under_test"])
    await pool.executor.start(pool.freed.set)
    children = psutil.Process().children(recursive=True)
    await asyncio.wait_for(pool.executor.stop(), WAIT_S)
    await gone(*(child.pid for child in children))


async def test_dead_fork_server_is_replaced_with_as_many_workers(tmp_path):
    async with open_pool(tmp_path, worker_count=2) as pool:
        for _ in range(3):
            await pool.free(2)
            pids = pool.executor.worker_pids
            os.kill(psutil.Process(pids[0]).ppid(), signal.SIGKILL)
            await gone(*pids)
            pool.freed.clear()
            while set(pool.executor.worker_pids) & set(pids) or pool.executor.free_count < 2:
                await asyncio.wait_for(pool.freed.wait(), WAIT_S)
                pool.freed.clear()
        assert len(pool.executor._workers) == 2
        assert pool.executor.free_count == 2


async def test_worker_that_is_about_to_be_killed_gets_no_other_attempt(tmp_path, monkeypatch):
    async with open_pool(tmp_path) as pool:
        outcome, _ = await pool.submit(task_id="a")
        (pid,) = pool.executor.worker_pids
        # The order and the outcome cross on their way.
        pool.executor.kill("a", 1)
        (worker,) = pool.executor._workers.values()
        worker.data_received(frames.pack({"kind": "done", "objects": [], "shots": 1}))
        assert isinstance(await outcome, Succeeded)
        assert pool.executor.free_count == 0
        assert isinstance(await pool.run(task_id="b"), Succeeded)
        assert pid not in pool.executor.worker_pids


async def test_worker_that_sends_nonsense_loses_its_attempt(tmp_path, caplog):
    async with open_pool(tmp_path) as pool:
        outcome, reported = await pool.submit({"do": "spin"})
        await asyncio.wait_for(reported.wait(), WAIT_S)
        (worker,) = pool.executor._workers.values()
        worker.data_received(b"\xff" * 16)
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
        assert isinstance(await pool.run(), Succeeded)
    assert "cannot be read" in caplog.text


async def test_worker_that_closes_its_channel_loses_its_attempt(tmp_path):
    async with open_pool(tmp_path) as pool:
        outcome, _ = await pool.submit({"do": "hang up"})
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
        assert isinstance(await pool.run(), Succeeded)


async def test_worker_that_dies_before_it_is_ready_is_tried_again(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("openbraket.engine.executors.local.RESTART_DELAY_S", 0.01)
    root = tmp_path / "objects"
    root.write_text("no directory")
    async with open_pool(tmp_path) as pool:
        ended, deaths = pool.executor.worker_ended, asyncio.Semaphore(0)
        monkeypatch.setattr(
            pool.executor, "worker_ended", lambda worker: (ended(worker), deaths.release())
        )
        for _ in range(3):
            await asyncio.wait_for(deaths.acquire(), WAIT_S)
        assert caplog.text.count("before it was ready") >= 3
        assert len(pool.executor._workers) <= 1
        root.unlink()
        assert isinstance(await pool.run(), Succeeded)


async def test_fork_server_that_cannot_be_started_is_tried_again(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("openbraket.engine.executors.local.RESTART_DELAY_S", 0)
    start, failures = subprocess.Popen, []

    def fail_once(*arguments, **options):
        if not failures:
            failures.append(OSError("Resource temporarily unavailable"))
            raise failures[0]
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", fail_once)
    async with open_pool(tmp_path) as pool:
        assert isinstance(await pool.run(), Succeeded)
    assert "cannot be started" in caplog.text


async def test_order_to_a_busy_fork_server_is_not_lost(tmp_path, monkeypatch):
    async with open_pool(tmp_path) as pool:
        outcome, reported = await pool.submit({"do": "spin"})
        await asyncio.wait_for(reported.wait(), WAIT_S)
        control, refusals = pool.executor._control, []

        class Busy:
            def send(self, packet):
                if not refusals:
                    refusals.append(packet)
                    raise BlockingIOError
                return control.send(packet)

            def __getattr__(self, name):
                return getattr(control, name)

        monkeypatch.setattr(pool.executor, "_control", Busy())
        pool.executor.kill("task", 1)
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
        assert refusals
        monkeypatch.setattr(pool.executor, "_control", control)
