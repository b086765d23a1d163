"""Hybrid jobs: time to the first line, jobs side by side, lines taken in, tasks inside a job.

Run: `python benchmarks/bench_jobs.py`. Goals: create to first line < 1.5 s once an environment is
there, < 10 s with its first use; 20 jobs side by side on 2 processors.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from common import print_machine, spread
from openbraket.testing import Service, start

BUCKET = "amazon-braket-benchmark"
GROUP = "/aws/braket/jobs"
ROLE = "arn:aws:iam::000000000000:role/service-role/AmazonBraketJobsExecutionRole"
ENDED = ("COMPLETED", "FAILED", "CANCELLED")
SIDE_BY_SIDE = 20
LINE_COUNT = 200_000
TASK_COUNT = 50
WAIT_S = 300.0
POLL_S = 0.02
LINES = f"""
import sys
for number in range({LINE_COUNT}):
    sys.stdout.write(f"line {{number}} of a job that says what it does, at some length\\n")
"""
TASKS = f"""
import statistics, time
from braket.aws import AwsDevice
from braket.circuits import Circuit

device = AwsDevice("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
bell = Circuit().h(0).cnot(0, 1)
times = []
for _ in range({TASK_COUNT}):
    began = time.perf_counter()
    device.run(bell, shots=100).result()
    times.append(time.perf_counter() - began)
print("median", statistics.median(times[5:]))
"""


class Jobs:
    """Jobs of one service, by their names."""

    def __init__(self, service: Service) -> None:
        options = {"endpoint_url": service.endpoint_url, "region_name": "us-east-1"}
        self._braket: Any = boto3.client("braket", **options)
        self._logs: Any = boto3.client("logs", **options)
        self._s3: Any = boto3.client("s3", **options)
        self._s3.create_bucket(Bucket=BUCKET)

    def create(self, name: str, script: str) -> str:
        """Upload a script, create its job, and return the ARN."""
        key = f"{name}/algorithm.py"
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=script.encode())
        answer: dict[str, str] = self._braket.create_job(
            jobName=name,
            roleArn=ROLE,
            algorithmSpecification={
                "scriptModeConfig": {"entryPoint": "algorithm", "s3Uri": f"s3://{BUCKET}/{key}"}
            },
            instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 1},
            outputDataConfig={"s3Path": f"s3://{BUCKET}/{name}"},
            deviceConfig={"device": "local:none/none"},
        )
        return answer["jobArn"]

    def stream_count(self, name: str) -> int:
        """Return how many log streams a job has; one comes with its first line."""
        try:
            streams = self._logs.describe_log_streams(
                logGroupName=GROUP, logStreamNamePrefix=f"{name}/"
            )
        except self._logs.exceptions.ResourceNotFoundException:
            return 0
        return len(streams["logStreams"])

    def lines(self, name: str) -> list[str]:
        """Return the last lines of a job."""
        stream = self._logs.describe_log_streams(
            logGroupName=GROUP, logStreamNamePrefix=f"{name}/"
        )["logStreams"][0]["logStreamName"]
        events = self._logs.get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
        return [event["message"] for event in events]

    def job(self, arn: str) -> dict[str, Any]:
        """Return what GetJob says."""
        found: dict[str, Any] = self._braket.get_job(jobArn=arn)
        return found

    def wait(self, arn: str) -> dict[str, Any]:
        """Return a job once it has completed.

        Raises:
            RuntimeError: It failed.
        """
        wait_until(lambda: self.job(arn)["status"] in ENDED)
        job = self.job(arn)
        if job["status"] != "COMPLETED":
            raise RuntimeError(f"{job['jobName']}: {job.get('failureReason')}")
        return job


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the job takes too long")
        time.sleep(POLL_S)


def bench_first_line(jobs: Jobs) -> None:
    times = []
    for number in range(6):
        began = time.perf_counter()
        arn = jobs.create(f"first-{number}", "print('up')")
        wait_until(lambda name=f"first-{number}": jobs.stream_count(name) > 0)  # type: ignore[misc]
        times.append(time.perf_counter() - began)
        jobs.wait(arn)
    print(f"create to first line: the very first {times[0]:.2f} s (goal < 10)")
    print(f"create to first line, warm: {spread(times[1:])} s (goal < 1.5)")


def bench_side_by_side(jobs: Jobs) -> None:
    script = "import time; print('up', flush=True); time.sleep(5)"
    began = time.perf_counter()
    arns = [jobs.create(f"side-{number}", script) for number in range(SIDE_BY_SIDE)]
    wait_until(lambda: all(jobs.stream_count(f"side-{n}") for n in range(SIDE_BY_SIDE)))
    all_up = time.perf_counter() - began
    found = [jobs.wait(arn) for arn in arns]
    elapsed = time.perf_counter() - began
    last_start = max(job["startedAt"] for job in found)
    together = sum(job["endedAt"] > last_start for job in found)
    print(
        f"{SIDE_BY_SIDE} jobs that sleep for 5 s: {together} at once, all up after {all_up:.1f} s, "
        f"all ended after {elapsed:.1f} s"
    )


def bench_lines(jobs: Jobs) -> None:
    job = jobs.wait(jobs.create("lines", LINES))
    events = {event["eventType"]: event["timeOfEvent"] for event in job["events"]}
    elapsed = (events["UPLOADING_RESULTS"] - events["RUNNING"]).total_seconds()
    print(f"{LINE_COUNT} lines of one job: {LINE_COUNT / elapsed:.0f} lines/s from print to record")


def bench_tasks(jobs: Jobs) -> None:
    outside: dict[str, Any] = {}
    exec(TASKS.replace("print(", "found = ("), outside)  # the script of the job
    jobs.wait(jobs.create("tasks", TASKS))
    inside = next(
        float(line.split()[1]) for line in jobs.lines("tasks") if line.startswith("median")
    )
    _, alone = outside["found"]
    print(
        f"Bell task through the SDK: {1000 * alone:.1f} ms outside, {1000 * inside:.1f} ms in a "
        f"job, {1000 * (inside - alone):+.1f} ms"
    )


def main() -> None:
    print_machine(["openbraket", "boto3", "amazon-braket-sdk"])
    with (
        tempfile.TemporaryDirectory() as folder,
        start(data_dir=Path(folder), options=("--log-level", "warning")) as service,
    ):
        jobs = Jobs(service)
        bench_first_line(jobs)
        bench_side_by_side(jobs)
        bench_lines(jobs)
        bench_tasks(jobs)


if __name__ == "__main__":
    main()
