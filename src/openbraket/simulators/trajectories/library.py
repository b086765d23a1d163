"""Every operation that a trajectory of one part may need, in columns that the kernel reads."""

from typing import Final

import numpy as np

from openbraket.circuits.gates import GATES
from openbraket.circuits.noisy_parts import Part
from openbraket.circuits.steps import operations_of, unitary_step
from openbraket.simulators.powers import resolve_powers
from openbraket.simulators.statevector.state import StateVector
from openbraket.simulators.trajectories.sites import channel_of

# Factors 2^1 to 2^k that are there to bring a norm back to 1.
SCALES_MAX: Final = 60

Rows = tuple[int, ...]
# Before which step, rows that act there, and how many steps they replace.
Insertion = tuple[int, Rows, int]

_PAULI_CODES: Final = tuple(GATES[name].code for name in "xzy")  # by x + 2 z - 1


class Library:
    """The rows of a part: its steps, then Pauli operators, jumps and factors.

    Args:
        part: The part.

    Raises:
        NumericsError: If a power of a matrix that is not unitary is asked for.
    """

    def __init__(self, part: Part) -> None:
        self.qubit_count = len(part.qubits)
        self.step_count = len(part.steps)
        steps = list(part.steps)
        channels = {place: channel_of(noise) for place, noise in part.anchors.items()}
        for place, channel in channels.items():
            kept = tuple(map(tuple, channel.operators[0].tolist()))
            steps[place] = unitary_step(kept, steps[place].targets)
        operations = resolve_powers(operations_of(steps, range(self.qubit_count)))
        self._first_pauli = len(operations)
        for qubit in range(self.qubit_count):
            for code in _PAULI_CODES:
                operations.append(code, (qubit,))
        self._first_jumps: dict[int, int] = {}
        for place, channel in channels.items():
            self._first_jumps[place] = len(operations)
            for matrix in channel.operators[1:]:
                operations.append_unitary(matrix.tolist(), steps[place].targets)
        self._first_scale = len(operations)
        for k in range(1, SCALES_MAX + 1):
            operations.append_unitary(((2.0**k,),), ())
        self._operations = operations
        self._all = np.arange(len(operations), dtype=np.uint32)

    def pauli_rows(self, x: int, z: int) -> Rows:
        """Return the rows of a Pauli string: X or Y on the bits of x, Z or Y on those of z."""
        support, rows = x | z, []
        while support:
            qubit = (support & -support).bit_length() - 1
            rows.append(self._first_pauli + 3 * qubit + (x >> qubit & 1) + 2 * (z >> qubit & 1) - 1)
            support &= support - 1
        return tuple(rows)

    def jump_row(self, place: int, choice: int) -> int:
        """Return the row of operator `choice`, from 1, of the channel that is step `place`."""
        return self._first_jumps[place] + choice - 1

    def scale_row(self, exponent: int) -> int:
        """Return the row of a factor 2^exponent, 1 to `SCALES_MAX`."""
        return self._first_scale + exponent - 1

    def apply(self, state: StateVector, start: int, stop: int, insertions: list[Insertion]) -> int:
        """Apply steps with insertions between them.

        Args:
            state: Changed in place.
            start: First step.
            stop: The step before which to end.
            insertions: Ascending, none of them before `start` or after `stop`.

        Returns:
            The next step: `stop`, or one more where an insertion took that step's place.
        """
        pieces = [self._all[:0]]
        for place, rows, replaced in insertions:
            pieces.append(self._all[start:place])
            pieces.append(np.array(rows, dtype=np.uint32))
            start = max(start, place) + replaced
        pieces.append(self._all[start:stop])
        columns = self._operations
        state.kernel.apply_rows(
            columns.codes,
            columns.target_starts,
            columns.targets,
            columns.parameter_starts,
            columns.parameters,
            columns.control_counts,
            columns.control_values,
            np.concatenate(pieces),
            thread_count=state.thread_count,
        )
        return max(start, stop)
