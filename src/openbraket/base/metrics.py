"""What a server process counts, for Prometheus; `server.app` shows it under `/metrics`.

Each metric is declared here and counted where the thing happens. What can be looked up (queues,
running attempts) is not counted: `server.observation` reads it when somebody asks.
"""

from functools import cache
from typing import Final

from prometheus_client import Counter, Histogram

# Seconds, from what a small operation takes to what a client gives up at.
_FAST_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10, 60)
# Seconds, from a small task to a day.
_SLOW_BUCKETS: Final = (0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 43200, 86400)

REQUESTS: Final = Counter(
    "openbraket_requests",
    "Requests answered, by service, operation (- where none was found) and HTTP status.",
    ["service", "operation", "status"],
)
REQUEST_SECONDS: Final = Histogram(
    "openbraket_request_seconds",
    "Time from a request's head to its answer, without the sending of the answer.",
    ["service", "operation"],
    buckets=_FAST_BUCKETS,
)
TASKS_ENDED: Final = Counter(
    "openbraket_quantum_tasks_ended",
    "Attempts of quantum tasks by the status that they led to; QUEUED: the task runs again.",
    ["device", "status"],
)
TASK_WAITING_SECONDS: Final = Histogram(
    "openbraket_quantum_task_waiting_seconds",
    "Time from a quantum task's creation to its attempt's start.",
    ["device"],
    buckets=_SLOW_BUCKETS,
)
TASK_RUN_SECONDS: Final = Histogram(
    "openbraket_quantum_task_run_seconds",
    "Time from an attempt's start to its outcome.",
    ["device"],
    buckets=_SLOW_BUCKETS,
)
JOBS_ENDED: Final = Counter(
    "openbraket_jobs_ended",
    "Attempts of hybrid jobs by the status that they led to.",
    ["device", "status"],
)
JOB_WAITING_SECONDS: Final = Histogram(
    "openbraket_job_waiting_seconds",
    "Time from a hybrid job's creation to its attempt's start.",
    ["device"],
    buckets=_SLOW_BUCKETS,
)
JOB_RUN_SECONDS: Final = Histogram(
    "openbraket_job_run_seconds",
    "Time from the start of a hybrid job's attempt to its end.",
    ["device"],
    buckets=_SLOW_BUCKETS,
)
WORKER_STARTS: Final = Counter(
    "openbraket_worker_starts", "Worker processes that became ready, replacements among them."
)
WORKER_DEATHS: Final = Counter(
    "openbraket_worker_deaths", "Worker processes that ended while the server went on, cancels too."
)
COMMIT_SECONDS: Final = Histogram(
    "openbraket_commit_seconds",
    "Time of one transaction of the records, with the wait for the disk.",
    buckets=_FAST_BUCKETS,
)
COMMIT_CHANGES: Final = Histogram(
    "openbraket_commit_changes",
    "Changes that one transaction of the records made together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)


@cache
def _request_metrics(service: str, operation: str, status: int) -> tuple[Counter, Histogram]:
    # Looking up the labels takes longer than counting.
    return (
        REQUESTS.labels(service, operation, status),
        REQUEST_SECONDS.labels(service, operation),
    )


def of_request(service: str, operation: str, status: int, seconds: float) -> None:
    """Count an answered request.

    Args:
        service: The service's name, or `-`.
        operation: The operation's name, or `-`.
        status: HTTP status.
        seconds: From the request's head to its answer.
    """
    count, times = _request_metrics(service, operation, status)
    count.inc()
    times.observe(seconds)
