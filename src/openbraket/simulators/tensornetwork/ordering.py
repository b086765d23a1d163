"""Which qubit sits where on the line: the order decides the bond dimensions.

A cut into left and right multiplies the bond by at most 2^m for each layer of two-qubit gates, m
the size of a vertex cover of the pairs that it cuts: every gate across the cut has an end in the
cover, and two terms suffice for each of its qubits. All qubits on one side with a partner on the
other are such a cover. The search starts from the order of the second eigenvector of the graph's
Laplacian, or from the program's, and exchanges and moves qubits by simulated annealing on Σ_cuts
8^m, the work of decompositions.

Source: M. Fiedler, Czech. Math. J. 25, 619 (1975), for the eigenvector.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from openbraket.simulators.tensornetwork.diagonals import WIDTH_MAX
from openbraket.simulators.tensornetwork.operators import Diagonal, Local, Operator

_REPORT_EVERY: Final = 4096
_FIEDLER_QUBITS_MAX: Final = 2000
_SEED: Final = 20260621
# Base-2 logarithm of the work by which the temperature falls from start to end.
_HOT, _COLD = 0.5, 0.02

Pairs = set[tuple[int, int]]


def pairs_of(operators: Iterable[Operator]) -> Pairs:
    """Return the pairs of qubits that operators join, the lower first.

    An operator on more qubits joins its first with every other one.
    """
    pairs: Pairs = set()
    for operator in operators:
        if isinstance(operator, Local):
            continue
        if isinstance(operator, Diagonal):
            pairs.update(operator.edges)
            continue
        first, *others = operator.qubits
        pairs.update((min(first, q), max(first, q)) for q in others)
    return pairs


def first_order(qubit_count: int, pairs: Pairs) -> tuple[list[int], int]:
    """Return the better one of the program's order and the eigenvector's, and its widest cut.

    Args:
        qubit_count: Number of qubits.
        pairs: Those that gates join.
    """
    neighbours = _neighbours(qubit_count, pairs)
    candidates = [list(range(qubit_count))]
    if max(cut_widths(candidates[0], neighbours), default=0) > 1:
        candidates.append(_fiedler_order(qubit_count, pairs))
    order = min(candidates, key=lambda one: _work(cut_widths(one, neighbours)))
    return order, max(cut_widths(order, neighbours), default=0)


def improved_order(
    order: list[int],
    pairs: Pairs,
    *,
    trials: int,
    report: Callable[[float], None] | None = None,
) -> list[int]:
    """Return an order that makes the work smaller, or the same.

    Args:
        order: The qubits from left to right.
        pairs: Those that gates join.
        trials: Moves that are tried.
        report: Called now and then with the share that is done.

    Cost: some microseconds for each trial.
    """
    return _anneal(order, _neighbours(len(order), pairs), trials, report)


def _work(widths: Sequence[int]) -> float:
    return sum(8.0 ** min(width, WIDTH_MAX) for width in widths)


def _neighbours(qubit_count: int, pairs: Pairs) -> list[int]:
    neighbours = [0] * qubit_count
    for a, b in pairs:
        neighbours[a] |= 1 << b
        neighbours[b] |= 1 << a
    return neighbours


def cut_widths(order: Sequence[int], neighbours: Sequence[int]) -> list[int]:
    """Return, for every cut of an order, the size of the smaller cover of the pairs across it.

    Args:
        order: The qubits from left to right.
        neighbours: The partners of every qubit, as a set of bits.
    """
    left_sets, reached = _prefixes(order, neighbours)
    _, reached_back = _prefixes(order[::-1], neighbours)
    count = len(order)
    return [
        (
            reached_back[count - 2 - p] & left_sets[p]
            if p < count // 2
            else reached[p] & ~left_sets[p]
        ).bit_count()
        for p in range(count - 1)
    ]


def _prefixes(order: Sequence[int], neighbours: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return, up to every place, the set of qubits and the union of their partners."""
    own, reached = 0, 0
    sets, unions = [], []
    for qubit in order:
        own |= 1 << qubit
        reached |= neighbours[qubit]
        sets.append(own)
        unions.append(reached)
    return sets, unions


def _fiedler_order(qubit_count: int, pairs: Pairs) -> list[int]:
    if qubit_count > _FIEDLER_QUBITS_MAX or not pairs:
        return list(range(qubit_count))
    laplacian = np.zeros((qubit_count, qubit_count))
    for a, b in pairs:
        laplacian[a, b] -= 1
        laplacian[b, a] -= 1
        laplacian[a, a] += 1
        laplacian[b, b] += 1
    vector = np.linalg.eigh(laplacian)[1][:, 1 if qubit_count > 1 else 0]
    return [int(q) for q in np.argsort(vector, kind="stable")]


def _anneal(
    order: list[int],
    neighbours: list[int],
    trials: int,
    report: Callable[[float], None] | None,
) -> list[int]:
    """Improve an order by moving single qubits to other places."""
    count = len(order)
    chance = random.Random(_SEED)  # noqa: S311  (a search, reproducible)
    widths = cut_widths(order, neighbours)
    powers = [8.0 ** min(k, WIDTH_MAX) for k in range(count + 1)]
    work = sum(powers[w] for w in widths)
    best, best_work = list(order), work
    for trial in range(trials):
        if report is not None and trial % _REPORT_EVERY == 0:
            report(trial / trials)
        heat = _HOT * (_COLD / _HOT) ** (trial / trials)
        source = chance.randrange(count)
        reach = 1 if chance.random() < 0.5 else chance.randrange(2, 9)
        target = source + (reach if chance.random() < 0.5 else -reach)
        if not 0 <= target < count:
            continue
        low, high = min(source, target), max(source, target)
        moved = order[:]
        moved.insert(target, moved.pop(source))
        fresh = _widths_between(moved, neighbours, low, high)
        change = sum(powers[w] for w in fresh) - sum(powers[w] for w in widths[low:high])
        if change > 0 and chance.random() >= (1 + change / work) ** (-1 / heat * math.log2(count)):
            continue
        order, work = moved, work + change
        widths[low:high] = fresh
        if work < best_work * (1 - 1e-12):
            best, best_work = order, work
    return best


def _widths_between(
    order: Sequence[int], neighbours: Sequence[int], low: int, high: int
) -> list[int]:
    """Return the widths of the cuts after the places `low` to `high` - 1."""
    own = reached = 0
    for qubit in order[:low]:
        own |= 1 << qubit
        reached |= neighbours[qubit]
    behind = 0
    for qubit in order[high + 1 :]:
        behind |= neighbours[qubit]
    rights = []
    for place in range(high, low, -1):
        behind |= neighbours[order[place]]
        rights.append(behind)
    widths = []
    for place in range(low, high):
        qubit = order[place]
        own |= 1 << qubit
        reached |= neighbours[qubit]
        in_cover = rights[high - 1 - place] & own if place < len(order) // 2 else reached & ~own
        widths.append(in_cover.bit_count())
    return widths
