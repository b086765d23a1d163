"""Circuits as lists of one- and two-qubit unitaries, the form that compilation works on."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from openbraket.circuits.gates import GATES
from openbraket.compilation.weyl import Matrices, Weyl, decompose

_QUARTER: Final = np.pi / 4
_TOLERANCE: Final = 1e-9
SWAP: Final[Matrices] = np.array(GATES["swap"].matrix())


class Item(NamedTuple):
    """One unitary.

    Attributes:
        qubits: One qubit or two, the more significant first.
        matrix: Shape (2, 2) or (4, 4); must not be changed.
    """

    qubits: tuple[int, ...]
    matrix: Matrices


def merge(items: Iterable[Item]) -> list[Item]:
    """Multiply what acts on one qubit, or on one pair, without anything in between.

    Returns:
        The same circuit in order of time: no qubit has two one-qubit unitaries in a row, no pair
        two two-qubit ones with at most one-qubit ones in between.
    """
    out: list[Item] = []
    waiting: dict[int, Matrices] = {}
    last: dict[int, int] = {}
    for qubits, matrix in items:
        if len(qubits) == 1:
            before = waiting.get(qubits[0])
            waiting[qubits[0]] = matrix if before is None else matrix @ before
            continue
        a, b = qubits
        index = last.get(a)
        if index is not None and index == last.get(b):
            known = out[index]
            product = _beside(
                waiting.pop(known.qubits[0], None), waiting.pop(known.qubits[1], None)
            )
            inner = known.matrix if product is None else product @ known.matrix
            own = matrix if known.qubits == qubits else turned(matrix)
            out[index] = Item(known.qubits, own @ inner)
            continue
        out += [Item((q,), waiting.pop(q)) for q in qubits if q in waiting]
        last[a] = last[b] = len(out)
        out.append(Item(qubits, matrix))
    out += [Item((q,), matrix) for q, matrix in waiting.items()]
    return out


def turned(matrix: Matrices) -> Matrices:
    """Return a two-qubit matrix with its qubits the other way round."""
    return matrix.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)


def _beside(first: Matrices | None, second: Matrices | None) -> Matrices | None:
    if first is None and second is None:
        return None
    out = np.zeros((2, 2, 2, 2), dtype=complex)
    one = _IDENTITY if first is None else first
    two = _IDENTITY if second is None else second
    out = one[:, None, :, None] * two[None, :, None, :]
    return out.reshape(4, 4)


_IDENTITY: Final[Matrices] = np.eye(2, dtype=complex)


class Simplified(NamedTuple):
    """A circuit without two-qubit unitaries that need no gate.

    Attributes:
        items: The unitaries, merged.
        weyl: Decompositions of the two-qubit ones, in order.
        wires: Where each qubit is at the end: exchanges are taken as renamings.
    """

    items: list[Item]
    weyl: Weyl
    wires: tuple[int, ...]


def simplify(items: Sequence[Item], qubit_count: int, *, renames: bool) -> Simplified:
    """Merge a circuit and take out local two-qubit unitaries and, if wanted, exchanges.

    Args:
        items: The circuit.
        qubit_count: Number of its qubits.
        renames: Whether an exchange may become a renaming of the qubits behind it.
    """
    wires = list(range(qubit_count))
    current = list(items)
    while True:
        current = merge(current)
        weyl = decompose_items(current)
        is_local = np.abs(weyl.angles).max(axis=1, initial=0) <= _TOLERANCE
        is_exchange = np.abs(weyl.angles - _QUARTER).max(axis=1, initial=0) <= _TOLERANCE
        if not is_local.any() and not (renames and is_exchange.any()):
            return Simplified(current, weyl, tuple(wires))
        names = list(range(qubit_count))
        out: list[Item] = []
        index = -1
        for item in current:
            qubits = tuple(names[q] for q in item.qubits)
            if len(qubits) == 1:
                out.append(Item(qubits, item.matrix))
                continue
            index += 1
            if not is_local[index] and not (renames and is_exchange[index]):
                out.append(Item(qubits, item.matrix))
                continue
            if is_exchange[index]:
                first, second = item.qubits
                names[first], names[second] = names[second], names[first]
            out += [Item((q,), weyl.right[index, side]) for side, q in enumerate(qubits)]
            moved = tuple(names[q] for q in item.qubits)
            out += [Item((q,), weyl.left[index, side]) for side, q in enumerate(moved)]
        current = out
        wires = [names[wire] for wire in wires]


def decompose_items(items: Iterable[Item]) -> Weyl:
    """Return the decompositions of the two-qubit unitaries, in order."""
    matrices = [item.matrix for item in items if len(item.qubits) == 2]
    if not matrices:
        empty = np.empty((0, 2, 2, 2), dtype=complex)
        return Weyl(empty, np.empty((0, 3)), empty)
    return decompose(np.stack(matrices))
