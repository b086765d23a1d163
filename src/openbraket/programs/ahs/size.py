"""What evolving an analog program needs in memory, bounded before it runs.

The simulator takes the full space of all 2^n configurations where that fits. Otherwise it leaves
out configurations with two excited atoms nearer than a blockade radius, which it chooses by
measuring what that neglects. Here the radius is not known yet, so a program is refused only if even
a generous one leaves too many configurations and the register is no chain for a matrix product
state either.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from openbraket.base.errors import LimitError
from openbraket.circuits.ahs import (
    C6_RAD_M6_PER_S,
    DRIVE_RAD_MAX,
    AhsProgram,
    TimeSeries,
)
from openbraket.circuits.ahs_chain import (
    CHAIN_ATOMS_MAX,
    NEGLECTED_RAD_MAX,
    chain_memory_bytes,
    chain_seconds,
    chain_shape,
)
from openbraket.circuits.ahs_cost import (
    BLOCKADE_ATOMS_MAX,
    FULL_ATOMS_MAX,
    blockade_bytes,
    blockade_seconds,
    full_bytes,
    full_seconds,
)
from openbraket.circuits.memory import FIXED_BYTES
from openbraket.programs.ahs.parameters import AhsParameters

# A time step that estimates assume; the simulator finds its own.
STEP_S: Final = 20e-9
# Patterns of atoms on the frontier while configurations are counted.
PATTERNS_MAX: Final = 2048
# A radius at which the interaction is a tenth of the Rabi frequency blocks nothing reliably.
_GENEROUS_RATIO: Final = 10.0
# With less area than this, in rad, the drive may excite so little that any radius would do.
_WEAK_AREA_RAD: Final = 1.0
# Probability that in some shot of a task errors fill more vacancies than its memory is for.
_FILLED_MORE_MAX: Final = 1e-4
# A small program gets this much, so that any method fits where another one is too slow.
_BYTES_MIN: Final = FIXED_BYTES + (16 << 20)


def memory_bytes(
    program: AhsProgram,
    parameters: AhsParameters,
    *,
    has_noise: bool,
    vacancies_filled: int = 0,
    memory_bytes_max: int,
) -> int:
    """Return the memory that evolving a program may take, in bytes.

    Args:
        program: The program.
        parameters: What the task has asked for.
        has_noise: Whether every shot is an evolution of its own, in which atoms may decay.
        vacancies_filled: Vacancies that errors may fill in one shot.
        memory_bytes_max: Memory that one worker may use, in bytes.

    Returns:
        The need of the full space where that fits, that of the subspace where its radius is given,
        that of a matrix product state where nothing else fits, otherwise all that there is: the
        simulator then decides with what is here.

    Raises:
        LimitError: If nothing fits; with the estimate and the limit.
    """
    turned = _rabi_max(program) * program.duration_s
    if turned > DRIVE_RAD_MAX:
        raise LimitError(
            f"The largest Rabi frequency times the duration is {turned:.3g} rad; at most "
            f"{DRIVE_RAD_MAX:.3g} rad are simulated."
        )
    atom_count = sum(program.filling)
    grown = atom_count + vacancies_filled
    full = full_bytes(atom_count, parameters.ideal_precision)
    if has_noise:
        full = max(full, full_bytes(grown, parameters.shot_precision))
    full += FIXED_BYTES
    is_full_possible = grown <= FULL_ATOMS_MAX and full <= memory_bytes_max
    radius_m = parameters.blockade_radius_m
    if parameters.method == "full":
        if not is_full_possible:
            seconds = full_seconds(grown, step_count(program))
            raise LimitError(
                f"The program has {_atoms(atom_count, grown)}, which need {full:,} bytes of memory "
                f"and about {seconds:,.0f} s in the full space; the limits are {FULL_ATOMS_MAX} "
                f"atoms and {memory_bytes_max:,} bytes."
            )
        return full
    if parameters.method == "automatic" and radius_m is None and is_full_possible:
        return max(full, min(_BYTES_MIN, memory_bytes_max))
    sites = [
        site for site, is_filled in zip(program.sites_m, program.filling, strict=True) if is_filled
    ]
    if parameters.method == "mps":
        return _chain_bytes(program, sites, parameters, memory_bytes_max)
    try:
        need = _subspace_bytes(program, sites, parameters, memory_bytes_max, has_noise=has_noise)
        return min(memory_bytes_max, (need - FIXED_BYTES << vacancies_filled) + FIXED_BYTES)
    except LimitError as refusal:
        if parameters.method != "automatic" or radius_m is not None:
            raise
        try:
            return _chain_bytes(program, sites, parameters, memory_bytes_max)
        except LimitError as other:
            raise LimitError(f"{refusal} {other}") from other


def vacancies_filled(vacancy_count: int, probability: float, shots: int) -> int:
    """Return how many vacancies errors fill in one shot at most, but for one task in 10,000.

    Args:
        vacancy_count: Sites without an atom.
        probability: That an error fills one of them in a shot.
        shots: Number of shots.
    """
    more = 1.0
    for filled in range(vacancy_count):
        exactly = math.comb(vacancy_count, filled) * probability**filled
        more -= exactly * (1 - probability) ** (vacancy_count - filled)
        if shots * max(more, 1e-15) <= _FILLED_MORE_MAX:
            return filled
    return vacancy_count


def step_count(program: AhsProgram) -> int:
    """Return the time steps that estimates assume."""
    return int(program.duration_s / STEP_S) + 1


def _subspace_bytes(
    program: AhsProgram,
    sites: Sequence[tuple[float, float]],
    parameters: AhsParameters,
    memory_bytes_max: int,
    *,
    has_noise: bool,
) -> int:
    """Return the memory that a blockade subspace may take.

    Raises:
        LimitError: If none fits.
    """
    atom_count, radius_m = len(sites), parameters.blockade_radius_m
    assumed_m = generous_radius_m(program) if radius_m is None else radius_m
    if atom_count > BLOCKADE_ATOMS_MAX:
        raise LimitError(
            f"The program has {atom_count} atoms; a blockade subspace has at most "
            f"{BLOCKADE_ATOMS_MAX}, the full space {FULL_ATOMS_MAX}. "
            + _would_need(sites, assumed_m, step_count(program))
        )
    if assumed_m is None:
        return memory_bytes_max
    count, is_complete = independent_set_count(sites, assumed_m)
    need = blockade_bytes(count, parameters.ideal_precision, has_jumps=has_noise) + FIXED_BYTES
    if need > memory_bytes_max:
        least = "" if is_complete else "at least "
        seconds = blockade_seconds(count, atom_count, step_count(program))
        raise LimitError(
            f"The program has {atom_count} atoms with {least}{count:,} configurations at a "
            f"blockade radius of {assumed_m:.3g} m, which need {least}{need:,} bytes of memory and "
            f"about {seconds:,.0f} s; the limit is {memory_bytes_max:,} bytes."
        )
    return need if radius_m is not None and is_complete else memory_bytes_max


def _atoms(atom_count: int, grown: int) -> str:
    if grown == atom_count:
        return f"{atom_count} atoms"
    return f"{atom_count} atoms, in some shots up to {grown} by errors that fill vacancies"


def _would_need(sites: Sequence[tuple[float, float]], radius_m: float | None, steps: int) -> str:
    """Return what a register of too many atoms would need, as a sentence."""
    if radius_m is None:
        count, where = 1 << len(sites), "in the full space"
        need, seconds = full_bytes(len(sites)), full_seconds(len(sites), steps)
    else:
        count, _ = independent_set_count(sites, radius_m)
        where = f"at a blockade radius of {radius_m:.3g} m"
        need, seconds = blockade_bytes(count), blockade_seconds(count, len(sites), steps)
    return (
        f"Its {'' if radius_m is None else 'at least '}{count:.3g} configurations {where} would "
        f"need {need:.3g} bytes of memory and {seconds:.3g} s."
    )


def _chain_bytes(
    program: AhsProgram,
    sites: Sequence[tuple[float, float]],
    parameters: AhsParameters,
    memory_bytes_max: int,
) -> int:
    """Return the memory that a matrix product state may take.

    Raises:
        LimitError: If the atoms are too many or no chain.
    """
    if len(sites) > CHAIN_ATOMS_MAX:
        raise LimitError(
            f"A matrix product state has at most {CHAIN_ATOMS_MAX} atoms, not {len(sites)}."
        )
    if not sites:
        return FIXED_BYTES
    shape = chain_shape(sites, duration_s=program.duration_s, c6_rad_m6_per_s=C6_RAD_M6_PER_S)
    if not shape.is_narrow(program.duration_s):
        raise LimitError(
            f"The register is too wide for a matrix product state: atoms more than {shape.reach} "
            f"places apart turn each other's phase by "
            f"{shape.neglected_rad_per_s * program.duration_s:.1f} rad, more than "
            f"{NEGLECTED_RAD_MAX:.1f}."
        )
    need = chain_memory_bytes(len(sites), shape.reach, parameters.max_bond) + FIXED_BYTES
    if need > memory_bytes_max:
        seconds = chain_seconds(len(sites), shape.reach, parameters.max_bond, step_count(program))
        raise LimitError(
            f"A matrix product state of {len(sites)} atoms with bond dimensions up to "
            f"{parameters.max_bond} needs {need:,} bytes of memory and about {seconds:,.0f} s; the "
            f"limit is {memory_bytes_max:,} bytes."
        )
    return need


def generous_radius_m(program: AhsProgram) -> float | None:
    """Return a distance at which the program's drive surely breaks the blockade.

    Args:
        program: The program.

    Returns:
        In m; None where the drive is so weak that this cannot be said.
    """
    rabi_max, area = _rabi_max(program), 0.0
    for drive in program.driving_fields:
        series, pattern = drive.amplitude.series, drive.amplitude.pattern or (1.0,)
        scale = max(abs(factor) for factor in pattern)
        area += scale * _area(series)
    if area < _WEAK_AREA_RAD or rabi_max <= 0:
        return None
    return float((_GENEROUS_RATIO * C6_RAD_M6_PER_S / rabi_max) ** (1 / 6))


def _rabi_max(program: AhsProgram) -> float:
    """Return a bound of the Rabi frequency of any atom at any time, in rad/s."""
    return sum(
        max(abs(factor) for factor in drive.amplitude.pattern or (1.0,))
        * max(abs(value) for value in drive.amplitude.series.values)
        for drive in program.driving_fields
    )


def independent_set_count(
    sites_m: Sequence[tuple[float, float]], radius_m: float
) -> tuple[int, bool]:
    """Return how many sets of sites have no pair nearer than a radius.

    Sites are taken one after the other along the longer side of the register; of those taken only
    the ones with a neighbour still to come are remembered.

    Args:
        sites_m: Positions, in m.
        radius_m: In m.

    Returns:
        The number and True; or a lower bound and False, where more than PATTERNS_MAX patterns
        would have to be remembered.

    Cost: PATTERNS_MAX times the number of sites.
    """
    widths = [max(axis) - min(axis) for axis in zip(*sites_m, strict=True)]
    is_tall = len(widths) > 1 and widths[1] > widths[0]
    ordered = sorted(sites_m, key=lambda site: (site[1], site[0]) if is_tall else site)
    masks = _neighbour_masks(ordered, radius_m)
    patterns: Mapping[int, int] = {0: 1}
    for index in range(len(ordered)):
        later = 0
        for mask in masks[index + 1 :]:
            later |= mask
        grown: dict[int, int] = {}
        for pattern, count in patterns.items():
            grown[pattern & later] = grown.get(pattern & later, 0) + count
            if not pattern & masks[index]:
                kept = (pattern | 1 << index) & later
                grown[kept] = grown.get(kept, 0) + count
        patterns = grown
        if len(patterns) > PATTERNS_MAX:
            return sum(patterns.values()), index == len(ordered) - 1
    return sum(patterns.values()), True


def _neighbour_masks(sites_m: Sequence[tuple[float, float]], radius_m: float) -> list[int]:
    masks = [0] * len(sites_m)
    for j, (x, y) in enumerate(sites_m):
        for k in range(j):
            if (sites_m[k][0] - x) ** 2 + (sites_m[k][1] - y) ** 2 < radius_m**2:
                masks[j] |= 1 << k
                masks[k] |= 1 << j
    return masks


def _area(series: TimeSeries) -> float:
    """Return the integral of a piecewise linear series' absolute value, at most."""
    points = pairwise(zip(series.times_s, series.values, strict=True))
    return sum((t1 - t0) * (abs(v0) + abs(v1)) / 2 for (t0, v0), (t1, v1) in points)
