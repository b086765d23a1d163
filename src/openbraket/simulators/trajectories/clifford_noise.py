"""Clifford operations with Pauli noise, for any number of qubits: samples from `stim`.

Source: C. Gidney, Quantum 5, 497 (2021), section 2.4: errors are sampled as Pauli frames, relative
to one simulation without noise.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.noisy_parts import Part, Place
from openbraket.circuits.steps import Step
from openbraket.simulators.statevector.stabilizer import elementary_gates
from openbraket.simulators.trajectories.sites import Channel, channel_of

# The order of `PAULI_CHANNEL_1` and `PAULI_CHANNEL_2`.
_ORDERS: Final = {
    1: ("X", "Y", "Z"),
    2: tuple(a + b for a in "IXYZ" for b in "IXYZ")[1:],
}
# Weights that differ by less than this are equal.
_ROUNDING: Final = 1e-16


class NoisyStabilizers:
    """Parts of Clifford operations, and qubits without operations, with Pauli channels.

    Args:
        parts: All parts of the circuit; those that are not Clifford are left out.
        places: The Pauli channels that touch no other qubits, in order.
        qubits: The circuit's qubits that are to be measured.

    Cost: a line of text for each gate and channel; sampling takes some 0.1 ns for each of them and
        shot.
    """

    def __init__(
        self, parts: Sequence[Part], places: Sequence[Place], qubits: Sequence[int]
    ) -> None:
        import stim  # here, so that only programs that need it load it

        self._lines: list[str] = []
        self._parts = parts
        self._done = [0] * len(parts)
        heads: dict[int, tuple[str, Sequence[str]]] = {}
        for place in places:
            for number, index, _ in place.acts:
                self._emit(number, index)
            channel = channel_of(place.noise)
            head = heads.get(id(channel))
            if head is None:
                head = heads[id(channel)] = _channel_lines(channel)
            targets = [str(target) for target in place.noise.targets]
            if head[0]:
                self._lines.append(f"{head[0]} {' '.join(targets)}")
            for line in head[1]:
                self._lines.append(line.format(*targets))
        for number, part in enumerate(parts):
            if part.is_clifford:
                self._emit(number, len(part.steps))
        self._lines.append(f"M {' '.join(map(str, qubits))}" if qubits else "")
        self._circuit = stim.Circuit("\n".join(self._lines))

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Return measured bits, shape (shots, number of measured qubits)."""
        sampler = self._circuit.compile_sampler(seed=int(generator.integers(1 << 62)))
        bits: NDArray[np.uint8] = sampler.sample(shots).view(np.uint8)
        return bits

    def _emit(self, number: int, stop: int) -> None:
        """Append a part's gates up to step `stop`."""
        part = self._parts[number]
        qubits, lines = part.qubits, self._lines
        for step in part.steps[self._done[number] : stop]:
            targets = step.targets
            for name, positions in elementary_gates(Step(step[0], (0,) * len(targets), *step[2:])):
                lines.append(f"{name} {' '.join([str(qubits[targets[k]]) for k in positions])}")
        self._done[number] = max(self._done[number], stop)


def _channel_lines(channel: Channel) -> tuple[str, Sequence[str]]:
    """Return an instruction that targets follow, or lines with places for them."""
    weights = np.diff(channel.ends, prepend=0.0) * channel.rate
    shares = dict(zip(channel.letters, weights.tolist(), strict=True))
    order = _ORDERS.get(len(channel.letters[0]))
    if order is None:
        return "", _correlated(shares)
    listed = [shares.get(letters, 0.0) for letters in order]
    total = math.fsum(listed)
    # The special ones are sampled faster.
    if sum(weight > 0 for weight in listed) == 1 and len(order) == 3:
        letter = order[int(np.argmax(listed))]
        return f"{letter}_ERROR({min(1.0, total)!r})", ()
    if max(listed) - min(listed) <= _ROUNDING and total <= len(order) / (len(order) + 1):
        return f"DEPOLARIZE{len(channel.letters[0])}({total!r})", ()
    # Rounding must not make the sum more than 1.
    listed = [weight / total if total > 1 else weight for weight in listed]
    return f"PAULI_CHANNEL_{len(channel.letters[0])}({','.join(map(repr, listed))})", ()


def _correlated(shares: dict[str, float]) -> list[str]:
    lines: list[str] = []
    rest = 1.0
    for letters, weight in shares.items():
        named = [f"{letter}{{{k}}}" for k, letter in enumerate(letters) if letter != "I"]
        name = "ELSE_CORRELATED_ERROR" if lines else "E"
        lines.append(f"{name}({min(1.0, weight / rest)!r}) {' '.join(named)}")
        rest = max(rest - weight, np.finfo(float).tiny)
    return lines
