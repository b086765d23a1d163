"""What must really be simulated: a circuit cut into parts, before any amplitude is computed.

Known bits are tracked, exchanges renamed, everything outside the light cone of what is asked left
out, final permutations postponed, and what is left falls into parts that share no qubit: of a
product state only the factors are ever computed. Parts of Clifford operations alone are marked for
a stabilizer simulation, parts with noise for a density matrix. Every step is exact;
docs/architecture.md has the whole list.

Admission and simulators read the same plan, so what is admitted is what runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from openbraket.circuits.basis_states import Tracked, track_basis_states
from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.clifford import is_clifford
from openbraket.circuits.cones import Cone, components, final_permutation, light_cone, whole_cone
from openbraket.circuits.gates import GATES
from openbraket.circuits.precision import SINGLE_QUBITS_MIN, Precision, is_single_invisible
from openbraket.circuits.questions import (
    Need,
    Question,
    is_cheap_for_stabilizers,
    measurement_steps,
    need_of,
    questions_of,
)
from openbraket.circuits.steps import Step, is_channel, operations_of, steps_of

Engine = Literal["state_vector", "stabilizer", "density_matrix"]

# Narrower circuits are simulated as they are: that takes less time than looking for reductions.
REDUCED_QUBITS_MIN: Final = 17
NOISY_REDUCED_QUBITS_MIN: Final = 9
# A narrower part is simulated faster than a stabilizer simulation starts.
STABILIZER_QUBITS_MIN: Final = 17
# Steps take some 250 bytes each; longer circuits are simulated as they are.
REDUCED_OPERATIONS_MAX: Final = 250_000
# Looking for separate light cones reads every operation once for each question.
CONE_VISITS_MAX: Final = 200_000

_EXACT_KINDS: Final = frozenset({"amplitude", "state_vector", "density_matrix", "adjoint_gradient"})
_X: Final = GATES["x"].code


@dataclass(frozen=True, slots=True)
class Part:
    """A circuit that shares no qubit with the others.

    Attributes:
        qubit_count: Number of qubits.
        steps: Its operations, on positions 0 to `qubit_count` - 1.
        engine: How it is simulated.
    """

    qubit_count: int
    steps: tuple[Step, ...]
    engine: Engine

    @property
    def cost(self) -> int:
        """Amplitudes to be computed, roughly; a stabilizer simulation costs next to nothing."""
        if self.engine == "stabilizer":
            return len(self.steps) * self.qubit_count
        return (len(self.steps) + 1) << self.bit_count

    @property
    def bit_count(self) -> int:
        """Binary logarithm of how many numbers its state has: a density matrix has 4^n."""
        return self.qubit_count * (2 if self.engine == "density_matrix" else 1)

    def operations(self) -> Operations:
        """Return the steps as columns."""
        return operations_of(self.steps, range(self.qubit_count))


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that are answered from the same light cone.

    Attributes:
        questions: What is asked, on wires.
        slots: The plan's part in every slot of this group; equal parts are simulated once.
        places: Slot and position of every wire that is simulated.
        postponed: Monomial steps to be applied to the answers, on wires.
    """

    questions: tuple[Question, ...]
    slots: tuple[int, ...]
    places: dict[int, tuple[int, int]]
    postponed: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How a circuit will be simulated.

    Attributes:
        qubit_count: Number of qubits of the circuit.
        parts: All different parts.
        groups: Which questions are answered from which parts.
        wires: The wire that carries each qubit at the end.
        bits: Bits of the wires whose state is known without simulation; wires that are neither
            here nor among a group's places are 0.
        phase: Global phase of everything that is not in the parts.
        is_single: Whether state vectors are kept in single precision.
    """

    qubit_count: int
    parts: tuple[Part, ...]
    groups: tuple[Group, ...]
    wires: tuple[int, ...]
    bits: dict[int, int] = field(repr=False)
    phase: complex
    is_single: bool

    @property
    def width(self) -> int:
        """Qubits of the largest state vector; 0 where none is needed."""
        return self._widest("state_vector")

    @property
    def density_width(self) -> int:
        """Qubits of the largest density matrix; 0 where there is no noise."""
        return self._widest("density_matrix")

    def _widest(self, engine: Engine) -> int:
        return max((p.qubit_count for p in self.parts if p.engine == engine), default=0)


def is_reducible(circuit: Circuit, *, shots: int) -> bool:
    """Return whether `plan_circuit` takes a circuit and knows what every result needs.

    An adjoint gradient goes through the whole circuit; results that do not go with the shots are
    for the simulator to refuse.
    """
    refused = _EXACT_KINDS if shots else frozenset({"sample", "adjoint_gradient"})
    return len(circuit.operations) <= REDUCED_OPERATIONS_MAX and all(
        result.kind not in refused
        and all(len(state) == circuit.qubit_count for state in result.states)
        for result in circuit.result_types
    )


def plan_circuit(
    circuit: Circuit,
    *,
    shots: int,
    rotations: Operations | None = None,
    precision: Precision = "auto",
    alone_width_max: int | None = None,
) -> Plan:
    """Decide what must be simulated to answer everything that a circuit asks for.

    Args:
        circuit: At least one qubit; `is_reducible`.
        shots: Number of shots; 0 means exact values.
        rotations: What rotates the observables' joint basis to the computational one, for shots;
            None takes dense stand-ins, which is right for every size.
        precision: `auto` takes single precision where shots hide the difference.
        alone_width_max: For shots = 0: questions whose light cone has no part of more qubits have
            one of their own, all others share one; None decides by the number of amplitudes.

    Returns:
        The plan. By default, for shots = 0 every question has its own light cone where that costs
        less than one simulation for all of them, counted as (operations + 1) · 2^qubits over the
        different parts.

    Cost: one pass over the operations, and one for each question where the common light cone has
        17 qubits or more.
    """
    steps = steps_of(circuit.operations)
    if shots:
        steps += measurement_steps(circuit) if rotations is None else steps_of(rotations)
    tracked = track_basis_states(steps, circuit.qubit_count)
    planner = _Planner(tracked)
    if shots:
        measured = circuit.measured or range(circuit.qubit_count)
        asked = frozenset(tracked.wires[qubit] for qubit in measured)
        groups = [planner.group((), Need("cone", asked, asked), postpones=True)]
    else:
        questions = questions_of(circuit, tracked.wires)
        if alone_width_max is None:
            groups = planner.groups(questions)
        else:
            groups = planner.groups_by_width(questions, alone_width_max)
    return planner.plan(circuit.qubit_count, groups, shots=shots, precision=precision)


class _Planner:
    """Builds groups and shares equal parts between them."""

    def __init__(self, tracked: Tracked) -> None:
        self._tracked = tracked
        self._parts: dict[Part, int] = {}

    def groups(self, questions: Sequence[Question]) -> list[Group]:
        """Return one group for all questions, or one for each need where that costs less."""
        needs: dict[Need, list[Question]] = {}
        for question in questions:
            needs.setdefault(need_of(question), []).append(question)
        common = self.group(questions, _union(list(needs)))
        common_parts = [part for part, index in self._parts.items() if index in common.slots]
        width = max((p.bit_count for p in common_parts if p.engine != "stabilizer"), default=0)
        visits = len(needs) * len(self._tracked.steps)
        if len(needs) == 1 or width < REDUCED_QUBITS_MIN or visits > CONE_VISITS_MAX:
            return [common]
        common_cost = sum(part.cost for part in common_parts)
        self._parts = {}
        separate = [self.group(asked, need) for need, asked in needs.items()]
        if sum(part.cost for part in self._parts) < common_cost:
            return separate
        self._parts = {}
        return [self.group(questions, _union(list(needs)))]

    def groups_by_width(self, questions: Sequence[Question], width_max: int) -> list[Group]:
        """Return a group for each need with a narrow light cone, and one for all others."""
        needs: dict[Need, list[Question]] = {}
        for question in questions:
            needs.setdefault(need_of(question), []).append(question)
        groups, wide = [], []
        if len(needs) * len(self._tracked.steps) > CONE_VISITS_MAX:
            wide = list(needs)
        for need, asked in needs.items() if not wide else ():
            parts = dict(self._parts)
            found = self.group(asked, need)
            narrow = all(
                part.qubit_count <= width_max or part.engine == "stabilizer"
                for part, index in self._parts.items()
                if index in found.slots
            )
            if narrow:
                groups.append(found)
            else:
                self._parts = parts
                wide.append(need)
        if wide:
            common = [question for need in wide for question in needs[need]]
            groups.append(self.group(common, _union(wide)))
        return groups

    def group(self, questions: Sequence[Question], need: Need, *, postpones: bool = False) -> Group:
        """Return the group of questions that share a light cone."""
        cone = self._cone(questions, need, postpones=postpones)
        joined = [
            factor.targets
            for question in questions
            for factor in question.result_type.observable
            if len(factor.targets) > 1
        ]
        is_cheap = all(map(is_cheap_for_stabilizers, questions))
        wire_groups = components(cone.steps, (), joined)
        group_of = {wire: k for k, wires in enumerate(wire_groups) for wire in wires}
        positions = {wire: p for wires in wire_groups for p, wire in enumerate(wires)}
        steps: list[list[Step]] = [[] for _ in wire_groups]
        bits = self._tracked.bits
        for wire, k in group_of.items():
            if bits.get(wire):
                steps[k].append(Step(_X, (positions[wire],)))
        is_in_place = len(wire_groups) == 1 and all(wire == p for wire, p in positions.items())
        if is_in_place:
            steps[0] += cone.steps
        for step in () if is_in_place else cone.steps:
            targets = tuple([positions[target] for target in step.targets])
            steps[group_of[step.targets[0]]].append(Step(step[0], targets, *step[2:]))
        slots = tuple(
            self._share(len(wires), own, is_cheap=is_cheap)
            for wires, own in zip(wire_groups, steps, strict=True)
        )
        places = {wire: (k, positions[wire]) for wire, k in group_of.items()}
        return Group(tuple(questions), slots, places, tuple(cone.postponed))

    def plan(
        self, qubit_count: int, groups: list[Group], *, shots: int, precision: Precision
    ) -> Plan:
        """Return the plan of these groups."""
        is_single = precision == "single"
        dense = [part for part in self._parts if part.engine == "state_vector"]
        if precision == "auto" and any(p.qubit_count >= SINGLE_QUBITS_MIN for p in dense):
            step_count = sum(_equivalent_steps(part.steps) for part in dense)
            is_single = is_single_invisible(step_count, shots=shots)
        return Plan(
            qubit_count,
            tuple(self._parts),
            tuple(groups),
            tuple(self._tracked.wires),
            self._tracked.bits,
            self._tracked.phase,
            is_single,
        )

    def _cone(self, questions: Sequence[Question], need: Need, *, postpones: bool) -> Cone:
        steps = self._tracked.steps
        if need.kind == "cone":
            return light_cone(steps, need.active, need.computational, postpones=postpones)
        if need.kind == "amplitude":
            cone = final_permutation(steps)
            state_count = sum(len(question.result_type.states) for question in questions)
            if state_count * len(cone.postponed) <= CONE_VISITS_MAX:
                return cone
        return whole_cone(steps, need.active)

    def _share(self, qubit_count: int, steps: list[Step], *, is_cheap: bool) -> int:
        engine: Engine = "state_vector"
        if any(map(is_channel, steps)):
            engine = "density_matrix"
        elif is_cheap and qubit_count >= STABILIZER_QUBITS_MIN and is_clifford(steps):
            engine = "stabilizer"
        return self._parts.setdefault(Part(qubit_count, tuple(steps), engine), len(self._parts))


def _union(needs: Sequence[Need]) -> Need:
    """Return the need that covers all of them."""
    kinds = {need.kind for need in needs}
    active = frozenset().union(*(need.active for need in needs))
    if len(kinds) > 1 or kinds == {"whole"}:
        return Need("whole", active, frozenset())
    other = frozenset().union(*(need.active - need.computational for need in needs))
    return Need(kinds.pop(), active, active - other)


def _equivalent_steps(steps: Sequence[Step]) -> int:
    """Return how many two-qubit operations have the rounding errors of these."""
    # A dense operation on k qubits has 2^k products for each amplitude, and 2^(k/2) for its norm.
    count = 0
    for step in steps:
        inner = len(step.targets) - step.control_count
        count += 1 if inner <= 2 else 1 << (3 * inner // 2 - 2)
    return count
