"""Only whole checkpoints become objects."""

import os
import time
from dataclasses import replace

import pytest

from openbraket.base.s3_uri import S3Location
from openbraket.blobs import LocalBlobs
from openbraket.engine.jobs import checkpoints as module
from openbraket.engine.jobs.checkpoints import CUT_S, Checkpoints
from openbraket.jobs.directory import ENDED, InstanceState, JobDirectory
from openbraket.jobs.files import JobFile

LONG_AGO_S = 1000.0


@pytest.fixture
def checkpoints(tmp_path):
    directory = JobDirectory(tmp_path / "attempt")
    directory.checkpoints.mkdir(parents=True)
    blobs = LocalBlobs(tmp_path, is_durable=False)
    return Checkpoints(directory, S3Location("bucket", "cp"), blobs)


def write(checkpoints, name, content, *, at=None):
    """Write a checkpoint as of a time, in seconds since 1970."""
    path = checkpoints.directory.checkpoints / name
    path.write_text(content)
    if at is not None:
        os.utime(path, (at, at))


def taken(checkpoints):
    """Return what a look takes, as name to content, and take it for published."""
    produced, marks = checkpoints.store_settled()
    checkpoints.confirm(marks)
    return contents(checkpoints, produced)


def contents(checkpoints, produced):
    return {
        item.key.removeprefix("cp/"): checkpoints.blobs.path(item.blob.id).read_text()
        for item in produced
    }


def ended(at, reason=None):
    code = 0 if reason is None else None
    return InstanceState(ENDED, 1, 1, 0.0, ended_at=at, exit_code=code, reason=reason)


@pytest.fixture(params=["told", "not told"])
def kernel_tells(request, monkeypatch):
    """Whether the kernel says who writes to a file."""
    if request.param == "not told":
        monkeypatch.setattr(JobFile, "is_being_written", lambda _found: None)
    return request.param == "told"


def test_file_is_taken_once_it_is_written(checkpoints, kernel_tells):
    write(checkpoints, "rests", "whole", at=time.time() - LONG_AGO_S)
    with (checkpoints.directory.checkpoints / "open").open("w") as file:
        file.write("half")
        file.flush()
        os.utime(file.fileno(), (time.time() + LONG_AGO_S,) * 2)
        assert taken(checkpoints) == {"rests": "whole"}
        assert taken(checkpoints) == {}
    write(checkpoints, "open", "whole", at=time.time() - LONG_AGO_S)
    assert taken(checkpoints) == {"open": "whole"}


def test_file_that_was_just_written_is_taken_at_once(checkpoints):
    """One that is written anew all the time would never be, if it had to rest for a while."""
    write(checkpoints, "fresh", "whole", at=time.time() + LONG_AGO_S)
    assert taken(checkpoints) == {"fresh": "whole"}


def test_file_that_is_always_open_is_taken_as_it_is_after_a_while(checkpoints, monkeypatch):
    with (checkpoints.directory.checkpoints / "journal").open("w") as file:
        file.write("1\n")
        file.flush()
        assert taken(checkpoints) == {}
        monkeypatch.setattr(module, "UNSETTLED_S_MAX", 0)
        assert taken(checkpoints) == {"journal": "1\n"}


def test_file_that_changes_while_it_is_copied_is_not_taken(checkpoints, monkeypatch):
    write(checkpoints, "kept", "whole", at=time.time() - LONG_AGO_S)
    put = LocalBlobs.put

    def put_and_write(blobs, pieces):
        blob = put(blobs, pieces)
        write(checkpoints, "kept", "other", at=time.time() - LONG_AGO_S / 2)
        return blob

    with monkeypatch.context() as patch:
        patch.setattr(LocalBlobs, "put", put_and_write)
        assert taken(checkpoints) == {}
    assert taken(checkpoints) == {"kept": "other"}
    stored = checkpoints.blobs.path("0" * 32).parents[1].rglob("*")
    assert len([path for path in stored if path.is_file()]) == 1


def test_job_that_ends_by_itself_leaves_its_last_words(checkpoints):
    write(checkpoints, "last", "whole", at=LONG_AGO_S)
    assert contents(checkpoints, checkpoints.store_last([ended(LONG_AGO_S)])) == {"last": "whole"}


@pytest.fixture(params=["of this server", "of another server"])
def half_checkpoints(checkpoints, request):
    """Checkpoints of which the object `cut` is whole, and the file may not be."""
    write(checkpoints, "early", "whole", at=LONG_AGO_S - 9 * CUT_S)
    write(checkpoints, "cut", "whole", at=LONG_AGO_S - 9 * CUT_S)
    assert taken(checkpoints) == {"early": "whole", "cut": "whole"}
    if request.param == "of another server":
        checkpoints = replace(checkpoints, is_recovered=True, _known={})
    write(checkpoints, "early", "other", at=LONG_AGO_S - 2 * CUT_S)
    write(checkpoints, "cut", "half", at=LONG_AGO_S - CUT_S / 2)
    return checkpoints


@pytest.mark.parametrize("reason", ["stopped", "max_runtime", "memory"])
def test_killed_job_does_not_replace_a_whole_checkpoint_by_half_a_one(half_checkpoints, reason):
    states = [ended(LONG_AGO_S + 9), ended(LONG_AGO_S, reason)]
    last = half_checkpoints.store_last(states)
    assert contents(half_checkpoints, last) == {"early": "other"}


@pytest.mark.parametrize("states", [[], [ended(9 * LONG_AGO_S, "lost")]])
def test_job_whose_end_nobody_saw_was_cut_at_its_last_change(half_checkpoints, states):
    last = half_checkpoints.store_last(states)
    assert contents(half_checkpoints, last) == {"early": "other"}


def test_only_checkpoint_of_a_killed_job_is_taken_as_it_is(checkpoints):
    write(checkpoints, "only", "perhaps half", at=LONG_AGO_S)
    last = checkpoints.store_last([ended(LONG_AGO_S, "stopped")])
    assert contents(checkpoints, last) == {"only": "perhaps half"}
