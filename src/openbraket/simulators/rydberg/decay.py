"""Atoms that decay from |r> to |g>: quantum jumps, each shot at times of its own.

dρ/dt = -i [H, ρ] + Γ Σ_k (s_k ρ s_k† - (n_k ρ + ρ n_k) / 2),  s = |g><r|, Γ = 1/T1.

Between jumps a state evolves with H - i Γ/2 Σ n, and its norm falls; a shot jumps when the norm has
fallen to a number that was drawn evenly from [0, 1). Shots that begin alike share the evolution
without jumps, and leave it when they jump.

Source: R. Dum, A. S. Parkins, P. Zoller, C. W. Gardiner, Phys. Rev. A 46 (1992) 4382.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from openbraket.simulators.rydberg.stepping import squares

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from openbraket.simulators.rydberg.drive import Drive, Floats
    from openbraket.simulators.rydberg.evolution import Evolving
    from openbraket.simulators.rydberg.problem import Problem
    from openbraket.simulators.rydberg.splitting import Steps
    from openbraket.simulators.rydberg.watch import Watch

# Parts of the evolution after which the norm is looked at, and a state to go back to is kept.
_PARTS: Final = 8
# Excited population that is only rounding.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class JumpDraws:
    """What decides on the jumps of every shot.

    Attributes:
        levels: Norm at which a shot jumps first, in [0, 1); one for each shot.
        seed: Of each shot's own source of further draws.
    """

    levels: Floats
    seed: int

    @classmethod
    def draw(cls, shots: int, generator: np.random.Generator) -> JumpDraws:
        """Draw for a number of shots."""
        return cls(generator.random(shots), int(generator.integers(1 << 62)))

    def generator(self, shot: int) -> np.random.Generator:
        """Return the source of all that follows a shot's first jump."""
        return np.random.default_rng([self.seed, shot])


def evolve_decaying(
    problem: Problem,
    steps: Steps,
    shots: NDArray[np.intp],
    draws: JumpDraws,
    watch: Watch,
    measure: Callable[[Evolving, NDArray[np.intp]], None],
) -> int:
    """Evolve shots that begin alike, and measure each at its end.

    Args:
        problem: With a drive that decays.
        steps: Of the whole evolution.
        shots: Their indices, at least one.
        draws: Of all shots.
        watch: Follows the work.
        measure: Called with a final state, in general not normalized, and the shots that end in it.

    Returns:
        How many evolutions there were: one for each shot that jumps, one for all others.

    Raises:
        CancelledError: If the work was stopped.

    Cost: one evolution, and for each shot that jumps its rest and at most an eighth.
    """
    space, waiting, count, begun = problem.space(), shots, 0, 0
    other: Evolving | None = None
    before = space.amplitudes()
    stops = np.unique(np.linspace(0, len(steps), _PARTS + 1).astype(int))[1:].tolist()
    for stop in space.evolve_through(stops, problem.drive, steps, watch):
        is_jumping = draws.levels[waiting] >= space.norm()
        leaving, waiting = waiting[is_jumping], waiting[~is_jumping]
        for index, shot in enumerate(leaving):
            is_last = index == leaving.size - 1 and waiting.size == 0
            other = space if is_last else other or problem.space()
            other.assign(before)
            rest = steps.part(begun, len(steps))
            level, generator = float(draws.levels[shot]), draws.generator(int(shot))
            _follow(other, problem.drive, rest, level, generator, watch)
            measure(other, np.array([shot]))
        count += leaving.size
        if waiting.size == 0:
            return count
        before, begun = space.amplitudes(), stop
    measure(space, waiting)
    return count + 1


def _follow(
    space: Evolving,
    drive: Drive,
    steps: Steps,
    level: float,
    generator: np.random.Generator,
    watch: Watch,
) -> None:
    """Evolve a shot to its end through all of its jumps.

    A part in which the norm falls to the level is made again in smaller parts; within one step the
    logarithm of the norm is taken as linear.
    """
    size_max = max(1, len(steps) // _PARTS)
    size, norm = size_max, space.norm()
    while len(steps):
        before, part = space.amplitudes(), steps.part(0, size)
        space.evolve(drive, part, watch)
        fallen = space.norm()
        if fallen > level:
            steps, norm = steps.part(size, len(steps)), fallen
            continue
        space.assign(before)
        if size > 1:
            size = max(1, size // 4)
            continue
        share = np.log(norm / level) / np.log(norm / max(fallen, 1e-300))
        until, steps = steps.cut(float(np.clip(share, 0.0, 1.0)))
        space.evolve(drive, until, watch)
        _jump(space, generator)
        size, norm, level = size_max, space.norm(), generator.random()


def _jump(space: Evolving, generator: np.random.Generator) -> None:
    """Take one atom from |r> to |g>, and normalize the state."""
    amplitudes, configurations = space.amplitudes(), space.configurations()
    populations = squares(amplitudes)
    bits = np.uint64(1) << np.arange(space.atom_count, dtype=np.uint64)
    weights = np.array([populations[(configurations & bit) > 0].sum() for bit in bits])
    total = float(weights.sum())
    if total <= _ROUNDING * float(populations.sum()):
        # Nothing can decay; rounding alone took the norm to the level.
        space.assign(amplitudes * float(1 / np.sqrt(populations.sum())))
        return
    atom = int(generator.choice(weights.size, p=weights / total))
    is_excited = (configurations & bits[atom]) > 0
    after = np.zeros_like(amplitudes)
    below = np.searchsorted(configurations, configurations[is_excited] ^ bits[atom])
    after[below] = amplitudes[is_excited] * float(1 / np.sqrt(weights[atom]))
    space.assign(after)
