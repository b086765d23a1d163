"""Files on their way to a node and back, and what a node's instances leave."""

import os
from dataclasses import replace

import pytest

from openbraket.jobs import node
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.files import open_below
from openbraket.jobs.node import NodeInstance, Piece, staged_pieces, write_piece
from openbraket.jobs.places import address
from openbraket.jobs.spec import JobSpec

SPEC = JobSpec(
    job_arn="arn:aws:braket:us-east-1:000000000000:job/0",
    job_id="0",
    job_name="a-job",
    attempt=1,
    device_arn="local:none/none",
    script_s3_uri="s3://bucket/main.py",
    script_file="main.py",
    entry_point="main",
    data_directory="/data",
    environments_directory="/environments",
    output_s3_path="s3://bucket/out",
    instance_count=2,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(node.FOLDER_VARIABLE, str(tmp_path / "node"))
    return tmp_path / "node"


@pytest.fixture
def make():
    made = []

    def make(name):
        made.append(NodeInstance(name, 1))
        return made[-1]

    yield make
    for instance in made:
        instance._owner.close()


def staged(path):
    directory = JobDirectory(path)
    directory.prepare(SPEC)
    (directory.script / "main.py").write_text("print(1)")
    deep = directory.input_data / "numbers" / "deep"
    deep.mkdir(parents=True)
    (deep / "large").write_bytes(bytes(range(256)) * 1000)
    (deep / "empty").touch()
    (directory.checkpoints / "before").write_text("before")
    os.utime(directory.checkpoints / "before", ns=(5, 5))
    return directory


def contents(directory):
    return {
        path.relative_to(directory.path): path.read_bytes()
        for folder in (directory.script, directory.input_data, directory.checkpoints)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("size", [1000, 256_000, 1 << 20])
def test_staged_files_come_whole_in_messages_of_bounded_size(
    tmp_path, folder, make, monkeypatch, size
):
    monkeypatch.setattr(node, "PIECE_BYTES", size)
    directory = staged(tmp_path / "here")
    instance = make("name")
    for message in staged_pieces(directory):
        assert sum(len(piece.content) for piece in message) <= size
        instance.put(message)
        instance.put(message)
    there = JobDirectory(folder / "jobs" / "name" / "attempt")
    assert contents(there) == contents(directory)
    assert (there.checkpoints / "before").stat().st_mtime_ns == 5


def test_files_that_a_job_wrote_are_listed_and_read_in_pieces(make, monkeypatch):
    monkeypatch.setattr(node, "PIECE_BYTES", 10)
    instance = make("name")
    model = instance._instance.model
    (model / "deep").mkdir(parents=True)
    (model / "deep" / "b").write_bytes(b"0123456789abcdef")
    (model / "a").write_bytes(b"123")
    (model / "link").symlink_to("/etc/passwd")
    assert [(name, size) for name, size, _ in instance.list_files("model")] == [
        ("a", 3),
        ("deep/b", 16),
    ]
    assert instance.list_files("checkpoints") == []
    assert instance.read("model", [("a", 0), ("deep/b", 0), ("a", 1)]) == [
        Piece("a", 0, b"123"),
        Piece("deep/b", 0, b"0123456"),
    ]
    assert instance.read("model", [("deep/b", 7)]) == [Piece("deep/b", 7, b"789abcdef")]
    assert instance.read("model", [("link", 0), ("gone", 0), ("a", 2)]) == [
        Piece("link", 0, None),
        Piece("gone", 0, None),
        Piece("a", 2, b"3"),
    ]


def test_no_link_is_followed_on_the_way_to_a_file(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("x")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "way").symlink_to(tmp_path / "outside")
    os.mkfifo(inside / "pipe")
    for name in ("way/secret", "pipe", "way"):
        with pytest.raises(OSError, match=r"directory|symbolic|regular"), open_below(inside, name):
            pass


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../up", "a//b", ".", "a\0b"])
def test_pieces_whose_path_leads_elsewhere_are_refused(tmp_path, path):
    with pytest.raises(ValueError, match="no path below a folder"):
        write_piece(tmp_path, Piece(path, 0, b"x"))


def test_shorter_file_replaces_a_longer_one(tmp_path):
    write_piece(tmp_path, Piece("a/b", 0, b"0123456789"))
    write_piece(tmp_path, Piece("a/b", 2, b"xy", 7))
    assert (tmp_path / "a" / "b").read_bytes() == b"01xy"


def test_what_dead_instances_left_is_removed_and_living_ones_are_not(folder, make):
    living = make("living")
    dead = make("dead")
    dead.put([Piece("shared/script/main.py", 0, b"1")])
    dead._owner.close()
    make("next")
    assert sorted(path.name for path in (folder / "jobs").iterdir()) == ["living", "next"]
    living.finish()
    assert sorted(path.name for path in (folder / "jobs").iterdir()) == ["next"]


def test_folder_that_others_can_reach_is_refused(folder):
    folder.mkdir(mode=0o755)
    with pytest.raises(OSError, match=node.FOLDER_VARIABLE):
        NodeInstance("name", 1)


def test_instances_on_several_nodes_have_the_nodes_addresses():
    spread = replace(SPEC, addresses=("10.0.0.1", "10.0.0.2"))
    assert [address(spread, number) for number in (1, 2)] == ["10.0.0.1", "10.0.0.2"]
    assert JobSpec.from_json(spread.to_json()) == spread
    assert address(SPEC, 2).startswith("127.")
