"""Which pairs are blocked: the blockade radius, and what it neglects.

What a subspace leaves out is measured where the full space is cheap: a cluster of the same atoms
evolves in the full space, and the population outside of the subspace is taken at many times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbraket.base.errors import LimitError
from openbraket.simulators.rydberg.register import cluster
from openbraket.simulators.rydberg.splitting import steps_of
from openbraket.simulators.rydberg.stepping import (
    BLOCKING_RATIO,
    COUPLING_STEP,
    guess_step,
    squares,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbraket.simulators.rydberg.drive import Floats
    from openbraket.simulators.rydberg.problem import Problem
    from openbraket.simulators.rydberg.watch import Watch

CLUSTER_ATOMS: Final = 10
_TIMES: Final = 32
# A radius that is given is not chosen by what it neglects, so a glance must do.
GIVEN_CLUSTER_ATOMS: Final = 6
_GIVEN_TIMES: Final = 4
_RADII_MAX: Final = 16
_CLUSTER_TOLERANCE: Final = 1e-3
# Time steps of the cluster, and how far interactions must be above the drive to block anything.
_CLUSTER_STEPS_MAX: Final = 100_000
_RATIO_MIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Subspace:
    """A blockade subspace and what it costs in accuracy.

    Attributes:
        radius_m: Pairs that are nearer are blocked.
        is_blocked: Those pairs; shape (atoms, atoms).
        neglected_population: Largest population outside of the subspace at any time, measured in
            the cluster and divided by its number of atoms.
    """

    radius_m: float
    is_blocked: NDArray[np.bool_]
    neglected_population: float


def given_subspace(
    problem: Problem, distances_m: Floats, radius_m: float, watch: Watch
) -> Subspace:
    """Return the subspace of a given radius, with its neglected population.

    Raises:
        LimitError: If the drive is too long to measure what is neglected.
        CancelledError: If the work was stopped.
    """
    return _measured(
        problem, distances_m, [radius_m], watch, atom_count=GIVEN_CLUSTER_ATOMS, times=_GIVEN_TIMES
    )[0]


def chosen_subspace(
    problem: Problem, distances_m: Floats, population_max: float, watch: Watch
) -> tuple[Subspace | None, float]:
    """Return the smallest subspace that neglects at most `population_max` per atom.

    Returns:
        The subspace, None if there is none, and the population that the least radius neglects.

    Raises:
        LimitError: If the drive is too long to measure what is neglected.
        CancelledError: If the work was stopped.
    """
    shells = np.unique(np.round(distances_m[np.isfinite(distances_m)], 9))
    if shells.size == 0:
        return None, 0.0
    ends = np.append(shells[1:], shells[-1] * 1.1)
    radii = [float(r) for r in ((shells + ends) / 2)[:_RADII_MAX]]
    found = _measured(problem, distances_m, radii, watch)
    fitting = [s for s in found if s.neglected_population <= population_max]
    return (fitting[-1] if fitting else None), found[0].neglected_population


def _softened(problem: Problem) -> Problem:
    """Return the problem with interactions so bounded that steps need not be absurdly short.

    At the bound a pair is excited together with a probability of 1e-5 or less, in any case far
    less than what decides on a radius. A drive that is so long that this takes too many steps has a
    lower bound.

    Raises:
        LimitError: If even interactions that barely block would take too many steps.
    """
    rate = problem.drive.rate_max
    affordable = _CLUSTER_STEPS_MAX * COUPLING_STEP / max(problem.duration_s * rate, 1e-9)
    if affordable < _RATIO_MIN:
        message = (
            f"The drive turns an atom by up to {problem.duration_s * rate:.1e} rad, so that "
            f"what a blockade radius neglects cannot be measured; at most "
            f"{_CLUSTER_STEPS_MAX * COUPLING_STEP / _RATIO_MIN:.1e} rad are possible"
        )
        raise LimitError(message)
    bound = min(BLOCKING_RATIO, affordable) * rate
    return replace(problem, couplings=np.minimum(problem.couplings, bound))


def _measured(
    problem: Problem,
    distances_m: Floats,
    radii_m: list[float],
    watch: Watch,
    *,
    atom_count: int = CLUSTER_ATOMS,
    times: int = _TIMES,
) -> list[Subspace]:
    atoms = cluster(problem.couplings, min(atom_count, problem.atom_count))
    few = _softened(problem.in_subspace(None).part(atoms))
    near = distances_m[np.ix_(atoms, atoms)]
    space = few.space()
    configurations = space.configurations()
    bits = ((configurations[:, None] >> np.arange(atoms.size, dtype=np.uint64)) & np.uint64(1)) > 0
    # The least distance of a pair that is excited together says which radii exclude it.
    least = np.full(configurations.size, np.inf)
    for j in range(atoms.size):
        for k in range(j):
            both = bits[:, j] & bits[:, k]
            least[both] = np.minimum(least[both], near[j, k])
    outside = np.stack([least < radius for radius in radii_m]).astype(np.float64)
    steps = steps_of(few.drive, guess_step(few, _CLUSTER_TOLERANCE))
    edges = np.unique(np.linspace(0, len(steps), times + 1).astype(int))
    largest = np.zeros(len(radii_m))
    for _ in space.evolve_through(edges[1:].tolist(), few.drive, steps, watch):
        largest = np.maximum(largest, outside @ squares(space.amplitudes()))
    largest /= atoms.size
    return [
        Subspace(radius, distances_m < radius, float(population))
        for radius, population in zip(radii_m, largest, strict=True)
    ]
