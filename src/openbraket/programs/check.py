"""The check of a program at CreateQuantumTask: everything that is knowable before it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.memory import state_vector_bytes
from openbraket.programs.actions import OPENQASM_TYPE, Action, read_action
from openbraket.programs.openqasm import parse_circuit
from openbraket.programs.rules import Rules, check_results


class ProgramDevice(Protocol):
    """What the check needs to know of a device."""

    @property
    def arn(self) -> str:
        """The device's ARN."""

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """The capabilities document, decoded; never changed after it was read."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check found out about an acceptable program.

    Attributes:
        action_type: The action type, for `actionMetadata`.
        qubit_count: Number of qubits that the simulation needs.
        operation_count: Number of gates.
        memory_bytes: Estimated memory of the simulation.
        program_count: Number of programs; 1 except for program sets.
        executable_count: Number of executables; 1 except for program sets.
    """

    action_type: str
    qubit_count: int
    operation_count: int
    memory_bytes: int
    program_count: int = 1
    executable_count: int = 1


_rules_by_arn: Final[dict[str, tuple[Mapping[str, Any], Rules]]] = {}


def rules_of(device: ProgramDevice) -> Rules:
    """Return a device's rules, read from its capabilities document once."""
    capabilities = device.capabilities
    entry = _rules_by_arn.get(device.arn)
    if entry is None or entry[0] is not capabilities:
        entry = (capabilities, Rules.from_capabilities(capabilities))
        _rules_by_arn[device.arn] = entry
    return entry[1]


def check_program(
    action_text: str | bytes,
    device: ProgramDevice,
    *,
    shots: int,
    memory_bytes_max: int,
    is_strict: bool = True,
) -> Checked:
    """Check whether a device can run a program, and return what running it needs.

    Args:
        action_text: The action document, JSON text.
        device: The device.
        shots: Number of shots of the task.
        memory_bytes_max: Memory that one worker may use, in bytes.
        is_strict: Whether to refuse what the device's document does not allow; otherwise all
            that is implemented is allowed, and only results and shots are checked against it.

    Returns:
        The program's size.

    Raises:
        ProgramError: If the program is wrong or the device does not allow it.
        LimitError: If it is larger than the device or a named limit.
    """
    rules = rules_of(device)
    action = read_action(action_text)
    _check_type(action, rules)
    if not rules.shots_min <= shots <= rules.shots_max:
        raise ProgramError(
            f"The device supports shots from {rules.shots_min} to {rules.shots_max}, "
            f"but shots is {shots}."
        )
    circuit = parse_circuit(action.source, action.inputs, rules=rules if is_strict else None)
    memory_bytes = _memory_bytes(circuit.qubit_count, rules, memory_bytes_max)
    check_results(circuit, shots=shots, rules=rules)
    return Checked(action.type, circuit.qubit_count, len(circuit.operations), memory_bytes)


def _check_type(action: Action, rules: Rules) -> None:
    if action.type not in rules.actions:
        raise ProgramError(
            f"The device does not support the action type {action.type}. "
            f"Supported: {', '.join(rules.actions) or 'none'}."
        )
    if action.type != OPENQASM_TYPE:
        raise ProgramError(
            f"The action type {action.type} is not supported yet. Supported: {OPENQASM_TYPE}."
        )


def _memory_bytes(qubit_count: int, rules: Rules, memory_bytes_max: int) -> int:
    if rules.qubit_count_max and qubit_count > rules.qubit_count_max:
        raise LimitError(
            f"The program uses {qubit_count} qubits, more than the device's limit of "
            f"{rules.qubit_count_max}."
        )
    memory_bytes = state_vector_bytes(qubit_count)
    if memory_bytes > memory_bytes_max:
        raise LimitError(
            f"The program uses {qubit_count} qubits and needs {memory_bytes:,} bytes of memory, "
            f"more than the limit of {memory_bytes_max:,} bytes."
        )
    return memory_bytes
