"""Noise channels as what can happen to one shot.

Every channel is written as ρ ↦ K_0 ρ K_0† + Σ_i K_i ρ K_i†, K_0 for "nothing happens". A shot has
an *event* at the channel with a probability q that does not depend on the state:

- Pauli channel: K_i = √w_i P_i, q = Σ w_i, and the event is P_i with probability w_i / q;
- mixed unitary channel: the same with unitaries U_i, K_0 = √w_0 U_0 the likeliest of them;
- any other channel: q is the largest eigenvalue of Σ_i K_i† K_i, the most that the jumps together
  can weigh in any state. The event is a *candidate*: in the state ψ it becomes jump i with
  probability <ψ|K_i† K_i|ψ> / q, and otherwise nothing happens after all, which means K_0.

Of the last kind the jumps have the probabilities <ψ|K_i† K_i|ψ>, so shots are exact samples, yet a
state is examined at candidates alone; all shots without one share the same evolution.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.channels import kraus_operators, pauli_weights
from openbraket.circuits.circuit import Noise
from openbraket.circuits.gates import Matrix
from openbraket.simulators.values import Complexes, Floats

# Deviations up to which operators count as unitary, as orthogonal and as absent.
_TOLERANCE: Final = 1e-12
_ROUNDING: Final = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """What a noise channel can do, whatever its qubits.

    Attributes:
        kind: Which of the three forms it has.
        rate: q, the probability of an event.
        ends: Cumulated weights of the events as shares of q, ascending to 1; shape (count,).
        letters: Pauli strings of the events; empty unless `kind` is `pauli`.
        operators: K_0 and the K_i, shape (1 + count, d, d), without their weights where they are
            unitary; empty where `kind` is `pauli`.
        grams: K_i† K_i / q of a general channel, shape (count, d, d); else empty.
        shrinking: log of the smallest singular value of K_0, at most 0.
    """

    kind: Literal["pauli", "unitary", "general"]
    rate: float
    ends: Floats
    letters: tuple[str, ...]
    operators: Complexes
    grams: Complexes
    shrinking: float


def channel_of(noise: Noise) -> Channel:
    """Return the events of a channel.

    Args:
        noise: Kraus operators must be a channel: Σ K† K = 1.
    """
    return _channel(noise.name, noise.probabilities, noise.matrices)


@lru_cache(maxsize=4096)
def _channel(name: str, probabilities: tuple[float, ...], matrices: tuple[Matrix, ...]) -> Channel:
    noise = Noise(name, (), probabilities, matrices, 0)
    weights = pauli_weights(noise)
    if weights is not None:
        return _random(list(weights.values()), letters=tuple(weights))
    kraus = [np.array(matrix, dtype=np.complex128) for matrix in kraus_operators(noise)]
    return _mixed(kraus) or _mixed(_orthogonal(kraus)) or _general(_orthogonal(kraus))


def _random(
    weights: list[float],
    *,
    letters: tuple[str, ...] = (),
    operators: Complexes | None = None,
) -> Channel:
    rate = min(1.0, sum(weights))
    ends = np.cumsum(weights) / max(rate, np.finfo(float).tiny)
    none = np.zeros((0, 1, 1), dtype=np.complex128)
    kind: Literal["pauli", "unitary"] = "pauli" if operators is None else "unitary"
    return Channel(kind, rate, ends, letters, none if operators is None else operators, none, 0.0)


def _mixed(kraus: list[Complexes]) -> Channel | None:
    """Return the channel whose operators are unitary up to factors; None where they are not."""
    weights, unitaries = [], []
    for matrix in kraus:
        gram = matrix.conj().T @ matrix
        weight = float(gram.trace().real) / len(gram)
        if np.abs(gram - weight * np.eye(len(gram))).max() > _TOLERANCE:
            return None
        if weight > _ROUNDING:
            weights.append(weight)
            unitaries.append(_cleaned(matrix / np.sqrt(weight)))
    order = np.argsort(weights)[::-1]
    total = sum(weights)
    return _random(
        [weights[k] / total for k in order[1:]],
        operators=np.array([unitaries[k] for k in order]),
    )


def _general(kraus: list[Complexes]) -> Channel:
    kept, *jumps = sorted(kraus, key=lambda matrix: -float(np.linalg.norm(matrix)))
    if not jumps:
        return _random([], operators=np.array([kept]))
    grams = np.array([matrix.conj().T @ matrix for matrix in jumps])
    rate = min(1.0, float(np.linalg.eigvalsh(grams.sum(axis=0))[-1]))
    shares = grams.trace(axis1=1, axis2=2).real
    smallest = float(np.linalg.svd(kept, compute_uv=False)[-1])
    return Channel(
        "general",
        rate,
        np.cumsum(shares) / shares.sum(),
        (),
        np.array([_cleaned(kept), *(_cleaned(matrix / np.sqrt(rate)) for matrix in jumps)]),
        np.asarray(grams / rate, dtype=np.complex128),
        min(0.0, float(np.log(max(smallest, np.finfo(float).tiny)))),
    )


def _orthogonal(kraus: list[Complexes]) -> list[Complexes]:
    """Return Kraus operators of the same channel with tr(K_i† K_j) = 0 for i ≠ j.

    They are fewest, and one of them is as large as it can be.
    """
    vectors = np.array([matrix.ravel() for matrix in kraus])
    overlaps = vectors.conj() @ vectors.T
    if np.abs(overlaps - np.diag(overlaps.diagonal())).max() <= _ROUNDING:
        return [matrix for matrix in kraus if np.any(matrix)]
    values, modes = np.linalg.eigh(vectors.T @ vectors.conj())
    return [
        _cleaned(_with_real_trace(np.sqrt(value) * mode.reshape(kraus[0].shape)))
        for value, mode in zip(values, modes.T, strict=True)
        if value > _ROUNDING
    ]


def _with_real_trace(matrix: Complexes) -> Complexes:
    largest = complex(matrix.ravel()[np.abs(matrix).argmax()])
    trace = complex(matrix.trace())
    phase = trace / abs(trace) if abs(trace) > _TOLERANCE else largest / abs(largest)
    return np.asarray(matrix / phase, dtype=np.complex128)


def _cleaned(matrix: Complexes) -> Complexes:
    """Return a matrix without entries that are rounding, so that its structure shows."""
    out = np.where(np.abs(matrix.real) > _ROUNDING, matrix.real, 0.0).astype(np.complex128)
    out += 1j * np.where(np.abs(matrix.imag) > _ROUNDING, matrix.imag, 0.0)
    return out


def jumps_of(
    channel: Channel, density: Complexes, draws: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Return what candidates become.

    Args:
        channel: A general channel.
        density: Reduced density matrix of its qubits, of any positive trace.
        draws: A uniform number in [0, 1) for each candidate.

    Returns:
        For each candidate the number of the operator, 0 where nothing happens after all; and the
        factors by which the operators from 1 on change the squared norm, shape (count,).
    """
    weights = np.einsum("kij,ji->k", channel.grams, density).real / float(density.trace().real)
    weights = np.maximum(weights, 0.0)
    choices = np.searchsorted(np.cumsum(weights), draws, side="right") + 1
    choices[choices > weights.size] = 0
    return choices, weights
