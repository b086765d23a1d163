"""The AWS command line as another reader of the wire: all 17 operations, pages and errors."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import boto3
import pytest

from support.jobs import job_request, put_script
from support.patience import PATIENCE_S
from support.tasks import BUCKET, SV1, TERMINAL, task_request, wait_for

TESTS = Path(__file__).parents[1]
GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
FAR = ("--region", "eu-north-1")
NAME = "cli-" + uuid.uuid4().hex[:12]
TEXT = ("--output", "text", "--query")


def as_input(**request):
    return ("--cli-input-json", json.dumps(request))


COMMANDS = {
    "create-quantum-task": (
        *as_input(**task_request(tags={"run": NAME})),
        *TEXT,
        "quantumTaskArn",
    ),
    "create-job": (
        *as_input(**job_request(jobName=NAME)),
        *TEXT,
        "jobArn",
    ),
    "create-spending-limit": (
        *FAR,
        *("--device-arn", GARNET, "--spending-limit", "12.50"),
        *("--time-period", "startAt=2026-01-01T00:00:00Z,endAt=2027-01-01T00:00:00Z"),
        *TEXT,
        "spendingLimitArn",
    ),
    "get-device": ("--device-arn", SV1),
    "search-devices": ("--filters", "[]", "--page-size", "2"),
    "get-quantum-task": ("--quantum-task-arn", "@0"),
    "tag-resource": ("--resource-arn", "@0", "--tags", '{"é": "ünï €"}'),
    "list-tags-for-resource": ("--resource-arn", "@0"),
    "untag-resource": ("--resource-arn", "@0", "--tag-keys", "é"),
    "search-quantum-tasks": ("--filters", f"name=tags:run,operator=EQUAL,values={NAME}"),
    "cancel-quantum-task": ("--quantum-task-arn", "@0"),
    "get-job": ("--job-arn", "@1"),
    "search-jobs": ("--filters", f"name=jobName,operator=CONTAINS,values={NAME}"),
    "cancel-job": ("--job-arn", "@1"),
    "search-spending-limits": (*FAR, "--max-items", "1"),
    "update-spending-limit": (*FAR, "--spending-limit-arn", "@2", "--spending-limit", "13"),
    "delete-spending-limit": (*FAR, "--spending-limit-arn", "@2"),
}
REFUSED = {
    "ResourceNotFoundException": ("get-device", "--device-arn", SV1.replace("sv1", "sv9")),
    "ValidationException": ("search-devices", "--filters", "name=colour,values=red"),
    "DeviceRetiredException": (
        "create-quantum-task",
        *as_input(**task_request(deviceArn="arn:aws:braket:us-east-1::device/qpu/ionq/Harmony")),
    ),
}


@pytest.fixture(scope="module")
def outputs(service):
    """What each command of `COMMANDS` and `REFUSED` printed."""
    put_script(boto3.client("s3"))
    commands = [["braket", name, *arguments] for name, arguments in COMMANDS.items()]
    commands += [["braket", *command] for command in REFUSED.values()]
    completed = subprocess.run(
        [sys.executable, "-m", "support.aws_cli"],
        cwd=TESTS,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(service.data_dir),
            "AWS_PAGER": "",
            "PYTHONWARNINGS": "ignore",
            "PYTHONIOENCODING": "utf-8",
            **service.environment(),
        },
    )
    assert completed.returncode == 0, completed.stderr
    return dict(zip([*COMMANDS, *REFUSED], json.loads(completed.stdout), strict=True))


def test_every_operation_is_a_command(service):
    client = boto3.client("braket")
    names = {name.replace("_", "-") for name in client.meta.method_to_api_mapping}
    assert set(COMMANDS) == names


@pytest.mark.parametrize("name", COMMANDS)
def test_command_succeeds(name, outputs):
    status, output, errors = outputs[name]
    # The task may have ended before it was to be cancelled.
    if name != "cancel-quantum-task" or "ConflictException" not in errors:
        assert (status, errors) == (0, "")
        assert output or name.startswith(("tag", "untag", "update", "delete"))


def test_what_the_command_line_read_is_what_boto3_reads(outputs):
    arns = [outputs[name][1].strip() for name in COMMANDS if name.startswith("create")]
    read = {
        name: json.loads(output)
        for name, (_, output, _) in outputs.items()
        if name.startswith(("get", "search", "list"))
    }
    client = boto3.client("braket")
    task = wait_for(client, arns[0], TERMINAL)
    assert read["get-quantum-task"]["quantumTaskArn"] == arns[0]
    assert read["get-quantum-task"]["shots"] == task["shots"]
    assert read["list-tags-for-resource"]["tags"] == {"run": NAME, "é": "ünï €"}
    (found,) = read["search-quantum-tasks"]["quantumTasks"]
    assert (found["quantumTaskArn"], found["tags"]) == (arns[0], {"run": NAME})
    job = client.get_job(jobArn=arns[1])
    assert read["get-job"]["jobName"] == job["jobName"] == NAME
    assert read["get-job"]["outputDataConfig"] == {"s3Path": f"s3://{BUCKET}/jobs/output"}
    assert [job["jobArn"] for job in read["search-jobs"]["jobs"]] == [arns[1]]
    (limit,) = read["search-spending-limits"]["spendingLimits"]
    assert (limit["spendingLimitArn"], limit["spendingLimit"]) == (arns[2], "12.50")
    device = client.get_device(deviceArn=SV1)
    assert read["get-device"]["deviceCapabilities"] == device["deviceCapabilities"]
    assert read["search-devices"]["devices"] == client.search_devices(filters=[])["devices"]


@pytest.mark.parametrize("code", REFUSED)
def test_error_is_told_by_name(code, outputs):
    status, output, errors = outputs[code]
    assert status in {254, 255}
    assert output == ""
    assert f"An error occurred ({code}) when calling" in errors
