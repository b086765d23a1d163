"""Which method fits, and what it will need; refusals say so with both numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from openbraket.base.errors import LimitError
from openbraket.circuits.ahs_cost import (
    BLOCKADE_ATOMS_MAX,
    FULL_ATOMS_MAX,
    blockade_bytes,
    blockade_seconds,
    full_bytes,
    full_seconds,
)
from openbraket.simulators.rydberg.register import independent_set_count
from openbraket.simulators.rydberg.splitting import steps_of
from openbraket.simulators.rydberg.stepping import (
    MEASURED_CONFIGURATIONS_MAX,
    STEP_COUNT_MAX,
    guess_step,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openbraket.simulators.rydberg.interface import RydbergSettings
    from openbraket.simulators.rydberg.problem import Problem

CONFIGURATIONS_MAX: Final = (1 << 32) - 1
# Patterns of atoms on the frontier that counting a subspace may hold.
COUNTED_PATTERNS_MAX: Final = 200_000


def configuration_count(atom_count: int, is_blocked: NDArray[np.bool_] | None) -> int | None:
    """Return the number of amplitudes, or None if there are too many to count."""
    if is_blocked is None:
        return 1 << atom_count
    return independent_set_count(is_blocked, COUNTED_PATTERNS_MAX)


def memory_bytes(problem: Problem, count: int, *, has_jumps: bool = False) -> int:
    """Return the memory of an evolution with `count` amplitudes, in bytes."""
    if problem.is_blocked is None:
        return full_bytes(problem.atom_count, problem.precision)
    return blockade_bytes(count, problem.precision, has_jumps=has_jumps)


def run_seconds(problem: Problem, count: int, tolerance: float) -> float:
    """Return a rough estimate of the time of one evolution, in s."""
    step_count = len(steps_of(problem.drive, guess_step(problem, tolerance)))
    repeats = 1.5 if count <= MEASURED_CONFIGURATIONS_MAX else 1.0
    if problem.is_blocked is None:
        seconds = full_seconds(problem.atom_count, step_count)
    else:
        seconds = blockade_seconds(count, problem.atom_count, step_count)
    return repeats * seconds / max(1, problem.thread_count)


def check_steps(problem: Problem, settings: RydbergSettings) -> None:
    """Refuse a problem whose rates ask for too many time steps.

    Raises:
        LimitError: If they do; it names the rate.
    """
    if guess_step(problem, settings.tolerance) * STEP_COUNT_MAX > 1.01 * problem.duration_s:
        return
    alone = replace(problem, couplings=problem.couplings * 0)
    if guess_step(alone, settings.tolerance) * STEP_COUNT_MAX <= 1.01 * problem.duration_s:
        message = (
            f"A drive of up to {problem.drive.rabi_max:.1e} rad/s for {problem.duration_s:.1e} s "
            f"needs more than {STEP_COUNT_MAX} time steps"
        )
        raise LimitError(message)
    message = (
        f"An interaction of {problem.couplings.max():.1e} rad/s needs more than "
        f"{STEP_COUNT_MAX} time steps; give a blockade radius that covers the pair"
    )
    raise LimitError(message)


def check_size(
    problem: Problem, settings: RydbergSettings, *, evolutions: int, has_jumps: bool
) -> None:
    """Refuse a problem that does not fit.

    Args:
        problem: The largest evolution.
        settings: With the limits.
        evolutions: How many of them there will be.
        has_jumps: Whether atoms decay.

    Raises:
        LimitError: If atoms, configurations, memory or time are over their limit.
    """
    is_full = problem.is_blocked is None
    where = "the full space" if is_full else "the blockade subspace"
    atoms_max = FULL_ATOMS_MAX if is_full else BLOCKADE_ATOMS_MAX
    if problem.atom_count > atoms_max:
        message = f"{problem.atom_count} atoms in {where}: at most {atoms_max} are possible"
        raise LimitError(message)
    check_steps(problem, settings)
    count = configuration_count(problem.atom_count, problem.is_blocked)
    if count is None or count > CONFIGURATIONS_MAX:
        found = "too many to count" if count is None else str(count)
        message = (
            f"{problem.atom_count} atoms in {where} have {found} configurations; at most "
            f"{CONFIGURATIONS_MAX} are possible"
        )
        raise LimitError(message)
    memory = memory_bytes(problem, count, has_jumps=has_jumps)
    seconds = run_seconds(problem, count, settings.tolerance) * evolutions
    if memory > settings.memory_bytes_max or seconds > settings.run_seconds_max:
        message = (
            f"{problem.atom_count} atoms in {where} have {count} configurations; {evolutions} "
            f"evolution(s) of them are estimated to need {memory / 2**30:.1f} GiB and "
            f"{seconds:.0f} s; at most {settings.memory_bytes_max / 2**30:.1f} GiB and "
            f"{settings.run_seconds_max:.0f} s are allowed"
        )
        raise LimitError(message)


def check_largest_shot(
    atom_count: int,
    is_blocked: NDArray[np.bool_] | None,
    settings: RydbergSettings,
    *,
    has_jumps: bool,
) -> None:
    """Refuse a program if the noisy shot with most atoms does not fit.

    Args:
        atom_count: Atoms of that shot; errors may have filled vacancies.
        is_blocked: Its blocked pairs; None for the full space.
        settings: With the limits.
        has_jumps: Whether atoms decay.

    Raises:
        LimitError: If atoms, configurations or memory are over their limit.
    """
    atoms_max = FULL_ATOMS_MAX if is_blocked is None else BLOCKADE_ATOMS_MAX
    if atom_count > atoms_max:
        message = (
            f"Errors fill vacancies, so that one shot has {atom_count} atoms: at most {atoms_max} "
            "are possible"
        )
        raise LimitError(message)
    count = configuration_count(atom_count, is_blocked) or CONFIGURATIONS_MAX + 1
    if is_blocked is None:
        memory = full_bytes(atom_count, settings.shot_precision)
    else:
        memory = blockade_bytes(count, settings.shot_precision, has_jumps=has_jumps)
    if count > CONFIGURATIONS_MAX or memory > settings.memory_bytes_max:
        message = (
            f"Errors fill vacancies, so that one shot has {atom_count} atoms with {count} "
            f"configurations, which are estimated to need {memory / 2**30:.1f} GiB; at most "
            f"{CONFIGURATIONS_MAX} and {settings.memory_bytes_max / 2**30:.1f} GiB are possible"
        )
        raise LimitError(message)
