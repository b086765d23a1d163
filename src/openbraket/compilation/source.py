"""The text of a compiled program: OpenQASM with a verbatim box, or Quil."""

import math
from collections.abc import Iterable, Mapping, Sequence

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


def write_feedback_source(
    gates: Sequence[Native],
    barriers: Sequence[tuple[int, tuple[int, ...]]],
    measured: Sequence[int],
    measurements: Sequence[tuple[int, int]],
    conditions: Mapping[int, int],
) -> str:
    """Return the text of native gates with measurements for feedback, as OpenQASM.

    Args:
        gates: The gates.
        barriers: Index of the gate behind each barrier, and its physical qubits.
        measured: Physical qubit of each measured bit.
        measurements: Index of the gate behind each measurement for feedback, and its qubit; its
            number is its key.
        conditions: Number of the measurement that must give 1 for a gate to act, by its index.
    """
    before: dict[int, list[str]] = {}
    for index, qubits in barriers:
        before.setdefault(index, []).append(_barrier(qubits, "openqasm"))
    for key, (index, qubit) in enumerate(measurements):
        before.setdefault(index, []).append(f"measure_ff({key}) ${qubit};")
    lines = ["OPENQASM 3.0;", f"bit[{len(measured)}] c;", "#pragma braket verbatim", "box {"]
    for index, gate in enumerate(gates):
        lines += before.pop(index, [])
        condition = conditions.get(index)
        line = _openqasm_line(gate) if condition is None else _conditional_line(gate, condition)
        lines.append(line)
    lines += [line for _, rest in sorted(before.items()) for line in rest]
    lines.append("}")
    lines += [f"c[{bit}] = measure ${qubit};" for bit, qubit in enumerate(measured)]
    return "\n".join(lines) + "\n"


def _conditional_line(gate: Native, key: int) -> str:
    parameters = ",".join(map(_turns, gate.parameters))
    return f"cc_{gate.name}({parameters},{key}) ${gate.qubits[0]};"


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
