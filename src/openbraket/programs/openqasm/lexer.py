"""Tokens, read one at a time from a position in the source.

Reading on demand keeps the interpreter's fast path cheap: a statement that the fast path has
taken is never turned into tokens.
"""

import re
from typing import Final

from openbraket.base.errors import LimitError, ProgramError
from openbraket.programs.limits import INTEGER_BITS_MAX
from openbraket.programs.openqasm.source import Source

KEYWORDS: Final = frozenset((
    "OPENQASM", "include", "defcalgrammar", "def", "cal", "defcal", "gate", "extern", "box",
    "let", "break", "continue", "if", "else", "end", "return", "for", "while", "in", "switch",
    "case", "default", "pragma", "input", "output", "const", "readonly", "mutable", "qreg",
    "qubit", "creg", "bool", "bit", "int", "uint", "float", "angle", "complex", "array",
    "duration", "stretch", "gphase", "inv", "pow", "ctrl", "negctrl", "durationof", "delay",
    "reset", "measure", "barrier", "true", "false",
))  # fmt: skip
TYPE_KEYWORDS: Final = frozenset((
    "bit",
    "bool",
    "int",
    "uint",
    "float",
    "angle",
    "complex",
    "duration",
    "stretch",
    "array",
))

TRIVIA: Final = re.compile(r"(?:[ \t\r\n\f]++|//[^\r\n]*+|/\*(?s:.*?)\*/|\\\r?\n)*+")
_TOKEN: Final = re.compile(
    r"""
      (?P<name>[^\W\d]\w*)
    | (?P<decimal>(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE][+-]?[0-9]))
        (?:[eE][+-]?[0-9][0-9_]*)?)
    | (?P<integer>0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*)
    | (?P<physical>\$[0-9]+)
    | (?P<bits>"[01_]+")
    | (?P<string>"[^"\r\n]*"|'[^'\r\n]*')
    | (?P<pragma>\#pragma\b)
    | (?P<annotation>@[^\W\d][\w.]*)
    | (?P<dim>\#dim\b)
    | (?P<op>\*\*=|<<=|>>=|\*\*|\+\+|->|==|!=|<=|>=|<<|>>|&&|\|\||[-+*/%&|~^]=|[-+*/%&|~^!<>=@(){}
        \[\]:;,.])
    """,
    re.VERBOSE,
)
_SUFFIX: Final = re.compile(r"[ \t]*im\b|(?:dt|ns|us|µs|μs|ms|s)\b")
_BASE_LETTERS: Final = frozenset("xXoObB")
_DIGITS_MAX: Final = INTEGER_BITS_MAX  # no base needs more digits than binary

_NAMES_OF_KINDS: Final = {
    "eof": "the end of the program",
    "name": "a name",
    "integer": "an integer",
    "decimal": "a number",
    "string": "a string",
    "bits": "a bit string",
    "physical": "a physical qubit",
}


def parse_integer(text: str) -> int:
    """Return the value of an integer literal of any base.

    Raises:
        LimitError: If the literal has more digits than `INTEGER_BITS_MAX`.
    """
    digits = text.replace("_", "")
    if len(digits) > _DIGITS_MAX:
        message = f"An integer has {len(digits)} digits, more than the limit of {_DIGITS_MAX}."
        raise LimitError(message)
    prefix = digits[:2].lower()
    base = {"0x": 16, "0o": 8, "0b": 2}.get(prefix, 10)
    return int(digits[2:] if base != 10 else digits, base)


class Cursor:
    """The current token of a span of the source.

    Attributes:
        source: The program.
        kind: The token's kind: a keyword or operator itself, or `name`, `integer`, `decimal`,
            `imag`, `timing`, `physical`, `bits`, `string`, `pragma`, `annotation`, `dim`, `eof`.
        value: The token's text; of `imag` and `timing` the number alone.
        start: Offset of the token's first character.
        end: Offset behind its last character.
    """

    __slots__ = ("end", "kind", "source", "start", "stop", "text", "unit", "value")

    def __init__(self, source: Source, start: int = 0, stop: int | None = None) -> None:
        self.source = source
        self.text = source.text
        self.stop = len(self.text) if stop is None else stop
        self.kind = "eof"
        self.value = ""
        self.unit = ""
        self.start = start
        self.end = start
        self.advance()

    def seek(self, position: int) -> None:
        """Make the token at or behind `position` the current one."""
        self.end = position
        self.advance()

    def advance(self) -> None:
        """Read the next token.

        Raises:
            ProgramError: If no token begins with the next character.
        """
        text, stop = self.text, self.stop
        trivia = TRIVIA.match(text, self.end, stop)
        start = trivia.end() if trivia else self.end
        self.start = start
        match = _TOKEN.match(text, start, stop)
        if match is None:
            if start >= stop:
                self.kind, self.value, self.end = "eof", "", stop
                return
            raise self.source.error(self._unknown_character(start), start)
        if text.startswith("/*", start):
            raise self.source.error("A comment that begins with /* is not closed with */.", start)
        kind = match.lastgroup
        value = match.group()
        self.end = match.end()
        if kind == "name":
            kind = value if value in KEYWORDS else "name"
        elif kind == "op":
            kind = value
        elif kind in ("integer", "decimal") and value[1:2] not in _BASE_LETTERS:
            suffix = _SUFFIX.match(text, self.end, stop)
            if suffix is not None:
                self.end = suffix.end()
                self.unit = suffix.group().strip()
                kind = "imag" if self.unit == "im" else "timing"
        self.kind = kind or "eof"
        self.value = value

    def _unknown_character(self, start: int) -> str:
        line, column = self.source.locate(start)
        return (
            f"No terminal matches '{self.text[start]}' in the current parser context, "
            f"at line {line} col {column}."
        )

    def found(self) -> str:
        """Return the current token as an error message names it."""
        if self.kind == "eof":
            return _NAMES_OF_KINDS["eof"] if self.stop == len(self.text) else "the end of the line"
        value = self.text[self.start : self.end]
        return f"'{value}'" if len(value) <= 40 else f"'{value[:40]}…'"

    def unexpected(self, expected: str) -> ProgramError:
        """Return the error of a token that does not belong here."""
        _, column = self.source.locate(self.start)
        message = f"unexpected {self.found()} at column {column}, expected {expected}."
        return self.source.error(message, self.start)

    def accept(self, kind: str) -> bool:
        """Step over the current token if it is of `kind`; return whether it was."""
        if self.kind != kind:
            return False
        self.advance()
        return True

    def accept_at(self) -> bool:
        """Step over an `@`, also where it reads like an annotation because no space follows."""
        if self.kind == "annotation":
            self.seek(self.start + 1)
            return True
        return self.accept("@")

    def expect(self, kind: str) -> str:
        """Step over a token that must be of `kind`; return its text.

        Raises:
            ProgramError: If the current token is of another kind.
        """
        if self.kind != kind:
            raise self.unexpected(_NAMES_OF_KINDS.get(kind, f"'{kind}'"))
        value = self.value
        self.advance()
        return value
