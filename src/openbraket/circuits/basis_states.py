"""Qubits that are still in a basis state are tracked as bits instead of being simulated.

A circuit starts in |0…0>, and until a gate brings a qubit into superposition its state is a bit:
a control on it is decided, a diagonal gate on it is a phase, a permutation of known bits is done at
once. Exchanges of qubits are done by renaming. All of it is exact.
"""

import cmath
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from openbraket.circuits.channels import CHANNELS_BY_CODE
from openbraket.circuits.gates import GATES, GATES_BY_CODE, Matrix
from openbraket.circuits.steps import (
    CONTROLLED,
    EXAMINED_QUBITS_MAX,
    Step,
    is_channel,
    matrix_of,
    unitary_step,
)

_X: Final = GATES["x"].code
_SWAP: Final = GATES["swap"].code
_GPHASE: Final = GATES["gphase"].code
_IDENTITY: Final = GATES["i"].code


@dataclass(slots=True)
class Tracked:
    """A circuit with known bits and exchanges taken out.

    U|0…0> is `phase` times the remaining steps on |0…0>, with the known wires set to their bits.

    Attributes:
        steps: What is left, on wires.
        wires: The wire that carries each qubit at the end; a permutation.
        bits: Bits of the wires that are in a basis state at the end.
        phase: Global phase that was taken out.
    """

    steps: list[Step]
    wires: list[int]
    bits: dict[int, int]
    phase: complex


def track_basis_states(steps: list[Step], qubit_count: int) -> Tracked:
    """Take known bits, exchanges and global phases out of a circuit that starts in |0…0>.

    Args:
        steps: The circuit, on qubits 0 to `qubit_count` - 1.
        qubit_count: Number of qubits.

    Returns:
        What is left.

    Cost: one pass; a matrix of at most 8 rows for each gate that touches a known bit.
    """
    tracker = _Tracker(qubit_count)
    for step in steps:
        tracker.take(step)
    return Tracked(tracker.steps, tracker.wires, tracker.bits, tracker.phase)


class _Tracker:
    def __init__(self, qubit_count: int) -> None:
        self.steps: list[Step] = []
        self.wires = list(range(qubit_count))
        self.bits = dict.fromkeys(range(qubit_count), 0)
        self.phase = 1 + 0j
        self._carried = list(range(qubit_count))  # the qubit on each wire
        self._is_renamed = False

    def take(self, step: Step) -> None:
        code = step.code
        if self._is_renamed:
            wires = self.wires
            step = step._replace(targets=tuple([wires[q] for q in step.targets]))
        if code == _SWAP and not step.control_count and float(step.power) in {1.0, -1.0}:
            self._exchange(*step.targets)
            return
        if code == _IDENTITY:
            return
        if code == _GPHASE and not step.control_count:
            self.phase *= cmath.exp(1j * step.parameters[0] * step.power)
            return
        bits = self.bits
        for target in step.targets:
            if target in bits:
                if is_channel(step):
                    self._take_channel(step)
                else:
                    self._take_known(step)
                return
        self.steps.append(step)

    def _take_channel(self, step: Step) -> None:
        """Take a channel on known bits: they stay known where it changes no basis state."""
        channel = CHANNELS_BY_CODE.get(step.code)
        bits = [self.bits.get(target) for target in step.targets]
        if channel is not None and (
            (channel.is_read and None not in bits) or (channel.keeps_zero and bits == [0])
        ):
            return
        for target in step.targets:
            self._forget(target)
        self.steps.append(step)

    def _exchange(self, first: int, second: int) -> None:
        a, b = self._carried[first], self._carried[second]
        self.wires[a], self.wires[b] = second, first
        self._carried[first], self._carried[second] = b, a
        self._is_renamed = True

    def _take_known(self, step: Step) -> None:
        known = self._without_known_controls(step)
        if known is None:
            return
        step = known
        if step.code == _SWAP and not step.control_count and step.power == 1.0:
            self._exchange(*step.targets)
            return
        targets, bits = step.targets, self.bits
        pattern = tuple([bits.get(target) for target in targets])
        if any(bit is not None for bit in pattern):
            is_small = len(targets) <= EXAMINED_QUBITS_MAX and step.power == 1.0
            if is_small and not step.control_count:
                restriction = (
                    _restrict(_matrix(step), pattern)
                    if step.parameters
                    else _restrict_fixed(step.code, pattern)
                )
                if restriction is not None:
                    self._take_restricted(targets, restriction)
                    return
            for target in targets:
                self._forget(target)
        self.steps.append(step)

    def _without_known_controls(self, step: Step) -> Step | None:
        """Return the step without the controls whose bits are known, None where one forbids it."""
        bits = self.bits
        code, count, value = step.code, step.control_count, step.control_value
        controlled = CONTROLLED.get(code) if step.power == 1.0 else None
        if controlled is not None:
            inner_count, base = controlled
            if not any(target in bits for target in step.targets[: count + inner_count]):
                return step
            value = (value << inner_count) | ((1 << inner_count) - 1)
            code, count = base, count + inner_count
        if not count:
            return step
        controls, new_value = [], 0
        for k, control in enumerate(step.targets[:count]):
            wanted = value >> (count - 1 - k) & 1
            bit = bits.get(control)
            if bit is None:
                controls.append(control)
                new_value = new_value << 1 | wanted
            elif bit != wanted:
                return None
        targets = (*controls, *step.targets[count:])
        step = Step(code, targets, step.parameters, len(controls), new_value, step.power)
        if code == _GPHASE and not controls:
            self.phase *= cmath.exp(1j * step.parameters[0] * step.power)
            return None
        return step

    def _forget(self, wire: int) -> None:
        """Have a wire simulated from here on."""
        if self.bits.pop(wire, 0):
            self.steps.append(Step(_X, (wire,)))

    def _take_restricted(self, targets: tuple[int, ...], restriction: "_Restriction") -> None:
        for k, target in enumerate(targets):
            bit = restriction.bits[k]
            if bit is None:
                self._forget(target)
            else:
                self.bits[target] = bit
        rest = tuple(t for t, bit in zip(targets, restriction.bits, strict=True) if bit is None)
        if rest:
            self.steps.append(unitary_step(restriction.matrix, rest))
        else:
            self.phase *= restriction.matrix[0][0]


@dataclass(frozen=True, slots=True)
class _Restriction:
    """A gate on fewer qubits, because the others have known bits before and after it.

    Attributes:
        bits: New bit of each target; None where it is not known (any more).
        matrix: The gate on the targets whose bits are None.
    """

    bits: tuple[int | None, ...]
    matrix: Matrix


def _matrix(step: Step) -> Matrix:
    matrix = matrix_of(step)
    if matrix is None:
        raise AssertionError("the step is small and has no power")
    return matrix


@lru_cache(maxsize=4096)
def _restrict_fixed(code: int, pattern: tuple[int | None, ...]) -> _Restriction | None:
    """Restrict a gate without parameters."""
    return _restrict(GATES_BY_CODE[code].matrix(), pattern)


def _restrict(matrix: Matrix, pattern: tuple[int | None, ...]) -> _Restriction | None:
    """Restrict a gate to the targets that it does not leave in a basis state.

    Args:
        matrix: The gate, shape (2^len(pattern),) * 2.
        pattern: Bit of each target before the gate, None where it is not known.

    Returns:
        The restriction; None where no bit is known afterwards, or where the bits are known only
        because of others that no longer are.
    """
    count, size = len(pattern), len(matrix)
    columns = [j for j in range(size) if _agrees(j, pattern)]
    rows = [i for i in range(size) if any(matrix[i][j] != 0 for j in columns)]
    after: list[int | None] = []
    for k, bit in enumerate(pattern):
        values = {i >> (count - 1 - k) & 1 for i in rows}
        after.append(values.pop() if bit is not None and len(values) == 1 else None)
    before = [bit if out is not None else None for bit, out in zip(pattern, after, strict=True)]
    inner_columns = [j for j in range(size) if _agrees(j, before)]
    inner_rows = [i for i in range(size) if _agrees(i, after)]
    outer_rows = [i for i in range(size) if not _agrees(i, after)]
    if len(inner_rows) == size or any(matrix[i][j] != 0 for i in outer_rows for j in inner_columns):
        return None
    inner = tuple(tuple(matrix[i][j] for j in inner_columns) for i in inner_rows)
    return _Restriction(tuple(after), inner)


def _agrees(index: int, pattern: Sequence[int | None]) -> bool:
    count = len(pattern)
    return all(bit is None or index >> (count - 1 - k) & 1 == bit for k, bit in enumerate(pattern))
