"""Two-qubit unitaries as layers of one-qubit gates with native two-qubit gates between them."""

from typing import Final, NamedTuple

import numpy as np

from openbraket.compilation.weyl import (
    ANGLE_TOLERANCE,
    CYCLE,
    PAULIS,
    Angles,
    Matrices,
    decompose,
    entangler_counts,
)

_I: Final[Matrices] = np.eye(2, dtype=complex)
_H: Final[Matrices] = np.array([[1, 1], [1, -1]], dtype=complex) * np.sqrt(0.5)
_QUARTERS: Final[Matrices] = np.stack([
    np.cos(np.pi / 4) * _I + 1j * np.sin(np.pi / 4) * pauli for pauli in PAULIS
])
# Rotations F of which F† Z F is X, Y or Z.
_TO_Z: Final[Matrices] = np.stack([_H, CYCLE, _I])
# The same for X.
_TO_X: Final[Matrices] = np.stack([_I, CYCLE @ CYCLE, _H])


class Layers(NamedTuple):
    """One unitary: layers[0], entangler, layers[1], entangler, and so on, in order of time.

    Attributes:
        layers: The matrices on the first and on the second qubit; one layer more than entanglers.
        angles: Of each entangler: θ of exp(-i θ PP / 2); 0 where the gate has none.
    """

    layers: tuple[tuple[Matrices, Matrices], ...]
    angles: tuple[float, ...]


def synthesize(unitaries: Matrices, entangler: str) -> list[Layers]:
    """Return unitaries with as few native two-qubit gates as possible, up to a phase.

    Args:
        unitaries: Shape (n, 4, 4).
        entangler: `cz`, or `zz` or `xx` with any angle.
    """
    weyl = decompose(unitaries)
    has_angle = entangler != "cz"
    counts = entangler_counts(weyl.angles, has_angle=has_angle)
    out = []
    for index in range(len(unitaries)):
        left, right = weyl.left[index], weyl.right[index]
        angles = weyl.angles[index]
        inner = _angled(angles, entangler) if has_angle else _FIXED[int(counts[index])](angles)
        out.append(_around(inner, left, right))
    return out


def _around(inner: Layers, left: Matrices, right: Matrices) -> Layers:
    layers = list(inner.layers)
    layers[0] = (layers[0][0] @ right[0], layers[0][1] @ right[1])
    layers[-1] = (left[0] @ layers[-1][0], left[1] @ layers[-1][1])
    return Layers(tuple(layers), inner.angles)


def _rotation(axis: int, angle: float) -> Matrices:
    """Return exp(i angle P)."""
    matrix: Matrices = np.cos(angle) * _I + 1j * np.sin(angle) * PAULIS[axis]
    return matrix


def _angled(angles: Angles, entangler: str) -> Layers:
    """Return the exponential with one gate for each angle that is not 0."""
    frames = _TO_Z if entangler == "zz" else _TO_X
    before: Matrices = _I
    layers, thetas = [], []
    for axis in range(3):
        if abs(angles[axis]) > ANGLE_TOLERANCE:
            layer = frames[axis] @ before
            layers.append((layer, layer))
            thetas.append(-2 * float(angles[axis]))
            before = frames[axis].conj().T
    layers.append((before, before))
    return Layers(tuple(layers), tuple(thetas))


def _none(_angles: Angles) -> Layers:
    return Layers(((_I, _I),), ())


def _one(angles: Angles) -> Layers:
    """Return exp(± i π/4 PP): exp(i π/4 ZZ) = exp(i π/4 (Z1 + Z2)) cz up to a phase."""
    axis = int(np.abs(angles).argmax())
    frame = _TO_Z[axis]
    quarter = _QUARTERS[2] if angles[axis] > 0 else _QUARTERS[2].conj()
    back = frame.conj().T @ quarter
    return Layers(((frame, frame), (back, back)), (0.0,))


def _two(angles: Angles) -> Layers:
    """Return the exponential with one angle 0 from exp(i (a XX + c ZZ)).

    With H on the second qubit XX is XZ and ZZ is ZX, which two cz make from X and I⊗X.
    """
    zero = int(np.abs(angles).argmin())
    # Each cycle moves the axes on by one, until the zero stands at Y.
    shift = (1 - zero) % 3
    frame: Matrices = _I
    moved = angles
    for _ in range(shift):
        frame = CYCLE @ frame
        moved = np.roll(moved, 1)
    middle = (_rotation(0, moved[0]), _rotation(0, moved[2]))
    back = frame.conj().T
    return Layers(((frame, _H @ frame), middle, (back, back @ _H)), (0.0, 0.0))


def _three(angles: Angles) -> Layers:
    """Return Vatan's and Williams's circuit."""
    a, b, c = (float(angle) for angle in angles)
    quarter = np.pi / 4
    first = (_H, _rotation(2, quarter))
    second = (_rotation(2, c - quarter) @ _H, _H @ _rotation(1, quarter - a))
    third = (_H, _rotation(1, b - quarter) @ _H)
    last = (_rotation(2, -quarter) @ _H, _I)
    return Layers((first, second, third, last), (0.0, 0.0, 0.0))


_FIXED: Final = (_none, _one, _two, _three)
