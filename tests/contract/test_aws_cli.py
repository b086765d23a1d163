"""The AWS command line's `braket get-job`; its second version only where this machine has one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from support.jobs import job_request, put_script
from support.patience import PATIENCE_S

# YAML needs the second version, which PyPI does not have.
FIRST = Path(sys.executable).with_name("aws")
SECOND = os.environ.get("OPENBRAKET_TEST_AWS_CLI_2") or shutil.which("aws2")


def run(service, *arguments, command=FIRST, input_text=None):
    completed = subprocess.run(
        [str(command), "braket", "get-job", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        input=input_text,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(service.data_dir),
            "AWS_PAGER": "",
            "PYTHONWARNINGS": "ignore",
            **service.environment(),
        },
    )
    return completed.returncode, completed.stdout, completed.stderr


def output_of(service, *arguments, **options):
    status, output, errors = run(service, *arguments, **options)
    assert (status, errors) == (0, "")
    return output


@pytest.fixture(scope="module")
def arn(service):
    put_script(boto3.client("s3"))
    request = job_request(jobName="cli-job", hyperParameters={"steps": "3"}, tags={"a": "b"})
    return boto3.client("braket").create_job(**request)["jobArn"]


def test_json_with_queue_info(service, arn):
    text = output_of(
        service, "--job-arn", arn, "--output", "json", "--additional-attribute-names", "QueueInfo"
    )
    job = json.loads(text)
    assert (job["jobArn"], job["status"], job["jobName"]) == (arn, "QUEUED", "cli-job")
    assert job["queueInfo"]["queue"] == "JOBS_QUEUE"
    assert job["instanceConfig"]["instanceCount"] == 1
    assert job["events"][0]["eventType"] == "QUEUED_FOR_EXECUTION"


def test_text_and_query(service, arn):
    query = "[jobName, status, hyperParameters.steps, events[0].eventType]"
    text = output_of(service, "--job-arn", arn, "--output", "text", "--query", query)
    assert text.split() == ["cli-job", "QUEUED", "3", "QUEUED_FOR_EXECUTION"]


def test_table_unsigned(service, arn):
    text = output_of(service, "--job-arn", arn, "--output", "table", "--no-sign-request")
    assert "GetJob" in text
    assert arn in text


def test_skeleton_is_taken_back_as_input(service, arn):
    skeleton = json.loads(output_of(service, "--generate-cli-skeleton"))
    assert skeleton["additionalAttributeNames"] == ["QueueInfo"]
    filled = json.dumps(skeleton | {"jobArn": arn})
    text = output_of(service, "--cli-input-json", filled, "--query", "queueInfo.queue")
    assert json.loads(text) == "JOBS_QUEUE"


def test_unknown_job_is_told_by_name(service):
    arn = "arn:aws:braket:us-east-1:000000000000:job/00000000-0000-4000-8000-000000000000"
    status, _, errors = run(service, "--job-arn", arn)
    assert status in {254, 255}
    assert "(ResourceNotFoundException) when calling the GetJob operation" in errors


@pytest.mark.skipif(SECOND is None, reason="needs version 2 of the AWS CLI")
@pytest.mark.parametrize("form", ["yaml", "yaml-stream"])
def test_yaml_of_the_second_version(service, arn, form):
    # Old ones do not read the endpoint from the environment.
    endpoint = ("--endpoint-url", service.endpoint_url)
    text = output_of(service, "--job-arn", arn, "--output", form, *endpoint, command=SECOND)
    assert f"jobArn: {arn}" in text
    assert "status: QUEUED" in text
