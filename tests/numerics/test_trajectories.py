"""Trajectories against density matrices: every shot is an exact sample."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbraket.circuits.channels import kraus_operators, pauli_matrix, pauli_weights
from openbraket.circuits.circuit import Circuit, Factor, Noise, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.circuits.noisy_parts import plan_noisy
from openbraket.circuits.steps import operations_of, steps_of
from openbraket.simulators.trajectories import simulate
from openbraket.simulators.trajectories.frames import Frames
from openbraket.simulators.trajectories.sites import channel_of
from openbraket.simulators.trajectories.tree import CANDIDATE, ERROR, Tree
from support.chi_square import chi_square_p

FALSE_FAILURE_MAX = 1e-10
SHOTS = 20_000
NAMED = [
    ("bit_flip", (0.2,)),
    ("phase_flip", (0.3,)),
    ("pauli_channel", (0.1, 0.05, 0.2)),
    ("depolarizing", (0.3,)),
    ("two_qubit_depolarizing", (0.4,)),
    ("two_qubit_dephasing", (0.3,)),
    ("amplitude_damping", (0.4,)),
    ("generalized_amplitude_damping", (0.4, 0.3)),
    ("phase_damping", (0.4,)),
]


def target_count(name: str) -> int:
    return 2 if name.startswith("two_qubit") else 1


def random_kraus(generator, qubit_count: int, count: int) -> tuple:
    size = 1 << qubit_count
    shape = (size * count, size)
    stack = np.linalg.qr(generator.normal(size=shape) + 1j * generator.normal(size=shape))[0]
    return tuple(tuple(map(tuple, stack[k * size : (k + 1) * size].tolist())) for k in range(count))


def random_mixture(generator, slow, qubit_count: int) -> tuple:
    weights = generator.dirichlet([1.0, 1.0, 1.0])
    return tuple(
        tuple(map(tuple, (np.sqrt(w) * slow.random_unitary(generator, qubit_count)).tolist()))
        for w in weights
    )


def density_of(operations: Operations, qubit_count: int, slow) -> np.ndarray:
    """Evolve a density matrix, a tensor of 2 n axes, by the plain definition."""
    rho = np.zeros((2,) * (2 * qubit_count), dtype=complex)
    rho[(0,) * (2 * qubit_count)] = 1

    def act(rho, matrix, qubits):
        rho = slow.apply_matrix(rho, matrix, list(qubits))
        return slow.apply_matrix(rho, np.conj(matrix), [q + qubit_count for q in qubits])

    steps = steps_of(replace(operations, noise=[]))
    for index in range(len(steps) + 1):
        for noise in operations.noise:
            if noise.index == index:
                rho = sum(act(rho, np.array(k), noise.targets) for k in kraus_operators(noise))
        if index < len(steps):
            step = steps[index]
            gate = operations.gate(index)
            rho = act(rho, np.array(gate.matrix(*step.parameters)), step.targets)
    return rho.reshape((1 << qubit_count,) * 2)


def add_noise(operations: Operations, name: str, targets, values=(), matrices=()) -> None:
    operations.noise.append(
        Noise(name, tuple(targets), tuple(values), matrices, len(operations.codes))
    )


def random_operations(qubit_count: int, layers: int, seed: int, slow) -> Operations:
    """Rotations and cnots with every kind of channel between them."""
    generator, operations = np.random.default_rng(seed), Operations()
    for layer in range(layers):
        for qubit in range(qubit_count):
            name = generator.choice(["rx", "ry", "rz"])
            operations.append(GATES[name].code, (qubit,), (float(generator.uniform(0, 7)),))
        pair = generator.permutation(qubit_count)[:2].tolist()
        operations.append(GATES["cnot"].code, pair)
        for name, values in generator.permutation(np.array(NAMED, dtype=object))[:3]:
            targets = generator.permutation(qubit_count)[: target_count(name)].tolist()
            add_noise(operations, name, targets, values)
        qubit = int(generator.integers(qubit_count))
        if layer % 2:
            add_noise(operations, "kraus", (qubit,), matrices=random_kraus(generator, 1, 3))
        else:
            add_noise(operations, "kraus", pair, matrices=random_mixture(generator, slow, 2))
    return operations


def counts_of(bits: np.ndarray) -> np.ndarray:
    numbers = bits.astype(int) @ (1 << np.arange(bits.shape[1])[::-1])
    return np.bincount(numbers, minlength=1 << bits.shape[1])


@pytest.mark.parametrize(("name", "values"), NAMED)
def test_every_named_channel_passes_chi_square(slow, name, values):
    # Prepared and measured in bases in which X, Y, Z and decay all show.
    operations, count = Operations(), target_count(name)
    for qubit in range(count):
        operations.append(GATES["ry"].code, (qubit,), (0.7 + qubit,))
        operations.append(GATES["rz"].code, (qubit,), (0.4,))
    for _ in range(2):
        add_noise(operations, name, range(count), values)
        for qubit in range(count):
            operations.append(GATES["rx"].code, (qubit,), (0.9,))
            operations.append(GATES["ry"].code, (qubit,), (0.5,))
    circuit = Circuit(tuple(range(count)), operations)
    bits = simulate(circuit, shots=SHOTS, seed=11).measurements
    exact = density_of(operations, count, slow).diagonal().real
    print(f"seed 11; false failure <= {FALSE_FAILURE_MAX:g}")
    assert chi_square_p(counts_of(bits), exact) > FALSE_FAILURE_MAX


@pytest.mark.parametrize(("qubit_count", "layers", "seed"), [(2, 3, 1), (3, 5, 2), (4, 6, 3)])
def test_random_circuits_pass_chi_square(slow, qubit_count, layers, seed):
    operations = random_operations(qubit_count, layers, seed, slow)
    exact = density_of(operations, qubit_count, slow).diagonal().real
    circuit = Circuit(tuple(range(qubit_count)), operations)
    bits = simulate(circuit, shots=SHOTS, seed=seed, thread_count=2).measurements
    print(f"seed {seed}; false failure <= {FALSE_FAILURE_MAX:g}")
    assert chi_square_p(counts_of(bits), exact) > FALSE_FAILURE_MAX


@pytest.mark.parametrize("seed", [5, 6])
def test_clifford_circuits_pass_chi_square(slow, seed):
    generator, operations, count = np.random.default_rng(seed), Operations(), 4
    for _ in range(6):
        for qubit in range(count):
            operations.append(GATES[generator.choice(["h", "s", "v", "y"])].code, (qubit,))
        pair = generator.permutation(count)[:2].tolist()
        operations.append(GATES["cnot"].code, pair)
        add_noise(operations, "pauli_channel", (int(generator.integers(count)),), (0.1, 0.02, 0.2))
        add_noise(operations, "two_qubit_depolarizing", pair, (0.2,))
        add_noise(operations, "bit_flip", (pair[0],), (0.1,))
        add_noise(operations, "depolarizing", (pair[1],), (0.9,))
    circuit = Circuit(tuple(range(count)), operations)
    assert plan_noisy(circuit, Operations()).width == 0
    bits = simulate(circuit, shots=SHOTS, seed=seed).measurements
    exact = density_of(operations, count, slow).diagonal().real
    print(f"seed {seed}; false failure <= {FALSE_FAILURE_MAX:g}")
    assert chi_square_p(counts_of(bits), exact) > FALSE_FAILURE_MAX


def test_correlated_errors_of_separate_parts_stay_correlated(slow):
    # Parts: 0 has amplitudes, 1 and 2 are Clifford, 3 has no operation.
    operations = Operations()
    operations.append(GATES["ry"].code, (0,), (0.3,))
    operations.append(GATES["h"].code, (1,))
    operations.append(GATES["cnot"].code, (1, 2))
    for pair in ((0, 1), (0, 3), (2, 3), (2, 0)):
        add_noise(operations, "two_qubit_depolarizing", pair, (0.5,))
    operations.append(GATES["h"].code, (1,))
    operations.append(GATES["ry"].code, (0,), (0.4,))
    circuit = Circuit((0, 1, 2, 3), operations)
    plan = plan_noisy(circuit, Operations())
    assert sorted(part.qubits for part in plan.parts) == [(0,), (1, 2)]
    bits = simulate(circuit, shots=SHOTS, seed=8).measurements
    exact = density_of(operations, 4, slow).diagonal().real
    print(f"seed 8; false failure <= {FALSE_FAILURE_MAX:g}")
    assert chi_square_p(counts_of(bits), exact) > FALSE_FAILURE_MAX


def test_observables_and_some_measured_qubits(slow):
    operations = random_operations(3, 4, 21, slow)
    rho = density_of(operations, 3, slow)
    x, y = (np.array(pauli_matrix(letter)) for letter in "XY")
    results = (
        ResultType("expectation", (Factor("x", (0,)), Factor("y", (2,)))),
        ResultType("probability", targets=(1,)),
    )
    circuit = Circuit((0, 1, 2), operations, results)
    values = simulate(circuit, shots=SHOTS, seed=21).values
    exact = float(np.trace(rho @ np.kron(np.kron(x, np.eye(2)), y)).real)
    # 6.6 standard errors: false failure 4e-11.
    assert values[0] == pytest.approx(exact, abs=6.6 / SHOTS**0.5)
    tensor = rho.diagonal().real.reshape(2, 2, 2)
    assert values[1] == pytest.approx(tensor.sum(axis=(0, 2)), abs=3.3 / SHOTS**0.5)
    bits = simulate(Circuit((0, 1, 2), operations, measured=(2, 0)), shots=SHOTS, seed=22)
    assert bits.measured == (2, 0)
    wanted = tensor.sum(axis=1).T.reshape(-1)
    assert chi_square_p(counts_of(bits.measurements), wanted) > FALSE_FAILURE_MAX


def test_seed_decides_whatever_the_threads_and_the_memory(slow):
    operations = random_operations(5, 8, 4, slow)
    circuit = Circuit(tuple(range(5)), operations)
    one = simulate(circuit, shots=500, seed=9).measurements
    assert np.array_equal(one, simulate(circuit, shots=500, seed=9, thread_count=3).measurements)
    assert not np.array_equal(one, simulate(circuit, shots=500, seed=10).measurements)
    part, *_ = plan_noisy(circuit, Operations()).parts
    generator = np.random.default_rng(2)
    places = sorted(part.anchors)
    entries = [
        tuple(
            (place, CANDIDATE, float(generator.random()), 0)
            if channel_of(part.anchors[place]).kind == "general"
            else (place, ERROR, int(generator.integers(1, 32)), 3)
            for place in places
            if generator.random() < 0.3
        )
        for _ in range(60)
    ]
    draws = generator.random(60)
    found = [
        Tree(part, entries, draws, thread_count=threads, states_max=states, is_single=False).run()
        for threads, states in ((1, 1), (1, 2), (1, 50), (3, 3), (2, 20))
    ]
    assert all(np.array_equal(found[0], other) for other in found)


@pytest.mark.parametrize("precision", ["double", "single"])
def test_long_decay_keeps_its_norm(slow, precision):
    # Without scaling, 300 decays leave a norm of 1e-23 to a branch without jumps.
    operations, shots = Operations(), 1000
    operations.append(GATES["x"].code, (0,))
    for _ in range(300):
        add_noise(operations, "amplitude_damping", (0,), (0.3,))
        operations.append(GATES["rx"].code, (0,), (0.9,))
    exact = density_of(operations, 1, slow).diagonal().real
    circuit = Circuit((0,), operations)
    bits = simulate(circuit, shots=shots, seed=1, precision=precision).measurements
    assert bits.mean() == pytest.approx(exact[1], abs=3.3 / shots**0.5)  # false failure 4e-11


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), qubit_count=st.integers(1, 2), count=st.integers(2, 5))
def test_events_of_any_channel_add_up_to_its_kraus_sum(seed, qubit_count, count):
    generator = np.random.default_rng(seed)
    noise = Noise(
        "kraus", tuple(range(qubit_count)), (), random_kraus(generator, qubit_count, count), 0
    )
    check_events(noise, generator)


@pytest.mark.parametrize(("name", "values"), NAMED)
def test_events_of_named_channels_add_up_to_their_kraus_sums(name, values):
    generator = np.random.default_rng(3)
    noise = Noise(name, tuple(range(target_count(name))), values, (), 0)
    check_events(noise, generator)
    as_kraus = Noise("kraus", noise.targets, (), kraus_operators(noise), 0)
    check_events(as_kraus, generator)
    weights = pauli_weights(noise)
    if weights is not None:
        assert pauli_weights(as_kraus) == pytest.approx(weights)


def check_events(noise: Noise, generator) -> None:
    size = 1 << len(noise.targets)
    root = generator.normal(size=(size, size)) + 1j * generator.normal(size=(size, size))
    rho = root @ root.conj().T
    rho /= rho.trace()
    exact = sum(np.array(k) @ rho @ np.array(k).conj().T for k in kraus_operators(noise))
    channel = channel_of(noise)
    weights = np.diff(channel.ends, prepend=0.0) * channel.rate
    if channel.kind == "pauli":
        operators = [np.eye(size), *(np.array(pauli_matrix(p)) for p in channel.letters)]
    else:
        operators = list(channel.operators)
    if channel.kind == "general":
        assert np.linalg.eigvalsh(channel.grams.sum(axis=0))[-1] == pytest.approx(1)
        weights, kept = np.full(len(operators) - 1, channel.rate), 1.0
    else:
        kept = 1 - channel.rate
    found = kept * operators[0] @ rho @ operators[0].conj().T
    for weight, operator in zip(weights, operators[1:], strict=True):
        found = found + weight * operator @ rho @ operator.conj().T
    assert found == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_moved_errors_are_the_same_errors(slow, seed):
    generator, operations, count = np.random.default_rng(seed), Operations(), 4
    for _ in range(30):
        name = str(generator.choice(["h", "s", "cnot", "cz", "t", "swap", "rx", "ccnot", "iswap"]))
        gate = GATES[name]
        targets = generator.permutation(count)[: gate.qubit_count].tolist()
        angle = float(generator.choice([0.3, np.pi / 2]))
        operations.append(gate.code, targets, (angle,) * gate.parameter_count)
    steps = steps_of(replace(operations, noise=[]))
    for passes_max in (3, 100):
        frames = Frames(count, steps, {}, passes_max=passes_max)
        for start, x, z in itertools.product((0, 7, 19), (0, 1, 6), (1, 8)):
            place, new_x, new_z = frames.moved((start, x, z))
            assert place >= start
            before = evolve_with(steps, count, (start, x, z), slow)
            after = evolve_with(steps, count, (place, new_x, new_z), slow)
            if place == len(steps):  # where z is left out
                assert np.abs(after) ** 2 == pytest.approx(np.abs(before) ** 2, abs=1e-12)
            else:
                assert abs(np.vdot(before, after)) == pytest.approx(1)


def evolve_with(steps, qubit_count: int, error, slow) -> np.ndarray:
    place, x, z = error
    state = slow.evolve(operations_of(steps[:place], range(qubit_count)), qubit_count)
    tensor = state.reshape((2,) * qubit_count)
    for qubit in range(qubit_count):
        letter = "IXZY"[(x >> qubit & 1) + 2 * (z >> qubit & 1)]
        tensor = slow.apply_matrix(tensor, np.array(pauli_matrix(letter)), [qubit])
    rest = operations_of(steps[place:], range(qubit_count))
    return slow.evolve(rest, qubit_count, tensor.reshape(-1))


@pytest.mark.parametrize("qubit_count", [1, 3, 6, 13])
@pytest.mark.parametrize("precision", ["StateVector", "StateVectorSingle"])
def test_rows_with_decays_and_jumps_equal_the_slow_definition(core, slow, qubit_count, precision):
    generator, operations = np.random.default_rng(qubit_count), Operations()
    kept, jump = np.diag([1.0, 0.8]), np.array([[0, 0.6], [0, 0]])
    for _ in range(12):
        qubit = int(generator.integers(qubit_count))
        operations.append(GATES["rx"].code, (qubit,), (float(generator.uniform(0, 7)),))
        operations.append(GATES["rz"].code, (qubit,), (float(generator.uniform(0, 7)),))
        if qubit_count > 1:
            pair = generator.permutation(qubit_count)[:2].tolist()
            operations.append(GATES["cnot"].code, pair)
        operations.append_unitary(kept.tolist(), (int(generator.integers(qubit_count)),))
    operations.append_unitary(jump.tolist(), (0,))
    operations.append_unitary(((4.0,),), ())
    rows = generator.integers(len(operations), size=60).astype(np.uint32)
    state = getattr(core, precision)(qubit_count)
    columns = (
        operations.codes,
        operations.target_starts,
        operations.targets,
        operations.parameter_starts,
        operations.parameters,
        operations.control_counts,
        operations.control_values,
    )
    state.apply_rows(*columns, rows, thread_count=2)
    steps = steps_of(replace(operations, noise=[]))
    exact = np.zeros((2,) * qubit_count, dtype=complex)
    exact[(0,) * qubit_count] = 1
    for row in rows.tolist():
        step = steps[row]
        matrix = (
            np.array(operations.gate(row).matrix(*step.parameters))
            if operations.gate(row) is not None
            else np.array(step.parameters).view(complex).reshape((1 << len(step.targets),) * 2)
        )
        exact = slow.apply_matrix(exact, matrix, list(step.targets))
    found = state.amplitudes(thread_count=1)
    size = np.abs(exact).max() or 1.0
    assert found == pytest.approx(
        exact.reshape(-1), abs=size * (1e-12 if precision == "StateVector" else 2e-5)
    )
    with pytest.raises(ValueError, match="is not below"):
        state.apply_rows(*columns, np.array([len(operations)], dtype=np.uint32), thread_count=1)
