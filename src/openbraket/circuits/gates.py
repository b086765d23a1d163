"""The gate table: every gate of Braket's OpenQASM dialect, once.

The parser reads names and arities from it, the kernels its codes, the tests and the documentation
its matrices. Matrices are row-major tuples of complex numbers in plain Python, so that the control
plane can import this module; the first target is the most significant bit of a row index.

Source: the gates of the Amazon Braket SDK (`braket.circuits.gates`) and, for `U` and `gphase`,
the OpenQASM 3 specification.
"""

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Matrix = tuple[tuple[complex, ...], ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """One row of the gate table.

    Attributes:
        code: The number by which kernels know the gate; stable only within one build.
        name: The name in OpenQASM, for example `cphaseshift`.
        qubit_count: Number of targets.
        parameter_count: Number of real parameters, angles in radians.
        matrix: From the parameters to the unitary, shape (2^qubit_count, 2^qubit_count).
        is_hermitian: Whether the gate is its own inverse for every parameter.
        summary: One line for documentation.
    """

    code: int
    name: str
    qubit_count: int
    parameter_count: int
    matrix: Callable[..., Matrix]
    is_hermitian: bool
    summary: str


_R2: Final = math.sqrt(0.5)


def _fixed(*rows: tuple[complex, ...]) -> Callable[..., Matrix]:
    matrix = tuple(tuple(complex(x) for x in row) for row in rows)
    return lambda: matrix


def _diagonal(*entries: complex) -> Matrix:
    size = len(entries)
    return tuple(tuple(entries[i] if i == j else 0j for j in range(size)) for i in range(size))


def _permutation(*images: int) -> Callable[..., Matrix]:
    """Return the matrix that maps basis state j to basis state `images[j]`."""
    size = len(images)
    matrix = tuple(
        tuple(1 + 0j if images[j] == i else 0j for j in range(size)) for i in range(size)
    )
    return lambda: matrix


def _controlled(matrix: Matrix) -> Matrix:
    size = len(matrix)
    upper = tuple(tuple(1 + 0j if i == j else 0j for j in range(2 * size)) for i in range(size))
    lower = tuple((0j,) * size + row for row in matrix)
    return upper + lower


def _phase(angle: float) -> complex:
    return cmath.exp(1j * angle)


def _rx(theta: float) -> Matrix:
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return ((c + 0j, -1j * s), (-1j * s, c + 0j))


def _ry(theta: float) -> Matrix:
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return ((c + 0j, -s + 0j), (s + 0j, c + 0j))


def _u(theta: float, phi: float, lam: float) -> Matrix:
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return ((c + 0j, -_phase(lam) * s), (_phase(phi) * s, _phase(phi + lam) * c))


def _prx(theta: float, phi: float) -> Matrix:
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return ((c + 0j, -1j * _phase(-phi) * s), (-1j * _phase(phi) * s, c + 0j))


def _gpi(phi: float) -> Matrix:
    return ((0j, _phase(-phi)), (_phase(phi), 0j))


def _gpi2(phi: float) -> Matrix:
    return ((_R2 + 0j, -1j * _R2 * _phase(-phi)), (-1j * _R2 * _phase(phi), _R2 + 0j))


def _corner(diagonal: complex, outer: complex, inner: complex) -> Matrix:
    """Return a matrix with one diagonal value and separate outer and inner anti-diagonals."""
    return (
        (diagonal, 0j, 0j, outer),
        (0j, diagonal, inner, 0j),
        (0j, inner, diagonal, 0j),
        (outer, 0j, 0j, diagonal),
    )


def _xx(theta: float) -> Matrix:
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return _corner(c + 0j, -1j * s, -1j * s)


def _yy(theta: float) -> Matrix:
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return _corner(c + 0j, 1j * s, -1j * s)


def _middle(a: complex, b: complex) -> Matrix:
    """Return the matrix that acts as [[a, b], [b, a]] on |01>, |10> and leaves |00>, |11>."""
    one = 1 + 0j
    return ((one, 0j, 0j, 0j), (0j, a, b, 0j), (0j, b, a, 0j), (0j, 0j, 0j, one))


def _xy(theta: float) -> Matrix:
    return _middle(math.cos(theta / 2) + 0j, 1j * math.sin(theta / 2))


def _ms(phi0: float, phi1: float, theta: float) -> Matrix:
    c, s = math.cos(theta / 2) + 0j, -1j * math.sin(theta / 2)
    return (
        (c, 0j, 0j, s * _phase(-phi0 - phi1)),
        (0j, c, s * _phase(phi1 - phi0), 0j),
        (0j, s * _phase(phi0 - phi1), c, 0j),
        (s * _phase(phi0 + phi1), 0j, 0j, c),
    )


_V: Final[Matrix] = ((0.5 + 0.5j, 0.5 - 0.5j), (0.5 - 0.5j, 0.5 + 0.5j))
_VI: Final[Matrix] = ((0.5 - 0.5j, 0.5 + 0.5j), (0.5 + 0.5j, 0.5 - 0.5j))

# name, qubits, parameters, matrix, Hermitian, summary
_ROWS: Final[tuple[tuple[str, int, int, Callable[..., Matrix], bool, str], ...]] = (
    ("i", 1, 0, _fixed((1, 0), (0, 1)), True, "Identity."),
    ("h", 1, 0, _fixed((_R2, _R2), (_R2, -_R2)), True, "Hadamard."),
    ("x", 1, 0, _fixed((0, 1), (1, 0)), True, "Pauli X."),
    ("y", 1, 0, _fixed((0, -1j), (1j, 0)), True, "Pauli Y."),
    ("z", 1, 0, _fixed((1, 0), (0, -1)), True, "Pauli Z."),
    ("s", 1, 0, _fixed((1, 0), (0, 1j)), False, "Phase of π/2 on |1>."),
    ("si", 1, 0, _fixed((1, 0), (0, -1j)), False, "Inverse of s."),
    ("t", 1, 0, _fixed((1, 0), (0, complex(_R2, _R2))), False, "Phase of π/4 on |1>."),
    ("ti", 1, 0, _fixed((1, 0), (0, complex(_R2, -_R2))), False, "Inverse of t."),
    ("v", 1, 0, _fixed(*_V), False, "Square root of x."),
    ("vi", 1, 0, _fixed(*_VI), False, "Inverse of v."),
    ("phaseshift", 1, 1, lambda a: _diagonal(1 + 0j, _phase(a)), False, "Phase on |1>."),
    ("rx", 1, 1, _rx, False, "Rotation about x: exp(-i θ X / 2)."),
    ("ry", 1, 1, _ry, False, "Rotation about y: exp(-i θ Y / 2)."),
    ("rz", 1, 1, lambda a: _diagonal(_phase(-a / 2), _phase(a / 2)), False, "Rotation about z."),
    ("U", 1, 3, _u, False, "General one-qubit gate U(θ, φ, λ) of OpenQASM 3."),
    ("prx", 1, 2, _prx, False, "Rotation by θ about cos φ x + sin φ y."),
    ("gpi", 1, 1, _gpi, True, "IonQ's π rotation about an equatorial axis."),
    ("gpi2", 1, 1, _gpi2, False, "IonQ's π/2 rotation about an equatorial axis."),
    ("cnot", 2, 0, _permutation(0, 1, 3, 2), True, "Controlled x."),
    ("cy", 2, 0, lambda: _controlled(((0j, -1j), (1j, 0j))), True, "Controlled y."),
    ("cz", 2, 0, lambda: _diagonal(1 + 0j, 1 + 0j, 1 + 0j, -1 + 0j), True, "Controlled z."),
    ("cv", 2, 0, lambda: _controlled(_V), False, "Controlled v."),
    ("swap", 2, 0, _permutation(0, 2, 1, 3), True, "Exchange of two qubits."),
    ("iswap", 2, 0, lambda: _middle(0j, 1j), False, "Exchange with phase i."),
    (
        "ecr",
        2,
        0,
        _fixed(
            (0, 0, _R2, 1j * _R2),
            (0, 0, 1j * _R2, _R2),
            (_R2, -1j * _R2, 0, 0),
            (-1j * _R2, _R2, 0, 0),
        ),
        True,
        "Echoed cross resonance.",
    ),
    ("pswap", 2, 1, lambda a: _middle(0j, _phase(a)), False, "Exchange with a phase."),
    ("xy", 2, 1, _xy, False, "exp(i θ (XX + YY) / 4)."),
    ("xx", 2, 1, _xx, False, "exp(-i θ XX / 2)."),
    ("yy", 2, 1, _yy, False, "exp(-i θ YY / 2)."),
    (
        "zz",
        2,
        1,
        lambda a: _diagonal(_phase(-a / 2), _phase(a / 2), _phase(a / 2), _phase(-a / 2)),
        False,
        "exp(-i θ ZZ / 2).",
    ),
    ("cphaseshift", 2, 1, lambda a: _diagonal(1, 1, 1, _phase(a)), False, "Phase on |11>."),
    ("cphaseshift00", 2, 1, lambda a: _diagonal(_phase(a), 1, 1, 1), False, "Phase on |00>."),
    ("cphaseshift01", 2, 1, lambda a: _diagonal(1, _phase(a), 1, 1), False, "Phase on |01>."),
    ("cphaseshift10", 2, 1, lambda a: _diagonal(1, 1, _phase(a), 1), False, "Phase on |10>."),
    ("ms", 2, 3, _ms, False, "Mølmer-Sørensen gate (φ0, φ1, θ)."),
    ("ccnot", 3, 0, _permutation(0, 1, 2, 3, 4, 5, 7, 6), True, "Toffoli."),
    ("cswap", 3, 0, _permutation(0, 1, 2, 3, 4, 6, 5, 7), True, "Fredkin."),
    ("gphase", 0, 1, lambda a: ((_phase(a),),), False, "Global phase."),
)

GATES: Final[dict[str, Gate]] = {row[0]: Gate(code, *row) for code, row in enumerate(_ROWS)}
GATES_BY_CODE: Final[tuple[Gate, ...]] = tuple(GATES.values())

# An operation given by its matrix alone; the matrix is in the operation's parameters.
UNITARY_CODE: Final = len(_ROWS)
