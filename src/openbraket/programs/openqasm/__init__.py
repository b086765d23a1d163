"""OpenQASM 3 in Braket's dialect: text to circuit, by hand-written lexer, parser and interpreter.

Never opens a file: a program is its text alone.
"""

from openbraket.programs.openqasm.dynamic import DynamicProgram
from openbraket.programs.openqasm.interpreter import (
    parse_circuit,
    parse_feedback,
    parse_program,
)

__all__ = ["DynamicProgram", "parse_circuit", "parse_feedback", "parse_program"]
