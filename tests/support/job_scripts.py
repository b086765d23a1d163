"""Scripts of hybrid jobs as requests of boto3, for tests with a live service."""

import time

from support.jobs import job_request
from support.patience import PATIENCE_S
from support.tasks import BUCKET

ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
GROUP = "/aws/braket/jobs"


def create_job(braket, s3, name, script, **changes):
    """Upload a script, create a job that runs it, and return its ARN."""
    key = f"{name}/algorithm.py"
    s3.put_object(Bucket=BUCKET, Key=key, Body=script.encode())
    algorithm = {
        "entryPoint": "algorithm", "s3Uri": f"s3://{BUCKET}/{key}", "compressionType": "NONE"
    }  # fmt: skip
    request = job_request(
        jobName=name,
        algorithmSpecification={"scriptModeConfig": algorithm},
        outputDataConfig={"s3Path": f"s3://{BUCKET}/{name}/data"},
    )
    return braket.create_job(**request | changes)["jobArn"]


def wait_until(condition):
    """Wait until a condition gives something, and return that."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def wait_for_end(braket, arn):
    """Return a job once it has ended."""

    def ended():
        job = braket.get_job(jobArn=arn)
        return job if job["status"] in ENDED else None

    return wait_until(ended)


def job_lines(logs, name):
    """Return what the instances of a job have printed so far."""
    try:
        found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")
    except logs.exceptions.ResourceNotFoundException:
        return []
    lines = []
    for stream in found["logStreams"]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=GROUP, logStreamNames=[stream["logStreamName"]]
        )
        lines += [event["message"] for page in pages for event in page["events"]]
    return lines
