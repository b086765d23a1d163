"""Many clients, while workers and the server are killed again and again.

`OPENBRAKET_FAULTS_TASKS=10000 OPENBRAKET_FAULTS_JOBS=200` is the full size; it takes a while.

The records keep the history themselves: triggers write down each change of a status and each
object that is published, whichever server makes it.
"""

import contextlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
import uuid
from collections import Counter

import boto3
import psutil
import pytest
from botocore.config import Config

import openbraket.testing
from openbraket.engine import job_states
from openbraket.engine.states import TERMINAL, TRANSITIONS
from support.jobs import job_request
from support.tasks import BUCKET, task_request

CLIENT_COUNT = 4
TASKS_PER_CLIENT = int(os.environ.get("OPENBRAKET_FAULTS_TASKS", "300")) // CLIENT_COUNT
JOB_COUNT = int(os.environ.get("OPENBRAKET_FAULTS_JOBS", "3"))
SERVER_KILLS = 3 + TASKS_PER_CLIENT // 250
# Fifty seconds for the small size; a job takes a second or two of a processor.
WAIT_S = 50 + TASKS_PER_CLIENT * CLIENT_COUNT // 20 + 4 * JOB_COUNT
SCRIPT_TEXT = b"""
import os
with open(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"] + "/done", "w") as file:
    file.write(os.environ["AMZN_BRAKET_JOB_NAME"])
"""
SCRIPT = f"s3://{BUCKET}/script/algorithm.py"
HISTORY = """
CREATE TABLE history (id TEXT, old TEXT, new TEXT);
CREATE TABLE job_history (id TEXT, old TEXT, new TEXT);
CREATE TABLE published (key TEXT);
CREATE TRIGGER keep_job_history AFTER UPDATE OF status ON jobs
BEGIN INSERT INTO job_history VALUES (old.id, old.status, new.status); END;
CREATE TRIGGER keep_history AFTER UPDATE OF status ON quantum_tasks
BEGIN INSERT INTO history VALUES (old.id, old.status, new.status); END;
CREATE TRIGGER keep_published AFTER INSERT ON objects
BEGIN INSERT INTO published VALUES (new.key); END;
CREATE TRIGGER keep_republished AFTER UPDATE ON objects
BEGIN INSERT INTO published VALUES (new.key); END;
"""


def client(service, name):
    return boto3.client(
        name,
        endpoint_url=service.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10),
    )


class Client(threading.Thread):
    """Creates tasks one after the other; asks again, with the same token, until it is answered."""

    def __init__(self, service, deadline_s):
        super().__init__()
        self.braket = client(service, "braket")
        self.deadline_s = deadline_s
        self.tokens = [str(uuid.uuid4()) for _ in range(TASKS_PER_CLIENT)]
        self.arns = {}
        self.last_error = None

    def run(self):
        for token in self.tokens:
            while token not in self.arns and time.monotonic() < self.deadline_s:
                try:
                    arn = self.create(token)
                except Exception as error:  # a server that dies may cut off its answer anywhere
                    self.last_error = error
                    time.sleep(0.02)
                else:
                    self.arns[token] = arn
            time.sleep(0.01)

    def create(self, token):
        return self.braket.create_quantum_task(**task_request(clientToken=token))["quantumTaskArn"]


class JobClient(Client):
    """The same with jobs."""

    def __init__(self, service, deadline_s):
        super().__init__(service, deadline_s)
        self.tokens = [str(uuid.uuid4()) for _ in range(JOB_COUNT)]

    def create(self, token):
        algorithm = {"entryPoint": "algorithm", "s3Uri": SCRIPT, "compressionType": "NONE"}
        request = job_request(
            jobName=f"job-{token}",
            clientToken=token,
            algorithmSpecification={"scriptModeConfig": algorithm},
            outputDataConfig={"s3Path": f"s3://{BUCKET}/{token}"},
        )
        return self.braket.create_job(**request)["jobArn"]


def kill_a_worker(service, rng):
    try:
        children = psutil.Process(service.process.pid).children()
        # The supervisors of jobs are children, too.
        (fork_server,) = [child for child in children if "fork_server" in " ".join(child.cmdline())]
        # Now and then the parent of them all.
        targets = fork_server.children() if rng.random() < 0.9 else [fork_server]
        if targets:
            os.kill(rng.choice(targets).pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError, ValueError):
        pass  # it has ended, or the next one has not begun


def workers_of(service):
    """The fork server and the workers; jobs outlive the server, and are found again."""
    found = []
    for child in psutil.Process(service.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "fork_server" in " ".join(child.cmdline()):
                found += [child, *child.children()]
    return found


def kill_and_start_again(service, data_dir, port):
    descendants = workers_of(service)
    service.kill()
    _, alive = psutil.wait_procs(descendants, timeout=10)
    assert not alive, "workers outlived their server"
    return openbraket.testing.launch(data_dir, port=port, options=("--workers", "2"))


@pytest.mark.slow
def test_storm_of_kills_loses_nothing_and_doubles_nothing(tmp_path):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    service = openbraket.testing.launch(tmp_path, options=("--workers", "2"))
    port = int(service.endpoint_url.rpartition(":")[2])
    clients = []
    try:
        client(service, "s3").create_bucket(Bucket=BUCKET)
        client(service, "s3").put_object(Bucket=BUCKET, Key="script/algorithm.py", Body=SCRIPT_TEXT)
        records = sqlite3.connect(tmp_path / "openbraket.sqlite3")
        records.executescript(HISTORY)
        records.close()
        deadline_s = time.monotonic() + WAIT_S
        clients = [Client(service, deadline_s) for _ in range(CLIENT_COUNT)]
        job_client = JobClient(service, deadline_s)
        clients.append(job_client)
        for thread in clients:
            thread.start()
        kills_left = SERVER_KILLS
        next_kill_s = time.monotonic() + rng.uniform(0.3, 1.5)
        while any(thread.is_alive() for thread in clients) or kills_left:
            time.sleep(rng.uniform(0.01, 0.15))
            kill_a_worker(service, rng)
            if kills_left and time.monotonic() > next_kill_s:
                service = kill_and_start_again(service, tmp_path, port)
                kills_left -= 1
                next_kill_s = time.monotonic() + rng.uniform(0.3, 1.5)
        jobs = job_client.arns
        assert len(set(jobs.values())) == JOB_COUNT, job_client.last_error
        arns = [arn for thread in clients[:-1] for arn in thread.arns.values()]
        assert len(arns) == len(set(arns)) == CLIENT_COUNT * TASKS_PER_CLIENT, [
            thread.last_error for thread in clients
        ]
        braket = client(service, "braket")
        for arn in arns:
            while braket.get_quantum_task(quantumTaskArn=arn)["status"] not in TERMINAL:
                assert time.monotonic() < deadline_s, f"{arn} does not end"
                time.sleep(0.01)
        for arn in jobs.values():
            while braket.get_job(jobArn=arn)["status"] not in TERMINAL:
                assert time.monotonic() < deadline_s, f"{arn} does not end"
                time.sleep(0.05)
        assert service.stop() == 0
    finally:
        for thread in clients:
            thread.deadline_s = 0
            thread.join()
        if service.process.poll() is None:
            service.kill()
    check_jobs(tmp_path, {arn.rpartition("/")[2]: token for token, arn in jobs.items()})
    check(tmp_path, {arn.rpartition("/")[2]: arn for arn in arns})


def check_jobs(data_dir, tokens):
    """Assert that each job has ended once, and that each that completed has one archive."""
    records = sqlite3.connect(data_dir / "openbraket.sqlite3")
    statuses = dict(records.execute("SELECT id, status FROM jobs"))
    history = records.execute("SELECT id, old, new FROM job_history").fetchall()
    published = Counter(key for (key,) in records.execute("SELECT key FROM published"))
    reasons = dict(records.execute("SELECT id, failure_reason FROM jobs"))
    records.close()
    print(Counter(statuses.values()))
    assert statuses.keys() == tokens.keys()
    allowed = {
        (str(source), str(transition.target))
        for transition in job_states.TRANSITIONS
        for source in transition.sources
    }
    assert {(old, new) for _, old, new in history} <= allowed
    ends = [(job_id, new) for job_id, _, new in history if new in TERMINAL]
    assert sorted(ends) == sorted(statuses.items())
    for job_id, token in tokens.items():
        archives = published[f"{token}/output/model.tar.gz"]
        assert archives == 1 if statuses[job_id] == "COMPLETED" else archives <= 1
        assert (statuses[job_id] == "FAILED") == (reasons[job_id] is not None)


def check(data_dir, arns):
    """Assert what must hold of the records and contents of a stopped server."""
    records = sqlite3.connect(data_dir / "openbraket.sqlite3")
    statuses = dict(records.execute("SELECT id, status FROM quantum_tasks"))
    history = records.execute("SELECT id, old, new FROM history").fetchall()
    published = Counter(key for (key,) in records.execute("SELECT key FROM published"))
    blobs = dict(records.execute("SELECT key, blob_id FROM objects"))
    reasons = dict(records.execute("SELECT id, failure_reason FROM quantum_tasks"))
    assert records.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    records.close()

    print(Counter(statuses.values()))
    assert statuses.keys() == arns.keys()
    allowed = {
        (source, str(transition.target))
        for transition in TRANSITIONS
        for source in transition.sources
    }
    assert {(old, new) for _, old, new in history} <= allowed
    ends = [(task_id, new) for task_id, _, new in history if new in TERMINAL]
    assert sorted(ends) == sorted(statuses.items())
    for task_id, status in statuses.items():
        key = f"tests/{task_id}/results.json"
        if status == "COMPLETED":
            assert published[key] == 1
            blob_id = blobs[key]
            document = json.loads((data_dir / "objects" / blob_id[:2] / blob_id).read_bytes())
            assert document["taskMetadata"]["id"] == arns[task_id]
        else:
            assert status == "FAILED"
            assert "in each of 3 attempts" in reasons[task_id]
            assert published[key] == 0
    assert sum(found for key, found in published.items() if key.startswith("tests/")) == sum(
        1 for status in statuses.values() if status == "COMPLETED"
    )
