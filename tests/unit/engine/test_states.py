from functools import partial
from itertools import product

import pytest
from sqlalchemy import text

from openbraket.base.ids import new_id
from openbraket.engine import states
from openbraket.engine.states import TERMINAL, TRANSITIONS, WAITING, Status
from openbraket.store import quantum_tasks, transitions
from openbraket.store.quantum_tasks import NewTask, create
from support.databases import open_database
from support.patience import PATIENCE_S


@pytest.fixture
def database(data_dir):
    database = open_database(data_dir / "openbraket.sqlite3")
    yield database
    database.close()


def test_no_transition_leaves_a_terminal_status():
    for transition in TRANSITIONS:
        assert not set(transition.sources) & TERMINAL, transition.name


def test_terminal_transitions_are_those_to_terminal_statuses():
    for transition in TRANSITIONS:
        assert transition.is_terminal == (transition.target in TERMINAL), transition.name


def test_every_change_of_a_running_attempt_is_fenced_except_the_cancel():
    for transition in TRANSITIONS:
        if not set(transition.sources) <= WAITING and transition is not states.CANCEL_RUNNING:
            assert transition.is_fenced, transition.name


def test_every_status_can_end():
    reachable = {
        status: {t.target for t in TRANSITIONS if status in t.sources} for status in Status
    }
    for status in set(Status) - TERMINAL:
        found, frontier = set(), {status}
        while frontier:
            found |= frontier
            frontier = set().union(*(reachable[Status(item)] for item in frontier)) - found
        assert found & TERMINAL, status


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda t: t.name)
def test_transition_takes_effect_only_where_the_table_allows(database, transition):
    for status, is_same_attempt in product(Status, [True, False]):
        is_changed, task = database.write_soon(
            partial(apply_to_fresh_task, transition, status, is_same_attempt)
        ).result(timeout=PATIENCE_S)
        needs_attempt = transition.is_fenced or transition.begins_attempt
        is_allowed = status in transition.sources and (is_same_attempt or not needs_attempt)
        assert is_changed == is_allowed
        assert task.status == (transition.target if is_allowed else status)
        assert task.attempt == (4 if is_allowed and transition.begins_attempt else 3)
        assert task.ended_at == (9 if is_allowed and transition.is_terminal else None)
        assert task.started_at == (9 if is_allowed and transition.begins_attempt else None)
        assert task.lost_count == (1 if is_allowed and transition.counts_loss else 0)


def apply_to_fresh_task(transition, status, is_same_attempt, connection):
    task = NewTask(
        id=new_id(),
        account="0",
        region="r",
        device_arn="d",
        shots=1,
        output_bucket="b",
        output_directory="p",
        action=b"",
        action_type="a",
        created_at=1,
    )
    create(connection, task)
    connection.execute(
        text("UPDATE quantum_tasks SET attempt = 3, status = :status WHERE id = :id"),
        {"status": status, "id": task.id},
    )
    attempt = 4 if transition.begins_attempt else 3
    attempt += 0 if is_same_attempt else 1
    is_changed = transitions.apply(connection, transition, task.id, at=9, attempt=attempt)
    return is_changed, quantum_tasks.get(connection, task.id)
