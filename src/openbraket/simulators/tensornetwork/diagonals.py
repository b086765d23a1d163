"""Blocks of diagonal gates as one matrix product operator that carries bits along the line.

The gate of a pair is applied where the bits of both qubits are at hand: the left one's is carried
to the right, and the right one's to the left, until they meet. A bond through which k bits are
carried has dimension 2^k. Where all pairs meet at a site m, or as near to it as they come, the bits
carried are those of all qubits left of a cut before m with partners to its right, and the mirror
image after m, which is what `ordering.cut_widths` counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from openbraket.simulators.tensornetwork.operators import Complexes

# Sites that are tried as the common meeting place.
_MEETINGS_MAX: Final = 64
# 8^300 · 2^12 is still a floating-point number; wider cuts are all alike.
WIDTH_MAX: Final = 300

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Carried:
    """How a block's bits travel.

    Attributes:
        meetings: By pair of sites, the lower first: the site where its gate is applied.
        bits: For every site from the first to the last but one: the sites whose bits pass the cut
            to its right, ascending.
        first: The first site.
    """

    meetings: Mapping[Pair, int]
    bits: tuple[tuple[int, ...], ...]
    first: int

    @property
    def work(self) -> float:
        """Σ 8^k over the cuts."""
        return sum(8.0 ** min(len(carried), WIDTH_MAX) for carried in self.bits)

    @property
    def tensor_numbers(self) -> int:
        """Complex numbers of all tensors of `site_operators`."""
        cuts = [0, *map(len, self.bits), 0]
        return sum(2 << (a + b) for a, b in pairwise(cuts))


def carry(pairs: Sequence[Pair]) -> Carried:
    """Return how the bits of pairs of sites, the lower first, are carried with least work found."""
    first, last = min(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
    step = max(1, (last - first) // _MEETINGS_MAX)
    options = [
        _carried({(a, b): min(max(m, a), b) for a, b in pairs}, first, last)
        for m in range(first, last + 1, step)
    ]
    return min(options, key=lambda option: option.work)


def _carried(meetings: Mapping[Pair, int], first: int, last: int) -> Carried:
    lowest: dict[int, int] = {}
    highest: dict[int, int] = {}
    for (a, b), site in meetings.items():
        highest[a] = max(highest.get(a, a), site)
        lowest[b] = min(lowest.get(b, b), site)
    bits: list[list[int]] = [[] for _ in range(last - first)]
    for site in sorted(lowest.keys() | highest.keys()):
        for cut in range(lowest.get(site, site), highest.get(site, site)):
            bits[cut - first].append(site)
    return Carried(meetings, tuple(map(tuple, bits)), first)


def site_operators(diagonals: Mapping[Pair, Complexes], carried: Carried) -> list[Complexes]:
    """Return the operator's tensors W[x, in, out] for every site, x the site's own bit.

    Args:
        diagonals: d[a, b] by pair of sites, the lower first.
        carried: How their bits travel.

    Returns:
        Tensors of shape (2, 2^bits to the left, 2^bits to the right); the operator is diagonal.
    """
    applied: dict[int, list[Pair]] = {}
    for pair, site in carried.meetings.items():
        applied.setdefault(site, []).append(pair)
    cuts = [(), *carried.bits, ()]
    return [
        _site_operator(
            carried.first + k,
            cuts[k],
            cuts[k + 1],
            {pair: diagonals[pair] for pair in applied.get(carried.first + k, ())},
        )
        for k in range(len(cuts) - 1)
    ]


def _site_operator(
    site: int,
    before: tuple[int, ...],
    after: tuple[int, ...],
    diagonals: Mapping[Pair, Complexes],
) -> Complexes:
    known = sorted({site, *before, *after})
    count = len(known)
    axis = {one: k for k, one in enumerate(known)}
    phases: Complexes = np.ones((2,) * count, dtype=np.complex128)
    for (a, b), diagonal in diagonals.items():
        shape = [1] * count
        shape[axis[a]] = shape[axis[b]] = 2
        phases *= diagonal.reshape(shape)
    states = np.arange(1 << count)

    def number(sites: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Return the number that the bits of `sites` form in every state."""
        out = np.zeros(1 << count, dtype=np.int64)
        for one in sites:
            out = out << 1 | (states >> (count - 1 - axis[one]) & 1)
        return out

    tensor = np.zeros((2, 1 << len(before), 1 << len(after)), dtype=np.complex128)
    tensor[number((site,)), number(before), number(after)] = phases.ravel()
    return tensor
