"""The table of noise channels: their names, limits, Kraus operators and Pauli weights.

ρ ↦ Σ_k K_k ρ K_k†; a Pauli channel is ρ ↦ Σ_P w_P P ρ P with the sum of all w_P equal to 1.

The front ends read names, arities and limits, the simulators what the channels do.

Source: the channels' definitions in the Amazon Braket developer guide and SDK, "noise operations".
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from openbraket.circuits.circuit import Noise
from openbraket.circuits.gates import Matrix

# Entries of a process matrix below this are rounding of the Kraus operators in the program.
PAULI_TOLERANCE: Final = 1e-12

KRAUS: Final = "kraus"
# Codes of channels among those of operations; gates are far below.
CHANNEL_CODE_MIN: Final = 0x8000
# Largest deviation of an entry of Σ K†K from the identity: text has few digits.
COMPLETENESS_TOLERANCE: Final = 1e-5

PAULI_MATRICES: Final[dict[str, Matrix]] = {
    "I": ((1, 0), (0, 1)),
    "X": ((0, 1), (1, 0)),
    "Y": ((0, -1j), (1j, 0)),
    "Z": ((1, 0), (0, -1)),
}
_PAIRS: Final = tuple("".join(pair) for pair in itertools.product("IXYZ", repeat=2))[1:]


@dataclass(frozen=True, slots=True)
class Channel:
    """One row of the channel table.

    Attributes:
        code: Its number among the codes of operations.
        name: The name in noise pragmas.
        qubit_count: Number of targets.
        parameter_count: Number of parameters, each from 0 to `parameter_max` and, for
            `pauli_channel`, together at most 1.
        parameter_max: The largest value of a parameter.
        is_read: Whether it changes nothing that is measured in the computational basis.
        keeps_zero: Whether it leaves |0> as it is.
    """

    code: int
    name: str
    qubit_count: int
    parameter_count: int
    parameter_max: float
    is_read: bool = False
    keeps_zero: bool = False


_ROWS: Final = (
    Channel(CHANNEL_CODE_MIN, "bit_flip", 1, 1, 0.5),
    Channel(CHANNEL_CODE_MIN + 1, "phase_flip", 1, 1, 0.5, is_read=True),
    Channel(CHANNEL_CODE_MIN + 2, "pauli_channel", 1, 3, 1.0),
    Channel(CHANNEL_CODE_MIN + 3, "depolarizing", 1, 1, 0.75),
    Channel(CHANNEL_CODE_MIN + 4, "two_qubit_depolarizing", 2, 1, 0.9375),
    Channel(CHANNEL_CODE_MIN + 5, "two_qubit_dephasing", 2, 1, 0.75, is_read=True),
    Channel(CHANNEL_CODE_MIN + 6, "amplitude_damping", 1, 1, 1.0, keeps_zero=True),
    Channel(CHANNEL_CODE_MIN + 7, "generalized_amplitude_damping", 1, 2, 1.0),
    Channel(CHANNEL_CODE_MIN + 8, "phase_damping", 1, 1, 1.0, is_read=True),
)
# Channels with parameters; `kraus` is given by its operators, which stand in a step's parameters as
# a unitary's matrix does.
CHANNELS: Final[Mapping[str, Channel]] = {channel.name: channel for channel in _ROWS}
CHANNELS_BY_CODE: Final[Mapping[int, Channel]] = {channel.code: channel for channel in _ROWS}
KRAUS_CODE: Final = CHANNEL_CODE_MIN + len(_ROWS)


def kraus_operators(noise: Noise) -> tuple[Matrix, ...]:
    """Return the Kraus operators of a channel, those that vanish left out.

    Args:
        noise: Its first target is the most significant bit of an index.

    Raises:
        ValueError: If the channel has an unknown name.
    """
    return _kraus(noise.name, noise.probabilities, noise.matrices)


def pauli_weights(noise: Noise) -> dict[str, float] | None:
    """Return the weight of each Pauli string that a channel applies.

    Args:
        noise: Its first target has the first letter.

    Returns:
        Weights above 0 by letters `I`, `X`, `Y`, `Z`, the identity left out; None where the channel
        is no Pauli channel. A `kraus` channel is one if its process matrix is diagonal in the Pauli
        basis within `PAULI_TOLERANCE`.

    Raises:
        ValueError: If the channel has an unknown name.
    """
    weights = _pauli(noise.name, noise.probabilities, noise.matrices)
    return None if weights is None else dict(weights)


@lru_cache(maxsize=4096)
def _kraus(
    name: str, probabilities: tuple[float, ...], matrices: tuple[Matrix, ...]
) -> tuple[Matrix, ...]:
    if name == "kraus":
        return matrices
    if name == "amplitude_damping":
        return _damping(probabilities[0], 1.0)
    if name == "generalized_amplitude_damping":
        return _damping(probabilities[0], probabilities[1])
    if name == "phase_damping":
        gamma = probabilities[0]
        kept = ((1.0, 0.0), (0.0, math.sqrt(1 - gamma)))
        lost = ((0.0, 0.0), (0.0, math.sqrt(gamma)))
        return (kept, lost) if gamma > 0 else (kept,)
    weights = _pauli(name, probabilities, matrices)
    if weights is None:
        raise ValueError(f"there is no noise channel named {name}")
    rest = max(0.0, 1.0 - math.fsum(weight for _, weight in weights))
    return mixture_operators({"I" * CHANNELS[name].qubit_count: rest, **dict(weights)})


def mixture_operators(weights: Mapping[str, float]) -> tuple[Matrix, ...]:
    """Return the Kraus operators √w P of a mixture of Pauli strings, those that vanish left out."""
    return tuple(_scaled(pauli_matrix(p), math.sqrt(w)) for p, w in weights.items() if w > 0)


@lru_cache(maxsize=4096)
def _pauli(
    name: str, probabilities: tuple[float, ...], matrices: tuple[Matrix, ...]
) -> tuple[tuple[str, float], ...] | None:
    weights: dict[str, float]
    match name:
        case "bit_flip":
            weights = {"X": probabilities[0]}
        case "phase_flip":
            weights = {"Z": probabilities[0]}
        case "pauli_channel":
            weights = dict(zip("XYZ", probabilities, strict=True))
        case "depolarizing":
            weights = dict.fromkeys("XYZ", probabilities[0] / 3)
        case "two_qubit_depolarizing":
            weights = dict.fromkeys(_PAIRS, probabilities[0] / 15)
        case "two_qubit_dephasing":
            weights = dict.fromkeys(("IZ", "ZI", "ZZ"), probabilities[0] / 3)
        case "phase_damping":
            weights = {"Z": (1 - math.sqrt(1 - probabilities[0])) / 2}
        case "amplitude_damping" | "generalized_amplitude_damping":
            return None if probabilities[0] > 0 else ()
        case "kraus":
            return _process_diagonal(matrices)
        case _:
            raise ValueError(f"there is no noise channel named {name}")
    return tuple((letters, weight) for letters, weight in weights.items() if weight > 0)


def _damping(gamma: float, probability: float) -> tuple[Matrix, ...]:
    """Return decay to |0> with `probability`, to |1> otherwise, by the share `gamma`."""
    kept, lost = math.sqrt(1 - gamma), math.sqrt(gamma)
    down, up = math.sqrt(probability), math.sqrt(1 - probability)
    operators: tuple[Matrix, ...] = (
        ((down, 0.0), (0.0, down * kept)),
        ((0.0, down * lost), (0.0, 0.0)),
        ((up * kept, 0.0), (0.0, up)),
        ((0.0, 0.0), (up * lost, 0.0)),
    )
    return tuple(m for m in operators if any(x != 0 for row in m for x in row))


def _process_diagonal(matrices: tuple[Matrix, ...]) -> tuple[tuple[str, float], ...] | None:
    """Return the Pauli weights of Kraus operators; None where they are no Pauli channel.

    With K_k = Σ_P c_kP P the process matrix is χ_PQ = Σ_k c_kP c_kQ*.
    """
    count = len(matrices[0]).bit_length() - 1
    strings = ["".join(letters) for letters in itertools.product("IXYZ", repeat=count)]
    paulis = [pauli_matrix(letters) for letters in strings]
    size = len(matrices[0])
    rows = [[_overlap(pauli, matrix) / size for pauli in paulis] for matrix in matrices]
    weights = []
    for p, letters in enumerate(strings):
        for q in range(p + 1, len(strings)):
            if abs(sum(row[p] * row[q].conjugate() for row in rows)) > PAULI_TOLERANCE:
                return None
        weight = math.fsum(abs(row[p]) ** 2 for row in rows)
        if p and weight > PAULI_TOLERANCE**2:
            weights.append((letters, weight))
    return tuple(weights)


def _overlap(pauli: Matrix, matrix: Matrix) -> complex:
    """Return tr(P M)."""
    size = range(len(matrix))
    return complex(sum(pauli[i][j] * matrix[j][i] for i in size for j in size if pauli[i][j]))


@lru_cache(maxsize=32)
def pauli_matrix(letters: str) -> Matrix:
    """Return the matrix of a Pauli string; its first letter acts on the most significant bit."""
    out: Matrix = ((1,),)
    for letter in letters:
        factor = PAULI_MATRICES[letter]
        out = tuple(tuple(a * b for a in left for b in right) for left in out for right in factor)
    return out


def _scaled(matrix: Matrix, factor: float) -> Matrix:
    return tuple(tuple(x * factor for x in row) for row in matrix)


def refuse_parameters(channel: Channel, parameters: Sequence[float]) -> str | None:
    """Return what is wrong with a channel's parameters, or None."""
    is_joint = channel.name == "pauli_channel"
    limit = channel.parameter_max
    if all(0.0 <= p <= limit for p in parameters) and (
        not is_joint or math.fsum(parameters) <= 1.0
    ):
        return None
    listed = ", ".join(map(str, parameters))
    together = " and together at most 1" if is_joint else ""
    return (
        f"The probabilities of noise {channel.name} must be from 0 to {limit:g}{together}, "
        f"but they are {listed}."
    )


def refuse_kraus(matrices: Sequence[Matrix]) -> str | None:
    """Return what is wrong with Kraus operators of one shape, or None.

    A sum of K ρ K† is completely positive whatever the operators are; what can be wrong is their
    number, and Σ K†K, which must be the identity.
    """
    size = len(matrices[0])
    if len(matrices) > size * size:
        return (
            f"A channel on {size.bit_length() - 1} qubits has at most {size * size} Kraus "
            f"operators, but there are {len(matrices)}."
        )
    deviation = max(
        abs(sum(m[k][i].conjugate() * m[k][j] for m in matrices for k in range(size)) - (i == j))
        for i in range(size)
        for j in range(i + 1)
    )
    if deviation <= COMPLETENESS_TOLERANCE:
        return None
    return (
        "The Kraus operators do not preserve the trace: Σ K†K deviates from the identity by "
        f"{deviation:.3g}, at most {COMPLETENESS_TOLERANCE:g} is allowed."
    )
