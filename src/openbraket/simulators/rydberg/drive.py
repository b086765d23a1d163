"""The drive of every atom as a function of time, in pieces on which it is smooth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openbraket.circuits.ahs import AhsProgram, FieldSeries, TimeSeries
    from openbraket.simulators.rydberg.interface import PhaseSign

    Floats = NDArray[np.float64]
    Complexes = NDArray[np.complex128]
    # In the precision of the state.
    Amplitudes = NDArray[np.complex128 | np.complex64]


@dataclass(frozen=True, slots=True)
class Drive:
    """w_k(t) and d_k(t) of H_k(t) = w_k |g><r| + w_k* |r><g| - d_k n, linear on every piece.

    Columns are atoms; there is one column where all atoms have the same drive. Where atoms decay,
    what evolves between jumps is H - i Γ/2 Σ n.

    Attributes:
        bounds_s: Where pieces begin and end, ascending from 0; shape (pieces + 1,).
        coupling_starts: w in rad/s at the beginning of each piece; complex, (pieces, columns).
        coupling_ends: w at the end of each piece, before a jump of the phase.
        detuning_starts: d in rad/s at the beginning of each piece; (pieces, columns).
        detuning_ends: d at the end of each piece.
        decay_per_s: Γ, the rate at which |r> decays.
    """

    bounds_s: Floats
    coupling_starts: Complexes
    coupling_ends: Complexes
    detuning_starts: Floats
    detuning_ends: Floats
    decay_per_s: float = 0.0

    @property
    def piece_count(self) -> int:
        """Number of pieces."""
        return self.bounds_s.size - 1

    @property
    def rabi_max(self) -> float:
        """Largest Rabi frequency of any atom, 2|w|, in rad/s."""
        ends = (self.coupling_starts, self.coupling_ends)
        return 2 * max(float(np.abs(w).max(initial=0.0)) for w in ends)

    @property
    def rate_max(self) -> float:
        """Bound of the largest Rabi frequency plus the largest detuning of any atom, in rad/s."""
        ends = (
            (self.coupling_starts, self.detuning_starts),
            (self.coupling_ends, self.detuning_ends),
        )
        return max(
            2 * float(np.abs(w).max(initial=0.0)) + float(np.abs(d).max(initial=0.0))
            for w, d in ends
        )

    def at(self, pieces: NDArray[np.intp], times_s: Floats) -> tuple[Complexes, Floats]:
        """Return w and d at times that lie in the given pieces.

        Args:
            pieces: Index of each time's piece, any shape.
            times_s: In s, of the same shape.

        Returns:
            Two arrays of that shape with one more axis, the columns.
        """
        start, end = self.bounds_s[pieces], self.bounds_s[pieces + 1]
        share = ((times_s - start) / (end - start))[..., None]
        return tuple(  # type: ignore[return-value]
            a[pieces] + (b - a)[pieces] * share
            for a, b in (
                (self.coupling_starts, self.coupling_ends),
                (self.detuning_starts, self.detuning_ends),
            )
        )

    def for_atoms(self, atoms: NDArray[np.intp]) -> Drive:
        """Return the drive of some of the atoms."""
        if self.coupling_starts.shape[1] == 1:
            return self
        return self._mapped(lambda x: x[:, atoms], lambda x: x[:, atoms])

    def decaying(self, rate_per_s: float) -> Drive:
        """Return the drive of atoms whose |r> decays with a rate."""
        return replace(self, decay_per_s=rate_per_s)

    def perturbed(self, amplitude_factors: Floats, detuning_shifts_rad_per_s: Floats) -> Drive:
        """Return the drive with Ω_k multiplied and Δ_k shifted, one number for each atom."""
        return self._mapped(
            lambda w: w * amplitude_factors, lambda d: d + detuning_shifts_rad_per_s
        )

    def _mapped(self, of_coupling, of_detuning) -> Drive:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return replace(
            self,
            coupling_starts=of_coupling(self.coupling_starts),
            coupling_ends=of_coupling(self.coupling_ends),
            detuning_starts=of_detuning(self.detuning_starts),
            detuning_ends=of_detuning(self.detuning_ends),
        )


def drive_of(program: AhsProgram, atoms: Sequence[int], phase_sign: PhaseSign) -> Drive:
    """Return the drive of the atoms on the given sites.

    Args:
        program: At least one series that lasts longer than 0 s.
        atoms: Indices of sites.
        phase_sign: `documented`: w = Ω/2 e^{iφ}; `local_simulator`: w = Ω/2 e^{-iφ}.

    Returns:
        One column where all patterns are uniform, else one for each atom.
    """
    all_series = program.all_series()
    bounds = np.unique([t for s in all_series for t in s.series.times_s] + [0.0])
    sites = list(atoms)
    is_uniform = all(s.pattern is None for s in all_series)
    shape = (bounds.size - 1, 1 if is_uniform else len(sites))
    coupling = np.zeros((2, *shape), dtype=np.complex128)
    detuning = np.zeros((2, *shape))
    sign = 1j if phase_sign == "documented" else -1j

    def columns(field: FieldSeries) -> Floats:
        if field.pattern is None:
            return np.ones(shape[1])
        return np.array([field.pattern[site] for site in sites])

    for field in program.driving_fields:
        amplitude = _linear_ends(field.amplitude.series, bounds)[:, :, None] / 2
        phase = _constants(field.phase.series, bounds)[:, None] * columns(field.phase)
        coupling += amplitude * columns(field.amplitude) * np.exp(sign * phase)
        detuning += _linear_ends(field.detuning.series, bounds)[:, :, None] * columns(
            field.detuning
        )
    for local in program.local_detunings:
        detuning += _linear_ends(local.series, bounds)[:, :, None] * columns(local)
    return Drive(bounds, coupling[0], coupling[1], detuning[0], detuning[1])


def _linear_ends(series: TimeSeries, bounds: Floats) -> Floats:
    """Return the values at the beginning and end of every piece, shape (2, pieces)."""
    times, values = np.array(series.times_s), np.array(series.values)
    if times.size == 1:
        return np.zeros((2, bounds.size - 1))
    middles = (bounds[1:] + bounds[:-1]) / 2
    index = np.clip(np.searchsorted(times, middles) - 1, 0, times.size - 2)
    width = times[index + 1] - times[index]
    slope = (values[index + 1] - values[index]) / np.where(width > 0, width, 1.0)
    ends = np.stack([values[index] + slope * (b - times[index]) for b in (bounds[:-1], bounds[1:])])
    return np.where(middles < times[-1], ends, 0.0)


def _constants(series: TimeSeries, bounds: Floats) -> Floats:
    """Return the value on every piece, shape (pieces,)."""
    middles = (bounds[1:] + bounds[:-1]) / 2
    index = np.clip(np.searchsorted(series.times_s, middles) - 1, 0, None)
    return np.array(series.values)[index]
