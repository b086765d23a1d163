"""Samples follow the squared amplitudes."""

import numpy as np
import pytest
from scipy import stats

from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.gates import GATES
from openbraket.simulators.statevector import StateVector, simulate
from support.chi_square import CELL_MIN, chi_square_p

FALSE_FAILURE_MAX = 1e-10


def rotations(qubit_count: int, seed: int) -> Operations:
    generator, operations = np.random.default_rng(seed), Operations()
    for _ in range(2):
        for qubit in range(qubit_count):
            operations.append(GATES["ry"].code, [qubit], [generator.uniform(0, 7)])
        for qubit in range(qubit_count - 1):
            operations.append(GATES["cnot"].code, [qubit, qubit + 1])
    return operations


@pytest.mark.parametrize("qubit_count", [1, 2, 5, 9, 17])
def test_samples_pass_chi_square(slow, qubit_count):
    seed, shots = 4711 + qubit_count, 200_000
    print(f"seed {seed}; false failure <= {FALSE_FAILURE_MAX:g}")
    operations = rotations(qubit_count, seed)
    probabilities = np.abs(slow.evolve(operations, qubit_count)) ** 2
    circuit = Circuit(tuple(range(qubit_count)), operations)
    bits = simulate(circuit, shots=shots, seed=seed, thread_count=2).measurements
    numbers = bits.astype(int) @ (1 << np.arange(qubit_count)[::-1])
    counts = np.bincount(numbers, minlength=1 << qubit_count)
    assert chi_square_p(counts, probabilities) > FALSE_FAILURE_MAX


def test_order_of_samples_is_random():
    # Sorted draws must not show: the two halves of the shots have the same distribution.
    seed, shots = 99, 200_000
    print(f"seed {seed}; false failure <= {FALSE_FAILURE_MAX:g}")
    circuit = Circuit((0, 1, 2), rotations(3, seed))
    bits = simulate(circuit, shots=shots, seed=seed).measurements
    numbers = bits.astype(int) @ np.array([4, 2, 1])
    halves = [np.bincount(half, minlength=8) for half in np.split(numbers, 2)]
    table = np.array(halves)[:, np.sum(halves, axis=0) > 2 * CELL_MIN]
    assert stats.chi2_contingency(table).pvalue > FALSE_FAILURE_MAX


def test_impossible_states_are_never_drawn(core, slow):
    operations = Operations()
    operations.append(GATES["h"].code, [0])
    for qubit in range(17):
        operations.append(GATES["cnot"].code, [qubit, qubit + 1])
    state = slow.run_kernel(core, operations, 18)
    draws = np.array([0.0, 1e-300, 0.25, 0.49, 0.51, 0.75, np.nextafter(1.0, 0.0)])
    found = state.sample(draws, thread_count=2)
    assert found.tolist() == [0, 0, 0, 0, 2**18 - 1, 2**18 - 1, 2**18 - 1]


def test_draws_fall_on_cumulated_probabilities(core, slow):
    operations = rotations(6, 3)
    state = slow.run_kernel(core, operations, 6)
    ends = np.cumsum(state.probabilities(list(range(6)), thread_count=1))
    draws = np.sort(np.random.default_rng(5).random(1000))
    expected = np.searchsorted(ends, draws * ends[-1], side="right")
    np.testing.assert_array_equal(state.sample(draws, thread_count=1), expected)


def test_no_shots_give_no_samples():
    assert StateVector(3).sample(0, np.random.default_rng(1)).size == 0


def test_seed_reproduces_and_its_absence_does_not():
    circuit = Circuit(tuple(range(10)), rotations(10, 1))
    first, second, other, fresh, fresh_again = (
        simulate(circuit, shots=2000, seed=seed).measurements for seed in (7, 7, 8, None, None)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert not np.array_equal(fresh, fresh_again)


def test_measured_qubits_are_the_asked_for_columns():
    operations = Operations()
    operations.append(GATES["x"].code, [1])
    circuit = Circuit((3, 5, 9), operations, measured=(1, 0))
    found = simulate(circuit, shots=4)
    assert found.measured == (1, 0)
    assert found.measurements.tolist() == [[1, 0]] * 4
