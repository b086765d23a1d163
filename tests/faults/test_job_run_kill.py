"""kill -9 of the server while a job runs: it is found again, or fails, and never runs twice."""

import os
import signal
from contextlib import contextmanager
from urllib.parse import urlsplit

import boto3
import orjson
import pytest

import openbraket.testing
from support.job_scripts import create_job, job_lines, wait_for_end, wait_until
from support.tasks import BUCKET

OPTIONS = ("--workers", "1")
COUNTS = """
import os, time
print("begun", os.getpid(), flush=True)
number = 0
while not os.path.exists(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"] + "/go"):
    number += 1
    print("line", number, flush=True)
    time.sleep(0.05)
print("last", number)
"""


@contextmanager
def clients(service):
    names = ("braket", "s3", "logs")
    made = [
        boto3.client(
            name,
            endpoint_url=service.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        for name in names
    ]
    try:
        yield made
    finally:
        for client in made:
            client.close()


def numbers(logs, name):
    return [int(line.split()[1]) for line in job_lines(logs, name) if line.startswith("line ")]


@pytest.fixture
def killed(tmp_path):
    """A service that was killed under a running job: its directory, port, and the job."""
    service = openbraket.testing.launch(tmp_path, options=OPTIONS)
    with clients(service) as (braket, s3, logs):
        s3.create_bucket(Bucket=BUCKET)
        checkpoints = {"s3Uri": f"s3://{BUCKET}/checkpoints"}
        arn = create_job(braket, s3, "counts", COUNTS, checkpointConfig=checkpoints)
        wait_until(lambda: len(numbers(logs, "counts")) >= 3)
    service.kill()
    yield tmp_path, urlsplit(service.endpoint_url).port, arn
    # Whatever became of it, nothing runs on after the test.
    for path in tmp_path.glob("jobs/*/*/algo-1/state.json"):
        os.kill(orjson.loads(path.read_bytes())["supervisor_pid"], signal.SIGKILL)


def test_job_goes_on_without_the_server_and_is_found_again(killed):
    data_dir, port, arn = killed
    service = openbraket.testing.launch(data_dir, port=port, options=OPTIONS)
    try:
        with clients(service) as (braket, _, logs):
            known = len(numbers(logs, "counts"))
            wait_until(lambda: len(numbers(logs, "counts")) > known + 3)
            assert braket.get_job(jobArn=arn)["status"] == "RUNNING"
            (path,) = data_dir.glob("jobs/*/*/shared/checkpoints")
            (path / "go").touch()
            job = wait_for_end(braket, arn)
            assert (job["status"], job.get("failureReason")) == ("COMPLETED", None)
            events = [event["eventType"] for event in job["events"]]
            assert events[-2:] == ["UPLOADING_RESULTS", "COMPLETED"]
            assert len(events) == len(set(events))
            lines = job_lines(logs, "counts")
            assert len([line for line in lines if line.startswith("begun")]) == 1
            found = numbers(logs, "counts")
            assert found == list(range(1, len(found) + 1))
            assert f"last {len(found)}" in lines
    finally:
        service.stop()


def test_job_that_died_with_the_server_fails_with_a_reason(killed):
    data_dir, port, arn = killed
    (state,) = data_dir.glob("jobs/*/*/algo-1/state.json")
    os.kill(orjson.loads(state.read_bytes())["supervisor_pid"], signal.SIGKILL)
    service = openbraket.testing.launch(data_dir, port=port, options=OPTIONS)
    try:
        with clients(service) as (braket, _, logs):
            job = wait_for_end(braket, arn)
            assert job["status"] == "FAILED"
            assert "algo-1 ended unexpectedly" in job["failureReason"]
            lines = job_lines(logs, "counts")
            assert len([line for line in lines if line.startswith("begun")]) == 1
    finally:
        service.stop()
