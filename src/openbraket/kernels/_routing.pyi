"""Placement and routing of two-qubit blocks on a coupling graph; one module for all processors.

Blocks come as columns: `qubits` and `groups` have two entries per block, its program qubits and its
group on each of them. On one qubit, blocks of a group commute and those of the next wait for all of
them; groups are numbered from 0 along each qubit. `costs` has the native gates that a block needs,
`exchanged_costs` those of the block together with an exchange of its qubits.
"""

import numpy as np
from numpy.typing import NDArray

def route_blocks(
    physical_count: int,
    pairs: NDArray[np.uint32],
    weights: NDArray[np.float64],
    logical_count: int,
    qubits: NDArray[np.uint32],
    groups: NDArray[np.uint32],
    costs: NDArray[np.float64],
    exchanged_costs: NDArray[np.float64],
    layout: NDArray[np.int32],
    *,
    trial_count: int,
    round_count: int,
    thread_count: int,
    seed: int,
) -> tuple[float, list[int], list[int]]:
    """Return the cheapest routing found.

    Args:
        physical_count: Number of physical qubits, which the couplings connect.
        pairs: Couplings, two entries each.
        weights: What one native gate costs on each coupling.
        logical_count: Number of program qubits, at most `physical_count`.
        qubits: As above.
        groups: As above.
        costs: As above.
        exchanged_costs: As above.
        layout: Physical qubit of each program qubit at the start; empty to choose it.
        trial_count: Searches, each from another layout where it is chosen.
        round_count: Refinements of each of the best layouts.
        thread_count: Threads; the outcome does not depend on it.
        seed: Of the random choices.

    Returns:
        The cost, the layout at the start, and the events in order of time, three entries each: a
        block's index or -1 for an exchange, and its two physical qubits.

    Raises:
        ValueError: If the columns do not fit together or the couplings do not connect the qubits.

    Cost:
        For each search about 10 µs per block and exchange.
    """

def embed_blocks(
    physical_count: int,
    pairs: NDArray[np.uint32],
    weights: NDArray[np.float64],
    logical_count: int,
    qubits: NDArray[np.uint32],
    groups: NDArray[np.uint32],
    costs: NDArray[np.float64],
    qubit_costs: NDArray[np.float64],
    *,
    step_count_max: int,
) -> list[int]:
    """Return the cheapest layout found in which every block is on a coupling.

    Args:
        physical_count: As in `route_blocks`, and so the other columns.
        pairs: Couplings.
        weights: Costs of couplings.
        logical_count: Number of program qubits.
        qubits: Qubits of the blocks.
        groups: Groups of the blocks.
        costs: Native gates of the blocks.
        qubit_costs: What using each physical qubit costs.
        step_count_max: Steps after which the search ends.

    Returns:
        Physical qubit of each program qubit; empty where none was found.

    Raises:
        ValueError: As in `route_blocks`.
    """
