"""Observables as bases to measure in: a rotation to the computational basis, and eigenvalues."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from openbraket.base.errors import ProgramError
from openbraket.circuits.circuit import Factor, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.simulators.values import Complexes, Floats

_R2: Final = math.sqrt(0.5)
_C8, _S8 = math.cos(math.pi / 8), math.sin(math.pi / 8)

# Rows are the conjugated eigenvectors, eigenvalue +1 first.
_ROTATIONS: Final[dict[str, Complexes | None]] = {
    "i": None,
    "z": None,
    "x": np.array([[_R2, _R2], [_R2, -_R2]], dtype=np.complex128),
    "y": np.array([[_R2, -1j * _R2], [_R2, 1j * _R2]], dtype=np.complex128),
    "h": np.array([[_C8, _S8], [-_S8, _C8]], dtype=np.complex128),
}
_NAMED: Final[dict[str, tuple[tuple[str, tuple[float, ...]], ...]]] = {
    "x": (("h", ()),),
    "y": (("si", ()), ("h", ())),
    "h": (("ry", (-math.pi / 4,)),),
}
_MATRICES: Final[dict[str, Complexes]] = {
    "i": np.eye(2, dtype=np.complex128),
    "x": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "y": np.array([[0, -1j], [1j, 0]], dtype=np.complex128),
    "z": np.array([[1, 0], [0, -1]], dtype=np.complex128),
    "h": np.array([[_R2, _R2], [_R2, -_R2]], dtype=np.complex128),
}


@dataclass(frozen=True, slots=True)
class Basis:
    """How one factor of an observable is measured.

    Attributes:
        targets: The factor's qubits, most significant first.
        rotation: Unitary that takes eigenvector k to basis state k; None where it is the identity.
        eigenvalues: Eigenvalue of each basis state, shape (2^len(targets),).
        matrix: The factor itself.
    """

    targets: tuple[int, ...]
    rotation: Complexes | None
    eigenvalues: Floats
    matrix: Complexes


def basis_of(factor: Factor) -> Basis:
    """Return the basis in which a factor with targets is measured.

    The eigenvalues of a Hermitian factor ascend, as in `numpy.linalg.eigh`.
    """
    if factor.name == "hermitian":
        matrix = np.array(factor.matrix, dtype=np.complex128)
        eigenvalues, vectors = np.linalg.eigh(matrix)
        return Basis(factor.targets, vectors.conj().T, eigenvalues, matrix)
    values = (1.0, 1.0) if factor.name == "i" else (1.0, -1.0)
    return Basis(factor.targets, _ROTATIONS[factor.name], np.array(values), _MATRICES[factor.name])


def on_each_qubit(
    observable: tuple[Factor, ...], qubit_count: int
) -> list[tuple[Factor, ...]] | None:
    """Return the observable on each qubit in turn, or None where it names its targets."""
    if len(observable) != 1 or observable[0].targets:
        return None
    factor = observable[0]
    return [(Factor(factor.name, (qubit,), factor.matrix),) for qubit in range(qubit_count)]


def rotations(bases: Iterable[Basis]) -> Operations:
    """Return the operations that rotate each basis to the computational one."""
    operations = Operations()
    for basis in bases:
        if basis.rotation is not None:
            operations.append_unitary(basis.rotation.tolist(), basis.targets)
    return operations


def named_rotations(bases: Iterable[Basis]) -> Operations:
    """Return `rotations` by gates that have names, up to phases of the basis states.

    Those of a hermitian factor are unitaries nevertheless.
    """
    operations = Operations()
    for basis in bases:
        if basis.rotation is None:
            continue
        for name, own in _ROTATIONS.items():
            if own is basis.rotation:
                for gate, parameters in _NAMED[name]:
                    operations.append(GATES[gate].code, basis.targets, parameters)
                break
        else:
            operations.append_unitary(basis.rotation.tolist(), basis.targets)
    return operations


def inverse_rotations(bases: Iterable[Basis]) -> Operations:
    """Return the operations that undo `rotations`; the bases share no qubit, so order is free."""
    operations = Operations()
    for basis in bases:
        if basis.rotation is not None:
            operations.append_unitary(basis.rotation.conj().T.tolist(), basis.targets)
    return operations


def contract(distribution: Floats, eigenvalues: Sequence[Floats]) -> float:
    """Return Σ_x p(x) Π_f λ_f(x_f), where x is the values x_f of the factors in order."""
    rest = distribution
    for values in reversed(eigenvalues):
        rest = rest.reshape(-1, values.size) @ values
    return float(rest.reshape(()))


def joint_basis(result_types: Sequence[ResultType], qubit_count: int) -> list[Basis]:
    """Return one basis per group of qubits in which all results can be measured at once.

    Args:
        result_types: The program's result types; those without observable but with probabilities
            want the computational basis.
        qubit_count: Number of qubits of the program.

    Returns:
        Bases with disjoint targets; identity factors want no basis.

    Raises:
        ProgramError: If two results want different bases for one qubit.
    """
    chosen: dict[int, Factor] = {}
    for result_type in result_types:
        for factor in _wanted_factors(result_type, qubit_count):
            for qubit in factor.targets:
                earlier = chosen.get(qubit)
                if earlier is not None:
                    _check_compatible(earlier, factor)
            chosen |= dict.fromkeys(factor.targets, factor)
    return [basis_of(factor) for factor in dict.fromkeys(chosen.values())]


def _wanted_factors(result_type: ResultType, qubit_count: int) -> Iterable[Factor]:
    if result_type.kind == "probability":
        targets = range(qubit_count) if result_type.targets is None else result_type.targets
        return [Factor("z", (qubit,)) for qubit in targets]
    each = on_each_qubit(result_type.observable, qubit_count)
    factors = result_type.observable if each is None else [one for (one,) in each]
    return [factor for factor in factors if factor.name != "i"]


def _check_compatible(earlier: Factor, later: Factor) -> None:
    if earlier.targets != later.targets:
        raise ProgramError("Qubit part of incompatible results targets")
    is_same = earlier.name == later.name
    if is_same and earlier.matrix is not None and later.matrix is not None:
        is_same = np.allclose(np.array(earlier.matrix), np.array(later.matrix))
    if not is_same:
        raise ProgramError("Conflicting result types applied to a single qubit")
