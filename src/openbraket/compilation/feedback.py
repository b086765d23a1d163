"""Compile a program with feedback: measurements and conditional gates keep their order.

A rotation about z waits through both: it commutes with a measurement of its qubit, and

    PRX(θ, φ) Rz(α) = Rz(α) PRX(θ, φ - α)

holds whether or not a condition lets the gate act, with the identity in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from openbraket.base.errors import ProgramError
from openbraket.circuits.dynamic import FeedbackCircuit, FeedbackMeasurement
from openbraket.circuits.gates import GATES_BY_CODE, UNITARY_CODE
from openbraket.compilation.compiled import Compiled
from openbraket.compilation.compiler import compile_visited
from openbraket.compilation.natives import Emitter, Native, wrapped
from openbraket.compilation.source import write_feedback_source
from openbraket.compilation.target import Target

_CONDITIONAL = "prx"


@dataclass(frozen=True, slots=True)
class CompiledFeedback:
    """A program with feedback in a device's native gates on its physical qubits.

    Attributes:
        compiled: As of a program without feedback; its conditional gates are in it as if they were
            not, its measurements for feedback are not.
        program: The compiled circuit with its measurements and conditions.
    """

    compiled: Compiled
    program: FeedbackCircuit

    def source(self) -> str:
        """Return the compiled program as OpenQASM with one verbatim box."""
        circuit = self.program.circuit
        return write_feedback_source(
            self.compiled.natives,
            [(index, tuple(circuit.qubits[t] for t in on)) for index, on in circuit.barriers],
            [circuit.qubits[position] for position in circuit.measured],
            [(m.index, circuit.qubits[m.qubit]) for m in self.program.measurements],
            self.program.conditions,
        )


class _Writer:
    """Puts measurements and conditional gates where they stand in the program."""

    def __init__(self, program: FeedbackCircuit, emitter: Emitter) -> None:
        self.measurements: list[tuple[int, int]] = []  # index of the gate behind, physical qubit
        self.conditions: dict[int, int] = {}
        self._program = program
        self._emitter = emitter
        self._pending = list(program.measurements)

    def visit(self, start: int, where: Sequence[int]) -> None:
        """Write what stands in front of an operation, and the operation if it is conditional."""
        while self._pending and self._pending[0].index <= start:
            qubit = where[self._pending.pop(0).qubit]
            self._emitter.settle(qubit)
            self.measurements.append((len(self._emitter.gates), qubit))
        if start in self._program.conditions:
            self._condition(start, where)

    def _condition(self, index: int, where: Sequence[int]) -> None:
        circuit = self._program.circuit
        operations = circuit.operations
        code = operations.codes[index]
        name = "unitary" if code == UNITARY_CODE else GATES_BY_CODE[code].name
        if name != _CONDITIONAL:
            raise ProgramError(f"A conditional gate must be {_CONDITIONAL}, not {name}.")
        first = operations.parameter_starts[index]
        theta, phi = operations.parameters[first : first + 2]
        qubit = where[operations.targets[operations.target_starts[index]]]
        if any(start <= index < stop for start, stop in circuit.boxes):
            self._emitter.fence([qubit], is_whole=True)
        else:
            phi = wrapped(phi - self._emitter.settle(qubit))
        self.conditions[len(self._emitter.gates)] = self._program.conditions[index]
        self._emitter.gates.append(Native(name, (qubit,), (theta, phi)))


def compile_feedback(
    program: FeedbackCircuit, target: Target, *, is_rewiring_disabled: bool = False
) -> CompiledFeedback:
    """Return a program with feedback in the native gates of a device.

    Args:
        program: The program; its conditional gates are `prx`.
        target: The device.
        is_rewiring_disabled: As of `compile_circuit`.

    Returns:
        The compiled program; observables of its result types are rotated to the computational
        basis.

    Raises:
        ProgramError: As `compile_circuit`, or where a conditional gate is not `prx`.
        LimitError: As `compile_circuit`.
    """
    emitter = Emitter(target)
    writer = _Writer(program, emitter)
    conditional = set(program.conditions)
    cuts = {measurement.index for measurement in program.measurements} | conditional
    cuts |= {index + 1 for index in conditional}
    compiled = compile_visited(
        program.circuit,
        target,
        emitter,
        cuts=cuts,
        left_out=conditional,
        visit=writer.visit,
        is_rewiring_disabled=is_rewiring_disabled,
    )
    positions = {qubit: position for position, qubit in enumerate(compiled.circuit.qubits)}
    measurements = tuple(FeedbackMeasurement(k, positions[q]) for k, q in writer.measurements)
    lowered = FeedbackCircuit(compiled.circuit, measurements, writer.conditions)
    return CompiledFeedback(compiled, lowered)
