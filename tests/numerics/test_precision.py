"""Single precision: how far it is from double, and that it samples the same."""

import numpy as np
import pytest

from openbraket.circuits.circuit import Circuit, Factor, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.circuits.precision import single_variation_max
from openbraket.circuits.reductions import plan_circuit
from openbraket.simulators.statevector import StateVector, simulate

# What is measured stays this far below the bound; it grows as the root of the operations only.
MEASURED_SHARE_MAX = 0.02


def brickwork(qubit_count: int, depth: int) -> Operations:
    generator, operations = np.random.default_rng(depth), Operations()
    for layer in range(depth):
        for qubit in range(qubit_count):
            for name in ("rz", "ry", "rz"):
                operations.append(GATES[name].code, [qubit], [generator.uniform(0, 7)])
        for qubit in range(layer % 2, qubit_count - 1, 2):
            operations.append(GATES["cnot"].code, [qubit, qubit + 1])
    return operations


def unitaries(slow, qubit_count: int, count: int) -> Operations:
    generator, operations = np.random.default_rng(count), Operations()
    for _ in range(count):
        targets = generator.permutation(qubit_count)[:2].tolist()
        operations.append_unitary(slow.random_unitary(generator, 2).tolist(), targets)
    return operations


@pytest.mark.parametrize("kind", ["brickwork", "unitaries"])
@pytest.mark.parametrize(("qubit_count", "size"), [(5, 2), (12, 10), (17, 3), (12, 60)])
def test_total_variation_of_single_precision_is_within_its_bound(slow, kind, qubit_count, size):
    operations = (
        brickwork(qubit_count, size)
        if kind == "brickwork"
        else unitaries(slow, qubit_count, 20 * size)
    )
    distributions = []
    for is_single in (False, True):
        state = StateVector(qubit_count, is_single=is_single)
        state.apply(operations)
        distributions.append(state.probabilities(range(qubit_count)))
    double, single = distributions
    variation = np.abs(double - single / single.sum()).sum() / 2
    print(
        f"{len(operations)} operations: {variation:.3g} of {single_variation_max(len(operations))}"
    )
    assert 0 < variation <= MEASURED_SHARE_MAX * single_variation_max(len(operations))


def test_automatic_single_precision_samples_as_double_does():
    # z of 17 qubits, each within 6.5 standard errors of its exact value: P < 2e-9 that one is not.
    shots, seed, qubit_count = 2000, 7, 17
    print(f"seed {seed}")
    results = (ResultType("expectation", (Factor("x", ()),)),)
    circuit = Circuit(tuple(range(qubit_count)), brickwork(qubit_count, 4), results)
    assert plan_circuit(circuit, shots=shots).is_single
    (exact,) = simulate(circuit, shots=0).values
    (found,) = simulate(circuit, shots=shots, seed=seed).values
    for a, b in zip(found, exact, strict=True):
        assert abs(a - b) <= 6.5 * np.sqrt(max(1 - b * b, 1e-3) / shots)


@pytest.mark.parametrize("qubit_count", [3, 17])
def test_single_precision_is_used_where_it_is_asked_for(qubit_count):
    results = (ResultType("probability"), ResultType("state_vector"))
    circuit = Circuit(tuple(range(qubit_count)), brickwork(qubit_count, 3), results)
    double, single = (
        simulate(circuit, shots=0, precision=precision).values for precision in ("double", "single")
    )
    for a, b in zip(double, single, strict=True):
        assert a.dtype == b.dtype
        assert 0 < np.abs(a - b).max() < 1e-6


@pytest.mark.parametrize("kind", ["StateVector", "StateVectorSingle"])
@pytest.mark.parametrize("pair", [(0, 1), (5, 9), (18, 19)])
def test_sums_over_many_equal_amplitudes_do_not_drift(core, slow, kind, pair):
    # |p|² = 2^-18 / 3 for three quarters of the basis states: a third has no short binary fraction,
    # so that adding it up one by one in single precision always rounds the same way.
    qubit_count, operations = 20, Operations()
    start = np.linalg.qr(np.column_stack([[1, 1, 1, 0], np.eye(4)[:, :3]]))[0]
    operations.append_unitary(start.astype(complex).tolist(), pair)
    for qubit in set(range(qubit_count)) - set(pair):
        operations.append(GATES["h"].code, [qubit])
    state = slow.run_kernel(core, operations, qubit_count, precision=kind)
    amplitudes = state.amplitudes(thread_count=1).astype(complex)
    weights = np.abs(amplitudes.reshape((2,) * qubit_count)) ** 2
    rest = tuple(set(range(qubit_count)) - set(pair))
    error_max = {"StateVector": 1e-13, "StateVectorSingle": 1e-6}[kind]
    found = state.probabilities(list(pair), thread_count=2)
    np.testing.assert_allclose(found, weights.sum(axis=rest).ravel(), atol=error_max)
    strings = [("z", [pair[0]]), ("", [])]
    signs = np.array([1, 1, -1, -1]) @ weights.sum(axis=rest).ravel()
    found = state.pauli_expectations(strings, thread_count=2)
    np.testing.assert_allclose(found, [signs, weights.sum()], atol=error_max)
    # Evenly spaced draws fall into each of 2^8 parts of the state as its weight says.
    draws = (np.arange(1 << 20) + 0.5) / (1 << 20)
    drawn = state.sample(draws, thread_count=2) >> np.uint64(12)
    shares = np.bincount(drawn.astype(int), minlength=1 << 8) / draws.size
    parts = weights.reshape(1 << 8, -1).sum(axis=1) / weights.sum()
    assert np.abs(np.cumsum(shares) - np.cumsum(parts)).max() <= 1 / draws.size + error_max
