"""Registers as chains: the order of the atoms in a matrix product state, and what that neglects.

Atoms stand in the order of their place along the longer side of the register. Interactions of atoms
that are at most `reach` places apart are kept; the reach is the least that neglects little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from openbraket.circuits.ahs_cost import STAGES_PER_STEP

CHAIN_ATOMS_MAX: Final = 256
REACH_MAX: Final = 12
# What all neglected interactions of one atom may turn its phase by in the whole evolution if all
# other atoms were excited: a longer reach is taken above the first, above the second none will do.
NEGLECTED_RAD: Final = 0.1
NEGLECTED_RAD_MAX: Final = 1.0
MAX_BOND_DEFAULT: Final = 128
# Complex numbers; buffers grow by half more than they must, and the block is kept twice.
_NUMBER_BYTES: Final = 24
# One complex multiplication of a split, and the bond that an estimate of time assumes.
_SECONDS: Final = 5e-11
_BOND_GUESS: Final = 48
# Atoms on one spot would interact infinitely.
_SQUARE_M2_MIN: Final = 1e-14


@dataclass(frozen=True, slots=True)
class ChainShape:
    """A register as a chain.

    Attributes:
        order: Indices of the atoms, in the order of the chain.
        reach: Places apart at which interactions are still kept.
        neglected_rad_per_s: Largest sum of one atom's interactions that are not kept.
        is_tall: Whether the longer side is the one along y.
    """

    order: tuple[int, ...]
    reach: int
    neglected_rad_per_s: float
    is_tall: bool = False

    def places(self, sites_m: Sequence[tuple[float, float]]) -> list[int]:
        """Return the place of every site along the chain, also of sites without an atom.

        Args:
            sites_m: Positions in m.
        """
        out = [0] * len(sites_m)
        for place, index in enumerate(_along(sites_m, is_tall=self.is_tall)):
            out[index] = place
        return out

    def is_narrow(self, duration_s: float) -> bool:
        """Return whether what is neglected is little enough.

        Args:
            duration_s: How long the atoms evolve, in s.
        """
        return self.neglected_rad_per_s * duration_s <= NEGLECTED_RAD_MAX


def chain_shape(
    sites_m: Sequence[tuple[float, float]], *, duration_s: float, c6_rad_m6_per_s: float
) -> ChainShape:
    """Return atoms in the order of a chain, with the least reach that neglects little.

    Args:
        sites_m: Positions of the atoms in m, no two of them equal; 1 to CHAIN_ATOMS_MAX.
        duration_s: How long they evolve, in s.
        c6_rad_m6_per_s: Interaction constant.

    Returns:
        The shape; its reach is at most REACH_MAX, which may neglect too much.

    Cost: quadratic in the atoms; 10 ms for 256.
    """
    widths = [max(axis) - min(axis) for axis in zip(*sites_m, strict=True)]
    is_tall = widths[1] > widths[0]
    order = _along(sites_m, is_tall=is_tall)
    ordered = [sites_m[index] for index in order]
    # kept[r][j]: what atom j has with atoms more than r places away.
    sums = [[0.0] * len(order) for _ in range(REACH_MAX + 1)]
    for j, (x, y) in enumerate(ordered):
        for k in range(j + 2, len(ordered)):
            u, v = ordered[k]
            square = max((x - u) ** 2 + (y - v) ** 2, _SQUARE_M2_MIN)
            coupling = c6_rad_m6_per_s / square**3
            for reach in range(1, min(k - j, REACH_MAX + 1)):
                sums[reach][j] += coupling
                sums[reach][k] += coupling
    worst = [max(row) for row in sums[1:]]
    for reach, neglected in enumerate(worst, start=1):
        if neglected * duration_s <= NEGLECTED_RAD:
            return ChainShape(tuple(order), reach, neglected, is_tall)
    return ChainShape(tuple(order), REACH_MAX, worst[-1], is_tall)


def _along(sites_m: Sequence[tuple[float, float]], *, is_tall: bool) -> list[int]:
    """Return the indices of sites in the order of their place along one side of the register."""
    return sorted(range(len(sites_m)), key=lambda index: sites_m[index][:: -1 if is_tall else 1])


def chain_memory_bytes(atom_count: int, reach: int, max_bond: int) -> int:
    """Return the memory of a matrix product state and of its moving block, in bytes."""
    widest = min(max_bond, 1 << min(30, atom_count // 2))
    square = (widest + 8) ** 2
    return _NUMBER_BYTES * square * (2 * atom_count + (4 << reach))


def chain_seconds(atom_count: int, reach: int, max_bond: int, step_count: int) -> float:
    """Return a rough estimate of the time of one evolution with one thread, in s.

    The bonds are not known before: with weak interactions they stay far below the guess.
    """
    bond = min(max_bond, _BOND_GUESS, 1 << min(30, atom_count // 2))
    split = bond**3 * (6 * 2.0**reach + 60)
    return step_count * STAGES_PER_STEP * atom_count * split * _SECONDS
