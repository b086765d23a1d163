"""Circuits as flat OpenQASM 3 in Braket's dialect, with every number written out."""

from collections.abc import Iterator

from openbraket.circuits.circuit import Circuit, Operations


def write_circuit(circuit: Circuit, extra: Operations | None = None) -> str:
    """Return a circuit as a program that measures what the circuit measures.

    Args:
        circuit: The circuit; its result types and noise are left out.
        extra: Operations on the same positions, to be done before the measurements.

    Returns:
        The program; qubit k of the circuit's `qubits` is `q[k]`, and bit j of `b` the j-th measured
        qubit.

    Raises:
        ValueError: If it has a unitary with controls or a power.
    """
    measured = circuit.measured or tuple(range(circuit.qubit_count))
    lines = [
        "OPENQASM 3.0;",
        f"bit[{len(measured)}] b;",
        f"qubit[{circuit.qubits[-1] + 1}] q;",
        *_statements(circuit.operations, circuit.qubits),
        *_statements(extra or Operations(), circuit.qubits),
    ]
    lines += [f"b[{j}] = measure q[{circuit.qubits[m]}];" for j, m in enumerate(measured)]
    return "\n".join(lines) + "\n"


def _statements(operations: Operations, qubits: tuple[int, ...]) -> Iterator[str]:
    for index in range(len(operations)):
        first, stop = operations.target_starts[index], operations.target_starts[index + 1]
        targets = ", ".join(f"q[{qubits[t]}]" for t in operations.targets[first:stop])
        first, stop = operations.parameter_starts[index], operations.parameter_starts[index + 1]
        parameters = operations.parameters[first:stop]
        gate = operations.gate(index)
        power = operations.powers.get(index)
        count, value = operations.control_counts[index], operations.control_values[index]
        if gate is None:
            if count or power is not None:
                raise ValueError("A unitary with modifiers has no form in OpenQASM.")
            matrix = _matrix(parameters.tolist())
            yield f"#pragma braket unitary({matrix}) {targets}"
            continue
        modifiers = "" if power is None else f"pow({power!r}) @ "
        controls = (value >> (count - 1 - k) & 1 for k in range(count))
        modifiers = "".join("ctrl @ " if bit else "negctrl @ " for bit in controls) + modifiers
        arguments = f"({', '.join(map(repr, parameters))})" if parameters else ""
        yield f"{modifiers}{gate.name}{arguments} {targets};"


def _matrix(flat: list[float]) -> str:
    size = round((len(flat) / 2) ** 0.5)
    entries = [f"{re!r}{im:+}im" for re, im in zip(flat[::2], flat[1::2], strict=True)]
    rows = [", ".join(entries[size * k : size * (k + 1)]) for k in range(size)]
    return "[" + ", ".join(f"[{row}]" for row in rows) + "]"
