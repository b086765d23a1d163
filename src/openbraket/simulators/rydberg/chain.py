"""Chains and narrow ladders as matrix product states.

The time steps are those of the full space, so no configuration is left out by a blockade; what is
neglected are Schmidt values below the cutoff, and interactions of atoms that are more than `reach`
places apart. The step is calibrated with a cluster of the atoms in the full space.

Source: the sweeps are in kernels/rydberg_chain.hpp; G. Vidal, Phys. Rev. Lett. 93, 040502 (2004)
for time evolution of matrix product states by splitting.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from openbraket.base.errors import LimitError
from openbraket.circuits.ahs_chain import (
    CHAIN_ATOMS_MAX,
    NEGLECTED_RAD_MAX,
    ChainShape,
    chain_memory_bytes,
    chain_seconds,
    chain_shape,
)
from openbraket.kernels import ChainState
from openbraket.simulators.rydberg.planning import check_steps
from openbraket.simulators.rydberg.splitting import (
    A_WEIGHTS,
    chain_columns,
    flows,
    steps_of,
)
from openbraket.simulators.rydberg.stepping import calibrate, guess_step, step_of_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from openbraket.simulators.rydberg.drive import Drive, Floats
    from openbraket.simulators.rydberg.interface import RydbergSettings
    from openbraket.simulators.rydberg.problem import Problem
    from openbraket.simulators.rydberg.splitting import Steps
    from openbraket.simulators.rydberg.watch import Watch

# Different evolutions of one task; more shots with noise share the draws of these.
EVOLUTIONS_MAX: Final = 8
# A chain wider entangled than this weight is cut is worth a warning.
DISCARDED_WEIGHT_MAX: Final = 1e-3
_STEPS_AT_ONCE_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class ChainRun:
    """What the evolutions of a task came to.

    Attributes:
        step_count: Time steps of each.
        integration_error: Estimated total variation for all atoms.
        norm_drift: The largest |1 - <ψ|ψ>|; truncations do not count, they are made up for.
        peak_bond: The largest bond dimension.
        discarded_weight: The largest sum of discarded weights.
    """

    step_count: int
    integration_error: float
    norm_drift: float
    peak_bond: int
    discarded_weight: float


class AtomChain:
    """Atoms in |g> at first, as a matrix product state.

    Args:
        couplings: V_jk in rad/s, shape (atoms, atoms), in the order of the chain.
        reach: Pairs more places apart are left out.
        max_bond: Largest bond dimension.
        cutoff: Share of the weight that one truncation may leave out.
    """

    def __init__(self, couplings: Floats, *, reach: int, max_bond: int, cutoff: float) -> None:
        self._atom_count = int(couplings.shape[0])
        self.kernel = ChainState(
            np.ascontiguousarray(couplings).ravel(),
            atom_count=self._atom_count,
            reach=reach,
            max_bond=max_bond,
            cutoff=cutoff,
        )

    def evolve(self, drive: Drive, steps: Steps, watch: Watch) -> None:
        """Apply steps in order; the drive's columns are in the order of the chain.

        Raises:
            CancelledError: If the work was stopped; the state is undefined then.
        """
        for first in range(0, len(steps), _STEPS_AT_ONCE_MAX):
            part = steps.part(first, first + _STEPS_AT_ONCE_MAX)
            columns = chain_columns(flows(drive, part, A_WEIGHTS), self._atom_count)
            watch.run(
                float(len(part)),
                lambda monitor, columns=columns: self.kernel.apply(  # type: ignore[misc]
                    *columns, monitor=monitor
                ),
            )

    def sample(self, draws: Floats) -> NDArray[np.bool_]:
        """Return which atoms are found in |r>.

        Args:
            draws: Numbers in [0, 1), shape (shots, atoms).
        """
        return self.kernel.sample(np.ascontiguousarray(draws).ravel()) > 0


def fitting_shape(
    problem: Problem, sites_m: Floats, settings: RydbergSettings, *, evolutions: int
) -> ChainShape:
    """Return the chain that the atoms make, if it can be simulated.

    Args:
        problem: All atoms of the program.
        sites_m: Their positions, shape (atoms, 2).
        settings: With the limits.
        evolutions: How many groups of shots evolve differently.

    Raises:
        LimitError: If there are too many atoms, the register is too wide, or memory or time are
            over their limit.
    """
    count = problem.atom_count
    if count > CHAIN_ATOMS_MAX:
        message = f"{count} atoms as a chain: at most {CHAIN_ATOMS_MAX} are possible"
        raise LimitError(message)
    shape = chain_shape(
        [(float(x), float(y)) for x, y in sites_m],
        duration_s=problem.duration_s,
        c6_rad_m6_per_s=settings.c6_rad_m6_per_s,
    )
    if not shape.is_narrow(problem.duration_s):
        message = (
            f"The register is too wide for a chain: of atoms more than {shape.reach} places apart "
            f"an atom has interactions of {shape.neglected_rad_per_s:.1e} rad/s, which turn its "
            f"phase by {shape.neglected_rad_per_s * problem.duration_s:.1f} rad; at most "
            f"{NEGLECTED_RAD_MAX:.1f} may be left out"
        )
        raise LimitError(message)
    check_steps(problem, settings)
    step_s = guess_step(problem, settings.tolerance)
    different = min(evolutions, EVOLUTIONS_MAX)
    memory = chain_memory_bytes(count, shape.reach, settings.max_bond)
    step_count = len(steps_of(problem.drive, step_s))
    seconds = different * chain_seconds(count, shape.reach, settings.max_bond, step_count)
    if memory > settings.memory_bytes_max or seconds > settings.run_seconds_max:
        message = (
            f"{count} atoms as a chain with a reach of {shape.reach} and bond dimensions up to "
            f"{settings.max_bond} are estimated to need {memory / 2**30:.1f} GiB and "
            f"{seconds:.0f} s; at most {settings.memory_bytes_max / 2**30:.1f} GiB and "
            f"{settings.run_seconds_max:.0f} s are allowed"
        )
        raise LimitError(message)
    return shape


def evolve_chains(
    nominal: Problem,
    groups: Sequence[tuple[Callable[[], Problem], Callable[[AtomChain], None]]],
    reach: int,
    settings: RydbergSettings,
    tolerance: float,
    watch: Watch,
) -> ChainRun:
    """Evolve all groups of shots.

    Args:
        nominal: The problem without noise, in the order of the chain; all take its step.
        groups: For each what makes its problem, in the order of the chain, and what measures it.
        reach: Pairs more places apart are left out.
        settings: How to truncate.
        tolerance: Of the integration error, as total variation.
        watch: Follows the work.

    Raises:
        NumericsError: If no time step is short enough.
        CancelledError: If the work was stopped.
    """
    calibration = calibrate(nominal, tolerance, watch)
    steps = steps_of(nominal.drive, calibration.step_s)
    watch.expect(float(len(steps)) * len(groups))

    def evolve(
        group: tuple[Callable[[], Problem], Callable[[AtomChain], None]],
    ) -> tuple[float, int, float]:
        make, measure = group
        problem = make()
        if problem.atom_count == 0:
            return 0.0, 0, 0.0
        chain = AtomChain(
            problem.couplings, reach=reach, max_bond=settings.max_bond, cutoff=settings.cutoff
        )
        own_s = step_of_shot(problem, nominal, calibration.step_s, tolerance)
        own = steps if own_s == calibration.step_s else steps_of(problem.drive, own_s)
        chain.evolve(problem.drive, own, watch)
        measure(chain)
        kernel = chain.kernel
        return abs(1 - kernel.norm), kernel.peak_bond, kernel.discarded_weight

    memory = chain_memory_bytes(nominal.atom_count, reach, settings.max_bond)
    workers = min(nominal.thread_count, len(groups), settings.memory_bytes_max // memory)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        drifts, bonds, weights = zip(*pool.map(evolve, groups), strict=True)
    return ChainRun(len(steps), calibration.error, max(drifts), max(bonds), max(weights))
