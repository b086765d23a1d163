"""A service whose objects are in another store, reached by unmodified clients.

A proxy stands between the service and the store; clients ask the store itself.
"""

import contextlib
import json
import re
import subprocess
import sys

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsSession
from braket.circuits import Circuit

import openbraket.testing
from support.job_scripts import create_job, job_lines, wait_for_end
from support.other_store import KEYS, Proxy, wait_until
from support.tasks import BUCKET, SV1, TERMINAL, task_request, wait_for

SCRIPT = """
import os, pathlib, boto3
from braket.jobs import save_job_result, save_job_checkpoint
assert pathlib.Path(os.environ["AMZN_BRAKET_INPUT_DIR"], "data", "words.txt").read_text() == "in"
assert not any(name.startswith("OPENBRAKET_S3") for name in os.environ)
save_job_checkpoint({"done": 1})
save_job_result({"said": "well"})
"""

OWN_CALLS = """
import hashlib, io, os, time, urllib.request
import boto3
from botocore.exceptions import ClientError

def code_of(call, **arguments):
    try:
        call(Bucket=bucket, **arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]

s3, bucket = boto3.client("s3"), os.environ["AMZN_BRAKET_OUT_S3_BUCKET"]
large = bytes(range(256)) * (9 << 12)
s3.upload_fileobj(io.BytesIO(large), bucket, "own/large", ExtraArgs={"Metadata": {"a": "b"}})
head = s3.head_object(Bucket=bucket, Key="own/large")
assert (head["ContentLength"], head["Metadata"]) == (len(large), {"a": "b"})
assert abs(head["LastModified"].timestamp() - time.time()) < 3600
back = io.BytesIO()
s3.download_fileobj(bucket, "own/large", back)
assert back.getvalue() == large

s3.put_object(Bucket=bucket, Key="own/a b ü", Body=b"0123456789", ContentType="text/plain")
got = s3.get_object(Bucket=bucket, Key="own/a b ü", Range="bytes=2-4")
assert (got["Body"].read(), got["ContentType"]) == (b"234", "text/plain")
url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "own/a b ü"})
with urllib.request.urlopen(url) as answer:
    assert answer.read() == b"0123456789"
s3.put_object(Bucket=bucket, Key="own/empty", Body=b"")
assert s3.get_object(Bucket=bucket, Key="own/empty")["Body"].read() == b""
s3.copy_object(Bucket=bucket, Key="own/copy", CopySource={"Bucket": bucket, "Key": "own/large"})
listed = s3.list_objects_v2(Bucket=bucket, Prefix="own/")["Contents"]
assert [entry["Key"] for entry in listed] == ["own/a b ü", "own/copy", "own/empty", "own/large"]
s3.delete_object(Bucket=bucket, Key="own/copy")
doomed = {"Objects": [{"Key": "own/a b ü"}, {"Key": "own/empty"}]}
assert len(s3.delete_objects(Bucket=bucket, Delete=doomed)["Deleted"]) == 2

etag = head["ETag"]
assert code_of(s3.get_object, Key="own/copy") == "NoSuchKey"
assert code_of(s3.head_object, Key="own/copy") == "404"
assert code_of(s3.get_object, Key="own/large", IfNoneMatch=etag) == "304"
since = head["LastModified"]
assert code_of(s3.get_object, Key="own/large", IfModifiedSince=since) == "304"
assert code_of(s3.delete_bucket) == "InvalidRequest"
"""


@pytest.fixture(scope="module")
def proxy(other_store_url):
    with Proxy(other_store_url) as running:
        yield running


@pytest.fixture(scope="module")
def service(proxy, other_store_url, tmp_path_factory):
    options = ("--workers", "2", "--s3-endpoint", proxy.url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        data_dir = tmp_path_factory.mktemp("elsewhere")
        with openbraket.testing.start(data_dir=data_dir, options=options) as running:
            patch.setenv("AWS_ENDPOINT_URL_S3", other_store_url)
            with contextlib.closing(boto3.client("s3")) as client:
                client.create_bucket(Bucket=BUCKET)
            yield running


@pytest.fixture
def away(proxy):
    """Return a function that takes the store away or brings it back."""

    def set_away(is_away):
        proxy.is_away = is_away

    yield set_away
    proxy.is_away = False


def keys_of(s3, task):
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=task["outputS3Directory"])
    return [entry["Key"] for entry in listed.get("Contents", ())]


def contents(service):
    return [path for path in (service.data_dir / "objects").rglob("*") if path.is_file()]


def test_sdk_reads_its_results_from_the_store(service):
    session = AwsSession(default_bucket=BUCKET)
    task = AwsDevice(SV1, aws_session=session).run(
        Circuit().h(0).cnot(0, 1), shots=20, poll_interval_seconds=0.01
    )
    counts = task.result().measurement_counts
    assert set(counts) <= {"00", "11"}
    assert sum(counts.values()) == 20
    assert wait_until(lambda: not contents(service))


def test_result_is_there_as_soon_as_the_task_has_completed(service, braket, s3):
    for _ in range(5):
        arn = braket.create_quantum_task(**task_request())["quantumTaskArn"]
        task = wait_for(braket, arn, TERMINAL)
        assert task["status"] == "COMPLETED"
        found = s3.get_object(Bucket=BUCKET, Key=f"{task['outputS3Directory']}/results.json")
        assert found["ContentType"] == "application/json"
        assert json.load(found["Body"])["taskMetadata"]["id"] == arn


def test_missing_bucket_is_refused_before_anything_is_recorded(service, braket):
    with pytest.raises(braket.exceptions.ValidationException, match="doesn't have access"):
        braket.create_quantum_task(**task_request(outputS3Bucket="amazon-braket-is-missing"))


def test_own_s3_says_where_the_objects_are(service, proxy, other_store_url):
    with contextlib.closing(boto3.client("s3", endpoint_url=service.endpoint_url)) as own:
        for call in (
            lambda: own.list_buckets(),
            lambda: own.put_object(Bucket=BUCKET, Key="k", Body=b"x" * 200_000),
            lambda: own.create_bucket(Bucket="amazon-braket-more"),
        ):
            with pytest.raises(ClientError, match=f"are at {proxy.url}") as error:
                call()
            assert error.value.response["Error"]["Code"] == "InvalidRequest"


def test_create_while_the_store_is_away_is_no_missing_bucket(service, s3, away):
    s3.create_bucket(Bucket="amazon-braket-unknown-yet")
    config = Config(retries={"total_max_attempts": 1})
    with contextlib.closing(boto3.client("braket", config=config)) as braket:
        request = task_request(outputS3Bucket="amazon-braket-unknown-yet", clientToken="away-1")
        away(True)
        with pytest.raises(braket.exceptions.InternalServiceException, match="Cannot reach"):
            braket.create_quantum_task(**request)
        away(False)
        arn = braket.create_quantum_task(**request)["quantumTaskArn"]
        assert wait_for(braket, arn, TERMINAL)["status"] == "COMPLETED"


def spooled(service):
    return list((service.data_dir / "spool").glob("*.json"))


def create_before_it_goes(service, braket, away, **changes):
    """Create a task whose bucket is known, and take the store away before it ends."""
    warm = braket.create_quantum_task(**task_request())["quantumTaskArn"]
    wait_for(braket, warm, TERMINAL)
    wait_until(lambda: not spooled(service))
    away(True)
    return braket.create_quantum_task(**task_request(**changes))["quantumTaskArn"]


def test_outcome_waits_for_the_store_and_others_go_on(service, braket, s3, away):
    arn = create_before_it_goes(service, braket, away)
    second = braket.create_quantum_task(**task_request())["quantumTaskArn"]
    wait_until(lambda: len(spooled(service)) == 2)
    assert {wait_for(braket, one, {"RUNNING"})["status"] for one in (arn, second)} == {"RUNNING"}
    away(False)
    for one in (arn, second):
        task = wait_for(braket, one, TERMINAL)
        assert task["status"] == "COMPLETED"
        assert len(keys_of(s3, task)) == 1
    wait_until(lambda: not spooled(service) and not contents(service))


def test_cancel_ends_the_wait(service, braket, s3, away):
    arn = create_before_it_goes(service, braket, away)
    wait_until(lambda: spooled(service))
    assert braket.cancel_quantum_task(quantumTaskArn=arn)["cancellationStatus"] == "CANCELLING"
    task = wait_for(braket, arn, TERMINAL)
    assert task["status"] == "CANCELLED"
    wait_until(lambda: not contents(service))
    away(False)
    # What may have got there is looked after once the store is back.
    wait_until(lambda: not spooled(service))
    assert keys_of(s3, task) == []


def test_bucket_that_is_gone_fails_the_task_with_the_reason(service, braket, s3, proxy, away):
    name = "amazon-braket-short-lived"
    s3.create_bucket(Bucket=name)
    arn = braket.create_quantum_task(**task_request(outputS3Bucket=name))["quantumTaskArn"]
    wait_for(braket, arn, TERMINAL)
    away(True)
    arn = braket.create_quantum_task(**task_request(outputS3Bucket=name))["quantumTaskArn"]
    wait_until(lambda: spooled(service))
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", ()):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)
    away(False)
    task = wait_for(braket, arn, TERMINAL)
    assert task["status"] == "FAILED"
    assert task["failureReason"] == f"The output bucket {name} no longer exists."
    wait_until(lambda: not contents(service))


def test_job_reads_and_leaves_its_objects_there(service, braket, s3):
    s3.put_object(Bucket=BUCKET, Key="inputs/words.txt", Body=b"in")
    channel = {"channelName": "data", "dataSource": {
        "s3DataSource": {"s3Uri": f"s3://{BUCKET}/inputs/words.txt"}}}  # fmt: skip
    arn = create_job(
        braket,
        s3,
        "elsewhere",
        SCRIPT,
        inputDataConfig=[channel],
        checkpointConfig={"s3Uri": f"s3://{BUCKET}/elsewhere/checkpoints"},
    )
    job = wait_for_end(braket, arn)
    assert (job["status"], job.get("failureReason")) == ("COMPLETED", None)
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="elsewhere/")["Contents"]
    keys = {entry["Key"] for entry in listed}
    assert "elsewhere/data/output/model.tar.gz" in keys
    assert any(key.startswith("elsewhere/checkpoints/") for key in keys)
    wait_until(lambda: not contents(service))


@pytest.fixture
def checking_store(tmp_path, monkeypatch):
    """A store that checks signatures, and what it is asked with: another of our own services."""
    command = [sys.executable, "-m", "openbraket.cli.main", "key", "create"]
    made = subprocess.run(
        [*command, "--data-dir", tmp_path / "store"], check=True, capture_output=True, text=True
    )
    key = dict(re.findall(r"(AWS_\w+)=(\S+)", made.stdout))
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"OPENBRAKET_S3_{name}", key[f"AWS_{name}"])
    store = openbraket.testing.launch(tmp_path / "store")
    client = boto3.client(
        "s3",
        endpoint_url=store.endpoint_url,
        aws_access_key_id=key["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=key["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    with contextlib.closing(client):
        client.create_bucket(Bucket=BUCKET)
        yield store, client
    store.stop()


def test_job_asks_for_objects_with_its_own_keys_where_the_store_checks_them(
    checking_store, tmp_path, monkeypatch
):
    store, s3 = checking_store
    options = ("--workers", "1", "--s3-endpoint", store.endpoint_url)
    with openbraket.testing.start(data_dir=tmp_path / "data", options=options) as service:
        with (
            contextlib.closing(boto3.client("braket")) as braket,
            contextlib.closing(boto3.client("logs")) as logs,
        ):
            job = wait_for_end(braket, create_job(braket, s3, "asks", OWN_CALLS))
            lines = job_lines(logs, "asks")
        assert (job["status"], job.get("failureReason")) == ("COMPLETED", None), lines
        keys = [
            entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix="own/")["Contents"]
        ]
        assert "own/large" in keys
        wait_until(lambda: not contents(service))


def test_job_with_a_missing_script_is_refused(service, braket):
    from support.jobs import job_request

    with pytest.raises(braket.exceptions.ValidationException, match="does not exist"):
        braket.create_job(**job_request())


def test_serve_without_the_keys_says_what_is_missing(tmp_path, monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(openbraket.testing.ServiceStartError, match="OPENBRAKET_S3_ACCESS_KEY_ID"):
        openbraket.testing.launch(tmp_path, options=("--s3-endpoint", "http://127.0.0.1:1"))


def test_address_that_is_none_is_refused(tmp_path):
    with pytest.raises(openbraket.testing.ServiceStartError, match="is not the URL of a store"):
        openbraket.testing.launch(tmp_path, options=("--s3-endpoint", "store:9000/bucket"))
