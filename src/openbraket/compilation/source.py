"""The text of a compiled program: OpenQASM with a verbatim box, or Quil."""

import math
from collections.abc import Iterable, Sequence

from openbraket.compilation.natives import Native
from openbraket.compilation.target import Dialect


def write_source(
    gates: Sequence[Native],
    barriers: Sequence[tuple[int, tuple[int, ...]]],
    measured: Sequence[int],
    dialect: Dialect,
) -> str:
    """Return the text of native gates and measurements.

    Args:
        gates: The gates.
        barriers: Index of the gate behind each barrier, and its physical qubits.
        measured: Physical qubit of each measured bit.
        dialect: The language.
    """
    lines = []
    waiting = list(reversed(barriers))
    line_of = _openqasm_line if dialect == "openqasm" else _quil_line
    for index, gate in enumerate(gates):
        while waiting and waiting[-1][0] <= index:
            lines.append(_barrier(waiting.pop()[1], dialect))
        lines.append(line_of(gate))
    lines += [_barrier(qubits, dialect) for _, qubits in reversed(waiting)]
    if dialect == "quil":
        reads = [f"MEASURE {qubit} ro[{bit}]" for bit, qubit in enumerate(measured)]
        head = [f"DECLARE ro BIT[{len(measured)}]"]
        return "\n".join([*head, *lines, *reads]) + "\n"
    head = ["OPENQASM 3.0;", f"bit[{len(measured)}] c;", "#pragma braket verbatim", "box {"]
    reads = [f"c[{bit}] = measure ${qubit};" for bit, qubit in enumerate(measured)]
    return "\n".join([*head, *lines, "}", *reads]) + "\n"


def _barrier(qubits: Iterable[int], dialect: Dialect) -> str:
    if dialect == "quil":
        return f"FENCE {' '.join(map(str, qubits))}"
    return f"barrier {', '.join(f'${qubit}' for qubit in qubits)};"


def _openqasm_line(gate: Native) -> str:
    parameters = f"({','.join(map(_turns, gate.parameters))})" if gate.parameters else ""
    return f"{gate.name}{parameters} {', '.join(f'${qubit}' for qubit in gate.qubits)};"


def _turns(angle: float) -> str:
    """Return an angle as a multiple of π, as providers write it."""
    return f"{angle / math.pi!r}*pi"


def _quil_line(gate: Native) -> str:
    parameters = f"({','.join(map(_quil_angle, gate.parameters))})" if gate.parameters else ""
    return f"{gate.name.upper()}{parameters} {' '.join(map(str, gate.qubits))}"


def _quil_angle(angle: float) -> str:
    """Return an angle, the quarter turns by name."""
    named = {0.5: "pi/2", -0.5: "-pi/2", 1.0: "pi", -1.0: "-pi"}.get(angle / math.pi)
    return named or repr(angle)
