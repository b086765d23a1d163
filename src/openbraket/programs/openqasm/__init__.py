"""OpenQASM 3 in Braket's dialect: text to circuit, by hand-written lexer, parser and interpreter.

Never opens a file: a program is its text alone.
"""

from openbraket.programs.openqasm.interpreter import parse_circuit

__all__ = ["parse_circuit"]
