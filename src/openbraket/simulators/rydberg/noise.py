"""What differs from shot to shot on a real machine: draws for all shots at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbraket.circuits.ahs import AhsNoise, AhsProgram
    from openbraket.simulators.rydberg.drive import Floats

    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ShotDraws:
    """One row for each shot, one column for each site.

    Attributes:
        is_seen: Whether the first picture shows an atom.
        is_present: Whether an atom is there during the evolution and after it.
        is_driven: Whether it is there in the state |g> that the laser couples.
        positions_m: Where it is; shape (shots, sites, 2).
        amplitude_factors: Its Ω in units of the program's.
        detuning_shifts_rad_per_s: What its Δ is larger by.
    """

    is_seen: Flags
    is_present: Flags
    is_driven: Flags
    positions_m: Floats
    amplitude_factors: Floats
    detuning_shifts_rad_per_s: Floats

    def shared(self, count: int) -> ShotDraws:
        """Return the draws of the first `count` shots for all shots, in turn."""
        rows = np.arange(self.is_driven.shape[0]) % count
        return ShotDraws(
            self.is_seen[rows],
            self.is_present[rows],
            self.is_driven[rows],
            self.positions_m[rows],
            self.amplitude_factors[rows],
            self.detuning_shifts_rad_per_s[rows],
        )

    def groups(self) -> list[tuple[int, NDArray[np.intp]]]:
        """Return shots that evolve alike: for each group its first shot and all its shots."""
        shots = self.is_driven.shape[0]
        columns = np.concatenate(
            [
                part.reshape(shots, -1) * np.repeat(self.is_driven, part[0, 0].size, axis=1)
                for part in (
                    self.is_driven.astype(np.float64),
                    self.positions_m,
                    self.amplitude_factors,
                    self.detuning_shifts_rad_per_s,
                )
            ],
            axis=1,
        )
        if np.array_equal(columns, np.broadcast_to(columns[0], columns.shape)):
            return [(0, np.arange(shots, dtype=np.intp))]
        found: dict[bytes, list[int]] = {}
        for shot, row in enumerate(columns):
            found.setdefault(row.tobytes(), []).append(shot)
        return [(alike[0], np.array(alike, dtype=np.intp)) for alike in found.values()]


def draw_shots(
    program: AhsProgram, noise: AhsNoise, shots: int, generator: np.random.Generator
) -> ShotDraws:
    """Draw everything that happens before the evolution.

    Args:
        program: The program.
        noise: How the machine departs from it.
        shots: Number of shots.
        generator: Source of all draws.
    """
    filling = np.array(program.filling, dtype=bool)
    shape = (shots, filling.size)

    def happens(probability: float) -> Flags:
        if probability <= 0:
            return np.zeros(shape, dtype=bool)
        return generator.random(shape) < probability

    def normal(deviation: float, size: tuple[int, ...]) -> Floats:
        if deviation <= 0:
            return np.zeros(size)
        return generator.normal(0.0, deviation, size)

    is_loaded = np.where(filling, ~happens(noise.filling_error), happens(noise.vacancy_error))
    is_seen = np.where(
        is_loaded,
        ~happens(noise.atom_detection_false_negative),
        happens(noise.atom_detection_false_positive),
    )
    is_present = is_loaded & ~happens(noise.atom_loss_probability)
    is_driven = is_present & ~happens(noise.preparation_probability)
    sites = np.array(program.sites_m, dtype=np.float64).reshape(-1, 2)
    traps = sites + normal(noise.site_position_error_m, sites.shape)
    one = (1, filling.size)
    dephasing = np.sqrt(2) / noise.t2_star_s if noise.t2_star_s else 0.0
    return ShotDraws(
        is_seen=is_seen,
        is_present=is_present,
        is_driven=is_driven,
        positions_m=traps + normal(noise.atom_position_error_m, (*shape, 2)),
        amplitude_factors=np.ones(shape)
        + normal(noise.rabi_error_relative, (shots, 1))
        + normal(noise.rabi_inhomogeneity_relative, one),
        detuning_shifts_rad_per_s=np.zeros(shape)
        + normal(noise.detuning_error_rad_per_s, (shots, 1))
        + normal(noise.detuning_inhomogeneity_rad_per_s, one)
        + normal(dephasing, shape),
    )


def read_out(
    draws: ShotDraws, is_rydberg: Flags, noise: AhsNoise, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the second picture: 1 where an atom is seen, which means |g>.

    Args:
        draws: What happened before.
        is_rydberg: The outcome of each shot for each site.
        noise: Its detection errors.
        generator: Source of all draws.
    """
    chance = generator.random(is_rydberg.shape)
    stays = np.where(
        is_rydberg, chance < noise.rydberg_detection_error, chance >= noise.ground_detection_error
    )
    captured = chance < noise.atom_capture_probability
    return np.where(draws.is_present, stays, captured).astype(np.uint8)
