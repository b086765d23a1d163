"""Which results a circuit may ask for, with these shots and on this device."""

from collections.abc import Sequence
from typing import Final

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit, Factor, ResultType
from openbraket.programs.limits import RESULT_VALUES_MAX
from openbraket.programs.rules import Rules

_RESULT_NAMES: Final = {
    "expectation": "Expectation",
    "variance": "Variance",
    "sample": "Sample",
    "probability": "Probability",
    "amplitude": "Amplitude",
    "state_vector": "StateVector",
    "density_matrix": "DensityMatrix",
    "adjoint_gradient": "AdjointGradient",
}
_EXACT_KINDS: Final = ("state_vector", "density_matrix", "amplitude", "adjoint_gradient")


def check_results(circuit: Circuit, *, shots: int, rules: Rules | None) -> None:
    """Check the requested results against the shots and the device.

    Args:
        circuit: The circuit.
        shots: Number of shots of the task.
        rules: The device's rules; None checks only what no simulator can do.

    Raises:
        ProgramError: If a result cannot be given.
        LimitError: If the results have too many numbers.
    """
    if shots == 0 and not circuit.result_types:
        raise ProgramError("Result types must be specified in the IR when shots=0")
    _check_size(circuit, shots)
    for result in circuit.result_types:
        _check_shots(result, shots, rules)
        for state in result.states:
            if len(state) != circuit.qubit_count:
                raise ProgramError(
                    f"Length of state {state} for result type amplitude must be equivalent to "
                    f"number of qubits {circuit.qubit_count} in circuit"
                )
    if shots > 0:
        _check_simultaneous(circuit)


def _check_size(circuit: Circuit, shots: int) -> None:
    count = sum(_value_count(result, circuit.qubit_count, shots) for result in circuit.result_types)
    if count > RESULT_VALUES_MAX:
        raise LimitError(
            f"The requested results have {count:,} numbers, more than the limit of "
            f"{RESULT_VALUES_MAX:,}."
        )


def _value_count(result: ResultType, qubit_count: int, shots: int) -> int:
    target_count = qubit_count if result.targets is None else len(result.targets)
    if result.kind == "probability":
        return 1 << target_count
    if result.kind == "state_vector":
        return 2 << qubit_count
    if result.kind == "density_matrix":
        return 2 << 2 * target_count
    is_for_each_qubit = any(not factor.targets for factor in result.observable)
    value_count = shots if result.kind == "sample" else 1
    return value_count * (qubit_count if is_for_each_qubit else 1)


def _check_shots(result: ResultType, shots: int, rules: Rules | None) -> None:
    if shots == 0 and result.kind == "sample":
        raise ProgramError("sample can only be specified when shots>0")
    if shots > 0 and result.kind in _EXACT_KINDS:
        raise ProgramError(
            f"Result type {result.kind} is not available when shots>0; it needs shots=0, "
            f"but shots is {shots}."
        )
    if rules is None:
        return
    name = _RESULT_NAMES[result.kind]
    rule = rules.result_types.get(name)
    if rule is None:
        shown = ", ".join(rules.result_types) or "none"
        message = f"Result type {name} is not supported by the device. Supported: {shown}."
        raise ProgramError(message)
    if not rule.shots_min <= shots <= rule.shots_max:
        raise ProgramError(
            f"Result type {name} needs shots from {rule.shots_min} to {rule.shots_max}, "
            f"but shots is {shots}."
        )
    for factor in result.factors:
        if rule.observables is not None and factor.name not in rule.observables:
            raise ProgramError(
                f"Observable {factor.name} of result type {name} is not supported by the device. "
                f"Supported: {', '.join(sorted(rule.observables))}."
            )


def _check_simultaneous(circuit: Circuit) -> None:
    # Every qubit can be rotated to one basis only: each must have one factor in all results.
    seen: dict[int, Factor] = {}
    computational = Factor("z", ())
    for result in circuit.result_types:
        if result.kind == "probability":
            _claim(circuit, seen, result.targets, computational)
        for factor in result.observable:
            if factor.name == "i":
                continue
            is_joint = len(factor.targets) > 1
            basis = factor if is_joint else Factor(factor.name, (), factor.matrix)
            _claim(circuit, seen, factor.targets or None, basis)


def _claim(
    circuit: Circuit, seen: dict[int, Factor], targets: Sequence[int] | None, basis: Factor
) -> None:
    for qubit in range(circuit.qubit_count) if targets is None else targets:
        previous = seen.setdefault(qubit, basis)
        if previous is basis or previous == basis:
            continue
        index = circuit.qubits[qubit]
        if previous.targets != basis.targets:
            raise ProgramError(f"Qubit part of incompatible results targets: qubit {index}.")
        raise ProgramError(
            "Conflicting result types applied to a single qubit: "
            f"qubit {index} has {previous.name} and {basis.name}, which cannot be sampled "
            "simultaneously."
        )
