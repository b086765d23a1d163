"""A whole simulation: from an analog program to the sequences of every shot."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.ahs import AhsNoise
from openbraket.simulators.rydberg.chain import (
    DISCARDED_WEIGHT_MAX,
    EVOLUTIONS_MAX,
    AtomChain,
    evolve_chains,
)
from openbraket.simulators.rydberg.choice import choose_method
from openbraket.simulators.rydberg.decay import JumpDraws, evolve_decaying
from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.interface import RydbergLog, RydbergResult, RydbergSettings
from openbraket.simulators.rydberg.noise import ShotDraws, draw_shots, read_out
from openbraket.simulators.rydberg.planning import configuration_count
from openbraket.simulators.rydberg.problem import Problem
from openbraket.simulators.rydberg.register import distances, interactions
from openbraket.simulators.rydberg.splitting import steps_of
from openbraket.simulators.rydberg.stepping import (
    BLOCKING_RATIO,
    MEASURED_CONFIGURATIONS_MAX,
    Evolved,
    calibrate,
    evolve_measured,
    evolve_sampled,
    guess_step,
    probabilities,
    step_of_shot,
)
from openbraket.simulators.rydberg.watch import Watch

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from numpy.typing import NDArray

    from openbraket.circuits.ahs import AhsProgram
    from openbraket.circuits.ahs_chain import ChainShape
    from openbraket.simulators.rydberg.choice import Plan
    from openbraket.simulators.rydberg.drive import Floats
    from openbraket.simulators.rydberg.evolution import Evolving

SHOTS_MAX: Final = 1_000_000
# Fewer atoms than these find their step themselves.
_CALIBRATED_ATOMS_MIN: Final = {"full": 13, "blockade": 17}
# The integration error of noisy shots may be this share of the statistical error, 1/√shots.
_STATISTICAL_SHARE: Final = 0.1
# Share of the lifetime of |r> that a time step may take: jumps are placed within steps.
_DECAY_STEP: Final = 0.05
_DECAY_STEPS_MAX: Final = 20_000
_NO_NOISE: Final = AhsNoise()


@dataclass(frozen=True, slots=True)
class _Decay:
    """Atoms that decay from |r>, and when each shot does."""

    rate_per_s: float
    jumps: JumpDraws


def simulate(
    program: AhsProgram,
    *,
    shots: int,
    seed: int | None = None,
    thread_count: int = 1,
    settings: RydbergSettings | None = None,
    noise: AhsNoise | None = None,
    report: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
) -> RydbergResult:
    """Evolve the atoms of a program and measure them.

    Args:
        program: At least one site.
        shots: Number of measurements, 1 to SHOTS_MAX.
        seed: Makes all draws reproducible; None draws fresh ones.
        thread_count: Threads to use, at least 1.
        settings: How to simulate; None means the defaults.
        noise: How the machine departs from the program; None means not at all.
        report: Called now and then, from another thread, with the share that is done.
        cancel: When it is set, the simulation stops within 100 ms.

    Returns:
        The sequences of every shot and a log.

    Raises:
        ProgramError: If there are no sites, or shots are out of range.
        LimitError: If no method fits; the message has the estimate and the limit.
        NumericsError: If the time steps do not converge.
        CancelledError: If `cancel` was set.

    Accuracy: the log's integration error, in total variation, is at most `settings.tolerance`
        (with noise, or as a matrix product state, at most 0.1/√shots, where that is larger). What
        truncations of a matrix product state leave out comes on top, see the log.
    """
    settings, noise = settings or RydbergSettings(), noise or _NO_NOISE
    if not program.sites_m:
        raise ProgramError("The register has no sites; at least 1 is needed")
    if not 1 <= shots <= SHOTS_MAX:
        message = f"shots is {shots}; 1 to {SHOTS_MAX} are possible"
        raise ProgramError(message)
    generator = np.random.default_rng(seed)
    draws = draw_shots(program, noise, shots, generator)
    outcomes = generator.random(shots)
    decay = None
    if noise.t1_s is not None:
        decay = _Decay(1 / noise.t1_s, JumpDraws.draw(shots, generator))
    is_rydberg = np.zeros((shots, len(program.sites_m)), dtype=bool)
    groups = draws.groups()
    if program.duration_s > 0 and draws.is_driven.any():
        with Watch(report=report, cancel=cancel) as watch:
            runner = _Runner(program, settings, draws, groups, thread_count, watch, decay)
            log, draws = runner.run(outcomes, is_rydberg, generator)
    else:
        log = RydbergLog("full", int(sum(program.filling)), 1, 0, 0.0, 0.0)
    return RydbergResult(
        draws.is_seen.astype(np.uint8), read_out(draws, is_rydberg, noise, generator), log
    )


def distribution(
    program: AhsProgram, *, thread_count: int = 1, settings: RydbergSettings | None = None
) -> tuple[NDArray[np.uint64], Floats, RydbergLog]:
    """Return the final distribution of the atoms, without shots and noise.

    Args:
        program: At least one filled site, and a duration above 0 s.
        thread_count: Threads to use, at least 1.
        settings: How to simulate; None means the defaults.

    Returns:
        Configurations in which bit k is the k-th filled site in |r>, their probabilities, and the
        log. Shape (configurations,) both.

    Raises:
        LimitError: If no method fits, or only a matrix product state, which has no such list.
        NumericsError: If the time steps do not converge.
    """
    draws = draw_shots(program, _NO_NOISE, 1, np.random.default_rng(0))
    with Watch() as watch:
        runner = _Runner(
            program, settings or RydbergSettings(), draws, draws.groups(), thread_count, watch
        )
        evolved, log = runner.evolve_nominal()
    return evolved.space.configurations(), probabilities(evolved.space), log


class _Runner:
    """One simulation: plans, then evolves one group of shots after the other."""

    def __init__(
        self,
        program: AhsProgram,
        settings: RydbergSettings,
        draws: ShotDraws,
        groups: list[tuple[int, NDArray[np.intp]]],
        thread_count: int,
        watch: Watch,
        decay: _Decay | None = None,
    ) -> None:
        self._decay = decay
        self._program, self._settings, self._draws = program, settings, draws
        self._groups, self._thread_count, self._watch = groups, thread_count, watch

    def run(
        self, outcomes: Floats, is_rydberg: NDArray[np.bool_], generator: np.random.Generator
    ) -> tuple[RydbergLog, ShotDraws]:
        """Fill in which atoms every shot finds in |r>.

        Returns:
            The log, and what was drawn for every shot; as a matrix product state shots may share
            draws.
        """
        plan = self._plan()
        if plan.chain is not None:
            return self._run_chain(plan, plan.chain, is_rydberg, generator)
        return self._run_exactly(plan, outcomes, is_rydberg), self._draws

    def _run_exactly(
        self, plan: Plan, outcomes: Floats, is_rydberg: NDArray[np.bool_]
    ) -> RydbergLog:
        is_alike = len(self._groups) == 1 and self._decay is None
        if is_alike and self._is_nominal(self._groups[0][0], plan):
            evolved = self._evolve_accurately(plan.problem)
            _measure(evolved.space, plan.atoms, outcomes, self._groups[0][1], is_rydberg)
            return self._log_of(plan, evolved)
        return self._run_groups(plan, outcomes, is_rydberg)

    def evolve_nominal(self) -> tuple[Evolved, RydbergLog]:
        """Evolve the program without noise.

        Raises:
            LimitError: If no method fits, or only a matrix product state.
        """
        plan = self._plan()
        if plan.chain is not None:
            message = f"{plan.atoms.size} atoms have too many configurations for one distribution"
            raise LimitError(message)
        evolved = self._evolve_accurately(plan.problem)
        return evolved, self._log_of(plan, evolved)

    def _plan(self) -> Plan:
        is_driven = self._draws.is_driven
        return choose_method(
            self._program,
            self._settings,
            largest=np.flatnonzero(is_driven[is_driven.sum(axis=1).argmax()]),
            evolutions=len(self._groups),
            has_jumps=self._decay is not None,
            thread_count=self._thread_count,
            watch=self._watch,
        )

    def _is_nominal(self, shot: int, plan: Plan) -> bool:
        draws = self._draws
        sites = np.array(self._program.sites_m, dtype=np.float64).reshape(-1, 2)
        return bool(
            np.array_equal(np.flatnonzero(draws.is_driven[shot]), plan.atoms)
            and np.array_equal(draws.positions_m[shot], sites)
            and np.all(draws.amplitude_factors[shot] == 1.0)
            and np.all(draws.detuning_shifts_rad_per_s[shot] == 0.0)
        )

    def _evolve_accurately(self, problem: Problem) -> Evolved:
        tolerance, watch = self._settings.tolerance, self._watch
        space = "full" if problem.is_blocked is None else "blockade"
        step_s = guess_step(problem, tolerance)
        if problem.atom_count < _CALIBRATED_ATOMS_MIN[space]:
            return evolve_measured(problem, step_s, tolerance, watch)
        calibration = calibrate(problem, tolerance, watch)
        count = configuration_count(problem.atom_count, problem.is_blocked)
        if count is not None and count <= MEASURED_CONFIGURATIONS_MAX:
            # Twice the step must still be one at which the error follows its order.
            return evolve_measured(problem, min(step_s, calibration.step_s), tolerance, watch)
        return evolve_sampled(problem, calibration, watch)

    def _run_groups(
        self, plan: Plan, outcomes: Floats, is_rydberg: NDArray[np.bool_]
    ) -> RydbergLog:
        shots = outcomes.size
        tolerance = max(self._settings.tolerance, _STATISTICAL_SHARE / np.sqrt(shots))
        few = calibrate(plan.problem, tolerance, self._watch)
        is_small = plan.problem.atom_count < _CALIBRATED_ATOMS_MIN["full"] + 5
        workers = self._thread_count if is_small else 1
        drive, step_s = plan.problem.drive, few.step_s
        if self._decay is not None:
            drive = drive.decaying(self._decay.rate_per_s)
            short = max(_DECAY_STEP / self._decay.rate_per_s, drive.bounds_s[-1] / _DECAY_STEPS_MAX)
            step_s = min(step_s, float(short))
        steps = steps_of(drive, step_s)
        size = configuration_count(plan.problem.atom_count, plan.problem.is_blocked) or 0
        self._watch.expect(float(len(steps)) * size * len(self._groups))

        def evolve(group: tuple[int, NDArray[np.intp]]) -> tuple[float, int, int]:
            shot, members = group
            problem, atoms = self._perturbed(plan, shot, 1 if workers > 1 else self._thread_count)
            if atoms.size == 0:
                return 0.0, 0, 0
            own_s = step_of_shot(problem, plan.problem, step_s, tolerance)
            own = steps if own_s == step_s else steps_of(problem.drive, own_s)

            def measure(space: Evolving, ending: NDArray[np.intp]) -> None:
                _measure(space, atoms, outcomes, ending, is_rydberg)

            if self._decay is not None:
                jumps = self._decay.jumps
                made = evolve_decaying(problem, own, members, jumps, self._watch, measure)
                return 0.0, made, len(own)
            space = problem.space()
            space.evolve(problem.drive, own, self._watch)
            measure(space, members)
            return abs(1 - space.norm()), 1, len(own)

        with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
            drifts, counts, lengths = zip(*pool.map(evolve, self._groups), strict=True)
        log = self._log(plan, size, max(lengths), tolerance, tolerance)
        drift = None if self._decay is not None else max(drifts)
        return replace(log, norm_drift=drift, evolution_count=sum(counts))

    def _run_chain(
        self,
        plan: Plan,
        shape: ChainShape,
        is_rydberg: NDArray[np.bool_],
        generator: np.random.Generator,
    ) -> tuple[RydbergLog, ShotDraws]:
        settings, shots = self._settings, is_rydberg.shape[0]
        warnings = []
        if len(self._groups) > EVOLUTIONS_MAX:
            warnings.append(
                f"{shots} shots share {EVOLUTIONS_MAX} draws of the noise before the read-out, "
                "because each would be an evolution of its own"
            )
            self._draws = self._draws.shared(EVOLUTIONS_MAX)
            self._groups = self._draws.groups()
        if self._decay is not None:
            warnings.append("a matrix product state is without the decay of |r>")
        tolerance = max(settings.tolerance, _STATISTICAL_SHARE / np.sqrt(shots))
        # Atoms that errors have put on vacancies have their place among the others.
        place = shape.places(self._program.sites_m)

        def group(
            shot: int, members: NDArray[np.intp], generator: np.random.Generator
        ) -> tuple[Callable[[], Problem], Callable[[AtomChain], None]]:
            problem, atoms = self._perturbed(plan, shot, 1)
            order = np.argsort([place[atom] for atom in atoms], kind="stable")

            def measure(chain: AtomChain) -> None:
                draws = generator.random((members.size, order.size))
                is_rydberg[np.ix_(members, atoms[order])] = chain.sample(draws)

            return lambda: problem.part(order), measure

        children = generator.spawn(len(self._groups))
        run = evolve_chains(
            plan.problem.part(np.array(shape.order)),
            [group(*g, child) for g, child in zip(self._groups, children, strict=True)],
            shape.reach,
            settings,
            tolerance,
            self._watch,
        )
        if run.discarded_weight > DISCARDED_WEIGHT_MAX:
            warnings.append(
                f"bond dimensions up to {settings.max_bond} left out a weight of "
                f"{run.discarded_weight:.1e}, more than {DISCARDED_WEIGHT_MAX:.1e}; a larger "
                "max_bond keeps more"
            )
        log = RydbergLog(
            method="mps",
            atom_count=plan.problem.atom_count,
            configuration_count=0,
            step_count=run.step_count,
            integration_error=run.integration_error,
            norm_drift=run.norm_drift,
            evolution_count=len(self._groups),
            peak_bond=run.peak_bond,
            discarded_weight=run.discarded_weight,
            neglected_rad_per_s=shape.neglected_rad_per_s,
            warnings=tuple(warnings),
        )
        return log, self._draws

    def _perturbed(
        self, plan: Plan, shot: int, thread_count: int
    ) -> tuple[Problem, NDArray[np.intp]]:
        draws, settings = self._draws, self._settings
        atoms = np.flatnonzero(draws.is_driven[shot])
        couplings = interactions(
            distances(draws.positions_m[shot][atoms]), settings.c6_rad_m6_per_s
        )
        # An atom on a vacancy may be so near that time steps would become absurdly short.
        strongest = max(
            float(plan.problem.couplings.max(initial=0.0)),
            BLOCKING_RATIO * plan.problem.drive.rate_max,
        )
        couplings = np.minimum(couplings, strongest)
        drive = drive_of(self._program, [int(a) for a in atoms], settings.phase_sign).perturbed(
            draws.amplitude_factors[shot][atoms], draws.detuning_shifts_rad_per_s[shot][atoms]
        )
        is_blocked = None
        if plan.subspace is not None:
            sites = np.array(self._program.sites_m, dtype=np.float64)[atoms]
            is_blocked = distances(sites) < plan.subspace.radius_m
        if self._decay is not None:
            drive = drive.decaying(self._decay.rate_per_s)
        return Problem(couplings, drive, is_blocked, settings.shot_precision, thread_count), atoms

    def _log_of(self, plan: Plan, evolved: Evolved) -> RydbergLog:
        log = self._log(
            plan,
            evolved.space.configuration_count,
            len(evolved.steps),
            evolved.error,
            self._settings.tolerance,
        )
        return replace(log, norm_drift=evolved.norm_drift)

    def _log(
        self,
        plan: Plan,
        configuration_count: int,
        step_count: int,
        error: float,
        tolerance: float,
    ) -> RydbergLog:
        settings, subspace, warnings = self._settings, plan.subspace, []
        if error > tolerance:
            warnings.append(
                f"the integration error is estimated as {error:.1e}, more than the tolerance "
                f"{tolerance:.1e}"
            )
        if subspace and subspace.neglected_population > settings.neglected_population_max:
            warnings.append(
                f"the blockade subspace neglects a population of about "
                f"{subspace.neglected_population:.1e} per atom, more than "
                f"{settings.neglected_population_max:.1e}"
            )
        return RydbergLog(
            method="full" if subspace is None else "blockade",
            atom_count=plan.problem.atom_count,
            configuration_count=configuration_count,
            step_count=step_count,
            integration_error=error,
            norm_drift=None,
            blockade_radius_m=None if subspace is None else subspace.radius_m,
            neglected_population=0.0 if subspace is None else subspace.neglected_population,
            warnings=tuple(warnings),
        )


def _measure(
    space: Evolving,
    atoms: NDArray[np.intp],
    outcomes: Floats,
    shots: NDArray[np.intp],
    is_rydberg: NDArray[np.bool_],
) -> None:
    """Measure the atoms for some of the shots."""
    draws = outcomes[shots]
    order = np.argsort(draws)
    found = np.empty(shots.size, dtype=np.uint64)
    found[order] = space.sample(np.ascontiguousarray(draws[order]))
    bits = (found[:, None] >> np.arange(atoms.size, dtype=np.uint64)) & np.uint64(1)
    is_rydberg[np.ix_(shots, atoms)] = bits > 0
