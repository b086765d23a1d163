"""What of the executor on Ray needs no Ray: nodes, workers, options, the room they give."""

import json
import threading

import pytest

from openbraket.base.work import Work
from openbraket.engine.executors import frames
from openbraket.engine.executors.base import Capacity
from openbraket.engine.executors.ray.nodes import GRACE_S, Nodes
from openbraket.engine.executors.ray.worker import INLINE_BYTES_MAX, PIECE_BYTES, RayWorker
from openbraket.engine.room import Room
from openbraket.server.executors import parse_resources
from openbraket.store.quantum_tasks import WaitingTask

GIB = 1 << 30


def entry(name, cpus, memory, *, alive=True, **resources):
    found = {"CPU": cpus, "memory": memory, **resources}
    return {"NodeID": name, "Alive": alive, "Resources": found}


def work(action):
    return Work(
        task_id="task",
        attempt=1,
        runner="runners_under_test",
        task_arn="arn",
        device_arn="device",
        shots=5,
        action=json.dumps(action).encode(),
        device_parameters="",
        created_at=1,
        thread_count=1,
        memory_bytes=10,
    )


def test_capacity_counts_living_nodes_with_processors():
    nodes = Nodes(lambda: 0.0)
    found = [entry("a", 4.0, 8 * GIB), entry("b", 2.0, 16 * GIB), entry("head", 0.0, 99 * GIB)]
    found.append(entry("dead", 64.0, 99 * GIB, alive=False))
    assert nodes.update(found) == Capacity(24 * GIB, 6, 16 * GIB, 4)


def test_node_that_has_gone_limits_single_attempts_only_after_a_while():
    now = [0.0]
    nodes = Nodes(lambda: now[0])
    big, small = entry("big", 8, 8 * GIB), entry("small", 2, 2 * GIB)
    nodes.update([big, small])
    now[0] = GRACE_S - 1
    assert nodes.update([small]) == Capacity(2 * GIB, 2, 8 * GIB, 8)
    now[0] = GRACE_S
    assert nodes.update([small]) == Capacity(2 * GIB, 2, 2 * GIB, 2)
    assert nodes.update([]) == Capacity(0, 0, 2 * GIB, 2)


def test_attempt_gets_the_threads_of_a_node_with_its_memory_and_resources():
    nodes = Nodes(lambda: 0.0)
    nodes.update([entry("wide", 8, 1 * GIB), entry("large", 2, 9 * GIB, GPU=1.0)])
    assert nodes.thread_count(16, GIB, {}) == 8
    assert nodes.thread_count(16, 2 * GIB, {}) == 2
    assert nodes.thread_count(1, 2 * GIB, {}) == 1
    assert nodes.thread_count(16, GIB, {"GPU": 1}) == 2
    assert nodes.thread_count(1, GIB, {"GPU": 2}) == 0
    assert nodes.thread_count(1, 10 * GIB, {}) == 0


def test_small_results_come_with_the_answer():
    worker = RayWorker(["json"])
    answer, contents = worker.run(frames.pack_work(work({"do": "many", "count": 1})))
    assert answer["kind"] == "done"
    assert [item["name"] for item in answer["objects"]] == ["parts/0.json", "results.json"]
    assert contents[0] == b"[]"


def test_large_results_come_in_pieces():
    worker = RayWorker([])
    size = PIECE_BYTES + INLINE_BYTES_MAX
    answer, contents = worker.run(frames.pack_work(work({"do": "pieces", "size": size})))
    assert contents == ()
    assert answer["objects"][0]["size"] == size
    pieces = [worker.read(0, 0), worker.read(0, PIECE_BYTES), worker.read(0, size)]
    assert [len(piece) for piece in pieces] == [PIECE_BYTES, INLINE_BYTES_MAX, 0]
    assert pieces[1] == b"\x08" * INLINE_BYTES_MAX
    worker.forget()
    with pytest.raises(IndexError):
        worker.read(0, 0)


def test_progress_waits_for_news_and_ends_with_the_attempt(tmp_path):
    worker, file = RayWorker([]), tmp_path / "go"
    order = frames.pack_work(work({"do": "wait", "file": str(file)}))
    running = threading.Thread(target=worker.run, args=(order,))
    running.start()
    try:
        while (fraction := worker.progress("task/1")) is None:
            assert running.is_alive()
        assert fraction == 0.5
    finally:
        file.touch()
        running.join(30)
    assert worker.progress("task/1") is None


def test_room_follows_machines_that_come_and_go():
    def task(memory_bytes, thread_count=1):
        return WaitingTask(
            id="t",
            seq=1,
            device_arn="d",
            priority=0,
            account="a",
            status="QUEUED",
            attempt=0,
            lost_count=0,
            memory_bytes=memory_bytes,
            thread_count=thread_count,
        )

    room = Room(10, 1)
    room.follow(None)
    assert room.task_memory_bytes_max == 10
    room.follow(Capacity(100, 8, 60, 4))
    assert room.fits(task(60, thread_count=64))
    share = room.take(task(60, thread_count=64), is_extra=False)
    assert share.thread_count == 4
    assert not room.fits(task(50))
    room.follow(Capacity(20, 2, 60, 4))
    room.give_back(share)
    # It may fit again when the node is back; until then it waits.
    assert not room.fits(task(60))
    room.follow(Capacity(20, 2, 20, 2))
    assert room.fits(task(60))
    assert room.task_memory_bytes_max == 20


def test_resources_of_devices_are_read():
    texts = ["arn:sv1=GPU:1", "arn:sv1=fast:0.5", "arn:aws:x:::device/a/b=annealer:2"]
    assert parse_resources(texts) == {
        "arn:sv1": {"GPU": 1.0, "fast": 0.5},
        "arn:aws:x:::device/a/b": {"annealer": 2.0},
    }


@pytest.mark.parametrize(
    "text", ["", "sv1=GPU:1", "arn:x", "arn:x=GPU", "arn:x=GPU:0", "arn:x=GPU:nan", "arn:x=:1"]
)
def test_resources_of_another_form_are_refused(text):
    with pytest.raises(ValueError, match="ARN=NAME:AMOUNT"):
        parse_resources([text])
