"""Gate calls and definitions, and the gates of IQM that read a measurement."""

import difflib
from collections.abc import Mapping
from typing import Final

from openbraket.circuits.gates import GATES
from openbraket.programs.openqasm import syntax
from openbraket.programs.openqasm.machine import Machine

# What OpenQASM's standard gate library calls a gate of Braket's dialect.
_BRAKET_NAMES: Final[Mapping[str, str]] = {
    "CX": "cnot", "ccx": "ccnot", "ch": "ctrl @ h", "cp": "cphaseshift", "crx": "ctrl @ rx",
    "cry": "ctrl @ ry", "crz": "ctrl @ rz", "cu1": "cphaseshift", "cx": "cnot", "id": "i",
    "p": "phaseshift", "phase": "phaseshift", "sdg": "si", "sx": "v", "tdg": "ti", "u": "U",
    "u1": "phaseshift", "u3": "U", "cnotx": "cnot",
}  # fmt: skip
_PRX_CODE: Final = GATES["prx"].code
# Number of arguments; the last one is the feedback key.
_FEEDBACK_GATES: Final[Mapping[str, int]] = {"measure_ff": 1, "cc_prx": 3}


def run_gate_call(machine: Machine, node: syntax.GateCall) -> None:
    """Apply a gate to its operands, each element of registers in turn."""
    state, gates = machine.state, machine.gates
    gate = gates.find(node.name)
    if gate is None:
        if node.name in _FEEDBACK_GATES:
            _run_feedback(machine, node)
            return
        state.refuse(_unknown_gate(node.name), node.position)
    if node.duration is not None:
        state.refuse("Gate durations are not supported yet.", node.position)
    _check_gate(machine, node)
    gates.apply(node, gate, None)


def run_gate_definition(machine: Machine, node: syntax.GateDefinition) -> None:
    """Define a gate."""
    if not machine.state.is_global:
        machine.state.refuse("Gates are defined outside of blocks.", node.position)
    machine.gates.define(node)


def _check_gate(machine: Machine, node: syntax.GateCall) -> None:
    rules, state = machine.rules, machine.state
    if machine.is_verbatim:
        _check_verbatim_gate(machine, node)
    elif machine.outside_position is None:
        machine.outside_position = node.position
    if rules is None or (machine.is_verbatim and node.name.lower() in rules.native_gates):
        return
    state.refuse_if(rules.refuse_gate(node.name), node.position)


def _check_verbatim_gate(machine: Machine, node: syntax.GateCall) -> None:
    rules, state = machine.rules, machine.state
    qubits = [o.index if isinstance(o, syntax.PhysicalQubit) else None for o in node.operands]
    if rules is not None:
        state.refuse_if(rules.refuse_verbatim(node.name, qubits), node.position)
    elif None in qubits:
        state.refuse("Physical qubits are required in verbatim box.", node.position)


def _unknown_gate(name: str) -> str:
    hint = _BRAKET_NAMES.get(name)
    if hint is None:
        close = difflib.get_close_matches(name[:40], GATES, n=1)
        hint = close[0] if close else None
    return f"Gate '{name}' is not defined." + (f" Did you mean '{hint}'?" if hint else "")


def _run_feedback(machine: Machine, node: syntax.GateCall) -> None:
    """Run `measure_ff(key) q` or `cc_prx(θ, φ, key) q`."""
    state = machine.state
    _check_gate(machine, node)
    count = _FEEDBACK_GATES[node.name]
    if len(node.arguments) != count:
        message = (
            f"Gate '{node.name}' takes {count} parameters, but {len(node.arguments)} are given."
        )
        state.refuse(message, node.position)
    if node.modifiers:
        state.refuse(f"Gate '{node.name}' takes no modifiers.", node.position)
    if len(node.operands) != 1:
        message = (
            f"Gate '{node.name}' acts on 1 qubits, but {len(node.operands)} operands are given."
        )
        state.refuse(message, node.position)
    key = state.evaluator.integer(node.arguments[-1])
    qubits = state.qubits(node.operands[0])
    if len(qubits) != 1:
        state.refuse(f"Gate '{node.name}' acts on one qubit.", node.position)
    log = state.feedback_log
    if node.name == "measure_ff":
        if log is not None:
            state.touch(qubits)
            state.builder.charge(1)
            state.touched_only.update(qubits)
            log.by_key[key] = len(log.measurements)
            log.measurements.append((len(state.builder.codes), qubits[0]))
            return
        state.feedback[key] = state.measurement(qubits[0])
        return
    measurement = state.feedback.get(key)
    if measurement is None and (log is None or key not in log.by_key):
        message = (
            f"cc_prx references feedback key {key} but no measure_ff has been recorded for that "
            "key."
        )
        state.refuse(message, node.position)
    angles = [state.evaluator.real(argument) for argument in node.arguments[:2]]
    if log is not None:
        log.conditions[len(state.builder.codes)] = log.by_key[key]
    if measurement is None or state.outcome(measurement):
        state.touch(qubits)
        state.builder.charge(1)
        state.builder.append(_PRX_CODE, qubits, angles)
    else:
        state.touched_only.update(qubits)
