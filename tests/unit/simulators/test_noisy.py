"""Which simulator the rule chooses for circuits with noise."""

import numpy as np
import pytest

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit, Noise, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.circuits.memory import FIXED_BYTES, density_matrix_bytes
from openbraket.simulators import noisy


def circuit_of(qubit_count, *results, layer_count=3, channel=("amplitude_damping", (0.1,))):
    operations = Operations()
    for _ in range(layer_count):
        for q in range(qubit_count):
            operations.append(GATES["rx"].code, [q], [0.3])
            name, parameters = channel
            operations.noise.append(Noise(name, (q,), parameters, (), len(operations)))
        for q in range(qubit_count - 1):
            operations.append(GATES["cnot"].code, [q, q + 1])
    return Circuit(tuple(range(qubit_count)), operations, results)


def choice(circuit, shots, memory_bytes=None):
    return noisy.choose(circuit, None, shots=shots, memory_bytes=memory_bytes)


def test_the_cheaper_way_runs():
    assert choice(circuit_of(4), 1) == "density_matrix"
    assert choice(circuit_of(9), 50_000) == "density_matrix"
    assert choice(circuit_of(14), 1) == "trajectories"
    rare = circuit_of(13, channel=("bit_flip", (0.0001,)))
    assert choice(rare, 1000) == "trajectories"
    assert choice(circuit_of(14), 0) == "density_matrix"


def test_what_does_not_fit_is_sampled_or_refused():
    circuit, memory_bytes = circuit_of(9), FIXED_BYTES * 11 // 10
    assert choice(circuit, 100, density_matrix_bytes(9)) == "density_matrix"
    assert memory_bytes < density_matrix_bytes(12)
    assert choice(circuit_of(12), 10**6, memory_bytes) == "trajectories"
    with pytest.raises(LimitError, match="for a density matrix of 12 qubits, more than the limit"):
        choice(circuit_of(12), 0, memory_bytes)


def test_wide_circuit_runs_by_trajectories():
    found = noisy.simulate(circuit_of(14), shots=20, seed=1)
    assert found.measurements is not None
    assert found.measurements.shape == (20, 14)
    again = noisy.simulate(circuit_of(14), shots=20, seed=1)
    assert np.array_equal(found.measurements, again.measurements)


@pytest.mark.parametrize("qubit_count", [2, 10])
def test_what_noise_has_no_amplitudes_for_is_refused(qubit_count):
    for kind in ("state_vector", "amplitude"):
        result = ResultType(kind, states=("0" * qubit_count,) if kind == "amplitude" else ())
        with pytest.raises(ProgramError, match=f"{kind} is not available for programs with noise"):
            noisy.simulate(circuit_of(qubit_count, result), shots=0)
    with pytest.raises(ProgramError, match="Result types must be specified"):
        noisy.simulate(circuit_of(qubit_count), shots=0)
    with pytest.raises(ProgramError, match="sample can only be specified when shots>0"):
        noisy.simulate(circuit_of(2, ResultType("sample")), shots=0)
    exact = ResultType("density_matrix", targets=(0,))
    with pytest.raises(ProgramError, match="not available when shots>0"):
        noisy.simulate(circuit_of(qubit_count, exact), shots=10)
