"""Reductions change nothing: planned simulations against the whole circuit, gate by gate."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbraket.circuits import reductions
from openbraket.circuits.circuit import Circuit, Factor, Operations, ResultType
from openbraket.circuits.gates import GATES, GATES_BY_CODE
from openbraket.circuits.reductions import plan_circuit
from openbraket.simulators.observables import joint_basis, rotations
from openbraket.simulators.parts import merge_columns, run_exact
from openbraket.simulators.statevector import StateVector
from openbraket.simulators.statevector.exact import exact_values
from openbraket.simulators.statevector.plan import part_simulator
from openbraket.simulators.statevector.stabilizer import StabilizerState

ERROR_MAX = 1e-12
CLIFFORD = (
    "h",
    "s",
    "si",
    "x",
    "y",
    "z",
    "v",
    "vi",
    "i",
    "cnot",
    "cy",
    "cz",
    "swap",
    "iswap",
    "ecr",
)
# Gates that leave bits known, qubits apart and permutations at the end.
PLAIN = ("x", "y", "s", "t", "rz", "cnot", "cz", "swap", "iswap", "ccnot", "cswap", "cphaseshift01")
ANY = tuple(gate.name for gate in GATES_BY_CODE)


@pytest.fixture(params=["narrow", "wide"])
def stabilizers(request, monkeypatch):
    """Stabilizer simulation of parts of any width, or of none."""
    width = 1 if request.param == "narrow" else 99
    monkeypatch.setattr(reductions, "STABILIZER_QUBITS_MIN", width)
    monkeypatch.setattr(reductions, "REDUCED_QUBITS_MIN", 1)
    return request.param


def random_operations(slow, generator, qubit_count: int, count: int) -> Operations:
    names = [CLIFFORD, PLAIN, ANY, CLIFFORD + PLAIN][generator.integers(4)]
    operations = Operations()
    while len(operations) < count:
        if names is ANY and generator.random() < 0.1:
            size = int(generator.integers(1, min(4, qubit_count) + 1))
            targets = generator.permutation(qubit_count)[:size].tolist()
            operations.append_unitary(slow.random_unitary(generator, size).tolist(), targets)
            continue
        gate = GATES[str(generator.choice(names))]
        # Neighbours mostly, so that parts stay apart and cones stay small.
        first = int(generator.integers(qubit_count))
        near = [(first + k) % qubit_count for k in range(qubit_count)]
        room = min(3, qubit_count - gate.qubit_count)
        if room < 0:
            continue
        controls = int(generator.integers(room + 1)) if generator.random() < 0.15 else 0
        angles = generator.uniform(-7, 7, gate.parameter_count)
        if generator.random() < 0.5:
            angles = generator.integers(-4, 5, gate.parameter_count) * np.pi / 2
        power = float(generator.choice([2, -1, 0.5])) if generator.random() < 0.05 else 1.0
        operations.append(
            gate.code,
            generator.permutation(near[: gate.qubit_count + controls]).tolist(),
            angles.tolist(),
            control_count=controls,
            control_value=int(generator.integers(1 << controls)),
            power=power,
        )
    return operations


def hermitian(generator, size: int) -> tuple:
    matrix = generator.normal(size=(1 << size,) * 2) + 1j * generator.normal(size=(1 << size,) * 2)
    return tuple(map(tuple, (matrix + matrix.conj().T).tolist()))


def random_results(generator, qubit_count: int, kinds) -> list[ResultType]:
    results = []
    for _ in range(int(generator.integers(1, 4))):
        kind = str(generator.choice(kinds))
        qubits = generator.permutation(qubit_count)
        qubits = qubits[: int(generator.integers(1, qubit_count + 1))].tolist()
        if kind in {"probability", "density_matrix"}:
            targets = None if generator.random() < 0.2 else tuple(qubits)
            results.append(ResultType(kind, targets=targets))
        elif kind == "amplitude":
            states = ["".join(generator.choice(["0", "1"], qubit_count)) for _ in range(3)]
            results.append(ResultType(kind, states=tuple(states)))
        elif kind == "state_vector":
            results.append(ResultType(kind))
        else:
            results.append(ResultType(kind, random_observable(generator, qubits)))
    return results


def random_observable(generator, qubits: list[int]) -> tuple[Factor, ...]:
    if generator.random() < 0.2:
        name = str(generator.choice([*"xyzhi", "hermitian"]))
        return (Factor(name, (), hermitian(generator, 1) if name == "hermitian" else None),)
    factors, rest = [], list(qubits)
    while rest:
        size = min(len(rest), int(generator.integers(1, 3)))
        if generator.random() < 0.2:
            targets, rest = tuple(rest[:size]), rest[size:]
            factors.append(Factor("hermitian", targets, hermitian(generator, size)))
        else:
            factors.append(Factor(str(generator.choice(list("xyzzhi"))), (rest.pop(0),)))
    return tuple(factors)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if isinstance(b, dict):
            assert a.keys() == b.keys()
            a, b = list(a.values()), list(b.values())
        scale = max(1.0, float(np.abs(np.asarray(b)).max()))
        np.testing.assert_allclose(a, b, rtol=0, atol=ERROR_MAX * scale)
        assert np.shape(a) == np.shape(b)


@settings(max_examples=150, deadline=None, suppress_health_check=[])
@given(seed=st.integers(0, 2**32), qubit_count=st.integers(1, 7), count=st.integers(0, 25))
def _exact(slow, seed, qubit_count, count):
    generator = np.random.default_rng(seed)
    operations = random_operations(slow, generator, qubit_count, count)
    kinds = ["expectation", "variance", "probability", "density_matrix"]
    if generator.random() < 0.4:
        kinds += ["amplitude", "state_vector"]
    if generator.random() < 0.1:
        kinds = ["amplitude"]
    results = tuple(random_results(generator, qubit_count, kinds))
    circuit = Circuit(tuple(range(qubit_count)), operations, results)
    state = StateVector(qubit_count)
    state.apply(operations)
    plan = plan_circuit(circuit, shots=0)
    assert plan.width <= qubit_count
    simulate = part_simulator(thread_count=1, is_single=plan.is_single)
    assert_same(run_exact(plan, circuit, simulate=simulate), exact_values(state, results))


def test_exact_results_equal_those_of_the_whole_state(slow, stabilizers):
    _exact(slow)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), qubit_count=st.integers(1, 7), count=st.integers(0, 25))
def _samples(slow, seed, qubit_count, count):
    generator = np.random.default_rng(seed)
    operations = random_operations(slow, generator, qubit_count, count)
    results, measured = (), ()
    if generator.random() < 0.5:
        results = (ResultType("sample", random_observable(generator, list(range(qubit_count)))),)
    else:
        measured = tuple(generator.permutation(qubit_count)[: generator.integers(1, 8)].tolist())
    circuit = Circuit(tuple(range(qubit_count)), operations, results, measured)
    turned = rotations(joint_basis(results, qubit_count))
    state = StateVector(qubit_count)
    state.apply(operations)
    state.apply(turned)
    measured = measured or tuple(range(qubit_count))
    plan = plan_circuit(circuit, shots=10, rotations=turned)
    found = planned_distribution(plan, measured)
    np.testing.assert_allclose(found, state.probabilities(measured), rtol=0, atol=ERROR_MAX)
    # Stand-ins for the rotations may only be wider.
    assert plan.width <= plan_circuit(circuit, shots=10).width <= qubit_count


def planned_distribution(plan, measured):
    """Return the distribution of what `run_samples` returns, from the parts' own."""
    (group,) = plan.groups
    weights, drawn = np.ones(1), []
    for index in group.slots:
        part = plan.parts[index]
        qubits = range(part.qubit_count)
        if part.engine == "stabilizer":
            own = StabilizerState(part.qubit_count, part.steps).probabilities(qubits)
        else:
            state = StateVector(part.qubit_count)
            state.apply(part.operations())
            own = state.probabilities(qubits)
        outcomes = np.array(list(itertools.product([0, 1], repeat=part.qubit_count)), np.uint8).T
        drawn = [np.repeat(bits, own.size, axis=1) for bits in drawn]
        drawn.append(np.tile(outcomes, weights.size))
        weights = np.outer(weights, own).ravel()
    bits = merge_columns(plan, drawn, weights.size)[list(measured)]
    numbers = np.zeros(weights.size, dtype=int)
    for row in bits:
        numbers = numbers << 1 | row
    return np.bincount(numbers, weights, minlength=1 << len(measured))


def test_samples_have_the_distribution_of_the_whole_state(slow, stabilizers):
    _samples(slow)
