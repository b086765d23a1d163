import json
from functools import partial
from itertools import product

import pytest
from sqlalchemy import update

from openbraket.base.ids import new_id
from openbraket.engine import job_states
from openbraket.engine.job_states import NOTES, TERMINAL, TRANSITIONS, JobStatus
from openbraket.store import jobs
from openbraket.store.jobs import JobEvent, NewJob
from openbraket.store.tables import jobs as table
from openbraket.wire.model import MODELS
from support.databases import open_database
from support.patience import PATIENCE_S


@pytest.fixture
def database(data_dir):
    database = open_database(data_dir / "openbraket.sqlite3")
    yield database
    database.close()


def create_job(connection, *, status="QUEUED", attempt=0, started_at=None):
    job_id = new_id()
    job = NewJob(
        id=job_id,
        account="000000000000",
        region="us-east-1",
        name="job",
        device_arn="local:none/none",
        instance_count=1,
        created_at=1,
        request_json="{}",
    )
    jobs.create(connection, job)
    connection.execute(
        update(table)
        .where(table.c.id == job_id)
        .values(status=status, attempt=attempt, started_at=started_at)
    )
    return job_id


def test_statuses_and_events_are_those_of_the_model():
    shapes = json.loads((MODELS / "braket.json").read_bytes())["shapes"]
    assert set(JobStatus) == set(shapes["JobPrimaryStatus"]["enum"])
    known = set(shapes["JobEventType"]["enum"])
    assert {t.event for t in TRANSITIONS if t.event} | set(NOTES) < known


def test_no_transition_leaves_a_terminal_status():
    for transition in TRANSITIONS:
        assert not set(transition.sources) & TERMINAL, transition.name
        assert transition.is_terminal == (transition.target in TERMINAL), transition.name


def test_every_change_of_a_running_attempt_is_fenced_except_the_cancel():
    for transition in TRANSITIONS:
        if transition.sources != ("QUEUED",) and transition is not job_states.CANCEL_RUNNING:
            assert transition.is_fenced, transition.name


def test_every_status_can_end():
    for status in set(JobStatus) - TERMINAL:
        found, frontier = set(), {status}
        while frontier:
            found |= frontier
            frontier = {t.target for t in TRANSITIONS if set(t.sources) & frontier} - found
        assert found & TERMINAL, status


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda t: t.name)
def test_transition_takes_effect_only_where_the_table_allows(database, transition):
    for status, is_same_attempt in product(JobStatus, [True, False]):
        is_changed, job, events = database.write_soon(
            partial(apply_to_fresh_job, transition, status, is_same_attempt)
        ).result(timeout=PATIENCE_S)
        needs_attempt = transition.is_fenced or transition.begins_attempt
        is_allowed = status in transition.sources and (is_same_attempt or not needs_attempt)
        assert is_changed == is_allowed
        assert job.status == (transition.target if is_allowed else status)
        assert job.attempt == (4 if is_allowed and transition.begins_attempt else 3)
        assert job.ended_at == (9 if is_allowed and transition.is_terminal else None)
        assert job.billable_ms == (7 if is_allowed and transition.is_terminal else None)
        added = [transition.event] if is_allowed and transition.event else []
        assert [event.type for event in events] == ["QUEUED_FOR_EXECUTION", *added]


def apply_to_fresh_job(transition, status, is_same_attempt, connection):
    job_id = create_job(connection, status=status, attempt=3, started_at=2)
    attempt = 3 + transition.begins_attempt if is_same_attempt else 8
    is_changed = jobs.apply(connection, transition, job_id, at=9, attempt=attempt)
    return is_changed, jobs.get(connection, job_id), jobs.list_events(connection, job_id)


def run_one(database, work):
    return database.write_soon(work).result(timeout=PATIENCE_S)


def test_job_that_never_started_is_billed_nothing(database):
    def work(connection):
        job_id = create_job(connection)
        assert jobs.apply(connection, job_states.CANCEL_WAITING, job_id, at=9)
        return jobs.get(connection, job_id)

    job = run_one(database, work)
    assert (job.status, job.ended_at, job.billable_ms) == ("CANCELLED", 9, None)


def test_token_belongs_to_its_job_only_while_it_runs(database):
    def owner(connection, token="secret", account="000000000000", region="us-east-1"):
        return jobs.find_by_token(connection, token, account=account, region=region)

    def work(connection):
        job_id = create_job(connection)
        assert owner(connection) is None
        jobs.apply(connection, job_states.START, job_id, at=2, attempt=1, token="secret")
        assert owner(connection).id == job_id
        assert owner(connection, token="other") is None
        assert owner(connection, account="111111111111") is None
        assert owner(connection, region="us-west-2") is None
        jobs.apply(connection, job_states.CANCEL_RUNNING, job_id, at=3)
        assert owner(connection) is None
        jobs.apply(connection, job_states.END_CANCELLED, job_id, at=4, attempt=1)
        return owner(connection)

    assert run_one(database, work) is None


def test_history_keeps_its_beginning_and_its_end(database):
    def work(connection):
        job_id = create_job(connection)
        for number in range(50):
            jobs.add_event(connection, job_id, JobEvent("RUNNING", number))
        return jobs.list_events(connection, job_id)

    events = run_one(database, work)
    assert len(events) == jobs.EVENT_COUNT_MAX
    assert (events[0].type, events[-1].at) == ("QUEUED_FOR_EXECUTION", 49)


def test_note_of_a_lost_attempt_is_dropped(database):
    def work(connection):
        job_id = create_job(connection)
        jobs.apply(connection, job_states.START, job_id, at=2, attempt=1)
        note = partial(jobs.note, connection, job_id, JobEvent("RUNNING", 3), sources=("RUNNING",))
        kept = [note(attempt=attempt) for attempt in (0, 1, 2)]
        return kept, [event.type for event in jobs.list_events(connection, job_id)]

    kept, types = run_one(database, work)
    assert kept == [False, True, False]
    assert types == ["QUEUED_FOR_EXECUTION", "STARTING_INSTANCE", "RUNNING"]


def test_failure_reason_is_cut_at_the_models_limit(database):
    def work(connection):
        job_id = create_job(connection)
        jobs.apply(connection, job_states.REFUSE, job_id, at=2, failure_reason="x" * 2000)
        return jobs.get(connection, job_id)

    assert run_one(database, work).failure_reason == "x" * 1024
