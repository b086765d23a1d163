"""Servers that share a PostgreSQL database: kill -9 of the leader, and of PostgreSQL itself."""

import contextlib
import os
import signal
import threading
import time
import urllib.error
import urllib.request
import uuid

import orjson
import pytest

from openbraket.engine.states import TERMINAL
from support.job_scripts import create_job, job_lines, wait_for_end, wait_until
from support.postgresql import PostgresqlServer
from support.shared_servers import Cluster, check_ends, client, create, id_of
from support.tasks import BUCKET, WAIT_S, long_action, task_request, wait_for


@pytest.fixture
def cluster(postgresql, tmp_path):
    cluster = Cluster(postgresql, tmp_path / "data")
    yield cluster
    cluster.stop()


def ready_status(service):
    try:
        with urllib.request.urlopen(f"{service.endpoint_url}/readyz", timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def wait_for_ready(service, status, deadline_s):
    while ready_status(service) != status:
        assert time.monotonic() < deadline_s, f"/readyz does not become {status}"
        time.sleep(0.02)


def test_killed_leader_is_followed_by_another_server_and_every_task_ends_once(cluster):
    leader, other = cluster.add(), cluster.add()
    cluster.keep_history()
    braket = client(other, "braket")
    client(other, "s3").create_bucket(Bucket=BUCKET)
    running = [create(braket, long_action(qubit_count=20, layer_count=800))]
    wait_for(braket, running[0], {"RUNNING"})
    waiting = [create(braket) for _ in range(20)]
    cancelled = waiting.pop(3)
    assert (
        braket.cancel_quantum_task(quantumTaskArn=cancelled, clientToken=str(uuid.uuid4()))[
            "cancellationStatus"
        ]
        == "CANCELLED"
    )
    info = braket.get_quantum_task(
        quantumTaskArn=waiting[-1], additionalAttributeNames=["QueueInfo"]
    )["queueInfo"]
    assert info["position"] == str(len(waiting) - 1)
    leader.kill()
    for arn in [*running, *waiting]:
        task = wait_for(braket, arn, TERMINAL)
        assert task["status"] == "COMPLETED", task.get("failureReason")
    statuses = check_ends(cluster, [*running, *waiting, cancelled])
    assert statuses[id_of(cancelled)] == "CANCELLED"


def test_task_that_runs_is_cancelled_by_a_server_that_does_not_lead(cluster):
    cluster.add()
    braket = client(cluster.add(), "braket")
    client(cluster.services[0], "s3").create_bucket(Bucket=BUCKET)
    arn = create(braket, long_action(qubit_count=22, layer_count=4000))
    wait_for(braket, arn, {"RUNNING"})
    braket.cancel_quantum_task(quantumTaskArn=arn, clientToken=str(uuid.uuid4()))
    assert wait_for(braket, arn, TERMINAL)["status"] == "CANCELLED"


def test_leader_that_hangs_loses_the_lead_and_ends_nothing_twice(cluster):
    leader, other = cluster.add(), cluster.add()
    cluster.keep_history()
    braket = client(other, "braket")
    client(other, "s3").create_bucket(Bucket=BUCKET)
    first = create(braket, long_action(qubit_count=20, layer_count=800))
    wait_for(braket, first, {"RUNNING"})
    leader.process.send_signal(signal.SIGSTOP)
    arns = [first, *(create(braket) for _ in range(5))]
    for arn in arns:
        assert wait_for(braket, arn, TERMINAL)["status"] == "COMPLETED"
    leader.process.send_signal(signal.SIGCONT)
    arns += [create(client(leader, "braket")) for _ in range(3)]
    for arn in arns:
        assert wait_for(braket, arn, TERMINAL)["status"] == "COMPLETED"
    assert cluster.leader_count() == 1
    check_ends(cluster, arns)


SCRIPT = """
import os, time
number = 0
while not os.path.exists(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"] + "/go"):
    number += 1
    print("line", number, flush=True)
    time.sleep(0.05)
"""


def test_job_goes_on_under_the_next_leader_on_its_machine(cluster):
    leader, other = cluster.add(), cluster.add()
    braket, s3, logs = (client(other, name) for name in ("braket", "s3", "logs"))
    s3.create_bucket(Bucket=BUCKET)
    checkpoints = {"s3Uri": f"s3://{BUCKET}/checkpoints"}
    arn = create_job(braket, s3, "counts", SCRIPT, checkpointConfig=checkpoints)
    try:
        wait_until(lambda: len(job_lines(logs, "counts")) >= 3)
        leader.kill()
        known = len(job_lines(logs, "counts"))
        wait_until(lambda: len(job_lines(logs, "counts")) > known + 3)
        (path,) = cluster.data_dir.glob("jobs/*/*/shared/checkpoints")
        (path / "go").touch()
        job = wait_for_end(braket, arn)
        assert (job["status"], job.get("failureReason")) == ("COMPLETED", None)
        lines = [line for line in job_lines(logs, "counts") if line.startswith("line ")]
        assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    finally:
        # Where the job has ended, its folders may vanish meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for path in cluster.data_dir.glob("jobs/*/*/algo-1/state.json"):
                os.kill(orjson.loads(path.read_bytes())["supervisor_pid"], signal.SIGKILL)


class Client(threading.Thread):
    """Creates tasks one after the other; asks again, with the same token, until it is answered."""

    def __init__(self, service, count, deadline_s):
        super().__init__()
        self.braket = client(service, "braket")
        self.tokens = [str(uuid.uuid4()) for _ in range(count)]
        self.deadline_s = deadline_s
        self.arns = {}
        self.last_error = None

    def run(self):
        for token in self.tokens:
            while token not in self.arns and time.monotonic() < self.deadline_s:
                try:
                    answer = self.braket.create_quantum_task(**task_request(clientToken=token))
                except Exception as error:  # PostgreSQL may be away
                    self.last_error = error
                    time.sleep(0.05)
                else:
                    self.arns[token] = answer["quantumTaskArn"]
            time.sleep(0.01)


def test_killed_postgresql_comes_back_with_everything_that_was_accepted(tmp_path):
    postgresql = PostgresqlServer().start()
    cluster = Cluster(postgresql, tmp_path / "data")
    clients = []
    try:
        services = [cluster.add(), cluster.add()]
        cluster.keep_history()
        client(services[0], "s3").create_bucket(Bucket=BUCKET)
        deadline_s = time.monotonic() + WAIT_S
        clients = [Client(service, 40, deadline_s) for service in services]
        for thread in clients:
            thread.start()
        for accepted_count in (8, 40):
            while sum(len(thread.arns) for thread in clients) < accepted_count:
                assert time.monotonic() < deadline_s, [thread.last_error for thread in clients]
                time.sleep(0.01)
            postgresql.kill()
            for service in services:
                wait_for_ready(service, 503, deadline_s)
            postgresql.start()
            for service in services:
                wait_for_ready(service, 200, deadline_s)
        for thread in clients:
            thread.join()
        arns = [arn for thread in clients for arn in thread.arns.values()]
        assert len(set(arns)) == len(arns) == 80, [thread.last_error for thread in clients]
        braket = client(services[1], "braket")
        for arn in arns:
            while braket.get_quantum_task(quantumTaskArn=arn)["status"] not in TERMINAL:
                assert time.monotonic() < deadline_s, f"{arn} does not end"
                time.sleep(0.01)
        statuses = check_ends(cluster, arns)
        assert set(statuses.values()) == {"COMPLETED"}
        assert [service.stop() for service in services] == [0, 0]
    finally:
        for thread in clients:
            thread.deadline_s = 0
            thread.join()
        cluster.stop()
        postgresql.stop()
