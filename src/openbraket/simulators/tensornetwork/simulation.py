"""A whole simulation by the planner's choices."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit, ResultType
from openbraket.circuits.precision import Precision
from openbraket.circuits.reductions import Part, is_reducible
from openbraket.simulators.observables import joint_basis, rotations
from openbraket.simulators.parts import PartState, run_exact, run_samples
from openbraket.simulators.sampling import estimated
from openbraket.simulators.statevector.plan import part_simulator
from openbraket.simulators.statevector.simulation import simulate as simulate_amplitudes
from openbraket.simulators.tensornetwork import contraction
from openbraket.simulators.tensornetwork.mps import (
    BondTooWideError,
    Loss,
    MatrixProductState,
    Truncation,
)
from openbraket.simulators.tensornetwork.planning import (
    AMPLITUDE_QUBITS_MAX,
    PATIENT_TRIAL_BOND,
    TRIAL_BOND,
    Choice,
    Limits,
    TensorPlan,
    plan,
)
from openbraket.simulators.tensornetwork.sampling import sample
from openbraket.simulators.tensornetwork.values import StateValues
from openbraket.simulators.values import Simulation, Value

Report = Callable[[float], None]

# Share of the work that planning and applying operators are, of a matrix product state's.
_PLANNING: Final = 0.1
_APPLYING: Final = 0.8


@dataclass(frozen=True, slots=True)
class TensorSimulation:
    """What a simulation found, and how.

    Attributes:
        simulation: Values and measurements.
        log: Which engine ran what, and why; one line for each part, and one for what was lost.
        fidelity_bound: What |<ψ|ψ'>|² is at least, up to rounding: 1 where nothing was discarded.
    """

    simulation: Simulation
    log: tuple[str, ...]
    fidelity_bound: float


def simulate(
    circuit: Circuit,
    *,
    shots: int,
    limits: Limits,
    thread_count: int = 1,
    seed: int | Sequence[int] | None = None,
    report: Report | None = None,
    precision: Precision = "auto",
) -> TensorSimulation:
    """Run a circuit on |0...0> by the cheapest exact engine for each of its parts.

    Args:
        circuit: At least one qubit; not modified.
        shots: Number of measurements of the final state; 0 means exact values.
        limits: What the task may use; `max_bond` and `cutoff` allow truncation.
        thread_count: Threads of state vectors.
        seed: Makes samples reproducible; None draws fresh ones.
        report: Called now and then with the share that is done; an exception that it raises ends
            the simulation.
        precision: Of state vectors.

    Returns:
        The results and how they came about.

    Raises:
        ProgramError: If a result type does not go with the shots or with so many qubits.
        LimitError: If the predicted work or memory is beyond the limits.
        NumericsError: If a power of a matrix that is not unitary is asked for.
    """
    if circuit.qubit_count == 0:
        raise ProgramError("The program uses no qubits; at least 1 is needed")
    if shots == 0 and not circuit.result_types:
        raise ProgramError("Result types must be specified in the IR when shots=0")
    if report is not None:
        report = _rising(report)
    needs_all = any(result.kind == "state_vector" for result in circuit.result_types)
    if needs_all or not is_reducible(circuit, shots=shots):
        return _as_a_whole(circuit, shots, thread_count, seed, report, precision)
    bases = joint_basis(circuit.result_types, circuit.qubit_count) if shots else []
    planned = plan(
        circuit,
        shots,
        limits=limits,
        rotations=rotations(bases),
        precision=precision,
        report=_share(report, 0.0, _PLANNING),
    )
    engines = _Engines(planned, thread_count)
    running = _share(report, _PLANNING, 1.0)
    measured = circuit.measured or tuple(range(circuit.qubit_count))
    if shots:
        bits = run_samples(
            planned.plan,
            shots,
            np.random.default_rng(seed),
            report=running,
            simulate=engines.simulate,
        )
        found = estimated(circuit, bits, measured)
    else:
        values = run_exact(
            planned.plan,
            circuit,
            report=running,
            simulate=engines.simulate,
        )
        found = Simulation(values, None, measured)
    if report is not None:
        report(1.0)
    return TensorSimulation(found, tuple(engines.log), engines.fidelity_bound)


def _as_a_whole(
    circuit: Circuit,
    shots: int,
    thread_count: int,
    seed: int | Sequence[int] | None,
    report: Report | None,
    precision: Precision,
) -> TensorSimulation:
    """Run what cannot be reduced with all amplitudes.

    Raises:
        ProgramError: If there are too many qubits for that.
    """
    if circuit.qubit_count > AMPLITUDE_QUBITS_MAX:
        kinds = ", ".join(sorted({result.kind for result in circuit.result_types}))
        raise ProgramError(
            f"Results {kinds} of {circuit.qubit_count} qubits with {shots} shots are not available "
            f"from tensor networks; at most {AMPLITUDE_QUBITS_MAX} qubits are."
        )
    found = simulate_amplitudes(
        circuit,
        shots=shots,
        thread_count=thread_count,
        seed=seed,
        report=report,
        precision=precision,
    )
    return TensorSimulation(found, ("state vector: the results need the whole state",), 1.0)


@dataclass(slots=True)
class _Engines:
    """Simulates parts as planned, and keeps the log.

    Attributes:
        planned: The plan.
        thread_count: Threads of state vectors.
        log: What was done.
    """

    planned: TensorPlan
    thread_count: int
    log: list[str] = field(default_factory=list)
    _losses: list[Loss] = field(default_factory=list)

    @property
    def fidelity_bound(self) -> float:
        """The bound for all parts together; the angles of a product state's parts add up."""
        angle = sum(loss.angle for loss in self._losses)
        return math.cos(angle) ** 2 if angle < math.pi / 2 else 0.0

    def simulate(self, index: int, part: Part, report: Report | None) -> PartState:
        """Return the state of a part."""
        choice = self.planned.choices[index]
        title = f"{part.qubit_count} qubits, {len(part.steps)} operations"
        if choice.engine in {"state_vector", "stabilizer"}:
            is_single = self.planned.plan.is_single
            default = part_simulator(thread_count=self.thread_count, is_single=is_single)
            self.log.append(f"{title}: {choice.engine.replace('_', ' ')} ({choice.reason})")
            return default(index, part, report)
        state = self._line(part, choice, report)
        if state is not None:
            predicted = choice.prediction
            shown = "" if predicted is None else f", predicted at most {2**predicted.width:.3g}"
            self.log.append(
                f"{title}: matrix product state, bond dimension {state.peak_bond}{shown}"
            )
            self._note(state.loss)
            return LineState(state, choice.position, _share(report, _APPLYING, 1.0))
        self.log.append(f"{title}: contraction (its matrix product state would be too wide)")
        return self._contraction(part, choice, report)

    def _note(self, loss: Loss) -> None:
        self._losses.append(loss)
        if not self.planned.limits.is_exact:
            self.log.append(
                f"discarded weight {loss.weight:.3g}, estimated fidelity {loss.fidelity:.6g}, "
                f"fidelity at least {loss.fidelity_bound:.6g}"
            )

    def _line(
        self, part: Part, choice: Choice, report: Report | None, trial_bond: int = TRIAL_BOND
    ) -> MatrixProductState | None:
        """Return the matrix product state of a part; None where its bonds get too wide.

        Raises:
            BondTooWideError: If they do in spite of the prediction.
        """
        planned = self.planned
        truncation = planned.limits.truncation(
            shots=planned.shots, bond_limit=trial_bond if choice.is_trial else None
        )
        applying = _share(report, 0.0, _APPLYING)
        try:
            return run_line(part.qubit_count, choice, truncation, applying)
        except BondTooWideError:
            if choice.is_trial:
                return None
            raise

    def _contraction(self, part: Part, choice: Choice, report: Report | None) -> PartState:
        planned = self.planned
        limits = planned.limits
        try:
            network = _network(part, choice, limits)
            network.watch(report)
            if not planned.shots:
                return _Rehearsed(network, limits)
            contraction.rehearse(
                network,
                (),
                shots=planned.shots,
                seconds_max=limits.seconds,
                memory_bytes=limits.memory_bytes,
            )
        except LimitError:
            state = self._line(part, choice, report, PATIENT_TRIAL_BOND)
            if state is None:
                raise
            return LineState(state, choice.position, _share(report, _APPLYING, 1.0))
        return network


def _network(part: Part, choice: Choice, limits: Limits) -> contraction.Contraction:
    """Return the network of a part whose matrix product state is too wide.

    Raises:
        LimitError: If quimb is not installed, or would read so many operations for too long.
    """
    reason = ""
    if not contraction.is_available():
        reason = "general contraction needs `pip install openbraket[tn]`"
    elif len(part.steps) > contraction.STEPS_MAX:
        reason = (
            f"{len(part.steps):,} operations, more than the {contraction.STEPS_MAX:,} that a "
            "contraction takes"
        )
    if reason:
        raise LimitError(
            f"{contraction.NO_PATH} (matrix product state: predicted {choice.prediction}; "
            f"{reason})."
        )
    return contraction.Contraction(part.qubit_count, part.steps, memory_bytes=limits.memory_bytes)


def run_line(
    qubit_count: int, choice: Choice, truncation: Truncation, report: Report | None = None
) -> MatrixProductState:
    """Return the matrix product state of operators on a line.

    Args:
        qubit_count: Number of qubits.
        choice: Of `planning.line_up`.
        truncation: When singular values are left out.
        report: Called with the share that is done.

    Raises:
        BondTooWideError: If a bond needs more than the truncation's limit.
    """
    state = MatrixProductState.zero(qubit_count, truncation)
    count = max(1, len(choice.placed))
    for index, operator in enumerate(choice.placed):
        state.apply(operator)
        if report is not None:
            report((index + 1) / count)
    state.finish()
    return state


class LineState:
    """A matrix product state as the state of a part.

    Args:
        state: The state, finished.
        position: The site of every qubit.
        report: Called with the share of the sampling that is done.
    """

    def __init__(
        self, state: MatrixProductState, position: Sequence[int], report: Report | None = None
    ) -> None:
        self._state = state
        self._position = position
        self._report = report

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Return measured bits of all qubits, shape (qubit_count, shots)."""
        bits = sample(self._state, shots, generator, report=self._report)
        return bits[list(self._position)]

    def values(self, result_types: Sequence[ResultType]) -> Sequence[Value]:
        """Return exact values of result types."""
        return StateValues(self._state, self._position).values(result_types)


class _Rehearsed:
    """A contraction whose values are refused where they would take too much."""

    def __init__(self, network: contraction.Contraction, limits: Limits) -> None:
        self._network = network
        self._limits = limits

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Return measured bits of all qubits, shape (qubit_count, shots)."""
        return self._network.sample(shots, generator)

    def values(self, result_types: Sequence[ResultType]) -> Sequence[Value]:
        """Return exact values of result types."""
        contraction.rehearse(
            self._network,
            result_types,
            shots=0,
            seconds_max=self._limits.seconds,
            memory_bytes=self._limits.memory_bytes,
        )
        return self._network.values(result_types)


def _rising(report: Report) -> Report:
    """Return a report that never falls: what is tried and given up was work done nevertheless."""
    highest = 0.0

    def rise(fraction: float) -> None:
        nonlocal highest
        highest = max(highest, fraction)
        report(highest)

    return rise


def _share(report: Report | None, start: float, stop: float) -> Report | None:
    """Return a report of a part of the work: 0 to 1 becomes `start` to `stop`."""
    if report is None:
        return None
    return lambda fraction: report(start + (stop - start) * fraction)
