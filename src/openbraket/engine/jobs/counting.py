"""What Prometheus is told of hybrid jobs; like `engine.attempt` for quantum tasks."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from openbraket.base import metrics
from openbraket.store.jobs import Job

# Simulators inside of jobs have names of their users' choice: together they are one label.
EMBEDDED_LABEL: Final = "local"


def device_label(job: Job) -> str:
    """Return a job's device for a metric's label: its ARN, or `local` for one inside the job."""
    return job.device_arn if job.device_arn.startswith("arn:") else EMBEDDED_LABEL


def counts(jobs: Iterable[Job]) -> Counter[str]:
    """Return how many jobs there are, by the device's label."""
    return Counter(device_label(job) for job in jobs)


def count_start(job: Job, now: int) -> None:
    """Count how long a job has waited.

    Args:
        job: The job.
        now: When its attempt begins, milliseconds since the epoch.
    """
    waiting_s = max(0, now - job.created_at) / 1000
    metrics.JOB_WAITING_SECONDS.labels(device_label(job)).observe(waiting_s)


def count_end(job: Job, status: str | None, now: int) -> None:
    """Count the end of an attempt that took effect.

    Args:
        job: The job, as it was when the attempt began.
        status: What the end led to; None where the record had moved on.
        now: Milliseconds since the epoch.
    """
    if status is not None:
        device = device_label(job)
        metrics.JOBS_ENDED.labels(device, status).inc()
        run_s = max(0, now - (job.started_at or job.created_at)) / 1000
        metrics.JOB_RUN_SECONDS.labels(device).observe(run_s)
