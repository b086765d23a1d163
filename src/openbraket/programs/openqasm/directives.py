"""Pragmas, boxes, barriers, delays, resets and measurements as statements."""

from openbraket.circuits.channels import CHANNELS, refuse_kraus, refuse_parameters
from openbraket.programs.limits import NOISE_QUBITS_MAX
from openbraket.programs.openqasm import pragmas, syntax
from openbraket.programs.openqasm.machine import Machine, Signal
from openbraket.programs.openqasm.results import (
    distinct_targets,
    is_unitary,
    read_gradient,
    read_result,
)
from openbraket.programs.openqasm.values import Duration


def run_measurement(machine: Machine, node: syntax.Measurement) -> None:
    """Measure qubits."""
    machine.state.measure(node)


def run_reset(machine: Machine, node: syntax.Reset) -> None:
    """Put qubits into |0>."""
    state = machine.state
    qubits = state.qubits(node.operand)
    state.builder.charge(len(qubits))
    for qubit in qubits:
        state.reset(qubit)


def run_barrier(machine: Machine, node: syntax.Barrier) -> None:
    """Put a barrier, which orders compilation only: simulators do not see it."""
    if machine.rules is not None:
        machine.state.refuse_if(machine.rules.refuse_gate("barrier"), node.position)
    qubits = None
    if node.operands:
        qubits = distinct_targets(machine.state, node.operands, node.position)
    machine.state.builder.bar(qubits)


def run_delay(machine: Machine, node: syntax.Delay) -> None:
    """Check a delay: nothing happens to an ideal qubit that waits."""
    _check_duration(machine, node.duration)
    if node.operands:
        distinct_targets(machine.state, node.operands, node.position)


def _check_duration(machine: Machine, node: syntax.Expression) -> None:
    value = machine.state.evaluator.value(node)
    if not isinstance(value, Duration):
        machine.state.refuse("A duration is needed here, such as 10ns.", node.position)


def run_box(machine: Machine, node: syntax.Box) -> Signal | None:
    """Run the statements of a box."""
    if node.duration is not None:
        if machine.rules is not None or machine.verbatim_position is not None:
            machine.state.refuse("Durations of boxes are not supported yet.", node.position)
        _check_duration(machine, node.duration)
    was_verbatim = machine.is_verbatim
    machine.is_verbatim = was_verbatim or machine.verbatim_position is not None
    builder = machine.state.builder
    start = len(builder.codes)
    machine.verbatim_position = None
    signal = machine.execute_block(node.body)
    machine.expect_box(None, node.position)
    if machine.is_verbatim and not was_verbatim:
        builder.boxes.append((start, len(builder.codes)))
    machine.is_verbatim = was_verbatim
    return signal


def run_annotation(machine: Machine, node: syntax.Annotation) -> None:
    """Ignore an annotation, as the specification asks where its name is unknown."""


def run_pragma(machine: Machine, node: syntax.Pragma) -> None:
    """Do what a pragma of Braket's dialect says."""
    state, rules = machine.state, machine.rules
    if not state.is_global:
        state.evaluator.charge((node.stop - node.start) // 4, node.position)
    pragma = pragmas.parse_pragma(machine.source, node)
    if rules is not None:
        state.refuse_if(rules.refuse_pragma(_capability_name(pragma)), node.position)
    if isinstance(pragma, pragmas.ResultPragma):
        machine.results.append(read_result(state, pragma))
    elif isinstance(pragma, pragmas.UnitaryPragma):
        _run_unitary(machine, pragma)
    elif isinstance(pragma, pragmas.VerbatimPragma):
        machine.verbatim_position = node.position
        machine.has_verbatim = True
    elif isinstance(pragma, pragmas.GradientPragma):
        if any(result.terms for result in machine.results):
            message = "A program can have only one result type adjoint_gradient."
            state.refuse(message, node.position)
        machine.results.append(read_gradient(state, pragma))
    else:
        _run_noise(machine, pragma)


def _run_unitary(machine: Machine, pragma: pragmas.UnitaryPragma) -> None:
    state, matrix = machine.state, pragma.matrix
    if pragma.operands is None:
        state.refuse("A unitary needs its target qubits by name.", pragma.position)
    targets = distinct_targets(state, pragma.operands, pragma.position)
    if len(matrix) != 1 << len(targets):
        message = (
            f"A unitary on {len(targets)} qubits needs a matrix of {1 << len(targets)} rows, "
            f"but it has {len(matrix)}."
        )
        state.refuse(message, pragma.position)
    if not is_unitary(matrix):
        state.refuse("The matrix of the unitary pragma is not unitary.", pragma.position)
    state.builder.charge(1)
    state.touch(targets)
    state.builder.append_unitary(matrix, targets)


def _run_noise(machine: Machine, pragma: pragmas.NoisePragma) -> None:
    state = machine.state
    if pragma.operands is None:
        state.refuse("A noise channel needs its target qubits by name.", pragma.position)
    targets = distinct_targets(state, pragma.operands, pragma.position)
    _check_probabilities(machine, pragma)
    if pragma.matrices:
        size = len(pragma.matrices[0])
        if len(targets) > NOISE_QUBITS_MAX:
            message = (
                f"A noise channel on {len(targets)} qubits is larger than the limit of "
                f"{NOISE_QUBITS_MAX}."
            )
            state.limit(message, pragma.position)
        if any(len(matrix) != 1 << len(targets) for matrix in pragma.matrices):
            message = (
                f"Kraus operators on {len(targets)} qubits need {1 << len(targets)} rows, "
                f"but there is one of {size}."
            )
            state.refuse(message, pragma.position)
        wrong = refuse_kraus(pragma.matrices)
        if wrong is not None:
            state.refuse(wrong, pragma.position)
        calls = [targets]
    elif CHANNELS[pragma.name].qubit_count == 2:
        if len(targets) != 2:
            message = f"Noise {pragma.name} acts on 2 qubits, but {len(targets)} are given."
            state.refuse(message, pragma.position)
        calls = [targets]
    else:
        calls = [(qubit,) for qubit in targets]
    for call in calls:
        state.touch(call)
        state.builder.append_noise(pragma.name, call, pragma.probabilities, pragma.matrices)


def _check_probabilities(machine: Machine, pragma: pragmas.NoisePragma) -> None:
    channel = CHANNELS.get(pragma.name)
    message = None if channel is None else refuse_parameters(channel, pragma.probabilities)
    if message is not None:
        machine.state.refuse(message, pragma.position)


def _capability_name(pragma: pragmas.ParsedPragma) -> str:
    if isinstance(pragma, pragmas.ResultPragma):
        return f"braket_result_type_{pragma.kind}"
    if isinstance(pragma, pragmas.GradientPragma):
        return "braket_result_type_adjoint_gradient"
    if isinstance(pragma, pragmas.UnitaryPragma):
        return "braket_unitary_matrix"
    if isinstance(pragma, pragmas.NoisePragma):
        return f"braket_noise_{pragma.name}"
    return "verbatim"
