"""The AWS SDK for JavaScript as another reader of the wire: every operation, paginator and error.

Run it by hand with Node.js 20 or newer:

    npm install --prefix FOLDER @aws-sdk/client-braket
    OPENBRAKET_TEST_NODE_FOLDER=FOLDER pytest tests/contract/test_javascript_client.py
"""

import datetime
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import boto3
import pytest

from support.jobs import job_request, put_script
from support.patience import PATIENCE_S
from support.tasks import SV1, WAIT_S, long_action, task_request

SCRIPT = Path(__file__).parent / "javascript" / "every_operation.mjs"
FOLDER = Path(os.environ.get("OPENBRAKET_TEST_NODE_FOLDER", "."))
NODE = shutil.which("node")
LIMIT_REGION = "eu-north-1"
DEVICES = [
    f"arn:aws:braket:eu-north-1::device/qpu/{name}" for name in ("iqm/Garnet", "iqm/Emerald")
]
DEVICES.append("arn:aws:braket:eu-north-1::device/qpu/aqt/Ibex-Q1")
UNKNOWN = "arn:aws:braket:us-east-1:000000000000:{}/00000000-0000-4000-8000-000000000000"
OFFLINE = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-Enterprise-1"
RETIRED = "arn:aws:braket:us-east-1::device/qpu/ionq/Harmony"

pytestmark = pytest.mark.skipif(
    NODE is None or not (FOLDER / "node_modules" / "@aws-sdk" / "client-braket").is_dir(),
    reason="needs Node.js and @aws-sdk/client-braket in OPENBRAKET_TEST_NODE_FOLDER",
)


def take(service, status):
    """Take a device offline or online, as an operator does, and wait until the server knows."""
    command = [sys.executable, "-m", "openbraket.cli.main", "device", status, OFFLINE]
    subprocess.run([*command, "--data-dir", str(service.data_dir)], check=True, capture_output=True)
    braket = boto3.client("braket")
    deadline = time.monotonic() + WAIT_S
    while braket.get_device(deviceArn=OFFLINE)["deviceStatus"].lower() != status:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    braket.close()


@pytest.fixture(scope="module")
def given(service):
    put_script(boto3.client("s3"))
    name = "javascript-" + uuid.uuid4().hex[:12]
    take(service, "offline")
    task = task_request(tags={"run": name})
    job = job_request(jobName=name, tags={"run": name}, hyperParameters={"note": "é €"})
    yield {
        "endpoint": service.endpoint_url,
        "region": "us-east-1",
        "limitRegion": LIMIT_REGION,
        "limitedDevices": DEVICES,
        "period": ["2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.500Z"],
        "tag": ["run", name],
        "task": task,
        "longTask": task_request(action=long_action(qubit_count=22, layer_count=200)),
        "job": job,
        "refused": {
            "unknown task": ["GetQuantumTask", {"quantumTaskArn": UNKNOWN.format("quantum-task")}],
            "unknown job": ["CancelJob", {"jobArn": UNKNOWN.format("job")}],
            "wrong shots": ["CreateQuantumTask", task | {"shots": -1}],
            "retired": ["CreateQuantumTask", task | {"deviceArn": RETIRED}],
            "offline": ["CreateQuantumTask", task | {"deviceArn": OFFLINE}],
            "foreign role": [
                "CreateJob",
                job | {"roleArn": job["roleArn"].replace("000000000000", "111111111111")},
            ],
            "wrong filter": ["SearchDevices", {"filters": [{"name": "colour", "values": ["red"]}]}],
        },
    }
    take(service, "online")


@pytest.fixture(scope="module")
def found(given):
    completed = subprocess.run(
        [NODE, str(SCRIPT), str(FOLDER)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


def as_json(value):
    """Return what boto3 read in the form that JavaScript writes."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat(timespec="milliseconds")[:23] + "Z"
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items() if key != "ResponseMetadata"}
    return [as_json(item) for item in value] if isinstance(value, list) else value


def test_every_operation_is_read(found):
    client = boto3.client("braket")
    operations = set(client.meta.service_model.operation_names)
    assert set(found["answers"]) == operations
    created = {"CreateJob", "CreateQuantumTask", "CreateSpendingLimit"}
    for operation, answer in found["answers"].items():
        assert answer["status"] == (201 if operation in created else 200), operation
        assert answer["hasId"], operation


def test_both_clients_read_the_same(found, given):
    client = boto3.client("braket")
    answers = {name: answer["rest"] for name, answer in found["answers"].items()}
    task = answers["GetQuantumTask"]
    arn = task["quantumTaskArn"]
    also = client.get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"])
    assert task == as_json(also)
    assert answers["CreateQuantumTask"] == {"quantumTaskArn": arn}
    assert answers["ListTagsForResource"]["tags"] == {"é key": "ünï €", "run": given["tag"][1]}
    assert answers["GetDevice"]["deviceArn"] == SV1
    also = as_json(client.get_device(deviceArn=SV1))
    volatile = {"deviceQueueInfo"}
    for name in also.keys() - volatile:
        assert answers["GetDevice"][name] == also[name]
    assert answers["SearchDevices"] == as_json(client.search_devices(filters=[]))
    job = answers["GetJob"]
    assert job["hyperParameters"] == {"note": "é €"}
    also = as_json(client.get_job(jobArn=job["jobArn"]))
    same = ("jobArn", "jobName", "algorithmSpecification", "createdAt", "instanceConfig", "roleArn")
    assert {name: job[name] for name in same} == {name: also[name] for name in same}
    assert answers["CancelJob"] == {"jobArn": job["jobArn"], "cancellationStatus": "CANCELLED"}
    assert answers["CancelQuantumTask"]["cancellationStatus"] in {"CANCELLING", "CANCELLED"}


def test_limits_are_read(found, given):
    limits = found["answers"]["SearchSpendingLimits"]["rest"]["spendingLimits"]
    assert [limit["deviceArn"] for limit in limits] == DEVICES[::-1]
    assert limits[-1]["spendingLimit"] == "13"
    period = dict(zip(("startAt", "endAt"), given["period"], strict=True))
    assert {limit["timePeriod"]["startAt"] for limit in limits} == {period["startAt"]}
    assert {limit["tags"]["side"] for limit in limits} == {"left"}


def test_pages_are_followed(found):
    pages = found["pages"]
    counts = {name: (page["count"], len(page["items"])) for name, page in pages.items()}
    assert counts["SearchQuantumTasks"] == (3, 5)
    assert counts["SearchJobs"] == (2, 3)
    assert counts["SearchSpendingLimits"] == (2, 3)
    device_count = len(boto3.client("braket").search_devices(filters=[])["devices"])
    assert counts["SearchDevices"] == (-(-device_count // 2), device_count)


def test_errors_arrive_as_their_classes(found):
    errors = found["errors"]
    wanted = {
        "unknown task": ("ResourceNotFoundException", 404),
        "unknown job": ("ResourceNotFoundException", 404),
        "wrong shots": ("ValidationException", 400),
        "retired": ("DeviceRetiredException", 410),
        "offline": ("DeviceOfflineException", 424),
        "foreign role": ("AccessDeniedException", 403),
        "wrong filter": ("ValidationException", 400),
    }
    assert {key: (error["name"], error["status"]) for key, error in errors.items()} == wanted
    assert all(error["isClass"] and error["isBase"] for error in errors.values())
    assert all(error["message"] not in {"", "UnknownError"} for error in errors.values())
    assert {error["fault"] for error in errors.values()} == {"client"}
