"""JAQCD, the gate-list format that preceded OpenQASM: document to circuit."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.channels import (
    CHANNELS,
    KRAUS,
    mixture_operators,
    refuse_kraus,
    refuse_parameters,
)
from openbraket.circuits.circuit import Circuit, Factor, ObservableName, ResultKind, ResultType
from openbraket.circuits.gates import GATES, Matrix
from openbraket.programs.actions import shown
from openbraket.programs.limits import NOISE_QUBITS_MAX, QUBIT_INDEX_MAX, UNITARY_QUBITS_MAX
from openbraket.programs.openqasm.builder import OperationBuilder
from openbraket.programs.openqasm.results import is_hermitian, is_unitary
from openbraket.programs.rules import Rules

# Members that hold an instruction's qubits, in the order of the gate's targets.
_ONE: Final = (("target", 1),)
_TWO: Final = (("targets", 2),)
_CONTROLLED: Final = (("control", 1), ("target", 1))
_MEMBERS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    **dict.fromkeys(("h", "i", "x", "y", "z", "s", "si", "t", "ti", "v", "vi"), _ONE),
    **dict.fromkeys(("rx", "ry", "rz", "phaseshift"), _ONE),
    **dict.fromkeys(("swap", "iswap", "ecr", "pswap", "xy", "xx", "yy", "zz"), _TWO),
    **dict.fromkeys(("cnot", "cv", "cy", "cz"), _CONTROLLED),
    **dict.fromkeys(
        ("cphaseshift", "cphaseshift00", "cphaseshift01", "cphaseshift10"), _CONTROLLED
    ),
    "cswap": (("control", 1), ("targets", 2)),
    "ccnot": (("controls", 2), ("target", 1)),
}
# Members that hold a channel's parameters, in the order of the channel table's.
_NOISE_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("bit_flip", "phase_flip", "depolarizing", "two_qubit_dephasing", "two_qubit_depolarizing"),
        ("probability",),
    ),
    **dict.fromkeys(("amplitude_damping", "phase_damping"), ("gamma",)),
    "generalized_amplitude_damping": ("gamma", "probability"),
    "pauli_channel": ("probX", "probY", "probZ"),
}
_MIXTURE: Final = "multi_qubit_pauli_channel"
_NOISE: Final = (*_NOISE_PARAMETERS, KRAUS, _MIXTURE)
_DIRECTIVES: Final = ("start_verbatim_box", "end_verbatim_box")
_RESULT_KINDS: Final[Mapping[str, ResultKind]] = {
    "expectation": "expectation",
    "variance": "variance",
    "sample": "sample",
    "probability": "probability",
    "amplitude": "amplitude",
    "statevector": "state_vector",
    "densitymatrix": "density_matrix",
}
_OBSERVABLES: Final[Mapping[str, ObservableName]] = {
    "x": "x",
    "y": "y",
    "z": "z",
    "h": "h",
    "i": "i",
}


def read_jaqcd(
    document: Mapping[str, Any], *, rules: Rules | None = None, with_rotations: bool = False
) -> Circuit:
    """Translate a JAQCD program.

    Args:
        document: The action, its header checked.
        rules: What the device allows; None allows everything that is implemented.
        with_rotations: Whether the basis rotations follow the instructions, as they do where
            qubits are measured.

    Returns:
        The circuit, on the qubits that the program names.

    Raises:
        ProgramError: If the program is wrong, or the device does not allow it; names the
            instruction or result by its index.
        LimitError: If the program is larger than a named limit.
    """
    builder = OperationBuilder()
    _read_instructions(builder, document, "instructions", rules, is_required=True)
    rotations = builder if with_rotations else OperationBuilder()
    _read_instructions(rotations, document, "basis_rotation_instructions", rules)
    results = [
        _Item(f"Result {index}", entry).result()
        for index, entry in enumerate(_entries(document, "results"))
    ]
    used = {*builder.targets, *rotations.targets}
    used.update(qubit for channel in builder.noise for qubit in channel.targets)
    for result in results:
        used.update(result.targets or ())
        used.update(qubit for factor in result.observable for qubit in factor.targets)
    if not used:
        raise ProgramError("The program uses no qubits.")
    qubits = tuple(sorted(used))
    positions = {qubit: position for position, qubit in enumerate(qubits)}
    return Circuit(
        qubits=qubits,
        operations=builder.build(qubits),
        result_types=tuple(_on_positions(result, positions) for result in results),
    )


def has_rotations(document: Mapping[str, Any]) -> bool:
    """Return whether a JAQCD program says how to rotate to the basis of its measurements."""
    return bool(document.get("basis_rotation_instructions"))


def _read_instructions(
    builder: OperationBuilder,
    document: Mapping[str, Any],
    member: str,
    rules: Rules | None,
    *,
    is_required: bool = False,
) -> None:
    label = "Instruction" if member == "instructions" else "Basis rotation instruction"
    for index, entry in enumerate(_entries(document, member, is_required=is_required)):
        builder.charge(0)
        _Item(f"{label} {index}", entry).instruct(builder, rules)


def _entries(
    document: Mapping[str, Any], member: str, *, is_required: bool = False
) -> Sequence[object]:
    entries = document.get(member)
    if entries is None and not is_required:
        return ()
    if not isinstance(entries, list):
        seen = "missing" if entries is None else shown(entries)
        raise ProgramError(f"The action's '{member}' must be a list, but it is {seen}.")
    return entries


class _Item:
    """One instruction or result, and errors that name it."""

    def __init__(self, label: str, entry: object) -> None:
        self._label = label
        if not isinstance(entry, dict):
            self._refuse(f"must be a JSON object, but it is {shown(entry)}.")
        self._entry: dict[str, Any] = entry
        kind = entry.get("type")
        if not isinstance(kind, str):
            self._refuse(f"must have a 'type', but it is {shown(kind)}.")
        self._type = kind
        self._label = f"{label} ({kind[:40]})"

    def _refuse(self, message: str) -> NoReturn:
        raise ProgramError(f"{self._label}: {message}")

    # Instructions.

    def instruct(self, builder: OperationBuilder, rules: Rules | None) -> None:
        """Append the instruction's operation."""
        name = self._type
        is_known = name in _MEMBERS or name in _NOISE or name in _DIRECTIVES or name == "unitary"
        if not is_known:
            self._refuse("Invalid instruction specified: the type is not one of JAQCD's.")
        if rules is not None:
            message = rules.refuse_gate(name)
            if message is not None:
                self._refuse(message)
        if name in _NOISE_PARAMETERS:
            self._channel(builder)
        elif name == KRAUS:
            targets = self._noise_targets(self._entry.get("targets"))
            self._kraus(builder, targets, self._matrices(len(targets)))
        elif name == _MIXTURE:
            self._mixture(builder)
        elif name == "unitary":
            self._unitary(builder)
        elif name in _MEMBERS:
            self._gate(builder)

    def _gate(self, builder: OperationBuilder) -> None:
        gate = GATES[self._type]
        targets: list[int] = []
        for member, count in _MEMBERS[self._type]:
            value = self._entry.get(member)
            is_many = member.endswith("s")
            qubits = self._qubits(value if is_many else [value], member)
            if len(qubits) != count:
                self._refuse(f"'{member}' must have {count} qubits, but it has {len(qubits)}.")
            targets += qubits
        self._check_distinct(targets)
        parameters = [self._angle()] if gate.parameter_count else []
        builder.append(gate.code, targets, parameters)

    def _channel(self, builder: OperationBuilder) -> None:
        channel = CHANNELS[self._type]
        is_pair = channel.qubit_count == 2
        value = self._entry.get("targets") if is_pair else [self._entry.get("target")]
        targets = self._qubits(value, "targets" if is_pair else "target")
        if len(targets) != channel.qubit_count:
            self._refuse(
                f"'targets' must have {channel.qubit_count} qubits, but it has {len(targets)}."
            )
        self._check_distinct(targets)
        parameters = tuple(self._number(member) for member in _NOISE_PARAMETERS[self._type])
        message = refuse_parameters(channel, parameters)
        if message is not None:
            self._refuse(message)
        builder.append_noise(self._type, tuple(targets), parameters)

    def _noise_targets(self, value: object) -> tuple[int, ...]:
        targets = self._qubits(value, "targets")
        self._check_distinct(targets)
        if len(targets) > NOISE_QUBITS_MAX:
            raise LimitError(
                f"{self._label}: a noise channel on {len(targets)} qubits is larger than the limit "
                f"of {NOISE_QUBITS_MAX}."
            )
        return tuple(targets)

    def _matrices(self, target_count: int) -> tuple[Matrix, ...]:
        value = self._entry.get("matrices")
        if not isinstance(value, list) or not value:
            self._refuse(f"'matrices' must be a list of matrices, but it is {shown(value)}.")
        if len(value) > 4**target_count:
            self._refuse(
                f"a channel on {target_count} qubits has at most {4**target_count} Kraus "
                f"operators, but there are {len(value)}."
            )
        matrices = tuple(self._matrix(matrix, "matrices") for matrix in value)
        for matrix in matrices:
            if len(matrix) != 1 << target_count:
                self._refuse(
                    f"Kraus operators on {target_count} qubits need {1 << target_count} rows, but "
                    f"there is one of {len(matrix)}."
                )
        return matrices

    def _mixture(self, builder: OperationBuilder) -> None:
        targets = self._noise_targets(self._entry.get("targets"))
        given = self._entry.get("probabilities")
        if not isinstance(given, dict) or not given:
            self._refuse(f"'probabilities' must be by Pauli strings, but they are {shown(given)}.")
        for letters in given:
            if len(letters) != len(targets) or set(letters) - set("IXYZ"):
                self._refuse(
                    f"'probabilities' must be by strings of {len(targets)} letters I, X, Y and Z, "
                    f"but there is {shown(letters)}."
                )
        weights = {k: self._number_of(p, "probabilities") for k, p in given.items()}
        total = math.fsum(weights.values())
        if min(weights.values()) < 0 or total > 1:
            self._refuse(
                "the probabilities must be at least 0 and together at most 1, but they are "
                f"{', '.join(map(str, weights.values()))}."
            )
        identity = "I" * len(targets)
        weights[identity] = weights.get(identity, 0.0) + 1 - total
        self._kraus(builder, targets, mixture_operators(weights))

    def _kraus(
        self, builder: OperationBuilder, targets: tuple[int, ...], matrices: tuple[Matrix, ...]
    ) -> None:
        message = refuse_kraus(matrices)
        if message is not None:
            self._refuse(message)
        builder.append_noise(KRAUS, targets, (), matrices)

    def _number(self, member: str) -> float:
        return self._number_of(self._entry.get(member), member)

    def _number_of(self, value: object, member: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(f"'{member}' must be a number, but it is {shown(value)}.")
        return self._finite(value, member)

    def _unitary(self, builder: OperationBuilder) -> None:
        targets = self._qubits(self._entry.get("targets"), "targets")
        self._check_distinct(targets)
        matrix = self._matrix(self._entry.get("matrix"), "matrix")
        if len(matrix) != 1 << len(targets):
            self._refuse(
                f"a unitary on {len(targets)} qubits needs a matrix of {1 << len(targets)} rows, "
                f"but it has {len(matrix)}."
            )
        if not is_unitary(matrix):
            self._refuse("the matrix is not unitary.")
        builder.append_unitary(matrix, targets)

    def _angle(self) -> float:
        angle = self._entry.get("angle")
        if isinstance(angle, bool) or not isinstance(angle, int | float):
            self._refuse(f"'angle' must be a number in radians, but it is {shown(angle)}.")
        return self._finite(angle, "angle")

    def _finite(self, value: float, member: str) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self._refuse(f"'{member}' must be finite, but it is {shown(value)}.")
        return number

    def _qubits(self, value: object, member: str) -> list[int]:
        if not isinstance(value, list) or not value:
            self._refuse(f"'{member}' must be a list of qubits, but it is {shown(value)}.")
        for qubit in value:
            if isinstance(qubit, bool) or not isinstance(qubit, int) or qubit < 0:
                self._refuse(
                    f"'{member}' must name qubits by integers of at least 0, "
                    f"but it has {shown(qubit)}."
                )
            if qubit > QUBIT_INDEX_MAX:
                raise LimitError(
                    f"{self._label}: qubit {qubit} is beyond the limit of {QUBIT_INDEX_MAX}."
                )
        return list(value)

    def _check_distinct(self, targets: Sequence[int]) -> None:
        if len(set(targets)) != len(targets):
            named = ", ".join(map(str, targets))
            self._refuse(f"the qubits must be distinct, but they are {named}.")

    def _matrix(self, value: object, member: str) -> Matrix:
        size_max = 1 << UNITARY_QUBITS_MAX
        size = len(value) if isinstance(value, list) else 0
        if size > size_max:
            raise LimitError(
                f"{self._label}: a matrix of {size} rows is larger than the limit of {size_max} "
                f"({UNITARY_QUBITS_MAX} qubits)."
            )
        if not isinstance(value, list) or size < 2 or size & (size - 1):
            self._refuse(
                f"'{member}' must be a square matrix of 2, 4, 8, … rows, but it is {shown(value)}."
            )
        return tuple(self._row(row, size, member) for row in value)

    def _row(self, row: object, size: int, member: str) -> tuple[complex, ...]:
        if not isinstance(row, list) or len(row) != size:
            self._refuse(
                f"'{member}' must have {size} numbers in each row, but a row is {shown(row)}."
            )
        return tuple(self._complex(pair, member) for pair in row)

    def _complex(self, pair: object, member: str) -> complex:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(x, int | float) and not isinstance(x, bool) for x in pair)
        ):
            self._refuse(
                f"'{member}' must be made of [real, imaginary] pairs, but it has {shown(pair)}."
            )
        return complex(self._finite(pair[0], member), self._finite(pair[1], member))

    # Results.

    def result(self) -> ResultType:
        """Return the result type, on program qubits."""
        kind = _RESULT_KINDS.get(self._type)
        if self._type == "adjoint_gradient":
            self._refuse("a JAQCD program has no parameters to take a gradient by.")
        if kind is None:
            self._refuse(f"the type must be one of {', '.join(_RESULT_KINDS)}.")
        targets = None
        if self._entry.get("targets") is not None:
            targets = tuple(self._qubits(self._entry["targets"], "targets"))
            self._check_distinct(targets)
        if kind in ("expectation", "variance", "sample"):
            return ResultType(kind, observable=self._observable(targets))
        if kind == "amplitude":
            return ResultType(kind, states=self._states())
        if kind == "state_vector":
            return ResultType(kind)
        return ResultType(kind, targets=targets)

    def _states(self) -> tuple[str, ...]:
        states = self._entry.get("states")
        if not isinstance(states, list) or not states:
            self._refuse(f"'states' must be a list of bit strings, but it is {shown(states)}.")
        for state in states:
            if not isinstance(state, str) or not state or set(state) - {"0", "1"}:
                self._refuse(f"'states' must be bit strings, but it has {shown(state)}.")
        return tuple(states)

    def _observable(self, targets: tuple[int, ...] | None) -> tuple[Factor, ...]:
        names = self._entry.get("observable")
        if not isinstance(names, list) or not names:
            self._refuse(f"'observable' must be a list of factors, but it is {shown(names)}.")
        factors = [self._factor(name) for name in names]
        widths = [1 if f.matrix is None else len(f.matrix).bit_length() - 1 for f in factors]
        if targets is None:
            if len(factors) > 1 or widths[0] != 1:
                self._refuse(
                    "without 'targets' the observable acts on every qubit, so it must be one "
                    "factor on one qubit."
                )
            return (factors[0],)
        if sum(widths) != len(targets):
            self._refuse(f"the observable acts on {sum(widths)} qubits, but targets {targets!r}.")
        placed, start = [], 0
        for factor, width in zip(factors, widths, strict=True):
            placed.append(replace(factor, targets=targets[start : start + width]))
            start += width
        return tuple(placed)

    def _factor(self, name: object) -> Factor:
        if isinstance(name, list):
            matrix = self._matrix(name, "observable")
            if not is_hermitian(matrix):
                self._refuse("the matrix of the observable is not Hermitian.")
            return Factor("hermitian", (), matrix)
        known = _OBSERVABLES.get(name) if isinstance(name, str) else None
        if known is None:
            self._refuse(
                f"'observable' must be made of {', '.join(_OBSERVABLES)} and matrices, "
                f"but it has {shown(name)}."
            )
        return Factor(known, ())


def _on_positions(result: ResultType, positions: Mapping[int, int]) -> ResultType:
    def moved(qubits: Iterable[int]) -> tuple[int, ...]:
        return tuple(positions[qubit] for qubit in qubits)

    return replace(
        result,
        targets=None if result.targets is None else moved(result.targets),
        observable=tuple(replace(f, targets=moved(f.targets)) for f in result.observable),
    )
