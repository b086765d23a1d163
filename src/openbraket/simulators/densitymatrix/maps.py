"""Noise channels as real matrices over Pauli coefficients, in columns for the kernel.

A channel E takes c_P = tr(P ρ) to Σ_Q R_PQ c_Q with R_PQ = tr(P E(Q)) / 2^k; the letters I, X, Y, Z
count 0 to 3, the first target is most significant.
"""

import itertools
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from openbraket.circuits.channels import kraus_operators, pauli_matrix
from openbraket.circuits.circuit import Noise
from openbraket.simulators.values import Complexes, Floats

# Entries of a map below this are rounding.
_ZERO_MAX: Final = 1e-15


class ChannelColumns(NamedTuple):
    """The arguments of the kernel's `apply` that describe channels, in its order.

    Attributes:
        indexes: Before which operation each channel acts.
        target_starts: `targets[target_starts[i]:target_starts[i + 1]]` are those of channel i.
        targets: Qubits.
        maps: Which map each channel is.
        map_starts: Where each map begins in `entries`, and the end.
        entries: Maps, row-major, one after the other.
    """

    indexes: "array[int]"
    target_starts: "array[int]"
    targets: "array[int]"
    maps: "array[int]"
    map_starts: "array[int]"
    entries: "array[float]"


def channel_columns(noise: Sequence[Noise]) -> ChannelColumns:
    """Return channels in columns.

    Args:
        noise: The channels, ascending by index; not modified.

    Cost: one map for each different channel, whatever its targets.
    """
    columns = ChannelColumns(
        array("I"), array("I", (0,)), array("I"), array("I"), array("I", (0,)), array("d")
    )
    known: dict[object, int] = {}
    for channel in noise:
        key = (channel.name, channel.probabilities, channel.matrices)
        number = known.get(key)
        if number is None:
            number = known[key] = len(known)
            columns.entries.frombytes(pauli_map(channel).tobytes())
            columns.map_starts.append(len(columns.entries))
        columns.indexes.append(channel.index)
        columns.targets.extend(channel.targets)
        columns.target_starts.append(len(columns.targets))
        columns.maps.append(number)
    return columns


def pauli_map(noise: Noise) -> Floats:
    """Return the map of a channel; its targets do not matter.

    Returns:
        R, shape (4^k, 4^k); its first row is (1, 0, 0, …) exactly, even where the operators
        preserve the trace within rounding only.
    """
    operators = np.array(kraus_operators(noise), dtype=np.complex128)
    count = operators.shape[1].bit_length() - 1
    basis = pauli_basis(count)
    images = np.einsum("aij,qjk,alk->qil", operators, basis, operators.conj(), optimize=True)
    found = np.einsum("pij,qji->pq", basis, images, optimize=True).real / (1 << count)
    found[0] = 0.0
    found[0, 0] = 1.0
    found[np.abs(found) < _ZERO_MAX] = 0.0
    return np.ascontiguousarray(found)


@lru_cache(maxsize=8)
def pauli_basis(qubit_count: int) -> Complexes:
    """Return all Pauli strings of some qubits as matrices, shape (4^k, 2^k, 2^k)."""
    strings = itertools.product("IXYZ", repeat=qubit_count)
    return np.array([pauli_matrix("".join(string)) for string in strings], dtype=np.complex128)
