"""Time steps: the fourth-order splitting of Blanes and Moan, as columns for the kernels.

One step of length h is e^{-i a_6 h A} e^{-i b_5 h V} … e^{-i b_0 h V} e^{-i a_0 h A} (rightmost
first): A is the drive of all atoms, whose flow is a product of exact 2x2 unitaries, and V the
interaction, which is diagonal. Time advances with A. The drive's own time dependence within a
flow is integrated by the commutator-free Magnus method of order four.

Decay of |r> with a rate Γ is e^{-Γ τ/4 n} before and after the unitary of each flow of length τ: it
commutes with V, and with a flow of the drive up to Γ τ (Ω τ)², which is below 1e-6.

Source: Blanes, Moan, J. Comput. Appl. Math. 142 (2002) 313, table 3, S6 of order four;
Alvermann, Fehske, J. Comput. Phys. 230 (2011) 5930, eq. 28, for the flows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from openbraket.circuits.ahs_cost import STAGES_PER_STEP, SWEEPS_PER_STEP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbraket.simulators.rydberg.drive import Complexes, Drive, Floats

_A_HALF: Final = (0.0792036964311957, 0.353172906049774, -0.0420650803577195)
_B_HALF: Final = (0.209515106613362, -0.143851773179818)
A_WEIGHTS: Final = (*_A_HALF, 1 - 2 * sum(_A_HALF), *reversed(_A_HALF))
_B_MIDDLE: Final = 0.5 - sum(_B_HALF)
B_WEIGHTS: Final = (*_B_HALF, _B_MIDDLE, _B_MIDDLE, *reversed(_B_HALF))
# Below this a quotient of two such numbers could lose its meaning.
_MIXING_MIN: Final = 1e-100


def _sweep_weights() -> tuple[float, ...]:
    """Return the lengths of the sweeps, up and down in turn.

    With sweeps X (ascending, then V) and its adjoint Y (V, then descending), a splitting in two
    parts is a composition of X and Y with these lengths, which is of the same order for any number
    of parts (McLachlan, SIAM J. Sci. Comput. 16 (1995) 151).
    """
    weights = [A_WEIGHTS[0]]
    for b, a in zip(B_WEIGHTS, A_WEIGHTS[1:], strict=True):
        weights.append(b - weights[-1])
        weights.append(a - weights[-1])
    return tuple(weights[:-1])


SWEEP_WEIGHTS: Final = _sweep_weights()


@dataclass(frozen=True, slots=True)
class Steps:
    """Consecutive time steps, none of which crosses the bounds of a piece of the drive.

    Attributes:
        starts_s: Beginning of each step.
        lengths_s: Length of each step.
        pieces: The piece of the drive that each step lies in.
    """

    starts_s: Floats
    lengths_s: Floats
    pieces: NDArray[np.intp]

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.starts_s.size

    def part(self, first: int, last: int) -> Steps:
        """Return steps `first` to `last - 1`."""
        return Steps(self.starts_s[first:last], self.lengths_s[first:last], self.pieces[first:last])

    def doubled(self, first: int) -> Steps:
        """Return one step that is as long as steps `first` and `first + 1` together."""
        return Steps(
            self.starts_s[first : first + 1],
            self.lengths_s[first : first + 1] * 2,
            self.pieces[first : first + 1],
        )

    def cut(self, share: float) -> tuple[Steps, Steps]:
        """Return the given share of the first step, and all that follows."""
        length = float(self.lengths_s[0]) * share
        starts, lengths = self.starts_s.copy(), self.lengths_s.copy()
        starts[0] += length
        lengths[0] -= length
        begun = Steps(self.starts_s[:1], np.array([length]), self.pieces[:1])
        return begun, Steps(starts, lengths, self.pieces)


@dataclass(frozen=True, slots=True)
class Flows:
    """The unitary of every atom for every flow of consecutive steps.

    Attributes:
        unitaries: Shape (steps, flows, columns of the drive, 2, 2), rows and columns (g, r).
        lengths_s: Of the steps.
        decay_per_s: Rate at which |r> decays between the flows; the unitaries are without it.
    """

    unitaries: Complexes
    lengths_s: Floats
    decay_per_s: float = 0.0

    def part(self, first: int, last: int) -> Flows:
        """Return the flows of steps `first` to `last - 1`."""
        return Flows(self.unitaries[first:last], self.lengths_s[first:last], self.decay_per_s)

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.lengths_s.size


def steps_of(drive: Drive, step_s: float) -> Steps:
    """Return equal steps of at most `step_s` in every piece, an even number of them.

    A piece without coupling takes two steps, because all its parts commute; not so where atoms
    decay, whose jumps are placed within steps.
    """
    lengths = np.diff(drive.bounds_s)
    is_driven = (np.abs(drive.coupling_starts) + np.abs(drive.coupling_ends)).max(axis=1) > 0
    is_driven |= drive.decay_per_s > 0
    halves = np.where(is_driven, np.ceil(lengths / (2 * step_s) - 1e-9), 1.0)
    counts = 2 * np.maximum(halves, 1).astype(np.intp)
    pieces = np.repeat(np.arange(counts.size), counts)
    within = np.arange(pieces.size) - np.repeat(np.cumsum(counts) - counts, counts)
    width = (lengths / counts)[pieces]
    return Steps(drive.bounds_s[pieces] + within * width, width, pieces)


def coarser(steps: Steps) -> Steps:
    """Return steps of twice the length; every piece must have an even number of steps."""
    return Steps(steps.starts_s[::2], steps.lengths_s[::2] * 2, steps.pieces[::2])


def finer(steps: Steps) -> Steps:
    """Return steps of half the length."""
    half = np.repeat(steps.lengths_s / 2, 2)
    starts = np.repeat(steps.starts_s, 2)
    starts[1::2] += half[1::2]
    return Steps(starts, half, np.repeat(steps.pieces, 2))


def _unitaries(coupling: Complexes, detuning: Floats, times: Floats) -> Complexes:
    """Return exp(-i t [[0, w], [w*, -d]]), shape (..., 2, 2)."""
    half = detuning / 2
    rate = np.sqrt(coupling.real**2 + coupling.imag**2 + half * half)
    angle = rate * times
    cosine, sine = np.cos(angle), times * np.sinc(angle / np.pi)
    phase = np.exp(1j * half * times)
    out = np.empty((*coupling.shape, 2, 2), dtype=np.complex128)
    out[..., 0, 0] = phase * (cosine - 1j * sine * half)
    out[..., 1, 1] = phase * (cosine + 1j * sine * half)
    out[..., 0, 1] = phase * (-1j * sine * coupling)
    out[..., 1, 0] = phase * (-1j * sine * coupling.conj())
    return out


def _product(left: Complexes, right: Complexes) -> Complexes:
    """Return the products of many 2x2 matrices, without a call of BLAS for each."""
    out = np.empty(np.broadcast_shapes(left.shape, right.shape), dtype=np.complex128)
    for i in range(2):
        for k in range(2):
            out[..., i, k] = left[..., i, 0] * right[..., 0, k] + left[..., i, 1] * right[..., 1, k]
    return out


def flows(drive: Drive, steps: Steps, weights: tuple[float, ...]) -> Flows:
    """Return the unitary of every atom for every flow of every step.

    Args:
        drive: The drive.
        steps: The steps.
        weights: Length of the flows in units of the step, in order.
    """
    fractions = np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    starts = steps.starts_s[:, None] + steps.lengths_s[:, None] * fractions
    lengths = steps.lengths_s[:, None] * np.array(weights)
    pieces = np.broadcast_to(steps.pieces[:, None], starts.shape)
    offset = np.sqrt(3) / 6
    coupling_1, detuning_1 = drive.at(pieces, starts + (0.5 - offset) * lengths)
    coupling_2, detuning_2 = drive.at(pieces, starts + (0.5 + offset) * lengths)
    much, little, times = 0.25 + offset, 0.25 - offset, lengths[:, :, None]
    first = _unitaries(
        much * coupling_1 + little * coupling_2, much * detuning_1 + little * detuning_2, times
    )
    second = _unitaries(
        little * coupling_1 + much * coupling_2, little * detuning_1 + much * detuning_2, times
    )
    return Flows(_product(second, first), steps.lengths_s, drive.decay_per_s)


def _merged(flows: Flows) -> tuple[Complexes, Floats]:
    """Return the unitaries before every stage and the last one, and the length of each flow.

    The last flow of a step and the first one of the next are one.

    Args:
        flows: With A_WEIGHTS.

    Returns:
        Shapes (stages + 1, columns, 2, 2) and (stages + 1,).
    """
    unitaries = flows.unitaries
    merged = unitaries[:, :-1].copy()
    merged[1:, 0] = _product(unitaries[1:, 0], unitaries[:-1, -1])
    shape = (len(flows) * STAGES_PER_STEP, unitaries.shape[2], 2, 2)
    lengths = flows.lengths_s[:, None] * np.array(A_WEIGHTS[:-1])
    lengths[1:, 0] += flows.lengths_s[:-1] * A_WEIGHTS[-1]
    return (
        np.concatenate([merged.reshape(shape), unitaries[-1:, -1]]),
        np.append(lengths.ravel(), flows.lengths_s[-1] * A_WEIGHTS[-1]),
    )


def _betas(flows: Flows) -> Floats:
    """Return the length of the interaction's flow in every stage, in s."""
    return np.asarray((flows.lengths_s[:, None] * np.array(B_WEIGHTS)).ravel())


def chain_columns(flows: Flows, atom_count: int) -> tuple[Complexes, Floats]:
    """Return matrices and betas of `ChainState.apply` for flows with A_WEIGHTS, without decay."""
    every, _ = _merged(flows)
    wide = np.broadcast_to(every, (every.shape[0], atom_count, 2, 2))
    return np.ascontiguousarray(wide).ravel(), np.append(_betas(flows), 0.0)


def stage_columns(flows: Flows, atom_count: int) -> tuple[Floats, Complexes, Complexes, Floats]:
    """Return mixings, phases, scales and betas of `RydbergState.apply` for flows with A_WEIGHTS.

    Every unitary is s · diag(1, l) [[1, -it], [-it, 1]] diag(1, r); each r joins the stage before.
    Decay is a factor of l and of r.
    """
    every, lengths = _merged(flows)
    scale = every[..., 0, 0]
    upper = 1j * every[..., 0, 1] / scale
    mixing = np.abs(upper)
    is_mixed = mixing > _MIXING_MIN
    mixing[~is_mixed] = 0.0
    right = np.divide(upper, mixing, out=np.ones_like(upper), where=is_mixed)
    left = every[..., 1, 1] / (scale * right)
    if flows.decay_per_s:
        damping = np.exp(-flows.decay_per_s / 4 * lengths)[:, None]
        left, right = left * damping, right * damping
    # One stage in front has nothing but the first r.
    mixings = np.concatenate([np.zeros((1, mixing.shape[1])), mixing])
    phases = np.concatenate([right[:1], left])
    phases[1:-1] *= right[1:]
    scales = scale.prod(axis=1) if scale.shape[1] == atom_count else scale[:, 0] ** atom_count
    wide = (mixings.shape[0], atom_count)
    return (
        np.ascontiguousarray(np.broadcast_to(mixings, wide)).ravel(),
        np.ascontiguousarray(np.broadcast_to(phases, wide)).ravel(),
        np.concatenate([[1.0], scales]),
        np.concatenate([[0.0], _betas(flows), [0.0]]),
    )


def sweep_columns(flows: Flows, atom_count: int) -> tuple[Complexes, NDArray[np.uint8], Floats]:
    """Return matrices, directions and betas of `BlockadeState.apply` for flows of SWEEP_WEIGHTS."""
    unitaries = flows.unitaries
    if flows.decay_per_s:
        lengths = flows.lengths_s[:, None] * np.array(SWEEP_WEIGHTS)
        damping = np.exp(-flows.decay_per_s / 4 * lengths)[:, :, None]
        unitaries = unitaries.copy()
        unitaries[..., 1, :] *= damping[..., None]
        unitaries[..., :, 1] *= damping[..., None]
    wide = (*unitaries.shape[:2], atom_count, 2, 2)
    betas = np.zeros((len(flows), SWEEPS_PER_STEP))
    betas[:, 0::2] = flows.lengths_s[:, None] * np.array(B_WEIGHTS)
    directions = np.tile(np.array([0, 1], dtype=np.uint8), len(flows) * STAGES_PER_STEP)
    return np.ascontiguousarray(np.broadcast_to(unitaries, wide)).ravel(), directions, betas.ravel()
