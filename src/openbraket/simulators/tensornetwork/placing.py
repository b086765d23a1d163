"""Operators on sites: which site carries which qubit, and which fans take a block of diagonals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from openbraket.simulators.tensornetwork.diagonals import carry, site_operators
from openbraket.simulators.tensornetwork.operators import (
    Complexes,
    Dense,
    Diagonal,
    Local,
    Operator,
    Products,
    fan,
)

# Complex numbers of a block of diagonals as one operator: 256 MiB; more is applied in parts.
_BLOCK_NUMBERS_MAX: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Placed:
    """An operator on sites.

    Attributes:
        sites: Its sites, ascending.
        factors: F of `operators.Products`, for one site or more; None for a dense operator.
        matrix: Of a dense operator, on `dense_sites`; else None.
        dense_sites: The sites of a dense operator, most significant first.
        is_last: Whether nothing after it needs the Schmidt values of its bonds.
        tensors: The whole operator as `diagonals.site_operators` for every one of its sites; empty
            where it has factors or a matrix.
        parts: Commuting operators that make it up and may be applied instead.
    """

    sites: tuple[int, ...]
    factors: Complexes | None
    matrix: Complexes | None = None
    dense_sites: tuple[int, ...] = ()
    is_last: bool = False
    tensors: tuple[Complexes, ...] = ()
    parts: tuple["Placed", ...] = ()


def place(operators: Sequence[Operator], position: Sequence[int]) -> list[Placed]:
    """Return operators on sites.

    Args:
        operators: On qubits.
        position: The site of every qubit.
    """
    placed: list[Placed] = []
    for operator in operators:
        match operator:
            case Local():
                site = position[operator.qubit]
                placed.append(Placed((site,), operator.matrix.reshape(1, 1, 2, 2)))
            case Products():
                placed.append(_place_products(operator, position))
            case Dense():
                sites = tuple(position[qubit] for qubit in operator.qubits)
                placed.append(Placed(tuple(sorted(sites)), None, operator.matrix, sites))
            case Diagonal():
                placed += _place_diagonal(operator, position)
    return _mark_last(placed)


def _place_products(operator: Products, position: Sequence[int] | None) -> Placed:
    """Return an operator on sites; without positions its qubits are sites already."""
    sites = [q if position is None else position[q] for q in operator.qubits]
    order = sorted(range(len(sites)), key=sites.__getitem__)
    return Placed(tuple(sites[k] for k in order), operator.factors[:, order])


def _mark_last(placed: list[Placed]) -> list[Placed]:
    """Mark the operators whose bonds' Schmidt values nobody asks for afterwards."""
    needed: set[int] = set()  # bonds, each by the site to its right
    out = []
    for operator in reversed(placed):
        first, last = operator.sites[0], operator.sites[-1]
        if first != last:
            bonds = range(first + 1, last + 1)
            is_last = needed.isdisjoint(bonds)
            needed.update(bonds)
            if not is_last or operator.factors is None or len(operator.factors) > 2:
                # What is applied by exchanges or in parts is decomposed in between.
                needed.add(first)
            if is_last:
                operator = replace(operator, is_last=True)  # noqa: PLW2901
        out.append(operator)
    return out[::-1]


def _place_diagonal(block: Diagonal, position: Sequence[int]) -> list[Placed]:
    """Return a block of diagonal gates as one operator, or as several where they are neighbours."""
    pairs: dict[tuple[int, int], Complexes] = {}
    for (a, b), diagonal in block.edges.items():
        low, high = position[a], position[b]
        pairs[min(low, high), max(low, high)] = diagonal if low < high else diagonal.T
    stars = _stars(pairs)
    if len(stars) == 1 or all(high == low + 1 for low, high in pairs):
        return stars
    carried = carry(list(pairs))
    if carried.tensor_numbers > _BLOCK_NUMBERS_MAX:
        return stars
    first, last = stars[0].sites[0], max(star.sites[-1] for star in stars)
    tensors = tuple(site_operators(pairs, carried))
    return [Placed(tuple(range(first, last + 1)), None, tensors=tensors, parts=tuple(stars))]


def _stars(pairs: Mapping[tuple[int, int], Complexes]) -> list[Placed]:
    """Return fans that make up diagonal gates, those with most gates chosen first."""
    open_pairs: dict[int, set[tuple[int, int]]] = {}
    for pair in pairs:
        for site in pair:
            open_pairs.setdefault(site, set()).add(pair)
    fans = []
    left = len(pairs)
    while left:
        center = max(open_pairs, key=lambda site: (len(open_pairs[site]), -site))
        own = sorted(open_pairs.pop(center))
        left -= len(own)
        partners = []
        for a, b in own:
            other = b if a == center else a
            open_pairs[other].discard((a, b))
            partners.append((other, pairs[a, b] if a == center else pairs[a, b].T))
        fans.append(_place_products(fan(center, partners), None))
    return sorted(fans, key=lambda one: one.sites[0])
