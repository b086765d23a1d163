"""What the instances' ends make of the job."""

from collections.abc import Sequence

from openbraket.jobs.directory import FAILURE_CHARACTERS_MAX, InstanceState

REASONS = ("setup", "memory", "disk", "processes", "max_runtime", "lost", "stopped")


def failure_reason(states: Sequence[InstanceState]) -> str | None:
    """Return why a job failed.

    Args:
        states: Of all its instances, each `ENDED`.

    Returns:
        The first instance's reason in the service's form, at most 1,024 characters; None where
        every instance ended with exit code 0 and without a failure file.
    """
    for state in states:
        reason = instance_failure(state)
        if reason is not None:
            return reason
    return None


def instance_failure(state: InstanceState) -> str | None:
    """Return why an instance failed.

    Args:
        state: Its last state.

    Returns:
        `AlgorithmError: <failure>, exit code: <n>`, or the sentence of the limit that ended it;
        None where it succeeded. An exit code of 0 with a failure file is a failure.
    """
    if state.reason is not None:
        kind = "InternalServerError" if state.reason == "lost" else "AlgorithmError"
        return f"{kind}: {state.message or state.reason}"[:FAILURE_CHARACTERS_MAX]
    if state.exit_code == 0 and state.failure is None:
        return None
    tail = f", exit code: {state.exit_code}"
    text = state.failure or _exit_sentence(state.exit_code)
    return f"AlgorithmError: {text[: FAILURE_CHARACTERS_MAX - len(tail) - 16]}{tail}"


def _exit_sentence(exit_code: int | None) -> str:
    if exit_code == 137:
        return "The script was killed (SIGKILL), as for want of memory"
    if exit_code is not None and exit_code > 128:
        return f"The script was ended by signal {exit_code - 128}"
    return "The script ended with an error and without a failure file"
