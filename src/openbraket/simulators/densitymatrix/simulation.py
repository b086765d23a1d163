"""A whole simulation as one density matrix, and what simulates a part of a plan."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import ProgramError
from openbraket.circuits.circuit import Circuit, ResultType
from openbraket.circuits.reductions import Part
from openbraket.simulators.densitymatrix.state import DensityMatrix
from openbraket.simulators.observables import joint_basis, on_each_qubit, rotations
from openbraket.simulators.parts import PartState, Report, Simulate
from openbraket.simulators.sampling import estimated
from openbraket.simulators.values import Simulation, Value

# Seconds for each coefficient and pass, and how many threads are worth it, roughly.
_PASS_S: Final = 4e-10
_START_S: Final = 2e-4


def simulate(
    circuit: Circuit,
    *,
    shots: int,
    thread_count: int = 1,
    seed: int | Sequence[int] | None = None,
    report: Callable[[float], None] | None = None,
) -> Simulation:
    """Run a circuit with noise on |0...0> as one density matrix and compute its results.

    Always in double precision.

    Args:
        circuit: 1 to 20 qubits; not modified.
        shots: Number of measurements of the final state; 0 means exact values.
        thread_count: Threads to use, at least 1.
        seed: Makes samples reproducible: one number or several, at least 0; None draws fresh ones.
        report: Called now and then, from another thread, with the share that is done.

    Returns:
        The values of all result types, and the measurements where shots > 0.

    Raises:
        ProgramError: If a result type does not go with noise or with the number of shots, or two
            result types want different bases for one qubit.
        LimitError: If a requested density matrix is too large.
        NumericsError: If a power of a matrix that is not unitary is asked for.
    """
    bases = joint_basis(circuit.result_types, circuit.qubit_count) if shots else []
    measured = circuit.measured or tuple(range(circuit.qubit_count))
    state = DensityMatrix(circuit.qubit_count, thread_count=thread_count)
    state.apply(circuit.operations, report=report)
    if shots == 0:
        return Simulation(exact_values(state, circuit.result_types), None, measured)
    state.apply(rotations(bases))
    bits = np.ascontiguousarray(state.sample(shots, np.random.default_rng(seed)).T)
    return estimated(circuit, bits, measured)


def cost(circuit: Circuit) -> float:
    """Return about how many seconds `simulate` takes with one thread."""
    starts = circuit.operations.target_starts
    pairs = wide = 0
    for k in range(len(circuit.operations)):
        count = starts[k + 1] - starts[k]
        pairs += count == 2
        wide += (1 << count) if count > 2 else 0
    passes = pairs + circuit.qubit_count / 2 + 8 * wide
    passes += sum(len(channel.targets) == 2 for channel in circuit.operations.noise)
    return _START_S + _PASS_S * passes * float(4**circuit.qubit_count)


def exact_values(state: DensityMatrix, result_types: Sequence[ResultType]) -> tuple[Value, ...]:
    """Return the values of all result types from the density matrix.

    Args:
        state: Not modified.
        result_types: expectation, variance, probability or density_matrix.

    Returns:
        For each result type a float, or one per qubit for an observable without targets; an array
        for probability and density_matrix.

    Raises:
        ProgramError: If a kind needs shots, or a pure state.
        LimitError: If a density matrix has more than 12 qubits.
    """
    return tuple(_value(state, result_type) for result_type in result_types)


def _value(state: DensityMatrix, result_type: ResultType) -> Value:
    targets = result_type.targets
    targets = tuple(range(state.qubit_count)) if targets is None else targets
    match result_type.kind:
        case "expectation" | "variance":
            index = 0 if result_type.kind == "expectation" else 1
            each = on_each_qubit(result_type.observable, state.qubit_count)
            if each is None:
                return state.moments(result_type.observable)[index]
            return [state.moments(observable)[index] for observable in each]
        case "probability":
            return state.probabilities(targets)
        case "density_matrix":
            return state.density_matrix(targets)
        case "sample":
            raise ProgramError("sample can only be specified when shots>0")
        case _:
            message = (
                f"Result type {result_type.kind} is not available for programs with noise, whose "
                "state has no amplitudes."
            )
            raise ProgramError(message)


def part_simulator(*, thread_count: int) -> Simulate:
    """Return what simulates a part as a density matrix.

    Args:
        thread_count: Threads to use.
    """

    def simulate_part(_index: int, part: Part, report: Report | None) -> PartState:
        state = DensityMatrix(part.qubit_count, thread_count=thread_count)
        state.apply(part.operations(), report=report)
        return _PartState(state)

    return simulate_part


class _PartState:
    def __init__(self, state: DensityMatrix) -> None:
        self._state = state

    def values(self, result_types: Sequence[ResultType]) -> Sequence[Value]:
        return exact_values(self._state, result_types)

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        return self._state.sample(shots, generator)
