"""What the ends of its instances make of a job's attempt."""

from collections.abc import Sequence
from dataclasses import dataclass

from openbraket.jobs.directory import InstanceState
from openbraket.jobs.outcome import failure_reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended.

    Attributes:
        failure: Why it failed; None where it did not.
        states: How its instances ended.
        exceeded_runtime: Whether its time was over.
        has_run: Whether anything of it was started.
    """

    failure: str | None = None
    states: Sequence[InstanceState] = ()
    exceeded_runtime: bool = False
    has_run: bool = True


def judge(states: Sequence[InstanceState], stop_failure: str | None) -> Verdict:
    """Return what the ends of all instances make of the job.

    Args:
        states: The last state of each.
        stop_failure: What stopping them makes of it; None where that is no failure.
    """
    # Those that were stopped since another failed do not say why.
    own = [state for state in states if state.reason != "stopped"]
    own.sort(key=lambda state: state.ended_at or 0)
    failure = failure_reason(own)
    exceeded = any(state.reason == "max_runtime" for state in own)
    if failure is None and len(own) < len(states):
        failure = stop_failure or failure_reason(states)
    return Verdict(failure, states, exceeded_runtime=exceeded)
