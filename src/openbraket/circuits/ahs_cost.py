"""What evolving atoms costs: memory and time, for what is refused before it begins.

Figures of time are rough: one thread of a processor of 2023.
"""

from typing import Final

FULL_ATOMS_MAX: Final = 30
BLOCKADE_ATOMS_MAX: Final = 63
# Flows of the interaction in one time step; in the subspace two sweeps go with each.
STAGES_PER_STEP: Final = 6
SWEEPS_PER_STEP: Final = 2 * STAGES_PER_STEP

# One amplitude, one atom and one stage (or sweep).
_FULL_SECONDS: Final = 1.5e-10
_BLOCKADE_SECONDS: Final = 1.2e-9
# The state, a copy while its error is measured, and a third for what is read from it.
_FULL_COPIES: Final = 3
# The state and a copy while its error is measured or it is sampled; besides the structure of the
# subspace, of which a configuration's share is below 0.1 bytes on lattices and 2 on registers whose
# sites stand in no order.
_BLOCKADE_COPIES: Final = 2
_BLOCKADE_TABLE_BYTES: Final = 4
# Two states in single precision, what they go back to, and what decides on a jump.
_JUMP_BYTES: Final = 88
_BYTES: Final = {"double": 16, "single": 8}


def full_bytes(atom_count: int, precision: str = "double") -> int:
    """Return the memory of an evolution in the full space, in bytes.

    Args:
        atom_count: Number of atoms.
        precision: `double` or `single`.
    """
    return (_FULL_COPIES * _BYTES[precision]) << atom_count


def blockade_bytes(
    configuration_count: int, precision: str = "double", *, has_jumps: bool = False
) -> int:
    """Return the memory of an evolution in a blockade subspace, in bytes.

    Args:
        configuration_count: Number of configurations.
        precision: `double` or `single`.
        has_jumps: Whether atoms decay, whatever the precision.
    """
    state = _JUMP_BYTES if has_jumps else _BLOCKADE_COPIES * _BYTES[precision]
    return configuration_count * (state + _BLOCKADE_TABLE_BYTES)


def full_seconds(atom_count: int, step_count: int) -> float:
    """Return the time of an evolution in the full space with one thread, in s."""
    return float(1 << atom_count) * atom_count * step_count * STAGES_PER_STEP * _FULL_SECONDS


def blockade_seconds(configuration_count: int, atom_count: int, step_count: int) -> float:
    """Return the time of an evolution in a blockade subspace with one thread, in s."""
    work = float(configuration_count) * atom_count * step_count
    return work * SWEEPS_PER_STEP * _BLOCKADE_SECONDS
