"""Programs with feedback, as circuits without: each measurement is kept in a qubit of its own.

A measurement copies its qubit's bit to a fresh qubit m by a CNOT, and nothing but controls acts on
m any more; the condition "if it read 1" is a control on m. By the principle of deferred measurement
the joint distribution of everything is the same. An error of readout is a classical channel on m,
before anything is conditioned on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Final

from openbraket.base.errors import ProgramError
from openbraket.circuits.circuit import Circuit, Noise, Operations
from openbraket.circuits.dynamic import FeedbackCircuit, FeedbackMeasurement
from openbraket.circuits.gates import GATES
from openbraket.compilation import compile_circuit
from openbraket.simulators.observables import joint_basis, rotations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openbraket.circuits.gates import Matrix
    from openbraket.compilation import Target
    from openbraket.devices.calibration import Calibration

# Qubits for measured bits are numbered from here, above every physical qubit.
CLASSICAL_START: Final = 1 << 30

_CNOT: Final = GATES["cnot"].code


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program with feedback in native gates.

    Attributes:
        program: The program on physical qubits.
        source: Its text, one verbatim box.
    """

    program: FeedbackCircuit
    source: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """A program without feedback that measures the same.

    Attributes:
        circuit: The circuit; `measured` names its program's bits.
        classical: Positions of qubits that hold measured bits.
    """

    circuit: Circuit
    classical: frozenset[int]


def lower_feedback(program: FeedbackCircuit, target: Target, *, keeps_qubits: bool) -> Lowered:
    """Bring a program with feedback to native gates on physical qubits.

    The program is placed as if it had no feedback; then each stretch between measurements and
    conditions is decomposed where it stands.

    Args:
        program: The program.
        target: The device.
        keeps_qubits: Whether to run on exactly the qubits that the program names.

    Returns:
        The lowered program; observables of its result types are rotated to the computational basis.

    Raises:
        ProgramError: If a gate acts on qubits that are not coupled in this place, the device lacks
            a qubit, or a gate in a verbatim box is not native.
        LimitError: If the program has more qubits than the device.
    """
    circuit = program.circuit
    placed = compile_circuit(circuit, target, is_rewiring_disabled=keeps_qubits)
    layout = [placed.initial_layout[qubit] for qubit in circuit.qubits]
    physical = tuple(sorted(layout))
    positions = [physical.index(qubit) for qubit in layout]
    operations = Operations()
    conditions: dict[int, int] = {}
    measurements: list[FeedbackMeasurement] = []
    pending = list(program.measurements)
    for start, stop in _stretches(program):
        while pending and pending[0].index <= start:
            measurement = pending.pop(0)
            measurements.append(FeedbackMeasurement(len(operations), positions[measurement.qubit]))
        part = _moved(circuit.operations, range(start, stop), positions)
        if start in program.conditions:
            conditions[len(operations)] = program.conditions[start]
        if start in program.conditions or any(a <= start < b for a, b in circuit.boxes):
            _append_all(operations, part)
        else:
            _lower(operations, part, physical, target)
    measurements += [
        FeedbackMeasurement(len(operations), positions[rest.qubit]) for rest in pending
    ]
    bases = joint_basis(circuit.result_types, circuit.qubit_count)
    last = rotations(bases)
    _lower(operations, _moved(last, range(len(last)), positions), physical, target)
    measured = circuit.measured or tuple(range(circuit.qubit_count))
    lowered = FeedbackCircuit(
        Circuit(physical, operations, measured=tuple(positions[m] for m in measured)),
        tuple(measurements),
        conditions,
    )
    return Lowered(lowered, feedback_source(lowered))


def defer(program: FeedbackCircuit, calibration: Calibration, *, is_noisy: bool) -> Deferred:
    """Return a circuit without feedback that measures the same.

    Args:
        program: A program in native gates on physical qubits.
        calibration: Figures of the readout.
        is_noisy: Whether readout errs.
    """
    circuit = program.circuit
    count = circuit.qubit_count
    operations = Operations()
    noise: list[Noise] = []
    pending = list(enumerate(program.measurements))

    def measure_until(index: int) -> None:
        while pending and pending[0][1].index <= index:
            number, measurement = pending.pop(0)
            operations.append(_CNOT, (measurement.qubit, count + number))
            if is_noisy:
                figures = calibration.qubits[circuit.qubits[measurement.qubit]]
                matrices = confusion(figures.error_0_to_1, figures.error_1_to_0)
                noise.append(Noise("kraus", (count + number,), (), matrices, len(operations)))

    source = circuit.operations
    for index in range(len(source)):
        measure_until(index)
        condition = program.conditions.get(index)
        _copy(operations, source, index, None if condition is None else count + condition)
    measure_until(len(source))
    operations.noise = noise
    classical = range(count, count + len(program.measurements))
    qubits = (*circuit.qubits, *(CLASSICAL_START + k for k in range(len(program.measurements))))
    measured = circuit.measured or tuple(range(count))
    return Deferred(Circuit(qubits, operations, measured=measured), frozenset(classical))


def confusion(error_0_to_1: float, error_1_to_0: float) -> tuple[Matrix, ...]:
    """Return Kraus operators that flip a bit with these probabilities and dephase it."""
    return (
        ((complex(sqrt(1 - error_0_to_1)), 0j), (0j, 0j)),
        ((0j, 0j), (complex(sqrt(error_0_to_1)), 0j)),
        ((0j, 0j), (0j, complex(sqrt(1 - error_1_to_0)))),
        ((0j, complex(sqrt(error_1_to_0))), (0j, 0j)),
    )


def feedback_source(program: FeedbackCircuit) -> str:
    """Return a lowered program as OpenQASM with one verbatim box."""
    circuit = program.circuit
    measured = circuit.measured
    lines = ["OPENQASM 3.0;", f"bit[{len(measured)}] c;", "#pragma braket verbatim", "box {"]
    pending = list(enumerate(program.measurements))

    def measure_until(index: int) -> None:
        while pending and pending[0][1].index <= index:
            number, measurement = pending.pop(0)
            lines.append(f"measure_ff({number}) ${circuit.qubits[measurement.qubit]};")

    operations = circuit.operations
    for index in range(len(operations)):
        measure_until(index)
        gate = operations.gate(index)
        name = "unitary" if gate is None else gate.name
        first, stop = operations.parameter_starts[index], operations.parameter_starts[index + 1]
        values = [repr(value) for value in operations.parameters[first:stop]]
        if index in program.conditions:
            name = f"cc_{name}"
            values.append(str(program.conditions[index]))
        first, stop = operations.target_starts[index], operations.target_starts[index + 1]
        targets = ", ".join(f"${circuit.qubits[t]}" for t in operations.targets[first:stop])
        arguments = f"({', '.join(values)})" if values else ""
        lines.append(f"{name}{arguments} {targets};")
    measure_until(len(operations))
    lines.append("}")
    lines += [f"c[{k}] = measure ${circuit.qubits[m]};" for k, m in enumerate(measured)]
    return "\n".join(lines) + "\n"


def _stretches(program: FeedbackCircuit) -> Iterator[tuple[int, int]]:
    """Yield ranges of operations: conditional ones alone, others up to a measurement or a box."""
    count = len(program.circuit.operations)
    cuts = {0, count, *(measurement.index for measurement in program.measurements)}
    cuts.update(program.conditions, (index + 1 for index in program.conditions))
    cuts.update(edge for box in program.circuit.boxes for edge in box)
    yield from pairwise(sorted(cuts))


def _lower(
    operations: Operations, part: Operations, physical: tuple[int, ...], target: Target
) -> None:
    """Decompose operations in place and append them.

    Raises:
        ProgramError: If qubits would have to be exchanged.
    """
    if not len(part):
        return
    try:
        compiled = compile_circuit(Circuit(physical, part), target, is_rewiring_disabled=True)
    except ProgramError as error:
        raise ProgramError(
            f"{error} Qubits of a program with measure_ff are not exchanged on the way; name "
            "coupled physical qubits in a verbatim box."
        ) from None
    places = {qubit: place for place, qubit in enumerate(physical)}
    positions = [places[qubit] for qubit in compiled.circuit.qubits]
    own = compiled.circuit.operations
    _append_all(operations, _moved(own, range(len(own)), positions))


def _moved(source: Operations, indices: range, positions: list[int]) -> Operations:
    """Return some operations on other positions."""
    moved = Operations()
    for index in indices:
        _copy(moved, source, index, None, positions)
    return moved


def _append_all(operations: Operations, part: Operations) -> None:
    for index in range(len(part)):
        _copy(operations, part, index, None)


def _copy(
    operations: Operations,
    source: Operations,
    index: int,
    control: int | None,
    positions: list[int] | None = None,
) -> None:
    """Append an operation of another list, on other positions or with one more control."""
    targets = list(source.targets[source.target_starts[index] : source.target_starts[index + 1]])
    if positions is not None:
        targets = [positions[target] for target in targets]
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
