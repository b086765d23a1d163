"""What trajectories take, refuse and estimate."""

import numpy as np
import pytest

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit, Factor, Noise, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.simulators import trajectories
from openbraket.simulators.trajectories.draws import batch_sizes, draw_events


def noisy(qubit_count: int, gates, channels, **more) -> Circuit:
    """Gates, then channels at the end."""
    operations = Operations()
    for name, targets, parameters in gates:
        operations.append(GATES[name].code, targets, parameters)
    for name, targets, values in channels:
        operations.noise.append(Noise(name, targets, values, (), len(operations)))
    return Circuit(tuple(range(qubit_count)), operations, **more)


def ladder(qubit_count: int, angle: float = 0.3, **more) -> Circuit:
    gates = [("ry", (q,), (angle,)) for q in range(qubit_count)]
    gates += [("cnot", (q, q + 1), ()) for q in range(qubit_count - 1)]
    gates += [("ry", (q,), (angle,)) for q in range(qubit_count)]
    channels = [("depolarizing", (q,), (0.01,)) for q in range(qubit_count)]
    return noisy(qubit_count, gates, channels, **more)


def test_exact_results_and_no_shots_cannot_run():
    circuit = ladder(3)
    assert trajectories.can_run(circuit, 10)
    assert not trajectories.can_run(circuit, 0)
    for kind in ("state_vector", "density_matrix"):
        assert not trajectories.can_run(ladder(3, result_types=(ResultType(kind),)), 10)
    with pytest.raises(ProgramError, match="at least 1"):
        trajectories.simulate(circuit, shots=0)
    with pytest.raises(ProgramError, match="at least 1"):
        trajectories.cost(circuit, 0)
    with pytest.raises(ProgramError, match="no qubits"):
        trajectories.simulate(noisy(0, [], []), shots=1)


def test_too_many_interacting_qubits_are_refused():
    circuit = ladder(41)
    assert not trajectories.can_run(circuit, 1)
    with pytest.raises(LimitError, match="41 qubits that interact"):
        trajectories.simulate(circuit, shots=1)
    # Of three qubits at the start of the ladder only one other matters.
    few = ladder(41, measured=(0, 1, 2))
    assert trajectories.width_of(few, 1) == 4


def test_idle_qubits_cost_nothing():
    gates = [("rx", (q,), (0.4,)) for q in (3, 50)] + [("cz", (3, 50), ()), ("rx", (3,), (0.2,))]
    decay = [("amplitude_damping", (q,), (0.01,)) for q in range(108)]
    circuit = noisy(108, gates, decay)
    assert trajectories.width_of(circuit, 100) == 2
    assert not trajectories.stabilizer_can_run(circuit, 100)
    bits = trajectories.simulate(circuit, shots=100, seed=1).measurements
    assert bits.shape == (100, 108)
    assert not np.delete(bits, [3, 50], axis=1).any()


def test_clifford_circuits_with_pauli_noise_need_no_amplitudes():
    gates = [("h", (0,), ())] + [("cnot", (q, q + 1), ()) for q in range(63)]
    circuit = noisy(64, gates, [("bit_flip", (5,), (0.5,)), ("phase_flip", (7,), (0.5,))])
    assert trajectories.stabilizer_can_run(circuit, 10)
    assert trajectories.width_of(circuit, 10) == 0
    bits = trajectories.simulate(circuit, shots=200, seed=3).measurements
    others = np.delete(bits, 5, axis=1)
    assert (others == others[:, :1]).all()
    assert 40 < (bits[:, 5] != bits[:, 0]).sum() < 160  # false failure below 1e-16
    decaying = noisy(64, gates, [("amplitude_damping", (5,), (0.5,))])
    assert not trajectories.stabilizer_can_run(decaying, 10)


def test_estimates_grow_with_work():
    narrow, wide = ladder(8), ladder(20)
    assert trajectories.cost(narrow, 10) < trajectories.cost(narrow, 10_000)
    assert trajectories.cost(narrow, 100) < trajectories.cost(wide, 100)
    room = 4 << 30
    amounts = [trajectories.memory_bytes(circuit, 10, room) for circuit in (narrow, wide)]
    assert amounts[0] < amounts[1] < room
    double = trajectories.memory_bytes(wide, 10, 0, precision="double")
    assert double > trajectories.memory_bytes(wide, 10, 0, precision="single")


def test_observables_in_different_bases_on_one_qubit_are_refused():
    results = tuple(ResultType("expectation", (Factor(name, (0,)),)) for name in ("x", "z"))
    with pytest.raises(ProgramError, match="Conflicting"):
        trajectories.simulate(ladder(2, result_types=results), shots=5)


def test_events_are_independent_trials():
    generator = np.random.default_rng(5)
    rates = [0.0, 0.5, 0.01, 1.0, 0.5]
    shots, sites = draw_events(rates, 10_000, generator)
    keys = shots * len(rates) + sites
    assert (np.diff(keys) > 0).all()
    counts = np.bincount(sites, minlength=len(rates))
    assert counts[0] == 0
    assert counts[3] == 10_000
    for site in (1, 2, 4):  # 6.6 standard deviations: false failure 4e-11
        spread = (10_000 * rates[site] * (1 - rates[site])) ** 0.5
        assert abs(counts[site] - 10_000 * rates[site]) < 6.6 * spread
    first, second = (np.bincount(shots[sites == k], minlength=10_000) for k in (1, 4))
    assert abs((first & second).sum() - 2500) < 6.6 * (10_000 * 3 / 16) ** 0.5


def test_batches_have_all_shots_and_few_events():
    assert batch_sizes([0.1], 1000) == [1000]
    sizes = batch_sizes([1.0] * 1000, 1001)
    assert sum(sizes) == 1001
    assert max(sizes) <= 250
