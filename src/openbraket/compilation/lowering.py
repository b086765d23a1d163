"""Operations of any width as one- and two-qubit unitaries."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np

from openbraket.base.errors import LimitError
from openbraket.circuits.gates import GATES, GATES_BY_CODE, UNITARY_CODE
from openbraket.circuits.steps import Step
from openbraket.compilation.items import Item
from openbraket.compilation.shannon import eigenbasis, split_unitary
from openbraket.compilation.weyl import Matrices

# Operations on more qubits, controls included, are refused: their matrices are taken as a whole.
WIDE_QUBITS_MAX: Final = 6
# Eigenphases within this of -π count as +π, so that rounding does not choose the branch.
_BRANCH_MARGIN: Final = 1e-9


def items_of(steps: Iterable[Step]) -> list[Item]:
    """Return operations as one- and two-qubit unitaries, in order of time; phases are dropped.

    Raises:
        LimitError: If an operation acts on more than `WIDE_QUBITS_MAX` qubits.
    """
    out: list[Item] = []
    for step in steps:
        if step.code != UNITARY_CODE and not step.control_count and step.power == 1.0:
            targets = step.targets
            if 0 < len(targets) <= 2:
                out.append(Item(targets, _matrix(step.code, step.parameters)))
            elif len(targets) == 3:
                out += _three_qubit_gate(step)
        else:
            out += _general(step)
    return out


@lru_cache(maxsize=65536)
def _matrix(code: int, parameters: tuple[float, ...]) -> Matrices:
    return np.array(GATES_BY_CODE[code].matrix(*parameters))


def _three_qubit_gate(step: Step) -> list[Item]:
    """Return ccnot with six two-qubit gates; cswap is ccnot between two cnot."""
    a, b, c = step.targets
    cnot = _matrix(GATES["cnot"].code, ())
    if step.code == GATES["cswap"].code:
        around = Item((c, b), cnot)
        return [around, *_toffoli(a, b, c), around]
    return _toffoli(a, b, c)


def _toffoli(a: int, b: int, c: int) -> list[Item]:
    h, t, ti, cnot = (_matrix(GATES[name].code, ()) for name in ("h", "t", "ti", "cnot"))
    rows: tuple[tuple[Matrices, tuple[int, ...]], ...] = (
        (h, (c,)), (cnot, (b, c)), (ti, (c,)), (cnot, (a, c)), (t, (c,)), (cnot, (b, c)),
        (ti, (c,)), (cnot, (a, c)), (t, (b,)), (t, (c,)), (h, (c,)), (cnot, (a, b)), (t, (a,)),
        (ti, (b,)), (cnot, (a, b)),
    )  # fmt: skip
    return [Item(qubits, matrix) for matrix, qubits in rows]


def _general(step: Step) -> list[Item]:
    count = len(step.targets)
    if count > WIDE_QUBITS_MAX:
        raise LimitError(
            f"An operation acts on {count} qubits, more than the limit of {WIDE_QUBITS_MAX} for "
            "compilation."
        )
    if step.code == UNITARY_CODE:
        size = 1 << (count - step.control_count)
        matrix = np.array(step.parameters).view(np.complex128).reshape(size, size)
    else:
        matrix = _matrix(step.code, step.parameters)
    if step.power != 1.0:
        vectors, phases = eigenbasis(matrix)
        phases = np.where(phases < _BRANCH_MARGIN - np.pi, phases + 2 * np.pi, phases)
        matrix = (vectors * np.exp(1j * step.power * phases)) @ vectors.conj().T
    if step.control_count:
        inner, offset = len(matrix), step.control_value * len(matrix)
        whole = np.eye(inner << step.control_count, dtype=complex)
        whole[offset : offset + inner, offset : offset + inner] = matrix
        matrix = whole
    return split_unitary(matrix, step.targets) if count else []
