"""From result pragmas to result types, and from a finished program to its circuit."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import (
    Circuit,
    Factor,
    ObservableName,
    ResultKind,
    ResultType,
    Term,
)
from openbraket.circuits.gates import Matrix
from openbraket.circuits.gradients import Jacobian
from openbraket.programs.limits import OPERATIONS_MAX
from openbraket.programs.openqasm import syntax
from openbraket.programs.openqasm.gradients import jacobian_of
from openbraket.programs.openqasm.pragmas import GradientPragma, ParsedFactor, ResultPragma
from openbraket.programs.openqasm.registers import Variable
from openbraket.programs.openqasm.state import ProgramState

_KINDS: Final[Mapping[str, ResultKind]] = {kind: kind for kind in get_args(ResultKind)}
_OBSERVABLES: Final[Mapping[str, ObservableName]] = {n: n for n in get_args(ObservableName)}
_TOLERANCE: Final = 1e-8  # absolute
_RELATIVE_TOLERANCE: Final = 1e-5


def read_result(state: ProgramState, pragma: ResultPragma) -> ResultType:
    """Return a result pragma's result type, on program qubits.

    Args:
        state: The program's state.
        pragma: The parsed pragma.

    Returns:
        The result type; its targets are program qubits, not yet positions.
    """
    kind = _KINDS[pragma.kind]
    if pragma.observable:
        return ResultType(kind, observable=_read_observable(state, pragma.observable))
    if kind == "amplitude":
        return ResultType(kind, states=pragma.states)
    targets = None
    if pragma.operands is not None:
        targets = distinct_targets(state, pragma.operands, pragma.position)
    return ResultType(kind, targets=targets)


def read_gradient(state: ProgramState, pragma: GradientPragma) -> ResultType:
    """Return an adjoint gradient's result type, on program qubits.

    Args:
        state: The program's state.
        pragma: The parsed pragma.

    Returns:
        The result type, with its parameters by name; those of `all` in alphabetical order.
    """
    terms = []
    for parsed in pragma.terms:
        if not math.isfinite(parsed.weight):
            state.refuse("The coefficient of a term must be a finite number.", parsed.position)
        observable = _read_observable(state, parsed.observable)
        if not all(factor.targets for factor in observable):
            message = "The observables of adjoint_gradient need targets; 'all' is not possible."
            state.refuse(message, parsed.position)
        terms.append(Term(parsed.weight, observable, parsed.weight_text))
    names = _gradient_names(state, pragma)
    return ResultType("adjoint_gradient", terms=tuple(terms), parameters=names)


def _gradient_names(state: ProgramState, pragma: GradientPragma) -> tuple[str, ...]:
    known = () if state.tape is None else tuple(sorted(state.tape.names))
    if pragma.parameters is None:
        for name, declared in state.symbols.items():
            if isinstance(declared, Variable) and declared.value is None:
                state.refuse(f"Missing input variable '{name}'.", pragma.position)
        return known
    names: dict[str, None] = {}
    for position, name in pragma.parameters:
        symbol = state.symbols.get(name)
        if symbol is None:
            state.refuse(f"Identifier '{name}' is not initialized.", position)
        if isinstance(symbol, Variable) and symbol.value is None:
            state.refuse(f"Missing input variable '{name}'.", position)
        if name not in known:
            message = f"A gradient is taken by input variables of type float; '{name}' is none."
            state.refuse(message, position)
        names[name] = None
    return tuple(names)


def distinct_targets(
    state: ProgramState, operands: Sequence[syntax.Expression], position: int
) -> tuple[int, ...]:
    """Return the program qubits of several operands, one after the other.

    Args:
        state: The program's state.
        operands: The operands.
        position: Where to point an error.

    Returns:
        The qubits, all different.
    """
    targets: list[int] = []
    for operand in operands:
        qubits = state.qubits(operand)
        state.builder.charge(len(qubits))
        targets.extend(qubits)
    if len(set(targets)) != len(targets):
        state.refuse("The target qubits must be distinct.", position)
    return tuple(targets)


def _read_observable(state: ProgramState, factors: Sequence[ParsedFactor]) -> tuple[Factor, ...]:
    observable = tuple(_read_factor(state, factor, len(factors)) for factor in factors)
    targets = [qubit for factor in observable for qubit in factor.targets]
    if len(set(targets)) != len(targets):
        message = "The factors of an observable must act on distinct qubits."
        state.refuse(message, factors[0].position)
    return observable


def _read_factor(state: ProgramState, parsed: ParsedFactor, factor_count: int) -> Factor:
    name = _OBSERVABLES[parsed.name]
    targets: tuple[int, ...] = ()
    if parsed.operands is not None:
        targets = distinct_targets(state, parsed.operands, parsed.position)
        if len(targets) > 1 and parsed.matrix is None:
            targets = _register_means_all(state, parsed)
    if not targets and factor_count > 1:
        message = "A tensor product needs one qubit for each factor; 'all' stands alone."
        state.refuse(message, parsed.position)
    if parsed.matrix is not None:
        size = len(parsed.matrix)
        if size != 1 << max(len(targets), 1):
            message = (
                f"A hermitian observable on {max(len(targets), 1)} qubits needs a matrix of "
                f"{1 << max(len(targets), 1)} rows, but it has {size}."
            )
            state.refuse(message, parsed.position)
        if not is_hermitian(parsed.matrix):
            state.refuse("The matrix of a hermitian observable is not Hermitian.", parsed.position)
    return Factor(name, targets, parsed.matrix)


def _register_means_all(state: ProgramState, parsed: ParsedFactor) -> tuple[int, ...]:
    # `expectation x(q)` with a register stands for `x all`, as in the local simulator.
    operand = parsed.operands[0] if parsed.operands else None
    if not isinstance(operand, syntax.Name) or len(state.qubit_registers) != 1:
        message = f"Observable {parsed.name} acts on one qubit, or on 'all'."
        state.refuse(message, parsed.position)
    return ()


def _is_close(value: complex, expected: complex) -> bool:
    return abs(value - expected) <= _TOLERANCE + _RELATIVE_TOLERANCE * abs(expected)


def is_hermitian(matrix: Matrix) -> bool:
    """Return whether a square matrix equals its conjugate transpose within rounding."""
    return all(
        _is_close(matrix[i][j], matrix[j][i].conjugate())
        for i in range(len(matrix))
        for j in range(i + 1)
    )


def is_unitary(matrix: Matrix) -> bool:
    """Return whether the rows of a square matrix are orthonormal within rounding.

    Cost:
        Cubic for up to 32 rows. Above, the product with its conjugate transpose is applied to a
        few fixed vectors instead, which is quadratic.
    """
    size = len(matrix)
    if size <= 32:
        return all(
            _is_close(sum(a * b.conjugate() for a, b in zip(u, v, strict=True)), float(u is v))
            for i, u in enumerate(matrix)
            for v in matrix[: i + 1]
        )
    columns = tuple(zip(*matrix, strict=True))
    for step in (7, 11, 13):
        vector = [complex((i * step) % 17 - 8, (i * i * step) % 19 - 9) / 16 for i in range(size)]
        image = [
            sum(a.conjugate() * x for a, x in zip(column, vector, strict=True))
            for column in columns
        ]
        for row, expected in zip(matrix, vector, strict=True):
            value = sum(a * x for a, x in zip(row, image, strict=True))
            if not abs(value - expected) <= _RELATIVE_TOLERANCE:
                return False
    return True


def build_circuit(state: ProgramState, results: Sequence[ResultType]) -> Circuit:
    """Return the circuit of a program that has been read completely.

    Args:
        state: The program's state.
        results: Its result types on program qubits.

    Returns:
        The circuit, on the qubits that the program uses, ascending.

    Raises:
        ProgramError: If the program as a whole breaks a rule.
        LimitError: If its result types are too many for its qubits.
    """
    used = check_whole(state, results)
    if not used:
        raise ProgramError("The program uses no qubits.")
    _check_size(results, len(used))
    qubits_used = tuple(sorted(used))
    positions = {qubit: position for position, qubit in enumerate(qubits_used)}
    return Circuit(
        qubits=qubits_used,
        operations=state.builder.build(qubits_used),
        result_types=tuple(on_positions(result, positions) for result in results),
        measured=tuple(
            positions[register.sources[bit].qubit]
            for register in state.bit_registers
            for bit in sorted(register.sources)
        ),
        jacobian=_jacobian(state, results),
        boxes=tuple(state.builder.boxes),
        barriers=state.builder.barriers_on(positions),
    )


def _jacobian(state: ProgramState, results: Sequence[ResultType]) -> Jacobian | None:
    if state.tape is None or not any(result.terms for result in results):
        return None
    return jacobian_of(state.builder.parameters, state.tape.names)


def used_qubits(state: ProgramState, results: Sequence[ResultType]) -> set[int]:
    """Return the program qubits that an operation, a measurement or a result touches."""
    used = set(state.builder.targets)
    used.update(state.touched_only)
    for channel in state.builder.noise:
        used.update(channel.targets)
    for register in state.bit_registers:
        used.update(source.qubit for source in register.sources.values())
    used.update(state.measured)
    for result in results:
        used.update(result.targets or ())
        for factor in result.factors:
            used.update(factor.targets)
    return used


def check_whole(state: ProgramState, results: Sequence[ResultType]) -> set[int]:
    """Check what only a whole program can break.

    Args:
        state: The program's state.
        results: Its result types on program qubits.

    Returns:
        The program qubits that it uses.

    Raises:
        ProgramError: If it breaks a rule.
    """
    measured = [register for register in state.bit_registers if register.sources]
    used = used_qubits(state, results)
    if results and measured:
        message = "Qubits should not be explicitly measured when result types are requested."
        raise ProgramError(message)
    if state.rules is not None:
        registers = [(r.name, r.qubits[0], r.size, r.is_single) for r in state.qubit_registers]
        qubits = {source.qubit for register in measured for source in register.sources.values()}
        message_or_none = state.rules.refuse_qubits(registers, used, qubits)
        if message_or_none is not None:
            raise ProgramError(message_or_none)
    if len(measured) > 1 and not state.outputs:
        raise ProgramError(_several_registers([register.name for register in measured]))
    return used


def _check_size(results: Sequence[ResultType], qubit_count: int) -> None:
    count = sum(
        (result.kind == "probability" and result.targets is None)
        or any(not factor.targets for factor in result.observable)
        for result in results
    )
    if count * qubit_count > OPERATIONS_MAX:
        raise LimitError(
            f"{count} result types on all of {qubit_count} qubits are more than the limit of "
            f"{OPERATIONS_MAX} observables."
        )


def on_positions(result: ResultType, positions: Mapping[int, int]) -> ResultType:
    """Return a result type on positions instead of program qubits."""

    def moved(observable: Sequence[Factor]) -> tuple[Factor, ...]:
        return tuple(
            Factor(factor.name, tuple(positions[q] for q in factor.targets), factor.matrix)
            for factor in observable
        )

    return ResultType(
        kind=result.kind,
        observable=moved(result.observable),
        targets=None if result.targets is None else tuple(positions[q] for q in result.targets),
        states=result.states,
        terms=tuple(
            Term(term.weight, moved(term.observable), term.weight_text) for term in result.terms
        ),
        parameters=result.parameters,
    )


def _several_registers(names: Sequence[str]) -> str:
    shown = ", ".join(
        f"`{name}`" if name else "measurements without a destination" for name in names
    )
    return (
        "Measurement results can only be reported for a single classical register, but "
        f"measurements were recorded into {len(names)}: {shown}. Declare one bit register and "
        "measure into it."
    )
