"""Results that are estimated from measurements, for shots > 0.

All observables are measured at once: the state is rotated to the observables' joint basis, every
qubit is measured, and each value is computed from the same measurements.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import ProgramError
from openbraket.circuits.circuit import Circuit, Factor, ResultType
from openbraket.simulators.observables import basis_of, on_each_qubit
from openbraket.simulators.values import Floats, Simulation, Value


def bit_columns(states: NDArray[np.uint64], qubit_count: int) -> NDArray[np.uint8]:
    """Return the bits of basis states: one row per qubit, one column per shot."""
    columns = np.empty((qubit_count, states.size), dtype=np.uint8)
    for qubit in range(qubit_count):
        columns[qubit] = (states >> np.uint64(qubit_count - 1 - qubit)) & np.uint64(1)
    return columns


def measured_bits(states: NDArray[np.uint64], qubit_count: int) -> NDArray[np.uint8]:
    """Return the bits of basis states: one row per shot, one column per qubit."""
    return np.ascontiguousarray(bit_columns(states, qubit_count).T)


def sampled_value(bits: NDArray[np.uint8], result_type: ResultType) -> Value:
    """Return the value of one result type, estimated from measurements in the joint basis.

    Args:
        bits: All qubits' measured bits, shape (shots, qubit_count); not modified.
        result_type: expectation, variance, sample or probability.

    Returns:
        A float for expectation and variance, an array for sample and probability; for an
        observable without targets a list with one of them per qubit. The variance is that of the
        samples, divided by the number of shots.

    Raises:
        ProgramError: If the kind is not available for shots > 0.
    """
    shots, qubit_count = bits.shape
    match result_type.kind:
        case "probability":
            targets = range(qubit_count) if result_type.targets is None else result_type.targets
            counts = np.bincount(_numbers(bits, targets), minlength=1 << len(targets))
            return np.asarray(counts / shots, dtype=np.float64)
        case "expectation" | "variance" | "sample":
            each = on_each_qubit(result_type.observable, qubit_count)
            if each is None:
                return _summary(_samples(bits, result_type.observable), result_type.kind)
            samples = [_samples(bits, observable) for observable in each]
            if result_type.kind == "sample":
                return samples
            return [
                float(s.mean() if result_type.kind == "expectation" else s.var()) for s in samples
            ]
        case "state_vector" | "amplitude" | "density_matrix":
            raise ProgramError(
                "statevector, amplitude and densitymatrix result types not available when shots>0"
            )
        case _:
            message = f"Result type {result_type.kind} is not available when shots>0"
            raise ProgramError(message)


def estimated(circuit: Circuit, bits: NDArray[np.uint8], measured: tuple[int, ...]) -> Simulation:
    """Return what measurements in the joint basis of all results say.

    Args:
        circuit: The circuit.
        bits: Measured bits of all its qubits, shape (shots, qubit_count); not modified.
        measured: Positions of the qubits that the program measures.

    Raises:
        ProgramError: If a result type is not available for shots > 0.
    """
    values = tuple(sampled_value(bits, result_type) for result_type in circuit.result_types)
    is_all = measured == tuple(range(circuit.qubit_count))
    measurements = bits if is_all else np.ascontiguousarray(bits[:, measured])
    return Simulation(values, measurements, measured)


def _summary(samples: Floats, kind: str) -> float | Floats:
    if kind == "sample":
        return samples
    return float(samples.mean() if kind == "expectation" else samples.var())


def _samples(bits: NDArray[np.uint8], observable: tuple[Factor, ...]) -> Floats:
    """Return the observable's eigenvalue in every shot, shape (shots,)."""
    samples = np.ones(bits.shape[0])
    for factor in observable:
        samples *= basis_of(factor).eigenvalues[_numbers(bits, factor.targets)]
    return samples


def _numbers(bits: NDArray[np.uint8], qubits: Sequence[int]) -> NDArray[np.int64]:
    """Return the number that the bits of `qubits` form, the first most significant."""
    out = np.zeros(bits.shape[0], dtype=np.int64)
    for qubit in qubits:
        out = out << 1 | bits[:, qubit]
    return out
