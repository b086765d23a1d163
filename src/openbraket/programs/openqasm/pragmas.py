"""Braket pragmas: results, unitaries, noise and verbatim boxes, as plain data.

A pragma is parsed in its own span of the source, so positions in errors are the program's.
"""

import re
from dataclasses import dataclass
from typing import Final

from openbraket.base.errors import LimitError
from openbraket.circuits.channels import CHANNELS
from openbraket.circuits.gates import Matrix
from openbraket.programs.limits import UNITARY_QUBITS_MAX
from openbraket.programs.openqasm import syntax
from openbraket.programs.openqasm.expressions import ExpressionParser
from openbraket.programs.openqasm.lexer import TRIVIA, Cursor
from openbraket.programs.openqasm.source import Source

OBSERVABLE_NAMES: Final = ("x", "y", "z", "h", "i")
_OBSERVABLE_KINDS: Final = ("expectation", "variance", "sample")
_SIZE_MAX: Final = 1 << UNITARY_QUBITS_MAX
_NUMBER: Final = r"(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?"
_COMPLEX: Final = re.compile(
    rf"[ \t]*+([+-]?)[ \t]*+({_NUMBER})([ \t]*im\b)?+"
    rf"(?:[ \t]*([+-])[ \t]*(-?)[ \t]*({_NUMBER})[ \t]*im\b)?+[ \t]*+"
)


@dataclass(slots=True)
class ParsedFactor:
    """One factor of an observable; `operands` is None for `all`."""

    position: int
    name: str
    operands: list[syntax.Expression] | None
    matrix: Matrix | None = None


@dataclass(slots=True)
class ResultPragma:
    """`#pragma braket result …`; `operands` is None for all qubits."""

    position: int
    kind: str
    operands: list[syntax.Expression] | None = None
    states: tuple[str, ...] = ()
    observable: tuple[ParsedFactor, ...] = ()


@dataclass(slots=True)
class ParsedTerm:
    """One term of a weighted sum; `weight_text` is its number without the sign."""

    position: int
    weight: float
    weight_text: str
    observable: tuple[ParsedFactor, ...]


@dataclass(slots=True)
class GradientPragma:
    """`#pragma braket result adjoint_gradient …`; `parameters` is None for `all`."""

    position: int
    terms: list[ParsedTerm]
    parameters: list[tuple[int, str]] | None  # positions and names


@dataclass(slots=True)
class UnitaryPragma:
    """`#pragma braket unitary(…) …`."""

    position: int
    matrix: Matrix
    operands: list[syntax.Expression] | None


@dataclass(slots=True)
class NoisePragma:
    """`#pragma braket noise …`; Kraus operators are in `matrices`."""

    position: int
    name: str
    probabilities: tuple[float, ...]
    matrices: tuple[Matrix, ...]
    operands: list[syntax.Expression] | None


@dataclass(slots=True)
class VerbatimPragma:
    """`#pragma braket verbatim`."""

    position: int


ParsedPragma = ResultPragma | GradientPragma | UnitaryPragma | NoisePragma | VerbatimPragma


def parse_pragma(source: Source, node: syntax.Pragma) -> ParsedPragma:
    """Parse the content of a pragma.

    Args:
        source: The program.
        node: The pragma's span.

    Returns:
        What the pragma says.

    Raises:
        ProgramError: If it is not a pragma of Braket's dialect.
        LimitError: If a matrix is larger than the named limit.
    """
    parser = _PragmaParser(Cursor(source, node.start, node.stop))
    parsed = parser.pragma(node)
    if parser.cursor.kind != "eof":
        raise parser.cursor.unexpected("the end of the pragma")
    return parsed


class _PragmaParser(ExpressionParser):
    def pragma(self, node: syntax.Pragma) -> ParsedPragma:
        cursor = self.cursor
        content = cursor.text[node.start : node.stop].strip()
        if cursor.kind == "name" and cursor.value == "verbatim":
            message = "You must include “braket” in the verbatim pragma"
            raise cursor.source.error(message, cursor.start)
        family = ""
        if cursor.value == "braket":
            cursor.advance()
            family = cursor.value
            cursor.advance()
        position = node.position
        if family == "result":
            return self._result(position)
        if family == "unitary":
            matrix = self._matrix_in_parentheses()
            return UnitaryPragma(position, matrix, self._targets(is_required=True))
        if family == "noise":
            return self._noise(position)
        if family == "verbatim":
            return VerbatimPragma(position)
        shown = content if len(content) <= 60 else content[:60] + "…"
        raise cursor.source.error(f"Pragma '{shown}' is not supported.", position)

    def _result(self, position: int) -> ResultPragma | GradientPragma:
        cursor = self.cursor
        kind = cursor.value
        if kind in _OBSERVABLE_KINDS:
            cursor.advance()
            return ResultPragma(position, kind, observable=self._observable())
        if kind == "state_vector":
            cursor.advance()
            return ResultPragma(position, kind)
        if kind in ("probability", "density_matrix"):
            cursor.advance()
            return ResultPragma(position, kind, operands=self._targets())
        if kind == "amplitude":
            cursor.advance()
            return ResultPragma(position, kind, states=self._states())
        if kind == "adjoint_gradient":
            cursor.advance()
            return self._gradient(position)
        raise cursor.unexpected("a result type")

    def _states(self) -> tuple[str, ...]:
        states = []
        while True:
            text = self.cursor.expect("bits")
            states.append(text[1:-1].replace("_", ""))
            if not self.cursor.accept(","):
                return tuple(states)

    def _targets(self, *, is_required: bool = False) -> list[syntax.Expression] | None:
        cursor = self.cursor
        if cursor.kind == "eof" and not is_required:
            return None
        if cursor.kind == "name" and cursor.value == "all":
            cursor.advance()
            return None
        return self.operands()

    def _observable(self) -> tuple[ParsedFactor, ...]:
        factors = [self._factor()]
        while self.cursor.accept_at():
            factors.append(self._factor())
        return tuple(factors)

    def _factor(self) -> ParsedFactor:
        cursor = self.cursor
        position, name = cursor.start, cursor.value
        if name == "hermitian":
            cursor.advance()
            matrix = self._matrix_in_parentheses()
            return ParsedFactor(position, name, self._targets(is_required=True), matrix)
        if name not in OBSERVABLE_NAMES:
            raise cursor.unexpected("an observable (x, y, z, h, i or hermitian)")
        cursor.advance()
        if cursor.value == "all":
            cursor.advance()
            return ParsedFactor(position, name, None)
        cursor.expect("(")
        operand = self.operand()
        cursor.expect(")")
        return ParsedFactor(position, name, [operand])

    def _gradient(self, position: int) -> GradientPragma:
        cursor = self.cursor
        if cursor.value != "expectation":
            raise cursor.unexpected("'expectation'")
        cursor.advance()
        cursor.expect("(")
        terms = [self._term()]
        while cursor.kind in ("+", "-"):
            terms.append(self._term())
        cursor.expect(")")
        if cursor.value == "all" or cursor.kind == "eof":
            cursor.accept("name")
            return GradientPragma(position, terms, None)
        parameters = [(cursor.start, cursor.expect("name"))]
        while cursor.accept(","):
            parameters.append((cursor.start, cursor.expect("name")))
        return GradientPragma(position, terms, parameters)

    def _term(self) -> ParsedTerm:
        cursor = self.cursor
        position, weight, text = cursor.start, 1.0, "1"
        while cursor.kind in ("+", "-"):
            weight *= -1.0 if cursor.kind == "-" else 1.0
            cursor.advance()
        if cursor.kind in ("integer", "decimal"):
            text = cursor.value
            weight *= self._number()
            cursor.expect("*")
        return ParsedTerm(position, weight, text, self._observable())

    def _number(self) -> float:
        cursor = self.cursor
        if cursor.kind not in ("integer", "decimal"):
            raise cursor.unexpected("a number")
        value = float(cursor.value.replace("_", "")) if cursor.value.isascii() else 0.0
        cursor.advance()
        return value

    def _noise(self, position: int) -> NoisePragma:
        cursor = self.cursor
        name = cursor.value
        if name == "kraus":
            cursor.advance()
            cursor.expect("(")
            matrices = [self._matrix()]
            while cursor.accept(","):
                matrices.append(self._matrix())
            cursor.expect(")")
            targets = self._targets(is_required=True)
            return NoisePragma(position, name, (), tuple(matrices), targets)
        channel = CHANNELS.get(name)
        if channel is None:
            raise cursor.unexpected("a noise channel")
        cursor.advance()
        cursor.expect("(")
        probabilities = [self._number()]
        while cursor.accept(","):
            probabilities.append(self._number())
        if len(probabilities) != channel.parameter_count:
            message = (
                f"Noise {name} takes {channel.parameter_count} probabilities, "
                f"but {len(probabilities)} are given."
            )
            raise cursor.source.error(message, position)
        cursor.expect(")")
        targets = self._targets(is_required=True)
        return NoisePragma(position, name, tuple(probabilities), (), targets)

    # Matrices are read number by number from the text: tokens would be several times slower.

    def _matrix_in_parentheses(self) -> Matrix:
        self.cursor.expect("(")
        matrix = self._matrix()
        self.cursor.expect(")")
        return matrix

    def _matrix(self) -> Matrix:
        cursor = self.cursor
        start = cursor.start
        if cursor.kind != "[":
            raise cursor.unexpected("a matrix such as [[1, 0], [0, 1.0im]]")
        rows: list[tuple[complex, ...]] = []
        position = start
        while True:
            rows.append(self._row(self._skip(position + 1)))
            position = self._skip(cursor.end)
            if not cursor.text.startswith(",", position, cursor.stop):
                break
            if len(rows) >= _SIZE_MAX:
                raise self._too_large(start)
        cursor.seek(position)
        cursor.expect("]")
        if any(len(row) != len(rows) for row in rows):
            raise cursor.source.error("Not a valid square matrix", start)
        return tuple(rows)

    def _row(self, position: int) -> tuple[complex, ...]:
        cursor = self.cursor
        text = cursor.text
        if not text.startswith("[", position, cursor.stop):
            cursor.seek(position)
            raise cursor.unexpected("'['")
        row: list[complex] = []
        start = position
        while True:
            match = _COMPLEX.match(text, position + 1, cursor.stop)
            if match is None:
                cursor.seek(position + 1)
                raise cursor.unexpected("a number")
            if match[3] and match[4]:
                cursor.seek(match.start(4))
                raise cursor.unexpected("',' or ']'")
            row.append(_complex(*match.groups()))
            position = match.end()
            end = text[position : position + 1] if position < cursor.stop else ""
            if end == "]":
                cursor.end = position + 1
                return tuple(row)
            if end != ",":
                cursor.seek(position)
                raise cursor.unexpected("',' or ']'")
            if len(row) >= _SIZE_MAX:
                raise self._too_large(start)

    def _skip(self, position: int) -> int:
        trivia = TRIVIA.match(self.cursor.text, position, self.cursor.stop)
        return trivia.end() if trivia else position

    def _too_large(self, position: int) -> LimitError:
        line, _ = self.cursor.source.locate(position)
        return LimitError(
            f"[line {line}] A matrix is larger than the limit of {_SIZE_MAX} rows "
            f"({UNITARY_QUBITS_MAX} qubits)."
        )


def _complex(
    sign: str, first: str, first_im: str | None, joint: str | None, second_sign: str, second: str
) -> complex:
    value = float(first.replace("_", ""))
    if sign == "-":
        value = -value
    if first_im:
        return complex(0.0, value)
    if joint is None:
        return complex(value, 0.0)
    imaginary = float(second.replace("_", ""))
    if (joint == "-") != (second_sign == "-"):
        imaginary = -imaginary
    return complex(value, imaginary)
