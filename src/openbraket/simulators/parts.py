"""Runs a plan of `circuits.reductions`: each part by its engine, and the answers put together.

A state that is a product over parts is never multiplied out: samples are columns side by side, a
distribution or a reduced density matrix is an outer product of the parts' own, and for an
observable O = ⊗ O_c the mean is Π <O_c> and the variance Π <O_c²> - Π <O_c>².
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.circuit import Circuit, Factor, ResultType
from openbraket.circuits.questions import Question
from openbraket.circuits.reductions import Group, Part, Plan
from openbraket.circuits.steps import Step, monomial_images
from openbraket.simulators.observables import basis_of
from openbraket.simulators.values import Complexes, Floats, Value

Report = Callable[[float], None]


class PartState(Protocol):
    """What a simulator makes of a part."""

    def values(self, result_types: Sequence[ResultType]) -> Sequence[Value]:
        """Return exact values of result types, whose targets are explicit."""

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Return measured bits of all qubits, shape (qubit_count, shots)."""


# From a part's number, the part and a report of its own to its state.
Simulate = Callable[[int, Part, Report | None], PartState]
# Values of one question's share in one slot, in the order of `_local_results`.
Numbers = NDArray[Any]
Answers = dict[tuple[int, int, int], list[Value]]

_MOMENTS: Final = frozenset({"expectation", "variance"})


def run_samples(
    plan: Plan,
    shots: int,
    generator: np.random.Generator,
    *,
    simulate: Simulate,
    report: Report | None = None,
) -> NDArray[np.uint8]:
    """Return measured bits of all qubits, shape (shots, qubit_count).

    Args:
        plan: A plan for shots > 0; bits of qubits outside the light cone are 0.
        shots: Number of shots, at least 1.
        generator: Where randomness comes from.
        simulate: Simulates one part.
        report: Called now and then with the share that is done.
    """
    (group,) = plan.groups
    drawn: list[NDArray[np.uint8] | None] = [None] * len(group.slots)
    for index, part, part_report in _with_progress(plan, report):
        state = simulate(index, part, part_report)
        for slot, own in enumerate(group.slots):
            if own == index:
                drawn[slot] = state.sample(shots, generator)
        del state
    columns = [bits for bits in drawn if bits is not None]
    return np.ascontiguousarray(merge_columns(plan, columns, shots).T)


def merge_columns(plan: Plan, drawn: Sequence[NDArray[np.uint8]], shots: int) -> NDArray[np.uint8]:
    """Put measured bits of all slots together and apply the postponed permutations.

    Args:
        plan: A plan for shots > 0.
        drawn: Bits of every slot of its group, shape (qubits of the slot, shots).
        shots: Number of shots.

    Returns:
        Bits of all qubits, shape (qubit_count, shots).
    """
    (group,) = plan.groups
    columns = np.zeros((plan.qubit_count, shots), dtype=np.uint8)
    for wire, bit in plan.bits.items():
        columns[wire] = bit
    for wires, bits in zip(_wires_by_slot(group), drawn, strict=True):
        columns[wires] = bits
    for step in group.postponed:
        _permute(columns, step)
    return columns[list(plan.wires)]


def run_exact(
    plan: Plan, circuit: Circuit, *, simulate: Simulate, report: Report | None = None
) -> tuple[Value, ...]:
    """Return the exact values of a circuit's result types.

    Args:
        plan: The circuit's plan for shots = 0.
        circuit: The circuit.
        simulate: Simulates one part.
        report: Called now and then with the share that is done.

    Returns:
        As `statevector.exact.exact_values`.

    Raises:
        LimitError: If a requested density matrix is too large.
    """
    mergers = [_Merger(plan, group) for group in plan.groups]
    for index, part, part_report in _with_progress(plan, report):
        asked = [
            (merger, key, results)
            for merger in mergers
            for key, results in merger.asked_of(index).items()
        ]
        local = [result for _, _, results in asked for result in results]
        values = iter(simulate(index, part, part_report).values(local))
        for merger, key, results in asked:
            merger.answers[key] = [next(values) for _ in results]
    found: list[list[Value]] = [[] for _ in circuit.result_types]
    order = sorted(
        (
            (question.result, question.qubit, merger, k)
            for merger in mergers
            for k, question in merger.numbered()
        ),
        key=lambda entry: entry[:2],
    )
    for result, _, merger, k in order:
        found[result].append(merger.value(k))
    return tuple(
        _each(values) if _is_for_each_qubit(result_type) else values[0]
        for result_type, values in zip(circuit.result_types, found, strict=True)
    )


def _is_for_each_qubit(result_type: ResultType) -> bool:
    return bool(result_type.observable) and not result_type.observable[0].targets


def _each(values: list[Value]) -> list[float]:
    return [value for value in values if isinstance(value, float)]


def _with_progress(plan: Plan, report: Report | None) -> Iterator[tuple[int, Part, Report | None]]:
    """Yield every part with its index and a report of its own, scaled to its share."""
    total = max(1, sum(part.cost for part in plan.parts))
    done = 0
    for index, part in enumerate(plan.parts):
        if report is None:
            yield index, part, None
        else:
            yield index, part, _scaled(report, done / total, part.cost / total)
        done += part.cost


def _scaled(report: Report, start: float, share: float) -> Report:
    return lambda fraction: report(start + share * fraction)


def _wires_by_slot(group: Group) -> list[list[int]]:
    """Return the wires of every slot in the order of their positions."""
    wires: list[dict[int, int]] = [{} for _ in group.slots]
    for wire, (slot, position) in group.places.items():
        wires[slot][position] = wire
    return [[by_position[p] for p in range(len(by_position))] for by_position in wires]


def _permute(columns: NDArray[np.uint8], step: Step) -> None:
    """Apply a monomial step to measured bits, in place; phases cannot be seen in them."""
    count = step.control_count
    mask: NDArray[np.uint8] | None = None
    for k, control in enumerate(step.targets[:count]):
        wanted = step.control_value >> (count - 1 - k) & 1
        holds = columns[control] if wanted else columns[control] ^ 1
        mask = holds if mask is None else mask & holds
    targets = step.targets[count:]
    images, _ = monomial_images(_plain(step))
    if len(targets) == 1:
        if images == (1, 0):
            columns[targets[0]] ^= np.uint8(1) if mask is None else mask
        return
    number = np.zeros(columns.shape[1], dtype=np.uint8)
    for target in targets:
        number = number << 1 | columns[target]
    image = np.array(images, dtype=np.uint8)[number]
    for k, target in enumerate(targets):
        flips = columns[target] ^ (image >> (len(targets) - 1 - k) & 1)
        columns[target] ^= flips if mask is None else flips & mask


def _plain(step: Step) -> Step:
    """Return a step without its controls and on positions of its own, so that caches serve it."""
    targets = tuple(range(len(step.targets) - step.control_count))
    return Step(step.code, targets, step.parameters, power=step.power)


class _Merger:
    """One group's questions: what to ask of each slot, and the answers put together."""

    def __init__(self, plan: Plan, group: Group) -> None:
        self.answers: Answers = {}
        self._plan = plan
        self._group = group
        # Amplitudes by question: for each basis state its phase, and the bits on the wires.
        self._pulled: dict[int, dict[str, tuple[complex, dict[int, int]]]] = {
            k: self._pull_back(question.result_type.states)
            for k, question in enumerate(group.questions)
            if question.result_type.kind == "amplitude"
        }

    def numbered(self) -> Iterator[tuple[int, Question]]:
        """Yield the questions with their numbers."""
        yield from enumerate(self._group.questions)

    def asked_of(self, part: int) -> dict[tuple[int, int, int], list[ResultType]]:
        """Return what is asked of a part, by question and slot."""
        asked = {}
        for slot, index in enumerate(self._group.slots):
            if index == part:
                for k, question in self.numbered():
                    results = self._local_results(k, question.result_type, slot)
                    if results:
                        asked[(k, slot, part)] = results
        return asked

    def _positions(self, wires: Sequence[int], slot: int) -> tuple[int, ...]:
        places = self._group.places
        return tuple(places[w][1] for w in wires if w in places and places[w][0] == slot)

    def _local_results(self, k: int, asked: ResultType, slot: int) -> list[ResultType]:
        if asked.kind in _MOMENTS:
            factors = tuple(
                Factor(factor.name, self._positions(factor.targets, slot), factor.matrix)
                for factor in asked.observable
                if self._slot_of(factor) == slot
            )
            if not factors:
                return []
            mean = ResultType("expectation", factors)
            return (
                [mean] if asked.kind == "expectation" else [mean, ResultType("variance", factors)]
            )
        if asked.kind == "amplitude":
            states = dict.fromkeys(self._local_bits(k, state, slot) for state in self._pulled[k])
            return [ResultType("amplitude", states=tuple(states))]
        targets = self._positions(asked.targets or (), slot)
        if asked.kind == "state_vector":
            return [ResultType("state_vector")]
        return [ResultType(asked.kind, targets=targets)] if targets else []

    def _slot_of(self, factor: Factor) -> int | None:
        """Return the slot of a factor; None for the identity and for a known bit."""
        place = self._group.places.get(factor.targets[0])
        return None if place is None or factor.name == "i" else place[0]

    def value(self, k: int) -> Value:
        """Return the answer to question `k`."""
        asked = self._group.questions[k].result_type
        match asked.kind:
            case "expectation" | "variance":
                return self._moment(k, asked)
            case "amplitude":
                return {state: self._amplitude(k, state) for state in asked.states}
            case "probability":
                return self._outer(k, asked.targets or (), axes_each=1)
            case "density_matrix":
                return self._outer(k, asked.targets or (), axes_each=2)
            case _:
                return self._state_vector(k)

    def _slot_answers(self, k: int) -> Iterator[tuple[int, list[Value]]]:
        for slot, part in enumerate(self._group.slots):
            values = self.answers.get((k, slot, part))
            if values is not None:
                yield slot, values

    def _moment(self, k: int, asked: ResultType) -> float:
        means, variances = [], []
        for _, values in self._slot_answers(k):
            numbers = [value for value in values if isinstance(value, float)]
            means.append(numbers[0])
            variances.append(numbers[-1])
        for factor in asked.observable:
            if factor.name != "i" and self._slot_of(factor) is None:
                mean, variance = _known_moments(factor, self._bit(factor.targets[0]))
                means.append(mean)
                variances.append(variance)
        if asked.kind == "expectation":
            return float(math.prod(means))
        if len(means) == 1:
            return variances[0]
        squares = [v + m * m for v, m in zip(variances, means, strict=True)]
        return max(0.0, math.prod(squares) - math.prod(means) ** 2)

    def _bit(self, wire: int) -> int:
        return self._plan.bits.get(wire, 0)

    def _outer(self, k: int, targets: tuple[int, ...], *, axes_each: int) -> Floats | Complexes:
        """Return the outer product of the slots' tensors, axes in the order of the targets."""
        tensor: Numbers = np.ones(())
        wires: list[int] = []
        for slot, values in self._slot_answers(k):
            own = [w for w in targets if self._group.places.get(w, (-1, 0))[0] == slot]
            shaped = np.asarray(values[0]).reshape((2,) * (axes_each * len(own)))
            tensor = np.multiply.outer(tensor, _interleaved(shaped, axes_each))
            wires += own
        for wire in targets:
            if wire not in self._group.places:
                known = np.zeros((2,) * axes_each)
                known[(self._bit(wire),) * axes_each] = 1.0
                tensor = np.multiply.outer(tensor, known)
                wires.append(wire)
        order = [wires.index(wire) for wire in targets]
        axes = [axes_each * p + a for a in range(axes_each) for p in order]
        found: Floats | Complexes = np.ascontiguousarray(
            tensor.transpose(axes).reshape((1 << len(targets),) * axes_each)
        )
        return found

    def _state_vector(self, k: int) -> Complexes:
        tensor: Complexes = np.full((), self._plan.phase, dtype=np.complex128)
        wires: list[int] = []
        by_slot = _wires_by_slot(self._group)
        for slot, values in self._slot_answers(k):
            own = by_slot[slot]
            tensor = np.multiply.outer(tensor, np.asarray(values[0]).reshape((2,) * len(own)))
            wires += own
        for wire in self._plan.wires:
            if wire not in self._group.places:
                known = np.zeros(2)
                known[self._bit(wire)] = 1.0
                tensor = np.multiply.outer(tensor, known)
                wires.append(wire)
        order = [wires.index(wire) for wire in self._plan.wires]
        return np.ascontiguousarray(tensor.transpose(order).reshape(-1))

    def _pull_back(self, states: Sequence[str]) -> dict[str, tuple[complex, dict[int, int]]]:
        """Return <x|P as a phase and a basis state, P the postponed steps."""
        pulled = {}
        for state in dict.fromkeys(states):
            phase = self._plan.phase
            bits = {w: int(bit) for w, bit in zip(self._plan.wires, state, strict=True)}
            for step in reversed(self._group.postponed):
                phase *= _pull_back_step(bits, step)
            pulled[state] = (phase, bits)
        return pulled

    def _local_bits(self, k: int, state: str, slot: int) -> str:
        bits = self._pulled[k][state][1]
        return "".join(str(bits[wire]) for wire in _wires_by_slot(self._group)[slot])

    def _amplitude(self, k: int, state: str) -> complex:
        phase, bits = self._pulled[k][state]
        places = self._group.places
        if any(bit != self._bit(wire) for wire, bit in bits.items() if wire not in places):
            return 0j
        for slot, values in self._slot_answers(k):
            amplitudes = cast("Mapping[str, complex]", values[0])
            phase *= amplitudes[self._local_bits(k, state, slot)]
        return phase


def _interleaved(tensor: Numbers, axes_each: int) -> Numbers:
    """Return a tensor of rows (and columns) with each qubit's axes side by side."""
    count = tensor.ndim // axes_each
    return tensor.transpose([a * count + q for q in range(count) for a in range(axes_each)])


def _known_moments(factor: Factor, bit: int) -> tuple[float, float]:
    """Return mean and variance of a one-qubit factor in a basis state."""
    matrix = basis_of(factor).matrix
    mean = float(matrix[bit, bit].real)
    return mean, max(0.0, float((matrix @ matrix)[bit, bit].real) - mean * mean)


def _pull_back_step(bits: dict[int, int], step: Step) -> complex:
    """Replace <x| by the basis state of <x|P, P monomial, in place, and return its phase."""
    count = step.control_count
    for k, control in enumerate(step.targets[:count]):
        if bits[control] != step.control_value >> (count - 1 - k) & 1:
            return 1 + 0j
    targets = step.targets[count:]
    images, phases = monomial_images(_plain(step))
    number = 0
    for target in targets:
        number = number << 1 | bits[target]
    source = images.index(number)
    for k, target in enumerate(targets):
        bits[target] = source >> (len(targets) - 1 - k) & 1
    return phases[source]
