"""Runs the parts of a plan as state vectors and stabilizer states."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.circuit import ResultType
from openbraket.circuits.reductions import Part
from openbraket.simulators.parts import PartState, Report, Simulate
from openbraket.simulators.sampling import bit_columns
from openbraket.simulators.statevector.exact import exact_values
from openbraket.simulators.statevector.stabilizer import StabilizerState
from openbraket.simulators.statevector.state import StateVector
from openbraket.simulators.values import Value


def part_simulator(*, thread_count: int, is_single: bool) -> Simulate:
    """Return what simulates a part without noise.

    Args:
        thread_count: Threads to use.
        is_single: Whether amplitudes are kept in single precision.
    """

    def simulate(_index: int, part: Part, report: Report | None) -> PartState:
        if part.engine == "stabilizer":
            return StabilizerState(part.qubit_count, part.steps)
        state = StateVector(part.qubit_count, thread_count=thread_count, is_single=is_single)
        state.apply(part.operations(), report=report)
        return _Amplitudes(state)

    return simulate


class _Amplitudes:
    """A state vector as a part's state."""

    def __init__(self, state: StateVector) -> None:
        self._state = state

    def values(self, result_types: Sequence[ResultType]) -> Sequence[Value]:
        return exact_values(self._state, result_types)

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        return bit_columns(self._state.sample(shots, generator), self._state.qubit_count)
