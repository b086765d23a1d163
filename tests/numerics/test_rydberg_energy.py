"""Energy is kept where the Hamiltonian does not change, up to the splitting's fourth order."""

import numpy as np
import pytest

from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.problem import Problem
from openbraket.simulators.rydberg.register import distances, interactions
from openbraket.simulators.rydberg.splitting import steps_of
from openbraket.simulators.rydberg.watch import Watch
from support.ahs import chain, driven, energies, hamiltonian

RABI, DETUNING, COUNT = 15e6, 5e6, 7


def drift(step_s: float, radius_m: float | None) -> float:
    """Return the largest |<H>| over 1 µs in units of the Rabi frequency; it is 0 at the start."""
    program = driven(chain(COUNT), [0, 1e-6], [RABI] * 2, [DETUNING] * 2)
    apart = distances(np.array(program.sites_m))
    problem = Problem(
        interactions(apart, 5.42e-24),
        drive_of(program, range(COUNT), "documented"),
        None if radius_m is None else apart < radius_m,
    )
    space = problem.space()
    kept = space.configurations().astype(int)
    ones = np.ones(COUNT)
    matrix = hamiltonian(energies(program.sites_m), RABI * ones, 0 * ones, DETUNING * ones)
    matrix = matrix[np.ix_(kept, kept)]
    steps = steps_of(problem.drive, step_s)
    largest = 0.0
    with Watch() as watch:
        for first in range(0, len(steps), 2):
            space.evolve(problem.drive, steps.part(first, first + 2), watch)
            state = space.amplitudes()
            largest = max(largest, abs(float(np.vdot(state, matrix @ state).real)) / RABI)
    return largest


@pytest.mark.parametrize(("radius_m", "step_s"), [(None, 8e-9), (6.7e-6, 30e-9)])
def test_energy_drift_is_bounded_and_of_fourth_order(radius_m, step_s):
    coarse, fine = drift(step_s, radius_m), drift(step_s / 2, radius_m)
    assert coarse < 1e-2
    assert 10 < coarse / fine < 25  # 16 for order four
