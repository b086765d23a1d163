"""The state machine of quantum tasks: every change of a status that anything makes.

Each transition is one `UPDATE … WHERE id = ? AND status IN (sources)`, fenced ones with
`AND attempt = ?` besides: whoever finds zero rows has lost its lease, and its outcome is dropped.
"""

from enum import StrEnum
from typing import Final

from openbraket.store.transitions import Transition


class Status(StrEnum):
    """A quantum task's status, exactly as on the wire."""

    CREATED = "CREATED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"


WAITING: Final = frozenset({Status.CREATED, Status.QUEUED})
TERMINAL: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

# The task cannot start at once.
QUEUE: Final = Transition(name="queue", sources=("CREATED",), target="QUEUED")
# A worker has room: the record's attempt must be the one before this one, and becomes this one.
START: Final = Transition(
    name="start", sources=("CREATED", "QUEUED"), target="RUNNING", begins_attempt=True
)
# Outcomes of an attempt.
COMPLETE: Final = Transition(
    name="complete", sources=("RUNNING",), target="COMPLETED", is_fenced=True, is_terminal=True
)
FAIL: Final = Transition(
    name="fail", sources=("RUNNING",), target="FAILED", is_fenced=True, is_terminal=True
)
# The attempt's process died without an outcome; the next attempt follows.
LOSE: Final = Transition(
    name="lose", sources=("RUNNING",), target="QUEUED", is_fenced=True, counts_loss=True
)
# The server stops: the attempt is given up and not counted against the task.
RELEASE: Final = Transition(name="release", sources=("RUNNING",), target="QUEUED", is_fenced=True)
# What can never run (more memory than there is, no runner) ends without an attempt.
REFUSE: Final = Transition(
    name="refuse", sources=("CREATED", "QUEUED"), target="FAILED", is_terminal=True
)
# CancelQuantumTask, and the end of a cancelled attempt's process.
CANCEL_WAITING: Final = Transition(
    name="cancel waiting", sources=("CREATED", "QUEUED"), target="CANCELLED", is_terminal=True
)
CANCEL_RUNNING: Final = Transition(name="cancel running", sources=("RUNNING",), target="CANCELLING")
END_CANCELLED: Final = Transition(
    name="end cancelled",
    sources=("CANCELLING",),
    target="CANCELLED",
    is_fenced=True,
    is_terminal=True,
)

TRANSITIONS: Final = (
    QUEUE,
    START,
    COMPLETE,
    FAIL,
    LOSE,
    RELEASE,
    REFUSE,
    CANCEL_WAITING,
    CANCEL_RUNNING,
    END_CANCELLED,
)
