"""What of the executor on Ray needs no Ray: nodes, workers, options, the room they give."""

import json
import threading

import pytest

from openbraket.base.work import Work
from openbraket.engine.executors import frames, memory
from openbraket.engine.executors.base import Capacity
from openbraket.engine.executors.ray.nodes import GRACE_S, Nodes
from openbraket.engine.executors.ray.worker import INLINE_BYTES_MAX, PIECE_BYTES, RayWorker
from openbraket.engine.queue import TaskQueue
from openbraket.engine.room import Room
from openbraket.server.executors import parse_resources
from openbraket.store.quantum_tasks import WaitingTask
from support.patience import PATIENCE_S

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


def task(name="t", seq=1, device_arn="d", *, memory_bytes=1, thread_count=1):
    return WaitingTask(
        id=name,
        seq=seq,
        device_arn=device_arn,
        priority=0,
        account="a",
        status="QUEUED",
        attempt=0,
        lost_count=0,
        memory_bytes=memory_bytes,
        thread_count=thread_count,
    )


def test_capacity_counts_living_nodes_with_processors():
    nodes = Nodes(clock=lambda: 0.0)
    found = [entry("a", 4.0, 8 * GIB), entry("b", 2.0, 16 * GIB), entry("head", 0.0, 99 * GIB)]
    found.append(entry("dead", 64.0, 99 * GIB, alive=False))
    assert nodes.update(found) == Capacity(24 * GIB, 6, 16 * GIB, 4)


def test_node_that_has_gone_limits_single_attempts_only_after_a_while():
    now = [0.0]
    nodes = Nodes(clock=lambda: now[0])
    big, small = entry("big", 8, 8 * GIB), entry("small", 2, 2 * GIB)
    nodes.update([big, small])
    now[0] = GRACE_S - 1
    assert nodes.update([small]) == Capacity(2 * GIB, 2, 8 * GIB, 8)
    now[0] = GRACE_S
    assert nodes.update([small]) == Capacity(2 * GIB, 2, 2 * GIB, 2)
    assert nodes.update([]) == Capacity(0, 0, 2 * GIB, 2)


def test_attempt_gets_the_threads_of_a_node_with_its_memory_and_resources():
    nodes = Nodes(clock=lambda: 0.0)
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


def test_news_are_of_progress_and_end_with_the_attempt(tmp_path):
    worker, file = RayWorker([]), tmp_path / "go"
    order = frames.pack_work(work({"do": "wait", "file": str(file)}))
    running = threading.Thread(target=worker.run, args=(order,))
    running.start()
    try:
        while (news := worker.news("task/1")) is None:
            assert running.is_alive()
        assert news == {"fraction": 0.5}
    finally:
        file.touch()
        running.join(PATIENCE_S)
    assert worker.news("task/1") is None


def test_news_of_too_much_memory_say_how_much(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "limit_bytes", lambda estimate_bytes: 2 * estimate_bytes)
    worker, file = RayWorker([]), tmp_path / "go"
    order = frames.pack_work(work({"do": "wait", "file": str(file)}))
    running = threading.Thread(target=worker.run, args=(order,))
    running.start()
    try:
        while (news := worker.news("task/1")) is None:
            assert running.is_alive()
        assert "bytes of memory where 10 were estimated; the limit is 20." in news["excess"]
    finally:
        file.touch()
        running.join(PATIENCE_S)


def test_device_whose_resources_are_in_use_has_no_room_and_is_passed():
    nodes = Nodes({"d": {"annealer": 1.0}, "e": {"GPU": 0.5, "fast": 1}}, lambda: 0.0)
    found = [entry("a", 4, GIB, annealer=2.0), entry("b", 4, GIB, annealer=1.5, GPU=1, fast=1)]
    capacity = nodes.update(found)
    assert capacity.device_counts == {"d": 3, "e": 1}
    assert nodes.update([]).device_counts == {"d": 1, "e": 1}

    room, queue = Room(GIB, 8), TaskQueue()
    room.follow(capacity)
    waiting = [task("1", 1, "d"), task("2", 2, "e"), task("3", 3, "e"), task("4", 4, "f")]
    for one in waiting:
        queue.add(one)
    shares, started = [], []
    queue.pass_over(room.full_devices())
    while (first := queue.first()) is not None:
        queue.start(first)
        started.append(first.id)
        shares.append(room.take(first, is_extra=False))
        queue.pass_over(room.full_devices())
    assert started == ["1", "2", "4"]
    room.give_back(shares[1])
    queue.pass_over(room.full_devices())
    assert queue.first().id == "3"


def test_room_follows_machines_that_come_and_go():
    room = Room(10, 1)
    room.follow(None)
    assert room.task_memory_bytes_max == 10
    room.follow(Capacity(100, 8, 60, 4))
    assert room.fits(task(memory_bytes=60, thread_count=64))
    share = room.take(task(memory_bytes=60, thread_count=64), is_extra=False)
    assert share.thread_count == 4
    assert not room.fits(task(memory_bytes=50))
    room.follow(Capacity(20, 2, 60, 4))
    room.give_back(share)
    # It may fit again when the node is back; until then it waits.
    assert not room.fits(task(memory_bytes=60))
    room.follow(Capacity(20, 2, 20, 2))
    assert room.fits(task(memory_bytes=60))
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
