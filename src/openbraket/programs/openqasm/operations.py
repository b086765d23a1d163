"""Quantum statements: gate calls with modifiers, measurement, reset, barrier and delay."""

from typing import Final

from openbraket.programs.openqasm import syntax
from openbraket.programs.openqasm.expressions import ExpressionParser

MODIFIERS: Final = ("ctrl", "negctrl", "inv", "pow")


class OperationParser(ExpressionParser):
    """Adds the quantum statements to the expression parser."""

    def _keyword(self) -> int:
        position = self.cursor.start
        self.cursor.advance()
        return position

    def _gate_call(self) -> syntax.GateCall:
        cursor = self.cursor
        position = cursor.start
        modifiers = []
        while cursor.kind in MODIFIERS:
            modifiers.append(self._modifier())
        name = cursor.value
        if cursor.kind not in ("name", "gphase"):
            raise cursor.unexpected("a gate")
        cursor.advance()
        arguments = self.arguments() if cursor.kind == "(" else []
        return self._gate_operands(position, modifiers, name, arguments)

    def _gate_operands(
        self,
        position: int,
        modifiers: list[syntax.Modifier],
        name: str,
        arguments: list[syntax.Expression],
        duration: syntax.Expression | None = None,
    ) -> syntax.GateCall:
        duration = duration or self.designator()
        has_operands = name != "gphase" or self.cursor.kind != ";"
        operands = self.operands() if has_operands else []
        self.cursor.expect(";")
        return syntax.GateCall(position, modifiers, name, arguments, operands, duration)

    def _modifier(self) -> syntax.Modifier:
        cursor = self.cursor
        position, name = cursor.start, cursor.kind
        cursor.advance()
        argument = None
        if name == "pow" or (name != "inv" and cursor.kind == "("):
            cursor.expect("(")
            argument = self.expression()
            cursor.expect(")")
        if not cursor.accept_at():
            raise cursor.unexpected("'@'")
        return syntax.Modifier(position, name, argument)

    def _measure(self) -> syntax.Expression:
        self.cursor.expect("measure")
        return self.operand()

    def _measure_statement(self) -> syntax.Measurement:
        cursor = self.cursor
        position = cursor.start
        operand = self._measure()
        target = None
        if cursor.accept("->"):
            if cursor.kind != "name":
                raise cursor.unexpected("a bit register")
            target = self.operand()
        cursor.expect(";")
        return syntax.Measurement(position, operand, target)

    def _reset(self) -> syntax.Reset:
        position = self._keyword()
        operand = self.operand()
        self.cursor.expect(";")
        return syntax.Reset(position, operand)

    def _barrier(self) -> syntax.Barrier:
        position = self._keyword()
        operands = [] if self.cursor.kind == ";" else self.operands()
        self.cursor.expect(";")
        return syntax.Barrier(position, operands)

    def _delay(self) -> syntax.Delay:
        position = self._keyword()
        duration = self.designator()
        if duration is None:
            raise self.cursor.unexpected("'['")
        operands = [] if self.cursor.kind == ";" else self.operands()
        self.cursor.expect(";")
        return syntax.Delay(position, duration, operands)
