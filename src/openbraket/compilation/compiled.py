"""The outcome of a compilation."""

from collections.abc import Mapping
from dataclasses import dataclass

from openbraket.circuits.circuit import Circuit
from openbraket.compilation.target import Dialect


@dataclass(frozen=True)
class Compiled:
    """A circuit in a device's native gates on its physical qubits.

    Attributes:
        circuit: The compiled circuit. `qubits` are the physical qubits that it uses, ascending;
            every operation is a native gate on one qubit or on a coupled pair; `measured` has the
            positions (in `qubits`) that give the program's measured bits, in the program's order.
            Observables of the program's result types are rotated to the computational basis
            already, so `result_types` is empty.
        initial_layout: Physical qubit of each program qubit (its index in the program) at the start.
        final_layout: The same at the end, where it is measured.
        starts_s: Start of each operation in seconds, as soon as its qubits are free.
        duration_s: End of the last operation in seconds; measurements not included.
        swap_count: Exchanges of two qubits that routing put in.
        fidelity: Product of the fidelities of the operations, an estimate for choosing; readout
            of the measured qubits included.
        is_verbatim: Whether the program was taken as it is.
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
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """Layers of operations."""
        raise NotImplementedError

    def source(self) -> str:
        """Return the compiled program as the provider writes it.

        OpenQASM with one verbatim box on physical qubits, or Quil.
        """
        raise NotImplementedError
