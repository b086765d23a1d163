"""The planner: which engine simulates each part of a circuit, and what that will take.

The reductions have left only light cones, cut into parts that share no qubit, equal parts once,
those of Clifford operations marked. Each other part goes to the cheapest exact engine: amplitudes
where few qubits are left, a matrix product state where its predicted work is within the limits,
else a short trial of one, because bonds may stay far below their bound, else a contraction, else it
is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from openbraket.base.errors import LimitError
from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.precision import Precision
from openbraket.circuits.reductions import Part, Plan, plan_circuit
from openbraket.circuits.steps import Step, steps_of
from openbraket.simulators.powers import resolve_powers
from openbraket.simulators.tensornetwork.mps import SAMPLING_WEIGHT, VALUE_WEIGHT, Truncation
from openbraket.simulators.tensornetwork.operators import Operator, operators_of
from openbraket.simulators.tensornetwork.ordering import (
    Pairs,
    first_order,
    improved_order,
    pairs_of,
)
from openbraket.simulators.tensornetwork.placing import Placed, place
from openbraket.simulators.tensornetwork.rehearsal import Prediction, predict

Report = Callable[[float], None]
Engine = Literal["state_vector", "stabilizer", "matrix_product_state", "contraction"]

# Parts of at most so many qubits may be simulated with all their amplitudes.
AMPLITUDE_QUBITS_MAX: Final = 24
# Below this width amplitudes are always fastest.
_NARROW_QUBITS: Final = 14
# Light cones of at most so many qubits are simulated for each result alone.
ALONE_QUBITS_MAX: Final = 20
# Seconds per amplitude and operation of the state-vector kernels.
_AMPLITUDE_S: Final = 4e-10
_AMPLITUDE_BYTES: Final = 16
# TN1's own limit of a task's duration.
SECONDS_MAX: Final = 6 * 3600.0
# Bond dimension of the trial where the prediction is beyond the limits.
TRIAL_BOND: Final = 64
PATIENT_TRIAL_BOND: Final = 128
# Orders with no wider cut, or so little work, are not improved.
_WIDTH_SMALL: Final = 3
_SECONDS_SMALL: Final = 0.3
# Nor are those where this share of all pairs is joined.
_DENSE_SHARE: Final = 0.5
# Moves tried; the second search only where the first has brought the work within the limits.
_SEARCH_TRIALS: Final = (30_000, 120_000)
CUTOFF_MAX: Final = 0.1
MAX_BOND_MAX: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What a task may use.

    Attributes:
        memory_bytes: Memory.
        seconds: Predicted duration.
        max_bond: Largest bond dimension that is kept; None keeps all.
        cutoff: Weight that each truncation may discard, as a share; None discards rounding only.
    """

    memory_bytes: int
    seconds: float = SECONDS_MAX
    max_bond: int | None = None
    cutoff: float | None = None

    @property
    def is_exact(self) -> bool:
        """Whether nothing but rounding may be lost."""
        return self.max_bond is None and self.cutoff is None

    def truncation(self, *, shots: int, bond_limit: int | None = None) -> Truncation:
        """Return when matrix product states leave out singular values."""
        exact = SAMPLING_WEIGHT if shots else VALUE_WEIGHT
        weight = exact if self.cutoff is None else max(self.cutoff, exact)
        limit = MAX_BOND_MAX if bond_limit is None else bond_limit
        return Truncation(weight, self.max_bond, limit, self.is_exact)


@dataclass(frozen=True, slots=True)
class Choice:
    """How one part is simulated.

    Attributes:
        engine: With what.
        reason: Why, for people.
        prediction: What it will take at most; None where that is next to nothing.
        position: For a matrix product state: the site of every qubit.
        placed: For a matrix product state: the operators on sites.
        is_trial: Whether the matrix product state may turn out too wide, to be contracted then.
    """

    engine: Engine
    reason: str
    prediction: Prediction | None = None
    position: tuple[int, ...] = ()
    placed: tuple[Placed, ...] = ()
    is_trial: bool = False

    @property
    def seconds(self) -> float:
        """Predicted duration; 0 where there is no prediction."""
        return 0.0 if self.prediction is None else self.prediction.seconds


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """How a circuit is simulated.

    Attributes:
        plan: What the reductions have left.
        choices: One for each of its parts.
        shots: Number of shots; 0 means values.
        limits: What the task may use.
    """

    plan: Plan
    choices: tuple[Choice, ...]
    shots: int
    limits: Limits


def plan(
    circuit: Circuit,
    shots: int,
    *,
    limits: Limits,
    rotations: Operations | None = None,
    precision: Precision = "auto",
    report: Report | None = None,
) -> TensorPlan:
    """Decide how a circuit is simulated, and predict what that takes.

    Args:
        circuit: At least one qubit, `circuits.reductions.is_reducible`.
        shots: Number of shots; 0 means values.
        limits: What the task may use.
        rotations: What rotates the observables' joint basis to the computational one, for shots.
        precision: Of state vectors.
        report: Called now and then with the share that is done.

    Returns:
        The plan. Nothing has been simulated yet.

    Raises:
        LimitError: If a gate is too wide for every engine.
    """
    reduced = plan_circuit(
        circuit,
        shots=shots,
        rotations=rotations,
        precision=precision,
        alone_width_max=ALONE_QUBITS_MAX,
    )
    count = max(1, len(reduced.parts))
    choices = []
    for index, part in enumerate(reduced.parts):
        scaled = None
        if report is not None:
            scaled = _scaled(report, index / count, 1 / count)
        choices.append(_choose(part, shots, limits, scaled))
    return TensorPlan(reduced, tuple(choices), shots, limits)


def _scaled(report: Report, start: float, share: float) -> Report:
    return lambda fraction: report(start + share * fraction)


def _choose(part: Part, shots: int, limits: Limits, report: Report | None) -> Choice:
    if part.engine == "stabilizer":
        return Choice("stabilizer", "Clifford operations alone")
    amplitudes = _predict_amplitudes(part)
    can_hold = (
        part.qubit_count <= AMPLITUDE_QUBITS_MAX and amplitudes.memory_bytes <= limits.memory_bytes
    )
    few = f"{part.qubit_count} qubits"
    if can_hold and (part.qubit_count <= _NARROW_QUBITS or part.qubit_count == 1):
        return Choice("state_vector", few, amplitudes)
    try:
        line = line_up(part, shots, limits, report)
    except LimitError:
        if can_hold:
            return Choice("state_vector", few, amplitudes)
        raise
    if can_hold and (line.is_trial or amplitudes.seconds <= line.seconds):
        return Choice("state_vector", few, amplitudes)
    return line


def _predict_amplitudes(part: Part) -> Prediction:
    numbers = 2.0**part.qubit_count
    seconds = (len(part.steps) + 1) * numbers * _AMPLITUDE_S
    return Prediction(float(part.qubit_count), seconds * 1e10, _AMPLITUDE_BYTES * numbers, seconds)


def line_up(part: Part, shots: int, limits: Limits, report: Report | None = None) -> Choice:
    """Return a part's operators on a line of sites, with the prediction.

    Args:
        part: The part.
        shots: Number of shots; 0 means values.
        limits: What the task may use.
        report: Called now and then with the share of the search for an order that is done.

    Raises:
        LimitError: If a gate is too wide.
    """
    steps: Sequence[Step] = part.steps
    if any(step.power != 1.0 for step in steps):
        steps = steps_of(resolve_powers(part.operations()))
    line = _Line(part.qubit_count, operators_of(steps), shots, limits)
    order, width = first_order(part.qubit_count, line.pairs)
    choice = line.choice(order)
    if width <= _WIDTH_SMALL or choice.seconds <= _SECONDS_SMALL:
        return choice
    if len(line.pairs) >= _DENSE_SHARE * part.qubit_count * (part.qubit_count - 1) / 2:
        return choice  # no order is much better than another
    for trials in _SEARCH_TRIALS:
        order = improved_order(order, line.pairs, trials=trials, report=report)
        found = line.choice(order)
        choice = min(choice, found, key=lambda one: one.seconds)
        if choice.is_trial:
            break  # far from possible
    return choice


@dataclass(frozen=True, slots=True)
class _Line:
    """A part's operators, to be put on sites."""

    qubit_count: int
    operators: Sequence[Operator]
    shots: int
    limits: Limits

    @property
    def pairs(self) -> Pairs:
        """The pairs of qubits that gates join."""
        return pairs_of(self.operators)

    def choice(self, order: Sequence[int]) -> Choice:
        """Return the choice of a matrix product state in this order."""
        position = [0] * self.qubit_count
        for site, qubit in enumerate(order):
            position[qubit] = site
        limits = self.limits
        placed = place(self.operators, position)
        prediction = predict(placed, self.qubit_count, shots=self.shots, max_bond=limits.max_bond)
        is_within = (
            prediction.seconds <= limits.seconds and prediction.memory_bytes <= limits.memory_bytes
        )
        reason = f"bond dimension at most 2^{prediction.width:.1f}"
        return Choice(
            "matrix_product_state",
            reason if is_within else reason + ", beyond the limits: tried with less",
            prediction,
            tuple(position),
            tuple(placed),
            is_trial=not is_within,
        )
