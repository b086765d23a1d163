"""The choice of a method: the full space, a blockade subspace, or a matrix product state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from openbraket.base.errors import LimitError
from openbraket.simulators.rydberg.chain import fitting_shape
from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.planning import check_largest_shot, check_size
from openbraket.simulators.rydberg.problem import Problem
from openbraket.simulators.rydberg.register import distances, interactions
from openbraket.simulators.rydberg.subspace import Subspace, chosen_subspace, given_subspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from openbraket.circuits.ahs import AhsProgram
    from openbraket.circuits.ahs_chain import ChainShape
    from openbraket.simulators.rydberg.drive import Floats
    from openbraket.simulators.rydberg.interface import RydbergSettings
    from openbraket.simulators.rydberg.watch import Watch


@dataclass(frozen=True, slots=True)
class Plan:
    """A program without noise, and how it will be evolved.

    Attributes:
        problem: Its atoms, in the space that was chosen.
        atoms: Their sites.
        subspace: The blockade subspace; None for the full space and for a chain.
        chain: The atoms as a chain; None for the exact methods.
    """

    problem: Problem
    atoms: NDArray[np.intp]
    subspace: Subspace | None
    chain: ChainShape | None = None


def choose_method(
    program: AhsProgram,
    settings: RydbergSettings,
    *,
    largest: NDArray[np.intp],
    evolutions: int,
    has_jumps: bool,
    thread_count: int,
    watch: Watch,
) -> Plan:
    """Return how to evolve a program, by what it was asked and by what fits.

    Args:
        program: The program.
        settings: With the method and the limits.
        largest: Sites with an atom in the shot that has most of them; the program's own atoms for
            one that fills none.
        evolutions: How many groups of shots evolve differently.
        has_jumps: Whether atoms decay.
        thread_count: Threads to use.
        watch: Follows the work of choosing a radius.

    Raises:
        LimitError: If nothing fits; with the estimates.
        CancelledError: If the work was stopped.
    """
    filled = np.flatnonzero(np.array(program.filling))
    nominal = filled if filled.size else largest
    every = np.array(program.sites_m, dtype=np.float64).reshape(-1, 2)
    sites = every[nominal]
    apart = distances(sites)
    problem = Problem(
        interactions(apart, settings.c6_rad_m6_per_s),
        drive_of(program, [int(a) for a in nominal], settings.phase_sign),
        precision=settings.precision,
        thread_count=thread_count,
    )
    if settings.method == "mps":
        shape = fitting_shape(problem, sites, settings, evolutions=evolutions)
        return Plan(problem, nominal, None, shape)
    try:
        atoms_max = max(int(nominal.size), int(largest.size))
        check = partial(check_size, settings=settings, evolutions=evolutions, has_jumps=has_jumps)
        check_largest = partial(check_largest_shot, settings=settings, has_jumps=has_jumps)

        def check_full() -> None:
            check(problem)
            check_largest(atoms_max, None)

        subspace = _subspace(problem, apart, settings, check_full, watch)
        if subspace is None:
            return Plan(problem, nominal, None)
        smaller = problem.in_subspace(subspace.is_blocked)
        check(smaller)
        if largest.size > nominal.size:
            check_largest(atoms_max, distances(every[largest]) < subspace.radius_m)
    except LimitError as refusal:
        if settings.method != "automatic" or settings.blockade_radius_m is not None:
            raise
        try:
            shape = fitting_shape(problem, sites, settings, evolutions=evolutions)
        except LimitError as other:
            message = f"{refusal}. {other}"
            raise LimitError(message) from other
        return Plan(problem, nominal, None, shape)
    return Plan(smaller, nominal, subspace)


def _subspace(
    problem: Problem,
    apart: Floats,
    settings: RydbergSettings,
    check_full: Callable[[], None],
    watch: Watch,
) -> Subspace | None:
    """Return the subspace to use, None for the full space.

    Raises:
        LimitError: If neither fits.
        CancelledError: If the work was stopped.
    """
    radius = settings.blockade_radius_m or None
    if settings.method == "full" or (settings.method == "automatic" and radius is None):
        try:
            check_full()
        except LimitError:
            if settings.method == "full":
                raise
        else:
            return None
    if radius is not None:
        return given_subspace(problem, apart, radius, watch)
    limit = settings.neglected_population_max
    if problem.atom_count == 1:
        return None  # it has nothing to block
    found, least = chosen_subspace(problem, apart, limit, watch)
    if found is None:
        fits = "" if settings.method == "blockade" else "do not fit in the full space, and "
        message = (
            f"{problem.atom_count} atoms {fits}have no blockade subspace: even the least blockade "
            f"radius neglects a population of about {least:.2e} per atom; at most {limit:.2e} is "
            "allowed. A blockade radius may be given instead"
        )
        raise LimitError(message)
    return found
