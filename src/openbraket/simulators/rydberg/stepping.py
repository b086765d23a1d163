"""Step sizes and errors: how long a time step may be, and how wrong the result is.

The method is of order four. Where the whole evolution is made with steps h and 2h, the
distributions p_h and p_2h give the error of p_h: |p_h - p_2h| / (2^4 - 1). Where that would cost
too much, steps are sampled: the state after two steps of h and after one of 2h differ by
(2^5 - 2) local errors. Their sum bounds the error of the state, but most of it is phases that no
measurement sees, so the sum is scaled by what it is worth in a cluster of the same atoms, for which
both are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from openbraket.base.errors import NumericsError
from openbraket.simulators.rydberg.register import cluster
from openbraket.simulators.rydberg.splitting import coarser, finer, steps_of

if TYPE_CHECKING:
    from openbraket.simulators.rydberg.drive import Amplitudes, Floats
    from openbraket.simulators.rydberg.evolution import Evolving
    from openbraket.simulators.rydberg.problem import Problem
    from openbraket.simulators.rydberg.splitting import Steps
    from openbraket.simulators.rydberg.watch import Watch

ORDER: Final = 4
REFINEMENTS_MAX: Final = 10
SAMPLED_STEPS: Final = 8
STEP_COUNT_MAX: Final = 2_000_000
# Larger spaces sample steps instead of making the whole evolution twice.
MEASURED_CONFIGURATIONS_MAX: Final = 1 << 17
CLUSTER_ATOMS: Final = {"full": 9, "blockade": 12}
# The error of n atoms is taken as n / m times that of a cluster of m, and twice that for safety.
_SAFETY: Final = 2.0
# Phases that the strongest interaction and the Rabi frequency may turn in one step, in rad.
COUPLING_STEP: Final = 1.2
_RABI_STEP: Final = 0.75
# Interactions this many times above the drive block a pair but for 1e-5, however strong they are.
BLOCKING_RATIO: Final = 200.0
# A shot takes shorter steps where its atoms ask for less than this share of the program's.
_STEP_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Evolved:
    """Atoms at the end of an evolution.

    Attributes:
        space: The atoms.
        steps: The steps that were made.
        error: Estimated total variation between the distribution and the exact one.
        norm_drift: |1 - <ψ|ψ>|.
        is_measured: Whether the whole evolution was made twice, rather than sampled steps.
    """

    space: Evolving
    steps: Steps
    error: float
    norm_drift: float
    is_measured: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a cluster tells about all atoms.

    Attributes:
        step_s: Step that should meet the tolerance.
        error: Total variation that the step should leave for all atoms.
        few: The cluster's problem.
        few_steps: The steps of that length in it.
    """

    step_s: float
    error: float
    few: Problem
    few_steps: Steps


def guess_step(problem: Problem, tolerance: float) -> float:
    """Return a step that is likely to meet the tolerance, in s."""
    drive = problem.drive
    rabi = drive.rabi_max
    rest = problem.couplings
    if problem.is_blocked is not None:
        rest = np.where(problem.is_blocked, 0.0, rest)
    easing = min(2.0, (tolerance / 1e-4) ** (1 / ORDER))
    duration = float(drive.bounds_s[-1])
    limits = [
        duration,
        COUPLING_STEP / max(float(rest.max(initial=0.0)), 1e-9),
        _RABI_STEP / max(rabi, 1e-9),
    ]
    return float(max(min(limits) * easing, duration / STEP_COUNT_MAX))


def step_of_shot(shot: Problem, nominal: Problem, step_s: float, tolerance: float) -> float:
    """Return the step of one noisy shot, in s.

    A shot in which an error has filled a vacancy may have far stronger interactions than the
    program, which the program's step would not resolve.

    Args:
        shot: The atoms of the shot.
        nominal: Those of the program.
        step_s: The step that was calibrated for the program.
        tolerance: For which it was.
    """
    own, common = guess_step(shot, tolerance), guess_step(nominal, tolerance)
    if own >= _STEP_SHARE * common:
        return step_s
    return own * min(1.0, step_s / common)


def evolve_measured(
    problem: Problem, step_s: float, tolerance: float, watch: Watch, *, share: float = 1.0
) -> Evolved:
    """Evolve with steps h and 2h, and halve h until the error meets the tolerance.

    Args:
        problem: Atoms in |g>.
        step_s: First h.
        tolerance: Of the total variation.
        watch: Follows the work.
        share: Factor of the work in what the watch expects; 0 for work that is not announced.

    Raises:
        NumericsError: If REFINEMENTS_MAX halvings are not enough.
        CancelledError: If the work was stopped.
    """
    steps = steps_of(problem.drive, step_s)
    coarse = problem.space()
    watch.expect(share * 1.5 * len(steps) * coarse.configuration_count)
    coarse.evolve(problem.drive, coarser(steps), watch)
    before = probabilities(coarse)
    error = 1.0
    for _ in range(REFINEMENTS_MAX):
        space = problem.space()
        space.evolve(problem.drive, steps, watch)
        now = probabilities(space)
        error = 0.5 * float(np.abs(now - before).sum()) / (2**ORDER - 1)
        if error <= tolerance:
            return Evolved(space, steps, error, abs(1 - float(now.sum())), is_measured=True)
        before, steps = now, finer(steps)
        watch.expect(share * len(steps) * space.configuration_count)
    message = (
        f"The time steps did not converge: {len(steps) // 2} steps leave an error of {error:.1e} "
        f"in the distribution, more than {tolerance:.1e}"
    )
    raise NumericsError(message)


def evolve_sampled(problem: Problem, calibration: Calibration, watch: Watch) -> Evolved:
    """Evolve once with the calibrated step, and measure the error of a sample of the steps.

    Cost: SAMPLED_STEPS double steps more than the evolution, and one copy of the state.

    Raises:
        CancelledError: If the work was stopped.
    """
    steps = steps_of(problem.drive, calibration.step_s)
    space = problem.space()
    watch.expect(float(len(steps) + SAMPLED_STEPS) * space.configuration_count)
    few = calibration.few
    few_local = _evolve_and_sample(few, few.space(), calibration.few_steps, watch)
    local = _evolve_and_sample(problem, space, steps, watch)
    # What a local error is worth in the cluster, twice for safety; its total variation was taken
    # for all atoms, so back to that of the cluster.
    cluster_error = calibration.error * few.atom_count / problem.atom_count
    error = local * cluster_error / max(few_local, 1e-300)
    return Evolved(space, steps, error, abs(1 - space.norm()), is_measured=False)


def calibrate(problem: Problem, tolerance: float, watch: Watch) -> Calibration:
    """Return the step for all atoms, found with a cluster of them.

    Raises:
        NumericsError: If no step is short enough.
        CancelledError: If the work was stopped.
    """
    size = CLUSTER_ATOMS["full" if problem.is_blocked is None else "blockade"]
    few = problem.part(cluster(problem.couplings, min(size, problem.atom_count)))
    aim = tolerance * few.atom_count / problem.atom_count / _SAFETY
    found = evolve_measured(few, guess_step(problem, tolerance), aim, watch, share=0.0)
    growth = (aim / max(found.error, 1e-12)) ** (1 / ORDER)
    step_s = float(found.steps.lengths_s.max()) * min(1.5, growth)
    steps = steps_of(few.drive, step_s)
    ratio = float(steps.lengths_s.max() / found.steps.lengths_s.max())
    error = _SAFETY * found.error * ratio**ORDER * problem.atom_count / few.atom_count
    return Calibration(step_s, error, few, steps)


def probabilities(space: Evolving) -> Floats:
    """Return the probability of each configuration."""
    return squares(space.amplitudes())


def squares(amplitudes: Amplitudes) -> Floats:
    """Return the squared absolute values, in double precision."""
    real = np.square(amplitudes.real, dtype=np.float64)
    return np.asarray(real + np.square(amplitudes.imag, dtype=np.float64))


def _evolve_and_sample(problem: Problem, space: Evolving, steps: Steps, watch: Watch) -> float:
    """Apply all steps; return the sum of the local errors, estimated from a sample of them."""
    drive, pair_count = problem.drive, len(steps) // 2
    count = min(SAMPLED_STEPS, pair_count)
    edges = np.linspace(0, pair_count, count + 1).astype(int)
    total = 0.0
    for first, last in pairwise(edges):
        middle = 2 * int((first + last) // 2)
        space.evolve(drive, steps.part(2 * int(first), middle), watch)
        other = space.amplitudes()
        space.evolve(drive, steps.doubled(middle), watch)
        space.exchange(other)
        space.evolve(drive, steps.part(middle, middle + 2), watch)
        local = space.distance(other) / (2 ** (ORDER + 1) - 2)
        del other
        total += local * 2 * int(last - first)
        space.evolve(drive, steps.part(middle + 2, 2 * int(last)), watch)
    return total
