"""What textbooks and the SDK's own simulator say about neutral atoms."""

import itertools
from decimal import Decimal

import numpy as np
import pytest
from braket.ahs import AnalogHamiltonianSimulation, AtomArrangement
from braket.ahs import DrivingField as SdkField
from braket.devices import LocalSimulator
from braket.timings import TimeSeries as SdkSeries
from scipy.linalg import expm

from openbraket.simulators.rydberg import RydbergSettings, distribution, simulate
from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.problem import Problem
from openbraket.simulators.rydberg.register import distances, interactions
from openbraket.simulators.rydberg.stepping import calibrate, evolve_sampled, probabilities
from openbraket.simulators.rydberg.watch import Watch
from support.ahs import FAR_M, chain, driven, series, square, sweep

ACCURATE = RydbergSettings(tolerance=1e-8)


def densities(program, settings=ACCURATE):
    """The probability of |r> for each atom, and the whole distribution."""
    configurations, found, _ = distribution(program, settings=settings)
    count = sum(program.filling)
    bits = (configurations[:, None] >> np.arange(count, dtype=np.uint64)) & np.uint64(1)
    return found @ bits.astype(float), configurations, found


@pytest.mark.parametrize("detuning", [0.0, 3e6, -12e6])
def test_rabi_oscillation_of_one_atom(detuning):
    rabi = 8e6
    for duration in (0.1e-6, 0.37e-6, 1.1e-6):
        found, _, _ = densities(driven([(0, 0)], [0, duration], [rabi] * 2, [detuning] * 2))
        rate = np.hypot(rabi, detuning)
        expected = (rabi / rate * np.sin(rate * duration / 2)) ** 2
        assert found[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_blockaded_atoms_oscillate_with_the_square_root_of_their_number(count):
    rabi, duration = 2e6, 0.6e-6
    angles = 2 * np.pi * np.arange(count) / count
    sites = [(2e-6 * np.cos(a), 2e-6 * np.sin(a)) for a in angles]
    program = driven(sites, [0, duration], [rabi] * 2, [0.0] * 2)
    expected = np.sin(np.sqrt(count) * rabi * duration / 2) ** 2
    for settings, allowed in (
        (RydbergSettings(tolerance=1e-8, blockade_radius_m=5e-6), 1e-8),
        (ACCURATE, 2e-3),
    ):
        found, _, _ = densities(program, settings)
        assert found.sum() == pytest.approx(expected, abs=allowed)


def test_landau_zener_transition():
    rabi, rate, half = 6e6, 2e13, 15e-6
    program = driven([(0, 0)], [0, 2 * half], [rabi] * 2, [-rate * half, rate * half])
    found, _, _ = densities(program, RydbergSettings(tolerance=1e-6))
    # The finite sweep ends with a mixing of Ω / (2 Δ), which oscillates.
    assert 1 - found[0] == pytest.approx(np.exp(-np.pi * rabi**2 / (2 * rate)), abs=0.012)


def test_distant_atoms_are_independent():
    program = driven([(0, 0), (FAR_M, 0)], [0, 0.4e-6], [5e6, 9e6], [-2e6, 7e6])
    single, _, _ = densities(driven([(0, 0)], [0, 0.4e-6], [5e6, 9e6], [-2e6, 7e6]))
    found, _, joint = densities(program)
    assert found == pytest.approx([single[0]] * 2, abs=1e-8)
    assert joint[3] == pytest.approx(single[0] ** 2, abs=1e-8)


def test_sweep_orders_a_chain_in_alternation():
    found, configurations, probability = densities(sweep(chain(9)), RydbergSettings())
    assert int(configurations[probability.argmax()]) == 0b101010101
    assert probability.max() > 0.6
    assert found[::2].min() > 0.8
    assert found[1::2].max() < 0.2


def test_sweep_orders_a_square_as_a_checkerboard():
    _, configurations, probability = densities(sweep(square(3, 3)), RydbergSettings())
    checkerboard = sum(1 << k for k in range(9) if (k // 3 + k % 3) % 2 == 0)
    assert int(configurations[probability.argmax()]) == checkerboard


def test_sweep_finds_a_maximum_independent_set():
    cells = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 1), (2, 2), (3, 0), (3, 1)]
    spacing = 5.3e-6
    sites = [(x * spacing, y * spacing) for x, y in cells]
    is_edge = distances(np.array(sites)) < 1.5 * spacing
    largest = max(
        len(chosen)
        for size in range(len(sites) + 1)
        for chosen in itertools.combinations(range(len(sites)), size)
        if not is_edge[np.ix_(chosen, chosen)].any()
    )
    program = driven(
        sites, [0, 0.4e-6, 3.6e-6, 4e-6], [0, 15e6, 15e6, 0], [-30e6, -30e6, 35e6, 35e6]
    )
    _, configurations, probability = densities(
        program, RydbergSettings(blockade_radius_m=1.5 * spacing)
    )
    best = int(configurations[probability.argmax()])
    assert best.bit_count() == largest
    sizes = np.array([int(c).bit_count() for c in configurations])
    assert probability[sizes == largest].sum() > 0.5


def phase_jump(phase: float, detuning: float):
    times = [0, 0.2e-6, 0.4e-6]
    return driven([(0, 0)], times, [7e6] * 3, [detuning] * 3, [0.0, phase, phase])


def test_phase_has_the_documented_sign_unless_the_other_is_named():
    phase, detuning, rabi = 1.3, 5e6, 7e6
    state = np.array([1, 0], dtype=complex)
    for phi in (0.0, phase):
        # Ω/2 (e^{iφ} |g><r| + h.c.) - Δ n
        matrix = np.array([
            [0, rabi / 2 * np.exp(1j * phi)],
            [rabi / 2 * np.exp(-1j * phi), -detuning],
        ])
        state = expm(-0.2e-6j * matrix) @ state
    documented = abs(state[1]) ** 2
    found, _, _ = densities(phase_jump(phase, detuning))
    assert found[0] == pytest.approx(documented, abs=1e-8)
    other = RydbergSettings(tolerance=1e-8, phase_sign="local_simulator")
    opposite, _, _ = densities(phase_jump(phase, detuning), other)
    mirrored, _, _ = densities(phase_jump(-phase, detuning))
    assert opposite[0] == pytest.approx(mirrored[0], abs=1e-8)
    assert abs(opposite[0] - documented) > 0.1


def sdk_program(program) -> AnalogHamiltonianSimulation:
    drive = program.driving_fields[0]

    def sdk(field) -> SdkSeries:
        out = SdkSeries()
        for t, value in zip(field.series.times_s, field.series.values, strict=True):
            out.put(t, value)
        return out

    register = AtomArrangement()
    for x, y in program.sites_m:
        register.add((Decimal(str(x)), Decimal(str(y))))
    return AnalogHamiltonianSimulation(
        register, SdkField(sdk(drive.amplitude), sdk(drive.phase), sdk(drive.detuning))
    )


@pytest.mark.parametrize(
    "program",
    [phase_jump(1.3, 5e6), driven(chain(3), [0, 0.5e-6], [9e6] * 2, [2e6, 6e6], [0.4, 0.4])],
    ids=["phase", "chain"],
)
@pytest.mark.filterwarnings("ignore")
def test_other_sign_agrees_with_the_local_simulator_at_fine_steps(program):
    shots = 20_000
    counts = (
        LocalSimulator("braket_ahs")
        .run(sdk_program(program), shots=shots, steps=400)
        .result()
        .get_counts()
    )
    found, _, _ = densities(program, RydbergSettings(tolerance=1e-6, phase_sign="local_simulator"))
    for k, density in enumerate(found):
        measured = sum(count for state, count in counts.items() if state[k] == "r") / shots
        # 7 standard deviations: false-failure probability below 3e-12.
        assert abs(measured - density) < 7 * np.sqrt(density * (1 - density) / shots) + 1e-3


def test_vacancies_neither_evolve_nor_interact():
    sites = [(0, 0), (5e-6, 0), (10e-6, 0)]
    with_hole = driven(sites, [0, 0.5e-6], [9e6] * 2, [1e6] * 2, filling=(1, 0, 1))
    without = driven([sites[0], sites[2]], [0, 0.5e-6], [9e6] * 2, [1e6] * 2)
    assert densities(with_hole)[0] == pytest.approx(densities(without)[0], abs=1e-12)
    result = simulate(with_hole, shots=50, seed=1)
    assert result.pre_sequences.tolist() == [[1, 0, 1]] * 50
    assert not result.post_sequences[:, 1].any()


def test_patterns_belong_to_sites_also_where_some_are_vacant():
    sites, times = [(0, 0), (5e-6, 0), (10e-6, 0)], [0, 0.5e-6]
    values, factors = [1e7, 3e7], [0.2, 1.0, 0.9]

    def program(kept: list[int], filling: tuple[int, ...]):
        local = series(times, values, [factors[k] for k in kept])
        return driven(
            [sites[k] for k in kept],
            times,
            [9e6] * 2,
            [1e6] * 2,
            filling=filling,
            local_detunings=(local,),
        )

    with_hole, _, _ = densities(program([0, 1, 2], (1, 0, 1)))
    without, _, _ = densities(program([0, 2], (1, 1)))
    assert with_hole == pytest.approx(without, abs=1e-12)
    assert abs(with_hole[0] - with_hole[1]) > 0.05


@pytest.mark.parametrize("radius", [None, 6.7e-6], ids=["full", "blockade"])
def test_sampled_steps_estimate_the_error(radius):
    program, count = sweep(chain(10)), 10
    apart = distances(np.array(program.sites_m))
    is_blocked = None if radius is None else apart < radius
    problem = Problem(
        interactions(apart, 5.42e-24), drive_of(program, range(count), "documented"), is_blocked
    )
    with Watch() as watch:
        evolved = evolve_sampled(problem, calibrate(problem, 1e-3, watch), watch)
    settings = RydbergSettings(tolerance=1e-6, blockade_radius_m=radius)
    exact = distribution(program, settings=settings)[1]
    error = 0.5 * np.abs(probabilities(evolved.space) - exact).sum()
    assert error <= evolved.error <= 30 * error
    assert error <= 1e-3
