"""Hybrid jobs that run, through boto3 and the SDK; the service verifies every signature."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsQuantumJob, AwsSession
from braket.jobs.hybrid_job import hybrid_job

import openbraket.testing
from openbraket.store import access_keys
from support.job_scripts import create_job, job_lines, wait_for_end, wait_until
from support.jobs import job_request, put_script
from support.tasks import BUCKET, SV1, TERMINAL

KEY, SECRET = "AKOBTESTTESTTESTTEST", "secret-of-the-test"
WHOLE = [
    "QUEUED_FOR_EXECUTION",
    "STARTING_INSTANCE",
    "DOWNLOADING_DATA",
    "RUNNING",
    "UPLOADING_RESULTS",
]
OF_THE_SDK = """
import json
from braket.aws import AwsDevice, AwsSession
from braket.circuits import Circuit
from braket.jobs import get_hyperparameters, load_job_checkpoint, save_job_checkpoint
from braket.jobs import save_job_result
from braket.jobs.metrics import log_metric

device = AwsDevice("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
for number in range(2):
    task = device.run(Circuit().h(0).cnot(0, 1), shots=10)
    log_metric("shots", len(task.result().measurements), iteration_number=number)
save_job_checkpoint({"done": 2})
save_job_result({"steps": get_hyperparameters()["steps"], "task": task.id})
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("jobs")
    access_keys.register(data_dir, KEY, SECRET, account="000000000000", created_at=1)
    options = ("--workers", "1")
    with (
        openbraket.testing.start(data_dir=data_dir, options=options) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        # The session that boto3 keeps has read other keys already.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def logs(service):
    return boto3.client("logs")


@pytest.fixture
def name():
    return "job-" + uuid.uuid4().hex[:12]


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """The SDK writes results into the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def event_types(job):
    return [event["eventType"] for event in job["events"]]


def test_job_of_the_sdk_gives_results_metrics_lines_checkpoints_and_tasks(
    service, braket, in_folder, name, capsys
):
    script = in_folder / "algorithm.py"
    script.write_text(OF_THE_SDK)
    session = AwsSession()
    job = AwsQuantumJob.create(
        device=SV1,
        source_module=str(script),
        job_name=name,
        hyperparameters={"steps": 7},
        aws_session=session,
        wait_until_complete=True,
    )
    assert job.state() == "COMPLETED"
    printed = capsys.readouterr().out
    assert "Metrics - timestamp=" in printed
    result = job.result()
    assert result["steps"] == "7"
    metrics = job.metrics()
    assert sorted(zip(metrics["iteration_number"], metrics["shots"], strict=True)) == [
        (0, 10),
        (1, 10),
    ]
    metadata = job.metadata()
    assert event_types(metadata) == [*WHOLE, "COMPLETED"]
    assert metadata["billableDuration"] > 0
    assert metadata["startedAt"] < metadata["endedAt"]
    of_job = [{"name": "jobArn", "operator": "EQUAL", "values": [job.arn]}]
    tasks = braket.search_quantum_tasks(filters=of_job)["quantumTasks"]
    assert [task["status"] for task in tasks] == ["COMPLETED"] * 2
    assert tasks[0]["outputS3Directory"].startswith(f"jobs/{name}/tasks/")
    task = braket.get_quantum_task(
        quantumTaskArn=result["task"], additionalAttributeNames=["QueueInfo"]
    )
    assert task["jobArn"] == job.arn
    uri = metadata["checkpointConfig"]["s3Uri"]
    keys = session.list_keys(*AwsSession.parse_s3_uri(uri))
    assert [key.rpartition("/")[2] for key in keys] == [f"{name}.json"]

    # The next job finds them.
    script.write_text(
        "from braket.jobs import load_job_checkpoint, save_job_result\n"
        f"save_job_result(load_job_checkpoint({name!r}))\n"
    )
    resumed = AwsQuantumJob.create(
        device="local:none/none",
        source_module=str(script),
        copy_checkpoints_from_job=job.arn,
        job_name=f"{name}-2",
        aws_session=session,
    )
    assert resumed.result() == {"done": 2}


def test_decorated_function_runs_and_returns(service, in_folder, name):
    @hybrid_job(device="local:braket/default", job_name=name, aws_session=AwsSession())
    def twice(number: int):
        return {"twice": 2 * number}

    assert twice(21).result() == {"twice": 42}


def test_failing_script_gives_its_reason_and_leaves_nothing(braket, s3, logs, name):
    arn = create_job(braket, s3, name, "open('fake_file')\n")
    job = wait_for_end(braket, arn)
    assert job["status"] == "FAILED"
    assert job["failureReason"] == (
        "AlgorithmError: FileNotFoundError: [Errno 2] No such file or directory: 'fake_file', "
        "exit code: 1"
    )
    assert event_types(job)[-1] == "FAILED"
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=name)["Contents"]]
    assert keys == [f"{name}/algorithm.py"]
    assert any("Traceback" in line for line in job_lines(logs, name))


def test_job_acts_as_its_role_and_its_keys_die_with_it(braket, s3, logs, name):
    script = (
        "import os, boto3\n"
        "print('arn', boto3.client('sts').get_caller_identity()['Arn'])\n"
        "for name in ('ACCESS_KEY_ID', 'SECRET_ACCESS_KEY', 'SESSION_TOKEN'):\n"
        "    print('key', os.environ['AWS_' + name])\n"
        "print('token', os.environ['AMZN_BRAKET_JOB_TOKEN'])\n"
        "import time; time.sleep(600)\n"
    )
    arn = create_job(braket, s3, name, script)
    lines = wait_until(
        lambda: (
            [line for line in job_lines(logs, name) if line.startswith("token")]
            and job_lines(logs, name)
        )
    )
    role = "AmazonBraketJobsExecutionRole"
    assert f"arn arn:aws:sts::000000000000:assumed-role/{role}/{name}" in lines
    access_key, secret_key, session_token = (
        line.split()[1] for line in lines if line.startswith("key ")
    )
    (token,) = (line.split()[1] for line in lines if line.startswith("token "))
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
    as_job = boto3.client("sts", **keys, aws_session_token=session_token)
    assert as_job.get_caller_identity()["Account"] == "000000000000"
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        boto3.client("sts", **keys).get_caller_identity()
    action = '{"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, '
    request = {
        "action": action + '"source": "OPENQASM 3.0; qubit[1] q; h q;"}',
        "deviceArn": SV1,
        "shots": 1,
        "outputS3Bucket": BUCKET,
        "outputS3KeyPrefix": f"{name}/tasks",
        "jobToken": token,
    }
    task_arn = braket.create_quantum_task(**request)["quantumTaskArn"]
    wait_until(lambda: braket.get_quantum_task(quantumTaskArn=task_arn)["status"] in TERMINAL)

    assert braket.cancel_job(jobArn=arn)["cancellationStatus"] == "CANCELLING"
    job = wait_for_end(braket, arn)
    assert job["status"] == "CANCELLED"
    assert event_types(job)[-1] == "CANCELLED"
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        as_job.get_caller_identity()
    with pytest.raises(braket.exceptions.ValidationException, match="jobToken"):
        braket.create_quantum_task(**request)


def test_job_beyond_its_run_time_fails_and_says_so(braket, s3, name):
    arn = create_job(
        braket,
        s3,
        name,
        "import time; time.sleep(600)",
        stoppingCondition={"maxRuntimeInSeconds": 1},
    )
    job = wait_for_end(braket, arn)
    assert job["status"] == "FAILED"
    assert "MAX_RUNTIME_EXCEEDED" in event_types(job)


def test_data_parallel_distribution_is_refused(braket, s3, name):
    put_script(s3)
    hyperparameters = {"sagemaker_distributed_dataparallel_enabled": "true"}
    with pytest.raises(braket.exceptions.ValidationException, match="data parallel"):
        braket.create_job(**job_request(jobName=name, hyperParameters=hyperparameters))


def test_lines_come_while_the_job_runs_and_two_instances_have_two_streams(braket, s3, logs, name):
    script = (
        "import os, time\n"
        "print('host', os.environ['SM_CURRENT_HOST'], flush=True)\n"
        "time.sleep(600)\n"
    )
    instances = {"instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": 2}
    arn = create_job(braket, s3, name, script, instanceConfig=instances)
    wait_until(lambda: {"host algo-1", "host algo-2"} <= set(job_lines(logs, name)))
    job = braket.get_job(jobArn=arn)
    assert job["status"] == "RUNNING"
    started = int(job["startedAt"].timestamp())
    streams = logs.describe_log_streams(
        logGroupName="/aws/braket/jobs", logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    job_id = arn.rpartition("/")[2]
    assert [stream["logStreamName"] for stream in streams] == [
        f"{name}/{job_id}/algo-{number}-{started}" for number in (1, 2)
    ]
    braket.cancel_job(jobArn=arn)
    assert wait_for_end(braket, arn)["status"] == "CANCELLED"


EXCHANGE = """
import json, os, socket
hosts = json.loads(os.environ["SM_HOSTS"])
rank = hosts.index(os.environ["SM_CURRENT_HOST"])
if rank == 0:
    with socket.create_server((hosts[0], 29500)) as server:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"for rank 1")
            word = connection.recv(100).decode()
else:
    while True:
        try:
            connection = socket.create_connection((hosts[0], 29500))
            break
        except ConnectionRefusedError:
            pass
    with connection:
        word = connection.recv(100).decode()
        connection.sendall(b"for rank 0")
with open(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"] + f"/rank-{rank}", "w") as file:
    file.write(word)
"""


def test_two_instances_exchange_words_and_both_leave_results(braket, s3, name, in_folder):
    instances = {"instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": 2}
    arn = create_job(braket, s3, name, EXCHANGE, instanceConfig=instances)
    job = wait_for_end(braket, arn)
    assert job["status"] == "COMPLETED", job
    AwsQuantumJob(arn, aws_session=AwsSession()).download_result()
    words = {path.name: path.read_text() for path in (in_folder / name).iterdir()}
    assert words == {"rank-0": "for rank 0", "rank-1": "for rank 1"}


def test_logs_of_the_sdk_stream_while_the_job_runs(service, braket, s3, name, capsys):
    script = (
        "import os, time\n"
        "print('first line', flush=True)\n"
        "while not os.path.exists(os.environ['AMZN_BRAKET_CHECKPOINT_DIR'] + '/go'):\n"
        "    time.sleep(0.05)\n"
        "print('last line')\n"
    )
    checkpoints = {"s3Uri": f"s3://{BUCKET}/{name}"}
    arn = create_job(braket, s3, name, script, checkpointConfig=checkpoints)
    job = AwsQuantumJob(arn, aws_session=AwsSession(), quiet=True)
    printed = []

    def has_printed(line):
        printed.append(capsys.readouterr().out)
        return line in "".join(printed)

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(job.logs, wait=True, poll_interval_seconds=0.1)
        wait_until(lambda: has_printed("first line"))
        assert job.state() == "RUNNING"
        assert not has_printed("last line")
        (path,) = (service.data_dir / "jobs" / job.arn.rpartition("/")[2]).glob(
            "*/shared/checkpoints"
        )
        (path / "go").touch()
        ending.result()
    assert has_printed("last line")
    assert job.state() == "COMPLETED"


def test_metrics_before_the_first_line_are_an_empty_table(service, braket, s3, name):
    arn = create_job(braket, s3, name, "print('no metric')")
    job = AwsQuantumJob(arn, aws_session=AwsSession())
    assert job.metrics() == {}
    wait_for_end(braket, arn)
    assert job.metrics() == {}


def test_every_member_of_get_job_is_there_when_it_has_a_value(braket, s3, name):
    s3.put_object(Bucket=BUCKET, Key=f"{name}/in/data", Body=b"1")
    uri = "292282985366.dkr.ecr.us-east-1.amazonaws.com/amazon-braket-base-jobs:latest"
    script = {
        "entryPoint": "algorithm",
        "s3Uri": f"s3://{BUCKET}/{name}/algorithm.py",
        "compressionType": "NONE",
    }
    arn = create_job(
        braket,
        s3,
        name,
        "raise ValueError('no')",
        algorithmSpecification={"scriptModeConfig": script, "containerImage": {"uri": uri}},
        checkpointConfig={"s3Uri": f"s3://{BUCKET}/{name}/checkpoints"},
        hyperParameters={"a": "b"},
        inputDataConfig=[
            {
                "channelName": "in",
                "contentType": "text/plain",
                "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/{name}/in/"}},
            }
        ],
        tags={"a": "b"},
    )
    wait_for_end(braket, arn)
    job = braket.get_job(jobArn=arn, additionalAttributeNames=["QueueInfo"])
    del job["ResponseMetadata"]
    shape = braket.meta.service_model.operation_model("GetJob").output_shape
    # Reservations and keys of KMS are refused by CreateJob.
    assert set(shape.members) - set(job) == {"associations"}
    assert absent_members(shape, job) == {"associations", "outputDataConfig.kmsKeyId"}
    assert {"message"} < set(job["events"][-1])
    assert set(job["queueInfo"]) == {"queue", "position", "message"}


def absent_members(shape, found, place=""):
    """Return the members of a structure that an answer lacks, those of structures in it too."""
    absent = set()
    for name, member in shape.members.items():
        if name not in found:
            absent.add(place + name)
        elif member.type_name == "structure":
            absent |= absent_members(member, found[name], f"{place}{name}.")
    return absent


def test_job_reaches_no_bucket_of_another_account(service, braket, s3, name, logs):
    key, secret, account = "AKOBOTHEROTHEROTHER1", "secret-of-the-other", "111111111111"
    access_keys.register(service.data_dir, key, secret, account=account, created_at=1)
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    wait_until(lambda: accepts(keys))
    others, bucket = boto3.client("s3", **keys), f"other-{name}"
    others.create_bucket(Bucket=bucket)
    others.put_object(Bucket=bucket, Key="secret", Body=b"theirs")
    script = f"""
import boto3, botocore
from botocore import UNSIGNED
from botocore.config import Config
s3 = boto3.client("s3")
unsigned = boto3.client("s3", config=Config(signature_version=UNSIGNED))
forged = boto3.client("s3", aws_access_key_id={key!r}, aws_secret_access_key="x")
for client in (s3, unsigned, forged):
    for attempt in (
        lambda: client.get_object(Bucket={bucket!r}, Key="secret"),
        lambda: client.list_objects_v2(Bucket={bucket!r}),
        lambda: client.put_object(Bucket={bucket!r}, Key="secret", Body=b"mine"),
    ):
        try:
            print("REACHED", attempt())
        except botocore.exceptions.ClientError as error:
            print("REFUSED", error.response["ResponseMetadata"]["HTTPStatusCode"])
"""
    arn = create_job(braket, s3, name, script)
    assert wait_for_end(braket, arn)["status"] == "COMPLETED"
    lines = job_lines(logs, name)
    assert lines.count("REFUSED 403") == 9, lines
    assert others.get_object(Bucket=bucket, Key="secret")["Body"].read() == b"theirs"
    with pytest.raises(braket.exceptions.ValidationException, match=bucket):
        create_job(braket, s3, name, "", outputDataConfig={"s3Path": f"s3://{bucket}/x"})


def accepts(keys):
    try:
        return boto3.client("sts", **keys).get_caller_identity()
    except ClientError:
        return None


def test_nothing_of_ended_jobs_is_left_in_the_data_directory(service, braket, s3, name):
    wait_for_end(braket, create_job(braket, s3, name, "print('ran')"))
    wait_until(lambda: not list((service.data_dir / "jobs").iterdir()))
