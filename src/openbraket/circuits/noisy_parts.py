"""What must really be simulated of a noisy circuit: its light cone, cut into parts.

The reductions of `circuits.cones` hold for noise as well:

- a channel preserves the trace, so one whose qubits nobody asks for afterwards is left out, and of
  a Pauli channel only the letters on qubits that are asked for stay;
- on a qubit that is only measured in the computational basis, phases and phase errors are left out;
- a qubit still in |0> is not touched by diagonal gates, decay or phase errors;
- parts are connected by operations and by channels, but not by Pauli channels: their errors are
  drawn for all parts together, and each part then has its own Pauli operators.

Parts of Clifford operations with no other noise than Pauli channels need no amplitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from openbraket.circuits.channels import kraus_operators, pauli_weights
from openbraket.circuits.circuit import Circuit, Noise, Operations
from openbraket.circuits.clifford import is_clifford
from openbraket.circuits.cones import components
from openbraket.circuits.gates import GATES, UNITARY_CODE, Matrix
from openbraket.circuits.memory import FIXED_BYTES, dynamic_bytes
from openbraket.circuits.precision import SINGLE_QUBITS_MIN, Precision, is_single_invisible
from openbraket.circuits.questions import measurement_steps
from openbraket.circuits.steps import Step, steps_of, structure_of

_IGNORED: Final = frozenset({GATES["i"].code, GATES["gphase"].code})


@dataclass(frozen=True, slots=True)
class Part:
    """A circuit that shares no operation with the others.

    Attributes:
        qubits: The circuit's qubits at positions 0, 1, … of the part.
        steps: Its operations on positions; a channel that is no Pauli channel is one of them, as a
            unitary without a matrix.
        anchors: Those channels, on positions, by their index among the steps.
        is_clifford: Whether stabilizers are enough.
    """

    qubits: tuple[int, ...]
    steps: tuple[Step, ...]
    anchors: dict[int, Noise]
    is_clifford: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where the events of one channel act.

    Attributes:
        noise: The channel, on the circuit's qubits.
        acts: For each part that it touches: the part's number, the step before which a Pauli error
            acts or which a jump replaces, and (for Pauli channels) for each of its letters the
            position, or -1 where the letter is another part's.
    """

    noise: Noise
    acts: tuple[tuple[int, int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class NoisyPlan:
    """How a noisy circuit is simulated.

    Attributes:
        qubit_count: Number of qubits of the circuit.
        parts: The parts.
        places: The channels that matter, in order.
        flips: For each of them the qubits that are in no part, with the letter's number: a Pauli
            error there flips the measured bit.
    """

    qubit_count: int
    parts: tuple[Part, ...]
    places: tuple[Place, ...]
    flips: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def width(self) -> int:
        """Qubits of the largest state vector; 0 where none is needed."""
        return max((len(part.qubits) for part in self.parts if not part.is_clifford), default=0)

    def is_single(self, shots: int, precision: Precision) -> bool:
        """Return whether amplitudes are kept in single precision."""
        if precision != "auto" or self.width < SINGLE_QUBITS_MIN:
            return precision == "single"
        dense = [part for part in self.parts if not part.is_clifford]
        return is_single_invisible(sum(map(_equivalent_steps, dense)), shots=shots)


def trajectory_bytes(plan: NoisyPlan, memory_bytes_max: int, *, is_single: bool) -> int:
    """Return the estimated memory of trajectories, in bytes.

    Args:
        plan: The circuit's plan.
        memory_bytes_max: Memory of one worker; copies of states take a part of what is free.
        is_single: Whether amplitudes are kept in single precision.
    """
    if plan.width == 0:
        return FIXED_BYTES
    return dynamic_bytes(plan.width, memory_bytes_max, is_single=is_single)


def plan_noisy(circuit: Circuit, rotations: Operations | None = None) -> NoisyPlan:
    """Decide what must be simulated to sample a circuit with noise.

    Args:
        circuit: The circuit.
        rotations: What rotates the observables' joint basis to the computational one; None takes
            stand-ins, which is right for every size.

    Returns:
        The plan.

    Cost: two passes over operations and channels.
    """
    steps = steps_of(replace(circuit.operations, noise=[]))
    steps += measurement_steps(circuit) if rotations is None else steps_of(rotations)
    noise = [_Site(channel, channel.targets) for channel in circuit.operations.noise]
    items = _light_cone(_touching(_timeline(steps, noise)), circuit)
    wires = {t for item in items if not _is_pauli(item) for t in item.targets}
    anchored = [Step(0, item.targets) for item in items if not _is_pauli(item)]
    return _cut(items, components(anchored, sorted(wires)), circuit.qubit_count)


class _Site(NamedTuple):
    noise: Noise
    targets: tuple[int, ...]


_Item = Step | _Site


class _Traits(NamedTuple):
    """What a channel does, as far as reductions ask.

    Attributes:
        letters: The strings of a Pauli channel; None for another one.
        is_diagonal: Whether every operator of another one is diagonal.
        is_monomial: Whether each takes every basis state to at most one.
        keeps_zero: Whether |0…0> stays as it is.
    """

    letters: tuple[str, ...] | None
    is_diagonal: bool = False
    is_monomial: bool = False
    keeps_zero: bool = False


def _traits(noise: Noise) -> _Traits:
    return _traits_of(noise.name, noise.probabilities, noise.matrices)


@lru_cache(maxsize=4096)
def _traits_of(
    name: str, probabilities: tuple[float, ...], matrices: tuple[Matrix, ...]
) -> _Traits:
    noise = Noise(name, (), probabilities, matrices, 0)
    weights = pauli_weights(noise)
    if weights is not None:
        return _Traits(tuple(weights))
    operators = kraus_operators(noise)
    entries = [[(i, j) for i, r in enumerate(m) for j, x in enumerate(r) if x] for m in operators]
    return _Traits(
        None,
        all(i == j for own in entries for i, j in own),
        all(len({i for i, _ in own}) == len({j for _, j in own}) == len(own) for own in entries),
        all(j or not i for own in entries for i, j in own),
    )


def _is_pauli(item: _Item) -> bool:
    return isinstance(item, _Site) and _traits(item.noise).letters is not None


def _timeline(steps: Sequence[Step], noise: Sequence[_Site]) -> list[_Item]:
    items: list[_Item] = []
    done = 0
    for site in noise:
        items += steps[done : site.noise.index]
        done = max(done, site.noise.index)
        items.append(site)
    return items + list(steps[done:])


def _touching(items: list[_Item]) -> list[_Item]:
    """Return the items without those that do nothing to qubits which are still in |0>."""
    touched: set[int] = set()
    out: list[_Item] = []
    for item in items:
        is_fresh = touched.isdisjoint(item.targets)
        if isinstance(item, Step):
            if item.code in _IGNORED and not item.control_count:
                continue
            if is_fresh and all(structure_of(item).block_diagonal):
                continue
        elif (letters := _traits(item.noise).letters) is not None:
            known = [target not in touched for target in item.targets]
            if not _matters(letters, known, ()):
                continue
        elif is_fresh and _traits(item.noise).keeps_zero:
            continue
        touched.update(item.targets)
        out.append(item)
    return out


def _matters(letters: Sequence[str], known: Sequence[bool], absent: Sequence[int]) -> bool:
    """Return whether any string acts: on known qubits z does not, on absent ones nothing."""
    return any(
        letter != "I" and k not in absent and not (known[k] and letter == "Z")
        for string in letters
        for k, letter in enumerate(string)
    )


def _light_cone(items: list[_Item], circuit: Circuit) -> list[_Item]:
    """Return the items that can change the measured bits; as `circuits.cones.light_cone`."""
    needed = set(circuit.measured or range(circuit.qubit_count))
    diagonal = set(needed)
    kept: list[_Item] = []
    for item in reversed(items):
        if needed.isdisjoint(item.targets):
            continue
        if isinstance(item, Step):
            is_kept = _keep_step(item, needed, diagonal)
        elif (letters := _traits(item.noise).letters) is not None:
            known = [target in diagonal for target in item.targets]
            absent = [k for k, target in enumerate(item.targets) if target not in needed]
            is_kept = _matters(letters, known, absent)
        else:
            is_kept = _keep_channel(item, needed, diagonal)
        if is_kept:
            kept.append(item)
    kept.reverse()
    return kept


def _keep_step(step: Step, needed: set[int], diagonal: set[int]) -> bool:
    reads, is_monomial = structure_of(step)
    is_diagonal = all(t in diagonal for t in step.targets if t in needed)
    only_reads = all(t not in needed or r for t, r in zip(step.targets, reads, strict=True))
    if is_diagonal and only_reads:
        return False
    if is_monomial and is_diagonal:
        diagonal.update(step.targets)
    else:
        for target, is_read in zip(step.targets, reads, strict=True):
            if not is_read:
                diagonal.discard(target)
            elif target not in needed:
                diagonal.add(target)
    needed.update(step.targets)
    return True


def _keep_channel(site: _Site, needed: set[int], diagonal: set[int]) -> bool:
    is_diagonal = all(t in diagonal for t in site.targets if t in needed)
    if is_diagonal and _traits(site.noise).is_diagonal:
        return False
    if is_diagonal and _traits(site.noise).is_monomial:
        diagonal.update(site.targets)
    else:
        diagonal.difference_update(site.targets)
    needed.update(site.targets)
    return True


def _cut(items: list[_Item], groups: list[list[int]], qubit_count: int) -> NoisyPlan:
    """Return the plan of items, given the qubits of each part."""
    where = {q: (k, p) for k, group in enumerate(groups) for p, q in enumerate(group)}
    steps: list[list[Step]] = [[] for _ in groups]
    anchors: list[dict[int, Noise]] = [{} for _ in groups]
    places: list[Place] = []
    flips: list[tuple[tuple[int, int], ...]] = []
    for item in items:
        if isinstance(item, _Site) and _is_pauli(item):
            found = [where.get(target, (-1, -1)) for target in item.targets]
            own = sorted({part for part, _ in found if part >= 0})
            acts = tuple(
                (part, len(steps[part]), tuple(p if k == part else -1 for k, p in found))
                for part in own
            )
            places.append(Place(item.noise, acts))
            outside = enumerate(zip(item.targets, found, strict=True))
            flips.append(tuple((target, k) for k, (target, (part, _)) in outside if part < 0))
            continue
        part = where[item.targets[0]][0]
        positions = tuple([where[target][1] for target in item.targets])
        if isinstance(item, Step):
            steps[part].append(Step(item[0], positions, *item[2:]))
            continue
        anchors[part][len(steps[part])] = replace(item.noise, targets=positions)
        places.append(Place(item.noise, ((part, len(steps[part]), ()),)))
        flips.append(())
        steps[part].append(Step(UNITARY_CODE, positions))
    parts = tuple(
        Part(tuple(group), tuple(own), own_anchors, not own_anchors and is_clifford(own))
        for group, own, own_anchors in zip(groups, steps, anchors, strict=True)
    )
    return NoisyPlan(qubit_count, parts, tuple(places), tuple(flips))


def _equivalent_steps(part: Part) -> int:
    """Return how many two-qubit operations have the rounding errors of a part's."""
    count = 0
    for step in part.steps:
        inner = len(step.targets) - step.control_count
        count += 1 if inner <= 2 else 1 << (3 * inner // 2 - 2)
    return count
