"""Results that follow from the state itself, for shots = 0."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Factor, ResultType
from openbraket.simulators.observables import (
    Basis,
    basis_of,
    contract,
    inverse_rotations,
    on_each_qubit,
    rotations,
)
from openbraket.simulators.statevector.state import PauliString, StateVector
from openbraket.simulators.values import Complexes, Floats, Value

# <h> = (<x> + <z>) / √2: up to this many factors are expanded into 2^k Pauli strings.
_HADAMARD_FACTORS_MAX: Final = 3
# Up to this many qubits an observable is traced against the reduced density matrix.
_TRACED_QUBITS_MAX: Final = 4
_KERNEL_DENSITY_QUBITS_MAX: Final = 8
# The distribution of more qubits than this is avoided, for its memory.
_DISTRIBUTION_QUBITS_MAX: Final = 16
# A diagonal observable is expanded into this many products of z at most.
_DIAGONAL_STRINGS_MAX: Final = 1024
Means = Mapping[PauliString, float]

# A density matrix of 12 qubits has 256 MiB.
DENSITY_QUBITS_MAX: Final = 12


def exact_values(state: StateVector, result_types: Sequence[ResultType]) -> tuple[Value, ...]:
    """Return the values of all result types from the state's amplitudes.

    Args:
        state: May be rotated and rotated back meanwhile, so rounding may change its last bits.
        result_types: Any kinds but `sample` and `adjoint_gradient`.

    Returns:
        For each result type a float, or one per qubit for an observable without targets; an array
        for probability, state_vector and density_matrix; amplitudes by basis state.

    Raises:
        ProgramError: If a kind needs shots or is not supported, or an amplitude's basis state has
            the wrong length.
        LimitError: If a density matrix has more than 12 qubits.
    """
    observables = [_observables(state, result_type) for result_type in result_types]
    expansions = [[_pauli_strings(one) for one in each] for each in observables]
    strings = [string for each in expansions for one in each for string in one or ()]
    means: dict[PauliString, float] = {}
    if strings:
        strings = list(dict.fromkeys(strings))
        means = dict(zip(strings, state.pauli_expectations(strings).tolist(), strict=True))
    values = []
    for result_type, each, expansion in zip(result_types, observables, expansions, strict=True):
        pauli_means = [_pauli_mean(one, means) for one in expansion]
        values.append(_value(state, result_type, each, pauli_means))
    return tuple(values)


def _observables(state: StateVector, result_type: ResultType) -> list[tuple[Factor, ...]]:
    if not result_type.observable:
        return []
    each = on_each_qubit(result_type.observable, state.qubit_count)
    return [result_type.observable] if each is None else each


def _value(
    state: StateVector,
    result_type: ResultType,
    observables: list[tuple[Factor, ...]],
    pauli_means: list[float | None],
) -> Value:
    match result_type.kind:
        case "expectation" | "variance":
            moment = _expectation if result_type.kind == "expectation" else _variance
            values = list(map(moment, itertools.repeat(state), observables, pauli_means))
            return values if not result_type.observable[0].targets else values[0]
        case "probability":
            return state.probabilities(_targets(state, result_type))
        case "amplitude":
            return {bits: _amplitude(state, bits) for bits in result_type.states}
        case "state_vector":
            return state.amplitudes()
        case "density_matrix":
            return _density_matrix(state, _targets(state, result_type))
        case "sample":
            raise ProgramError("sample can only be specified when shots>0")
        case _:
            message = f"Result type {result_type.kind} is not supported."
            raise ProgramError(message)


def _targets(state: StateVector, result_type: ResultType) -> tuple[int, ...]:
    every_qubit = tuple(range(state.qubit_count))
    return every_qubit if result_type.targets is None else result_type.targets


def _amplitude(state: StateVector, bits: str) -> complex:
    if len(bits) != state.qubit_count:
        message = (
            f"Length of state {bits} for result type amplitude must be equivalent to number of "
            f"qubits {state.qubit_count} in circuit"
        )
        raise ProgramError(message)
    return state.amplitude(int(bits, 2))


def _density_matrix(state: StateVector, targets: tuple[int, ...]) -> Complexes:
    if len(targets) <= _KERNEL_DENSITY_QUBITS_MAX:
        return state.density_matrix(targets)
    if len(targets) > DENSITY_QUBITS_MAX:
        message = (
            f"density_matrix of {len(targets)} qubits; at most {DENSITY_QUBITS_MAX} are allowed"
        )
        raise LimitError(message)
    rest = [qubit for qubit in range(state.qubit_count) if qubit not in targets]
    tensor = state.amplitudes().reshape((2,) * state.qubit_count)
    matrix = tensor.transpose((*targets, *rest)).reshape(1 << len(targets), -1)
    return matrix @ matrix.conj().T


def _expectation(
    state: StateVector, observable: tuple[Factor, ...], pauli_mean: float | None
) -> float:
    return _general_moments(state, observable)[0] if pauli_mean is None else pauli_mean


def _variance(
    state: StateVector, observable: tuple[Factor, ...], pauli_mean: float | None
) -> float:
    if all(factor.name == "i" for factor in observable):
        return 0.0
    if pauli_mean is not None:
        return max(0.0, 1.0 - pauli_mean**2)  # such an observable is its own inverse
    return _general_moments(state, observable)[1]


def _pauli_strings(observable: tuple[Factor, ...]) -> list[PauliString] | None:
    """Return the Pauli strings whose sum over √(their number) is the observable, if few."""
    names = [factor.name for factor in observable]
    qubits = tuple([qubit for factor in observable for qubit in factor.targets])
    if "hermitian" in names or names.count("h") > _HADAMARD_FACTORS_MAX:
        return None
    if "h" not in names:
        return [("".join(names), qubits)]
    letters = [("x", "z") if name == "h" else (name,) for name in names]
    return [("".join(choice), qubits) for choice in itertools.product(*letters)]


def _pauli_mean(strings: list[PauliString] | None, means: Means) -> float | None:
    if strings is None:
        return None
    return sum(means[string] for string in strings) / math.sqrt(len(strings))


def _general_moments(state: StateVector, observable: tuple[Factor, ...]) -> tuple[float, float]:
    """Return mean and variance of a tensor product of any factors."""
    bases = [basis_of(factor) for factor in observable]
    qubits = [qubit for basis in bases for qubit in basis.targets]
    if len(qubits) <= _TRACED_QUBITS_MAX:
        return _traced_moments(state, bases, qubits)
    eigenvalues = [basis.eigenvalues for basis in bases]
    squares = [values**2 for values in eigenvalues]
    state.apply(rotations(bases))
    is_wide = len(qubits) > _DISTRIBUTION_QUBITS_MAX
    if is_wide and _string_count(bases) <= _DIAGONAL_STRINGS_MAX:
        mean, square = (_diagonal_mean(state, bases, values) for values in (eigenvalues, squares))
    else:
        distribution = state.probabilities(qubits)
        mean, square = (contract(distribution, values) for values in (eigenvalues, squares))
    state.apply(inverse_rotations(bases))
    return mean, max(0.0, square - mean * mean)


def _string_count(bases: list[Basis]) -> int:
    """Return into how many products of z the eigenvalues expand at most."""
    return math.prod(basis.eigenvalues.size for basis in bases if len(basis.targets) > 1) << sum(
        len(basis.targets) == 1 and not np.array_equal(abs(basis.eigenvalues), [1.0, 1.0])
        for basis in bases
    )


def _diagonal_mean(state: StateVector, bases: list[Basis], eigenvalues: list[Floats]) -> float:
    """Return Σ_x p(x) Π_f λ_f(x_f), each λ_f written as Σ_b c_b (-1)^{b·x} of products of z.

    Unlike a distribution of all factors' qubits it needs no memory beside the state.
    """
    factors = []
    for basis, values in zip(bases, eigenvalues, strict=True):
        weights = _walsh(values) / values.size
        letters = itertools.product("iz", repeat=len(basis.targets))
        factors.append([
            ("".join(choice), weight)
            for choice, weight in zip(letters, weights.tolist(), strict=True)
            if weight
        ])
    qubits = tuple(qubit for basis in bases for qubit in basis.targets)
    terms = list(itertools.product(*factors))
    strings = [("".join(letters for letters, _ in term), qubits) for term in terms]
    means = state.pauli_expectations(strings)
    weights = np.array([math.prod(weight for _, weight in term) for term in terms])
    return float(means @ weights) if terms else 0.0


def _walsh(values: Floats) -> Floats:
    """Return Σ_x (-1)^{b·x} values[x] for every b."""
    out = values.reshape((2,) * (values.size.bit_length() - 1))
    for axis in range(out.ndim):
        first, second = np.split(out, 2, axis=axis)
        out = np.concatenate([first + second, first - second], axis=axis)
    return out.reshape(-1)


def _traced_moments(
    state: StateVector, bases: list[Basis], qubits: list[int]
) -> tuple[float, float]:
    matrix: Complexes = np.eye(1, dtype=np.complex128)
    for basis in bases:
        matrix = np.kron(matrix, basis.matrix).astype(np.complex128, copy=False)
    density = state.density_matrix(qubits)
    mean = float(np.trace(density @ matrix).real)
    centred = matrix - mean * np.eye(matrix.shape[0])
    return mean, max(0.0, float(np.trace(density @ centred @ centred).real))
