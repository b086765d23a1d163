"""What a matrix product state will need, before it runs.

Every operator of rank r multiplies the bonds that it crosses by at most r; a bond is at most twice
its neighbours, and at most 2^k with k qubits on its smaller side. The prediction is therefore a
bound. Where singular values decay, as in a quantum Fourier transform, the bonds stay far below it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from openbraket.simulators.tensornetwork.diagonals import WIDTH_MAX
from openbraket.simulators.tensornetwork.placing import Placed

# Floating-point operations per cubed bond dimension of one decomposition, and how many a core does
# in a second; measured on bonds of 64 to 256.
DECOMPOSITION_FLOPS: Final = 80.0
FLOPS_PER_S: Final = 2.5e10
# Python's share of one operator.
OPERATOR_S: Final = 6e-5
COMPLEX_BYTES: Final = 16
# Copies of the two largest tensors that a decomposition holds beside the state.
_WORKING_COPIES: Final = 12


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a simulation will need at most.

    Attributes:
        width: Base-2 logarithm of the largest dimension: bond, or intermediate tensor.
        flops: Floating-point operations.
        memory_bytes: Memory.
        seconds: Duration on one core.
        bonds: Dimensions of all bonds at the end; empty for a contraction.
    """

    width: float
    flops: float
    memory_bytes: float
    seconds: float
    bonds: tuple[float, ...] = ()

    def __str__(self) -> str:
        """Return the numbers for a message."""
        return (
            f"width {self.width:.1f}, {self.flops:.3g} floating-point operations, "
            f"{self.memory_bytes:.3g} bytes"
        )


def predict(
    placed: Sequence[Placed], qubit_count: int, *, shots: int, max_bond: int | None = None
) -> Prediction:
    """Return what a matrix product state needs for operators and shots.

    Args:
        placed: The operators.
        qubit_count: Number of qubits.
        shots: Number of shots; 0 means values.
        max_bond: Where bonds are cut off; None means never.
    """
    # Bond c is between sites c - 1 and c; 2^300 is as good as infinite, and its cube a number.
    caps = [2.0 ** min(c, qubit_count - c, WIDTH_MAX) for c in range(qubit_count + 1)]
    if max_bond is not None:
        caps = [min(cap, float(max_bond)) for cap in caps]
    bonds = [1.0] * (qubit_count + 1)
    peak, work, memory = 1.0, 0.0, 0.0
    for operator in placed:
        first, last = operator.sites[0], operator.sites[-1]
        if first == last:
            continue
        for bond, rank in _ranks(operator):
            before = bonds[bond]
            bonds[bond] = min(before * rank, caps[bond])
            stretched = min(before * rank, 2 * caps[bond])
            work += stretched**2 * max(bonds[bond], bonds[bond - 1], bonds[bond + 1])
            memory = max(memory, stretched * max(bonds[bond - 1], bonds[bond + 1]))
        for bond in range(first + 1, last + 1):
            bonds[bond] = min(bonds[bond], 2 * bonds[bond - 1])
        for bond in range(last, first, -1):
            bonds[bond] = min(bonds[bond], 2 * bonds[bond + 1])
            peak = max(peak, bonds[bond])
    flops = DECOMPOSITION_FLOPS * work
    flops += 12.0 * shots * sum(a * b for a, b in pairwise(bonds))
    held = 2 * sum(a * b for a, b in pairwise(bonds))
    return Prediction(
        width=math.log2(peak),
        flops=flops,
        memory_bytes=COMPLEX_BYTES * (2 * held + 2 * _WORKING_COPIES * memory),
        seconds=flops / FLOPS_PER_S + OPERATOR_S * sum(len(one.sites) for one in placed),
        bonds=tuple(bonds[1:-1]),
    )


def _ranks(operator: Placed) -> list[tuple[int, float]]:
    """Return the bonds that an operator crosses, each with the factor that it grows by."""
    first, last = operator.sites[0], operator.sites[-1]
    if operator.tensors:
        shapes = [tensor.shape[2] for tensor in operator.tensors[:-1]]
        return [(first + 1 + k, float(shape)) for k, shape in enumerate(shapes)]
    if operator.factors is not None:
        return [(bond, float(len(operator.factors))) for bond in range(first + 1, last + 1)]
    own = sorted(operator.sites)
    count = len(own)
    ranks = []
    for bond in range(first + 1, last + 1):
        left = sum(site < bond for site in own)
        ranks.append((bond, 4.0 ** min(left, count - left)))
    return ranks
