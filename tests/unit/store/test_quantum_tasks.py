import pytest

from openbraket.engine import states
from openbraket.store import quantum_tasks, tags, transitions
from openbraket.store.quantum_tasks import create
from support.databases import sqlite_only

pytestmark = pytest.mark.anyio


def record(write, task):
    return write(lambda connection: create(connection, task))


def get(database, task_id):
    with database.read() as connection:
        return quantum_tasks.get(connection, task_id)


def test_created_task_is_read_back_complete(database, write, new_task):
    task = new_task(
        tags={"team": "red"},
        priority=1,
        device_parameters='{"a": 1}',
        program_count=2,
        executable_count=6,
        memory_bytes=1 << 40,
        thread_count=8,
        job_arn="arn:aws:braket:us-east-1:000000000000:job/j",
        associations="[]",
        experimental='{"enabled":"ALL"}',
    )
    waiting = record(write, task)
    assert (waiting.seq, waiting.id, waiting.priority) == (1, task.id, 1)
    found = get(database, task.id)
    for name in type(task).__dataclass_fields__:
        if name not in {"action", "tags", "spending_limit_id", "estimated_cost", "shot_price"}:
            assert getattr(found, name) == getattr(task, name), name
    assert (found.status, found.attempt, found.lost_count) == ("CREATED", 0, 0)
    assert found.arn == task.arn
    with database.read() as connection:
        assert quantum_tasks.get_action(connection, task.id) == task.action
        assert tags.list_tags(connection, task.arn) == {"team": "red"}


def test_unknown_task_is_none(database):
    assert get(database, "nothing") is None
    with database.read() as connection:
        assert quantum_tasks.get_action(connection, "nothing") is None


def test_waiting_and_active_tasks_are_listed_for_recovery(database, write, new_task):
    waiting, running, done = (new_task() for _ in range(3))
    for task in (waiting, running, done):
        record(write, task)
    for task in (running, done):
        write(lambda c, task=task: transitions.apply(c, states.START, task.id, at=1, attempt=1))
    write(lambda c: transitions.apply(c, states.COMPLETE, done.id, at=2, attempt=1))
    with database.read() as connection:
        assert [task.id for task in quantum_tasks.list_waiting(connection)] == [waiting.id]
        (active,) = quantum_tasks.list_active(connection)
    assert (active.id, active.status, active.attempt) == (running.id, "RUNNING", 1)


@sqlite_only
@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("_LIST_WAITING", "quantum_tasks_waiting"),
        ("_LIST_ACTIVE", "quantum_tasks_active"),
        ("_GET", "sqlite_autoindex_quantum_tasks_1"),
    ],
)
def test_queue_reads_use_an_index(database, statement, index):
    with database.read() as connection:
        sql = getattr(quantum_tasks, statement).text(connection)
        parameters = (None,) * sql.count("?")
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).all()
    assert any(index in row[3] for row in plan), plan
    assert not any(row[3] == "SCAN quantum_tasks" for row in plan), plan


def test_tags_are_set_replaced_listed_and_deleted(database, write, new_task):
    task = new_task(tags={"b": "1", "a": "2"})
    record(write, task)
    write(lambda c: tags.set_tags(c, task.arn, {"b": "3", "c": ""}))
    write(lambda c: tags.delete_tags(c, task.arn, ["a", "unknown"]))
    with database.read() as connection:
        assert tags.list_tags(connection, task.arn) == {"b": "3", "c": ""}
        assert tags.list_tags(connection, "arn:unknown") == {}
        both = tags.list_tags_of_many(connection, [task.arn, "arn:unknown"])
        assert both == {task.arn: {"b": "3", "c": ""}, "arn:unknown": {}}
