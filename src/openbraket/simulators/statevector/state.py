"""One state vector and what a simulation asks of it."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.circuit import Operations
from openbraket.kernels import Monitor, collapse, copy_state
from openbraket.kernels import StateVector as Kernel
from openbraket.kernels import StateVectorSingle as KernelSingle
from openbraket.simulators.powers import resolve_powers
from openbraket.simulators.progress import reporting

PauliString = tuple[str, tuple[int, ...]]

# Smaller states are done before anybody could read their progress.
REPORT_QUBITS_MIN: Final = 18


class StateVector:
    """|ψ> = Σ ψ_x |x> over 2^n basis states x; qubit 0 is the most significant bit of x.

    Args:
        qubit_count: n, 1 to 40. Memory is 16 bytes times 2^n.
        thread_count: Threads for every operation on the state, at least 1.
        is_single: Whether amplitudes are kept in single precision, 8 bytes instead of 16.
    """

    def __init__(self, qubit_count: int, *, thread_count: int = 1, is_single: bool = False) -> None:
        self._kernel = KernelSingle(qubit_count) if is_single else Kernel(qubit_count)
        self._thread_count = thread_count

    @property
    def qubit_count(self) -> int:
        """Number of qubits."""
        return self._kernel.qubit_count

    @property
    def kernel(self) -> Kernel:
        """The amplitudes, for passes over several states."""
        return self._kernel

    @property
    def thread_count(self) -> int:
        """Threads for every operation on the state."""
        return self._thread_count

    def apply(
        self, operations: Operations, *, report: Callable[[float], None] | None = None
    ) -> None:
        """Apply operations in order, in place.

        Args:
            operations: Qubits are 0 to n - 1; not modified.
            report: Called now and then, from another thread, with the share that is done.
        """
        if not operations.codes:
            return
        if report is None or self.qubit_count < REPORT_QUBITS_MIN:
            self._apply(resolve_powers(operations), None)
            return
        monitor = Monitor()
        with reporting(monitor, report):
            self._apply(resolve_powers(operations), monitor)

    def _apply(self, plain: Operations, monitor: Monitor | None) -> None:
        self._kernel.apply(
            plain.codes,
            plain.target_starts,
            plain.targets,
            plain.parameter_starts,
            plain.parameters,
            plain.control_counts,
            plain.control_values,
            thread_count=self._thread_count,
            monitor=monitor,
        )

    def amplitude(self, state: int) -> complex:
        """Return ψ_x of basis state `state`."""
        return self._kernel.amplitude(state)

    def amplitudes(self) -> NDArray[np.complex128]:
        """Return a copy of all amplitudes, shape (2^n,)."""
        amplitudes = self._kernel.amplitudes(thread_count=self._thread_count)
        return amplitudes.astype(np.complex128, copy=False)

    def probabilities(self, qubits: Sequence[int]) -> NDArray[np.float64]:
        """Return the distribution of `qubits`, the first most significant; shape (2^k,).

        Cost: one pass over the state.
        """
        return self._kernel.probabilities(list(qubits), thread_count=self._thread_count)

    def pauli_expectations(self, strings: Sequence[PauliString]) -> NDArray[np.float64]:
        """Return <ψ|P|ψ> of every Pauli string P; shape (len(strings),).

        Args:
            strings: Letters i, x, y, z, and their qubits.

        Cost: one pass over the state, without a copy, for all strings that have x or y on the same
            qubits, so one for any number of products of z.
        """
        return self._kernel.pauli_expectations(strings, thread_count=self._thread_count)

    def density_matrix(self, qubits: Sequence[int]) -> NDArray[np.complex128]:
        """Return the reduced density matrix of at most 8 qubits, the first most significant.

        Cost: one pass over the state with 2^k products per amplitude.
        """
        return self._kernel.density_matrix(list(qubits), thread_count=self._thread_count)

    def collapse(self, qubit: int, outcome: int, probability: float, *, is_reset: bool) -> None:
        """Project onto an outcome of measuring a qubit, and normalise.

        Args:
            qubit: The qubit.
            outcome: 0 or 1.
            probability: Of that outcome, as a share of the squared norm: more than 0.
            is_reset: Whether the qubit is |0> afterwards, whatever the outcome.

        Raises:
            ValueError: If the qubit does not exist or the outcome cannot occur.

        Cost: one pass over the state.
        """
        collapse(
            self._kernel,
            qubit,
            bool(outcome),
            probability,
            is_reset=is_reset,
            thread_count=self._thread_count,
        )

    def copy_from(self, other: "StateVector") -> None:
        """Become equal to another state of as many qubits."""
        copy_state(self._kernel, other.kernel, thread_count=self._thread_count)

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint64]:
        """Return `shots` independent basis states, drawn from |ψ_x|².

        Cost: one pass over the state, and one over the parts of it that draws fall on.
        """
        draws = generator.random(shots)
        draws.sort()
        states = self._kernel.sample(draws, thread_count=self._thread_count)
        generator.shuffle(states)
        return states
