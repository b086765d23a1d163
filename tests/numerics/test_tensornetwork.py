"""Matrix product states against state vectors, and what truncation loses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit, Factor, Operations, ResultType
from openbraket.circuits.gates import GATES, GATES_BY_CODE
from openbraket.circuits.steps import steps_of
from openbraket.simulators.statevector import StateVector
from openbraket.simulators.statevector.exact import exact_values
from openbraket.simulators.tensornetwork import Limits, placing, planning, simulate
from openbraket.simulators.tensornetwork.diagonals import carry, site_operators
from openbraket.simulators.tensornetwork.mps import (
    SAMPLING_WEIGHT,
    VALUE_WEIGHT,
    BondTooWideError,
    MatrixProductState,
    Truncation,
)
from openbraket.simulators.tensornetwork.operators import operators_of
from openbraket.simulators.tensornetwork.ordering import (
    cut_widths,
    first_order,
    improved_order,
    pairs_of,
)
from openbraket.simulators.tensornetwork.placing import place
from openbraket.simulators.tensornetwork.rehearsal import predict
from openbraket.simulators.tensornetwork.sampling import sample
from openbraket.simulators.tensornetwork.values import StateValues

LIMITS = Limits(memory_bytes=1 << 30)
VALUE_ERROR_MAX = 1e-11
SAMPLING_ERROR_MAX = 1e-6  # √(number of truncations · 10^-16), some thousand at most
FALSE_FAILURE_MAX = 1e-10
DIAGONAL = ("cz", "cphaseshift", "zz", "cphaseshift01", "rz", "t")


def random_operations(generator, qubit_count: int, count: int, *, span: int = 99) -> Operations:
    operations = Operations()
    names = [gate.name for gate in GATES_BY_CODE]
    while len(operations) < count:
        pool = DIAGONAL if generator.random() < 0.5 else names
        gate = GATES[str(pool[generator.integers(len(pool))])]
        control_count = int(generator.integers(1, 4)) if generator.random() < 0.1 else 0
        size = gate.qubit_count + control_count
        if size > min(qubit_count, span):
            continue
        start = int(generator.integers(0, max(1, qubit_count - span + 1)))
        targets = start + generator.permutation(min(span, qubit_count))[:size]
        operations.append(
            gate.code,
            targets.tolist(),
            generator.uniform(-3, 3, gate.parameter_count),
            control_count=control_count,
            control_value=int(generator.integers(0, 1 << control_count)),
        )
    if qubit_count >= 4 and generator.random() < 0.3:
        matrix = generator.normal(size=(16, 16, 2)) @ [1, 1j]
        targets = generator.permutation(qubit_count)[:4].tolist()
        operations.append_unitary(np.linalg.qr(matrix)[0].tolist(), targets)
    return operations


def brickwork(generator, qubit_count: int, depth: int) -> Operations:
    operations = Operations()
    for layer in range(depth):
        for qubit in range(qubit_count):
            operations.append(GATES["U"].code, (qubit,), generator.uniform(0, 6, 3))
        for qubit in range(layer % 2, qubit_count - 1, 2):
            operations.append(GATES["cz"].code, (qubit, qubit + 1))
    return operations


def fourier(generator, qubit_count: int) -> Operations:
    operations = Operations()
    for qubit in range(qubit_count):
        operations.append(GATES["U"].code, (qubit,), generator.uniform(0, 6, 3))
    for qubit in range(qubit_count):
        operations.append(GATES["h"].code, (qubit,))
        for other in range(qubit + 1, qubit_count):
            angle = math.pi / 2 ** (other - qubit)
            operations.append(GATES["cphaseshift"].code, (other, qubit), (angle,))
    return operations


def run(operations: Operations, position, truncation: Truncation) -> MatrixProductState:
    state = MatrixProductState.zero(len(position), truncation)
    for operator in place(operators_of(steps_of(operations)), position):
        state.apply(operator)
    state.finish()
    return state


def amplitudes_of(state: MatrixProductState, position):
    count = len(position)
    every = [format(x, f"0{count}b") for x in range(1 << count)]
    return StateValues(state, position).amplitudes(every)


def dense(qubit_count: int, operations: Operations) -> StateVector:
    state = StateVector(qubit_count)
    state.apply(operations)
    return state


@pytest.mark.parametrize(
    ("weight", "error_max"),
    [(VALUE_WEIGHT, VALUE_ERROR_MAX), (SAMPLING_WEIGHT, SAMPLING_ERROR_MAX)],
)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), qubit_count=st.integers(2, 9), count=st.integers(1, 60))
def test_amplitudes_equal_those_of_the_state_vector(weight, error_max, seed, qubit_count, count):
    generator = np.random.default_rng(seed)
    operations = random_operations(generator, qubit_count, count)
    position = generator.permutation(qubit_count).tolist()  # whatever the order
    state = run(operations, position, Truncation(weight=weight))
    wanted = dense(qubit_count, operations).amplitudes()
    assert np.abs(amplitudes_of(state, position) - wanted).max() < error_max
    assert state.peak_bond <= 1 << (qubit_count // 2 + 8)


@pytest.mark.parametrize("seed", [1, 2])
def test_sixteen_qubits_equal_the_state_vector(seed):
    generator = np.random.default_rng(seed)
    operations = random_operations(generator, 16, 80, span=4)
    state = run(operations, range(16), Truncation(weight=VALUE_WEIGHT))
    found = amplitudes_of(state, range(16))
    assert np.abs(found - dense(16, operations).amplitudes()).max() < VALUE_ERROR_MAX


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), qubit_count=st.integers(2, 10))
def test_tensors_are_right_canonical_and_the_norm_is_one(seed, qubit_count):
    generator = np.random.default_rng(seed)
    operations = random_operations(generator, qubit_count, 40)
    state = run(operations, range(qubit_count), Truncation(weight=VALUE_WEIGHT))
    for tensor in state.tensors:
        product = np.einsum("xij,xkj->ik", tensor, tensor.conj())
        assert np.abs(product - np.eye(len(product))).max() < 1e-9
    state.restore_schmidt()
    for schmidt in state.schmidt:
        assert abs((schmidt**2).sum() - 1) < 1e-12


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), qubit_count=st.integers(3, 8), count=st.integers(1, 40))
def test_values_equal_those_of_the_state_vector(seed, qubit_count, count):
    generator = np.random.default_rng(seed)
    operations = random_operations(generator, qubit_count, count)
    targets = generator.permutation(qubit_count).tolist()
    matrix = generator.normal(size=(4, 4, 2)) @ [1, 1j]
    pair = Factor("hermitian", tuple(targets[:2]), tuple(map(tuple, (matrix + matrix.conj().T))))
    wide = generator.normal(size=(8, 8, 2)) @ [1, 1j]
    triple = Factor("hermitian", tuple(targets[:3]), tuple(map(tuple, (wide + wide.conj().T))))
    single = Factor(str(generator.choice(["x", "y", "z", "h", "i"])), (targets[2],))
    asked = (
        ResultType("expectation", (single,)),
        ResultType("expectation", (pair, single)),
        ResultType("variance", (single, pair)),
        ResultType("variance", (triple,)),
        ResultType("probability", targets=tuple(targets[:3])),
        ResultType("density_matrix", targets=tuple(targets[1:3])),
        ResultType("amplitude", states=("0" * qubit_count, "1" * qubit_count)),
    )
    position = generator.permutation(qubit_count).tolist()
    state = run(operations, position, Truncation(weight=VALUE_WEIGHT))
    found = StateValues(state, position).values(asked)
    wanted = exact_values(dense(qubit_count, operations), asked)
    for value, expected in zip(found[:-1], wanted[:-1], strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-9, rtol=0)
    for bits, amplitude in wanted[-1].items():
        assert abs(found[-1][bits] - amplitude) < VALUE_ERROR_MAX


@pytest.mark.parametrize("kind", ["brickwork", "fourier", "random"])
def test_samples_follow_the_distribution(kind):
    generator = np.random.default_rng(11)
    count, shots = 6, 20_000
    operations = {
        "brickwork": lambda: brickwork(generator, count, 6),
        "fourier": lambda: fourier(generator, count),
        "random": lambda: random_operations(generator, count, 40),
    }[kind]()
    position = generator.permutation(count).tolist()
    state = run(operations, position, Truncation())
    bits = sample(state, shots, np.random.default_rng(5))[position]
    numbers = np.zeros(shots, dtype=np.int64)
    for row in bits:
        numbers = numbers << 1 | row
    wanted = dense(count, operations).probabilities(range(count)) * shots
    counts = np.bincount(numbers, minlength=1 << count)
    assert counts[wanted < 1e-6].sum() == 0
    is_common = wanted >= 5
    observed = np.append(counts[is_common], counts[~is_common].sum())
    expected = np.append(wanted[is_common], wanted[~is_common].sum())
    keep = expected > 1
    statistic = ((observed - expected)[keep] ** 2 / expected[keep]).sum()
    print(f"seeds 11 and 5; fails falsely with probability {FALSE_FAILURE_MAX:g}")
    assert stats.chi2.sf(statistic, keep.sum() - 1) > FALSE_FAILURE_MAX


def test_samples_of_entangled_pairs_never_differ():
    operations = Operations()
    operations.append(GATES["h"].code, (0,))
    for qubit in range(29):
        operations.append(GATES["cnot"].code, (qubit, qubit + 1))
    bits = sample(run(operations, range(30), Truncation()), 1000, np.random.default_rng(3))
    assert (bits == bits[0]).all()
    assert 300 < bits[0].sum() < 700  # 12 standard deviations


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), qubit_count=st.integers(2, 7))
def test_diagonal_blocks_equal_their_gates(seed, qubit_count):
    generator = np.random.default_rng(seed)
    pairs = [(a, b) for a in range(qubit_count) for b in range(a + 1, qubit_count)]
    chosen = [pair for pair in pairs if generator.random() < 0.6] or pairs[:1]
    diagonals = {pair: np.exp(1j * generator.uniform(0, 6, (2, 2))) for pair in chosen}
    carried = carry(chosen)
    tensors = site_operators(diagonals, carried)
    first = carried.first
    for x in range(1 << qubit_count):
        bits = [x >> (qubit_count - 1 - k) & 1 for k in range(qubit_count)]
        row = np.ones((1, 1), dtype=complex)
        for k, tensor in enumerate(tensors):
            row = row @ tensor[bits[first + k]]
        wanted = math.prod(diagonals[a, b][bits[a], bits[b]] for a, b in chosen)
        assert abs(row[0, 0] - wanted) < 1e-12


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), qubit_count=st.integers(2, 12), span=st.integers(2, 4))
def test_bonds_are_never_wider_than_predicted(seed, qubit_count, span):
    generator = np.random.default_rng(seed)
    operations = random_operations(generator, qubit_count, 30, span=span)
    operators = operators_of(steps_of(operations))
    placed = place(operators, range(qubit_count))
    prediction = predict(placed, qubit_count, shots=1)
    state = MatrixProductState.zero(qubit_count, Truncation())
    for operator in placed:
        state.apply(operator)
    state.restore_schmidt()
    for bond, limit in zip(state.bonds, prediction.bonds, strict=True):
        # Rounding may add singular values of 10^-8.
        assert bond <= 1.1 * limit + 2


def test_dense_blocks_of_diagonals_are_applied_in_parts(monkeypatch):
    operations = Operations()
    generator = np.random.default_rng(12)
    for qubit in range(9):
        operations.append(GATES["U"].code, (qubit,), generator.uniform(0, 6, 3))
    for a in range(9):
        for b in range(a):
            operations.append(GATES["cphaseshift"].code, (a, b), (generator.uniform(0, 6),))
    wanted = dense(9, operations).amplitudes()
    for numbers_max in (1 << 24, 64):
        monkeypatch.setattr(placing, "_BLOCK_NUMBERS_MAX", numbers_max)
        placed = place(operators_of(steps_of(operations)), range(9))
        assert any(operator.tensors for operator in placed) == (numbers_max > 64)
        state = run(operations, range(9), Truncation(weight=VALUE_WEIGHT))
        assert np.abs(amplitudes_of(state, range(9)) - wanted).max() < VALUE_ERROR_MAX


def test_hundreds_of_entangled_qubits_are_predicted_without_overflow():
    generator, operations = np.random.default_rng(13), Operations()
    for layer in range(4):
        for qubit in range(400):
            operations.append(GATES["rx"].code, (qubit,), (0.1 + layer,))
        for pair in generator.permutation(400).reshape(-1, 2).tolist():
            operations.append(GATES["cz"].code, pair)
    operators = operators_of(steps_of(operations))
    order, width = first_order(400, pairs_of(operators))
    improved = improved_order(order, pairs_of(operators), trials=50)
    prediction = predict(place(operators, range(400)), 400, shots=1)
    assert width > 50
    assert sorted(improved) == list(range(400))
    assert prediction.width == 200
    assert math.isfinite(prediction.seconds)


def test_prediction_is_exact_for_brickwork():
    generator = np.random.default_rng(4)
    placed = place(operators_of(steps_of(brickwork(generator, 14, 7))), range(14))
    state = MatrixProductState.zero(14, Truncation())
    for operator in placed:
        state.apply(operator)
    assert max(predict(placed, 14, shots=1).bonds) == max(state.bonds) == 16


def test_fidelity_falls_with_the_bond_dimension_and_stays_above_its_bound():
    generator = np.random.default_rng(8)
    operations = brickwork(generator, 12, 12)
    wanted = dense(12, operations).amplitudes()
    fidelities = []
    for max_bond in (64, 32, 16, 8, 4):
        state = run(operations, range(12), Truncation(max_bond=max_bond, is_exact=False))
        found = amplitudes_of(state, range(12))
        fidelity = abs(np.vdot(wanted, found)) ** 2
        assert abs(np.vdot(found, found) - 1) < 1e-9
        assert state.peak_bond <= max_bond
        assert fidelity >= state.loss.fidelity_bound - 1e-9
        assert abs(math.log(fidelity) - math.log(state.loss.fidelity)) < 1
        fidelities.append(fidelity)
    print("fidelity by max_bond 64, 32, 16, 8, 4:", fidelities)
    assert fidelities[0] > 1 - 1e-9
    assert fidelities == sorted(fidelities, reverse=True)
    assert fidelities[-1] < 0.7


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    qubit_count=st.integers(4, 9),
    exponent=st.integers(-12, -2),
)
def test_fidelity_is_above_its_bound_for_every_cutoff(seed, qubit_count, exponent):
    generator = np.random.default_rng(seed)
    operations = random_operations(generator, qubit_count, 50)
    truncation = Truncation(weight=10.0**exponent, is_exact=False)
    state = run(operations, range(qubit_count), truncation)
    wanted = dense(qubit_count, operations).amplitudes()
    fidelity = abs(np.vdot(wanted, amplitudes_of(state, range(qubit_count)))) ** 2
    assert fidelity >= state.loss.fidelity_bound - 1e-9


def test_a_bond_beyond_the_limit_is_given_up():
    with pytest.raises(BondTooWideError) as caught:
        run(brickwork(np.random.default_rng(1), 16, 10), range(16), Truncation(bond_limit=8))
    assert caught.value.bond > 8


def test_search_finds_the_line_behind_shuffled_neighbours():
    generator = np.random.default_rng(2)
    shuffled = generator.permutation(30).tolist()
    pairs = {tuple(sorted((shuffled[k], shuffled[k + 1]))) for k in range(29)}
    order, width = first_order(30, pairs)
    assert width == 1
    assert order in (shuffled, shuffled[::-1])


def test_search_makes_no_order_worse():
    generator = np.random.default_rng(3)
    pairs = {tuple(sorted(generator.permutation(24)[:2].tolist())) for _ in range(40)}
    order, _ = first_order(24, pairs)
    neighbours = [0] * 24
    for a, b in pairs:
        neighbours[a] |= 1 << b
        neighbours[b] |= 1 << a
    improved = improved_order(order, pairs, trials=5000)
    assert sorted(improved) == list(range(24))
    work = [sum(8.0**w for w in cut_widths(one, neighbours)) for one in (order, improved)]
    assert work[1] <= work[0]


def test_pairs_are_those_of_all_gates():
    operations = Operations()
    operations.append(GATES["cz"].code, (2, 0))
    operations.append(GATES["h"].code, (1,))
    operations.append(GATES["ccnot"].code, (3, 1, 4))
    assert pairs_of(operators_of(steps_of(operations))) == {(0, 2), (1, 3), (3, 4)}


# The planner.


def narrow(monkeypatch):
    """Let no part be narrow enough for all its amplitudes."""
    monkeypatch.setattr(planning, "AMPLITUDE_QUBITS_MAX", 1)


@pytest.mark.parametrize("seed", range(6))
def test_planned_simulation_equals_the_state_vector(seed, monkeypatch):
    generator = np.random.default_rng(seed)
    count = 9
    operations = random_operations(generator, count, 45)
    asked = (
        ResultType("expectation", (Factor("z", (0,)), Factor("x", (4,)))),
        ResultType("variance", (Factor("y", (3,)), Factor("h", (8,)))),
        ResultType("expectation", (Factor("z", ()),)),
        ResultType("probability", targets=(5, 1)),
    )
    wanted = exact_values(dense(count, operations), asked)
    narrow(monkeypatch)
    circuit = Circuit(tuple(range(count)), operations, asked)
    found = simulate(circuit, shots=0, limits=LIMITS)
    for value, expected in zip(found.simulation.values, wanted, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-9, rtol=0)
    assert found.fidelity_bound == 1


def test_planned_samples_agree_with_exact_expectations(monkeypatch):
    narrow(monkeypatch)
    generator = np.random.default_rng(21)
    operations = brickwork(generator, 20, 6)
    asked = tuple(ResultType("expectation", (Factor("xyz"[k % 3], (k,)),)) for k in range(20))
    circuit = Circuit(tuple(range(20)), operations, asked)
    exact = simulate(circuit, shots=0, limits=LIMITS).simulation.values
    shots = 4000
    drawn = simulate(circuit, shots=shots, limits=LIMITS, seed=3)
    again = simulate(circuit, shots=shots, limits=LIMITS, seed=3)
    assert (drawn.simulation.measurements == again.simulation.measurements).all()
    assert any("matrix product state" in line for line in drawn.log)
    # Hoeffding: means beyond 0.12 fail falsely with less than 40 · exp(-2 · 4000 · 0.06²) < 1e-10.
    assert np.abs(np.array(exact) - np.array(drawn.simulation.values)).max() < 0.12


def test_equal_light_cones_are_simulated_once():
    operations = Operations()
    for qubit in range(40):
        operations.append(GATES["ry"].code, (qubit,), (0.3,))
    for qubit in range(0, 40, 2):
        operations.append(GATES["cnot"].code, (qubit, qubit + 1))
        operations.append(GATES["rx"].code, (qubit + 1,), (0.4,))
    asked = tuple(
        ResultType("expectation", (Factor("z", (k,)), Factor("y", (k + 1,))))
        for k in range(0, 40, 2)
    )
    circuit = Circuit(tuple(range(40)), operations, asked)
    assert len(planning.plan(circuit, 0, limits=LIMITS).choices) == 1


def test_progress_rises_to_one_and_an_exception_ends_the_work():
    operations = brickwork(np.random.default_rng(1), 30, 8)
    circuit = Circuit(tuple(range(30)), operations)
    shares: list[float] = []
    simulate(circuit, shots=10, limits=LIMITS, seed=1, report=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    def stop(fraction: float) -> None:
        if fraction > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(circuit, shots=10, limits=LIMITS, seed=1, report=stop)


def test_max_bond_is_kept_and_the_loss_is_in_the_log():
    operations = brickwork(np.random.default_rng(1), 30, 12)
    circuit = Circuit(tuple(range(30)), operations)
    limits = Limits(memory_bytes=1 << 30, max_bond=16)
    found = simulate(circuit, shots=10, limits=limits, seed=1)
    assert found.fidelity_bound < 1
    assert any("bond dimension 16" in line for line in found.log)
    assert any("fidelity at least" in line for line in found.log)


def test_state_vectors_of_many_qubits_are_refused():
    circuit = Circuit(tuple(range(30)), Operations(), (ResultType("state_vector"),))
    circuit.operations.append(GATES["h"].code, (29,))
    for qubit in range(29):
        circuit.operations.append(GATES["cphaseshift"].code, (qubit, qubit + 1), (0.3,))
        circuit.operations.append(GATES["rx"].code, (qubit,), (0.3,))
    with pytest.raises((ProgramError, LimitError)):
        simulate(circuit, shots=0, limits=LIMITS)
