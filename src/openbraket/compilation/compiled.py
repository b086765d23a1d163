"""The outcome of a compilation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openbraket.circuits.circuit import Circuit
from openbraket.circuits.gates import GATES_BY_CODE
from openbraket.circuits.steps import steps_of
from openbraket.compilation.natives import Native
from openbraket.compilation.source import write_source
from openbraket.compilation.target import Dialect, Target


@dataclass(frozen=True)
class Compiled:
    """A circuit in a device's native gates on its physical qubits.

    Rotations about z in front of a measurement, which it does not see, are left out.

    Attributes:
        circuit: The compiled circuit. `qubits` are the physical qubits that it uses, ascending;
            every operation is a native gate on one qubit or on a coupled pair; `measured` has the
            positions (in `qubits`) that give the program's measured bits, in the program's order.
            Observables of the program's result types are rotated to the computational basis
            already, so `result_types` is empty.
        initial_layout: Physical qubit of each program qubit (its index in the program) at the
            start.
        final_layout: The same at the end, where it is measured.
        starts_s: Start of each operation in seconds: as soon as its qubits are free.
        duration_s: End of the last operation in seconds, without the measurement.
        swap_count: Exchanges of two qubits that routing put in.
        fidelity: Product of the fidelities of all gates and of the readout of the measured qubits:
            an estimate for choosing, not a prediction; at least 1e-300.
        is_verbatim: Whether the program was taken as it is.
        dialect: Language of `source`.
    """

    circuit: Circuit
    initial_layout: Mapping[int, int]
    final_layout: Mapping[int, int]
    starts_s: tuple[float, ...]
    duration_s: float
    swap_count: int
    fidelity: float
    is_verbatim: bool
    dialect: Dialect

    @property
    def gate_counts(self) -> Mapping[str, int]:
        """Number of operations by name of the gate."""
        counts = Counter(self.circuit.operations.codes)
        return {GATES_BY_CODE[code].name: count for code, count in counts.items()}

    @property
    def two_qubit_count(self) -> int:
        """Number of two-qubit operations."""
        starts = self.circuit.operations.target_starts
        return sum(starts[k + 1] - starts[k] == 2 for k in range(len(starts) - 1))

    @property
    def depth(self) -> int:
        """Layers of operations when each runs as early as it can."""
        return self._depth(1)

    @property
    def two_qubit_depth(self) -> int:
        """Layers of two-qubit operations."""
        return self._depth(2)

    def _depth(self, target_count_min: int) -> int:
        levels = [0] * self.circuit.qubit_count
        for step in steps_of(self.circuit.operations):
            level = max(levels[t] for t in step.targets)
            for target in step.targets:
                levels[target] = level + (len(step.targets) >= target_count_min)
        return max(levels, default=0)

    @property
    def natives(self) -> list[Native]:
        """The operations by name, on physical qubits."""
        qubits = self.circuit.qubits
        return [
            Native(GATES_BY_CODE[s.code].name, tuple(qubits[t] for t in s.targets), s.parameters)
            for s in steps_of(self.circuit.operations)
        ]

    def final_rewiring(self, qubit_count: int = 0) -> list[int]:
        """Return the physical qubit of each program qubit from 0 on, as Rigetti's metadata has it.

        Args:
            qubit_count: Number of physical qubits. Those that hold no program qubit follow
                in ascending order.
        """
        used = [self.final_layout[q] for q in sorted(self.final_layout)]
        return used + [p for p in range(qubit_count) if p not in set(used)]

    def source(self) -> str:
        """Return the compiled program as the provider writes it.

        Returns:
            OpenQASM with one verbatim box on physical qubits, or Quil.
        """
        circuit = self.circuit
        barriers = [
            (index, tuple(circuit.qubits[t] for t in targets))
            for index, targets in circuit.barriers
        ]
        measured = [circuit.qubits[position] for position in circuit.measured]
        return write_source(self.natives, barriers, measured, self.dialect)


def schedule(
    gates: Sequence[Native], barriers: Sequence[tuple[int, tuple[int, ...]]], target: Target
) -> tuple[tuple[float, ...], float]:
    """Return the start of each gate, as early as its qubits are free, and the end of the last one.

    Args:
        gates: The gates.
        barriers: Index of the gate behind each barrier, and its qubits.
        target: The device, for the durations.

    Returns:
        Seconds.
    """
    free: dict[int, float] = {}
    waiting = list(reversed(barriers))
    starts = []
    for index, gate in enumerate(gates):
        while waiting and waiting[-1][0] <= index:
            qubits = waiting.pop()[1]
            ready = max(free.get(q, 0.0) for q in qubits)
            free.update(dict.fromkeys(qubits, ready))
        start = max(free.get(q, 0.0) for q in gate.qubits)
        starts.append(start)
        end = start + target.duration_of(gate.name, len(gate.qubits))
        free.update(dict.fromkeys(gate.qubits, end))
    return tuple(starts), max(free.values(), default=0.0)
