"""The demonstration's hybrid jobs, written as any user of the Braket SDK would write them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from braket.aws import AwsQuantumJob
from braket.jobs import hybrid_job
from braket.jobs.metrics import log_metric

from openbraket.cli.demo.programs import SV1_ARN

SCRIPTS: Final = Path(__file__).parent / "job_scripts"
ITERATION_COUNT: Final = 30
# The first job waits there to be cancelled: how far it comes must not hang on the machine's speed.
FIRST_COUNT: Final = ITERATION_COUNT // 2
# The lowest energy of the Hamiltonian in `job_scripts/vqe_h2.py`, in hartree.
GROUND_ENERGY: Final = -1.136189454
POLL_S: Final = 0.2
WAIT_S: Final = 120.0

Energies = dict[int, float]


@dataclass(frozen=True, slots=True)
class Search:
    """What the search for the ground state gave.

    Attributes:
        first: The job that was cancelled half-way.
        second: The job that went on from its checkpoint.
        energies: Energy by iteration from both jobs' metrics, in hartree.
        first_count: How many of the iterations the first job made.
        result: What the second job saved.
    """

    first: AwsQuantumJob
    second: AwsQuantumJob
    energies: Energies
    first_count: int
    result: Mapping[str, Any]


def search_ground_state(on_iteration: Callable[[int], None]) -> Search:
    """Run the search, cancel it half-way, and go on from its checkpoint with another job.

    Args:
        on_iteration: Called with the number of iterations whose energy has been seen.
    """
    first = _start_search({"pause_after": str(FIRST_COUNT)})
    seen = _watch(first, on_iteration, until=FIRST_COUNT)
    first.cancel()
    _wait_for_end(first)
    first_count = len(seen)
    second = _start_search({"resume_from": first.name}, copy_checkpoints_from_job=first.arn)
    seen |= _watch(second, on_iteration, until=ITERATION_COUNT, seen=seen)
    result = second.result(poll_interval_seconds=POLL_S)
    return Search(first, second, seen | _energies(second), first_count, result)


def run_decorated() -> tuple[AwsQuantumJob, Mapping[str, Any]]:
    """Run a decorated function with PennyLane on a simulator inside the job.

    Returns:
        The job and what the function returned.
    """

    @hybrid_job(device="local:pennylane/lightning.qubit")  # type: ignore[untyped-decorator]
    def rotate(steps: int) -> dict[str, float]:
        import pennylane as qml
        from pennylane import numpy as np

        device = qml.device("lightning.qubit", wires=2)

        @qml.qnode(device)  # type: ignore[untyped-decorator]
        def cost(angle: Any) -> Any:  # noqa: ANN401  (PennyLane's tensors)
            qml.RX(angle, wires=0)
            qml.CNOT(wires=[0, 1])
            return qml.expval(qml.PauliZ(1))

        angle = np.array(0.1, requires_grad=True)
        optimizer = qml.GradientDescentOptimizer(0.4)
        for iteration in range(steps):
            angle, value = optimizer.step_and_cost(cost, angle)
            log_metric(metric_name="cost", value=float(value), iteration_number=iteration)
        return {"cost": float(cost(angle)), "angle": float(angle)}

    job = rotate(steps=25)
    return job, job.result(poll_interval_seconds=POLL_S)


def run_failing() -> tuple[AwsQuantumJob, str]:
    """Run a script with a mistake in it.

    Returns:
        The job and its failure reason.
    """
    job = AwsQuantumJob.create(
        device=SV1_ARN,
        source_module=str(SCRIPTS / "failing.py"),
        entry_point="failing",
        hyperparameters={"width": 3},
    )
    _wait_for_end(job)
    return job, job.metadata()["failureReason"]


def log_lines(job: AwsQuantumJob) -> list[str]:
    """Return what a job's script has printed so far."""
    logs = boto3.client("logs")
    prefix = f"{job.name}/{job.arn.rpartition('/')[2]}"
    streams = logs.describe_log_streams(
        logGroupName="/aws/braket/jobs", logStreamNamePrefix=prefix
    )["logStreams"]
    return [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(
            logGroupName="/aws/braket/jobs",
            logStreamName=stream["logStreamName"],
            startFromHead=True,
        )["events"]
    ]


def _start_search(extra: Mapping[str, str], **options: Any) -> AwsQuantumJob:  # noqa: ANN401
    return AwsQuantumJob.create(
        device=SV1_ARN,
        source_module=str(SCRIPTS / "vqe_h2.py"),
        entry_point="vqe_h2",
        hyperparameters={"iterations": ITERATION_COUNT, "step": 0.15, **extra},
        **options,
    )


def _watch(
    job: AwsQuantumJob,
    on_iteration: Callable[[int], None],
    *,
    until: int,
    seen: Energies | None = None,
) -> Energies:
    """Return the energies once there are `until` of them, or the job has ended."""
    energies = dict(seen or {})
    deadline = time.monotonic() + WAIT_S
    while len(energies) < until and time.monotonic() < deadline:
        is_over = job.state() in AwsQuantumJob.TERMINAL_STATES
        energies |= _energies(job)
        on_iteration(len(energies))
        if is_over:
            break
        time.sleep(POLL_S)
    return energies


def _energies(job: AwsQuantumJob) -> Energies:
    table = job.metrics()
    numbers = table.get("iteration_number", [])
    return {int(n): float(e) for n, e in zip(numbers, table.get("energy", []), strict=True)}


def _wait_for_end(job: AwsQuantumJob) -> None:
    deadline = time.monotonic() + WAIT_S
    while job.state() not in AwsQuantumJob.TERMINAL_STATES and time.monotonic() < deadline:
        time.sleep(POLL_S)
