"""Operations on more than two qubits: written out, or applied as matrices to blocks.

For fixed letters on the other qubits, the coefficients over the letters of k targets are those of
a Hermitian matrix M of 2^k rows, and an operation U takes each of these to U M U†.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from openbraket.circuits.circuit import Noise, Operations
from openbraket.circuits.gates import GATES, GATES_BY_CODE, UNITARY_CODE
from openbraket.circuits.noisy import MAP_QUBITS_MAX, is_written_out
from openbraket.simulators.densitymatrix.maps import pauli_basis
from openbraket.simulators.values import Complexes, Floats

# Coefficients that are worked on at once, where the targets leave a choice.
_BLOCK_MAX: Final = 1 << 18
_CCNOT: Final = GATES["ccnot"].code
# Names and positions of targets; M. Nielsen and I. Chuang, Quantum Computation and Quantum
# Information (2010), figure 4.9.
_CCNOT_GATES: Final = (
    ("h", 2), ("cnot", 1, 2), ("ti", 2), ("cnot", 0, 2), ("t", 2), ("cnot", 1, 2), ("ti", 2),
    ("cnot", 0, 2), ("t", 1), ("t", 2), ("h", 2), ("cnot", 0, 1), ("t", 0), ("ti", 1),
    ("cnot", 0, 1),
)  # fmt: skip
_CSWAP_GATES: Final = (("cnot", 2, 1), *_CCNOT_GATES, ("cnot", 2, 1))


@dataclass(slots=True)
class Segment:
    """Operations on one and two qubits with the channels between them, or one wide operation.

    Attributes:
        operations: The operations; empty for a wide one.
        matrix: The wide operation's unitary, controls included; None where there is none.
        targets: Its targets.
    """

    operations: Operations = field(default_factory=Operations)
    matrix: Complexes | None = None
    targets: tuple[int, ...] = ()


def segments_of(operations: Operations, noise: Sequence[Noise]) -> list[Segment]:
    """Cut operations where a wide one stands.

    Args:
        operations: Without powers; not modified.
        noise: The channels between them, ascending by index.

    Returns:
        Segments, in order; at least one.
    """
    starts = operations.target_starts
    if all(b - a <= MAP_QUBITS_MAX for a, b in pairwise(starts)):
        plain = Operations(
            operations.codes,
            starts,
            operations.targets,
            operations.parameter_starts,
            operations.parameters,
            operations.control_counts,
            operations.control_values,
            noise=list(noise),
        )
        return [Segment(plain)]
    segments = [Segment()]
    waiting = list(reversed(noise))
    for index in range(len(operations)):
        _take_noise(segments, waiting, index)
        targets = tuple(operations.targets[starts[index] : starts[index + 1]])
        if len(targets) <= MAP_QUBITS_MAX:
            _copy(segments[-1].operations, operations, index, targets)
        elif is_written_out(operations, index):
            is_ccnot = operations.codes[index] == _CCNOT
            for name, *positions in _CCNOT_GATES if is_ccnot else _CSWAP_GATES:
                chosen = [targets[position] for position in positions]
                segments[-1].operations.append(GATES[name].code, chosen)
        else:
            segments += [Segment(matrix=_matrix(operations, index), targets=targets), Segment()]
    _take_noise(segments, waiting, len(operations))
    return segments


def _take_noise(segments: list[Segment], waiting: list[Noise], index: int) -> None:
    own = segments[-1].operations
    while waiting and waiting[-1].index <= index:
        c = waiting.pop()
        own.noise.append(Noise(c.name, c.targets, c.probabilities, c.matrices, len(own)))


def _copy(out: Operations, operations: Operations, index: int, targets: tuple[int, ...]) -> None:
    a, b = operations.parameter_starts[index : index + 2]
    out.append(
        operations.codes[index],
        targets,
        operations.parameters[a:b],
        control_count=operations.control_counts[index],
        control_value=operations.control_values[index],
    )


def _matrix(operations: Operations, index: int) -> Complexes:
    """Return the unitary of an operation with its controls, the first target most significant."""
    a, b = operations.parameter_starts[index : index + 2]
    parameters = operations.parameters[a:b]
    code = operations.codes[index]
    if code == UNITARY_CODE:
        flat = np.array(parameters).view(np.complex128)
        inner: Complexes = flat.reshape(round(flat.size**0.5), -1)
    else:
        inner = np.array(GATES_BY_CODE[code].matrix(*parameters), dtype=np.complex128)
    count = operations.control_counts[index]
    matrix: Complexes = np.eye(inner.shape[0] << count, dtype=np.complex128)
    start = operations.control_values[index] * inner.shape[0]
    stop = start + inner.shape[0]
    matrix[start:stop, start:stop] = inner
    return matrix


def apply_matrix(coefficients: Floats, matrix: Complexes, targets: Sequence[int]) -> None:
    """Apply a unitary on some qubits to Pauli coefficients, in place.

    Args:
        coefficients: One axis of I, X, Y, Z for each qubit.
        matrix: U, shape (2^k, 2^k), the first target most significant.
        targets: k qubits.

    Cost: 2 · 2^k complex multiply-adds for each coefficient.
    """
    count = len(targets)
    rest = [axis for axis in range(coefficients.ndim) if axis not in targets]
    moved = coefficients.transpose([*rest, *targets])
    inner_count = len(rest)
    while inner_count and 4 ** (inner_count + count) > _BLOCK_MAX:
        inner_count -= 1
    outer_count = len(rest) - inner_count
    for where in np.ndindex((4,) * outer_count):
        block = moved[where]
        shape = block.shape
        matrices = _to_matrices(block.reshape(-1, *(4,) * count), count)
        matrices = matrix @ matrices @ matrix.conj().T
        block[...] = _to_coefficients(matrices, count).reshape(shape)


def _to_matrices(letters: Floats, count: int) -> Complexes:
    """Return Σ_P c_P P for each row of coefficients, shape (rows, 2^k, 2^k)."""
    found: Complexes = letters.astype(np.complex128)
    for _ in range(count):
        found = np.tensordot(found, pauli_basis(1), axes=(1, 0))
    axes = [0, *range(1, 2 * count, 2), *range(2, 2 * count + 1, 2)]
    return found.transpose(axes).reshape(-1, 1 << count, 1 << count)


def _to_coefficients(matrices: Complexes, count: int) -> Floats:
    """Return c_P = tr(P M) / 2^k, the inverse of `_to_matrices`."""
    found: Complexes = matrices.reshape(-1, *(2,) * (2 * count))
    for k in range(count):
        # Row and column of the first target that is left, behind the letters that are done.
        column_axis = 1 + count - k
        found = np.tensordot(found, pauli_basis(1) / 2, axes=((1, column_axis), (2, 1)))
    return np.ascontiguousarray(found.real)
