import dataclasses
import os
import subprocess

import pytest

from openbraket.jobs import tree
from openbraket.jobs.directory import InstanceState, JobDirectory, read_log
from openbraket.jobs.files import DEPTH_MAX, remove_tree, walk
from openbraket.jobs.outcome import failure_reason
from openbraket.jobs.output import LINE_BYTES_MAX, LogFile
from openbraket.jobs.spec import Channel, JobSpec, Limits

SPEC = JobSpec(
    job_arn="arn:aws:braket:us-east-1:000000000000:job/an-id",
    job_id="an-id",
    job_name="name",
    attempt=1,
    device_arn="local:none/none",
    script_s3_uri="s3://bucket/source.tar.gz",
    script_file="source.tar.gz",
    entry_point="main",
    data_directory="/data",
    environments_directory="/data/environments",
    output_s3_path="s3://bucket/out",
    channels=(Channel("one", "s3://bucket/one", "text/csv"),),
    hyperparameters={"a": "1"},
    instance_count=2,
    limits=Limits(runtime_seconds=5),
)
STATE = InstanceState(phase="ENDED", supervisor_pid=1, supervisor_start=2, started_at=3.0)


def test_specification_comes_back_as_it_was_and_is_private(tmp_path):
    directory = JobDirectory(tmp_path / "job" / "1")
    directory.prepare(SPEC)
    assert directory.spec() == SPEC
    assert directory.spec_path.stat().st_mode & 0o077 == 0
    assert directory.path.stat().st_mode & 0o077 == 0
    assert directory.channel("one").is_dir()
    assert directory.instance(2).path.is_dir()


@pytest.mark.parametrize("text", ["{}", "[]", "no", '{"channels": [], "limits": {"x": 1}}'])
def test_other_documents_are_no_specification(text):
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is one, too
        JobSpec.from_json(text)


def test_state_comes_back_as_it_was(tmp_path):
    instance = JobDirectory(tmp_path).instance(1)
    assert instance.state() is None
    instance.path.mkdir()
    instance.write_state(STATE)
    assert instance.state() == STATE


def test_log_is_read_on_from_any_record(tmp_path):
    log = LogFile(tmp_path / "log", 10_000)
    log.take(b"first\nsec")
    records, offset = read_log(tmp_path / "log", 0)
    assert [record.text for record in records] == ["first"]
    log.take(b"ond\n\n\xff\nrest")
    log.say("said")
    log.close()
    records, end = read_log(tmp_path / "log", offset)
    assert [record.text for record in records] == ["second", "", "\ufffd", "rest", "said"]
    assert [r.epoch_ms for r in records] == sorted(r.epoch_ms for r in records)
    assert read_log(tmp_path / "log", end) == ([], end)
    assert read_log(tmp_path / "absent", 7) == ([], 7)


def test_log_is_read_in_parts_without_losing_a_record(tmp_path):
    log = LogFile(tmp_path / "log", 10_000)
    log.take(b"".join(b"line %d\n" % number for number in range(50)))
    offset, texts = 0, []
    while records := (step := read_log(tmp_path / "log", offset, bytes_max=100))[0]:
        texts += [record.text for record in records]
        offset = step[1]
    log.close()
    assert texts == [f"line {number}" for number in range(50)]


def test_log_is_cut_once_and_at_a_line(tmp_path):
    log = LogFile(tmp_path / "log", 200)
    for number in range(100):
        log.take(b"line %d\n" % number)
    log.say("after the end")
    log.close()
    texts = [record.text for record in read_log(tmp_path / "log", 0)[0]]
    assert texts[0] == "line 0"
    assert texts[-1] == "Output beyond 200 bytes is left out."
    assert len([text for text in texts if "left out" in text]) == 1
    assert texts[:-1] == [f"line {number}" for number in range(len(texts) - 1)]


@pytest.mark.parametrize("character", ["x", "é", "€", "🎲"])
def test_long_line_is_split_between_characters(tmp_path, character):
    text = "a" + character * (LINE_BYTES_MAX // len(character.encode()) * 3)
    log = LogFile(tmp_path / "log", 1 << 22)
    log.take(text.encode() + b"\n")
    log.close()
    parts = [record.text for record in read_log(tmp_path / "log", 0)[0]]
    assert "".join(parts) == text
    assert all(len(part.encode()) <= LINE_BYTES_MAX for part in parts)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exit_code": 0}, None),
        ({"exit_code": 0, "failure": "E: x"}, "AlgorithmError: E: x, exit code: 0"),
        ({"exit_code": 1, "failure": "E: x"}, "AlgorithmError: E: x, exit code: 1"),
        (
            {"exit_code": 143},
            "AlgorithmError: The script was ended by signal 15, exit code: 143",
        ),
        ({"reason": "disk", "message": "Too much."}, "AlgorithmError: Too much."),
        ({"reason": "lost", "message": "Gone."}, "InternalServerError: Gone."),
    ],
)
def test_failure_reason(changes, reason):
    good = dataclasses.replace(STATE, exit_code=0)
    assert failure_reason([good, dataclasses.replace(STATE, **changes)]) == reason


def test_failure_reason_keeps_the_exit_code_of_a_long_failure():
    state = dataclasses.replace(STATE, exit_code=1, failure="x" * 1024)
    reason = failure_reason([state])
    assert len(reason) <= 1024
    assert reason.endswith(", exit code: 1")


def test_failure_file_is_cut(tmp_path):
    instance = JobDirectory(tmp_path).instance(1)
    assert instance.read_failure() is None
    instance.failure_path.parent.mkdir(parents=True)
    instance.failure_path.write_text("é" * 5000)
    assert instance.read_failure() == "é" * 1024


def test_walk_opens_files_and_follows_no_link(tmp_path):
    model = tmp_path / "model"
    (model / "b").mkdir(parents=True)
    (model / "b" / "two").write_text("2")
    (model / "one").write_text("1")
    (model / "link").symlink_to("/etc/hostname")
    (model / "c").symlink_to("/etc")
    os.mkfifo(model / "pipe")
    found = {item.name: (item.file.read(), item.size) for item in walk(model)}
    assert found == {"b/two": (b"2", 1), "one": (b"1", 1)}
    (tmp_path / "alias").symlink_to(model)
    assert list(walk(tmp_path / "alias")) == []
    assert list(walk(tmp_path / "absent")) == []


def nest(folder, depth, name="d"):
    """Nest folders, and put a file into the last; the path may be longer than a path can be."""
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=descriptor)
        inner = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("last", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "job"
    # What pytest itself could not remove.
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


def test_folders_of_any_depth_are_walked_to_a_limit_told_of_and_removed(tmp_path, folder):
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "file").write_text("x")
    nest(folder, DEPTH_MAX + 20, 200 * "d")
    assert [item.name for item in walk(folder)] == ["a/file"]
    with pytest.raises(tree.TooDeepError):
        tree.folder_bytes([folder])
    remove_tree(folder)
    assert list(tmp_path.iterdir()) == []
    remove_tree(folder)


def test_files_are_found_down_to_the_deepest_level(tmp_path):
    nest(tmp_path, DEPTH_MAX)
    assert [item.name for item in walk(tmp_path)] == ["d/" * DEPTH_MAX + "last"]
    assert tree.folder_bytes([tmp_path]) >= DEPTH_MAX * 4096


def test_folders_without_rights_are_removed_and_links_are_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    folder = tmp_path / "job"
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "closed" / "link").symlink_to(kept)
    (folder / "closed").chmod(0)
    remove_tree(folder)
    assert list(tmp_path.iterdir()) == [kept]
