import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbraket.base.ids import job_arn
from openbraket.engine import states
from openbraket.store import jobs, quantum_tasks, search, transitions
from openbraket.store.jobs import NewJob
from openbraket.store.quantum_tasks import Filter, create
from openbraket.store.tags import set_tags
from support.databases import IS_POSTGRESQL, sqlite_only

ACCOUNT = "000000000000"
REGION = "us-east-1"
DEVICES = ("arn:d0", "arn:d1", "arn:d2")
JOBS = (None, None, "arn:aws:braket:us-east-1:000000000000:job/a", "arn:j/b")
STATUSES = ("CREATED", "CANCELLED", "RUNNING", "COMPLETED")
COUNT = 60


@pytest.fixture
def tasks(write, new_task):
    """Tasks of every mixture, oldest first; some share a millisecond, and the clock once jumps."""
    made = []

    def work(connection):
        for number in range(COUNT):
            jump = -20 if number > 40 else 0
            task = new_task(
                created_at=1_700_000_000_000 + number // 3 + jump,
                device_arn=DEVICES[number % 3],
                job_arn=JOBS[number % 4],
                tags={"color": ("red", "blue")[number % 2], "number": f"{number:02}"},
            )
            create(connection, task)
            status = STATUSES[number * 7 % 4]
            if status == "CANCELLED":
                transitions.apply(connection, states.CANCEL_WAITING, task.id, at=1)
            elif status != "CREATED":
                transitions.apply(connection, states.START, task.id, at=1, attempt=1)
                if status == "COMPLETED":
                    transitions.apply(connection, states.COMPLETE, task.id, at=1, attempt=1)
            made.append((task, status, number))
        create(connection, new_task(account="111111111111"))
        create(connection, new_task(region="us-west-2"))

    write(work)
    return made


def holds(item, task, status):
    value = {
        "quantumTaskArn": task.arn,
        "deviceArn": task.device_arn,
        "jobArn": task.job_arn,
        "status": status,
        "createdAt": task.created_at,
    }.get(item.name, task.tags.get(item.name.removeprefix("tags:")))
    if value is None:
        return False
    values = item.values
    return {
        "EQUAL": lambda: value in values,
        "LT": lambda: any(value < other for other in values),
        "LTE": lambda: any(value <= other for other in values),
        "GT": lambda: any(value > other for other in values),
        "GTE": lambda: any(value >= other for other in values),
        "BETWEEN": lambda: min(values) <= value <= max(values),
    }[item.operator]()


def expected(tasks, filters):
    found = [
        (task.created_at, number, task.id)
        for task, status, number in tasks
        if all(holds(item, task, status) for item in filters)
    ]
    return [task_id for _, _, task_id in sorted(found, reverse=True)]


def pages(database, filters, limit):
    found, after = [], None
    for _ in range(COUNT + 2):
        with database.read() as connection:
            page = quantum_tasks.search(
                connection,
                account=ACCOUNT,
                region=REGION,
                filters=filters,
                after=after,
                limit=limit,
            )
        assert len(page.items) <= limit
        found += [task.id for task in page.items]
        if page.next_after is None:
            return found
        after = page.next_after
    raise AssertionError("the pages do not end")


ORDERS = st.sampled_from(["LT", "LTE", "GT", "GTE"])
TIMES = st.integers(1_700_000_000_000 - 15, 1_700_000_000_025)
FILTERS = st.one_of(
    st.builds(
        Filter,
        st.just("deviceArn"),
        st.just("EQUAL"),
        st.lists(st.sampled_from([*DEVICES, "arn:none"]), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        Filter,
        st.just("status"),
        st.just("EQUAL"),
        st.lists(st.sampled_from([*STATUSES, "FAILED"]), min_size=1, max_size=4).map(tuple),
    ),
    st.builds(
        Filter,
        st.just("jobArn"),
        st.just("EQUAL"),
        st.lists(st.sampled_from(["arn:none", *JOBS[2:]]), min_size=1, max_size=2).map(tuple),
    ),
    st.builds(
        Filter,
        st.just("tags:color"),
        st.just("EQUAL"),
        st.lists(st.sampled_from(["red", "blue", "none"]), min_size=1, max_size=2).map(tuple),
    ),
    st.builds(Filter, st.just("tags:number"), ORDERS, st.tuples(st.sampled_from(["20", "41"]))),
    st.builds(Filter, st.just("createdAt"), ORDERS, st.lists(TIMES, min_size=1).map(tuple)),
    st.builds(Filter, st.just("createdAt"), st.just("BETWEEN"), st.tuples(TIMES, TIMES)),
    st.builds(Filter, st.just("createdAt"), st.just("EQUAL"), st.tuples(TIMES)),
    st.builds(
        lambda numbers: Filter(
            "quantumTaskArn",
            "EQUAL",
            tuple(
                f"arn:aws:braket:{REGION}:{ACCOUNT}:quantum-task/"
                f"00000000-0000-4000-8000-{number:012}"
                for number in numbers
            ),
        ),
        st.lists(st.integers(1, COUNT + 2), min_size=1, max_size=4),
    ),
)


@settings(
    max_examples=30 if IS_POSTGRESQL else 150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(filters=st.lists(FILTERS, max_size=3), limit=st.sampled_from([1, 7, 100]))
def test_pages_together_equal_the_plain_definition(database, tasks, filters, limit):
    assert pages(database, filters, limit) == expected(tasks, filters)


@settings(
    max_examples=15 if IS_POSTGRESQL else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    filters=st.lists(FILTERS, max_size=3),
    limit=st.sampled_from([1, 7, 100]),
    examined=st.sampled_from([1, 2, 5]),
    counted=st.sampled_from([1, 5]),
)
def test_pages_that_end_early_equal_the_plain_definition_together(
    database, tasks, filters, limit, examined, counted
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "EXAMINED_COUNT_MAX", examined)
        patch.setattr(search, "COUNTED_MAX", counted)
        assert pages(database, filters, limit) == expected(tasks, filters)


def test_page_that_finds_nothing_among_many_says_where_to_go_on(database, tasks, monkeypatch):
    monkeypatch.setattr(search, "EXAMINED_COUNT_MAX", 5)
    monkeypatch.setattr(search, "COUNTED_MAX", 5)
    never = [Filter("tags:color", "EQUAL", ("red",)), Filter("tags:number", "LT", ("00",))]
    with database.read() as connection:
        page = quantum_tasks.search(
            connection, account=ACCOUNT, region=REGION, filters=never, limit=10
        )
    assert page.items == []
    assert page.next_after is not None
    assert pages(database, never, 10) == []


def test_filter_that_fewest_tasks_pass_drives(database, tasks):
    one = Filter("tags:number", "EQUAL", ("07",))
    with database.read() as connection:
        for filters in ([RED, SV1, one], [one, JOB, RED]):
            driving = search._choose_driving(
                connection, quantum_tasks.SEARCHED, filters, account=ACCOUNT, region=REGION
            )
            assert driving == [one]
        driving = search._choose_driving(
            connection, quantum_tasks.SEARCHED, [RED, SV1, FAILED], account=ACCOUNT, region=REGION
        )
        assert driving == [SV1, FAILED]


def test_page_by_a_tag_goes_on_behind_other_records_that_have_it(
    database, write, tasks, monkeypatch
):
    """The index of tags has those of jobs and of other accounts, too."""
    monkeypatch.setattr(search, "EXAMINED_COUNT_MAX", 4)

    def tag_others(connection):
        for number in range(20):
            arn = job_arn(region=REGION, account=ACCOUNT, job_id=f"{number:036}")
            jobs.create(connection, NewJob(arn[-36:], ACCOUNT, REGION, "j", "d", 1, 10**13, "{}"))
            set_tags(connection, arn, {"color": "red"})

    write(tag_others)
    with database.read() as connection:
        page = quantum_tasks.search(
            connection, account=ACCOUNT, region=REGION, filters=[RED], limit=7
        )
    assert page.next_after is not None
    assert pages(database, [RED], 7) == expected(tasks, [RED])


def test_filters_that_contradict_each_other_find_nothing(database, tasks):
    blue = Filter("tags:color", "EQUAL", ("blue",))
    with database.read() as connection:
        page = quantum_tasks.search(
            connection, account=ACCOUNT, region=REGION, filters=[RED, blue], limit=5
        )
    assert (page.items, page.next_after) == ([], None)


def test_pages_stay_stable_while_tasks_are_added(database, write, tasks, new_task):
    whole = pages(database, [], 100)
    with database.read() as connection:
        first = quantum_tasks.search(connection, account=ACCOUNT, region=REGION, limit=10)
    for _ in range(5):
        newer = new_task(created_at=1_800_000_000_000)
        write(lambda c, newer=newer: create(c, newer))
    with database.read() as connection:
        rest = quantum_tasks.search(
            connection, account=ACCOUNT, region=REGION, after=first.next_after, limit=100
        )
    assert [task.id for task in (*first.items, *rest.items)] == whole


def test_page_after_an_unknown_record_is_empty(database, tasks):
    with database.read() as connection:
        page = quantum_tasks.search(
            connection, account=ACCOUNT, region=REGION, after=10_000, limit=5
        )
    assert (page.items, page.next_after) == ([], None)


def test_unknown_operator_is_refused(database):
    with database.read() as connection, pytest.raises(ValueError, match="'LIKE'"):
        quantum_tasks.search(
            connection,
            account=ACCOUNT,
            region=REGION,
            filters=[Filter("status", "LIKE", ("x",))],
            limit=5,
        )


SV1 = Filter("deviceArn", "EQUAL", ("arn:d0",))
FAILED = Filter("status", "EQUAL", ("FAILED",))
ENDED = Filter("status", "EQUAL", ("FAILED", "COMPLETED"))
SINCE = Filter("createdAt", "GTE", (1_700_000_000_000,))
RED = Filter("tags:color", "EQUAL", ("red",))
JOB = Filter("jobArn", "EQUAL", ("arn:j/b",))
ARN = Filter(
    "quantumTaskArn",
    "EQUAL",
    (f"arn:aws:braket:{REGION}:{ACCOUNT}:quantum-task/00000000-0000-4000-8000-000000000001",),
)


def explain(database, statement):
    with database.read() as connection:
        sql = str(
            statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        )
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]


@sqlite_only
@pytest.mark.parametrize(
    ("driving", "rest", "index"),
    [
        ([], [], "quantum_tasks_newest"),
        ([], [SINCE], "quantum_tasks_newest"),
        ([SV1], [], "quantum_tasks_device"),
        ([SV1], [SINCE], "quantum_tasks_device"),
        ([FAILED], [], "quantum_tasks_status"),
        ([ENDED], [SINCE], "quantum_tasks_status"),
        ([SV1, FAILED], [], "quantum_tasks_device_status"),
        ([SV1, ENDED], [SINCE], "quantum_tasks_device_status"),
        ([SV1, ENDED], [SINCE, RED, JOB], "quantum_tasks_device_status"),
        ([RED], [], "tags_value"),
        ([RED], [SV1, FAILED, SINCE], "tags_value"),
        ([JOB], [SV1, FAILED, SINCE], "quantum_tasks_job"),
        ([ARN], [SV1, FAILED, SINCE], "sqlite_autoindex_quantum_tasks_1"),
    ],
)
@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"start": (1_700_000_000_010, 30)},
        {"start": (1_700_000_000_010, 0), "not_before": 1_699_999_999_000},
    ],
)
def test_search_walks_the_right_index_without_sorting(
    database, tasks, driving, rest, index, bounds
):
    filters = driving + rest
    query = search.Query.of(
        quantum_tasks.SEARCHED, filters, driving, account=ACCOUNT, region=REGION
    )
    query = dataclasses.replace(query, **bounds)
    plan = explain(database, search.build(quantum_tasks.TASK_COLUMNS, query, 101))
    assert any(f"INDEX {index} " in step for step in plan), plan
    if driving != [ARN]:
        for walk in query.walks():
            aged = explain(database, walk.ages().order_by(walk.created_at.desc()))
            assert all(f"COVERING INDEX {index} " in step for step in aged), aged
    walks = [step for step in plan if "quantum_tasks" in step or "tags" in step]
    assert all(step.startswith("SEARCH") for step in walks), plan
    if filters and ENDED in filters:
        return  # merging walks sorts what they found: at most a page from each
    # A sort of the last term only puts tasks of the same millisecond in order.
    sorts = [step for step in plan if "B-TREE" in step]
    assert sorts == [] or sorts == ["USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"], plan
