"""States in memory that earlier states left behind are as those in memory from the system.

What is left behind is poisoned: one amplitude that is read before it is written makes results NaN.
"""

import threading

import numpy as np
import pytest

from openbraket.circuits.circuit import Operations
from openbraket.circuits.gates import GATES

KINDS = ["StateVector", "StateVectorSingle"]
ERROR_MAX = {"StateVector": 1e-13, "StateVectorSingle": 2e-5}


def columns(operations: Operations) -> tuple:
    return (
        operations.codes,
        operations.target_starts,
        operations.targets,
        operations.parameter_starts,
        operations.parameters,
        operations.control_counts,
        operations.control_values,
    )


def poison(core, kind: str, qubit_count: int) -> None:
    operations = Operations()
    for qubit in range(qubit_count):
        operations.append(GATES["h"].code, [qubit])
    operations.append_unitary([[float("nan"), 0], [0, float("nan")]], [0])
    state = getattr(core, kind)(qubit_count)
    state.apply(*columns(operations), thread_count=2)
    assert np.isnan(state.probabilities([], thread_count=1)[0])


def random_parts(generator, qubit_count: int, unitary) -> list[Operations]:
    """Return parts of a circuit, each on a few more qubits than the ones before."""
    order, reached, parts = generator.permutation(qubit_count), 0, []
    while reached < qubit_count and len(parts) < 4:
        reached = min(qubit_count, reached + int(generator.integers(1, 8)))
        own = Operations()
        for _ in range(int(generator.integers(1, 12))):
            near = order[:reached]
            name = str(generator.choice(["h", "ry", "rz", "cnot", "cz", "swap", "ccnot", "zz"]))
            gate = GATES[name]
            if gate.qubit_count > reached:
                continue
            targets = generator.permutation(near)[: gate.qubit_count].tolist()
            own.append(gate.code, targets, generator.uniform(0, 6, gate.parameter_count).tolist())
        if generator.random() < 0.3:
            size = int(generator.integers(1, min(8, reached) + 1))
            targets = generator.permutation(order[:reached])[:size].tolist()
            own.append_unitary(unitary(generator, size).tolist(), targets)
        parts.append(own)
    return parts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_circuits_that_reach_some_qubits_read_nothing_else(core, slow, kind, seed):
    generator = np.random.default_rng(seed)
    qubit_count = 14 + seed % 4
    poison(core, kind, qubit_count)
    state = getattr(core, kind)(qubit_count)
    expected = np.zeros(1 << qubit_count, dtype=complex)
    expected[0] = 1
    for part in random_parts(generator, qubit_count, slow.random_unitary):
        assert state.apply(*columns(part), thread_count=1 + seed % 2)
        expected = slow.evolve(part, qubit_count, expected)
    found = state.amplitudes(thread_count=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ERROR_MAX[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_longer_runs_than_before_are_not_read_whole(core, slow, kind):
    # Blocks of the first part are gathered from runs of 256 bytes; those of the second one from
    # longer runs, of which the first part has written some bytes only.
    poison(core, kind, 17)
    state, operations = getattr(core, kind)(17), Operations()
    for qubits in (range(10), (0, 10, 11)):
        part = Operations()
        for into in (operations, part):
            for qubit in qubits:
                into.append(GATES["ry"].code, [qubit], [0.7 + 0.1 * qubit])
        assert state.apply(*columns(part), thread_count=1)
    expected = slow.evolve(operations, 17)
    np.testing.assert_allclose(
        state.amplitudes(thread_count=1), expected, rtol=0, atol=ERROR_MAX[kind]
    )


READERS = {
    "amplitude": lambda core, s: s.amplitude(3),
    "amplitudes": lambda core, s: s.amplitudes(thread_count=1)[3],
    "probabilities": lambda core, s: s.probabilities([0, 9], thread_count=1)[3],
    "pauli_expectations": lambda core, s: s.pauli_expectations([("x", [4])], thread_count=1)[0],
    "density_matrix": lambda core, s: s.density_matrix([8], thread_count=1)[1, 1],
    "sample": lambda core, s: s.sample(np.linspace(0, 0.99, 5), thread_count=1).sum(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_a_state_that_nothing_was_applied_to_is_zero(core, kind, reader):
    poison(core, kind, 14)
    assert READERS[reader](core, getattr(core, kind)(14)) == 0
    poison(core, kind, 14)
    flipped, operations = getattr(core, kind)(14), Operations()
    operations.append(GATES["h"].code, [13])
    flipped.apply(*columns(operations), thread_count=1)
    found = READERS[reader](core, flipped)
    assert found == 0 if reader != "sample" else found in range(6)


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_copied_and_collapsed(core, kind):
    poison(core, kind, 14)
    poison(core, kind, 14)
    one, operations = getattr(core, kind)(14), Operations()
    operations.append(GATES["h"].code, [2])
    one.apply(*columns(operations), thread_count=1)
    two = getattr(core, kind)(14)
    core.copy_state(two, one, thread_count=1)
    core.collapse(two, 2, True, 0.5, is_reset=False, thread_count=1)
    assert abs(two.amplitude(1 << 11)) == pytest.approx(1, abs=1e-6)
    assert two.probabilities([], thread_count=1)[0] == pytest.approx(1, abs=1e-6)


def test_sums_and_gradients(core):
    for _ in range(3):
        poison(core, "StateVector", 14)
    psi, image = core.StateVector(14), core.StateVector(14)
    third, operations = core.StateVector(14), Operations()
    operations.append(GATES["ry"].code, [5], [0.4])
    psi.apply(*columns(operations), thread_count=1)
    assert core.real_overlap(psi, third, thread_count=1) == pytest.approx(np.cos(0.2))
    core.apply_pauli_sum(image, psi, [("z", [5])], [1.0], thread_count=1)
    core.add_scaled(image, 0.0, third, thread_count=1)
    found = core.adjoint_derivatives(
        psi, image, *columns(operations), np.array([0], np.uint32), np.zeros(0, np.uint32),
        np.zeros(0), thread_count=1,
    )  # fmt: skip
    assert found == [pytest.approx(-np.sin(0.4), abs=1e-14)]


def test_threads_may_read_a_new_state_at_the_same_time(core):
    found = []
    for _ in range(20):
        poison(core, "StateVector", 16)
        state = core.StateVector(16)
        threads = [
            threading.Thread(
                target=lambda: found.append(state.probabilities([], thread_count=1)[0])  # noqa: B023
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [1.0] * 60
