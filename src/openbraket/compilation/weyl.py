"""Two-qubit unitaries as U = (L1⊗L2) exp(i (a XX + b YY + c ZZ)) (R1⊗R2), many at a time.

In the magic basis, local gates are real and the exponential is diagonal, so the decomposition is
the simultaneous diagonalization of the real and imaginary parts of UᵀU, which commute.

Source: Kraus and Cirac, "Optimal creation of entanglement using a two-qubit gate", 2001;
Vatan and Williams, "Optimal quantum circuits for general two-qubit gates", 2004.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrices = NDArray[np.complex128]
Angles = NDArray[np.float64]

# Angles that differ from a multiple of π/4 by less than this count as that multiple.
ANGLE_TOLERANCE: Final = 1e-9

PAULIS: Final[Matrices] = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
_MAGIC: Final[Matrices] = np.array([
    [1, 0, 0, 1j],
    [0, 1j, 1, 0],
    [0, 1j, -1, 0],
    [1, 0, 0, -1j],
]) * np.sqrt(0.5)
# Row j: eigenvalues of XX, YY and ZZ for column j of the magic basis.
_SIGNS: Final = np.stack(
    [(_MAGIC.conj().T @ np.kron(p, p) @ _MAGIC).diagonal().real for p in PAULIS], axis=1
).round()
# Mixtures of the real and the imaginary part; a pair of different eigenvalues that one of them
# makes equal, another tells apart.
_MIXTURES: Final = (0.4, 1.3, 2.2, 2.9)

# C†XC is Z, C†YC is X and C†ZC is Y.
CYCLE: Final[Matrices] = np.array([[1, -1j], [1, 1j]]) * np.sqrt(0.5)
_AXES: Final[Matrices] = np.stack([np.eye(2, dtype=complex), CYCLE, CYCLE @ CYCLE])
# The exponentials with so many angles of π/4 and the others 0.
_CORE_ANGLES: Final = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]]) * np.pi / 4
_CORES: Final[Matrices] = np.stack([
    np.linalg.multi_dot([
        np.cos(angle) * np.eye(4) + 1j * np.sin(angle) * np.kron(pauli, pauli)
        for angle, pauli in zip(angles, PAULIS, strict=True)
    ])
    for angles in _CORE_ANGLES
])


class Weyl(NamedTuple):
    """Decompositions of n unitaries.

    Attributes:
        left: L1 and L2 of each, shape (n, 2, 2, 2).
        angles: a, b and c of each in radians, from -π/4 to π/4, in no order; shape (n, 3).
        right: R1 and R2 of each, shape (n, 2, 2, 2).
    """

    left: Matrices
    angles: Angles
    right: Matrices


def decompose(unitaries: Matrices) -> Weyl:
    """Return the decompositions of unitaries, up to a phase.

    Args:
        unitaries: Shape (n, 4, 4); the first qubit is the more significant bit.

    Accuracy:
        About 1e-14 in each entry, 1e-8 where eigenvalues are equal to 1e-12 but not exactly.
    """
    inside = _MAGIC.conj().T @ unitaries @ _MAGIC
    inside /= np.power(np.linalg.det(inside), 0.25)[:, None, None]
    squares = inside.swapaxes(1, 2) @ inside
    vectors, phases = _diagonalize(squares)
    right = vectors.swapaxes(1, 2)
    left = inside @ vectors * np.exp(-1j * phases)[:, None, :]
    # The phases are known up to π each: they are chosen so that both factors are rotations.
    is_flipped = np.linalg.det(left.real) < 0
    phases[is_flipped, 0] += np.pi
    left[is_flipped, :, 0] *= -1
    angles = phases @ _SIGNS / 4
    left_locals = _locals(_MAGIC @ left @ _MAGIC.conj().T)
    right_locals = _locals(_MAGIC @ right @ _MAGIC.conj().T)
    return _plain(unitaries, _reduce(Weyl(left_locals, angles, right_locals)))


def _diagonalize(squares: Matrices) -> tuple[NDArray[np.float64], Angles]:
    """Return rotations V and half the phases of VᵀMV, for symmetric unitaries M."""
    best_vectors = np.empty(squares.shape)
    best_errors = np.full(len(squares), np.inf)
    for mixture in _MIXTURES:
        mixed = np.cos(mixture) * squares.real + np.sin(mixture) * squares.imag
        _, vectors = np.linalg.eigh(mixed)
        diagonal = vectors.swapaxes(1, 2) @ squares @ vectors
        errors = np.abs(diagonal - np.einsum("nii->ni", diagonal)[:, :, None] * np.eye(4))
        worst = errors.max(axis=(1, 2))
        is_better = worst < best_errors
        best_vectors[is_better] = vectors[is_better]
        best_errors[is_better] = worst[is_better]
    best_vectors[np.linalg.det(best_vectors) < 0, :, 0] *= -1
    diagonal = best_vectors.swapaxes(1, 2) @ squares @ best_vectors
    return best_vectors, np.angle(np.einsum("nii->ni", diagonal)) / 2


def _locals(products: Matrices) -> Matrices:
    """Return the factors A and B of A⊗B, shape (n, 2, 2, 2), each of determinant 1."""
    factors = _factors(products)
    factors /= np.sqrt(np.linalg.det(factors))[:, :, None, None]
    return factors


def _factors(products: Matrices) -> Matrices:
    """Return A and B of A⊗B, shape (n, 2, 2, 2); of other matrices something else."""
    count = len(products)
    # Rows are entries of A, columns entries of B.
    table = products.reshape(count, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(count, 4, 4)
    largest = np.abs(table).reshape(count, 16).argmax(axis=1)
    rows, columns = largest // 4, largest % 4
    index = np.arange(count)
    second = table[index, rows].reshape(count, 2, 2)
    first = (table[index, :, columns] / table[index, rows, columns][:, None]).reshape(count, 2, 2)
    return np.stack([first, second], axis=1)


def _reduce(weyl: Weyl) -> Weyl:
    """Bring the angles into -π/4 to π/4: exp(i π/2 PP) is P⊗P up to a phase."""
    turns = np.round(weyl.angles / (np.pi / 2) - ANGLE_TOLERANCE)
    left = weyl.left
    for k, pauli in enumerate(PAULIS):
        is_odd = turns[:, k] % 2 == 1
        left = np.where(is_odd[:, None, None, None], left @ pauli, left)
    return Weyl(left, weyl.angles - turns * (np.pi / 2), weyl.right)


def _plain(unitaries: Matrices, weyl: Weyl) -> Weyl:
    """Give Clifford unitaries Clifford factors, which equal eigenvalues leave undecided.

    Where all angles are 0 or π/4, right factors that only choose axes are tried, and the angles
    put in a fixed order; other unitaries, and those that no such factors fit, stay as they are.
    """
    is_zero = np.abs(weyl.angles) <= ANGLE_TOLERANCE
    is_quarter = np.abs(weyl.angles - np.pi / 4) <= ANGLE_TOLERANCE
    waiting = np.flatnonzero((is_zero | is_quarter).all(axis=1))
    for first in range(3):
        for second in range(3):
            if not len(waiting):
                return weyl
            counts = is_quarter[waiting].sum(axis=1)
            right = np.stack([_AXES[first], _AXES[second]])
            rest = unitaries[waiting] @ np.kron(*right).conj().T @ _CORES[counts].conj()
            left = _factors(rest)
            products = left[:, 0, :, None, :, None] * left[:, 1, None, :, None, :]
            error = np.abs(products.reshape(-1, 4, 4) - rest).max(axis=(1, 2), initial=0)
            is_local = error <= ANGLE_TOLERANCE
            found = waiting[is_local]
            weyl.left[found] = _locals(rest[is_local])
            weyl.right[found] = right
            weyl.angles[found] = _CORE_ANGLES[counts[is_local]]
            waiting = waiting[~is_local]
    return weyl


def exchanged(angles: Angles) -> Angles:
    """Return the angles of the same unitaries followed by an exchange of the qubits."""
    moved = angles + np.pi / 4
    return moved - np.round(moved / (np.pi / 2) - ANGLE_TOLERANCE) * (np.pi / 2)


def entangler_counts(angles: Angles, *, has_angle: bool) -> NDArray[np.int64]:
    """Return how many native two-qubit gates unitaries need.

    Args:
        angles: Shape (n, 3), reduced.
        has_angle: Whether the native gate is exp(i a PP) for any a; otherwise it is cz or a gate
            that is cz up to local ones.
    """
    nonzero: NDArray[np.int64] = (np.abs(angles) > ANGLE_TOLERANCE).sum(axis=1, dtype=np.int64)
    if has_angle:
        return nonzero
    is_quarter = np.abs(np.abs(angles).max(axis=1) - np.pi / 4) <= ANGLE_TOLERANCE
    nonzero[(nonzero == 1) & ~is_quarter] = 2
    return nonzero
