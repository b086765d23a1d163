"""Result values, and what a whole simulation found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]

# Expectation and gradient.
GradientValue = dict[str, float | dict[str, float]]
# A number; a number, or the samples, per qubit; an array; amplitudes by basis state; a gradient.
Value = float | list[float] | Floats | list[Floats] | Complexes | dict[str, complex] | GradientValue


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a simulation found.

    Attributes:
        values: One value per result type of the circuit, in order.
        measurements: Measured bits, uint8, shape (shots, len(measured)); None for shots = 0.
        measured: Positions of the measured qubits, in the order of the columns.
    """

    values: tuple[Value, ...]
    measurements: NDArray[np.uint8] | None
    measured: tuple[int, ...]
