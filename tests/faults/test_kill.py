"""kill -9 of the server and of workers: nothing accepted is lost, nothing runs twice."""

import contextlib
import time

import boto3
import psutil
import pytest

import openbraket.testing
from openbraket.cli.demo import programs
from support.patience import PATIENCE_S
from support.tasks import BUCKET, TERMINAL, WAIT_S, long_action, task_request, wait_for

# A worker that waits uses nothing; one that has just been forked, less.
COMPUTING_S = 0.2


def clients(service):
    options = {
        "endpoint_url": service.endpoint_url,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    return boto3.client("braket", **options), boto3.client("s3", **options)


def create(braket, action):
    return braket.create_quantum_task(**task_request(action=action))["quantumTaskArn"]


def workers_of(service):
    fork_servers = psutil.Process(service.process.pid).children()
    return [worker for fork_server in fork_servers for worker in fork_server.children()]


def kill_computing_worker(service, *, has_ended=lambda: False):
    """Kill the worker that computes, known by what it uses of a processor, unless the task ends."""
    used_at_first = {}
    deadline = time.monotonic() + WAIT_S
    while not has_ended():
        with contextlib.suppress(psutil.NoSuchProcess):
            for worker in workers_of(service):
                used_s = sum(worker.cpu_times()[:2])
                if used_s - used_at_first.setdefault(worker.pid, used_s) > COMPUTING_S:
                    worker.kill()
                    return
        assert time.monotonic() < deadline, "no worker computes"
        time.sleep(0.02)


def result_keys(s3, task):
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=task["outputS3Directory"])
    return [item["Key"] for item in listed.get("Contents", [])]


def test_server_killed_with_work_in_every_state_loses_and_doubles_nothing(tmp_path):
    service = openbraket.testing.launch(tmp_path, options=("--workers", "2"))
    braket, s3 = clients(service)
    s3.create_bucket(Bucket=BUCKET)
    done = [create(braket, programs.bell_action()) for _ in range(5)]
    for arn in done:
        wait_for(braket, arn, TERMINAL)
    before = {
        arn: s3.head_object(Bucket=BUCKET, Key=f"tests/{arn.rpartition('/')[2]}/results.json")[
            "LastModified"
        ]
        for arn in done
    }
    running = create(braket, long_action(qubit_count=20, layer_count=600))
    wait_for(braket, running, {"RUNNING"})
    waiting = [create(braket, programs.bell_action()) for _ in range(20)]
    children = psutil.Process(service.process.pid).children(recursive=True)
    service.kill()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert not alive, "workers outlived their server"

    service = openbraket.testing.launch(tmp_path, options=("--workers", "2"))
    try:
        braket, s3 = clients(service)
        for arn in [*done, running, *waiting]:
            task = wait_for(braket, arn, TERMINAL)
            assert task["status"] == "COMPLETED", task.get("failureReason")
            assert result_keys(s3, task) == [task["outputS3Directory"] + "/results.json"]
        for arn in done:
            key = f"tests/{arn.rpartition('/')[2]}/results.json"
            assert s3.head_object(Bucket=BUCKET, Key=key)["LastModified"] == before[arn], (
                "ran twice"
            )
    finally:
        service.stop()


def test_stopped_server_returns_running_tasks_to_the_queue(tmp_path):
    service = openbraket.testing.launch(tmp_path, options=("--workers", "1"))
    braket, s3 = clients(service)
    s3.create_bucket(Bucket=BUCKET)
    arn = create(braket, long_action(qubit_count=20, layer_count=400))
    wait_for(braket, arn, {"RUNNING"})
    assert service.stop() == 0
    service = openbraket.testing.launch(tmp_path, options=("--workers", "1"))
    try:
        assert wait_for(clients(service)[0], arn, TERMINAL)["status"] == "COMPLETED"
    finally:
        service.stop()


def test_worker_killed_once_is_retried_and_completes(tmp_path):
    service = openbraket.testing.launch(tmp_path, options=("--workers", "1"))
    try:
        braket, s3 = clients(service)
        s3.create_bucket(Bucket=BUCKET)
        arn = create(braket, long_action(qubit_count=20, layer_count=600))
        wait_for(braket, arn, {"RUNNING"})
        kill_computing_worker(service)
        task = wait_for(braket, arn, TERMINAL)
        assert task["status"] == "COMPLETED", task.get("failureReason")
        assert len(result_keys(s3, task)) == 1
    finally:
        service.stop()


@pytest.mark.slow
def test_worker_killed_in_every_attempt_fails_the_task_with_a_reason(tmp_path):
    service = openbraket.testing.launch(tmp_path, options=("--workers", "1"))
    try:
        braket, s3 = clients(service)
        s3.create_bucket(Bucket=BUCKET)
        arn = create(braket, long_action(qubit_count=22, layer_count=4000))

        def has_ended():
            return braket.get_quantum_task(quantumTaskArn=arn)["status"] in TERMINAL

        while not has_ended():
            kill_computing_worker(service, has_ended=has_ended)
        task = braket.get_quantum_task(quantumTaskArn=arn)
        assert task["status"] == "FAILED"
        assert "worker" in task["failureReason"]
        assert create(braket, programs.bell_action()), "the service goes on"
        assert (
            wait_for(braket, create(braket, programs.bell_action()), TERMINAL)["status"]
            == "COMPLETED"
        )
    finally:
        service.stop()
