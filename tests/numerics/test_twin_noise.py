"""A gate of a twin has exactly the average fidelity that its device publishes."""

from functools import reduce
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbraket.circuits.channels import kraus_operators
from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.gates import GATES
from openbraket.devices import Catalogue
from openbraket.devices.calibration import Calibration, QubitFigures, read_calibration
from openbraket.devices.noise import add_noise, gate_noise

TWINS = [device for device in Catalogue().search() if device.backend == "qpu_twin"]
times = st.floats(1e-6, 1e-3) | st.just(inf)


@st.composite
def qubits(draw):
    t1_s, t2_s = draw(times), draw(times)
    return QubitFigures(t1_s, min(t2_s, 2 * t1_s), draw(st.floats(0.98, 1)), 0.0, 0.0)


def channel_of(noisy, count):
    """Return the superoperator Σ K ⊗ K* of all channels of a circuit, on `count` qubits."""
    total = np.eye(4**count, dtype=complex)
    for noise in noisy.operations.noise:
        own = np.zeros((4**count, 4**count), dtype=complex)
        for matrix in kraus_operators(noise):
            kraus = np.array(matrix)
            if len(noise.targets) < count:
                parts = [kraus if k in noise.targets else np.eye(2) for k in range(count)]
                kraus = reduce(np.kron, parts)
            own += np.kron(kraus, kraus.conj())
        total = own @ total
    return total


def average_fidelity(superoperator, count):
    size = 2**count
    entanglement = np.trace(superoperator).real / size**2
    return (size * entanglement + 1) / (size + 1)


def noisy_gate(name, own, pair_fidelity, duration_s, relaxation):
    operations = Operations()
    gate = GATES[name]
    operations.append(gate.code, range(gate.qubit_count), (0.3,) * gate.parameter_count)
    calibration = Calibration(
        qubits=dict(enumerate(own)),
        pairs={},
        pair_default=pair_fidelity,
        one_qubit_s=duration_s,
        two_qubit_s=duration_s,
        readout_s=0.0,
        virtual_gates=frozenset(),
        is_serial=False,
    )
    count = gate.qubit_count
    circuit = Circuit(tuple(range(count)), operations)
    return channel_of(add_noise(circuit, calibration, relaxation=relaxation), count)


@given(qubits(), st.floats(1e-9, 1e-5), st.sampled_from(["exact", "twirled"]))
def test_one_qubit_gate_has_its_published_fidelity(own, duration_s, relaxation):
    channel = noisy_gate("prx", [own], 1.0, duration_s, relaxation)
    assert average_fidelity(channel, 1) == pytest.approx(own.fidelity, abs=1e-9)


@given(
    qubits(), qubits(), st.floats(0.7, 1), st.floats(1e-9, 1e-5),
    st.sampled_from(["exact", "twirled"]),
)  # fmt: skip
def test_two_qubit_gate_has_its_published_fidelity(a, b, fidelity, duration_s, relaxation):
    channel = noisy_gate("cz", [a, b], fidelity, duration_s, relaxation)
    assert average_fidelity(channel, 2) == pytest.approx(fidelity, abs=1e-9)


@given(qubits(), st.floats(1e-9, 1e-4))
def test_twirled_relaxation_is_the_pauli_average_of_the_exact_one(own, duration_s):
    paulis = [np.array(GATES[name].matrix()) for name in ("i", "x", "y", "z")]
    # The second qubit waits while the first one has a gate; nothing else errs.
    waiting = QubitFigures(own.t1_s, own.t2_s, 1.0, 0.0, 0.0)
    operations = Operations()
    for name, targets in (("cz", (0, 1)), ("prx", (0,))):
        operations.append(GATES[name].code, targets, (0.3,) * GATES[name].parameter_count)
    calibration = Calibration(
        qubits={0: QubitFigures(inf, inf, 1.0, 0.0, 0.0), 1: waiting}, pairs={}, pair_default=1.0,
        one_qubit_s=duration_s, two_qubit_s=0.0, readout_s=0.0, virtual_gates=frozenset(),
        is_serial=False,
    )  # fmt: skip
    exact, twirled = (
        channel_of(add_noise(Circuit((0, 1), operations), calibration, relaxation=kind), 2)
        for kind in ("exact", "twirled")
    )
    averaged = np.zeros(exact.shape, dtype=complex)
    for pauli in paulis:
        both = np.kron(np.eye(2), pauli)
        frame = np.kron(both, both.conj())
        averaged += frame @ exact @ frame / 4
    # Coherences below 1e-8 are lost in 1 - c²/z.
    np.testing.assert_allclose(averaged, twirled, atol=2e-8)


@pytest.mark.parametrize("device", TWINS, ids=lambda device: device.name)
def test_every_published_fidelity_is_reached(device):
    calibration = read_calibration(device.capabilities, device.twin)
    own = calibration.qubits
    cases = [((q,), figures.fidelity, calibration.one_qubit_s) for q, figures in own.items()]
    pairs = calibration.pairs or {(0, 1): calibration.pair_default}
    cases += [(pair, fidelity, calibration.two_qubit_s) for pair, fidelity in pairs.items()]
    for targets, fidelity, duration_s in cases:
        figures = [own[qubit] for qubit in targets]
        noise = gate_noise(fidelity, duration_s, figures)
        product_of = [
            1 + 2 * np.exp(-noise.relaxation_s / one.t2_s) + np.exp(-noise.relaxation_s / one.t1_s)
            for one in figures
        ]
        size = 2 ** len(targets)
        trace = 1 + noise.depolarization * (np.prod(product_of) - 1)
        assert (trace / size + 1) / (size + 1) == pytest.approx(fidelity, abs=1e-9)
