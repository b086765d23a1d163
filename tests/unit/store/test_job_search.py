"""Searching jobs against a plain list."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from openbraket.base.ids import job_arn
from openbraket.store import job_search, jobs
from openbraket.store import search as records_search
from openbraket.store.jobs import NewJob
from openbraket.store.search import Filter
from openbraket.store.tables import jobs as table
from support.databases import IS_POSTGRESQL, sqlite_only

ACCOUNT, REGION = "000000000000", "us-east-1"
DEVICES = ("local:none/none", "arn:aws:braket:::device/quantum-simulator/amazon/sv1")
NAMES = ("alpha", "alphabet", "Beta-1", "a%b", "100-percent")
STATUSES = ("QUEUED", "RUNNING", "CANCELLED")


def job_id(number):
    return f"00000000-0000-4000-8000-{number:012}"


def fill(connection, count):
    rows = []
    for number in range(count):
        row = {
            "number": number,
            "account": ACCOUNT if number % 7 else "111111111111",
            "region": REGION if number % 11 else "us-west-2",
            "name": NAMES[number % len(NAMES)],
            "device_arn": DEVICES[number % 2],
            "status": STATUSES[number % 3],
            # Several jobs of one millisecond, and times that go back.
            "created_at": 1000 + (number * 37 % 20) // 2,
            "tag": f"v{number % 4}",
        }
        job = NewJob(
            id=job_id(number),
            account=row["account"],
            region=row["region"],
            name=row["name"],
            device_arn=row["device_arn"],
            instance_count=1,
            created_at=row["created_at"],
            request_json="{}",
            tags={"k": row["tag"]},
        )
        jobs.create(connection, job)
        connection.execute(update(table).where(table.c.id == job.id).values(status=row["status"]))
        rows.append(row)
    return rows


def holds(item, row):
    values = item.values
    field = {"jobName": "name", "deviceArn": "device_arn", "createdAt": "created_at"}
    match item.name:
        case "tags:k":
            return row["tag"] in values
        case "jobArn":
            return job_arn(region=REGION, account=ACCOUNT, job_id=job_id(row["number"])) in values
    value = row[field.get(item.name, item.name)]
    match item.operator:
        case "EQUAL":
            return value in values
        case "CONTAINS":
            return any(part in value for part in values)
        case "LT":
            return value < max(values)
        case "GTE":
            return value >= min(values)
        case "BETWEEN":
            return min(values) <= value <= max(values)


def some(values, size=3):
    return st.lists(values, min_size=1, max_size=size).map(tuple)


ARNS = st.integers(0, 45).map(
    lambda number: job_arn(region=REGION, account=ACCOUNT, job_id=job_id(number))
)
TIMES = st.integers(998, 1012)
FILTERS = st.one_of(
    st.builds(Filter, st.just("jobName"), st.just("EQUAL"), some(st.sampled_from(NAMES))),
    st.builds(
        Filter,
        st.just("jobName"),
        st.just("CONTAINS"),
        some(st.sampled_from(["alph", "ALPH", "%", "_", "-", "a"])),
    ),
    st.builds(Filter, st.just("deviceArn"), st.just("EQUAL"), some(st.sampled_from(DEVICES))),
    st.builds(Filter, st.just("status"), st.just("EQUAL"), some(st.sampled_from(STATUSES))),
    st.builds(Filter, st.just("createdAt"), st.sampled_from(["LT", "GTE", "EQUAL"]), some(TIMES)),
    st.builds(Filter, st.just("createdAt"), st.just("BETWEEN"), st.tuples(TIMES, TIMES)),
    st.builds(Filter, st.just("tags:k"), st.just("EQUAL"), some(st.sampled_from(["v0", "v3"]))),
    st.builds(Filter, st.just("jobArn"), st.just("EQUAL"), some(ARNS)),
)


def search(connection, filters, limit):
    found, after = [], None
    while True:
        page = job_search.search(
            connection, account=ACCOUNT, region=REGION, filters=filters, after=after, limit=limit
        )
        assert len(page.items) <= limit
        found += page.items
        after = page.next_after
        if after is None:
            return found


@settings(
    max_examples=15 if IS_POSTGRESQL else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    filters=st.lists(FILTERS, max_size=3),
    limit=st.integers(1, 12),
    examined=st.sampled_from([1, 3, 2000]),
    counted=st.sampled_from([1, 5, 1000]),
)
def test_search_finds_what_a_list_finds(database, write, filters, limit, examined, counted):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records_search, "EXAMINED_COUNT_MAX", examined)
        patch.setattr(records_search, "COUNTED_MAX", counted)
        check_search(database, write, filters, limit)


def check_search(database, write, filters, limit):
    rows = getattr(database, "rows_under_test", None)
    if rows is None:
        rows = database.rows_under_test = write(lambda connection: fill(connection, 40))
    wanted = [
        row["number"]
        for row in sorted(rows, key=lambda row: (row["created_at"], row["number"]), reverse=True)
        if (row["account"], row["region"]) == (ACCOUNT, REGION)
        and all(holds(item, row) for item in filters)
    ]
    with database.read() as connection:
        found = search(connection, filters, limit)
    assert [int(job.id[-12:]) for job in found] == wanted


def test_jobs_that_come_meanwhile_move_nothing(database, write):
    write(lambda connection: fill(connection, 10))
    with database.read() as connection:
        first = job_search.search(connection, account=ACCOUNT, region=REGION, limit=3)
        whole = search(connection, [], 100)

    def add(connection):
        job = NewJob(job_id(99), ACCOUNT, REGION, "new", DEVICES[0], 1, 9999, "{}")
        jobs.create(connection, job)

    write(add)
    with database.read() as connection:
        rest = job_search.search(
            connection, account=ACCOUNT, region=REGION, after=first.next_after, limit=100
        )
    assert first.items + rest.items == whole


def test_position_and_depth_count_the_waiting_jobs_of_the_device(database, write):
    write(lambda connection: fill(connection, 30))
    with database.read() as connection:
        waiting = [job for job in jobs.list_waiting(connection) if job.device_arn == DEVICES[0]]
        positions = [jobs.queue_position(connection, job, count_max=99) for job in waiting]
        assert positions == list(range(len(waiting)))
        assert jobs.queue_depth(connection, DEVICES[0]) == len(waiting)
        assert jobs.queue_position(connection, waiting[-1], count_max=2) == 2


NAME = Filter("jobName", "EQUAL", ("alpha",))
PART = Filter("jobName", "CONTAINS", ("alph",))
DEVICE = Filter("deviceArn", "EQUAL", DEVICES[:1])
QUEUED = Filter("status", "EQUAL", ("QUEUED",))
SINCE = Filter("createdAt", "GTE", (1000,))
TAG = Filter("tags:k", "EQUAL", ("v0",))


@sqlite_only
@pytest.mark.parametrize(
    ("driving", "rest", "index"),
    [
        ([], [PART, SINCE], "jobs_newest"),
        ([NAME], [DEVICE, QUEUED, SINCE], "jobs_name"),
        ([DEVICE], [PART, TAG], "jobs_device"),
        ([QUEUED], [PART, SINCE], "jobs_status"),
        ([DEVICE, QUEUED], [NAME, SINCE], "jobs_device_status"),
        ([TAG], [NAME, QUEUED], "tags_value"),
    ],
)
def test_search_walks_the_right_index(database, driving, rest, index):
    kind = job_search.SEARCHED
    query = records_search.Query.of(kind, driving + rest, driving, account=ACCOUNT, region=REGION)
    statement = records_search.build(jobs.JOB_COLUMNS, query, 101)
    with database.read() as connection:
        sql = str(
            statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        )
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
    assert any(f"INDEX {index} " in step for step in plan), plan
    sorts = [step for step in plan if "B-TREE" in step]
    assert sorts in ([], ["USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"]), plan
