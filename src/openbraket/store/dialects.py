"""Where SQLite and PostgreSQL differ in words: functions, and inserts that may meet a row.

Everything else in the queries and tables means the same in both. Types and partial indexes take
PostgreSQL's form in `postgresql`; transactions and connections are the backends' business.
"""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Integer, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

# By the name of a dialect; the two constructs have the same methods.
INSERTS: Final[dict[str, Callable[..., Any]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


class contains(GenericFunction[bool]):  # noqa: N801  (SQL's functions have small letters)
    """`contains(text, part)`: whether a text has a part, in its case."""

    type = Boolean()
    inherit_cache = True


class first_characters(GenericFunction[str]):  # noqa: N801
    """`first_characters(text, count)`: the beginning of a text; the count is a literal."""

    type = Text()
    inherit_cache = True


class last_characters(GenericFunction[str]):  # noqa: N801
    """`last_characters(text, count)`: the end of a text; the count is a literal."""

    type = Text()
    inherit_cache = True


class byte_length(GenericFunction[int]):  # noqa: N801
    """`byte_length(text)`: its length in UTF-8."""

    type = Integer()
    inherit_cache = True


class smaller(GenericFunction[int]):  # noqa: N801
    """`smaller(a, b)`: the smaller of two numbers."""

    type = BigInteger()
    inherit_cache = True


class larger(GenericFunction[int]):  # noqa: N801
    """`larger(a, b)`: the larger of two numbers."""

    type = BigInteger()
    inherit_cache = True


# Each function's text by dialect; `{}` stands for an argument.
_TEXTS: Final[dict[type[GenericFunction[Any]], dict[str, str]]] = {
    contains: {"sqlite": "instr({}, {}) > 0", "postgresql": "strpos({}, {}) > 0"},
    first_characters: {"sqlite": "substr({}, 1, {})", "postgresql": "left({}, {})"},
    last_characters: {"sqlite": "substr({}, -{})", "postgresql": "right({}, {})"},
    byte_length: {"sqlite": "length(CAST({} AS BLOB))", "postgresql": "octet_length({})"},
    smaller: {"sqlite": "min({}, {})", "postgresql": "least({}, {})"},
    larger: {"sqlite": "max({}, {})", "postgresql": "greatest({}, {})"},
}


def _compile(element: GenericFunction[Any], compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    text = _TEXTS[type(element)][compiler.dialect.name]
    arguments = (compiler.process(item, **options) for item in element.clauses)
    return text.format(*arguments)


for _function in _TEXTS:
    compiles(_function)(_compile)
