"""kill -9 of the server and of workers: nothing accepted is lost, nothing happens twice."""

import contextlib
import os
import random
import signal
import time

import psutil
import pytest

from support.engine_process import Records, Server


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def servers(data_dir):
    """Start servers; what is left of them is killed at the end."""
    started = []

    def start(**options):
        started.append(Server(data_dir, **options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


def test_killed_server_takes_its_running_workers_along_and_recovers(servers, data_dir):
    server = servers(worker_count=2)
    done = server.create()
    stuck = server.create(do="spin")
    server.wait_for("progress")
    waiting = [server.create() for _ in range(5)]
    server.wait_for_record(stuck, "RUNNING")
    server.kill()

    records = Records(data_dir)
    assert set(records.tasks) == {done, stuck, *waiting}
    assert records.tasks[stuck].status == "RUNNING"

    server = servers(worker_count=1)
    assert server.wait_for("progress") == stuck
    assert server.order("cancelled", "cancel", task_id=stuck) == "CANCELLING"
    last = server.create(do="spin")
    assert server.wait_for("progress") == last
    server.stop()

    records = Records(data_dir)
    assert records.statuses([done, *waiting]) == {"COMPLETED": 6}
    assert records.tasks[stuck].status == "CANCELLED"
    assert records.tasks[stuck].attempt == 2
    assert records.tasks[last].status == "QUEUED"
    assert records.objects[stuck] is None
    for task_id in (done, *waiting):
        assert records.content(task_id)["attempt"] == records.tasks[task_id].attempt


def test_worker_killed_again_and_again_fails_its_task_with_the_reason(servers, data_dir):
    server = servers(worker_count=1)
    task_id = server.create(do="spin")
    for _ in range(3):
        assert server.wait_for("progress") == task_id
        (pid,) = server.workers()
        os.kill(pid, signal.SIGKILL)
    last = server.create(do="spin")
    assert server.wait_for("progress") == last
    server.stop()
    task = Records(data_dir).tasks[task_id]
    assert (task.status, task.attempt) == ("FAILED", 3)
    assert task.failure_reason.endswith("(signal 9) in each of 3 attempts.")


def test_cancel_kills_what_runs_and_the_next_task_starts(servers, data_dir):
    server = servers(worker_count=1)
    first, second, third = (server.create(do="spin") for _ in range(3))
    assert server.wait_for("progress") == first
    assert server.order("cancelled", "cancel", task_id=second) == "CANCELLED"
    assert server.order("cancelled", "cancel", task_id=first) == "CANCELLING"
    assert server.wait_for("progress") == third
    server.stop()
    records = Records(data_dir)
    found = [records.tasks[task_id].status for task_id in (first, second, third)]
    assert found == ["CANCELLED", "CANCELLED", "QUEUED"]


def test_objects_of_a_killed_server_are_all_there_or_none(servers, data_dir):
    count, task_ids = 40, []
    for moment_s in (0.0, 0.005, 0.01, 0.02, 0.04, 0.08):
        server = servers()
        task_ids += [server.create(do="many", count=count) for _ in range(3)]
        time.sleep(moment_s)
        server.kill()
        assert_all_or_none(Records(data_dir), task_ids, count + 1)
    server = servers(worker_count=1)
    # Accepted last, so with one worker it starts after all others have ended.
    server.create(do="spin")
    server.wait_for("progress")
    server.stop()
    records = Records(data_dir)
    assert_all_or_none(records, task_ids, count + 1)
    assert set(records.statuses(task_ids)) <= {"COMPLETED", "FAILED"}
    assert records.statuses(task_ids)["COMPLETED"] > 0


def assert_all_or_none(records, task_ids, object_count):
    for task_id in task_ids:
        is_done = records.tasks[task_id].status == "COMPLETED"
        assert records.key_count(task_id) == (object_count if is_done else 0)


@pytest.mark.parametrize("moment_s", [0, 0.02, 0.1, 0.3])
def test_server_killed_while_its_workers_start_leaves_no_process(servers, moment_s):
    server = servers(worker_count=4)
    time.sleep(moment_s)
    # `kill` asserts that every process is gone.
    server.kill()


def test_server_killed_while_it_stops_leaves_no_process_and_its_tasks(servers, data_dir):
    server = servers(worker_count=2)
    tasks = [server.create(do="spin") for _ in range(4)]
    server.wait_for("progress")
    server.process.stdin.close()
    server.kill()
    statuses = Records(data_dir).statuses(tasks)
    assert set(statuses) <= {"QUEUED", "RUNNING", "CREATED"}
    server = servers(worker_count=4)
    assert {server.wait_for("progress") for _ in tasks} == set(tasks)
    server.stop()


def test_stopped_fork_server_dies_with_the_server(servers):
    server = servers(worker_count=2)
    server.create(do="spin")
    server.wait_for("progress")
    (fork_server,) = psutil.Process(server.process.pid).children()
    fork_server.suspend()
    server.kill()


def test_outcome_waits_while_the_disk_is_full(servers, data_dir):
    server = servers(worker_count=2)
    task_id, waiting = server.create(do="wait", file=str(data_dir / "go")), server.create(do="spin")
    for _ in range(2):
        server.wait_for("progress")
    for running in (task_id, waiting):
        server.wait_for_record(running, "RUNNING")
    process = psutil.Process(server.process.pid)
    unlimited = process.rlimit(psutil.RLIMIT_FSIZE)
    # No file may grow: every commit fails.
    process.rlimit(psutil.RLIMIT_FSIZE, (1, unlimited[1]))
    assert "could not be written" in server.order("refused", "create", action={})
    (data_dir / "go").touch()
    assert "could not be written" in server.order("refused", "cancel", task_id=waiting)
    process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    last = server.create(do="spin")
    assert server.wait_for("progress") == last
    server.stop()
    records = Records(data_dir)
    assert records.tasks.keys() == {task_id, waiting, last}
    assert records.content(task_id)["attempt"] == records.tasks[task_id].attempt == 1
    assert records.tasks[waiting].status == "QUEUED"


def test_result_that_cannot_be_written_fails_with_the_reason(servers, data_dir):
    server = servers(worker_count=1, inline_bytes_max=0)
    go = data_dir / "go"
    task_id = server.create(do="wait", file=str(go))
    server.wait_for("progress")
    (pid,) = server.workers()
    psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (1, 1))
    go.touch()
    last = server.create(do="spin")
    assert server.wait_for("progress") == last
    server.stop()
    records = Records(data_dir)
    assert records.tasks[task_id].status == "FAILED"
    reason = "Cannot write an object's content: File too large."
    assert records.tasks[task_id].failure_reason == reason
    assert records.objects[task_id] is None
    assert not any(path.is_file() for path in (data_dir / "objects").rglob("*"))


def test_random_kills_lose_nothing_and_double_nothing(servers, data_dir):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    accepted = []
    for _ in range(4):
        server = servers(worker_count=2)
        for _ in range(rng.randrange(5, 40)):
            accepted.append(server.create())
            if rng.random() < 0.05 and (pids := server.workers()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(pids), signal.SIGKILL)
        server.kill()
    server = servers(worker_count=1)
    # Accepted last, so with one worker it starts after all others have ended.
    last = server.create(do="spin")
    assert server.wait_for("progress") == last
    server.stop()

    records = Records(data_dir)
    assert set(records.tasks) == {*accepted, last}
    statuses = records.statuses(accepted)
    assert set(statuses) <= {"COMPLETED", "FAILED"}
    for task_id in accepted:
        task = records.tasks[task_id]
        if task.status == "COMPLETED":
            assert records.content(task_id) == {"task": task.arn, "attempt": task.attempt}
        else:
            assert "in each of 3 attempts" in task.failure_reason
            assert records.objects[task_id] is None
