"""Servers that share a PostgreSQL database: kill -9 of the leader, and of PostgreSQL itself."""

import contextlib
import itertools
import os
import signal
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter

import boto3
import orjson
import pytest
from botocore.config import Config

import openbraket.testing
from openbraket.cli.demo import programs
from openbraket.engine.states import TERMINAL, TRANSITIONS
from support import history
from support.job_scripts import create_job, job_lines, wait_for_end, wait_until
from support.postgresql import PostgresqlServer
from support.tasks import BUCKET, WAIT_S, long_action, task_request, wait_for

names = itertools.count(1)


@pytest.fixture(scope="module")
def postgresql():
    server = PostgresqlServer()
    try:
        yield server.start()
    finally:
        server.stop()


class Cluster:
    """A database, a data directory, and servers on them."""

    def __init__(self, postgresql, data_dir):
        self.postgresql = postgresql
        self.data_dir = data_dir
        self.name = f"cluster{next(names)}"
        self.url = postgresql.create_database(self.name)
        self.services = []

    def add(self):
        service = openbraket.testing.launch(
            self.data_dir, options=("--workers", "1", "--database", self.url)
        )
        self.services.append(service)
        return service

    def rows(self, sql):
        with self.postgresql.connect(self.name) as connection:
            return connection.execute(sql).fetchall()

    def keep_history(self):
        with self.postgresql.connect(self.name) as connection:
            for statement in history.POSTGRESQL:
                connection.execute(statement)

    def leader_count(self):
        return self.rows(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND mode = 'ExclusiveLock' AND objid = x'4f420003'::int AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )[0][0]

    def stop(self):
        for service in self.services:
            if service.process.poll() is None:
                service.process.send_signal(signal.SIGCONT)
                service.stop()


@pytest.fixture
def cluster(postgresql, tmp_path):
    cluster = Cluster(postgresql, tmp_path / "data")
    yield cluster
    cluster.stop()


def client(service, name):
    return boto3.client(
        name,
        endpoint_url=service.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=20),
    )


def create(braket, action=None):
    request = task_request(action=action or programs.bell_action())
    return braket.create_quantum_task(**request)["quantumTaskArn"]


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


def id_of(arn):
    return arn.rpartition("/")[2]


def check_ends(cluster, arns):
    """Assert that each task ended once, by allowed steps, and has the result that belongs to it."""
    steps = cluster.rows("SELECT id, old, new FROM history ORDER BY at")
    allowed = {(s, str(t.target)) for t in TRANSITIONS for s in t.sources}
    assert {(old, new) for _, old, new in steps if old != new} <= allowed
    ends = Counter(task_id for task_id, _, new in steps if new in TERMINAL)
    assert ends == Counter(id_of(arn) for arn in arns)
    statuses = dict(cluster.rows("SELECT id, status FROM quantum_tasks"))
    keys = Counter(key for (key,) in cluster.rows("SELECT key FROM objects"))
    expected = [task_id for task_id, status in statuses.items() if status == "COMPLETED"]
    assert keys == Counter(f"tests/{task_id}/results.json" for task_id in expected)
    return statuses


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
        for path in cluster.data_dir.glob("jobs/*/*/algo-1/state.json"):
            with contextlib.suppress(ProcessLookupError):
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
