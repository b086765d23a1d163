"""Which blocks may change places: those that read a shared qubit in the same basis.

exp(i a PP) between local gates commutes with one Pauli axis of each qubit. On every qubit,
consecutive blocks with the same axis form a group; routing may run a group in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from openbraket.compilation.items import Item, turned
from openbraket.compilation.weyl import (
    ANGLE_TOLERANCE,
    PAULIS,
    Angles,
    Matrices,
    Weyl,
    decompose,
)

_SAME_AXIS: Final = 1e-9


@dataclass
class Grouped:
    """Two-qubit blocks in groups, with the one-qubit gates between the groups.

    Attributes:
        qubits: The two qubits of each block.
        matrices: Its matrix, on these qubits in this order.
        angles: The angles of each block, shape (n, 3).
        groups: Its group on each of the two qubits; groups are numbered along each qubit.
        entries: One-qubit gate before a group, by qubit and group.
        finals: One-qubit gate behind the last group, by qubit.
    """

    qubits: list[tuple[int, int]] = field(default_factory=list)
    matrices: list[Matrices] = field(default_factory=list)
    angles: Angles = field(default_factory=lambda: np.empty((0, 3)))
    groups: list[tuple[int, int]] = field(default_factory=list)
    entries: dict[tuple[int, int], Matrices] = field(default_factory=dict)
    finals: dict[int, Matrices] = field(default_factory=dict)


@dataclass
class _Wire:
    """What is known of one qubit: its present group, the group's axis, and a gate that waits."""

    group: int = -1
    axis: Matrices | None = None
    waiting: Matrices | None = None

    def joins(self, axis: Matrices | None) -> bool:
        """Return whether a block with this axis belongs to the present group."""
        if axis is None or self.axis is None or not _is_same(axis, self.axis):
            return False
        gate = self.waiting
        return gate is None or bool(np.abs(gate @ axis - axis @ gate).max() < _SAME_AXIS)


def group_blocks(items: Sequence[Item], weyl: Weyl) -> Grouped:
    """Return the blocks of a simplified circuit in groups.

    Args:
        items: The circuit, merged.
        weyl: Decompositions of its two-qubit unitaries.
    """
    out = Grouped()
    wires: dict[int, _Wire] = {}
    known: dict[tuple[int, int, int, int], int] = {}
    axes = _axes(weyl)
    changed: list[int] = []
    index = -1
    origin: list[int] = []
    for qubits, matrix in items:
        for qubit in qubits:
            if qubit not in wires:
                wires[qubit] = _Wire()
        if len(qubits) == 1:
            wire = wires[qubits[0]]
            wire.waiting = matrix if wire.waiting is None else matrix @ wire.waiting
            continue
        index += 1
        a, b = qubits
        own = axes[index]
        is_joint = [wires[q].joins(own[side]) for side, q in enumerate(qubits)]
        first, second = (
            _enter(out, q, wires[q], own[k], is_joint[k]) for k, q in enumerate(qubits)
        )
        key = (a, b, first, second) if a < b else (b, a, second, first)
        block = known.get(key)
        if block is not None and all(is_joint):
            part = matrix if out.qubits[block] == (a, b) else turned(matrix)
            out.matrices[block] = part @ out.matrices[block]
            changed.append(block)
            continue
        known[key] = len(out.qubits)
        out.qubits.append((a, b))
        out.matrices.append(matrix)
        out.groups.append((first, second))
        origin.append(index)
    out.finals = {q: wire.waiting for q, wire in wires.items() if wire.waiting is not None}
    out.angles = weyl.angles[origin]
    if changed:
        out.angles[changed] = decompose(np.stack([out.matrices[k] for k in changed])).angles
    return out


def _enter(out: Grouped, qubit: int, wire: _Wire, axis: Matrices | None, joins: bool) -> int:
    """Put a block into the present group of a qubit or into a new one; return its number."""
    if not joins:
        wire.group += 1
        wire.axis = axis
    if wire.waiting is not None:
        # A gate that commutes with the whole group may as well stand before it.
        key = (qubit, wire.group)
        before = out.entries.get(key)
        out.entries[key] = wire.waiting if before is None else wire.waiting @ before
        wire.waiting = None
    return wire.group


def _axes(weyl: Weyl) -> list[tuple[Matrices | None, Matrices | None]]:
    """Return for each block and qubit the Pauli axis that the block commutes with, if any."""
    nonzero = np.abs(weyl.angles) > ANGLE_TOLERANCE
    is_single = nonzero.sum(axis=1) == 1
    paulis = PAULIS[np.abs(weyl.angles).argmax(axis=1)][:, None]
    into = weyl.right.conj().swapaxes(-1, -2) @ paulis @ weyl.right
    outof = weyl.left @ paulis @ weyl.left.conj().swapaxes(-1, -2)
    # An axis that is turned over anticommutes, which does not do.
    is_kept = np.abs(into - outof).max(axis=(2, 3)) < _SAME_AXIS
    out: list[tuple[Matrices | None, Matrices | None]] = []
    for k in range(len(weyl.angles)):
        first, second = (into[k, s] if is_single[k] and is_kept[k, s] else None for s in (0, 1))
        out.append((first, second))
    return out


def _is_same(first: Matrices, second: Matrices) -> bool:
    return bool(
        np.abs(first - second).max() < _SAME_AXIS or np.abs(first + second).max() < _SAME_AXIS
    )
