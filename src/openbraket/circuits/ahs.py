"""The analog program: what the neutral-atom front end produces and the Rydberg simulator reads.

H(t) = Σ_k Ω_k(t)/2 (e^{iφ_k(t)} |g_k><r_k| + h.c.) - Σ_k (Δ_k(t) + Δ_local,k(t)) n_k
       + Σ_{j<k} C6 / r_jk^6 n_j n_k,
with n = |r><r|, energies over ħ in rad/s, times in s and positions in m.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

C6_RAD_M6_PER_S: Final = 5.42e-24
"""C6 of the 70S state of rubidium-87, which Aquila excites."""

DRIVE_RAD_MAX: Final = 1e6
"""Largest Ω in a program times its duration: what is beyond would take millions of time steps."""


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Values at times; what lies between them is the field's to say.

    Attributes:
        times_s: Ascending, the first 0, in s; at least one.
        values: One for each time: rad/s for amplitude and detuning, rad for phase.
    """

    times_s: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FieldSeries:
    """One quantity of a field over time and over the sites: value_k(t) = series(t) · pattern_k.

    Attributes:
        series: Piecewise linear for amplitude and detuning; for phase piecewise constant, each
            value from its time on to the next.
        pattern: One factor for each site, or None for 1 everywhere (`uniform`).
    """

    series: TimeSeries
    pattern: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class DrivingField:
    """A laser that couples |g> and |r>.

    Attributes:
        amplitude: Ω in rad/s, piecewise linear.
        phase: φ in rad, piecewise constant.
        detuning: Δ in rad/s, piecewise linear.
    """

    amplitude: FieldSeries
    phase: FieldSeries
    detuning: FieldSeries


@dataclass(frozen=True, slots=True)
class AhsProgram:
    """An analog Hamiltonian simulation program; all atoms start in |g>.

    Fields of one kind add up. A field has ended after its last time: it is zero from there on
    (where another field lasts longer).

    Attributes:
        sites_m: Positions (x, y) in m, in the order of the program.
        filling: 1 where an atom is, 0 for a vacancy; one for each site.
        driving_fields: The drives.
        local_detunings: Magnitudes in rad/s, piecewise linear, with their patterns h_k.
        duration_s: How long the atoms evolve: the latest time of any series, in s.
    """

    sites_m: tuple[tuple[float, float], ...]
    filling: tuple[int, ...]
    driving_fields: tuple[DrivingField, ...] = ()
    local_detunings: tuple[FieldSeries, ...] = ()
    duration_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Find the duration."""
        ends = [series.series.times_s[-1] for series in self.all_series()]
        object.__setattr__(self, "duration_s", max(ends, default=0.0))

    def all_series(self) -> list[FieldSeries]:
        """Return the amplitude, phase and detuning of every drive, then every local detuning."""
        drives = [s for d in self.driving_fields for s in (d.amplitude, d.phase, d.detuning)]
        return [*drives, *self.local_detunings]


@dataclass(frozen=True, slots=True)
class AhsNoise:
    """How a real machine departs from the program; zeros mean that it does not.

    Probabilities are per site and shot. "Per shot" means one draw for all atoms of a shot,
    "per atom" one for each atom of each shot; errors are normally distributed with the standard
    deviation that is given.

    Attributes:
        filling_error: A site that should be filled is empty.
        vacancy_error: A site that should be empty is filled.
        atom_detection_false_negative: An atom that is there before the evolution is not seen.
        atom_detection_false_positive: An empty site is seen as filled before the evolution.
        atom_loss_probability: An atom is seen before the evolution and lost before it begins.
        atom_capture_probability: An empty site has an atom in |g> when the shot is read.
        preparation_probability: An atom starts in another ground state, which no laser couples:
            it never reaches |r>.
        site_position_error_m: Of the optical trap, per atom and axis, once for all shots of a task.
        atom_position_error_m: Of the atom in its trap, per atom and axis, each shot anew.
        rabi_error_relative: Of Ω, per shot.
        rabi_inhomogeneity_relative: Of Ω, per atom, once for all shots of a task.
        detuning_error_rad_per_s: Of Δ, per shot.
        detuning_inhomogeneity_rad_per_s: Of Δ, per atom, once for all shots of a task.
        t2_star_s: Dephasing time of one atom, exp(-(t/T2*)^2): a detuning per atom and shot, of
            standard deviation √2 / T2*. None for no dephasing.
        t1_s: Lifetime of |r>, which decays to |g>. None for no decay.
        ground_detection_error: An atom in |g> is lost before it is seen, and so reads as 0.
        rydberg_detection_error: An atom in |r> returns to |g>, and so reads as 1.
    """

    filling_error: float = 0.0
    vacancy_error: float = 0.0
    atom_detection_false_negative: float = 0.0
    atom_detection_false_positive: float = 0.0
    atom_loss_probability: float = 0.0
    atom_capture_probability: float = 0.0
    preparation_probability: float = 0.0
    site_position_error_m: float = 0.0
    atom_position_error_m: float = 0.0
    rabi_error_relative: float = 0.0
    rabi_inhomogeneity_relative: float = 0.0
    detuning_error_rad_per_s: float = 0.0
    detuning_inhomogeneity_rad_per_s: float = 0.0
    t2_star_s: float | None = None
    t1_s: float | None = None
    ground_detection_error: float = 0.0
    rydberg_detection_error: float = 0.0

    @classmethod
    def from_performance(cls, performance: Mapping[str, Any]) -> "AhsNoise":
        """Return the noise that a device states in `paradigm.performance` of its capabilities.

        Args:
            performance: `lattice` and `rydberg.rydbergGlobal` with the members of
                `quera_ahs_paradigm_properties` v1, as numbers or decimal strings; typical values
                are taken, not the worst. What is missing counts as zero.
        """
        lattice = performance.get("lattice") or {}
        drive = (performance.get("rydberg") or {}).get("rydbergGlobal") or {}

        def figure(members: Mapping[str, Any], name: str) -> float:
            return float(members.get(name) or 0.0)

        return cls(
            filling_error=figure(lattice, "fillingErrorTypical"),
            vacancy_error=figure(lattice, "vacancyErrorTypical"),
            atom_detection_false_negative=figure(lattice, "atomDetectionErrorFalseNegativeTypical"),
            atom_detection_false_positive=figure(lattice, "atomDetectionErrorFalsePositiveTypical"),
            atom_loss_probability=figure(lattice, "atomLossProbabilityTypical"),
            atom_capture_probability=figure(lattice, "atomCaptureProbabilityTypical"),
            preparation_probability=figure(drive, "groundPrepError"),
            site_position_error_m=figure(lattice, "sitePositionError"),
            atom_position_error_m=figure(lattice, "atomPositionError"),
            rabi_error_relative=figure(drive, "rabiFrequencyGlobalErrorRel"),
            rabi_inhomogeneity_relative=figure(drive, "rabiFrequencyInhomogeneityRel"),
            detuning_error_rad_per_s=figure(drive, "detuningError"),
            detuning_inhomogeneity_rad_per_s=figure(drive, "detuningInhomogeneity"),
            t2_star_s=figure(drive, "T2StarSingle") or None,
            t1_s=figure(drive, "T1Single") or None,
            ground_detection_error=figure(drive, "groundDetectionError"),
            rydberg_detection_error=figure(drive, "rydbergDetectionError"),
        )

    def only(self, terms: Collection[str]) -> "AhsNoise":
        """Return the noise with some of its terms alone.

        Args:
            terms: Keys of NOISE_TERMS.
        """
        kept = {name for term in terms for name in NOISE_TERMS[term]}
        return AhsNoise(**{name: getattr(self, name) for name in kept})


NOISE_TERMS: Final[Mapping[str, tuple[str, ...]]] = {
    "preparation": ("filling_error", "atom_loss_probability", "preparation_probability"),
    "vacancy": ("vacancy_error", "atom_capture_probability"),
    "position": ("site_position_error_m", "atom_position_error_m"),
    "rabi": ("rabi_error_relative", "rabi_inhomogeneity_relative"),
    "detuning": ("detuning_error_rad_per_s", "detuning_inhomogeneity_rad_per_s"),
    "dephasing": ("t2_star_s",),
    "decay": ("t1_s",),
    "detection": (
        "atom_detection_false_negative",
        "atom_detection_false_positive",
        "ground_detection_error",
        "rydberg_detection_error",
    ),
}
"""Terms of the noise that can be switched by name, with the attributes of AhsNoise they have."""
