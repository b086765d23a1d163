"""Collects operations by program qubit and lowers them to the columns of a circuit."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, repeat
from typing import Final, NamedTuple

from openbraket.base.errors import LimitError
from openbraket.circuits.circuit import Noise, Operations
from openbraket.circuits.gates import GATES_BY_CODE, UNITARY_CODE, Matrix
from openbraket.programs.limits import OPERATIONS_MAX
from openbraket.programs.openqasm.formulas import DependsOnInputsError, Formula

_TARGET_COUNTS: Final = (*(gate.qubit_count for gate in GATES_BY_CODE), 0)
_PARAMETER_COUNTS: Final = (*(gate.parameter_count for gate in GATES_BY_CODE), 0)
NOISE_OPERATIONS: Final = 4  # what a noise channel counts as


@dataclass(slots=True)
class _Special:
    """What the gate table does not say about one operation."""

    target_count: int
    parameter_count: int
    control_count: int = 0
    control_value: int = 0
    power: float = 1.0


class Cut(NamedTuple):
    """A place between operations: how many entries of each column are before it."""

    operation: int
    noise: int
    target: int
    parameter: int


START: Final = Cut(0, 0, 0, 0)


@dataclass(slots=True)
class OperationBuilder:
    """Operations in the order of the program, on program qubits.

    The columns are plain lists, which the fast path extends directly; operations that the gate
    table does not describe completely have an entry in `specials`.

    Attributes:
        codes: Gate codes.
        targets: Qubits of all operations, controls first.
        parameters: Parameters of all operations.
        noise: Noise channels on program qubits.
        boxes: Verbatim boxes: index of the first operation, and of the one behind the last.
        barriers: Index of the operation behind each barrier, and its qubits; None means all.
        charged: Work done that left no operation, for `OPERATIONS_MAX`.
        formulas: After `build`, the formulas among the parameters of the last segment by index.
    """

    codes: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    parameters: list[float] = field(default_factory=list)
    noise: list[Noise] = field(default_factory=list)
    boxes: list[tuple[int, int]] = field(default_factory=list)
    barriers: list[tuple[int, tuple[int, ...] | None]] = field(default_factory=list)
    charged: int = 0
    formulas: dict[int, Formula] = field(default_factory=dict)
    _specials: dict[int, _Special] = field(default_factory=dict)

    def charge(self, count: int) -> None:
        """Count work against `OPERATIONS_MAX` before it is done.

        Raises:
            LimitError: If the program does more than the limit.
        """
        self.charged += count
        if self.charged + len(self.codes) > OPERATIONS_MAX:
            message = f"The program has more than the limit of {OPERATIONS_MAX} operations."
            raise LimitError(message)

    def append(
        self,
        code: int,
        targets: Sequence[int],
        parameters: Sequence[float],
        *,
        control_count: int = 0,
        control_value: int = 0,
        power: float = 1.0,
    ) -> None:
        """Append one operation; arguments as in `Operations.append`."""
        if control_count or power != 1.0 or code == UNITARY_CODE:
            self._specials[len(self.codes)] = _Special(
                len(targets), len(parameters), control_count, control_value, power
            )
        self.codes.append(code)
        self.targets.extend(targets)
        self.parameters.extend(parameters)

    def extend(
        self, code: int, qubits: Sequence[int], parameters: Sequence[float], *, power: float
    ) -> None:
        """Append one operation on each of several qubits; arguments as in `append`."""
        count, first = len(qubits), len(self.codes)
        if power != 1.0:
            for index in range(first, first + count):
                self._specials[index] = _Special(1, len(parameters), power=power)
        self.codes.extend(repeat(code, count))
        self.targets.extend(qubits)
        if parameters:
            self.parameters.extend(tuple(parameters) * count)

    def append_unitary(self, matrix: Matrix, targets: Sequence[int]) -> None:
        """Append an operation given by its matrix, shape (2^len(targets),) * 2."""
        flat = [part for row in matrix for x in row for part in (x.real, x.imag)]
        self.append(UNITARY_CODE, targets, flat)

    def bar(self, qubits: tuple[int, ...] | None) -> None:
        """Put a barrier behind the last operation.

        Args:
            qubits: Its qubits; None means all.
        """
        self.charge(1)
        self.barriers.append((len(self.codes), qubits))

    def barriers_on(self, positions: Mapping[int, int]) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """Return the barriers on positions; qubits that have none are left out."""
        out = []
        for index, qubits in self.barriers:
            named = positions if qubits is None else qubits
            on = tuple(sorted(positions[qubit] for qubit in named if qubit in positions))
            if on:
                out.append((index, on))
        return tuple(out)

    def append_noise(
        self,
        name: str,
        targets: tuple[int, ...],
        probabilities: tuple[float, ...],
        matrices: tuple[Matrix, ...] = (),
    ) -> None:
        """Append a noise channel, which counts as `NOISE_OPERATIONS`; arguments as in `Noise`."""
        self.charge(NOISE_OPERATIONS)
        self.noise.append(Noise(name, targets, probabilities, matrices, len(self.codes)))

    def cut(self) -> Cut:
        """Return the place behind the last operation."""
        return Cut(len(self.codes), len(self.noise), len(self.targets), len(self.parameters))

    def build(
        self, qubits: Sequence[int], start: Cut = START, stop: Cut | None = None
    ) -> Operations:
        """Return columns on positions instead of program qubits.

        Args:
            qubits: Program qubits of the circuit, ascending; each target is one of them.
            start: Where to begin.
            stop: Where to end; None means the end.

        Returns:
            The operations between.

        Cost:
            Linear in their number.
        """
        if stop is None:
            stop = self.cut()
        first, last = start.operation, stop.operation
        codes = self.codes[first:last]
        target_counts = list(map(_TARGET_COUNTS.__getitem__, codes))
        parameter_counts = list(map(_PARAMETER_COUNTS.__getitem__, codes))
        control_counts = array("B", bytes(last - first))
        control_values = array("Q", bytes(8 * (last - first)))
        powers = {}
        for index, special in self._specials_between(first, last):
            target_counts[index] = special.target_count
            parameter_counts[index] = special.parameter_count
            control_counts[index] = special.control_count
            control_values[index] = special.control_value
            if special.power != 1.0:
                powers[index] = special.power
        targets = self.targets[start.target : stop.target]
        positions: Mapping[int, int] = {}
        if qubits and qubits[-1] != len(qubits) - 1:
            positions = {qubit: position for position, qubit in enumerate(qubits)}
            targets = list(map(positions.__getitem__, targets))
        return Operations(
            codes=array("H", codes),
            target_starts=array("I", accumulate(target_counts, initial=0)),
            targets=array("I", targets),
            parameter_starts=array("I", accumulate(parameter_counts, initial=0)),
            parameters=self._build_parameters(start.parameter, stop.parameter),
            control_counts=control_counts,
            control_values=control_values,
            powers=powers,
            noise=[
                replace(
                    channel,
                    index=channel.index - first,
                    targets=tuple(positions.get(q, q) for q in channel.targets),
                )
                for channel in self.noise[start.noise : stop.noise]
            ],
        )

    def _specials_between(self, first: int, last: int) -> Iterator[tuple[int, _Special]]:
        """Give the specials of some operations, indices from the first of them."""
        specials = self._specials
        if last - first < len(specials):
            for index in range(first, last):
                special = specials.get(index)
                if special is not None:
                    yield index - first, special
            return
        for index, special in specials.items():
            if first <= index < last:
                yield index - first, special

    def _build_parameters(self, start: int, stop: int) -> "array[float]":
        values = self.parameters[start:stop]
        try:
            return array("d", values)
        except DependsOnInputsError:
            mixed: list[object] = list(values)
        self.formulas = {
            index: value for index, value in enumerate(mixed) if isinstance(value, Formula)
        }
        return array("d", [0.0 if isinstance(v, Formula) else v for v in values])
