"""General contraction against state vectors, and what is refused before it runs."""

import warnings

import numpy as np
import pytest

from openbraket.base.errors import LimitError
from openbraket.circuits.circuit import Circuit, Factor, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.circuits.steps import steps_of
from openbraket.simulators.statevector import StateVector
from openbraket.simulators.statevector.exact import exact_values
from openbraket.simulators.tensornetwork import Limits, contraction, simulate, simulation
from openbraket.simulators.tensornetwork.contraction import NO_PATH, TOO_LONG, Contraction

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("quimb.tensor")

pytestmark = pytest.mark.filterwarnings("ignore")
GIB = 1 << 30


def scrambled(seed: int, qubit_count: int, count: int) -> Operations:
    generator, operations = np.random.default_rng(seed), Operations()
    for qubit in range(qubit_count):
        operations.append(GATES["h"].code, (qubit,))
    for _ in range(count):
        a, b = generator.permutation(qubit_count)[:2].tolist()
        operations.append(GATES["cz"].code, (a, b))
        operations.append(GATES["U"].code, (a,), generator.uniform(0, 6, 3))
    return operations


def test_values_equal_those_of_the_state_vector():
    operations = scrambled(1, 7, 20)
    asked = (
        ResultType("expectation", (Factor("z", (0,)), Factor("x", (4,)))),
        ResultType("variance", (Factor("y", (3,)),)),
        ResultType("probability", targets=(5, 1)),
        ResultType("density_matrix", targets=(2, 6)),
    )
    network = Contraction(7, steps_of(operations), memory_bytes=GIB)
    state = StateVector(7)
    state.apply(operations)
    for found, wanted in zip(network.values(asked), exact_values(state, asked), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-9, rtol=0)
    amplitude = ResultType("amplitude", states=("0101101",))
    (found,) = network.values((amplitude,))
    assert abs(found["0101101"] - state.amplitude(0b0101101)) < 1e-9


def test_samples_are_rehearsed_after_a_contraction():
    network = Contraction(12, steps_of(scrambled(3, 12, 24)), memory_bytes=GIB)
    before = network.rehearse_samples(1)
    network.sample(1, np.random.default_rng(1))
    assert network.rehearse_samples(1).width <= before.width + 1


def test_samples_follow_the_distribution():
    operations = scrambled(2, 4, 8)
    network = Contraction(4, steps_of(operations), memory_bytes=GIB)
    shots = 2000
    bits = network.sample(shots, np.random.default_rng(1))
    state = StateVector(4)
    state.apply(operations)
    for qubit in range(4):
        # Hoeffding: beyond 0.08 fails falsely with less than 2 · exp(-2 · 2000 · 0.08²) < 2e-11.
        assert abs(bits[qubit].mean() - state.probabilities([qubit])[1]) < 0.08


def test_what_is_beyond_the_limit_is_refused_with_the_numbers():
    circuit = Circuit(tuple(range(50)), scrambled(3, 50, 700))
    with pytest.raises(LimitError, match=f"{NO_PATH}|{TOO_LONG}") as caught:
        simulate(circuit, shots=1, limits=Limits(memory_bytes=GIB, seconds=60.0))
    for word in ("width", "floating-point operations", "bytes", "limits"):
        assert word in str(caught.value)


def dense(qubit_count: int, operations: Operations) -> StateVector:
    state = StateVector(qubit_count)
    state.apply(operations)
    return state


def amplitudes_of(qubit_count: int, operations: Operations):
    network = Contraction(qubit_count, steps_of(operations), memory_bytes=GIB)
    states = tuple(format(x, f"0{qubit_count}b") for x in range(1 << qubit_count))
    (found,) = network.values((ResultType("amplitude", states=states),))
    return np.array([found[state] for state in states])


def test_gates_with_many_controls_and_targets_equal_the_state_vector():
    generator, operations = np.random.default_rng(6), scrambled(4, 6, 8)
    operations.append(
        GATES["ry"].code, (4, 0, 5, 1, 2), (0.7,), control_count=4, control_value=0b1011
    )
    operations.append(GATES["gphase"].code, (5, 3, 0, 2), (0.9,), control_count=4, control_value=5)
    operations.append(GATES["ccnot"].code, (1, 3, 0, 4, 2), (), control_count=2, control_value=0b01)
    operations.append(GATES["cswap"].code, (5, 2, 0, 3), (), control_count=1, control_value=0)
    matrix = np.linalg.qr(generator.normal(size=(16, 16, 2)) @ [1, 1j])[0]
    operations.append_unitary(matrix.tolist(), (3, 0, 5, 1))
    found = amplitudes_of(6, operations)
    assert np.abs(found - dense(6, operations).amplitudes()).max() < 1e-9


def test_forty_controls_make_no_tensor_of_their_own():
    operations = scrambled(7, 42, 12)
    controls = tuple(range(40))
    operations.append(
        GATES["ry"].code, (*controls, 41), (1.0,), control_count=40, control_value=(1 << 40) - 1
    )
    network = Contraction(42, steps_of(operations), memory_bytes=GIB)
    assert network.rehearse_amplitude().width <= 42


def test_too_many_operations_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setattr(contraction, "STEPS_MAX", 600)
    monkeypatch.setattr(simulation, "PATIENT_TRIAL_BOND", 2)
    circuit = Circuit(tuple(range(50)), scrambled(3, 50, 700))
    with pytest.raises(LimitError, match=f"{NO_PATH} .*width .* operations, more than the 600"):
        simulate(circuit, shots=1, limits=Limits(memory_bytes=GIB, seconds=60.0))


def test_progress_never_falls_when_a_contraction_follows_a_trial():
    shares: list[float] = []
    circuit = Circuit(tuple(range(40)), scrambled(3, 40, 150))
    limits = Limits(memory_bytes=GIB, seconds=0.01)  # no matrix product state, and a refusal
    with pytest.raises(LimitError, match=f"{NO_PATH}|{TOO_LONG}"):
        simulate(circuit, shots=1, limits=limits, report=shares.append)
    assert len(shares) > 2
    assert shares == sorted(shares)
