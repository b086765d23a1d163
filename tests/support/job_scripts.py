"""Scripts of hybrid jobs as requests of boto3, for tests with a live service."""

import io
import tarfile
import time

from support.jobs import job_request
from support.patience import PATIENCE_S
from support.tasks import BUCKET

ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
GROUP = "/aws/braket/jobs"
# Counts until it hears from the port that it is given.
COUNTS = """
import os, select, socket, time
print("begun", flush=True)
with socket.create_connection(("127.0.0.1", int(os.environ["SM_HP_PORT"]))) as end:
    number = 0
    while not select.select([end], [], [], 0.05)[0]:
        number += 1
        print("line", number, flush=True)
print("last", number, flush=True)
with open(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"] + "/last", "w") as file:
    file.write(str(number))
"""


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


def numbers(logs, name):
    """Return what a job that runs `COUNTS` has counted so far."""
    return [int(line.split()[1]) for line in job_lines(logs, name) if line.startswith("line ")]


def archive(s3, job):
    """Return the files of a job's results."""
    uri = job["outputDataConfig"]["s3Path"].removeprefix(f"s3://{BUCKET}/")
    body = s3.get_object(Bucket=BUCKET, Key=f"{uri}/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened.getmembers()}
