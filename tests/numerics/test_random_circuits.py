"""Whole circuits: fusion, sweeps, blocks and threads change nothing but rounding."""

import threading
import time

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


@pytest.mark.parametrize("seed", range(40))
def test_flips_and_diagonals_move_through_permutations(core, slow, seed):
    qubit_count = 1 + seed % 6
    generator, operations = np.random.default_rng(seed), Operations()
    for qubit in range(qubit_count if seed % 2 else 0):
        operations.append(GATES["U"].code, [qubit], generator.uniform(0, 6, 3).tolist())
    names = ("ccnot", "cswap", "swap", "cnot", "cy", "x", "y", "z", "s", "rz", "rx", "zz", "gphase")
    for _ in range(60):
        gate = GATES[str(generator.choice(names))]
        control_count = int(generator.integers(0, 3))
        if gate.qubit_count + control_count > qubit_count:
            continue
        operations.append(
            gate.code,
            generator.permutation(qubit_count)[: gate.qubit_count + control_count].tolist(),
            generator.uniform(-7, 7, gate.parameter_count).tolist(),
            control_count=control_count,
            control_value=int(generator.integers(0, 1 << control_count)),
        )
    found = slow.run_kernel(core, operations, qubit_count).amplitudes(thread_count=1)
    assert np.abs(found - slow.evolve(operations, qubit_count)).max() <= DOUBLE_MAX


def apply(state, operations, **options):
    return state.apply(
        operations.codes,
        operations.target_starts,
        operations.targets,
        operations.parameter_starts,
        operations.parameters,
        operations.control_counts,
        operations.control_values,
        **options,
    )


@pytest.mark.parametrize("qubit_count", [3, 9, 16, 17])
def test_parts_of_a_circuit_one_after_the_other(core, slow, qubit_count):
    # Each part finds other qubits still in |0> than the ones before.
    operations, state = Operations(), core.StateVector(qubit_count)
    for part in range(6):
        own = Operations()
        for into in (operations, own):
            generator = np.random.default_rng(part)
            for _ in range(5):
                pair = generator.permutation(qubit_count)[:2].tolist()
                into.append(GATES["h"].code, pair[:1])
                into.append(GATES["cphaseshift"].code, pair, [float(generator.uniform(0, 6))])
                into.append(GATES["cnot"].code, pair)
                into.append(GATES["ry"].code, pair[1:], [float(generator.uniform(0, 6))])
        assert apply(state, own, thread_count=2)
        found = state.amplitudes(thread_count=2)
        assert np.abs(found - slow.evolve(operations, qubit_count)).max() <= DOUBLE_MAX


def test_matrices_that_are_not_unitary_act_as_they_are(core, slow):
    operations = Operations()
    for qubit in range(4):
        operations.append(GATES["ry"].code, [qubit], [0.3 + qubit])
    operations.append_unitary([[0.5, 2], [-3, 1j]], [1])
    operations.append_unitary([[0, 2], [1j, 0]], [2])
    operations.append_unitary([[1, 0], [0, 0]], [3])
    operations.append_unitary([[2, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 3]], [0, 2])
    operations.append(GATES["cnot"].code, [1, 3])
    operations.append(GATES["rx"].code, [1], [0.7])
    found = slow.run_kernel(core, operations, 4).amplitudes(thread_count=1)
    assert np.abs(found - slow.evolve(operations, 4)).max() <= 10 * DOUBLE_MAX


@pytest.mark.parametrize("thread_count", [1, 2])
def test_cancel_stops_a_wide_matrix_half_way(thread_count):
    operations, monitor = Operations(), Monitor()
    operations.append_unitary(np.eye(1 << 9)[::-1].tolist(), range(9))
    state, outcomes = StateVector(21), []
    options = {"thread_count": thread_count, "monitor": monitor}
    state_is_full = Operations()
    for qubit in range(21):
        state_is_full.append(GATES["h"].code, [qubit])
    assert apply(state, state_is_full, thread_count=2)
    runner = threading.Thread(target=lambda: outcomes.append(apply(state, operations, **options)))
    runner.start()
    while monitor.fraction == 0:
        time.sleep(0.001)
    monitor.cancel()
    runner.join()
    assert outcomes == [False]
    assert 0 < monitor.fraction < 1


@pytest.mark.parametrize("kind", ["StateVector", "StateVectorSingle"])
@pytest.mark.parametrize("target_count", [2, 6, 7, 9])
def test_cancel_is_looked_for_every_few_million_operations(core, kind, target_count):
    operations, monitor = Operations(), core.Monitor()
    matrix = np.eye(1 << target_count)[::-1].tolist()
    for first in range(0, 17 - target_count, 5):
        operations.append_unitary(matrix, range(first, first + target_count))
    assert apply(getattr(core, kind)(17), operations, thread_count=2, monitor=monitor)
    # A dense matrix on 6 of the 11 bits of a tile takes 8 * 2^(6 + 11) floating-point operations,
    # a row of one on 16 qubits, the widest there is, with 8 columns 8 * 8 * 2^16.
    assert monitor.flop_count / monitor.look_count <= 2**22


def test_work_of_a_circuit_is_counted():
    monitor, operations = Monitor(), brickwork(17, 2, 1)
    assert apply(StateVector(17), operations, thread_count=1, monitor=monitor)
    # Each rotation costs at least two multiply-adds for an amplitude, and it is read once or more.
    assert monitor.flop_count > 4 * 2 * 17 * 2**16
    assert monitor.byte_count >= 16 * 2**17
