"""How circuits with noise are simulated, as far as their size decides it.

Admission and simulators both ask here, so what is admitted is what runs.
"""

from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.gates import GATES
from openbraket.circuits.reductions import (
    NOISY_REDUCED_QUBITS_MIN,
    REDUCED_QUBITS_MIN,
    is_reducible,
)

# Gates on three qubits that a density matrix takes as gates on one and two.
WRITTEN_OUT: frozenset[int] = frozenset({GATES["ccnot"].code, GATES["cswap"].code})
# Targets of an operation that a density matrix takes as a map of Pauli coefficients.
MAP_QUBITS_MAX = 2


def is_reduced(circuit: Circuit, *, shots: int) -> bool:
    """Return whether `circuits.reductions` is to look at a circuit before it is simulated."""
    least = NOISY_REDUCED_QUBITS_MIN if circuit.operations.noise else REDUCED_QUBITS_MIN
    return circuit.qubit_count >= least and is_reducible(circuit, shots=shots)


def wide_qubit_count(operations: Operations) -> int:
    """Return the targets of the largest operation that a density matrix takes as a matrix; or 0."""
    starts = operations.target_starts
    counts = (
        starts[k + 1] - starts[k]
        for k in range(len(operations))
        if starts[k + 1] - starts[k] > MAP_QUBITS_MAX and not is_written_out(operations, k)
    )
    return max(counts, default=0)


def is_written_out(operations: Operations, index: int) -> bool:
    """Return whether operation `index` is taken as several on one and two qubits."""
    return (
        operations.codes[index] in WRITTEN_OUT
        and not operations.control_counts[index]
        and index not in operations.powers
    )
