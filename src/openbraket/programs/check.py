"""The check of a program at CreateQuantumTask: everything that is knowable before it runs."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from openbraket.base.errors import LimitError, ProgramError, ProgramSetFailure
from openbraket.circuits.circuit import Circuit
from openbraket.circuits.memory import (
    AMPLITUDE_QUBITS_MAX,
    dynamic_bytes,
    simulation_bytes,
    tensor_network_bytes,
)
from openbraket.circuits.precision import Precision
from openbraket.programs.actions import (
    AHS_TYPE,
    JAQCD_TYPE,
    OPENQASM_TYPE,
    PROGRAM_SET_TYPE,
    Action,
    read_action,
)
from openbraket.programs.ahs import DEVICE_AS_IT_IS, AhsParameters, check_ahs
from openbraket.programs.jaqcd import has_rotations, read_jaqcd
from openbraket.programs.memory_need import PLUGIN_BACKEND, TWIN_BACKEND, Memory
from openbraket.programs.openqasm import DynamicProgram, parse_feedback, parse_program
from openbraket.programs.openqasm.templates import bind_program
from openbraket.programs.program_set import (
    SetLimits,
    divide_shots,
    failures_of,
    new_allowance,
    raise_failures,
    read_program_set,
    refuse_results,
)
from openbraket.programs.result_rules import check_results
from openbraket.programs.rules import (
    EXTENDED_QUBITS_MAX,
    Rules,
    check_depth,
    check_size,
    check_wiring,
)


class ProgramDevice(Protocol):
    """What the check needs to know of a device."""

    @property
    def arn(self) -> str:
        """The device's ARN."""

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """The capabilities document, decoded; never changed after it was read."""

    @property
    def backend(self) -> str:
        """What runs its tasks."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check found out about an acceptable program.

    Attributes:
        action_type: The action type, for `actionMetadata`.
        qubit_count: Number of qubits or atoms of the program, of the largest of a program set.
        width: Number of qubits that must be simulated together, after reductions; 0 where no
            amplitudes are needed. Each qubit of a density matrix counts as two.
        operation_count: Number of gates, of all executables together; time steps times atoms
            of an analog program.
        memory_bytes: Estimated memory of the simulation.
        program_count: Number of programs; 1 except for program sets.
        executable_count: Number of executables; 1 except for program sets.
        is_dynamic: Whether the program needs outcomes before its end; `operation_count` is then
            that of its beginning.
    """

    action_type: str
    qubit_count: int
    width: int
    operation_count: int
    memory_bytes: int
    program_count: int = 1
    executable_count: int = 1
    is_dynamic: bool = False


# As device profiles name it.
NETWORK_BACKEND: Final = "tensor_network"
DENSITY_BACKEND: Final = "density_matrix"
# TN1's documented limit.
NETWORK_DEPTH_MAX: Final = 1000
_IMPLEMENTED: Final = (OPENQASM_TYPE, PROGRAM_SET_TYPE, JAQCD_TYPE, AHS_TYPE)
_rules_by_device: Final[dict[tuple[str, str], tuple[Mapping[str, Any], Rules]]] = {}


def rules_of(device: ProgramDevice, action_type: str = OPENQASM_TYPE) -> Rules:
    """Return a device's rules for a type of action, read from its capabilities document once.

    Args:
        device: The device.
        action_type: `OPENQASM_TYPE` or `JAQCD_TYPE`; programs of sets obey the rules of OpenQASM.
    """
    capabilities, key = device.capabilities, (device.arn, action_type)
    entry = _rules_by_device.get(key)
    if entry is None or entry[0] is not capabilities:
        entry = (capabilities, Rules.from_capabilities(capabilities, action_type))
        _rules_by_device[key] = entry
    return entry[1]


# What makes a short program long: repetition, definitions, and registers of many elements.
_LONG_WORDS: Final = ("for", "while", "gate", "def", "array")
_LONG_WORD: Final = re.compile(rf"\b(?:{'|'.join(_LONG_WORDS)})\b")
_LONG_REGISTER: Final = re.compile(r"\[\s*[0-9_]{5}")


def may_take_long(action_text: str) -> bool:
    """Return whether a short action's check may take longer than its length suggests.

    Args:
        action_text: The action document, JSON text.
    """
    # Finding a text is ten times as fast as finding a word.
    has_words = any(word in action_text for word in _LONG_WORDS)
    if has_words and _LONG_WORD.search(action_text) is not None:
        return True
    return _LONG_REGISTER.search(action_text) is not None


def check_program(
    action_text: str | bytes,
    device: ProgramDevice,
    *,
    shots: int,
    memory_bytes_max: int,
    precision: Precision = "auto",
    is_strict: bool = True,
    is_experimental: bool = False,
    keeps_qubits: bool = False,
    is_extended: bool = False,
    ahs: AhsParameters = DEVICE_AS_IT_IS,
) -> Checked:
    """Check whether a device can run a program, and return what running it needs.

    Args:
        action_text: The action document, JSON text.
        device: The device.
        shots: Number of shots of the task, of all executables together.
        memory_bytes_max: Memory that one worker may use, in bytes.
        precision: Of the amplitudes, as the task asks for it.
        is_strict: Whether to refuse what the device's document does not allow; otherwise all
            that is implemented is allowed, and only results and shots are checked against it.
        is_experimental: Whether the task has asked for experimental capabilities.
        keeps_qubits: Whether the task has asked for exactly the qubits that the program names.
        is_extended: Whether the task has asked for the limits of OpenBraket's tensor networks or
            noisy simulations in place of those of AWS; other devices have none.
        ahs: How an analog program is to be simulated.

    Returns:
        The program's size.

    Raises:
        ProgramError: If the program is wrong or the device does not allow it.
        ProgramSetError: If programs of a program set are.
        LimitError: If it is larger than the device or a named limit.
    """
    action = read_action(action_text)
    _check_type(action, rules_of(device))
    is_set = action.type == PROGRAM_SET_TYPE
    rules = rules_of(device, OPENQASM_TYPE if is_set else action.type)
    if is_experimental:
        rules = rules.with_experimental()

    is_network = device.backend == NETWORK_BACKEND
    if is_network:
        rules = rules.extended() if is_extended else replace(rules, depth_max=NETWORK_DEPTH_MAX)
    elif is_extended and device.backend == DENSITY_BACKEND:
        # Trajectories need a state of the qubits that are left, not a density matrix.
        rules = replace(rules, qubit_count_max=EXTENDED_QUBITS_MAX)
    elif is_extended:
        raise ProgramError("limits is 'extended', but the device has the documented limits alone")
    memory = Memory(precision, memory_bytes_max, rules, device.backend)

    def check(circuit: Circuit) -> None:
        _check_qubits(circuit, rules)
        check_size(circuit, rules)
        check_depth(circuit, rules)
        names = [channel.name for channel in circuit.operations.noise]
        _refuse_noise(names, rules, is_pragma=action.type != JAQCD_TYPE)
        # A program with verbatim boxes keeps its qubits.
        if keeps_qubits or circuit.boxes:
            check_wiring(circuit, rules)

    if is_set:
        limits = SetLimits.from_capabilities(device.capabilities)
        return _check_set(action, rules, limits, shots, memory, check, is_strict=is_strict)
    _check_shots(shots, rules)
    if action.type == AHS_TYPE:
        size = check_ahs(
            action.document,
            device.capabilities,
            shots=shots,
            memory_bytes_max=memory_bytes_max,
            parameters=ahs,
            is_experimental=is_experimental,
        )
        count = size.atom_count
        return Checked(action.type, count, count, size.operation_count, size.memory_bytes)
    if action.type == JAQCD_TYPE:
        circuit = read_jaqcd(action.document, rules=rules if is_strict else None)
    else:
        program = parse_program(action.source, action.inputs, rules=rules if is_strict else None)
        if isinstance(program, DynamicProgram):
            if device.backend == TWIN_BACKEND:
                return _check_feedback(action, rules, shots, memory, check)
            if device.backend == PLUGIN_BACKEND:
                raise ProgramError(
                    "The device takes no programs that use outcomes before their end."
                )
            return _check_dynamic(program, rules, shots, memory, check)
        circuit = program
    check(circuit)
    check_results(circuit, shots=shots, rules=rules)
    # With rotations of its own it is measured as these say, which need not be those of its results.
    is_rotated = action.type == JAQCD_TYPE and shots > 0 and has_rotations(action.document)
    need = memory.whole(circuit, shots) if is_rotated else memory.reduced(circuit, shots)
    operation_count = len(circuit.operations)
    if is_network:
        width = need.width if need.width <= AMPLITUDE_QUBITS_MAX else 0
        memory_bytes = tensor_network_bytes(need.width, memory_bytes_max)
        return Checked(action.type, circuit.qubit_count, width, operation_count, memory_bytes)
    memory.check(circuit, need)
    width = max(need.width, 2 * need.density_width)
    return Checked(action.type, circuit.qubit_count, width, operation_count, need.memory_bytes)


def _check_dynamic(
    program: DynamicProgram,
    rules: Rules,
    shots: int,
    memory: Memory,
    check: Callable[[Circuit], None],
) -> Checked:
    refuse_dynamic_without_shots(shots)
    start = program.trace(())  # all that is known before the first outcome
    circuit = Circuit(program.qubits, start.segments[0], start.result_types)
    check(circuit)
    _refuse_noise(program.noise_names, rules)
    refuse_noise_in_dynamic(program.noise_names)
    check_results(circuit, shots=shots, rules=rules)
    need = memory.whole(circuit)
    memory.check(circuit, need)
    return Checked(
        OPENQASM_TYPE,
        circuit.qubit_count,
        need.width,
        len(circuit.operations),
        dynamic_bytes(need.width, memory.memory_bytes_max, is_single=need.is_single),
        is_dynamic=True,
    )


def _check_feedback(
    action: Action,
    rules: Rules,
    shots: int,
    memory: Memory,
    check: Callable[[Circuit], None],
) -> Checked:
    program = parse_feedback(action.source, action.inputs, rules=rules)
    circuit = program.circuit
    check(circuit)
    check_results(circuit, shots=shots, rules=rules)
    need = memory.feedback(program)
    memory.check(circuit, need)
    return Checked(
        OPENQASM_TYPE, circuit.qubit_count, need.width, len(circuit.operations), need.memory_bytes
    )


def refuse_dynamic_without_shots(shots: int) -> None:
    """Check that a dynamic program has shots.

    Raises:
        ProgramError: If it has none: there is no state that all its paths share.
    """
    if shots == 0:
        raise ProgramError(
            "Programs that use measurement outcomes, reset qubits in use or declare output "
            "variables need shots>0, but shots is 0."
        )


def refuse_noise_in_dynamic(names: Sequence[str]) -> None:
    """Check that a dynamic program has no noise channels.

    Args:
        names: Names of the channels that some path may have.

    Raises:
        ProgramError: If there are any: a density matrix is not followed along outcomes.
    """
    if names:
        raise ProgramError(
            "Programs that use measurement outcomes, reset qubits in use or declare output "
            f"variables cannot have noise channels, but this one has {names[0]}."
        )


def _check_set(
    action: Action,
    rules: Rules,
    limits: SetLimits,
    shots: int,
    memory: Memory,
    check: Callable[[Circuit], None],
    *,
    is_strict: bool,
) -> Checked:
    programs = read_program_set(action.document, limits)
    executable_count = sum(program.row_count for program in programs)
    _check_shots(divide_shots(shots, executable_count, limits), rules, " per executable")

    def check_executable(circuit: Circuit) -> None:
        refuse_results(circuit)
        check(circuit)
        # What reductions leave depends on the inputs, so every qubit counts.
        memory.check(circuit, memory.whole(circuit, shots))

    allowance = new_allowance()
    qubit_count = operation_count = width = 0
    memory_bytes = simulation_bytes(0)
    failures: list[ProgramSetFailure] = []
    for index, program in enumerate(programs):
        bindings = bind_program(
            program.source,
            program.inputs,
            row_count=program.row_count,
            rules=rules if is_strict else None,
            allowance=allowance,
            check=check_executable,
        )
        failures += failures_of(index, program, bindings.errors)
        for template, rows_by_parameters in bindings.templates:
            qubit_count = max(qubit_count, template.circuit.qubit_count)
            operation_count += len(template.circuit.operations) * len(rows_by_parameters)
            need = memory.whole(template.circuit, shots)
            width = max(width, need.width, 2 * need.density_width)
            memory_bytes = max(memory_bytes, need.memory_bytes)
    raise_failures(failures, len(programs))
    return Checked(
        action.type,
        qubit_count,
        width,
        operation_count,
        memory_bytes,
        program_count=len(programs),
        executable_count=executable_count,
    )


def _check_type(action: Action, rules: Rules) -> None:
    if action.type not in rules.actions:
        raise ProgramError(
            f"The device does not support the action type {action.type}. "
            f"Supported: {', '.join(rules.actions) or 'none'}."
        )
    if action.type not in _IMPLEMENTED:
        raise ProgramError(
            f"The action type {action.type} is not supported yet. "
            f"Supported: {', '.join(_IMPLEMENTED)}."
        )


def _check_shots(shots: int, rules: Rules, of_what: str = "") -> None:
    if not rules.shots_min <= shots <= rules.shots_max:
        raise ProgramError(
            f"The device supports shots from {rules.shots_min} to {rules.shots_max}{of_what}, "
            f"but shots is {shots}."
        )


def _refuse_noise(names: Iterable[str], rules: Rules, *, is_pragma: bool = True) -> None:
    for name in dict.fromkeys(names):
        pragma = f"braket_noise_{name}"
        message = rules.refuse_pragma(pragma) if is_pragma else rules.refuse_gate(name)
        if message is not None:
            raise ProgramError(f"The program {message}")


def _check_qubits(circuit: Circuit, rules: Rules) -> None:
    if rules.qubit_count_max and circuit.qubit_count > rules.qubit_count_max:
        raise LimitError(
            f"The program uses {circuit.qubit_count} qubits, more than the device's limit of "
            f"{rules.qubit_count_max}."
        )
