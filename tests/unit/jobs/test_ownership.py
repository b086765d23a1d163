"""Folders that change hands between the server and a job's user."""

import os
import stat

import pytest

from openbraket.jobs.files import walk
from openbraket.jobs.mount_points import mount_point
from openbraket.jobs.ownership import give, open_way, take_back

OTHER = 60_600
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    (made / "deep" / "deeper").mkdir(parents=True)
    (made / "deep" / "file").write_text("x")
    (made / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("not the job's")
    return made


@needs_root
def test_everything_is_given_and_no_link_followed(folder):
    give([folder], OTHER)
    for path in (folder, *folder.rglob("*")):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (OTHER, OTHER)
    assert (folder.parent / "outside").stat().st_uid == 0


def test_what_is_taken_back_is_for_all_to_read_and_nobody_to_change(folder):
    file, program = folder / "deep" / "file", folder / "deep" / "program"
    program.write_text("x")
    file.chmod(0o666)
    program.chmod(0o6700)
    (folder / "deep" / "deeper").chmod(0)
    take_back(folder, os.geteuid())
    assert [mode(path) for path in (file, program, folder / "deep" / "deeper", folder)] == [
        0o644,
        0o755,
        0o755,
        0o755,
    ]


@needs_root
def test_other_owners_files_are_not_taken_back(folder):
    give([folder], OTHER)
    os.link(folder.parent / "outside", folder / "second-name")
    (folder.parent / "outside").chmod(0o600)
    take_back(folder, OTHER)
    assert mode(folder.parent / "outside") == 0o600
    assert (folder / "deep" / "file").stat().st_uid == 0


@needs_root
def test_second_names_of_other_owners_files_are_no_results(folder):
    give([folder], OTHER)
    os.link(folder.parent / "outside", folder / "second-name")
    os.link(folder / "deep" / "file", folder / "own-second-name")
    assert sorted(found.name for found in walk(folder)) == ["deep/file", "own-second-name"]


def test_way_to_a_job_is_open_and_the_rest_of_the_service_closed(tmp_path):
    attempt = tmp_path / "jobs" / "id" / "1"
    own = attempt / "algo-1" / "ml"
    own.mkdir(parents=True)
    (tmp_path / "records").write_text("secret")
    (tmp_path / "environments").mkdir()
    tmp_path.chmod(0o700)
    between = [tmp_path / "jobs", attempt.parent, attempt, attempt / "algo-1"]
    open_way(tmp_path, between, [own])
    assert {mode(path) for path in between} == {0o711}
    assert (mode(tmp_path), mode(own)) == (0o701, 0o700)
    assert mode(tmp_path / "records") & 0o007 == 0
    assert mode(tmp_path / "environments") & 0o005 == 0o005


def test_mount_points_are_made_and_lead_to_themselves(tmp_path):
    with mount_point(str(tmp_path), "/a/b", is_folder=True) as place:
        assert os.path.realpath(place) == str(tmp_path / "a" / "b")
    with mount_point(str(tmp_path), "/a/file", is_folder=False) as place:
        assert os.path.realpath(place) == str(tmp_path / "a" / "file")
    assert (tmp_path / "a" / "file").read_bytes() == b""


@pytest.mark.parametrize(
    ("target", "is_folder"),
    [("/out/new", True), ("/out", True), ("/out", False), ("/out/new", False), ("/file/x", True)],
)
def test_mount_points_are_not_behind_links(tmp_path, target, is_folder):
    view, outside = tmp_path / "view", tmp_path / "outside"
    view.mkdir()
    outside.mkdir()
    (view / "out").symlink_to(outside)
    (view / "file").touch()
    words = "a link is in the way|Not a directory"
    with pytest.raises(OSError, match=words), mount_point(str(view), target, is_folder=is_folder):
        pass
    assert list(outside.iterdir()) == []
