"""The circuit: what every gate-model front end produces and every gate-model simulator reads.

Operations are kept as columns (structure of arrays, `array.array`), because a circuit of 100,000
gates is then built without an object per gate and handed to C++ without a copy.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from openbraket.circuits.gates import GATES_BY_CODE, UNITARY_CODE, Gate, Matrix
from openbraket.circuits.gradients import Jacobian

CONTROL_COUNT_MAX: Final = 63

ResultKind = Literal[
    "expectation",
    "variance",
    "sample",
    "probability",
    "amplitude",
    "state_vector",
    "density_matrix",
    "adjoint_gradient",
]
ObservableName = Literal["x", "y", "z", "h", "i", "hermitian"]


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a tensor-product observable.

    Attributes:
        name: `x`, `y`, `z`, `h`, `i` or `hermitian`.
        targets: Qubits that the factor acts on, most significant first; empty means "each qubit
            in turn" (`expectation x all`).
        matrix: The matrix of a `hermitian` factor, shape (2^len(targets),) * 2; else None.
    """

    name: ObservableName
    targets: tuple[int, ...]
    matrix: Matrix | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a weighted sum of observables.

    Attributes:
        weight: Its factor, finite.
        observable: Factors of the tensor product, all with targets.
        weight_text: The absolute value of the factor as the program writes it.
    """

    weight: float
    observable: tuple[Factor, ...]
    weight_text: str = "1"


@dataclass(frozen=True, slots=True)
class ResultType:
    """One requested result.

    Attributes:
        kind: Which quantity.
        observable: Factors of the observable, for expectation, variance and sample.
        targets: Qubits of probability and density_matrix; None means all.
        states: Basis states of amplitude, as bit strings.
        terms: The sum of observables of adjoint_gradient.
        parameters: Input variables that adjoint_gradient differentiates by.
    """

    kind: ResultKind
    observable: tuple[Factor, ...] = ()
    targets: tuple[int, ...] | None = None
    states: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    parameters: tuple[str, ...] = ()

    @property
    def factors(self) -> tuple[Factor, ...]:
        """All factors of the observable, or of the terms."""
        return self.observable + tuple(f for term in self.terms for f in term.observable)


@dataclass(frozen=True, slots=True)
class Noise:
    """One noise channel between operations.

    Attributes:
        name: The channel as in its pragma, for example `bit_flip`, or `kraus`.
        targets: Qubits that it acts on.
        probabilities: Its parameters in the pragma's order; empty for `kraus`.
        matrices: Kraus operators of `kraus`, each of shape (2^len(targets),) * 2.
        index: It acts before operation `index` and after those in front; several with one index
            act in the order of the list.
    """

    name: str
    targets: tuple[int, ...]
    probabilities: tuple[float, ...]
    matrices: tuple[Matrix, ...]
    index: int


@dataclass(slots=True)
class Operations:
    """A list of operations in columns; all columns have one entry per operation unless said.

    Attributes:
        codes: Gate codes of `circuits.gates`, or `UNITARY_CODE`. Type uint16.
        target_starts: `targets[target_starts[i]:target_starts[i + 1]]` are the qubits of operation
            i, its controls first; one entry more than operations. Type uint32.
        targets: Qubits of all operations, one after the other. Type uint32.
        parameter_starts: As `target_starts`, for `parameters`. Type uint32.
        parameters: Angles in radians; for `UNITARY_CODE` the row-major matrix with real and
            imaginary parts in turn. Type float64.
        control_counts: How many of the leading targets are controls added by `ctrl @` or
            `negctrl @` (a `cnot` counts none). Type uint8.
        control_values: The value each control must have, first control most significant. uint64.
        powers: Exponents other than 1 by operation index (`pow(k) @`, `inv @` is -1).
        noise: Noise channels between the operations, ascending by index.
    """

    codes: "array[int]" = field(default_factory=lambda: array("H"))
    target_starts: "array[int]" = field(default_factory=lambda: array("I", (0,)))
    targets: "array[int]" = field(default_factory=lambda: array("I"))
    parameter_starts: "array[int]" = field(default_factory=lambda: array("I", (0,)))
    parameters: "array[float]" = field(default_factory=lambda: array("d"))
    control_counts: "array[int]" = field(default_factory=lambda: array("B"))
    control_values: "array[int]" = field(default_factory=lambda: array("Q"))
    powers: dict[int, float] = field(default_factory=dict)
    noise: list[Noise] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.codes)

    def append(
        self,
        code: int,
        targets: Iterable[int],
        parameters: Iterable[float] = (),
        *,
        control_count: int = 0,
        control_value: int = 0,
        power: float = 1.0,
    ) -> None:
        """Append one operation; arities are the caller's to check.

        Args:
            code: Gate code, or `UNITARY_CODE`.
            targets: Qubits, controls first.
            parameters: Angles in radians, or the interleaved matrix of a unitary.
            control_count: How many leading targets are added controls, at most 63.
            control_value: The bits that the controls must have, first control most significant.
            power: Exponent of the gate, before controls apply.
        """
        if power != 1.0:
            self.powers[len(self.codes)] = power
        self.codes.append(code)
        self.targets.extend(targets)
        self.target_starts.append(len(self.targets))
        self.parameters.extend(parameters)
        self.parameter_starts.append(len(self.parameters))
        self.control_counts.append(control_count)
        self.control_values.append(control_value)

    def append_unitary(self, matrix: Sequence[Sequence[complex]], targets: Iterable[int]) -> None:
        """Append an operation given by its unitary, shape (2^len(targets),) * 2."""
        flat = (part for row in matrix for x in row for part in (x.real, x.imag))
        self.append(UNITARY_CODE, targets, flat)

    def gate(self, index: int) -> Gate | None:
        """Return the table row of operation `index`, or None for a unitary."""
        code = self.codes[index]
        return None if code == UNITARY_CODE else GATES_BY_CODE[code]


@dataclass(slots=True)
class Circuit:
    """A gate-model program after all classical work is done.

    Qubits in `operations`, `result_types` and `measured` are *positions* 0 to qubit_count - 1;
    position 0 is the most significant bit of a basis state. `qubits` gives each position's index
    in the program, ascending, so that a program on qubits 2 and 5 has two positions.

    Attributes:
        qubits: Program index of each position, ascending.
        operations: The gates, in order.
        result_types: Requested results, in order; empty where the program measures.
        measured: Positions in the order of the measured bits; empty where nothing is measured
            explicitly, which means all.
        jacobian: Derivatives of the operations' parameters by the program's input variables; None
            where no gradient is asked for.
        boxes: Verbatim boxes, as ranges of operations from the first to behind the last;
            ascending. They matter to compilation alone, as do barriers.
        barriers: Index of the operation behind each barrier, and the positions that it is on;
            ascending by index.
    """

    qubits: tuple[int, ...]
    operations: Operations
    result_types: tuple[ResultType, ...] = ()
    measured: tuple[int, ...] = ()
    jacobian: Jacobian | None = None
    boxes: tuple[tuple[int, int], ...] = ()
    barriers: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @property
    def qubit_count(self) -> int:
        """Number of qubits that the circuit touches."""
        return len(self.qubits)
