"""`openbraket backup` and `openbraket check`, beside a running server and on its copy."""

import json
import os
import sqlite3
import subprocess
import sys

import boto3
import pytest

import openbraket.testing
from support.tasks import BUCKET, TERMINAL, task_request, wait_for

COMMAND = [sys.executable, "-m", "openbraket.cli.main"]


def run(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True)


def run_task(client):
    arn = client.create_quantum_task(**task_request())["quantumTaskArn"]
    task = wait_for(client, arn, TERMINAL)
    return arn, f"{task['outputS3Directory']}/results.json"


@pytest.fixture
def house(tmp_path):
    with openbraket.testing.start(
        data_dir=tmp_path / "data", options=("--workers", "1")
    ) as service:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield service


def content_of(data_dir, name):
    """Return the file of the one content whose text has `name` in it."""
    found = [p for p in (data_dir / "objects").rglob("*") if p.is_file() and name in p.read_text()]
    assert len(found) == 1
    return found[0]


def test_a_backup_of_a_running_server_serves(house, tmp_path):
    arn, key = run_task(boto3.client("braket"))
    done = run("backup", tmp_path / "copy", "--data-dir", house.data_dir)
    assert done.returncode == 0, done.stderr
    later, later_key = run_task(boto3.client("braket"))
    again = run("backup", tmp_path / "copy", "--data-dir", house.data_dir)
    assert again.returncode == 0, again.stderr
    assert run("check", "--contents", "--data-dir", tmp_path / "copy").returncode == 0
    with openbraket.testing.start(data_dir=tmp_path / "copy"):
        client, s3 = boto3.client("braket"), boto3.client("s3")
        for task_arn, task_key in ((arn, key), (later, later_key)):
            assert client.get_quantum_task(quantumTaskArn=task_arn)["status"] == "COMPLETED"
            result = json.loads(s3.get_object(Bucket=BUCKET, Key=task_key)["Body"].read())
            assert result["taskMetadata"]["id"] == task_arn


def test_a_deleted_object_leaves_the_backup_too(house, tmp_path):
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"content")
    assert run("backup", tmp_path / "copy", "--data-dir", house.data_dir).returncode == 0
    assert content_of(tmp_path / "copy", "content")
    s3.delete_object(Bucket=BUCKET, Key="key")
    assert run("backup", tmp_path / "copy", "--data-dir", house.data_dir).returncode == 0
    assert not [p for p in (tmp_path / "copy" / "objects").rglob("*") if p.is_file()]


def test_damage_is_found_and_named(house):
    s3 = boto3.client("s3")
    for key in ("sound", "gone", "cut", "changed"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=f"content of {key}".encode())
    assert run("check", "--contents", "--data-dir", house.data_dir).returncode == 0
    content_of(house.data_dir, "of gone").unlink()
    os.truncate(content_of(house.data_dir, "of cut"), 3)
    content_of(house.data_dir, "of changed").write_text("Content of changed")
    quick = run("check", "--data-dir", house.data_dir)
    assert quick.returncode == 1
    assert sorted(line.partition(":")[0] for line in quick.stdout.splitlines()) == ["s3", "s3"]
    whole = run("check", "--contents", "--data-dir", house.data_dir)
    named = {line.split(": ")[0].rpartition("/")[2] for line in whole.stdout.splitlines()}
    assert named == {"gone", "cut", "changed"}
    done = run("backup", house.data_dir.parent / "copy", "--data-dir", house.data_dir)
    assert done.returncode == 1
    assert "openbraket check" in done.stderr


def test_damage_of_results_in_the_records_is_found_and_named(house):
    client = boto3.client("braket")
    keys = [run_task(client)[1] for _ in range(3)]
    assert run("check", "--contents", "--data-dir", house.data_dir).returncode == 0
    found = "(SELECT blob_id FROM objects WHERE key = ?)"
    with sqlite3.connect(house.data_dir / "openbraket.sqlite3") as records:
        records.execute(f"DELETE FROM contents WHERE blob_id = {found}", (keys[0],))
        for key, content in ((keys[1], "zeroblob(0)"), (keys[2], "zeroblob(length(content))")):
            records.execute(
                f"UPDATE contents SET content = {content} WHERE blob_id = {found}", (key,)
            )
    records.close()
    quick = run("check", "--data-dir", house.data_dir)
    assert quick.returncode == 1
    whole = run("check", "--contents", "--data-dir", house.data_dir)
    named = [
        {line.split(": ")[0].removeprefix(f"s3://{BUCKET}/") for line in done.stdout.splitlines()}
        for done in (quick, whole)
    ]
    assert named == [set(keys[:2]), set(keys)]


@pytest.mark.parametrize("command", ["backup", "check"])
def test_no_data_directory_is_said_plainly(tmp_path, command):
    target = [tmp_path / "copy"] if command == "backup" else []
    done = run(command, *target, "--data-dir", tmp_path)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_with_other_files_is_left_alone(house, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    done = run("backup", tmp_path / "mine", "--data-dir", house.data_dir)
    assert done.returncode == 1
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_damaged_records_are_found(tmp_path):
    with openbraket.testing.start(data_dir=tmp_path, options=("--workers", "1")):
        boto3.client("s3").create_bucket(Bucket=BUCKET)
    records = tmp_path / "openbraket.sqlite3"
    with records.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 6)
    done = run("check", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert "records" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
