"""What goes into a simulation of neutral atoms beside the program, and what comes out."""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.ahs import C6_RAD_M6_PER_S
from openbraket.circuits.ahs_chain import MAX_BOND_DEFAULT

Method = Literal["automatic", "full", "blockade", "mps"]
Precision = Literal["double", "single"]
PhaseSign = Literal["documented", "local_simulator"]

MEMORY_BYTES_MAX: Final = 24 << 30
RUN_SECONDS_MAX: Final = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class RydbergSettings:
    """How to simulate.

    Attributes:
        method: `full` space, `blockade` subspace, `mps` for a matrix product state, or `automatic`:
            the full space if it fits and no radius is given, else the subspace if that fits, else
            (without a given radius) a matrix product state.
        blockade_radius_m: Atoms nearer than this are never excited together; None chooses the
            radius so that the neglected population stays below `neglected_population_max`.
        neglected_population_max: Bound of the population that a chosen radius neglects, for each
            atom and at any time.
        tolerance: Bound of the integration error, as total variation of the final distribution.
        precision: `single` halves the memory and rounds to 1e-6 or so.
        shot_precision: Of noisy shots, whose rounding is far below the statistical error.
        phase_sign: `documented` has e^{iφ} with |g><r|; `local_simulator` has e^{-iφ}, as the SDK's
            `braket_ahs` evolves.
        c6_rad_m6_per_s: Interaction constant.
        memory_bytes_max: What needs more is refused.
        run_seconds_max: What is estimated to take longer is refused.
        max_bond: Largest bond dimension of a matrix product state.
        cutoff: Share of the weight that one truncation of a bond may leave out.
    """

    method: Method = "automatic"
    blockade_radius_m: float | None = None
    neglected_population_max: float = 1e-2
    tolerance: float = 1e-4
    precision: Precision = "double"
    shot_precision: Precision = "single"
    phase_sign: PhaseSign = "documented"
    c6_rad_m6_per_s: float = C6_RAD_M6_PER_S
    memory_bytes_max: int = MEMORY_BYTES_MAX
    run_seconds_max: float = RUN_SECONDS_MAX
    max_bond: int = MAX_BOND_DEFAULT
    cutoff: float = 1e-9


@dataclass(frozen=True, slots=True)
class RydbergLog:
    """How a simulation went.

    Attributes:
        method: `full`, `blockade` or `mps`.
        atom_count: Atoms that evolved (of the program, before noise).
        configuration_count: Amplitudes that were kept; 0 for a matrix product state.
        step_count: Time steps of the evolution, the most where there are several.
        integration_error: Bound of the integration error, total variation.
        norm_drift: |1 - <ψ|ψ>| at the end; the largest where several evolutions were made. None
            where atoms decay, which takes from the norm between jumps.
        blockade_radius_m: Radius in use; None outside the blockade subspace.
        neglected_population: Population that the subspace leaves out, for each atom and at most, as
            measured with a cluster of the atoms in the full space.
        evolution_count: How many different evolutions were made; one without noise, with decay one
            more for every shot that jumps.
        peak_bond: Largest bond dimension of a matrix product state at any time.
        discarded_weight: Sum of the weights that its truncations left out, which estimates
            1 - |<exact|state>|²; the largest where several evolutions were made.
        neglected_rad_per_s: Sum of the interactions that it left out for one atom, at most.
        warnings: One sentence for each bound that was not met.
    """

    method: Method
    atom_count: int
    configuration_count: int
    step_count: int
    integration_error: float
    norm_drift: float | None
    blockade_radius_m: float | None = None
    neglected_population: float = 0.0
    evolution_count: int = 1
    peak_bond: int = 0
    discarded_weight: float = 0.0
    neglected_rad_per_s: float = 0.0
    warnings: tuple[str, ...] = field(default=())

    def lines(self) -> list[str]:
        """Return the log as sentences."""
        size = f"{self.configuration_count} configurations"
        if self.method == "mps":
            size = f"bond dimension up to {self.peak_bond}"
        out = [
            (
                f"method: {self.method}, {self.atom_count} atoms, {size}, {self.step_count} steps, "
                f"{self.evolution_count} evolutions"
            ),
            f"integration error (total variation): at most {self.integration_error:.1e}",
        ]
        if self.norm_drift is not None:
            out.append(f"norm drift: {self.norm_drift:.1e}")
        if self.method == "blockade" and self.blockade_radius_m is not None:
            out.append(
                f"blockade radius: {self.blockade_radius_m:.3e} m, neglected population about "
                f"{self.neglected_population:.1e} per atom"
            )
        if self.method == "mps":
            out += [
                (
                    f"truncation error (discarded weight): {self.discarded_weight:.1e}, a fidelity "
                    f"of about {1 - self.discarded_weight:.6f}"
                ),
                f"neglected interactions: at most {self.neglected_rad_per_s:.1e} rad/s on an atom",
            ]
        return out + [f"warning: {text}" for text in self.warnings]


@dataclass(frozen=True, slots=True)
class RydbergResult:
    """What every shot saw; rows are shots, columns sites in the order of the program.

    Attributes:
        pre_sequences: 1 where an atom was seen before the evolution; uint8, (shots, sites).
        post_sequences: 1 where an atom in |g> was seen after it, 0 for |r> or no atom; uint8,
            (shots, sites).
        log: How the simulation went.
    """

    pre_sequences: NDArray[np.uint8]
    post_sequences: NDArray[np.uint8]
    log: RydbergLog
