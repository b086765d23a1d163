"""The density matrix against sums over Kraus operators, and against the SDK's local simulator."""

import itertools
import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbraket.circuits.channels import CHANNELS, kraus_operators
from openbraket.circuits.circuit import Circuit, Factor, Noise, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.programs.openqasm import parse_program
from openbraket.simulators import densitymatrix, noisy
from openbraket.simulators.densitymatrix import DensityMatrix
from openbraket.simulators.densitymatrix.maps import channel_columns, pauli_map

FIXED = ("h", "x", "s", "t", "v", "cnot", "cz", "swap", "iswap", "ecr", "cy", "cv")
TURNED = ("rx", "ry", "rz", "phaseshift", "cphaseshift", "cphaseshift01", "xx", "yy", "zz", "xy")


def kraus_noise(generator, targets, index, count=3):
    size = 1 << len(targets)
    shape = (count * size, size)
    stacked = np.linalg.qr(generator.normal(size=shape) + 1j * generator.normal(size=shape))[0]
    matrices = tuple(
        tuple(map(tuple, stacked[k * size : (k + 1) * size].tolist())) for k in range(count)
    )
    return Noise("kraus", targets, (), matrices, index)


def random_noise(generator, qubit_count, index):
    names = [c.name for c in CHANNELS.values() if c.qubit_count <= qubit_count] + ["kraus"]
    name = names[generator.integers(len(names))]
    if name == "kraus":
        count = int(generator.integers(1, min(2, qubit_count) + 1))
        targets = tuple(map(int, generator.permutation(qubit_count)[:count]))
        return kraus_noise(generator, targets, index)
    channel = CHANNELS[name]
    targets = tuple(map(int, generator.permutation(qubit_count)[: channel.qubit_count]))
    top = channel.parameter_max / (channel.parameter_count if name == "pauli_channel" else 1)
    return Noise(
        name, targets, tuple(generator.uniform(0, top, channel.parameter_count)), (), index
    )


def random_operations(generator, qubit_count, count, *, names=FIXED + TURNED):
    operations = Operations()
    names = [name for name in names if GATES[name].qubit_count <= qubit_count]
    for _ in range(count):
        if generator.random() < 0.3:
            operations.noise.append(random_noise(generator, qubit_count, len(operations)))
            continue
        gate = GATES[names[generator.integers(len(names))]]
        targets = map(int, generator.permutation(qubit_count)[: gate.qubit_count])
        operations.append(gate.code, targets, generator.normal(size=gate.parameter_count))
    return operations


def conjugate(rho, operators, targets, qubit_count):
    """Return Σ K ρ K†, one axis of size 2 for each qubit's row, then for each one's column."""
    count, out = len(targets), 0
    for operator in operators:
        matrix = np.array(operator, dtype=complex).reshape((2,) * (2 * count))
        inner = range(count, 2 * count)
        part = np.moveaxis(np.tensordot(matrix, rho, (inner, targets)), range(count), targets)
        columns = [qubit_count + target for target in targets]
        part = np.tensordot(matrix.conj(), part, (inner, columns))
        out = out + np.moveaxis(part, range(count), columns)
    return out


def slow_density(operations, qubit_count):
    """Return the density matrix, shape (2^n, 2^n), by sums over Kraus operators."""
    rho = np.zeros((2,) * (2 * qubit_count), dtype=complex)
    rho[(0,) * (2 * qubit_count)] = 1
    waiting = list(operations.noise)
    for index in range(len(operations) + 1):
        while waiting and waiting[0].index == index:
            noise = waiting.pop(0)
            rho = conjugate(rho, kraus_operators(noise), noise.targets, qubit_count)
        if index < len(operations):
            a, b = operations.target_starts[index : index + 2]
            c, d = operations.parameter_starts[index : index + 2]
            gate = operations.gate(index)
            matrix = gate.matrix(*operations.parameters[c:d])
            rho = conjugate(rho, [matrix], tuple(operations.targets[a:b]), qubit_count)
    return rho.reshape(1 << qubit_count, -1)


def coefficients_of(rho, qubit_count):
    """Return tr(P ρ) of every string P, one axis of I, X, Y, Z for each qubit."""
    paulis = np.array([np.eye(2), [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    out = rho.reshape((2,) * (2 * qubit_count))
    for k in range(qubit_count):
        out = np.tensordot(out, paulis, ((0, qubit_count - k), (2, 1)))
    return out.real


def run_core(core, operations, qubit_count, thread_count=1):
    state = core.PauliState(qubit_count)
    assert state.apply(
        operations.codes,
        operations.target_starts,
        operations.targets,
        operations.parameter_starts,
        operations.parameters,
        operations.control_counts,
        operations.control_values,
        *channel_columns(operations.noise),
        thread_count=thread_count,
    )
    return state.coefficients().reshape((4,) * qubit_count)


@pytest.mark.parametrize("qubit_count", [1, 2, 3, 4, 5, 6])
def test_kernel_equals_the_sum_over_kraus_operators(core, qubit_count):
    for seed in range(6):
        generator = np.random.default_rng([qubit_count, seed])
        operations = random_operations(generator, qubit_count, 40)
        expected = coefficients_of(slow_density(operations, qubit_count), qubit_count)
        found = run_core(core, operations, qubit_count)
        assert np.abs(found - expected).max() < 1e-12


@cache
def nine_qubits():
    operations = random_operations(np.random.default_rng(9), 9, 60)
    return operations, coefficients_of(slow_density(operations, 9), 9)


@pytest.mark.parametrize("thread_count", [1, 3])
def test_kernel_is_right_where_a_state_has_several_tiles(core, thread_count):
    qubit_count = 9
    operations, expected = nine_qubits()
    found = run_core(core, operations, qubit_count, thread_count)
    assert np.abs(found - expected).max() < 1e-12


def test_kernel_refuses_malformed_channels(core):
    def run(noise=(), map_edit=None, qubit_count=2, **columns):
        operations = Operations()
        operations.append(GATES["h"].code, [0])
        channels = channel_columns(noise)
        if map_edit is not None:
            channels.entries[0] = map_edit
        channels = channels._replace(**columns)
        core.PauliState(qubit_count).apply(
            operations.codes, operations.target_starts, operations.targets,
            operations.parameter_starts, operations.parameters, operations.control_counts,
            operations.control_values, *channels, thread_count=1,
        )  # fmt: skip

    flip = Noise("bit_flip", (0,), (0.1,), (), 0)
    run([flip])
    with pytest.raises(ValueError, match="does not preserve the trace"):
        run([flip], map_edit=0.5)
    with pytest.raises(ValueError, match="do not fit together"):
        run([Noise("bit_flip", (0,), (0.1,), (), 5)])
    with pytest.raises(ValueError, match="qubit 7 is not below 2"):
        run([Noise("bit_flip", (7,), (0.1,), (), 0)])
    with pytest.raises(ValueError, match="has 1 targets and a map of 256"):
        run([Noise("two_qubit_dephasing", (0,), (0.1,), (), 0)])
    with pytest.raises(ValueError, match="1 to 20, got 21"):
        core.PauliState(21)
    three = Operations()
    three.append(GATES["ccnot"].code, [0, 1, 2])
    with pytest.raises(ValueError, match="at most 2 are allowed"):
        run_core(core, three, 3)


def test_cancelled_kernel_stops(core):
    operations = random_operations(np.random.default_rng(3), 9, 60)
    monitor = core.Monitor()
    monitor.cancel()
    arguments = (
        operations.codes, operations.target_starts, operations.targets,
        operations.parameter_starts, operations.parameters, operations.control_counts,
        operations.control_values, *channel_columns(operations.noise),
    )  # fmt: skip
    assert not core.PauliState(9).apply(*arguments, thread_count=2, monitor=monitor)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CHANNELS)), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_channel_s_map_is_its_kraus_sum_and_completely_positive(name, shares):
    channel = CHANNELS[name]
    top = channel.parameter_max / (channel.parameter_count if name == "pauli_channel" else 1)
    parameters = tuple(share * top for share in shares[: channel.parameter_count])
    count = channel.qubit_count
    noise = Noise(name, tuple(range(count)), parameters, (), 0)
    found = pauli_map(noise)
    size = 1 << count
    operators = [np.array(k) for k in kraus_operators(noise)]
    assert np.abs(sum(k.conj().T @ k for k in operators) - np.eye(size)).max() < 1e-14
    # Choi matrix Σ |i><j| ⊗ E(|i><j|), each E(|i><j|) through the map of Pauli coefficients.
    choi = np.zeros((size * size, size * size), dtype=complex)
    for i, j in itertools.product(range(size), repeat=2):
        unit = np.zeros((size, size), dtype=complex)
        unit[i, j] = 1
        image = sum(k @ unit @ k.conj().T for k in operators)
        through = sum(
            complex(part) * from_coefficients(found @ flat(coefficients_of(matrix, count)), count)
            for part, matrix in ((1, (unit + unit.T) / 2), (1j, (unit - unit.T) / 2j))
        )
        assert np.abs(through - image).max() < 1e-13
        choi += np.kron(unit, through)
    assert np.linalg.eigvalsh(choi).min() > -1e-13


def flat(array):
    return array.reshape(-1)


def from_coefficients(coefficients, qubit_count):
    paulis = np.array([np.eye(2), [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    strings = paulis
    for _ in range(qubit_count - 1):
        strings = np.array([np.kron(a, b) for a in strings for b in paulis])
    return np.tensordot(coefficients, strings, 1) / (1 << qubit_count)


def density_of(operations, qubit_count, thread_count=1):
    state = DensityMatrix(qubit_count, thread_count=thread_count)
    state.apply(operations)
    return state


def test_operations_on_three_and_more_qubits_and_with_controls_and_powers():
    generator = np.random.default_rng(5)
    qubit_count = 4
    operations = random_operations(generator, qubit_count, 12)
    operations.append(GATES["ccnot"].code, [2, 0, 3])
    operations.noise.append(Noise("amplitude_damping", (3,), (0.3,), (), len(operations)))
    operations.append(GATES["cswap"].code, [1, 3, 0])
    expected = slow_density(operations, qubit_count)
    found = density_of(operations, qubit_count).density_matrix(range(qubit_count))
    assert np.abs(found - expected).max() < 1e-12
    unitary = np.linalg.qr(generator.normal(size=(8, 8)) + 1j * generator.normal(size=(8, 8)))[0]
    operations.append_unitary(unitary.tolist(), [3, 1, 0])
    operations.append(GATES["rx"].code, [1, 2, 0], [0.7], control_count=2, control_value=1)
    operations.append(GATES["x"].code, [2], power=0.5)
    operations.noise.append(Noise("phase_flip", (0,), (0.2,), (), len(operations)))
    rx = np.eye(8, dtype=complex)
    rx[2:4, 2:4] = GATES["rx"].matrix(0.7)
    rho = expected.reshape((2,) * 8)
    rho = conjugate(rho, [unitary], (3, 1, 0), qubit_count)
    rho = conjugate(rho, [rx], (1, 2, 0), qubit_count)
    rho = conjugate(rho, [np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2], (2,), qubit_count)
    rho = conjugate(rho, [np.sqrt(0.8) * np.eye(2), np.sqrt(0.2) * np.diag([1, -1])], (0,), 4)
    found = density_of(operations, qubit_count).density_matrix(range(qubit_count))
    assert np.abs(found - rho.reshape(16, 16)).max() < 1e-12


def test_a_wide_operation_is_applied_in_blocks():
    generator = np.random.default_rng(8)
    operations = random_operations(generator, 10, 20, names=("h", "cnot", "rx"))
    unitary = np.linalg.qr(generator.normal(size=(8, 8)) + 1j * generator.normal(size=(8, 8)))[0]
    state = density_of(operations, 10)
    before = state.density_matrix((9, 4, 0))
    wide = Operations()
    wide.append_unitary(unitary.tolist(), [9, 4, 0])
    state.apply(wide)
    after = unitary @ before @ unitary.conj().T
    assert np.abs(state.density_matrix((9, 4, 0)) - after).max() < 1e-12


OBSERVABLES = (
    (Factor("x", (1,)),),
    (Factor("y", (3,)), Factor("z", (0,))),
    (Factor("h", (2,)), Factor("h", (0,)), Factor("i", (1,))),
    (Factor("i", (2,)),),
    (Factor("hermitian", (3, 1), ((1, 0, 2j, 0), (0, -3, 0, 1), (-2j, 0, 0.5, 0), (0, 1, 0, 2))),
     Factor("hermitian", (0,), ((1, 2 - 1j), (2 + 1j, 0)))),
)  # fmt: skip


def test_results_equal_those_of_the_matrix():
    qubit_count = 4
    operations = random_operations(np.random.default_rng(12), qubit_count, 60)
    rho = slow_density(operations, qubit_count)
    results = [
        ResultType(kind, observable)
        for observable in OBSERVABLES
        for kind in ("expectation", "variance")
    ]
    results += [
        ResultType("probability", targets=(2, 0)),
        ResultType("probability"),
        ResultType("density_matrix", targets=(3, 1)),
        ResultType("density_matrix"),
        ResultType("expectation", (Factor("y", ()),)),
    ]
    circuit = Circuit(tuple(range(qubit_count)), operations, tuple(results))
    found = noisy.simulate(circuit, shots=0).values
    for k, observable in enumerate(OBSERVABLES):
        matrix = matrix_of(observable, qubit_count)
        mean = np.trace(rho @ matrix).real
        assert found[2 * k] == pytest.approx(mean, abs=1e-12)
        variance = np.trace(rho @ matrix @ matrix).real - mean**2
        assert found[2 * k + 1] == pytest.approx(variance, abs=1e-11)
    tensor = rho.reshape((2,) * 8)
    diagonal = np.einsum("abcdabcd->abcd", tensor).real
    found = found[2 * len(OBSERVABLES) :]
    assert np.abs(found[0] - diagonal.sum(axis=(1, 3)).T.reshape(-1)).max() < 1e-13
    assert np.abs(found[1] - diagonal.reshape(-1)).max() < 1e-13
    reduced = np.einsum("abcdaecf->dbfe", tensor).reshape(4, 4)
    assert np.abs(found[2] - reduced).max() < 1e-13
    assert np.abs(found[3] - rho).max() < 1e-13
    y = [np.trace(rho @ matrix_of((Factor("y", (q,)),), 4)).real for q in range(4)]
    assert found[4] == pytest.approx(y, abs=1e-13)


def matrix_of(observable, qubit_count):
    matrices = {"x": [[0, 1], [1, 0]], "y": [[0, -1j], [1j, 0]], "z": [[1, 0], [0, -1]],
                "h": np.array([[1, 1], [1, -1]]) / np.sqrt(2), "i": np.eye(2)}  # fmt: skip
    out = np.eye(1 << qubit_count).reshape((2,) * (2 * qubit_count)).astype(complex)
    for factor in observable:
        count = len(factor.targets)
        matrix = np.array(factor.matrix or matrices[factor.name], dtype=complex)
        part = np.tensordot(
            matrix.reshape((2,) * (2 * count)), out, (range(count, 2 * count), factor.targets)
        )
        out = np.moveaxis(part, range(count), factor.targets)
    return out.reshape(1 << qubit_count, -1)


def test_state_stays_a_density_matrix():
    operations = random_operations(np.random.default_rng(21), 6, 400)
    rho = density_of(operations, 6).density_matrix(range(6))
    assert np.trace(rho) == pytest.approx(1, abs=1e-12)
    assert np.abs(rho - rho.conj().T).max() == 0
    assert np.linalg.eigvalsh(rho).min() > -1e-13


SOURCES = {
    "every channel": """OPENQASM 3;
qubit[4] q;
h q[0]; cnot q[0], q[1]; ry(0.7) q[2]; ccnot q[0], q[2], q[3];
#pragma braket noise bit_flip(0.12) q[0]
#pragma braket noise phase_flip(0.2) q[1]
#pragma braket noise pauli_channel(0.1, 0.05, 0.2) q[2]
#pragma braket noise depolarizing(0.3) q[3]
xx(0.4) q[1], q[3];
#pragma braket noise two_qubit_depolarizing(0.25) q[3], q[0]
#pragma braket noise two_qubit_dephasing(0.4) q[1], q[2]
#pragma braket noise amplitude_damping(0.35) q[0]
cphaseshift(1.1) q[2], q[0];
#pragma braket noise generalized_amplitude_damping(0.2, 0.7) q[1]
#pragma braket noise phase_damping(0.15) q[3]
#pragma braket noise kraus([[0.8, 0], [0, 0.8]], [[0, 0.6], [0.6, 0]]) q[2]
iswap q[0], q[2]; t q[1]; v q[3];
""",
    "untouched qubits": """OPENQASM 3;
qubit[3] q;
x q[0];
#pragma braket noise amplitude_damping(0.25) q[0]
#pragma braket noise amplitude_damping(0.25) q[1]
#pragma braket noise phase_damping(0.25) q[0]
i q[2];
""",
}
RESULTS = """#pragma braket result density_matrix
#pragma braket result probability q[2], q[0]
#pragma braket result expectation x(q[0]) @ h(q[1])
#pragma braket result variance hermitian([[1, 1im], [-1im, 2]]) q[2]
"""


def local_values(source, shots=0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braket.devices import LocalSimulator
        from braket.ir.openqasm import Program

        return LocalSimulator("braket_dm").run(Program(source=source), shots=shots).result().values


def assert_like_local(source):
    found = noisy.simulate(parse_program(source), shots=0).values
    for own, local in zip(found, local_values(source), strict=True):
        assert np.abs(np.asarray(own) - np.asarray(local)).max() < 1e-10


@pytest.mark.parametrize("name", SOURCES)
def test_values_are_those_of_the_local_simulator(name):
    assert_like_local(SOURCES[name] + RESULTS)


def random_source(seed, qubit_count, layer_count):
    generator = np.random.default_rng(seed)
    lines = [f"OPENQASM 3;\nqubit[{qubit_count}] q;"]
    for layer in range(layer_count):
        for q in range(qubit_count):
            a, b = generator.uniform(0, 3, 2)
            lines.append(f"rx({a}) q[{q}]; rz({b}) q[{q}];")
        lines.extend(f"cnot q[{q}], q[{q + 1}];" for q in range(layer % 2, qubit_count - 1, 2))
        for q in range(qubit_count):
            lines.append(f"#pragma braket noise depolarizing({generator.uniform(0, 0.1)}) q[{q}]")
            gamma = generator.uniform(0, 0.1)
            lines.append(f"#pragma braket noise amplitude_damping({gamma}) q[{q}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("qubit_count", "layer_count"), [(2, 5), (5, 4), (9, 2)])
def test_random_noisy_circuits_give_what_the_local_simulator_gives(qubit_count, layer_count):
    observable = f"expectation y(q[0]) @ z(q[{qubit_count - 1}])"
    results = f"#pragma braket result {observable}\n#pragma braket result probability\n"
    assert_like_local(random_source(qubit_count, qubit_count, layer_count) + results)


def wide_circuit(seed, results):
    """Return 11 qubits in parts, with known bits, final permutations and noise after them."""
    generator = np.random.default_rng(seed)
    operations = Operations()
    groups = [[0, 4, 7], [1, 2, 10, 9], [3, 5]]
    for _ in range(25):
        group = groups[generator.integers(len(groups))]
        small = random_operations(generator, len(group), 1)
        for noise in small.noise:
            targets = tuple(group[t] for t in noise.targets)
            operations.noise.append(
                Noise(noise.name, targets, noise.probabilities, noise.matrices, len(operations))
            )
        for k in range(len(small)):
            targets = [group[t] for t in small.targets]
            operations.append(small.codes[k], targets, small.parameters)
    operations.append(GATES["x"].code, [6])
    for q, name in ((6, "phase_damping"), (8, "amplitude_damping"), (6, "amplitude_damping")):
        operations.noise.append(Noise(name, (q,), (0.2,), (), len(operations)))
    operations.append(GATES["cnot"].code, [4, 6])
    operations.append(GATES["rz"].code, [1], [0.3])
    operations.noise.append(Noise("phase_flip", (1,), (0.3,), (), len(operations)))
    operations.noise.append(Noise("two_qubit_depolarizing", (3, 8), (0.3,), (), len(operations)))
    return Circuit(tuple(range(11)), operations, results)


@pytest.mark.parametrize("seed", range(6))
def test_reductions_change_no_value(seed):
    results = (
        ResultType("expectation", (Factor("x", (4,)), Factor("y", (2,)))),
        ResultType("variance", (Factor("z", (6,)), Factor("z", (0,)))),
        ResultType("probability", targets=(6, 1, 8)),
        ResultType("density_matrix", targets=(3, 6)),
        ResultType("expectation", (Factor("z", ()),)),
    )
    circuit = wide_circuit(seed, results)
    reduced = noisy.simulate(circuit, shots=0)
    whole = densitymatrix.simulate(circuit, shots=0)
    for own, other in zip(reduced.values, whole.values, strict=True):
        assert np.abs(np.asarray(own) - np.asarray(other)).max() < 1e-12


def test_samples_of_parts_have_the_distribution_of_the_whole():
    # Chi-square of 2^5 cells, 31 degrees of freedom: above 105 with probability below 1e-9.
    circuit = wide_circuit(2, ())
    qubits = (0, 2, 3, 6, 8)
    shots = 20_000
    state = DensityMatrix(11)
    state.apply(circuit.operations)
    expected = state.probabilities(qubits) * shots
    for run in (noisy.simulate, densitymatrix.simulate):
        bits = run(circuit, shots=shots, seed=4).measurements
        numbers = bits[:, qubits] @ (1 << np.arange(4, -1, -1))
        counts = np.bincount(numbers, minlength=32)
        seen = expected > 5
        assert counts[expected < 1e-9].sum() == 0
        assert (((counts - expected) ** 2)[seen] / expected[seen]).sum() < 105


def test_samples_are_reproducible_and_estimate_the_results():
    source = SOURCES["every channel"] + "#pragma braket result expectation x(q[0]) @ h(q[1])\n"
    circuit = parse_program(source)
    first, second = (noisy.simulate(circuit, shots=4000, seed=11) for _ in range(2))
    assert np.array_equal(first.measurements, second.measurements)
    exact = noisy.simulate(circuit, shots=0).values[0]
    # Hoeffding: ten standard deviations or more.
    assert abs(first.values[0] - exact) < 10 / np.sqrt(4000)
