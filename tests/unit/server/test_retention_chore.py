"""Records of tasks and jobs go when they are old enough, with all that hangs on them."""

import asyncio

import pytest
from sqlalchemy import text

from openbraket.server import retention_chore
from openbraket.server.retention_chore import forget_old_records
from openbraket.store import jobs, quantum_tasks, retention, tags
from openbraket.store.jobs import NewJob
from openbraket.store.quantum_tasks import NewTask
from support.databases import open_database

BEFORE = 1_000_000
PLACE = {"account": "000000000000", "region": "us-east-1"}


@pytest.fixture
def database(tmp_path):
    database = open_database(tmp_path / "data" / "openbraket.sqlite3")
    yield database
    database.close()


def add_task(connection, number, *, created_at, ended_at):
    task = NewTask(
        **PLACE,
        id=f"task-{number}",
        device_arn="device",
        shots=1,
        output_bucket="b",
        output_directory="d",
        action=b"{}",
        action_type="t",
        created_at=created_at,
        tags={"number": str(number)},
    )
    quantum_tasks.create(connection, task)
    end(connection, "quantum_tasks", task.id, ended_at)


def add_job(connection, number, *, created_at, ended_at):
    job = NewJob(
        **PLACE,
        id=f"job-{number}",
        name="name",
        device_arn="device",
        instance_count=1,
        created_at=created_at,
        request_json="{}",
        tags={"number": str(number)},
    )
    jobs.create(connection, job)
    end(connection, "jobs", job.id, ended_at)


def end(connection, table, record_id, ended_at):
    status = "QUEUED" if ended_at is None else "COMPLETED"
    connection.execute(
        text(f"UPDATE {table} SET status = :status, ended_at = :at WHERE id = :id"),
        {"status": status, "at": ended_at, "id": record_id},
    )


def test_the_walk_ends_where_records_are_young(database):
    def fill(connection):
        for number in range(9):
            add_task(connection, number, created_at=BEFORE + number - 3, ended_at=BEFORE + number)

    database.write_soon(fill).result()
    with database.read() as connection:
        page = retention.TASKS.list_old(connection, before=BEFORE, after=0, limit=4)
        assert [(record.seq, record.is_old) for record in page] == [
            (1, True), (2, True), (3, True), (4, False)
        ]  # fmt: skip
        assert retention.TASKS.list_old(connection, before=BEFORE, after=4, limit=4) == []


def rows(database, table):
    with database.read() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()


@pytest.mark.parametrize(
    ("add", "kind", "tables"),
    [
        (add_task, retention.TASKS, ("quantum_tasks", "task_actions", "tags")),
        (add_job, retention.JOBS, ("jobs", "job_requests", "job_events", "tags")),
    ],
)
def test_what_ended_before_the_time_goes_and_nothing_else(database, monkeypatch, add, kind, tables):
    monkeypatch.setattr(retention_chore, "BATCH_COUNT_MAX", 4)

    def fill(connection):
        for number in range(9):
            add(connection, number, created_at=number, ended_at=BEFORE - 1)
        add(connection, 9, created_at=10, ended_at=None)  # still waits
        add(connection, 10, created_at=11, ended_at=BEFORE)  # ended later
        add(connection, 11, created_at=12, ended_at=13)  # old, after younger ends
        add(connection, 12, created_at=BEFORE, ended_at=BEFORE + 1)

    async def chore():
        await database.write(fill)
        return [
            await forget_old_records(database, kind, before=BEFORE, pause_s=0) for _ in range(2)
        ]

    assert asyncio.run(chore()) == [10, 0]
    assert {table: rows(database, table) for table in tables} == dict.fromkeys(tables, 3)
    with database.read() as connection:
        arns = [row[0] for row in connection.execute(text("SELECT resource_arn FROM tags"))]
        assert all(tags.list_tags(connection, arn)["number"] in {"9", "10", "12"} for arn in arns)
