"""One-qubit unitaries as native gates, and the stream of native gates that a circuit becomes."""

import cmath
import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from openbraket.compilation.items import Item
from openbraket.compilation.synthesis import synthesize
from openbraket.compilation.target import ANGLED, Target
from openbraket.compilation.weyl import Matrices

# Rotations by less than this are left out.
_ANGLE_MIN: Final = 1e-10
_PI: Final = math.pi

# Name and parameters.
_Gate = tuple[str, tuple[float, ...]]


class Native(NamedTuple):
    """One native gate on physical qubits."""

    name: str
    qubits: tuple[int, ...]
    parameters: tuple[float, ...]


class Euler(NamedTuple):
    """The angles of U = exp(iδ) Rz(φ) Ry(θ) Rz(λ), 0 ≤ θ ≤ π."""

    theta: float
    phi: float
    lam: float


def euler_angles(matrix: Matrices) -> Euler:
    """Return the Euler angles of a one-qubit unitary."""
    a, b, c, d = matrix.ravel().tolist()
    theta = 2 * math.atan2(abs(c), abs(a))
    if abs(c) < _ANGLE_MIN:
        return Euler(theta, cmath.phase(d * a.conjugate()), 0.0)
    if abs(a) < _ANGLE_MIN:
        return Euler(theta, cmath.phase(-c * b.conjugate()), 0.0)
    return Euler(theta, cmath.phase(c * a.conjugate()), cmath.phase(-b * a.conjugate()))


def wrapped(angle: float) -> float:
    """Return an angle between -π and π."""
    return math.remainder(angle, 2 * _PI)


def _is_close(theta: float, value: float) -> bool:
    return abs(theta - value) < _ANGLE_MIN


def _prx_gates(angles: Euler, names: Sequence[str]) -> tuple[list[_Gate], float]:
    """Return gates before a rotation about z by the second value: U = Rz(φ+λ) prx(θ, π/2-λ)."""
    theta, phi, lam = angles
    axis = wrapped(_PI / 2 - lam)
    if _is_close(theta, 0):
        return [], phi + lam
    if names[0] == "prx":
        return [("prx", (theta, axis))], phi + lam
    if _is_close(theta, _PI):
        return [("gpi", (axis,))], phi + lam
    if _is_close(theta, _PI / 2):
        return [("gpi2", (axis,))], phi + lam
    # Two quarter turns with a rotation about z between them, which moves to the left.
    first, second = wrapped(-lam), wrapped(-lam - theta - _PI)
    return [("gpi2", (first,)), ("gpi2", (second,))], phi + lam + theta


def _rz_gates(angles: Euler, names: Sequence[str]) -> tuple[list[_Gate], float]:
    """Return gates before a rotation about z: at most rz, quarter turn, rz, quarter turn."""
    theta, phi, lam = angles
    quarter: _Gate = ("rx", (_PI / 2,)) if "rx" in names else ("v", ())
    half: _Gate = ("rx", (_PI,)) if "rx" in names else ("x", ())
    if _is_close(theta, 0):
        return [], phi + lam
    if _is_close(theta, _PI):
        return [half], phi - lam + _PI
    if _is_close(theta, _PI / 2):
        return [*_rz(lam - _PI / 2), quarter], phi + _PI / 2
    return [*_rz(lam), quarter, *_rz(theta + _PI), quarter], phi + _PI


def _rz(angle: float) -> list[_Gate]:
    angle = wrapped(angle)
    return [] if abs(angle) < _ANGLE_MIN else [("rz", (angle,))]


class Emitter:
    """Turns unitaries on physical qubits into native gates.

    Rotations about z wait on their qubit: they pass through cz and zz, are taken up by the next
    gate, and vanish before a measurement.

    Args:
        target: The device.

    Attributes:
        gates: The native gates so far.
        barriers: Index of the gate behind a barrier, and its qubits.
    """

    def __init__(self, target: Target) -> None:
        self.gates: list[Native] = []
        self.barriers: list[tuple[int, tuple[int, ...]]] = []
        self._names = target.one_qubit_set
        self._entangler = target.entangler
        self._waiting: dict[int, Matrices] = {}
        self._has_rz = "rz" in target.native_gates
        self._rotations = _rz_gates if self._names[0] == "rz" else _prx_gates
        self._keeps_frames = self._entangler in {"cz", "zz"}

    def add(self, items: Sequence[Item]) -> None:
        """Append unitaries, merged and on couplings."""
        blocks = [item.matrix for item in items if len(item.qubits) == 2]
        layers = iter(synthesize(np.stack(blocks), self._entangler) if blocks else ())
        for qubits, matrix in items:
            if len(qubits) == 1:
                self._wait(qubits[0], matrix)
                continue
            a, b = qubits
            block = next(layers)
            for index, (first, second) in enumerate(block.layers):
                if index:
                    self._entangle(a, b, block.angles[index - 1])
                self._wait(a, first)
                self._wait(b, second)

    def fence(self, qubits: Iterable[int], *, is_whole: bool) -> None:
        """Write out what waits on some qubits.

        Args:
            qubits: The qubits.
            is_whole: Whether rotations about z are written, too, rather than kept.
        """
        for qubit in qubits:
            self._flush(qubit, is_whole=is_whole)

    def bar(self, qubits: tuple[int, ...]) -> None:
        """Put a barrier."""
        self.fence(qubits, is_whole=False)
        self.barriers.append((len(self.gates), qubits))

    def take(self, gate: Native) -> None:
        """Append a native gate as it is."""
        self.fence(gate.qubits, is_whole=True)
        self.gates.append(gate)

    def settle(self, qubit: int) -> float:
        """Write out what waits on a qubit but a rotation about z, which commutes with reading.

        Returns:
            The angle of the rotation that still waits.
        """
        self._flush(qubit, is_whole=False)
        rest = self._waiting.get(qubit)
        return 0.0 if rest is None else cmath.phase(complex(rest[1, 1] * rest[0, 0].conjugate()))

    def finish(self) -> None:
        """Write out what waits; rotations about z before the measurement are dropped."""
        self.fence(list(self._waiting), is_whole=False)
        self._waiting.clear()

    def _wait(self, qubit: int, matrix: Matrices) -> None:
        before = self._waiting.get(qubit)
        self._waiting[qubit] = matrix if before is None else matrix @ before

    def _entangle(self, a: int, b: int, angle: float) -> None:
        for qubit in (a, b):
            self._flush(qubit, is_whole=not self._keeps_frames)
        parameters = (wrapped(angle),) if self._entangler in ANGLED else ()
        self.gates.append(Native(self._entangler, (a, b), parameters))

    def _flush(self, qubit: int, *, is_whole: bool) -> None:
        matrix = self._waiting.pop(qubit, None)
        if matrix is None:
            return
        gates, rest = self._rotations(euler_angles(matrix), self._names)
        rest = wrapped(rest)
        is_plain = abs(rest) < _ANGLE_MIN
        if is_whole and not is_plain:
            gates = self._with_frame(gates, rest)
        elif not is_plain:
            turn = cmath.exp(0.5j * rest)
            self._waiting[qubit] = np.array(((turn.conjugate(), 0), (0, turn)))
        self.gates += [Native(name, (qubit,), parameters) for name, parameters in gates]

    def _with_frame(self, gates: list[_Gate], angle: float) -> list[_Gate]:
        """Return gates followed by a rotation about z, of which the device may have none.

        Two half turns about axes at φ and at φ + α/2 are a rotation by α.
        """
        if self._has_rz:
            return [*gates, *_rz(angle)]
        if self._names[0] == "gpi":
            return [*gates, ("gpi", (0.0,)), ("gpi", (angle / 2,))]
        theta, phi = gates[0][1] if gates else (0.0, 0.0)
        return [("prx", (wrapped(theta + _PI), phi)), ("prx", (_PI, wrapped(phi + angle / 2)))]
