"""What a simulation by trajectories would need: for admission and for the choice of a simulator."""

import math
from typing import Final, NamedTuple

from openbraket.base.errors import ProgramError
from openbraket.circuits.circuit import Circuit
from openbraket.circuits.noisy_parts import NoisyPlan, Part, plan_noisy, trajectory_bytes
from openbraket.circuits.precision import Precision
from openbraket.simulators.observables import joint_basis, rotations
from openbraket.simulators.trajectories.simulation import QUBITS_MAX
from openbraket.simulators.trajectories.sites import channel_of

_EXACT_KINDS: Final = frozenset({"amplitude", "state_vector", "density_matrix", "adjoint_gradient"})
# Measured on one core: per amplitude and operation, per operation, per branch and per event; and
# per gate or channel and shot of a stabilizer simulation.
_AMPLITUDE_S: Final = 8e-11
_OPERATION_S: Final = 5e-7
_BRANCH_S: Final = 1e-4
_EVENT_S: Final = 5e-6
_FRAME_S: Final = 1e-10


def can_run(circuit: Circuit, shots: int) -> bool:
    """Return whether `simulate` takes a circuit: shots, results that shots give, and its width."""
    plan = _plan(circuit, shots)
    return plan is not None and plan.width <= QUBITS_MAX


def stabilizer_can_run(circuit: Circuit, shots: int) -> bool:
    """Return whether `simulate` needs no amplitudes: Clifford operations and Pauli noise only."""
    plan = _plan(circuit, shots)
    return plan is not None and plan.width == 0


def width_of(circuit: Circuit, shots: int) -> int:
    """Return the qubits of the largest state vector that `simulate` needs; 0 if it needs none.

    Raises:
        ProgramError: If results do not go with the shots.
    """
    return _checked(circuit, shots).width


def memory_bytes(
    circuit: Circuit, shots: int, memory_bytes_max: int, *, precision: Precision = "auto"
) -> int:
    """Return the estimated memory of `simulate`, in bytes.

    Args:
        circuit: The circuit.
        shots: Number of shots, at least 1.
        memory_bytes_max: Memory of one worker; copies of states take a part of what is free.
        precision: As for `simulate`.

    Raises:
        ProgramError: If results do not go with the shots.
    """
    plan = _checked(circuit, shots)
    return trajectory_bytes(plan, memory_bytes_max, is_single=plan.is_single(shots, precision))


class Assessment(NamedTuple):
    """What a simulation would need.

    Attributes:
        width: Qubits of its largest state vector; 0 if it needs none.
        cost_s: Roughly its seconds on one thread.
    """

    width: int
    cost_s: float


def assess(circuit: Circuit, shots: int) -> Assessment | None:
    """Return what `simulate` would need, None where it does not take a circuit; one plan for all.

    Raises:
        ProgramError: If two result types want different bases for one qubit.
    """
    plan = _plan(circuit, shots)
    if plan is None or plan.width > QUBITS_MAX:
        return None
    return Assessment(plan.width, _cost(plan, shots))


def cost(circuit: Circuit, shots: int) -> float:
    """Return roughly how many seconds `simulate` takes on one thread.

    Raises:
        ProgramError: If results do not go with the shots.
    """
    return _cost(_checked(circuit, shots), shots)


def _cost(plan: NoisyPlan, shots: int) -> float:
    is_single = plan.is_single(shots, "auto")
    total = 0.0
    for number, part in enumerate(plan.parts):
        if part.is_clifford:
            total += len(part.steps) * (_OPERATION_S + shots * _FRAME_S)
        else:
            total += _part_cost(plan, number, part, shots, is_single=is_single)
    return total


def _part_cost(plan: NoisyPlan, number: int, part: Part, shots: int, *, is_single: bool) -> float:
    amplitudes = 1 << len(part.qubits)
    pass_s = amplitudes * _AMPLITUDE_S * (0.6 if is_single else 1.0)
    whole_s = len(part.steps) * (pass_s + _OPERATION_S)
    events = candidates = different = 0.0
    for place in plan.places:
        channel = channel_of(place.noise)
        if not any(own == number for own, _, _ in place.acts):
            continue
        events += channel.rate
        if channel.kind == "general":
            candidates += 1 - (1 - channel.rate) ** shots
        different += min(shots * channel.rate, channel.ends.size)
    # Shots with one event share branches with equal ones; those with more hardly do.
    one, more = events * math.exp(-events), -math.expm1(-events) - events * math.exp(-events)
    branches = min(shots * one, different) + shots * more
    later = 1 / (1 + min(events, 1.0))  # a branch begins at the first event
    return (
        (1 + branches * later) * whole_s
        + branches * _BRANCH_S
        + shots * events * _EVENT_S
        + (candidates + branches * events) * (10 * pass_s + _BRANCH_S)
    )


def _plan(circuit: Circuit, shots: int) -> NoisyPlan | None:
    if shots < 1 or circuit.qubit_count == 0:
        return None
    if any(result.kind in _EXACT_KINDS for result in circuit.result_types):
        return None
    return _checked(circuit, shots)


def _checked(circuit: Circuit, shots: int) -> NoisyPlan:
    if shots < 1:
        raise ProgramError("Trajectories need shots of at least 1.")
    bases = joint_basis(circuit.result_types, circuit.qubit_count)
    return plan_noisy(circuit, rotations(bases))
