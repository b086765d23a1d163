"""Atoms that decay from |r>, against dense master equations.

Frequencies are compared within 6.2 standard deviations, which a right simulator exceeds with a
probability below 1e-9; seeds are fixed besides.
"""

import numpy as np
import pytest

from openbraket.circuits.ahs import AhsNoise
from openbraket.simulators.rydberg import RydbergSettings, simulate
from openbraket.simulators.rydberg.decay import JumpDraws
from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.problem import Problem
from openbraket.simulators.rydberg.register import distances, interactions
from openbraket.simulators.rydberg.splitting import steps_of
from openbraket.simulators.rydberg.stepping import squares
from openbraket.simulators.rydberg.watch import Watch
from support.ahs import FAR_M, bits_of, chain, driven, energies, exponentials, hamiltonian, lindblad

SIGMAS = 6.2


def assert_distribution(post: np.ndarray, expected: np.ndarray) -> None:
    """Compare the frequency of every configuration; a site that reads 0 is excited."""
    found = np.bincount(
        (1 - post.astype(int)) @ (1 << np.arange(post.shape[1])), minlength=expected.size
    )
    deviation = np.sqrt(expected * (1 - expected) / len(post))
    assert np.all(np.abs(found / len(post) - expected) <= SIGMAS * deviation + 1e-3)


@pytest.mark.parametrize("radius_m", [None, 6.7e-6], ids=["full", "blockade"])
def test_without_a_jump_the_norm_falls_as_the_hamiltonian_says(radius_m):
    count, rate, times = 3, 2e6, [0, 0.4e-6]
    program = driven(chain(count), times, [9e6] * 2, [-4e6] * 2, [0.7] * 2)
    apart = distances(np.array(program.sites_m))
    problem = Problem(
        interactions(apart, 5.42e-24),
        drive_of(program, range(count), "documented").decaying(rate),
        None if radius_m is None else apart < radius_m,
    )
    space = problem.space()
    with Watch() as watch:
        space.evolve(problem.drive, steps_of(problem.drive, 1e-9), watch)
    ones = np.ones(count)
    matrix = hamiltonian(energies(program.sites_m), 9e6 * ones, 0.7 * ones, -4e6 * ones)
    matrix -= 0.5j * rate * np.diag(bits_of(count).sum(axis=1))
    kept = space.configurations().astype(int)
    expected = exponentials([(times[1], matrix[np.ix_(kept, kept)])])
    assert np.vdot(expected, expected).real < 0.9
    np.testing.assert_allclose(squares(space.amplitudes()), np.abs(expected) ** 2, atol=1e-6)
    assert space.norm() == pytest.approx(np.vdot(expected, expected).real, abs=1e-6)


def test_pi_wait_pulse_shows_the_lifetime():
    t1, short, wait, shots = 4e-6, 5e-8, 3e-6, 1200
    times, half = [0, short, short, short + wait], np.pi / short
    program = driven([(0, 0)], times, [half, half, 0, 0], [0.0] * 4)
    result = simulate(program, shots=shots, seed=21, noise=AhsNoise(t1_s=t1))
    pulse, still = (
        hamiltonian(np.zeros(2), np.array([rabi]), np.zeros(1), np.zeros(1)) for rabi in (half, 0.0)
    )
    expected = lindblad([(short, pulse), (wait, still)], np.arange(2), 1 / t1)
    assert expected[1] == pytest.approx(np.exp(-wait / t1), abs=4e-3)
    assert_distribution(result.post_sequences, expected)
    assert result.log.evolution_count > shots / 4
    assert result.log.norm_drift is None


@pytest.mark.parametrize("method", ["full", "blockade"])
def test_driven_atoms_that_decay_follow_the_master_equation(method):
    rabi, detuning, rate, times = 8e6, 1e6, 1.2e6, [0, 1.1e-6]
    program = driven([(0, 0), (6.1e-6, 0)], times, [rabi] * 2, [detuning] * 2)
    settings = RydbergSettings(
        method=method, blockade_radius_m=7e-6 if method == "blockade" else None
    )
    result = simulate(
        program, shots=1000, seed=22, settings=settings, noise=AhsNoise(t1_s=1 / rate)
    )
    assert result.log.method == method
    ones = np.ones(2)
    matrix = hamiltonian(energies(program.sites_m), rabi * ones, 0 * ones, detuning * ones)
    kept = np.arange(4 if method == "full" else 3)
    expected = np.zeros(4)
    expected[kept] = lindblad([(times[1], matrix[np.ix_(kept, kept)])], kept, rate)
    assert_distribution(result.post_sequences, expected)
    pure = np.zeros(4)
    pure[kept] = np.abs(exponentials([(times[1], matrix[np.ix_(kept, kept)])])) ** 2
    assert 0.5 * np.abs(pure - expected).sum() > 0.3  # what decay does is not small here


def test_several_jumps_of_one_shot_are_followed():
    # On average 1.2 jumps of each atom.
    rabi, rate, duration = 1.7e7, 2e6, 1.2e-6
    program = driven([(0, 0), (FAR_M, 0)], [0, duration], [rabi] * 2, [0.0] * 2)
    result = simulate(program, shots=250, seed=23, noise=AhsNoise(t1_s=1 / rate))
    matrix = hamiltonian(np.zeros(4), rabi * np.ones(2), np.zeros(2), np.zeros(2))
    expected = lindblad([(duration, matrix)], np.arange(4), rate)
    assert_distribution(result.post_sequences, expected)


def test_jumps_do_not_depend_on_the_threads():
    program = driven(chain(3), [0, 1e-6], [9e6] * 2, [0.0] * 2)
    noise = AhsNoise(t1_s=1e-6, t2_star_s=5e-6)
    first, second = (
        simulate(program, shots=40, seed=24, noise=noise, thread_count=threads).post_sequences
        for threads in (1, 3)
    )
    assert np.array_equal(first, second)


def test_a_level_that_rounding_alone_reaches_is_no_jump():
    program = driven([(0, 0)], [0, 1e-6], [0.0] * 2, [1e6] * 2)
    result = simulate(program, shots=5, seed=1, noise=AhsNoise(t1_s=1e-6))
    assert result.post_sequences.all()
    draws = JumpDraws.draw(3, np.random.default_rng(1))
    assert draws.generator(2).random() == draws.generator(2).random()
    assert draws.generator(2).random() != draws.generator(1).random()
