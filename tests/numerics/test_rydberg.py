"""Evolution of neutral atoms against dense exponentials and a general-purpose integrator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbraket.circuits.ahs import AhsProgram, DrivingField
from openbraket.circuits.ahs_cost import STAGES_PER_STEP, SWEEPS_PER_STEP
from openbraket.simulators.rydberg import RydbergSettings, distribution
from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.problem import Problem
from openbraket.simulators.rydberg.register import distances, interactions
from openbraket.simulators.rydberg.splitting import (
    A_WEIGHTS,
    B_WEIGHTS,
    SWEEP_WEIGHTS,
    Steps,
    flows,
    stage_columns,
    steps_of,
    sweep_columns,
)
from openbraket.simulators.rydberg.watch import Watch
from support.ahs import (
    chain,
    driven,
    energies,
    exponentials,
    hamiltonian,
    integrated,
    series,
    square,
    sweep,
)

TOLERANCE = 1e-5


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    return 0.5 * float(np.abs(a - b).sum())


def problem_of(program: AhsProgram, radius_m: float | None = None) -> Problem:
    apart = distances(np.array(program.sites_m))
    return Problem(
        interactions(apart, 5.42e-24),
        drive_of(program, range(len(program.sites_m)), "documented"),
        None if radius_m is None else apart < radius_m,
    )


@st.composite
def constant_pieces(draw):
    """A program whose Hamiltonian is constant on every piece, and those Hamiltonians."""
    count = draw(st.integers(1, 6))
    piece_count = draw(st.integers(1, 3))
    cells = draw(st.lists(st.integers(0, 8), min_size=count, max_size=count, unique=True))
    spacing = draw(st.floats(5.5e-6, 9e-6))
    sites = [(c % 3 * spacing, c // 3 * spacing) for c in cells]
    rate = st.floats(-1, 1)
    lengths = [draw(st.floats(0.02e-6, 0.3e-6)) for _ in range(piece_count)]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    times = np.repeat(ends, 2)[1:-1].tolist()

    def levels(scale: float) -> list[float]:
        return [scale * draw(rate) for _ in range(piece_count)]

    def pattern() -> list[float] | None:
        return draw(st.one_of(st.none(), st.lists(rate, min_size=count, max_size=count)))

    rabi, detuning, local, phase = levels(15e6), levels(50e6), levels(30e6), levels(3.0)
    patterns = [pattern() for _ in range(4)]
    program = AhsProgram(
        tuple(sites),
        (1,) * count,
        (
            DrivingField(
                series(times, np.repeat(rabi, 2).tolist(), patterns[0]),
                series([*ends[:-1].tolist(), float(ends[-1])], [*phase, 0.0], patterns[1]),
                series(times, np.repeat(detuning, 2).tolist(), patterns[2]),
            ),
        ),
        (series(times, np.repeat(local, 2).tolist(), patterns[3]),),
    )
    factors = [np.ones(count) if p is None else np.array(p) for p in patterns]
    matrices = [
        (
            length,
            hamiltonian(
                energies(sites),
                r * factors[0],
                f * factors[1],
                d * factors[2] + m * factors[3],
            ),
        )
        for length, r, f, d, m in zip(lengths, rabi, phase, detuning, local, strict=True)
    ]
    return program, matrices


@settings(max_examples=40, deadline=None)
@given(case=constant_pieces())
def test_distribution_equals_dense_exponentials(case):
    program, matrices = case
    exact = np.abs(exponentials(matrices)) ** 2
    configurations, found, log = distribution(
        program, settings=RydbergSettings(tolerance=TOLERANCE)
    )
    assert configurations.tolist() == list(range(exact.size))
    assert total_variation(found, exact) <= TOLERANCE + 1e-9
    assert log.norm_drift < 1e-11


@settings(max_examples=25, deadline=None)
@given(case=constant_pieces(), radius=st.floats(5e-6, 14e-6))
def test_subspace_equals_dense_exponentials_of_the_projected_hamiltonian(case, radius):
    program, matrices = case
    configurations, found, log = distribution(
        program, settings=RydbergSettings(tolerance=TOLERANCE, blockade_radius_m=radius)
    )
    kept = configurations.astype(int)
    projected = [(length, matrix[np.ix_(kept, kept)]) for length, matrix in matrices]
    assert total_variation(found, np.abs(exponentials(projected)) ** 2) <= TOLERANCE + 1e-9
    assert log.method == "blockade"


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("sites", [chain(5), square(2, 3)], ids=["chain", "square"])
def test_sweep_equals_a_general_purpose_integrator(sites, precision):
    exact = np.abs(integrated(sweep(sites))) ** 2
    _, found, log = distribution(
        sweep(sites), settings=RydbergSettings(tolerance=1e-5, precision=precision)
    )
    assert total_variation(found, exact) <= 1e-5
    assert log.integration_error <= 1e-5


def test_estimated_error_is_neither_too_small_nor_useless():
    exact = np.abs(integrated(sweep(chain(6)))) ** 2
    for tolerance in (1e-3, 1e-4, 1e-5):
        _, found, log = distribution(sweep(chain(6)), settings=RydbergSettings(tolerance=tolerance))
        error = total_variation(found, exact)
        assert error <= 2 * log.integration_error
        assert log.integration_error <= tolerance


@pytest.mark.parametrize("radius", [None, 6.7e-6], ids=["full", "blockade"])
def test_order_of_convergence_is_four(radius):
    program = driven(
        chain(4), [0, 0.3e-6, 0.7e-6], [3e6, 15e6, 9e6], [-30e6, 10e6, 40e6], [0.0, 1.0, 0.0]
    )
    problem = problem_of(program, radius)

    def final(step_count: int) -> np.ndarray:
        space = problem.space()
        duration = program.duration_s
        with Watch() as watch:
            space.evolve(problem.drive, steps_of(problem.drive, duration / step_count), watch)
        return space.amplitudes()

    exact = final(2800)
    errors = [np.linalg.norm(final(count) - exact) for count in (70, 140, 280)]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(orders > 3.7)
    assert np.all(orders < 4.6)


def test_weights_are_consistent():
    assert len(B_WEIGHTS) == STAGES_PER_STEP
    assert len(SWEEP_WEIGHTS) == SWEEPS_PER_STEP
    assert sum(A_WEIGHTS) == pytest.approx(1)
    assert sum(B_WEIGHTS) == pytest.approx(1)
    assert sum(SWEEP_WEIGHTS) == pytest.approx(1)
    assert tuple(reversed(SWEEP_WEIGHTS)) == pytest.approx(SWEEP_WEIGHTS)
    # No flow leaves its step, so none crosses a jump of the drive.
    assert 0 <= min(np.cumsum(A_WEIGHTS)) <= max(np.cumsum(A_WEIGHTS)) <= 1 + 1e-12
    assert 0 <= min(np.cumsum(SWEEP_WEIGHTS)) <= max(np.cumsum(SWEEP_WEIGHTS)) <= 1 + 1e-12


@pytest.mark.parametrize("atom_count", [1, 3, 6, 11, 15, 17])
@pytest.mark.parametrize("name", ["RydbergState", "RydbergStateSingle"])
def test_stages_equal_their_definition(core, atom_count, name):
    generator = np.random.default_rng(atom_count)
    couplings = generator.random((atom_count, atom_count))
    couplings = np.triu(couplings, 1) + np.triu(couplings, 1).T
    mixings = generator.normal(size=(3, atom_count)) * 0.5
    phases = np.exp(1j * generator.normal(size=(3, atom_count)))
    scales = np.exp(1j * generator.normal(size=3))
    betas = np.array([0.7, -0.3, 0.0])
    kernel = getattr(core, name)(atom_count, couplings.ravel())
    assert kernel.apply(mixings.ravel(), phases.ravel(), scales, betas, thread_count=2)
    index = np.arange(1 << atom_count)
    bits = (index[:, None] >> np.arange(atom_count)) & 1
    energy = 0.5 * np.einsum("cj,jk,ck->c", bits, couplings, bits, optimize=True)
    state = (index == 0).astype(complex)
    for t, phase, scale, beta in zip(mixings, phases, scales, betas, strict=True):
        for k in range(atom_count):
            state = state - 1j * t[k] * state[index ^ (1 << k)]
        state = state * scale * np.prod(np.where(bits, phase, 1), axis=1)
        state = state * np.exp(-1j * beta * energy)
    scale = np.linalg.norm(state)
    allowed = (1e-13 if name == "RydbergState" else 3e-6) * scale
    assert np.linalg.norm(kernel.amplitudes() - state) < allowed


@pytest.mark.parametrize("name", ["BlockadeState", "BlockadeStateSingle"])
def test_variants_agree_in_the_subspace(core, name):
    program = sweep(chain(9))
    problem = problem_of(program, 6.7e-6)
    steps = steps_of(problem.drive, 40e-9)
    kernel = getattr(core, name)(
        np.array([sum(1 << j for j in range(9) if abs(j - k) == 1) for k in range(9)], np.uint64),
        np.where(problem.is_blocked, 0, problem.couplings).ravel(),
        1000,
    )
    sweeps = sweep_columns(flows(problem.drive, steps, SWEEP_WEIGHTS), 9)
    assert kernel.apply(*sweeps, thread_count=2)
    space = problem.space()
    with Watch() as watch:
        space.evolve(problem.drive, steps, watch)
    allowed = 1e-11 if name == "BlockadeState" else 1e-4
    assert np.linalg.norm(kernel.amplitudes() - space.amplitudes()) < allowed
    assert kernel.configuration_count == 89  # Fibonacci
    with pytest.raises(ValueError, match="more than 88"):
        getattr(core, name)(
            np.array(
                [sum(1 << j for j in range(9) if abs(j - k) == 1) for k in range(9)], np.uint64
            ),
            np.zeros(81),
            88,
        )


@pytest.mark.parametrize("radius", [None, 6.7e-6], ids=["full", "blockade"])
def test_columns_of_parts_give_the_same_state_as_those_of_all_steps(radius):
    problem = problem_of(sweep(chain(5)), radius)
    steps = steps_of(problem.drive, 5e-9)
    assert len(steps) > 700  # more than are made at once
    whole, parts, paused = (problem.space() for _ in range(3))
    with Watch() as watch:
        whole.evolve(problem.drive, steps, watch)
        for first in range(0, len(steps), 7):
            parts.evolve(problem.drive, steps.part(first, first + 7), watch)
        stops = [3, 3, 500, 600, len(steps)]
        assert list(paused.evolve_through(stops, problem.drive, steps, watch)) == stops
    for other in (parts, paused):
        assert np.linalg.norm(whole.amplitudes() - other.amplitudes()) < 1e-12


@pytest.mark.parametrize("name", ["RydbergState", "BlockadeState"])
@pytest.mark.parametrize("precision", ["", "Single"])
def test_amplitudes_are_copied_exchanged_and_compared(core, name, precision):
    make = getattr(core, name + precision)
    if name == "RydbergState":
        state, size = make(5, np.zeros(25)), 32
    else:
        state, size = make(np.array([2, 1, 0, 0, 0], np.uint64), np.zeros(25), 100), 24
    kind = np.complex64 if precision else np.complex128
    generator = np.random.default_rng(size)
    values = (generator.normal(size=size) + 1j * generator.normal(size=size)).astype(kind)
    ground = state.amplitudes()
    assert ground.dtype == kind
    assert ground.tolist() == [1] + [0] * (size - 1)
    given = values.copy()
    state.exchange(given)
    assert np.array_equal(given, ground)
    assert np.array_equal(state.amplitudes(), values)
    assert state.norm() == pytest.approx(np.vdot(values, values).real, rel=1e-6)
    assert state.distance(ground) == pytest.approx(np.linalg.norm(values - ground), rel=1e-6)
    state.assign(ground)
    assert state.norm() == 1
    for wrong in (state.assign, state.exchange, state.distance):
        with pytest.raises(ValueError, match=f"{size} amplitudes, not {size - 1}"):
            wrong(values[1:])
    with pytest.raises(TypeError):
        state.exchange(values.astype(np.complex64 if kind == np.complex128 else np.complex128))


@pytest.mark.parametrize("precision", ["", "Single"])
def test_samples_of_the_subspace_fall_on_their_shares(core, precision):
    masks = np.array([2, 5, 2], np.uint64)
    state = getattr(core, "BlockadeState" + precision)(masks, np.zeros(9), 100)
    configurations = state.configurations()
    assert configurations.tolist() == [0, 1, 2, 4, 5]
    kind = np.complex64 if precision else np.complex128
    state.assign(np.sqrt([0.0, 1.0, 2.0, 0.0, 1.0]).astype(kind))  # of norm 4
    draws = np.array([0.0, 0.2, 0.26, 0.7, 0.76, 0.9999999999999999])
    assert state.sample(draws).tolist() == [1, 1, 2, 2, 5, 5]


def test_every_mixing_of_an_undriven_atom_is_zero():
    problem = problem_of(driven(chain(2), [0, 1e-6], [0, 0], [1e6, 5e6]))
    steps = Steps(np.array([0.0]), np.array([1e-6]), np.array([0]))
    mixings, phases, _, _ = stage_columns(flows(problem.drive, steps, A_WEIGHTS), 2)
    assert not mixings.any()
    assert np.prod(phases.reshape(-1, 2)[:, 0]) == pytest.approx(np.exp(3j))
