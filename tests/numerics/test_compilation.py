"""Compiled circuits do what their sources do, in native gates on couplings."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from braket.circuits import Circuit as SdkCircuit
from braket.emulation.local_emulator import LocalEmulator
from braket.schema_common import BraketSchemaBase
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.gates import GATES
from openbraket.circuits.steps import steps_of
from openbraket.compilation import Target, compile_circuit
from openbraket.compilation.weyl import decompose, entangler_counts
from openbraket.devices import Catalogue
from openbraket.programs.openqasm import parse_circuit
from openbraket.simulators.statevector import simulate
from support.compilation import (
    DEVICES,
    assert_equal_up_to_phases,
    assert_fits,
    brickwork,
    random_operations,
    target_of,
    whole,
)

LINE = Target(tuple(range(8)), frozenset((q, q + 1) for q in range(7)), ("prx", "cz"))
TARGETS = {
    "line": LINE,
    "rigetti line": Target(LINE.qubits, LINE.couplings, ("rx", "rz", "cz"), dialect="quil"),
    "zz line": Target(LINE.qubits, LINE.couplings, ("gpi", "gpi2", "zz")),
    "Garnet": target_of("Garnet"),
    "Emerald": target_of("Emerald"),
    "Forte 1": target_of("Forte 1"),
    "IBEX Q1": target_of("IBEX Q1"),
}


def spread(state, qubit_count, places):
    """Return a state of shape (2^n,) with qubit k at places[k] among more qubits in |0>."""
    tensor = np.zeros((2,) * qubit_count, dtype=complex)
    index = [0] * qubit_count
    for place in places:
        index[place] = slice(None)
    order = np.argsort(places)
    tensor[tuple(index)] = state.reshape((2,) * len(places)).transpose(order)
    return tensor.reshape(-1)


def gathered(state, qubit_count, places):
    """Return the state of the qubits at `places`, the others being |0>, and what is elsewhere."""
    tensor = state.reshape((2,) * qubit_count)
    index = [0] * qubit_count
    for place in places:
        index[place] = slice(None)
    inner = tensor[tuple(index)].transpose(np.argsort(np.argsort(places)))
    return inner.reshape(-1), np.sqrt(max(0.0, 1 - np.linalg.norm(inner) ** 2))


def check_equal(slow, circuit, compiled, generator):
    count = circuit.qubit_count
    start = generator.normal(size=1 << count) + 1j * generator.normal(size=1 << count)
    start /= np.linalg.norm(start)
    expected = slow.evolve(circuit.operations, count, start)
    position = {qubit: p for p, qubit in enumerate(compiled.circuit.qubits)}
    first = [position[compiled.initial_layout[q]] for q in circuit.qubits]
    last = [position[compiled.final_layout[q]] for q in circuit.qubits]
    width = len(position)
    state = slow.evolve(compiled.circuit.operations, width, spread(start, width, first))
    found, lost = gathered(state, width, last)
    assert lost < 1e-6
    # The smallest of 2^8 random amplitudes is seldom below 1e-3 and never matters to the check.
    assert_equal_up_to_phases(found, expected, 1e-8)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    qubit_count=st.integers(1, 6),
    count=st.integers(0, 25),
)
@example(seed=0, qubit_count=8, count=40)
def test_compiled_circuit_equals_its_source(slow, name, seed, qubit_count, count):
    generator = np.random.default_rng(seed)
    circuit = whole(random_operations(generator, qubit_count, count), qubit_count)
    compiled = compile_circuit(circuit, TARGETS[name], seed=seed)
    assert_fits(compiled, TARGETS[name])
    assert [compiled.circuit.qubits[p] for p in compiled.circuit.measured] == [
        compiled.final_layout[q] for q in circuit.qubits
    ]
    check_equal(slow, circuit, compiled, generator)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 20), max_size=3))
def test_barriers_change_nothing_else(slow, seed, cuts):
    generator = np.random.default_rng(seed)
    operations = random_operations(generator, 5, 20)
    barriers = tuple((cut, tuple(range(5))) for cut in sorted(cuts))
    circuit = Circuit(tuple(range(5)), operations, barriers=barriers)
    compiled = compile_circuit(circuit, LINE)
    assert_fits(compiled, LINE)
    assert len(compiled.circuit.barriers) == len(cuts)
    check_equal(slow, circuit, compiled, generator)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_controls_and_powers_are_compiled(slow, seed):
    generator = np.random.default_rng(seed)
    operations, plain = Operations(), Operations()
    for _ in range(4):
        targets = generator.permutation(4).tolist()
        value = int(generator.integers(4))
        angle = float(generator.uniform(-3, 3))
        operations.append(GATES["rx"].code, targets[:1], [angle], power=0.5)
        plain.append(GATES["rx"].code, targets[:1], [angle / 2])
        for columns in (operations, plain):
            columns.append(GATES["xy"].code, targets, [angle], control_count=2, control_value=value)
    compiled = compile_circuit(whole(operations, 4), LINE)
    check_equal(slow, whole(plain, 4), compiled, generator)


@pytest.mark.parametrize("name", ["line", "rigetti line", "zz line"])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), edges=st.tuples(st.integers(0, 12), st.integers(0, 12)))
def test_circuit_in_place_with_a_box_equals_its_source(slow, name, seed, edges):
    generator, target = np.random.default_rng(seed), TARGETS[name]
    operations = Operations()
    for _ in range(12):
        qubit = int(generator.integers(3))
        operations.append(GATES["cz"].code, [qubit, qubit + 1])
        gate = GATES[target.native_gates[0]]
        angles = generator.choice([np.pi / 2, np.pi], gate.parameter_count).tolist()
        operations.append(gate.code, [qubit], angles)
    start, stop = sorted(edges)
    has_box = target.entangler == "cz" and start < stop
    box = ((2 * start, 2 * stop),) if has_box else ()
    circuit = Circuit(tuple(range(4)), operations, boxes=box)
    compiled = compile_circuit(circuit, target, is_rewiring_disabled=True)
    assert_fits(compiled, target)
    assert compiled.final_layout == {q: q for q in range(4)}
    check_equal(slow, circuit, compiled, generator)


def commuting(count):
    operations = Operations()
    for a in range(count):
        for b in range(a + 1, count):
            operations.append(GATES["zz"].code, [a, b], [0.3 + a / 7 + b / 11])
    for q in range(count):
        operations.append(GATES["rx"].code, [q], [0.7])
    return operations


def test_commuting_gates_are_put_in_the_best_order(slow):
    # All pairs of a line of n need each pair once: n(n-1)/2 zz with as many exchanges, less the
    # last layers; 3 cz for a zz with its exchange.
    circuit = whole(commuting(6), 6)
    compiled = compile_circuit(circuit, LINE)
    assert compiled.two_qubit_count <= 3 * 15
    check_equal(slow, circuit, compiled, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("cnot", "line", 1), ("iswap", "line", 2), ("swap", "line", 0), ("cphaseshift", "line", 2),
        ("ccnot", "Forte 1", 5), ("ccnot", "Emerald", 7), ("zz", "Forte 1", 1),
        ("yy", "IBEX Q1", 1), ("cphaseshift", "Forte 1", 1), ("xy", "Forte 1", 2),
        ("ecr", "line", 1), ("cv", "line", 2),
    ],
)  # fmt: skip
def test_gates_take_as_few_native_ones_as_possible(name, target, expected):
    gate, operations = GATES[name], Operations()
    operations.append(gate.code, list(range(gate.qubit_count)), [0.7] * gate.parameter_count)
    compiled = compile_circuit(whole(operations, gate.qubit_count), TARGETS[target])
    assert compiled.two_qubit_count == expected


def test_ring_on_a_lattice_needs_no_exchange():
    # The 8 qubits of a ring fit around two squares of the square lattice.
    target = target_of("Emerald")
    operations = Operations()
    for _ in range(2):
        for q in range(8):
            operations.append(GATES["cnot"].code, [q, (q + 1) % 8])
            operations.append(GATES["rx"].code, [q], [0.3])
    compiled = compile_circuit(whole(operations, 8), target)
    assert compiled.swap_count == 0
    assert compiled.two_qubit_count == 16


@pytest.mark.parametrize("name", DEVICES)
def test_local_emulator_of_the_sdk_accepts_the_compiled_program(name):
    (device,) = Catalogue().find(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        properties = BraketSchemaBase.parse_raw_schema(device.capabilities_json())
        emulator = LocalEmulator.from_device_properties(properties)
    operations = brickwork(np.random.default_rng(4), 6, 4)
    compiled = compile_circuit(whole(operations, 6), replace(target_of(name), dialect="openqasm"))
    emulator.validate(SdkCircuit.from_ir(compiled.source()))


@pytest.mark.parametrize("name", [name for name in DEVICES if "Cepheus" not in name])
def test_text_reads_back_as_the_same_program(name):
    target = target_of(name)
    operations = brickwork(np.random.default_rng(3), 6, 3)
    compiled = compile_circuit(whole(operations, 6), target)
    read = parse_circuit(compiled.source())
    again = compile_circuit(read, target)
    assert again.is_verbatim
    # Angles are written as multiples of π, exact to rounding.
    assert [g[:2] for g in again.natives] == [g[:2] for g in compiled.natives]
    for mine, theirs in zip(again.natives, compiled.natives, strict=True):
        np.testing.assert_allclose(mine.parameters, theirs.parameters, atol=1e-15)
    assert read.measured == compiled.circuit.measured


@pytest.mark.parametrize(
    ("name", "qubit_count"),
    [("Garnet", 20), ("Emerald", 54), ("Cepheus-1-108Q", 107), ("Forte 1", 36)],
)
def test_whole_devices_run_mirrored_clifford_circuits(name, qubit_count):
    # A random Clifford circuit, its inverse behind a barrier, and some x: one outcome only.
    generator, target = np.random.default_rng(5), target_of(name)
    inverse = {"h": "h", "s": "si", "v": "vi", "cnot": "cnot", "iswap": "iswap"}
    rows = []
    for _ in range(3):
        order = generator.permutation(qubit_count).tolist()
        rows += [(str(generator.choice(["h", "s", "v"])), [q]) for q in range(qubit_count)]
        rows += [
            (str(generator.choice(["cnot", "iswap"])), order[k : k + 2])
            for k in range(0, qubit_count - 1, 2)
        ]
    operations = Operations()
    for gate, targets in rows:
        operations.append(GATES[gate].code, targets)
    middle = len(operations)
    for gate, targets in reversed(rows):
        power = -1.0 if gate == "iswap" else 1.0
        operations.append(GATES[inverse[gate]].code, targets, power=power)
    bits = generator.integers(0, 2, qubit_count)
    for qubit in np.flatnonzero(bits):
        operations.append(GATES["x"].code, [int(qubit)])
    barrier = (middle, tuple(range(qubit_count)))
    circuit = Circuit(tuple(range(qubit_count)), operations, barriers=(barrier,))
    compiled = compile_circuit(circuit, target)
    assert_fits(compiled, target)
    shots = simulate(compiled.circuit, shots=20, seed=1).measurements
    assert (np.asarray(shots) == bits).all()


@pytest.mark.parametrize("kind", ["generic", "clean", "degenerate"])
def test_two_qubit_unitaries_are_rebuilt(slow, kind):
    generator = np.random.default_rng(7)
    unitaries = []
    for _ in range(200):
        operations = Operations()
        operations.append(GATES["xx"].code, [0, 1], [generator.integers(-4, 5) * np.pi / 4])
        operations.append(GATES["yy"].code, [0, 1], [generator.integers(-4, 5) * np.pi / 4])
        operations.append(GATES["zz"].code, [0, 1], [generator.integers(-4, 5) * np.pi / 4])
        matrix = np.stack([slow.evolve(operations, 2, row) for row in np.eye(4, dtype=complex)]).T
        if kind == "generic":
            matrix = slow.random_unitary(generator, 2)
        if kind == "degenerate":
            pairs = [np.kron(*(slow.random_unitary(generator, 1) for _ in "ab")) for _ in "lr"]
            matrix = pairs[0] @ matrix @ pairs[1]
        unitaries.append(matrix)
    weyl = decompose(np.stack(unitaries))
    assert (np.abs(weyl.angles) <= np.pi / 4 + 1e-12).all()
    for k, matrix in enumerate(unitaries):
        operations = Operations()
        for side in (0, 1):
            operations.append_unitary(weyl.right[k, side].tolist(), [side])
        for axis, name in enumerate(("xx", "yy", "zz")):
            operations.append(GATES[name].code, [0, 1], [-2 * weyl.angles[k, axis]])
        for side in (0, 1):
            operations.append_unitary(weyl.left[k, side].tolist(), [side])
        rebuilt = np.stack([slow.evolve(operations, 2, row) for row in np.eye(4, dtype=complex)]).T
        assert abs(np.trace(rebuilt.conj().T @ matrix)) / 4 > 1 - 1e-12


def test_number_of_native_gates_is_that_of_the_theory():
    quarter = np.pi / 4
    angles = np.array([
        [0, 0, 0], [0, quarter, 0], [0, 0, 0.2], [0.2, 0, 0.3], [quarter, quarter, 0],
        [quarter, quarter, quarter], [0.1, 0.2, 0.3],
    ])  # fmt: skip
    assert entangler_counts(angles, has_angle=False).tolist() == [0, 1, 2, 2, 2, 3, 3]
    assert entangler_counts(angles, has_angle=True).tolist() == [0, 1, 1, 2, 2, 3, 3]


def test_steps_of_a_compiled_circuit_start_as_early_as_they_can():
    target = TARGETS["line"]
    compiled = compile_circuit(whole(brickwork(np.random.default_rng(2), 5, 4), 5), target)
    free = {}
    for step, start in zip(steps_of(compiled.circuit.operations), compiled.starts_s, strict=True):
        assert start == max(free.get(t, 0.0) for t in step.targets)
        lasts = target.one_qubit_s if len(step.targets) == 1 else target.two_qubit_s
        free.update(dict.fromkeys(step.targets, start + lasts))
    assert compiled.duration_s == max(free.values())
