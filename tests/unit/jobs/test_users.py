"""Which ids jobs get as their users, and that one is never two jobs'."""

import os

import pytest

from openbraket.jobs import users
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.users import NoUserError, UsersBusyError, claim, read_user_ids

# Never given to anything by the other tests.
IDS = (60_600, 60_601)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Three attempts, and locks of their own."""
    monkeypatch.setattr(users, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(users, "_is_mapped", lambda *_: True)
    made = [JobDirectory(tmp_path / name) for name in "abc"]
    for directory in made:
        directory.path.mkdir()
    return made


def taken(directory, ids=IDS, job_id="job"):
    return claim(directory, ids, job_id=job_id, data_directory=str(directory.path))


@pytest.mark.parametrize(
    ("text", "ids"),
    [("none", None), ("70000-70009", (70_000, 70_009)), ("70000-70000", (70_000, 70_000))],
)
def test_range_of_users_is_read(text, ids):
    assert read_user_ids(text) == ids


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither a range"),
        ("70000", "neither a range"),
        ("a-b", "neither a range"),
        ("-5-9", "neither a range"),
        ("9-5", "not a range of user ids within 1"),
        ("70000-4294967295", "not a range of user ids within 1"),
        ("0-9", "not a range of user ids within 1"),
        ("65000-66000", "nobody"),
        ("1-65533", "the account "),
    ],
)
def test_range_with_root_or_an_account_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        read_user_ids(text)


def test_jobs_get_users_of_their_own_and_instances_of_one_job_the_same(places):
    first, second, third = places
    one, other = taken(first), taken(second)
    assert {one.user_id, other.user_id} == set(IDS)
    again = taken(first)
    assert (again.user_id, again.is_first, one.is_first) == (one.user_id, False, True)
    assert first.user_id() == one.user_id
    with pytest.raises(UsersBusyError, match="All 2 user ids from 60600 to 60601 are in use"):
        taken(third)
    one.end()
    with pytest.raises(UsersBusyError):
        taken(third)
    again.end()
    late = taken(third)
    assert late.user_id == one.user_id
    # An instance of the first job that comes so late gets another.
    other.end()
    assert taken(first).user_id == other.user_id


def test_user_of_whom_a_process_lives_is_passed_over(places, monkeypatch):
    monkeypatch.setattr(users, "live_processes", lambda user_id: [1] * (user_id == IDS[0]))
    assert taken(places[0]).user_id == IDS[1]


def test_processes_of_a_user_are_found():
    assert os.getpid() in users.live_processes(os.getuid())
    assert users.live_processes(IDS[0]) == []


def test_ids_that_the_container_does_not_have_are_refused(places, monkeypatch):
    monkeypatch.setattr(users, "_is_mapped", lambda *_: False)
    with pytest.raises(NoUserError, match="60600 to 60601 do not exist in this container"):
        taken(places[0])


def test_locks_go_to_the_data_directory_where_there_is_no_other_place(places, monkeypatch):
    (places[0].path / "file").touch()
    monkeypatch.setattr(users, "LOCKS", places[0].path / "file" / "locks")
    user = taken(places[0])
    assert (places[0].path / "job-users" / str(user.user_id)).exists()


def test_root_is_never_struck():
    with pytest.raises(ValueError, match="no job's"):
        users.strike(0)
