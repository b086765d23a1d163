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
from dataclasses import dataclass
from typing import Final

import numpy as np

from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.clifford import is_clifford
from openbraket.circuits.cones import components
from openbraket.circuits.gates import GATES
from openbraket.circuits.steps import Step, steps_of, structure_of, unitary_step
from openbraket.simulators.statevector.powers import resolve_powers
from openbraket.simulators.trajectories.sites import Channel, Site, channel_of

_IGNORED: Final = frozenset({GATES["i"].code, GATES["gphase"].code})


@dataclass(frozen=True, slots=True)
class Part:
    """A circuit that shares no operation with the others.

    Attributes:
        qubits: The circuit's qubits at positions 0, 1, … of the part.
        steps: Its operations on positions; a channel that is no Pauli channel is one of them.
        anchors: Its channels that are no Pauli channels, by their index among the steps: the step
            is K_0, and a jump takes its place.
        is_clifford: Whether stabilizers are enough.
    """

    qubits: tuple[int, ...]
    steps: tuple[Step, ...]
    anchors: dict[int, Site]
    is_clifford: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where the events of one channel act.

    Attributes:
        site: The channel; letters on qubits that do not matter are `I`.
        acts: For each part that it touches: the part's number, the step before which a Pauli error
            acts or which a jump replaces, and (for Pauli channels) for each of its letters the
            position, or -1 where the letter is another part's.
    """

    site: Site
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


def plan_noisy(circuit: Circuit, rotations: Operations) -> NoisyPlan:
    """Decide what must be simulated to sample a circuit with noise.

    Args:
        circuit: The circuit.
        rotations: What rotates the observables' joint basis to the computational one.

    Returns:
        The plan.

    Raises:
        NumericsError: If a power of a matrix that is not unitary is asked for.

    Cost: two passes over operations and channels.
    """
    steps = steps_of(resolve_powers(circuit.operations)) + steps_of(resolve_powers(rotations))
    noise = [
        Site(channel_of(channel), channel.targets, channel.index)
        for channel in circuit.operations.noise
    ]
    items = _light_cone(_touching(_timeline(steps, noise)), circuit)
    wires = {t for item in items if not _is_pauli(item) for t in item.targets}
    anchored = [Step(0, item.targets) for item in items if not _is_pauli(item)]
    return _cut(items, components(anchored, sorted(wires)), circuit.qubit_count)


Item = Step | Site


def _is_pauli(item: Item) -> bool:
    return isinstance(item, Site) and item.channel.kind == "pauli"


def _timeline(steps: Sequence[Step], noise: Sequence[Site]) -> list[Item]:
    items: list[Item] = []
    done = 0
    for site in noise:
        items += steps[done : site.index]
        done = max(done, site.index)
        items.append(site)
    return items + list(steps[done:])


def _touching(items: list[Item]) -> list[Item]:
    """Return the items without those that do nothing to qubits which are still in |0>."""
    touched: set[int] = set()
    out: list[Item] = []
    for item in items:
        is_fresh = touched.isdisjoint(item.targets)
        if isinstance(item, Step):
            if item.code in _IGNORED and not item.control_count:
                continue
            if is_fresh and all(structure_of(item).block_diagonal):
                continue
        elif item.channel.kind == "pauli":
            known = tuple([target not in touched for target in item.targets])
            if not _matters(item.channel.letters, known, ()):
                continue
        elif is_fresh and item.channel.keeps_zero:
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


def _light_cone(items: list[Item], circuit: Circuit) -> list[Item]:
    """Return the items that can change the measured bits; as `circuits.cones.light_cone`."""
    needed = set(circuit.measured or range(circuit.qubit_count))
    diagonal = set(needed)
    kept: list[Item] = []
    for item in reversed(items):
        if needed.isdisjoint(item.targets):
            continue
        if isinstance(item, Step):
            is_kept = _keep_step(item, needed, diagonal)
        elif item.channel.kind == "pauli":
            known = [target in diagonal for target in item.targets]
            absent = [k for k, target in enumerate(item.targets) if target not in needed]
            is_kept = _matters(item.channel.letters, known, absent)
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


def _keep_channel(site: Site, needed: set[int], diagonal: set[int]) -> bool:
    is_diagonal = all(t in diagonal for t in site.targets if t in needed)
    if is_diagonal and site.channel.is_diagonal:
        return False
    if is_diagonal and site.channel.is_monomial:
        diagonal.update(site.targets)
    else:
        diagonal.difference_update(site.targets)
    needed.update(site.targets)
    return True


def _cut(items: list[Item], groups: list[list[int]], qubit_count: int) -> NoisyPlan:
    """Return the plan of items, given the qubits of each part."""
    where = {q: (k, p) for k, group in enumerate(groups) for p, q in enumerate(group)}
    steps: list[list[Step]] = [[] for _ in groups]
    anchors: list[dict[int, Site]] = [{} for _ in groups]
    places: list[Place] = []
    flips: list[tuple[tuple[int, int], ...]] = []
    for item in items:
        if isinstance(item, Site) and item.channel.kind == "pauli":
            found = [where.get(target, (-1, -1)) for target in item.targets]
            own = sorted({part for part, _ in found if part >= 0})
            acts = tuple(
                (part, len(steps[part]), tuple(p if k == part else -1 for k, p in found))
                for part in own
            )
            places.append(Place(item, acts))
            outside = enumerate(zip(item.targets, found, strict=True))
            flips.append(tuple((target, k) for k, (target, (part, _)) in outside if part < 0))
            continue
        part = where[item.targets[0]][0]
        positions = tuple([where[target][1] for target in item.targets])
        if isinstance(item, Step):
            steps[part].append(Step(item[0], positions, *item[2:]))
            continue
        anchors[part][len(steps[part])] = Site(item.channel, positions, 0)
        places.append(Place(item, ((part, len(steps[part]), ()),)))
        flips.append(())
        steps[part].append(unitary_step(_rows(item.channel), positions))
    parts = tuple(
        Part(tuple(group), tuple(own), own_anchors, not own_anchors and is_clifford(own))
        for group, own, own_anchors in zip(groups, steps, anchors, strict=True)
    )
    return NoisyPlan(qubit_count, parts, tuple(places), tuple(flips))


def _rows(channel: Channel) -> tuple[tuple[complex, ...], ...]:
    kept = np.asarray(channel.operators[0])
    return tuple(tuple(row) for row in kept.tolist())
