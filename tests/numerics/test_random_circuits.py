"""Whole circuits: fusion, sweeps, blocks and threads change nothing but rounding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbraket.circuits.circuit import Operations
from openbraket.circuits.gates import GATES, GATES_BY_CODE
from openbraket.kernels import Monitor, StateVector, load_variant, runnable_variants

DOUBLE_MAX, SINGLE_MAX = 1e-13, 2e-5


def random_operations(
    slow, seed: int, qubit_count: int, count: int, unitary_qubits: int
) -> Operations:
    generator, operations = np.random.default_rng(seed), Operations()
    while len(operations) < count:
        if generator.random() < 0.1:
            k = int(generator.integers(1, min(unitary_qubits, qubit_count) + 1))
            matrix = slow.random_unitary(generator, k)
            operations.append_unitary(
                matrix.tolist(), generator.permutation(qubit_count)[:k].tolist()
            )
            continue
        gate = GATES_BY_CODE[generator.integers(len(GATES_BY_CODE))]
        if gate.qubit_count > qubit_count:
            continue
        room = min(4, qubit_count - gate.qubit_count)
        controls = int(generator.integers(room + 1)) if generator.random() < 0.25 else 0
        operations.append(
            gate.code,
            generator.permutation(qubit_count)[: gate.qubit_count + controls].tolist(),
            generator.uniform(-7, 7, gate.parameter_count).tolist(),
            control_count=controls,
            control_value=int(generator.integers(1 << controls)),
        )
    return operations


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    qubit_count=st.integers(1, 9),
    count=st.integers(0, 80),
    variant=st.sampled_from(runnable_variants()),
)
def test_random_circuit_equals_slow_definition(slow, seed, qubit_count, count, variant):
    operations = random_operations(slow, seed, qubit_count, count, unitary_qubits=8)
    expected = slow.evolve(operations, qubit_count)
    core = load_variant(variant)
    for precision, error_max in (("StateVector", DOUBLE_MAX), ("StateVectorSingle", SINGLE_MAX)):
        state = slow.run_kernel(core, operations, qubit_count, precision=precision)
        found = state.amplitudes(thread_count=1)
        assert np.abs(found - expected).max() <= error_max
        index = seed % (1 << qubit_count)
        assert abs(state.amplitude(index) - expected[index]) <= error_max


@pytest.mark.parametrize("precision", ["StateVector", "StateVectorSingle"])
def test_many_blocks_and_threads(core, slow, precision):
    # 17 qubits: eight blocks, several sweeps, a barrier between them.
    operations = random_operations(slow, 5, 17, 90, unitary_qubits=7)
    expected = slow.evolve(operations, 17)
    error_max = DOUBLE_MAX if precision == "StateVector" else SINGLE_MAX
    one, two = (
        slow.run_kernel(core, operations, 17, thread_count=t, precision=precision).amplitudes(
            thread_count=t
        )
        for t in (1, 2)
    )
    assert np.array_equal(one, two)
    assert np.abs(one - expected).max() <= error_max


def test_variants_agree(slow):
    operations = random_operations(slow, 6, 12, 200, unitary_qubits=4)
    states = [
        slow.run_kernel(load_variant(name), operations, 12).amplitudes(thread_count=1)
        for name in runnable_variants()
    ]
    for state in states[1:]:
        assert np.abs(state - states[0]).max() <= DOUBLE_MAX


def brickwork(qubit_count: int, depth: int, seed: int) -> Operations:
    generator, operations = np.random.default_rng(seed), Operations()
    for layer in range(depth):
        for qubit in range(qubit_count):
            for name in ("rz", "ry", "rz"):
                operations.append(GATES[name].code, [qubit], [generator.uniform(0, 7)])
        for qubit in range(layer % 2, qubit_count - 1, 2):
            operations.append(GATES["cnot"].code, [qubit, qubit + 1])
    return operations


@pytest.mark.parametrize("name", ["brickwork", "qft", "diagonals", "permutations"])
def test_families_of_circuits(core, slow, name):
    qubit_count = 10
    operations = brickwork(qubit_count, 6, 1)
    generator = np.random.default_rng(3)
    if name == "qft":
        for qubit in range(qubit_count):
            operations.append(GATES["h"].code, [qubit])
            for other in range(qubit + 1, qubit_count):
                angle = np.pi / (1 << (other - qubit))
                operations.append(GATES["cphaseshift"].code, [other, qubit], [angle])
    choices = {"diagonals": ("zz", "cz", "t", "rz"), "permutations": ("ccnot", "swap", "x", "y")}
    for _ in range(150 if name in choices else 0):
        gate = GATES[str(generator.choice(choices[name]))]
        operations.append(
            gate.code,
            generator.permutation(qubit_count)[: gate.qubit_count].tolist(),
            generator.uniform(-7, 7, gate.parameter_count).tolist(),
        )
    found = slow.run_kernel(core, operations, qubit_count).amplitudes(thread_count=1)
    assert np.abs(found - slow.evolve(operations, qubit_count)).max() <= DOUBLE_MAX


def test_norm_is_preserved_over_a_thousand_gates(core, slow):
    state = slow.run_kernel(core, brickwork(16, 20, 2), 16, thread_count=2)
    assert abs(state.probabilities([], thread_count=2)[0] - 1) <= 1e-13


def test_circuit_and_its_inverse_give_back_zero(slow):
    forward, backward = brickwork(14, 8, 4), Operations()
    for index in reversed(range(len(forward))):
        start, stop = forward.target_starts[index : index + 2]
        first, last = forward.parameter_starts[index : index + 2]
        parameters = [-x for x in forward.parameters[first:last]]
        backward.append(forward.codes[index], forward.targets[start:stop], parameters)
    for index in range(len(backward)):
        start, stop = backward.target_starts[index : index + 2]
        first, last = backward.parameter_starts[index : index + 2]
        forward.append(
            backward.codes[index], backward.targets[start:stop], backward.parameters[first:last]
        )
    core = load_variant(runnable_variants()[-1])
    assert abs(slow.run_kernel(core, forward, 14).amplitude(0) - 1) <= 1e-13


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda o: o.append(GATES["h"].code, [3]), "qubit 3 is not below 3"),
        (lambda o: o.append(GATES["cnot"].code, [1, 1]), "qubit 1 is used twice"),
        (lambda o: o.append(GATES["cnot"].code, [1]), "gate cnot got 1 targets"),
        (lambda o: o.append(GATES["rx"].code, [1]), "gate rx takes 1 parameters, got 0"),
        (lambda o: o.append(60_000, [1]), "gate code 60000 is not in the table"),
        (lambda o: o.append_unitary([[1]], [0]), "a matrix of 8 numbers is needed, got 2"),
        (lambda o: o.codes.append(0), "the columns of the operations differ in length"),
    ],
)
def test_malformed_operations_are_refused(core, slow, mistake, message):
    operations = Operations()
    mistake(operations)
    with pytest.raises(ValueError, match=message):
        slow.run_kernel(core, operations, 3)


@pytest.mark.parametrize("qubit_count", [0, -1, 41])
def test_impossible_qubit_counts_are_refused(core, qubit_count):
    with pytest.raises(ValueError, match="qubit_count must be 1 to 40"):
        core.StateVector(qubit_count)


def test_cancelled_monitor_stops_the_run(slow):
    operations, monitor = brickwork(17, 2, 1), Monitor()
    monitor.cancel()
    assert not StateVector(17).apply(
        operations.codes,
        operations.target_starts,
        operations.targets,
        operations.parameter_starts,
        operations.parameters,
        operations.control_counts,
        operations.control_values,
        thread_count=2,
        monitor=monitor,
    )


def test_finished_monitor_reads_one():
    operations, monitor = brickwork(17, 2, 1), Monitor()
    assert monitor.fraction == 0
    StateVector(17).apply(
        operations.codes,
        operations.target_starts,
        operations.targets,
        operations.parameter_starts,
        operations.parameters,
        operations.control_counts,
        operations.control_values,
        thread_count=2,
        monitor=monitor,
    )
    assert monitor.fraction == 1
