"""The noise of a processor: what is written, and when."""

from math import exp, log

import pytest

from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.gates import GATES
from openbraket.devices.calibration import Calibration, QubitFigures
from openbraket.devices.noise import add_noise, gate_noise

SHORT, LONG, READOUT = 20e-9, 40e-9, 1e-6
OWN = QubitFigures(30e-6, 20e-6, 0.999, 0.01, 0.02)
LOST = float("inf")


def calibration(**changes):
    values = {
        "qubits": dict.fromkeys(range(10), OWN),
        "pairs": {(0, 1): 0.98},
        "pair_default": 0.99,
        "one_qubit_s": SHORT,
        "two_qubit_s": LONG,
        "readout_s": READOUT,
        "virtual_gates": frozenset({"rz"}),
        "is_serial": False,
    }
    return Calibration(**values | changes)


def circuit(*gates, count=3, barriers=()):
    operations = Operations()
    for name, *targets in gates:
        parameters = (0.3,) * GATES[name].parameter_count
        operations.append(GATES[name].code, targets, parameters)
    return Circuit(tuple(range(count)), operations, barriers=barriers)


def channels(noisy):
    return [(noise.name, noise.targets, noise.index) for noise in noisy.operations.noise]


def waits(noisy, target):
    """Return how long a qubit relaxes altogether, from its amplitude damping."""
    total = 1.0
    for noise in noisy.operations.noise:
        if noise.targets == (target,) and noise.name == "amplitude_damping":
            total *= 1 - noise.probabilities[0]
    return -OWN.t1_s * log(total)


def test_exact_noise_of_a_gate_is_depolarization_then_damping():
    noisy = add_noise(circuit(("prx", 0)), calibration(), relaxation="exact")
    assert channels(noisy) == [
        ("depolarizing", (0,), 1),
        ("amplitude_damping", (0,), 1),
        ("phase_damping", (0,), 1),
    ]
    depolarizing, damping, dephasing = (n.probabilities[0] for n in noisy.operations.noise)
    assert damping == pytest.approx(1 - exp(-SHORT / OWN.t1_s))
    # What is left of coherence is exp(-t/T2), that of amplitude damping included.
    left = ((1 - damping) * (1 - dephasing)) ** 0.5
    assert left == pytest.approx(exp(-SHORT / OWN.t2_s))
    noise = gate_noise(0.999, SHORT, [OWN])
    assert depolarizing == pytest.approx(0.75 * (1 - noise.depolarization))


def test_twirled_noise_of_a_gate_is_one_channel():
    noisy = add_noise(circuit(("prx", 0)), calibration(), relaxation="twirled")
    assert channels(noisy) == [("pauli_channel", (0,), 1)]
    x, y, z = noisy.operations.noise[0].probabilities
    factor = gate_noise(0.999, SHORT, [OWN]).depolarization
    # Eigenvalues of the channel on Z and X.
    assert x == y
    assert 1 - 2 * (x + y) == pytest.approx(factor * exp(-SHORT / OWN.t1_s))
    assert 1 - 2 * (y + z) == pytest.approx(factor * exp(-SHORT / OWN.t2_s))


def test_pair_has_depolarization_of_its_own_fidelity_whatever_the_order():
    noisy = add_noise(circuit(("cz", 1, 0), ("cz", 1, 2)), calibration(), relaxation="exact")
    found = [n for n in noisy.operations.noise if n.name == "two_qubit_depolarizing"]
    assert [(n.targets, n.index) for n in found] == [((1, 0), 1), ((1, 2), 2)]
    wanted = [gate_noise(f, LONG, [OWN, OWN]).probability(2) for f in (0.98, 0.99)]
    assert [n.probabilities[0] for n in found] == pytest.approx(wanted)


def test_virtual_gate_has_no_noise_and_takes_no_time():
    noisy = add_noise(circuit(("rz", 0), ("rz", 1)), calibration(), relaxation="exact")
    assert channels(noisy) == []


def test_gate_is_as_late_as_those_behind_it_allow():
    # Qubit 2's gate could be first; it waits for nothing, since it is put off to its CZ.
    program = circuit(("prx", 2), ("prx", 0), ("prx", 0), ("prx", 0), ("cz", 0, 2))
    noisy = add_noise(program, calibration(), relaxation="exact")
    assert waits(noisy, 2) == pytest.approx(SHORT + LONG)
    assert waits(noisy, 0) == pytest.approx(3 * SHORT + LONG)


def test_qubit_that_waits_relaxes():
    program = circuit(("cz", 0, 1), ("prx", 0), ("prx", 0), ("cz", 0, 1))
    noisy = add_noise(program, calibration(), relaxation="exact")
    assert waits(noisy, 1) == pytest.approx(2 * LONG + 2 * SHORT)
    # And until all are read.
    program = circuit(("cz", 0, 1), ("prx", 0))
    assert waits(add_noise(program, calibration(), relaxation="exact"), 1) == pytest.approx(
        LONG + SHORT
    )


def test_barrier_makes_gates_wait():
    gates = (("prx", 0), ("prx", 1), ("prx", 1))
    free = add_noise(circuit(*gates), calibration(), relaxation="exact")
    # All before the barrier: the first qubit waits for the second one's second gate.
    held = add_noise(circuit(*gates, barriers=((1, (0, 1)),)), calibration(), relaxation="exact")
    assert waits(free, 0) == pytest.approx(SHORT)
    assert waits(held, 0) == pytest.approx(3 * SHORT)


def test_serial_device_runs_one_gate_at_a_time():
    gates = (("prx", 0), ("prx", 1), ("prx", 2))
    noisy = add_noise(circuit(*gates), calibration(is_serial=True), relaxation="exact")
    assert [waits(noisy, k) for k in range(3)] == pytest.approx([3 * SHORT, 2 * SHORT, SHORT])


def test_measurement_for_feedback_takes_the_time_of_a_readout():
    # Qubit 2 is a measured bit; qubit 1 is conditioned on it, qubit 0 is measured.
    operations = Operations()
    operations.append(GATES["prx"].code, (0,), (0.3, 0.1))
    operations.append(GATES["prx"].code, (1,), (0.3, 0.1))
    operations.append(GATES["cnot"].code, (0, 2))
    operations.append(GATES["prx"].code, (2, 1), (0.3, 0.1), control_count=1, control_value=1)
    program = Circuit((0, 1, 99), operations)
    noisy = add_noise(program, calibration(), relaxation="exact", classical=frozenset({2}))
    assert not any(2 in noise.targets for noise in noisy.operations.noise)
    # Its first gate is put off to right before the conditional one, behind the readout.
    assert waits(noisy, 1) == pytest.approx(2 * SHORT)
    # Errors during a readout are among its own.
    assert waits(noisy, 0) == pytest.approx(2 * SHORT)
    assert sum(n.name == "depolarizing" for n in noisy.operations.noise) == 3


def test_gate_that_relaxes_more_than_it_errs_keeps_its_fidelity():
    noise = gate_noise(0.99999, 1e-6, [OWN])
    assert noise.depolarization == 1.0
    assert 0 < noise.relaxation_s < 1e-6


@pytest.mark.parametrize("fidelity", [1.0, 0.5, 0.25, 0.0])
def test_every_fidelity_gives_a_channel(fidelity):
    for qubits in ([OWN], [OWN, OWN]):
        noise = gate_noise(fidelity, LONG, qubits)
        assert 0 <= noise.relaxation_s <= LONG
        assert 0 <= noise.probability(len(qubits)) <= 1 - 0.25 ** len(qubits)


def test_gates_without_noise_leave_a_circuit_as_it_is():
    perfect = QubitFigures(LOST, LOST, 1.0, 0.0, 0.0)
    own = calibration(
        qubits=dict.fromkeys(range(3), perfect), pairs={}, pair_default=1.0, one_qubit_s=0.0
    )
    for relaxation in ("exact", "twirled"):
        noisy = add_noise(circuit(("prx", 0), ("cz", 0, 1)), own, relaxation=relaxation)
        assert channels(noisy) == []


def test_unknown_qubits_and_wide_gates_are_refused():
    only_two = calibration(qubits=dict.fromkeys(range(2), OWN))
    with pytest.raises(ValueError, match="The device has no qubit 2"):
        add_noise(circuit(("prx", 0)), only_two, relaxation="exact")
    with pytest.raises(ValueError, match="'ccnot' acts on 3 qubits"):
        add_noise(circuit(("ccnot", 0, 1, 2)), calibration(), relaxation="exact")


def test_channels_stand_in_the_order_of_their_places():
    program = circuit(("prx", 0), ("cz", 0, 1), ("prx", 1), ("rz", 1), ("cz", 1, 2), ("prx", 0))
    for relaxation in ("exact", "twirled"):
        noisy = add_noise(program, calibration(), relaxation=relaxation)
        places = [noise.index for noise in noisy.operations.noise]
        assert places == sorted(places)
