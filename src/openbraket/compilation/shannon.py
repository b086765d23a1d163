"""Unitaries on three qubits and more as two-qubit ones, by the quantum Shannon decomposition.

U = (L0⊕L1) Ry (R0⊕R1), a cosine-sine decomposition with a rotation of the first qubit that the
others choose; each A⊕B = (I⊗V) Rz (I⊗W) in turn.

Source: Shende, Bullock and Markov, "Synthesis of quantum logic circuits", 2006.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.gates import GATES
from openbraket.compilation.items import Item
from openbraket.compilation.weyl import Matrices

_CNOT: Final[Matrices] = np.array(GATES["cnot"].matrix())
# Rotations by less than this are left out.
_ANGLE_MIN: Final = 1e-12
_MIXTURES: Final = (0.4, 1.3, 2.2, 2.9)


def split_unitary(matrix: Matrices, qubits: Sequence[int]) -> list[Item]:
    """Return one- and two-qubit unitaries whose product is a unitary, in order of time.

    Args:
        matrix: Shape (2^n, 2^n).
        qubits: The n qubits, most significant first.

    Cost:
        About 4^n two-qubit unitaries.
    """
    if len(qubits) <= 2:
        return [Item(tuple(qubits), matrix)]
    half = len(matrix) // 2
    left, angles, right = cosine_sine(matrix)
    return [
        *_chosen(right[:half], right[half:], qubits),
        *_chosen_rotation("ry", 2 * angles, qubits),
        *_chosen(left[:half], left[half:], qubits),
    ]


def cosine_sine(matrix: Matrices) -> tuple[Matrices, NDArray[np.float64], Matrices]:
    """Return the blocks of U = (L0⊕L1) [[C, -S], [S, C]] (R0⊕R1).

    Args:
        matrix: A unitary of shape (2m, 2m).

    Returns:
        L0 above L1, shape (2m, m); the angles of C and S, shape (m,); R0 above R1.
    """
    half = len(matrix) // 2
    first, cosines, adjoint = np.linalg.svd(matrix[:half, :half])
    # Descending sines: the triangular factor below is then diagonal up to rounding.
    first, cosines, adjoint = first[:, ::-1], cosines[::-1], adjoint[::-1]
    second, triangle = np.linalg.qr(matrix[half:, :half] @ adjoint.conj().T)
    diagonal = triangle.diagonal()
    sizes = np.abs(diagonal)
    phases = np.where(sizes > 0, diagonal / np.where(sizes > 0, sizes, 1), 1)
    second = second * phases
    angles = np.arctan2(sizes, cosines)
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    last = cosine * (second.conj().T @ matrix[half:, half:]) - sine * (
        first.conj().T @ matrix[:half, half:]
    )
    return np.concatenate([first, second]), angles, np.concatenate([adjoint, last])


def eigenbasis(unitary: Matrices) -> tuple[Matrices, NDArray[np.float64]]:
    """Return orthonormal eigenvectors as columns, and eigenphases, of a unitary."""
    adjoint = unitary.conj().T
    real, imaginary = (unitary + adjoint) / 2, (unitary - adjoint) / 2j
    # Eigenvalues that one mixture makes equal, another tells apart: the best one is taken.
    found, error_min = (unitary, unitary.diagonal()), np.inf
    for mixture in _MIXTURES:
        vectors = np.linalg.eigh(np.cos(mixture) * real + np.sin(mixture) * imaginary)[1]
        rotated = vectors.conj().T @ unitary @ vectors
        error = float(np.abs(rotated - np.diag(rotated.diagonal())).max())
        if error < error_min:
            found, error_min = (vectors, rotated.diagonal()), error
    return found[0], np.angle(found[1])


def _chosen(first: Matrices, second: Matrices, qubits: Sequence[int]) -> list[Item]:
    """Return A⊕B: the first qubit chooses which unitary acts on the others."""
    vectors, phases = eigenbasis(first @ second.conj().T)
    before = np.exp(0.5j * phases)[:, None] * (vectors.conj().T @ second)
    return [
        *split_unitary(before, qubits[1:]),
        *_chosen_rotation("rz", -phases, qubits),
        *split_unitary(vectors, qubits[1:]),
    ]


def _chosen_rotation(name: str, angles: NDArray[np.float64], qubits: Sequence[int]) -> list[Item]:
    """Return the rotation of the first qubit whose angle the others choose."""
    if np.abs(angles).max() < _ANGLE_MIN:
        return []
    target, controls = qubits[0], qubits[1:]
    if not controls:
        return [Item((target,), np.array(GATES[name].matrix(float(angles[0]))))]
    half = len(angles) // 2
    mean, difference = (angles[:half] + angles[half:]) / 2, (angles[:half] - angles[half:]) / 2
    inner = (target, *controls[1:])
    parts = _chosen_rotation(name, mean, inner)
    if np.abs(difference).max() < _ANGLE_MIN:
        return parts
    exchange = Item((controls[0], target), _CNOT)
    return [*parts, exchange, *_chosen_rotation(name, difference, inner), exchange]
