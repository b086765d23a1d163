"""Runs the statements of a program and collects its circuit."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from openbraket.base.errors import LimitError
from openbraket.circuits.circuit import Circuit
from openbraket.circuits.dynamic import FeedbackCircuit, FeedbackMeasurement
from openbraket.programs.limits import SOURCE_CHARACTERS_MAX
from openbraket.programs.openqasm import (
    assignments,
    control,
    declarations,
    directives,
    gates,
    subroutines,
    syntax,
)
from openbraket.programs.openqasm.dynamic import DynamicProgram
from openbraket.programs.openqasm.flat import FlatReader
from openbraket.programs.openqasm.formulas import Formula
from openbraket.programs.openqasm.machine import Handler, Machine, Signal
from openbraket.programs.openqasm.measuring import Choose, FeedbackLog, NeedsOutcomesError
from openbraket.programs.openqasm.parser import Parser
from openbraket.programs.openqasm.results import build_circuit
from openbraket.programs.openqasm.source import Source
from openbraket.programs.rules import Rules

# What a device whose rules are kept refuses by its kind.
_ADVANCED: Final[Mapping[type[syntax.Node], str]] = {
    syntax.If: "if statements",
    syntax.For: "for loops",
    syntax.While: "while loops",
    syntax.Switch: "switch statements",
    syntax.Break: "break statements",
    syntax.Continue: "continue statements",
    syntax.End: "end statements",
    syntax.Return: "return statements",
    syntax.GateDefinition: "gate definitions",
    syntax.SubroutineDefinition: "subroutine definitions",
    syntax.Alias: "aliases",
    syntax.ExpressionStatement: "expression statements",
    syntax.Reset: "reset statements",
    syntax.Delay: "delay statements",
}
_NOWHERE: Final[Mapping[type[syntax.Node], str]] = {
    syntax.Extern: "extern declarations",
    syntax.Calibration: "calibrations",
}
_DYNAMIC: Final = (
    "Gates on a qubit that was measured before are not supported yet (mid-circuit measurement)."
)
_OUTPUT: Final = "output variables are not supported yet."


def parse_circuit(
    source: str, inputs: Mapping[str, Any] | None = None, *, rules: Rules | None = None
) -> Circuit:
    """Read an OpenQASM 3 program that needs no outcome of a measurement; return its circuit.

    Args:
        source: The program's text.
        inputs: Values of its `input` variables by name; others are ignored.
        rules: What the device allows; None allows everything that is implemented.

    Returns:
        The circuit, on the qubits that the program uses.

    Raises:
        ProgramError: If the program is wrong or dynamic, or the device does not allow it.
        LimitError: If the program is larger than a named limit.

    Cost:
        Linear in the length of the text and in the number of operations after broadcasting.
    """
    return parse_template(source, inputs or {}, rules=rules)[0]


def parse_template(
    source: str, inputs: Mapping[str, Any], *, rules: Rules | None = None
) -> tuple[Circuit, Mapping[int, Formula]]:
    """Read a program whose inputs may be formulas; otherwise as `parse_circuit`.

    Returns:
        The circuit, and the formulas of its parameters by their index in
        `circuit.operations.parameters`, where it has 0.

    Raises:
        DependsOnInputsError: If more than gate parameters depends on a formula.
    """
    run = Run(_checked(source), inputs, rules)
    try:
        run.run()
    except NeedsOutcomesError:
        run.refuse(_DYNAMIC)
    if run.machine.state.outputs:
        run.refuse(_OUTPUT)
    circuit = build_circuit(run.machine.state, run.machine.results)
    return circuit, run.machine.state.builder.formulas


def parse_program(
    source: str, inputs: Mapping[str, Any] | None = None, *, rules: Rules | None = None
) -> Circuit | DynamicProgram:
    """Read an OpenQASM 3 program.

    Args:
        source: The program's text.
        inputs: Values of its `input` variables by name; others are ignored.
        rules: What the device allows; None allows everything that is implemented.

    Returns:
        Its circuit; a dynamic program where the outcome of a measurement or reset is needed
        before the end, or where output variables are declared. A dynamic program has been read
        completely and run up to its first point, so it may still go wrong behind that.

    Raises:
        ProgramError: If the program is wrong, or the device does not allow it.
        LimitError: If the program is larger than a named limit.

    Cost:
        As `parse_circuit`; a dynamic program's statements are all parsed besides.
    """
    text, given = _checked(source), inputs or {}
    run = Run(text, given, rules)
    try:
        run.run()
    except NeedsOutcomesError:
        if rules is not None and not run.machine.state.feedback:
            run.refuse(_DYNAMIC)
    else:
        if not run.machine.state.outputs:
            return build_circuit(run.machine.state, run.machine.results)

    def start(choose: Choose) -> Run:
        return Run(text, given, rules, choose, run.statements)

    program = DynamicProgram(text, start, run.statements)
    program.trace(())
    return program


def parse_feedback(
    source: str, inputs: Mapping[str, Any] | None = None, *, rules: Rules | None = None
) -> FeedbackCircuit:
    """Read a program whose only use of outcomes is by `measure_ff` and `cc_prx`.

    Args:
        source: The program's text.
        inputs: Values of its `input` variables by name; others are ignored.
        rules: What the device allows; None allows everything that is implemented.

    Returns:
        Its operations, conditional ones included, and its measurements for feedback.

    Raises:
        ProgramError: If the program is wrong, uses outcomes in another way, or the device does not
            allow it.
        LimitError: If the program is larger than a named limit.
    """
    run = Run(_checked(source), inputs or {}, rules)
    log = run.machine.state.feedback_log = FeedbackLog()
    try:
        run.run()
    except NeedsOutcomesError:
        run.refuse(_DYNAMIC)
    if run.machine.state.outputs:
        run.refuse(_OUTPUT)
    circuit = build_circuit(run.machine.state, run.machine.results)
    positions = {qubit: position for position, qubit in enumerate(circuit.qubits)}
    measurements = tuple(
        FeedbackMeasurement(index, positions[qubit]) for index, qubit in log.measurements
    )
    return FeedbackCircuit(circuit, measurements, log.conditions)


def _checked(source: str) -> Source:
    if len(source) > SOURCE_CHARACTERS_MAX:
        raise LimitError(
            f"The program has {len(source)} characters, more than the limit of "
            f"{SOURCE_CHARACTERS_MAX}."
        )
    return Source(source)


class Run:
    """One run of a program from its beginning.

    Args:
        source: The program.
        inputs: Values of its inputs.
        rules: What the device allows.
        choose: Gives the outcomes of points; None where none may be needed.
        statements: Statements parsed before, by their offset: node and offset behind it. Those
            that this run parses are added.

    Attributes:
        machine: What the statements run on.
        statements: The argument.
    """

    def __init__(
        self,
        source: Source,
        inputs: Mapping[str, Any],
        rules: Rules | None,
        choose: Choose | None = None,
        statements: dict[int, tuple[syntax.Statement, int]] | None = None,
    ) -> None:
        self.machine = Machine(source, inputs, rules, choose, _HANDLERS)
        self.statements = {} if statements is None else statements
        machine = self.machine
        machine.state.call = lambda subroutine, node: subroutines.call(machine, subroutine, node)
        self._position = 0

    def refuse(self, message: str) -> None:
        """Raise the error of `message` at the statement that ran last.

        Raises:
            ProgramError: Always.
        """
        self.machine.state.refuse(message, self._position)

    def run(self) -> None:
        """Run all statements.

        Raises:
            ProgramError: If the program is wrong.
            LimitError: If it is larger than a named limit.
            NeedsOutcomesError: If it needs an outcome and none may be given.
            WaitingError: If it needs an outcome that `choose` does not have.
        """
        machine, rules = self.machine, self.machine.rules
        parser = Parser(machine.source)
        machine.state.is_version_2 = parser.version() == "2"
        flat = FlatReader(machine.state, machine.gates)
        cursor = parser.cursor
        reads_flat = rules is None or rules.allows_partial_verbatim
        position = cursor.start
        while True:
            self._position = position
            if reads_flat and machine.verbatim_position is None:
                behind = flat.read(position)
                if behind != position:
                    cursor.seek(behind)
                    position = self._position = cursor.start
            if cursor.kind == "eof":
                break
            known = self.statements.get(position)
            if known is None:
                node = parser.statement()
                self.statements[position] = (node, cursor.start)
            else:
                node = known[0]
                cursor.seek(known[1])
            if self._execute(node) is Signal.END:
                return
            position = cursor.start
        machine.expect_box(None, cursor.start)
        if machine.has_verbatim and not reads_flat and machine.outside_position is not None:
            message = "The device does not support gates outside verbatim boxes."
            machine.state.refuse(message, machine.outside_position)

    def _execute(self, node: syntax.Statement) -> Signal | None:
        try:
            return self.machine.execute(node)
        except subroutines.EndedError:
            return Signal.END
        except RecursionError:
            line, _ = self.machine.source.locate(node.position)
            message = f"[line {line}] Calls, blocks and expressions are nested beyond the limit."
            raise LimitError(message) from None


def _advanced(handler: Handler, what: str) -> Handler:
    def run(machine: Machine, node: syntax.Node) -> Signal | None:
        rules = machine.rules
        if rules is not None:
            if isinstance(node, syntax.Reset | syntax.Delay):
                name = "reset" if isinstance(node, syntax.Reset) else "delay"
                machine.state.refuse_if(rules.refuse_gate(name), node.position)
            machine.state.refuse(f"{what} are not supported yet.", node.position)
        return handler(machine, node)

    return run


def _refused(what: str) -> Handler:
    def run(machine: Machine, node: syntax.Node) -> Signal | None:
        yet = "" if machine.rules is None else " yet"
        machine.state.refuse(f"{what} are not supported{yet}.", node.position)

    return run


_PLAIN: Final[Mapping[type[syntax.Node], Callable[[Machine, Any], Signal | None]]] = {
    syntax.Include: declarations.run_include,
    syntax.QubitDeclaration: declarations.run_qubit_declaration,
    syntax.ClassicalDeclaration: declarations.run_classical_declaration,
    syntax.InterfaceDeclaration: declarations.run_interface,
    syntax.Alias: declarations.run_alias,
    syntax.Assignment: assignments.run_assignment,
    syntax.GateCall: gates.run_gate_call,
    syntax.GateDefinition: gates.run_gate_definition,
    syntax.Measurement: directives.run_measurement,
    syntax.Reset: directives.run_reset,
    syntax.Barrier: directives.run_barrier,
    syntax.Delay: directives.run_delay,
    syntax.Box: directives.run_box,
    syntax.Annotation: directives.run_annotation,
    syntax.Pragma: directives.run_pragma,
    syntax.If: control.run_if,
    syntax.For: control.run_for,
    syntax.While: control.run_while,
    syntax.Switch: control.run_switch,
    syntax.Break: control.run_break,
    syntax.Continue: control.run_continue,
    syntax.End: control.run_end,
    syntax.Return: control.run_return,
    syntax.SubroutineDefinition: subroutines.run_definition,
    syntax.ExpressionStatement: subroutines.run_expression,
}
_HANDLERS: Final[Mapping[type[syntax.Node], Handler]] = {
    **_PLAIN,
    **{kind: _advanced(_PLAIN[kind], what) for kind, what in _ADVANCED.items()},
    **{kind: _refused(what) for kind, what in _NOWHERE.items()},
}
