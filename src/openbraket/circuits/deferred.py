"""Programs with feedback, as circuits without: each measurement is kept in a qubit of its own.

A measurement copies its qubit's bit to a fresh qubit m by a CNOT, and nothing but controls acts on
m any more; the condition "if it read 1" is a control on m. By the principle of deferred measurement
the joint distribution of everything is the same.
"""

from dataclasses import dataclass, replace
from typing import Final

from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.dynamic import FeedbackCircuit
from openbraket.circuits.gates import GATES

# Qubits for measured bits are numbered from here, above every physical qubit.
CLASSICAL_START: Final = 1 << 30

_CNOT: Final = GATES["cnot"].code


@dataclass(frozen=True, slots=True)
class Deferred:
    """A program without feedback that measures the same.

    Attributes:
        circuit: The circuit; `measured` names its program's bits.
        classical: Positions of the qubits that hold measured bits, in the order of measurements.
        copies: Index of the operation that copies each.
    """

    circuit: Circuit
    classical: tuple[int, ...]
    copies: tuple[int, ...]


def defer(program: FeedbackCircuit) -> Deferred:
    """Return a circuit without feedback that measures the same.

    Args:
        program: The program.

    Returns:
        The circuit, its barriers where they were; verbatim boxes are left out.
    """
    circuit = program.circuit
    count = circuit.qubit_count
    operations = Operations()
    copies: list[int] = []
    moved: list[int] = []  # new index of each operation

    def measure_until(index: int) -> None:
        while len(copies) < len(program.measurements):
            measurement = program.measurements[len(copies)]
            if measurement.index > index:
                return
            target = count + len(copies)
            copies.append(len(operations))
            operations.append(_CNOT, (measurement.qubit, target))

    source = circuit.operations
    for index in range(len(source)):
        measure_until(index)
        moved.append(len(operations))
        condition = program.conditions.get(index)
        _copy(operations, source, index, None if condition is None else count + condition)
    measure_until(len(source))
    moved.append(len(operations))
    qubits = (*circuit.qubits, *(CLASSICAL_START + k for k in range(len(copies))))
    deferred = replace(
        circuit,
        qubits=qubits,
        operations=operations,
        measured=circuit.measured or tuple(range(count)),
        boxes=(),
        barriers=tuple((moved[index], targets) for index, targets in circuit.barriers),
    )
    return Deferred(deferred, tuple(range(count, count + len(copies))), tuple(copies))


def _copy(operations: Operations, source: Operations, index: int, control: int | None) -> None:
    """Append an operation of another list, with one more control if there is one."""
    targets = list(source.targets[source.target_starts[index] : source.target_starts[index + 1]])
    count, value = source.control_counts[index], source.control_values[index]
    if control is not None:
        targets.insert(0, control)
        value |= 1 << count
        count += 1
    first, stop = source.parameter_starts[index], source.parameter_starts[index + 1]
    operations.append(
        source.codes[index],
        targets,
        source.parameters[first:stop],
        control_count=count,
        control_value=value,
        power=source.powers.get(index, 1.0),
    )
