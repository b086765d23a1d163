"""The state machine of hybrid jobs: every change of a job's status that anything makes.

Each transition is one `UPDATE … WHERE id = ? AND status IN (sources)`, fenced ones with
`AND attempt = ?` besides, and records its event in the same transaction. Whoever finds zero rows
has lost its lease, and its outcome is dropped.
"""

from enum import StrEnum
from typing import Final

from openbraket.store.jobs import JobTransition


class JobStatus(StrEnum):
    """A job's status, exactly as on the wire."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"


# While an attempt is under way.
LIVE: Final = ("RUNNING", "CANCELLING")
TERMINAL: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

# Events that an attempt notes between its start and its end, in AWS's order; the transitions
# bring the others.
NOTES: Final = ("DOWNLOADING_DATA", "RUNNING", "UPLOADING_RESULTS", "MAX_RUNTIME_EXCEEDED")

# An instance is being prepared: the record's attempt must be the one before, and becomes this one.
START: Final = JobTransition(
    name="start",
    sources=("QUEUED",),
    target="RUNNING",
    event="STARTING_INSTANCE",
    begins_attempt=True,
)
# Outcomes of an attempt.
COMPLETE: Final = JobTransition(
    name="complete",
    sources=("RUNNING",),
    target="COMPLETED",
    event="COMPLETED",
    is_fenced=True,
    is_terminal=True,
)
FAIL: Final = JobTransition(
    name="fail",
    sources=("RUNNING",),
    target="FAILED",
    event="FAILED",
    is_fenced=True,
    is_terminal=True,
)
# What can never run ends without an attempt.
REFUSE: Final = JobTransition(
    name="refuse", sources=("QUEUED",), target="FAILED", event="FAILED", is_terminal=True
)
# CancelJob, and the end of a cancelled attempt's processes.
CANCEL_WAITING: Final = JobTransition(
    name="cancel waiting",
    sources=("QUEUED",),
    target="CANCELLED",
    event="CANCELLED",
    is_terminal=True,
)
CANCEL_RUNNING: Final = JobTransition(
    name="cancel running", sources=("RUNNING",), target="CANCELLING"
)
END_CANCELLED: Final = JobTransition(
    name="end cancelled",
    sources=("CANCELLING",),
    target="CANCELLED",
    event="CANCELLED",
    is_fenced=True,
    is_terminal=True,
)

TRANSITIONS: Final = (
    START,
    COMPLETE,
    FAIL,
    REFUSE,
    CANCEL_WAITING,
    CANCEL_RUNNING,
    END_CANCELLED,
)
