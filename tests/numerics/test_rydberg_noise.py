"""Shots that differ: every part of the noise against what it must do on average.

Frequencies are compared within 6.2 standard deviations, which a right simulator exceeds with a
probability below 1e-9; seeds are fixed besides.
"""

import numpy as np
import pytest
from scipy.stats import chi2

from openbraket.circuits.ahs import C6_RAD_M6_PER_S, AhsNoise
from openbraket.simulators.rydberg import RydbergSettings, distribution, simulate
from openbraket.simulators.rydberg.noise import draw_shots
from support.ahs import FAR_M, driven, exponentials, hamiltonian

SHOTS = 4000
SIGMAS = 6.2


def assert_frequency(found: np.ndarray, probability: float) -> None:
    deviation = np.sqrt(probability * (1 - probability) / found.size)
    assert abs(found.mean() - probability) <= SIGMAS * deviation + 1e-12


def gauss_hermite(deviation: float, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of an average over a normal distribution."""
    points, weights = np.polynomial.hermite_e.hermegauss(count)
    return points * deviation, weights / weights.sum()


def idle(filling: tuple[int, ...]):
    sites = [(k * 1e-5, 0.0) for k in range(len(filling))]
    return driven(sites, [0, 1e-7], [0, 0], [0, 0], filling=filling)


def pulse(angle: float, **more):
    """A resonant pulse on one atom."""
    return driven([(0, 0)], [0, 0.25e-6], [angle / 0.25e-6] * 2, [0, 0], **more)


def test_without_noise_idle_atoms_stay():
    result = simulate(idle((1, 0, 1)), shots=10, seed=3)
    assert result.pre_sequences.tolist() == [[1, 0, 1]] * 10
    assert result.post_sequences.tolist() == [[1, 0, 1]] * 10


def test_pi_pulse_reads_zero():
    result = simulate(pulse(np.pi), shots=200, seed=3)
    assert not result.post_sequences.any()


@pytest.mark.parametrize(
    ("name", "filling", "pre", "post"),
    [
        ("filling_error", 1, 0.9, 0.9),
        ("vacancy_error", 0, 0.1, 0.1),
        ("atom_detection_false_negative", 1, 0.9, 1.0),
        ("atom_detection_false_positive", 0, 0.1, 0.0),
        ("atom_loss_probability", 1, 1.0, 0.9),
        ("atom_capture_probability", 0, 0.0, 0.1),
        ("ground_detection_error", 1, 1.0, 0.9),
        ("preparation_probability", 1, 1.0, 1.0),
    ],
)
def test_each_lattice_error_shows_in_its_picture(name, filling, pre, post):
    result = simulate(idle((filling, filling)), shots=SHOTS, seed=5, noise=AhsNoise(**{name: 0.1}))
    assert_frequency(result.pre_sequences, pre)
    assert_frequency(result.post_sequences, post)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rydberg_detection_error", 0.1), ("preparation_probability", 0.1)],
)
def test_errors_of_excited_atoms(name, expected):
    result = simulate(pulse(np.pi), shots=SHOTS, seed=6, noise=AhsNoise(**{name: 0.1}))
    assert_frequency(result.post_sequences, expected)


def test_rabi_error_blurs_a_long_pulse():
    angle, deviation = 9 * np.pi, 0.03
    result = simulate(
        pulse(angle), shots=1500, seed=7, noise=AhsNoise(rabi_error_relative=deviation)
    )
    # <sin²(θ (1 + x) / 2)> for normal x
    excited = (1 - np.cos(angle) * np.exp(-((angle * deviation) ** 2) / 2)) / 2
    assert_frequency(1.0 - result.post_sequences, excited)


def test_dephasing_time_is_that_of_a_ramsey_experiment():
    t2, wait, short = 2e-6, 1.5e-6, 1e-8
    half = np.pi / 2 / short
    times = [0, short, short, short + wait, short + wait, 2 * short + wait]
    program = driven([(0, 0)], times, [half, half, 0, 0, half, half], [0.0] * 6)
    result = simulate(program, shots=1500, seed=8, noise=AhsNoise(t2_star_s=t2))
    excited = (1 + np.exp(-((wait / t2) ** 2))) / 2
    # The pulses themselves take 1.3 % of the time and dephase a little, too.
    found = 1.0 - result.post_sequences.mean()
    assert abs(found - excited) < SIGMAS * np.sqrt(0.25 / 1500) + 0.01


def test_atoms_that_move_blur_the_interaction():
    apart, deviation, rabi = 10e-6, 0.8e-6, np.pi / 1e-6
    program = driven([(0, 0), (apart, 0)], [0, 1e-6], [rabi] * 2, [0, 0])
    result = simulate(program, shots=1500, seed=9, noise=AhsNoise(atom_position_error_m=deviation))
    assert result.log.evolution_count == 1500

    def both(along: float, across: float) -> float:
        potential = np.array([0, 0, 0, C6_RAD_M6_PER_S / np.hypot(apart + along, across) ** 6])
        matrix = hamiltonian(potential, np.full(2, rabi), np.zeros(2), np.zeros(2))
        return abs(exponentials([(1e-6, matrix)])[3]) ** 2

    points, weights = gauss_hermite(np.sqrt(2) * deviation, 20)
    expected = sum(
        w * v * both(x, y)
        for x, w in zip(points, weights, strict=True)
        for y, v in zip(points, weights, strict=True)
    )
    found = (result.post_sequences.sum(axis=1) == 0).astype(float)
    assert_frequency(found, expected)
    # Without the errors it is another frequency, by more than chance.
    assert abs(both(0, 0) - expected) > 2 * SIGMAS * np.sqrt(expected * (1 - expected) / 1500)


@pytest.mark.parametrize(
    ("name", "attribute", "deviation", "of_shots", "of_atoms"),
    [
        ("site_position_error_m", "positions_m", 3e-8, False, True),
        ("atom_position_error_m", "positions_m", 3e-8, True, True),
        ("rabi_error_relative", "amplitude_factors", 0.02, True, False),
        ("rabi_inhomogeneity_relative", "amplitude_factors", 0.02, False, True),
        ("detuning_error_rad_per_s", "detuning_shifts_rad_per_s", 1e6, True, False),
        ("detuning_inhomogeneity_rad_per_s", "detuning_shifts_rad_per_s", 1e6, False, True),
        ("t2_star_s", "detuning_shifts_rad_per_s", 5e-6, True, True),
    ],
)
def test_errors_are_drawn_as_often_as_they_change(name, attribute, deviation, of_shots, of_atoms):
    program = idle((1,) * 40)
    still = draw_shots(program, AhsNoise(), 50, np.random.default_rng(4))
    draws = draw_shots(program, AhsNoise(**{name: deviation}), 50, np.random.default_rng(4))
    errors = getattr(draws, attribute) - getattr(still, attribute)
    for other in ("positions_m", "amplitude_factors", "detuning_shifts_rad_per_s"):
        same = np.array_equal(getattr(draws, other), getattr(still, other))
        assert same == (other != attribute)
    assert np.array_equal(draws.is_driven, still.is_driven)
    own = errors[: None if of_shots else 1, : None if of_atoms else 1]
    assert np.array_equal(errors, np.broadcast_to(own, errors.shape))
    assert np.unique(own.ravel()).size == own.size
    sigma = np.sqrt(2) / deviation if name == "t2_star_s" else deviation
    # The sum of squares of normal errors: outside of these bounds with a probability of 1e-9.
    low, high = chi2.ppf([5e-10, 1 - 5e-10], own.size)
    assert low <= float(np.sum((own / sigma) ** 2)) <= high
    assert abs(float(own.sum()) / sigma) <= SIGMAS * np.sqrt(own.size)


@pytest.mark.parametrize("name", ["detuning_error_rad_per_s", "t2_star_s"])
def test_common_detuning_errors_keep_atoms_alike_and_dephasing_does_not(name):
    # A Ramsey experiment on two atoms that do not see each other.
    short, wait, deviation = 1e-8, 0.5e-6, 4e6
    half = np.pi / 2 / short
    times = [0, short, short, short + wait, short + wait, 2 * short + wait]
    program = driven([(0, 0), (FAR_M, 0)], times, [half, half, 0, 0, half, half], [0.0] * 6)
    value = deviation if name == "detuning_error_rad_per_s" else np.sqrt(2) / deviation
    result = simulate(program, shots=1500, seed=15, noise=AhsNoise(**{name: value}))

    def excited(detuning: float) -> float:
        pulse = (short, hamiltonian(np.zeros(2), *np.array([[half], [0], [detuning]])))
        still = (wait, hamiltonian(np.zeros(2), *np.array([[0], [0], [detuning]])))
        return abs(exponentials([pulse, still, pulse])[1]) ** 2

    points, weights = gauss_hermite(deviation)
    shares = np.array([excited(point) for point in points])
    mean, square = weights @ shares, weights @ shares**2
    both = square if name == "detuning_error_rad_per_s" else mean**2
    assert_frequency(1.0 - result.post_sequences[:, 0], mean)
    assert_frequency((result.post_sequences.sum(axis=1) == 0).astype(float), both)
    assert abs(square - mean**2) > 1.4 * SIGMAS * np.sqrt(0.25 / 1500)


@pytest.mark.parametrize("gap_m", [0.5e-6, 4e-6, 6e-6])
@pytest.mark.parametrize("method", ["full", "mps"])
def test_atom_on_a_vacancy_blocks_its_neighbours(gap_m, method):
    # Nine places to one side belong to atoms far away, so that along the chain the vacancy is not
    # at its end.
    far = [(FAR_M + 2e-5 * k, 0.0) for k in range(4)]
    pair = [(0.0, 0.0), (gap_m, 0.0)]
    light = [0, 1e-7, 1e-6], [0, 9e6, 9e6], [4e6, -2e6, 1e6]
    program = driven([*pair, *far], *light, filling=(1, 0, 1, 1, 1, 1))
    result = simulate(
        program,
        shots=SHOTS,
        seed=16,
        settings=RydbergSettings(method=method),
        noise=AhsNoise(vacancy_error=1.0),
    )
    settings = RydbergSettings(tolerance=1e-6, blockade_radius_m=1e-6 if gap_m < 1e-6 else None)
    configurations, shares, _ = distribution(driven(pair, *light), settings=settings)
    expected = dict(zip(configurations.tolist(), shares.tolist(), strict=True))
    found = (1 - result.post_sequences[:, :2].astype(int)) @ np.array([1, 2])
    for configuration in range(4):
        share = expected.get(configuration, 0.0)
        deviation = np.sqrt(share * (1 - share) / SHOTS)
        frequency = float((found == configuration).mean())
        assert abs(frequency - share) <= SIGMAS * deviation + 3e-3


def test_noisy_shots_are_in_the_precision_that_was_asked_for():
    program = driven([(0, 0), (6e-6, 0)], [0, 3e-7], [1e7] * 2, [0, 1e6])
    noise = AhsNoise(rabi_error_relative=0.01)
    drifts = {
        precision: simulate(
            program,
            shots=5,
            seed=1,
            noise=noise,
            settings=RydbergSettings(shot_precision=precision),
        ).log.norm_drift
        for precision in ("single", "double")
    }
    assert drifts["double"] < 1e-12 < drifts["single"]


def test_shots_that_are_alike_share_an_evolution():
    program = driven([(0, 0), (FAR_M, 0)], [0, 1e-7], [1e7] * 2, [0, 0])
    result = simulate(program, shots=300, seed=1, noise=AhsNoise(filling_error=0.3))
    assert 2 <= result.log.evolution_count <= 4


def test_detection_errors_alone_need_one_evolution():
    noise = AhsNoise(ground_detection_error=0.1, rydberg_detection_error=0.1)
    result = simulate(pulse(1.0), shots=300, seed=1, noise=noise)
    assert result.log.evolution_count == 1


def test_seed_makes_shots_reproducible_whatever_the_threads():
    noise = AhsNoise(
        filling_error=0.1, atom_position_error_m=1e-7, t2_star_s=5e-6, rabi_error_relative=0.01
    )
    program = driven([(0, 0), (6e-6, 0)], [0, 3e-7], [1e7] * 2, [0, 1e6])
    first = simulate(program, shots=60, seed=11, noise=noise, thread_count=1)
    second = simulate(program, shots=60, seed=11, noise=noise, thread_count=3)
    other = simulate(program, shots=60, seed=12, noise=noise)
    assert np.array_equal(first.post_sequences, second.post_sequences)
    assert np.array_equal(first.pre_sequences, second.pre_sequences)
    assert not np.array_equal(first.post_sequences, other.post_sequences)


def test_a_hundredth_of_the_noise_gives_nearly_the_noiseless_frequencies():
    noise = AhsNoise(detuning_error_rad_per_s=1e4, rabi_inhomogeneity_relative=1e-4)
    program = pulse(1.9)
    noisy = simulate(program, shots=1000, seed=2, noise=noise)
    assert_frequency(1.0 - noisy.post_sequences, np.sin(1.9 / 2) ** 2)
