"""Placement and routing: from blocks on a program's qubits to unitaries on physical ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from openbraket.compilation.grouping import Grouped
from openbraket.compilation.items import SWAP, Item
from openbraket.compilation.target import ANGLED, Target
from openbraket.compilation.weyl import entangler_counts, exchanged
from openbraket.kernels import _routing

# Steps of the search for a layout without exchanges.
EMBEDDING_STEPS_MAX: Final = 100_000
# Searches from different layouts: this many, fewer for large circuits.
TRIALS_MAX: Final = 96
TRIALS_MIN: Final = 16
# About so many blocks are routed in the searches together.
_TRIAL_BLOCKS: Final = 16_000
# Refinements of each of the best layouts.
ROUNDS: Final = 3
# How far the cost of a coupling's gates follows their infidelity, 0 to 1; see docs/decisions.
_NOISE_SHARE: Final = 0.15
_WEIGHT_MIN: Final = 0.5
_WEIGHT_MAX: Final = 3.0


@dataclass(frozen=True)
class Graph:
    """The part of a device that programs are routed on, with qubits numbered from 0.

    Attributes:
        qubits: The physical qubit of each number.
        pairs: Couplings by number.
        infidelities: -log of the two-qubit fidelity of each coupling.
        qubit_costs: -log of the readout fidelity of each qubit.
        has_angle: Whether the native two-qubit gate has an angle.
    """

    qubits: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    infidelities: tuple[float, ...]
    qubit_costs: tuple[float, ...]
    has_angle: bool

    @classmethod
    def of(cls, target: Target) -> "Graph":
        """Return the graph of a device's largest connected part."""
        couplings = sorted(target.couplings or ())
        neighbours: dict[int, list[int]] = {qubit: [] for qubit in target.qubits}
        for a, b in couplings:
            neighbours[a].append(b)
            neighbours[b].append(a)
        qubits = _largest_part(neighbours)
        numbers = {qubit: number for number, qubit in enumerate(qubits)}
        kept = [pair for pair in couplings if pair[0] in numbers]
        return cls(
            qubits=tuple(qubits),
            pairs=tuple((numbers[a], numbers[b]) for a, b in kept),
            infidelities=tuple(-math.log(target.fidelity_of(pair)) for pair in kept),
            qubit_costs=tuple(-math.log(target.readout_fidelity_of(q)) for q in qubits),
            has_angle=target.entangler in ANGLED,
        )

    @cached_property
    def pair_column(self) -> NDArray[np.uint32]:
        """The couplings as one column."""
        return np.array(self.pairs, dtype=np.uint32).reshape(-1)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """What a native gate on each coupling costs: about 1, more where it is noisier."""
        costs = np.array(self.infidelities)
        mean = costs.mean() if len(costs) else 0.0
        if mean <= 0:
            return np.ones(len(costs))
        return np.clip(1 + _NOISE_SHARE * (costs / mean - 1), _WEIGHT_MIN, _WEIGHT_MAX)


@dataclass
class Routed:
    """A circuit on the numbers of a graph.

    Attributes:
        items: One- and two-qubit unitaries on couplings, in order of time.
        start: Number of each program qubit at the start.
        end: The same at the end.
        swap_count: Exchanges that were put in.
    """

    items: list[Item]
    start: list[int]
    end: list[int]
    swap_count: int


class _Columns(NamedTuple):
    """Blocks as `kernels._routing` takes them."""

    qubits: NDArray[np.uint32]
    groups: NDArray[np.uint32]
    costs: NDArray[np.float64]
    exchanged_costs: NDArray[np.float64]


class Router:
    """Routes the parts of one circuit, one after the other.

    Args:
        graph: Where to.
        qubit_count: Number of program qubits.
        seed: Decides between equal choices.
        thread_count: Threads for the searches.
    """

    def __init__(self, graph: Graph, qubit_count: int, *, seed: int, thread_count: int) -> None:
        self._graph = graph
        self._qubit_count = qubit_count
        self._seed = seed
        self._thread_count = thread_count

    def layout(self, grouped: Grouped) -> list[int]:
        """Return a good layout for a circuit whose parts are routed later."""
        return self.route(grouped).start

    def route(self, grouped: Grouped, start: Sequence[int] = ()) -> Routed:
        """Return a circuit's blocks and one-qubit gates on couplings.

        Args:
            grouped: The circuit.
            start: Where the program qubits are; empty to choose it.
        """
        columns = self._columns(grouped)
        graph = self._graph
        layout = list(start)
        if not layout:
            layout = _routing.embed_blocks(
                len(graph.qubits),
                graph.pair_column,
                graph.weights,
                self._qubit_count,
                columns.qubits,
                columns.groups,
                columns.costs,
                np.array(graph.qubit_costs),
                step_count_max=EMBEDDING_STEPS_MAX,
            )
        is_embedded = bool(layout) and not start
        _, first, events = _routing.route_blocks(
            len(graph.qubits),
            graph.pair_column,
            graph.weights,
            self._qubit_count,
            columns.qubits,
            columns.groups,
            columns.costs,
            columns.exchanged_costs,
            np.array(layout, dtype=np.int32),
            trial_count=1 if is_embedded else self._trial_count(len(grouped.qubits)),
            round_count=0 if layout else ROUNDS,
            thread_count=self._thread_count,
            seed=self._seed,
        )
        return self._replay(grouped, list(first), events)

    def _trial_count(self, block_count: int) -> int:
        return max(TRIALS_MIN, min(TRIALS_MAX, _TRIAL_BLOCKS // (block_count + 1)))

    def _columns(self, grouped: Grouped) -> _Columns:
        has_angle = self._graph.has_angle
        after = exchanged(grouped.angles)
        return _Columns(
            qubits=np.array(grouped.qubits, dtype=np.uint32).reshape(-1),
            groups=np.array(grouped.groups, dtype=np.uint32).reshape(-1),
            costs=entangler_counts(grouped.angles, has_angle=has_angle).astype(np.float64),
            exchanged_costs=entangler_counts(after, has_angle=has_angle).astype(np.float64),
        )

    def _replay(self, grouped: Grouped, start: list[int], events: Sequence[int]) -> Routed:
        where = list(start)
        occupant = {number: qubit for qubit, number in enumerate(start)}
        entered = [-1] * self._qubit_count
        items: list[Item] = []
        for k in range(0, len(events), 3):
            block, p, r = events[k : k + 3]
            if block < 0:
                items.append(Item((p, r), SWAP))
                a, b = occupant.pop(p, None), occupant.pop(r, None)
                for qubit, number in ((a, r), (b, p)):
                    if qubit is not None:
                        occupant[number] = qubit
                        where[qubit] = number
                continue
            for qubit, group, number in zip(
                grouped.qubits[block], grouped.groups[block], (p, r), strict=True
            ):
                if group > entered[qubit]:
                    entered[qubit] = group
                    gate = grouped.entries.get((qubit, group))
                    if gate is not None:
                        items.append(Item((number,), gate))
            items.append(Item((p, r), grouped.matrices[block]))
        items += [Item((where[qubit],), gate) for qubit, gate in grouped.finals.items()]
        return Routed(items, start, where, list(events[::3]).count(-1))


def _largest_part(neighbours: Mapping[int, Sequence[int]]) -> list[int]:
    best: list[int] = []
    seen: set[int] = set()
    for origin in neighbours:
        if origin in seen:
            continue
        seen.add(origin)
        part = [origin]
        for qubit in part:
            for other in neighbours[qubit]:
                if other not in seen:
                    seen.add(other)
                    part.append(other)
        if len(part) > len(best):
            best = part
    return sorted(best)
