"""Pauli errors moved towards the end of a circuit, as far as they stay Pauli errors.

U P = P' U up to a phase, P' = U P U†: an error before an operation is another one after it where P'
is a Pauli string again, which holds for all of them at Clifford operations and for some at others.
A later error leaves more of a shot to be shared with other shots, equal errors meet, and one that
reaches the end only flips measured bits.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from openbraket.circuits.channels import pauli_matrix
from openbraket.circuits.clifford import controlled_matrix
from openbraket.circuits.steps import Step
from openbraket.simulators.trajectories.sites import Channel
from openbraket.simulators.values import Complexes

# Operations that one error passes; it may stop anywhere.
PASSES_MAX: Final = 48
# An operation on more qubits stops every error.
_PASSED_QUBITS_MAX: Final = 3
_TOLERANCE: Final = 1e-12
_LETTERS: Final = "IXZY"  # by x + 2 z

# Before which operation, the qubits with X or Y, and those with Z or Y, bit q for qubit q.
Error = tuple[int, int, int]


class Frames:
    """Where the errors of one circuit end up.

    Args:
        qubit_count: Number of qubits.
        steps: The circuit.
        channels: The channels that are not Pauli channels, by the step that stands for them.
        passes_max: How many operations an error may pass.
    """

    def __init__(
        self,
        qubit_count: int,
        steps: Sequence[Step],
        channels: Mapping[int, Channel],
        *,
        passes_max: int = PASSES_MAX,
    ) -> None:
        self._passes_max = passes_max
        self._steps = steps
        self._channels = channels
        self._places: list[list[int]] = [[] for _ in range(qubit_count)]
        for place, step in enumerate(steps):
            for target in step.targets:
                self._places[target].append(place)
        self._known: dict[Error, Error] = {}

    def moved(self, error: Error) -> Error:
        """Return an equal error that is as late as it can be.

        Args:
            error: It acts before step `error[0]`.

        Returns:
            The error; one before `len(steps)` is at the end, where z does not matter and is 0.
        """
        out = self._known.get(error)
        if out is None:
            out = self._moved(error)
            self._known[error] = out
        return out

    def _moved(self, error: Error) -> Error:
        place, x, z = error
        for _ in range(self._passes_max):
            place = self._next(place, x | z)
            if place == len(self._steps):
                return place, x, 0
            targets = self._steps[place].targets
            letters = "".join(_LETTERS[(x >> t & 1) + 2 * (z >> t & 1)] for t in targets)
            image = self._image(place, letters)
            if image is None:
                return place, x, z
            for target, letter in zip(targets, image, strict=True):
                number = _LETTERS.index(letter)
                x = x & ~(1 << target) | (number & 1) << target
                z = z & ~(1 << target) | (number >> 1) << target
            place += 1
        return place, x, z

    def _next(self, place: int, support: int) -> int:
        """Return the first step from `place` on that acts on any of some qubits."""
        found = len(self._steps)
        while support:
            places = self._places[(support & -support).bit_length() - 1]
            k = bisect_left(places, place)
            if k < len(places):
                found = min(found, places[k])
            support &= support - 1
        return found

    def _image(self, place: int, letters: str) -> str | None:
        channel = self._channels.get(place)
        if channel is not None:
            return letters if _passes(channel, letters) else None
        step = self._steps[place]
        if len(step.targets) > _PASSED_QUBITS_MAX:
            return None
        return _image_of(Step(step[0], tuple(range(len(letters))), *step[2:]), letters)


@lru_cache(maxsize=65536)
def _image_of(step: Step, letters: str) -> str | None:
    """Return the Pauli string U P U† without its sign; None where it is none."""
    matrix = _matrix(step)
    if matrix is None:
        return None
    image = matrix @ _pauli(letters) @ matrix.conj().T
    size = len(image)
    flips = int(np.abs(image[0]).argmax())
    signs, count = 0, size.bit_length() - 1
    lead = image[0, flips]
    if abs(lead) < 0.5:
        return None
    for k in range(count):
        ratio = image[1 << k, 1 << k ^ flips] * lead.conjugate()
        signs |= int(ratio.real < 0) << k
    out = "".join(
        _LETTERS[(flips >> k & 1) + 2 * (signs >> k & 1)] for k in range(count - 1, -1, -1)
    )
    wanted = _pauli(out)
    return out if np.abs(image - lead / wanted[0, flips] * wanted).max() <= _TOLERANCE else None


@lru_cache(maxsize=4096)
def _matrix(step: Step) -> Complexes | None:
    matrix = controlled_matrix(step)
    return None if matrix is None else np.array(matrix, dtype=np.complex128)


@lru_cache(maxsize=4096)
def _passes(channel: Channel, letters: str) -> bool:
    """Return whether a Pauli string passes every operator of a channel as itself."""
    pauli = _pauli(letters)
    for operator in channel.operators:
        before, after = operator @ pauli, pauli @ operator
        at = np.unravel_index(np.abs(after).argmax(), after.shape)
        phase = before[at] / after[at]
        if abs(abs(phase) - 1) > _TOLERANCE:
            return False
        if np.abs(before - phase * after).max() > _TOLERANCE:
            return False
    return True


@lru_cache(maxsize=256)
def _pauli(letters: str) -> Complexes:
    return np.array(pauli_matrix(letters), dtype=np.complex128)
