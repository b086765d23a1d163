"""Servers that share a PostgreSQL database and a cluster: the one that leads hangs or dies."""

import signal
import socket
from contextlib import closing

import pytest

from support.job_scripts import (
    COUNTS,
    archive,
    create_job,
    job_lines,
    numbers,
    wait_for_end,
    wait_until,
)
from support.ray_cluster import WAIT_S
from support.shared_servers import Cluster, check_ends, client, create
from support.tasks import BUCKET, TERMINAL, long_action, wait_for

LONG = long_action(qubit_count=24, layer_count=400)


@pytest.fixture
def servers(postgresql, nodes, tmp_path):
    options = ("--executor", nodes.address, "--job-runtime", "ray")
    servers = Cluster(postgresql, tmp_path / "data", options=options)
    yield servers
    servers.stop()


def goes_on(logs):
    """Wait until more of the job's lines are there than now."""
    known = len(numbers(logs, "counts"))
    wait_until(lambda: len(numbers(logs, "counts")) > known + 3)


def test_each_next_leader_finds_the_job_and_every_task_ends_once(servers, nodes):
    first, second = servers.add(), servers.add()
    servers.keep_history()
    doors = [client(server, "braket") for server in (first, second)]
    s3, logs = client(second, "s3"), client(second, "logs")
    s3.create_bucket(Bucket=BUCKET)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_S)
        port = str(listener.getsockname()[1])
        job_arn = create_job(doors[1], s3, "counts", COUNTS, hyperParameters={"port": port})
        end, _ = listener.accept()
    with closing(end):
        long = create(doors[0], LONG)
        wait_for(doors[1], long, {"RUNNING"})
        arns = [create(door) for door in doors * 5]

        # One that hangs keeps nothing on the cluster from the next leader.
        goes_on(logs)
        first.process.send_signal(signal.SIGSTOP)
        arns.append(create(doors[1]))
        goes_on(logs)
        for arn in arns:
            task = wait_for(doors[1], arn, TERMINAL)
            assert task["status"] == "COMPLETED", task
        wait_for(doors[1], long, {"RUNNING"})
        first.process.send_signal(signal.SIGCONT)
        wait_until(lambda: servers.leader_count() == 1)

        # Through either one again; then the one that leads dies.
        arns += [create(door) for door in doors * 5]
        second.kill()
        logs, s3 = client(first, "logs"), client(first, "s3")
        goes_on(logs)
        for arn in arns:
            task = wait_for(doors[0], arn, TERMINAL)
            assert task["status"] == "COMPLETED", task
        wait_for(doors[0], long, {"RUNNING"})
        doors[0].cancel_quantum_task(quantumTaskArn=long)
        wait_for(doors[0], long, {"CANCELLED"})
        assert doors[0].get_job(jobArn=job_arn)["status"] == "RUNNING"
        end.sendall(b"enough")
        job = wait_for_end(doors[0], job_arn)
    assert (job["status"], job.get("failureReason")) == ("COMPLETED", None)
    assert job_lines(logs, "counts").count("begun") == 1
    found = numbers(logs, "counts")
    assert found == list(range(1, len(found) + 1))
    assert archive(s3, job) == {"last": str(len(found)).encode()}
    check_ends(servers, [long, *arns])
    wait_until(lambda: not nodes.held_groups())
