"""Matrix product states of atoms against the full space, and what their truncations leave out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbraket.circuits.ahs import AhsNoise
from openbraket.kernels import ChainState
from openbraket.simulators.rydberg import RydbergSettings, distribution, simulate
from openbraket.simulators.rydberg.chain import EVOLUTIONS_MAX, AtomChain
from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.problem import Problem
from openbraket.simulators.rydberg.register import distances, interactions
from openbraket.simulators.rydberg.splitting import steps_of
from openbraket.simulators.rydberg.watch import Watch
from support.ahs import chain, driven, series, sweep

C6 = 5.42e-24


def problem_of(program):
    return Problem(
        interactions(distances(np.array(program.sites_m)), C6),
        drive_of(program, range(len(program.sites_m)), "documented"),
    )


def evolved_chain(problem, step_s, *, reach, max_bond=1 << 10, cutoff=0.0):
    state = AtomChain(problem.couplings, reach=reach, max_bond=max_bond, cutoff=cutoff)
    with Watch() as watch:
        state.evolve(problem.drive, steps_of(problem.drive, step_s), watch)
    return state.kernel


def evolved_full(problem, step_s):
    space = problem.space()
    with Watch() as watch:
        space.evolve(problem.drive, steps_of(problem.drive, step_s), watch)
    return space.amplitudes()


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 8),
    stage_count=st.integers(1, 6),
    seed=st.integers(0, 1 << 32),
)
def test_stages_equal_dense_matrices_and_phases(count, stage_count, seed):
    generator = np.random.default_rng(seed)
    couplings = generator.normal(size=(count, count))
    couplings = couplings + couplings.T
    np.fill_diagonal(couplings, 0.0)
    matrices = generator.normal(size=(stage_count, count, 2, 2, 2))
    unitaries = np.linalg.qr(matrices[..., 0] + 1j * matrices[..., 1])[0]
    betas = generator.normal(size=stage_count)
    state = ChainState(
        couplings.ravel(), atom_count=count, reach=max(1, count - 1), max_bond=256, cutoff=0.0
    )
    assert state.apply(unitaries.ravel(), betas)
    bits = np.arange(1 << count)[:, None] >> np.arange(count) & 1
    energies = 0.5 * np.einsum("cj,jk,ck->c", bits, couplings, bits)
    expected = np.zeros(1 << count, dtype=complex)
    expected[0] = 1.0
    for stage in range(stage_count):
        tensor = expected.reshape((2,) * count)
        for k in range(count):  # atom k is axis count - 1 - k
            axis = count - 1 - k
            tensor = np.moveaxis(np.tensordot(unitaries[stage, k], tensor, (1, axis)), 0, axis)
        expected = tensor.ravel() * np.exp(-1j * betas[stage] * energies)
    np.testing.assert_allclose(state.amplitudes(), expected, atol=1e-6)
    assert state.norm == pytest.approx(1.0, abs=1e-12)
    densities = (np.abs(expected) ** 2) @ bits
    np.testing.assert_allclose(state.densities(), densities, atol=1e-6)


@pytest.mark.parametrize("legs", [1, 2])
def test_chain_with_full_reach_equals_full_space(legs):
    sites = [(6.3e-6 * (k // legs), 6.9e-6 * (k % legs)) for k in range(10)]
    problem = problem_of(sweep(sites))
    state = evolved_chain(problem, 20e-9, reach=9)
    overlap = np.vdot(evolved_full(problem, 20e-9), state.amplitudes())
    assert 1 - abs(overlap) < 1e-9
    assert abs(1 - state.norm) < 1e-10


def test_local_drives_reach_their_own_atoms():
    program = driven(
        chain(6),
        [0, 0.3e-6],
        [6e6, 9e6],
        [4e6, -3e6],
        local_detunings=(series([0, 0.3e-6], [0, 40e6], [0, 0.3, 0.1, 0.9, 0.0, 1.0]),),
    )
    problem = problem_of(program)
    state = evolved_chain(problem, 5e-9, reach=5)
    expected = np.abs(evolved_full(problem, 5e-9)) ** 2
    np.testing.assert_allclose(np.abs(state.amplitudes()) ** 2, expected, atol=1e-7)


@pytest.mark.parametrize(("cutoff", "max_bond"), [(1e-8, 1024), (1e-6, 1024), (0.0, 6)])
def test_discarded_weight_estimates_the_infidelity(cutoff, max_bond):
    problem = problem_of(sweep(chain(11)))
    state = evolved_chain(problem, 20e-9, reach=10, cutoff=cutoff, max_bond=max_bond)
    lost = 1 - abs(np.vdot(evolved_full(problem, 20e-9), state.amplitudes())) ** 2
    assert state.peak_bond <= max_bond
    assert 1e-7 < state.discarded_weight < 0.1
    assert lost < 3 * state.discarded_weight
    assert abs(1 - state.norm) < 1e-10


def test_reach_neglects_what_is_farther():
    problem = problem_of(sweep(chain(8)))
    near = problem.couplings.copy()
    apart = np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    near[apart > 2] = 0.0
    cut = Problem(near, problem.drive)
    state = evolved_chain(problem, 20e-9, reach=2)
    assert 1 - abs(np.vdot(evolved_full(cut, 20e-9), state.amplitudes())) < 1e-9


def test_samples_follow_the_distribution():
    program = sweep(chain(5))
    found = simulate(program, shots=200_000, seed=3, settings=RydbergSettings(method="mps"))
    assert found.log.method == "mps"
    index = (1 - found.post_sequences.astype(int)) @ (1 << np.arange(5))
    counts = np.bincount(index, minlength=32)
    expected = np.zeros(32)
    configurations, shares, _ = distribution(program)
    expected[configurations.astype(int)] = shares
    # With the seed above; 0.02 is far above the standard deviation of 0.003 and the error 1e-3.
    assert 0.5 * np.abs(counts / 200_000 - expected).sum() < 0.02


def test_ladder_is_ordered_rung_by_rung():
    sites = [(x * 6.7e-6, y * 6.7e-6) for y in range(2) for x in range(5)]
    found = simulate(sweep(sites), shots=20_000, seed=5, settings=RydbergSettings(method="mps"))
    configurations, shares, _ = distribution(sweep(sites))
    bits = (configurations[:, None] >> np.arange(10, dtype=np.uint64)) & np.uint64(1)
    # Standard deviation at most 0.0036 with the seed above.
    np.testing.assert_allclose(
        1 - found.post_sequences.mean(axis=0), shares @ bits.astype(float), atol=0.02
    )


def test_chain_of_sixty_atoms_runs_by_itself():
    program = driven(chain(60), [0, 0.1e-6, 0.4e-6], [0, 15e6, 15e6], [-20e6, -20e6, 0])
    found = simulate(program, shots=2000, seed=1)
    log = found.log
    assert (log.method, log.atom_count, log.evolution_count) == ("mps", 60, 1)
    assert 1 < log.peak_bond < 64
    assert log.discarded_weight < 1e-4
    assert any("truncation error (discarded weight)" in line for line in log.lines())
    # Far from the ends a chain of 60 is as one of 13; standard deviation 0.003, seed above.
    few = driven(chain(13), [0, 0.1e-6, 0.4e-6], [0, 15e6, 15e6], [-20e6, -20e6, 0])
    configurations, shares, _ = distribution(few)
    middle = float(shares[(configurations >> np.uint64(6)) & np.uint64(1) > 0].sum())
    assert 1 - found.post_sequences[:, 20:40].mean() == pytest.approx(middle, abs=0.01)


def test_noisy_shots_share_few_draws_and_say_so():
    program = driven(chain(6), [0, 0.2e-6], [12e6, 12e6], [0, 0])
    noise = AhsNoise(rabi_error_relative=0.02, filling_error=0.3, ground_detection_error=0.1)
    found = simulate(
        program, shots=100, seed=2, settings=RydbergSettings(method="mps"), noise=noise
    )
    assert found.log.evolution_count == EVOLUTIONS_MAX
    assert any("100 shots share 8 draws" in text for text in found.log.warnings)
    for draw in range(EVOLUTIONS_MAX):
        assert len(np.unique(found.pre_sequences[draw::EVOLUTIONS_MAX], axis=0)) == 1
    # Read-out errors are drawn for every shot: a missing atom is never seen, a present one may be.
    assert not np.any(found.post_sequences[found.pre_sequences == 0])


def test_read_out_errors_alone_are_one_evolution():
    program = driven(chain(6), [0, 0.2e-6], [12e6, 12e6], [0, 0])
    noise = AhsNoise(rydberg_detection_error=0.1, ground_detection_error=0.1)
    found = simulate(
        program, shots=100, seed=2, settings=RydbergSettings(method="mps"), noise=noise
    )
    assert found.log.evolution_count == 1
    assert found.log.warnings == ()
