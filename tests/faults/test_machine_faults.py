"""A machine that is short of something: disk, permission, memory. Nothing accepted is lost."""

import errno
import subprocess
import sys

import psutil
import pytest

from openbraket.engine.executors import memory
from support.engine_process import Records, Server
from support.patience import PATIENCE_S

LARGE_BYTES = 500_000_000
DISK_BYTES = 48 << 20


@pytest.fixture
def servers():
    """Start servers; what is left of them is killed at the end."""
    started = []

    def start(data_dir, **options):
        started.append(Server(data_dir, **options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for little."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path):
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def test_full_disk_refuses_and_loses_nothing(servers, small_disk, tmp_path):
    data_dir = small_disk / "data"
    server = servers(data_dir, worker_count=2)
    go = tmp_path / "go"
    task_id = server.create(do="wait", file=str(go))
    server.wait_for("progress")
    fill(small_disk / "filler")
    # The records may still have room in their files: until they do not.
    accepted = []
    while True:
        server.order_any("create", action={"do": "reject", "fill": "x" * 20_000})
        answer = server.wait_for_any(("created", "refused"))
        if answer[0] == "refused":
            break
        accepted.append(answer[1])
    go.touch()
    (small_disk / "filler").unlink()
    last = server.create(do="spin")
    while server.wait_for("progress") != last:
        pass
    server.stop()
    records = Records(data_dir)
    assert {task_id, last, *accepted} == set(records.tasks)
    # The result itself may have had no room: then the task says so.
    task = records.tasks[task_id]
    assert task.status == "COMPLETED" or "No space left" in task.failure_reason
    assert (records.objects[task_id] is not None) == (task.status == "COMPLETED")
    assert set(records.statuses(accepted)) <= {"FAILED"}


def test_read_only_directory_is_refused_with_a_clear_message(small_disk):
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)
    command = [sys.executable, "-m", "openbraket.cli.main", "serve", "--port", "0", "--data-dir"]
    ended = subprocess.run(
        [*command, str(small_disk / "data")], capture_output=True, timeout=PATIENCE_S
    )
    assert ended.returncode == 1
    assert b"Read-only file system" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_worker_that_eats_memory_is_killed_and_its_neighbour_is_not(servers, tmp_path):
    data_dir, go = tmp_path / "data", tmp_path / "go"
    server = servers(data_dir, worker_count=2)
    neighbour = server.create(do="wait", file=str(go))
    server.wait_for("progress")
    eater = server.create(do="eat")
    # It starts where the eater was.
    assert server.wait_for("progress") == eater
    last = server.create(do="spin")
    assert server.wait_for("progress") == last
    go.touch()
    final = server.create(do="spin")
    assert server.wait_for("progress") == final
    server.stop()
    records = Records(data_dir)
    assert records.tasks[eater].status == "FAILED"
    limit = memory.limit_bytes(0)
    assert f"bytes of memory where 0 were estimated; the limit is {limit}." in (
        records.tasks[eater].failure_reason
    )
    assert (records.tasks[neighbour].status, records.tasks[neighbour].attempt) == ("COMPLETED", 1)


def test_result_of_500_mb(servers, tmp_path):
    data_dir = tmp_path / "data"
    server = servers(data_dir, worker_count=1)
    before = psutil.Process(server.process.pid).memory_info().rss
    task_id = server.create(do="large", size=LARGE_BYTES)
    last = server.create(do="spin")
    assert server.wait_for("progress") == last
    grown = psutil.Process(server.process.pid).memory_info().rss - before
    server.stop()
    records = Records(data_dir)
    assert records.tasks[task_id].status == "COMPLETED"
    assert records.objects[task_id].size == LARGE_BYTES
    blob_id = records.objects[task_id].blob_id
    assert (data_dir / "objects/objects" / blob_id[:2] / blob_id).stat().st_size == LARGE_BYTES
    # The server never holds a result.
    assert grown < 64 << 20
