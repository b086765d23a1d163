"""Hybrid jobs on the nodes of a real cluster: they run there, are found again, and end as one."""

import asyncio
import json
import re
import socket
import uuid
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
from botocore.config import Config

import openbraket.testing
from openbraket.engine.executors.ray.job_runtime import RayRuntime
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.files import remove_tree
from openbraket.jobs.spec import JobSpec
from support.job_scripts import (
    COUNTS,
    archive,
    create_job,
    job_lines,
    numbers,
    wait_for_end,
    wait_until,
)
from support.ray_cluster import WAIT_S, open_pool
from support.tasks import BUCKET

FIRST = """
import json, os
import boto3

with open(os.environ["AMZN_BRAKET_HP_FILE"]) as file:
    found = {"hyperparameters": json.load(file)}
with open(os.environ["AMZN_BRAKET_INPUT_DIR"] + "/numbers/deep/a.txt") as file:
    found["input"] = file.read()
checkpoints = os.environ["AMZN_BRAKET_CHECKPOINT_DIR"]
with open(checkpoints + "/before.txt") as file:
    found["restored"] = file.read()
with open(checkpoints + "/after.txt", "w") as file:
    file.write("made on a node")
action = {
    "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
    "source": "OPENQASM 3.0;\\nqubit[1] q;\\nbit[1] b;\\nx q[0];\\nb[0] = measure q[0];\\n",
}
task = boto3.client("braket").create_quantum_task(
    action=json.dumps(action), shots=10, jobToken=os.environ["AMZN_BRAKET_JOB_TOKEN"],
    deviceArn="arn:aws:braket:::device/quantum-simulator/amazon/sv1",
    outputS3Bucket=os.environ["AMZN_BRAKET_OUT_S3_BUCKET"], outputS3KeyPrefix="tasks",
)
found["task"] = task["quantumTaskArn"]
os.makedirs(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"] + "/more")
with open(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"] + "/more/found.json", "w") as file:
    json.dump(found, file)
with open(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"] + "/large", "wb") as file:
    for index in range(20):
        file.write(bytes([index]) * (1 << 20))
print("done on the node")
"""
EXCHANGE = """
import json, os, socket, time

hosts, own = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
port = int(os.environ["SM_HP_PORT"])
if own == hosts[0]:
    with socket.create_server((own, port)) as server:
        peer, _ = server.accept()
        with peer:
            print("heard", peer.recv(100).decode(), flush=True)
            peer.sendall(b"welcome")
else:
    while True:
        try:
            peer = socket.create_connection((hosts[0], port))
            break
        except OSError:
            time.sleep(0.05)
    with peer:
        peer.sendall(f"{hosts.index(own)} of {len(hosts)}".encode())
        print("heard", peer.recv(100).decode(), flush=True)
with open(os.environ["SM_MODEL_DIR"] + f"/rank-{hosts.index(own)}", "w") as file:
    file.write(own)
"""
SLEEPS = """
import os, subprocess, sys
marker = os.environ["SM_HP_MARKER"]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", marker])
print("sleeps", flush=True)
child.wait()
"""


@contextmanager
def clients(service):
    made = [
        boto3.client(
            name,
            endpoint_url=service.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        for name in ("braket", "s3", "logs")
    ]
    try:
        yield made
    finally:
        for client in made:
            client.close()


@pytest.fixture(scope="module")
def service(nodes, tmp_path_factory):
    options = ("--executor", nodes.address)
    service = openbraket.testing.launch(tmp_path_factory.mktemp("service"), options=options)
    with clients(service) as (_, s3, _):
        s3.create_bucket(Bucket=BUCKET)
    yield service
    service.stop()


@pytest.fixture
def tools(service):
    with clients(service) as made:
        yield made


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def marked(marker):
    """Return the processes of this machine that have a marker as their argument."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if marker in process.cmdline():
                found.append(process)
    return found


def kill_actor(nodes):
    """Kill the one process on the cluster that runs an instance."""

    def is_actor(process):
        with suppress(psutil.Error):
            return any("ray::InstanceActor" in word for word in process.cmdline())

    (actor,) = filter(is_actor, nodes.processes())
    actor.kill()


def leaves_nothing(nodes):
    """Wait until no place on the cluster is held by a job."""
    wait_until(lambda: not nodes.held_groups())


def test_job_runs_on_a_node_with_its_input_and_brings_everything_back(tools, nodes):
    braket, s3, logs = tools
    s3.put_object(Bucket=BUCKET, Key="data/deep/a.txt", Body=b"1 2 3")
    s3.put_object(Bucket=BUCKET, Key="kept/before.txt", Body=b"from before")
    channel = {
        "channelName": "numbers",
        "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/data/"}},
    }
    arn = create_job(
        braket,
        s3,
        "first",
        FIRST,
        inputDataConfig=[channel],
        checkpointConfig={"s3Uri": f"s3://{BUCKET}/kept"},
        hyperParameters={"depth": "3"},
    )
    job = wait_for_end(braket, arn)
    lines = job_lines(logs, "first")
    assert (job["status"], job.get("failureReason")) == ("COMPLETED", None), lines
    assert "done on the node" in lines
    files = archive(s3, job)
    found = json.loads(files["more/found.json"])
    assert found["hyperparameters"] == {"depth": "3"}
    assert (found["input"], found["restored"]) == ("1 2 3", "from before")
    assert files["large"] == b"".join(bytes([index]) * (1 << 20) for index in range(20))
    kept = s3.get_object(Bucket=BUCKET, Key="kept/after.txt")["Body"].read()
    assert kept == b"made on a node"

    def task_ended():
        task = braket.get_quantum_task(quantumTaskArn=found["task"])
        return task if task["status"] in {"COMPLETED", "FAILED"} else None

    task = wait_until(task_ended)
    assert (task["status"], task["jobArn"]) == ("COMPLETED", arn)
    events = [event["eventType"] for event in job["events"]]
    assert events == [
        "QUEUED_FOR_EXECUTION",
        "STARTING_INSTANCE",
        "DOWNLOADING_DATA",
        "RUNNING",
        "UPLOADING_RESULTS",
        "COMPLETED",
    ]
    leaves_nothing(nodes)


def test_instances_on_two_nodes_find_each_other(tools, nodes):
    braket, s3, logs = tools
    arn = create_job(
        braket,
        s3,
        "exchange",
        EXCHANGE,
        instanceConfig={
            "instanceType": "ml.m5.large",
            "volumeSizeInGb": 1,
            "instanceCount": 2,
        },
        hyperParameters={"port": str(free_port())},
    )
    used = wait_until(lambda: nodes.nodes_of_groups() or None)
    job = wait_for_end(braket, arn)
    lines = job_lines(logs, "exchange")
    assert (job["status"], job.get("failureReason")) == ("COMPLETED", None), lines
    assert {"heard 1 of 2", "heard welcome"} < set(lines)
    assert set(archive(s3, job)) == {"rank-0", "rank-1"}
    assert len(used) == 2
    leaves_nothing(nodes)


def test_cancel_ends_every_process_of_the_job(tools, nodes):
    braket, s3, logs = tools
    arn = create_job(braket, s3, "sleeps", SLEEPS, hyperParameters={"marker": "cancelled-job"})
    wait_until(lambda: "sleeps" in job_lines(logs, "sleeps"))
    assert marked("cancelled-job")
    braket.cancel_job(jobArn=arn)
    assert wait_for_end(braket, arn)["status"] == "CANCELLED"
    assert not marked("cancelled-job")
    leaves_nothing(nodes)


def test_job_whose_process_is_killed_fails_and_nothing_of_it_runs_on(tools, nodes):
    braket, s3, logs = tools
    arn = create_job(braket, s3, "killed", SLEEPS, hyperParameters={"marker": "killed-job"})
    wait_until(lambda: "sleeps" in job_lines(logs, "killed"))
    kill_actor(nodes)
    job = wait_for_end(braket, arn)
    assert job["status"] == "FAILED"
    assert job["failureReason"] == (
        "InternalServerError: Instance algo-1 was lost: its process on the Ray cluster was killed"
    )
    wait_until(lambda: not marked("killed-job"))
    leaves_nothing(nodes)


def test_node_that_dies_fails_its_job_and_ends_the_other_instances(tools, nodes):
    braket, s3, logs = tools
    node = nodes.add(1)
    arn = create_job(
        braket,
        s3,
        "spread",
        SLEEPS,
        instanceConfig={
            "instanceType": "ml.m5.large",
            "volumeSizeInGb": 1,
            "instanceCount": 3,
        },
        hyperParameters={"marker": "spread-job"},
    )
    wait_until(lambda: job_lines(logs, "spread").count("sleeps") == 3)
    assert node.node_id in nodes.nodes_of_groups()
    nodes.kill(node)
    job = wait_for_end(braket, arn)
    assert job["status"] == "FAILED"
    # What is told first: the end of its process, or of the node.
    assert re.search("was lost: its (node|process)", job["failureReason"])
    wait_until(lambda: not marked("spread-job"))
    leaves_nothing(nodes)


@pytest.fixture
def deserted(tmp_path, nodes):
    """A service that was killed under a job: its directory, port, the job, and the job's end."""
    options = ("--executor", nodes.address)
    service = openbraket.testing.launch(tmp_path, options=options)
    with socket.create_server(("127.0.0.1", 0)) as listener, clients(service) as made:
        listener.settimeout(WAIT_S)
        braket, s3, logs = made
        s3.create_bucket(Bucket=BUCKET)
        port = listener.getsockname()[1]
        arn = create_job(braket, s3, "counts", COUNTS, hyperParameters={"port": str(port)})
        end, _ = listener.accept()
        with closing(end):
            wait_until(lambda: len(numbers(logs, "counts")) >= 3)
            service.kill()
            yield tmp_path, urlsplit(service.endpoint_url).port, arn, end


def test_job_goes_on_without_the_server_and_is_found_again(deserted, nodes):
    data_dir, port, arn, end = deserted
    options = ("--executor", nodes.address)
    service = openbraket.testing.launch(data_dir, port=port, options=options)
    try:
        with clients(service) as (braket, s3, logs):
            known = len(numbers(logs, "counts"))
            wait_until(lambda: len(numbers(logs, "counts")) > known + 3)
            assert braket.get_job(jobArn=arn)["status"] == "RUNNING"
            end.sendall(b"enough")
            job = wait_for_end(braket, arn)
            assert (job["status"], job.get("failureReason")) == ("COMPLETED", None)
            lines = job_lines(logs, "counts")
            assert lines.count("begun") == 1
            found = numbers(logs, "counts")
            assert found == list(range(1, len(found) + 1))
            assert f"last {len(found)}" in lines
            assert archive(s3, job) == {"last": str(len(found)).encode()}
            leaves_nothing(nodes)
    finally:
        service.stop()


def test_job_that_died_without_the_server_fails_and_does_not_run_again(deserted, nodes):
    data_dir, port, arn, _ = deserted
    kill_actor(nodes)
    options = ("--executor", nodes.address)
    service = openbraket.testing.launch(data_dir, port=port, options=options)
    try:
        with clients(service) as (braket, _, logs):
            job = wait_for_end(braket, arn)
            assert job["status"] == "FAILED"
            assert "Instance algo-1 was lost: its process" in job["failureReason"]
            assert job_lines(logs, "counts").count("begun") == 1
    finally:
        service.stop()


@pytest.mark.anyio
async def test_what_an_ended_job_has_left_on_the_cluster_is_removed(
    tmp_path, nodes, client_address
):
    directory = staged_attempt(tmp_path, SLEEPS, {"marker": "left-job"})
    options = {"jobs_dir": tmp_path / "jobs", "service": "openbraket-of-this-test"}
    async with open_pool(tmp_path, client_address, **options) as pool:
        runtime = RayRuntime(pool.executor)
        await pool.until(lambda: pool.executor.capacity is not None)
        runtime.start(directory, directory.spec(), 1)
        await asyncio.to_thread(wait_until, lambda: marked("left-job"))
        assert runtime.is_alive(directory, 1)
    assert nodes.held_groups()
    assert marked("left-job")
    # As if the job had been given up while the cluster could not be reached.
    remove_tree(directory.path)
    async with open_pool(tmp_path, nodes.address, **options):
        await asyncio.to_thread(leaves_nothing, nodes)
    wait_until(lambda: not marked("left-job"))


def staged_attempt(data_dir, script, hyperparameters):
    """Prepare an attempt of a job as the engine does."""
    directory = JobDirectory(data_dir / "jobs" / str(uuid.uuid4()) / "1")
    spec = JobSpec(
        job_arn="arn:aws:braket:us-east-1:000000000000:job/x",
        job_id="x",
        job_name="a-job",
        attempt=1,
        device_arn="local:none/none",
        script_s3_uri="s3://bucket/main.py",
        script_file="main.py",
        entry_point="main",
        data_directory=str(data_dir),
        environments_directory=str(data_dir / "environments"),
        output_s3_path="s3://bucket/out",
        hyperparameters=hyperparameters,
    )
    directory.prepare(spec)
    (directory.script / "main.py").write_text(script)
    return directory
