"""One density matrix and what a simulation asks of it."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import LimitError
from openbraket.circuits.circuit import Factor, Operations
from openbraket.kernels import Monitor, PauliState
from openbraket.simulators.densitymatrix.maps import channel_columns, pauli_basis
from openbraket.simulators.densitymatrix.wide import Segment, apply_matrix, segments_of
from openbraket.simulators.observables import basis_of
from openbraket.simulators.powers import resolve_powers
from openbraket.simulators.progress import reporting
from openbraket.simulators.sampling import bit_columns
from openbraket.simulators.values import Complexes, Floats

# Smaller states are done before anybody could read their progress.
REPORT_QUBITS_MIN: Final = 11
# A density matrix of 12 qubits has 256 MiB.
DENSITY_QUBITS_MAX: Final = 12
_LETTERS: Final = "ixyz"


class DensityMatrix:
    """ρ = 2^-n Σ_P c_P P over all Pauli strings P, with real coefficients c_P = tr(P ρ).

    Real numbers take half the memory of ρ; a channel on one qubit with the rotations around it is
    one real 4x4 matrix, a Clifford gate moves coefficients and turns signs, and the expectation of
    a Pauli string is a coefficient.

    Args:
        qubit_count: n, 1 to 20. Memory is 8 bytes times 4^n, at least 32 KiB.
        thread_count: Threads for every operation on the state, at least 1.
    """

    def __init__(self, qubit_count: int, *, thread_count: int = 1) -> None:
        self._kernel = PauliState(qubit_count)
        self._thread_count = thread_count

    @property
    def qubit_count(self) -> int:
        """Number of qubits."""
        return self._kernel.qubit_count

    @property
    def coefficients(self) -> Floats:
        """The coefficients themselves, one axis of I, X, Y, Z for each qubit; shape (4,) * n."""
        return self._kernel.coefficients().reshape((4,) * self.qubit_count)

    def apply(
        self, operations: Operations, *, report: Callable[[float], None] | None = None
    ) -> None:
        """Apply operations and the noise channels between them in order, in place.

        Args:
            operations: Qubits are 0 to n - 1; not modified.
            report: Called now and then, from another thread, with the share that is done.

        Raises:
            NumericsError: If a power of a matrix that is not unitary is asked for.
        """
        segments = segments_of(resolve_powers(operations), operations.noise)
        for number, segment in enumerate(segments):
            start, share = number / len(segments), 1 / len(segments)
            self._apply_segment(segment, None if report is None else _scaled(report, start, share))

    def _apply_segment(self, segment: Segment, report: Callable[[float], None] | None) -> None:
        if segment.matrix is not None:
            apply_matrix(self.coefficients, segment.matrix, segment.targets)
            return
        plain, monitor = segment.operations, Monitor()
        columns = channel_columns(plain.noise)
        with reporting(monitor, report if self.qubit_count >= REPORT_QUBITS_MIN else None):
            self._kernel.apply(
                plain.codes,
                plain.target_starts,
                plain.targets,
                plain.parameter_starts,
                plain.parameters,
                plain.control_counts,
                plain.control_values,
                *columns,
                thread_count=self._thread_count,
                monitor=monitor,
            )

    def probabilities(self, qubits: Sequence[int]) -> Floats:
        """Return the distribution of `qubits`, the first most significant; shape (2^k,).

        p(x) = 2^-k Σ_s (-1)^{s·x} c_s over the 2^k strings s of I and Z on these qubits.
        """
        found = self._restricted(qubits, slice(None, None, 3))
        for axis in range(len(qubits)):
            identity, z = np.take(found, [0], axis=axis), np.take(found, [1], axis=axis)
            found = np.concatenate([identity + z, identity - z], axis=axis)
        flat = found.reshape(-1) / (1 << len(qubits))
        return np.asarray(np.maximum(flat, 0.0), dtype=np.float64)

    def density_matrix(self, qubits: Sequence[int]) -> Complexes:
        """Return the reduced density matrix of `qubits`, the first most significant.

        Raises:
            LimitError: If they are more than `DENSITY_QUBITS_MAX`.
        """
        if len(qubits) > DENSITY_QUBITS_MAX:
            message = (
                f"density_matrix of {len(qubits)} qubits; at most {DENSITY_QUBITS_MAX} are allowed"
            )
            raise LimitError(message)
        found: Complexes = self._restricted(qubits, slice(None)).astype(np.complex128)
        basis = pauli_basis(1) / 2
        for _ in qubits:
            # The first axis of letters becomes a row and a column at the end.
            found = np.tensordot(found, basis, axes=(0, 0))
        count = len(qubits)
        axes = [2 * k for k in range(count)] + [2 * k + 1 for k in range(count)]
        return np.ascontiguousarray(found.transpose(axes).reshape(1 << count, 1 << count))

    def _restricted(self, qubits: Sequence[int], letters: slice) -> Floats:
        """Return a view of the coefficients with letters on `qubits` only, axes in their order."""
        wanted = set(qubits)
        where = tuple(letters if q in wanted else 0 for q in range(self.qubit_count))
        ascending = sorted(wanted)
        view: Floats = self.coefficients[where]
        return view.transpose([ascending.index(qubit) for qubit in qubits])

    def moments(self, observable: Sequence[Factor]) -> tuple[float, float]:
        """Return mean and variance of a tensor product of factors with targets."""
        mean = self._mean([(f.targets, _coefficients(basis_of(f).matrix)) for f in observable])
        if all(factor.matrix is None for factor in observable):
            is_trivial = all(factor.name == "i" for factor in observable)
            return mean, 0.0 if is_trivial else max(0.0, 1.0 - mean * mean)
        matrices = [(factor.targets, basis_of(factor).matrix) for factor in observable]
        square = self._mean([(targets, _coefficients(m @ m)) for targets, m in matrices])
        return mean, max(0.0, square - mean * mean)

    def _mean(self, factors: Sequence[tuple[tuple[int, ...], Floats]]) -> float:
        """Return Σ_P Π_f v_f(P_f) c_P for vectors v_f over the strings on each factor's targets."""
        used = {qubit for targets, _ in factors for qubit in targets}
        where = tuple(slice(None) if q in used else 0 for q in range(self.qubit_count))
        rest: Floats = self.coefficients[where]
        axes = sorted(used)
        # The factors of most letters come last, when little is left to add up.
        for targets, vector in sorted(factors, key=lambda factor: np.count_nonzero(factor[1])):
            moved = rest.transpose(
                [axes.index(q) for q in targets]
                + [k for k, q in enumerate(axes) if q not in targets]
            )
            total: Floats | float = 0.0
            for index in np.flatnonzero(vector).tolist():
                letters = np.unravel_index(index, (4,) * len(targets))
                total = total + vector[index] * moved[letters]
            rest = np.asarray(total)
            axes = [q for q in axes if q not in targets]
        return float(rest)

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Return measured bits of all qubits in independent shots, shape (qubit_count, shots)."""
        distribution = self.probabilities(range(self.qubit_count))
        counts = generator.multinomial(shots, distribution / math.fsum(distribution))
        states = np.repeat(np.arange(distribution.size, dtype=np.uint64), counts)
        generator.shuffle(states)
        return bit_columns(states, self.qubit_count)


def _coefficients(matrix: Complexes) -> Floats:
    """Return v with matrix = Σ_P v_P P; shape (4^k,)."""
    count = matrix.shape[0].bit_length() - 1
    vector = np.einsum("pij,ji->p", pauli_basis(count), matrix).real / (1 << count)
    vector[np.abs(vector) < np.finfo(np.float64).eps * np.abs(vector).max(initial=0.0)] = 0.0
    return np.asarray(vector, dtype=np.float64)


def _scaled(report: Callable[[float], None], start: float, share: float) -> Callable[[float], None]:
    return lambda fraction: report(start + share * fraction)
