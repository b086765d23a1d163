"""The adjoint gradient: ∂<ψ|H|ψ>/∂v of a sum H of weighted tensor products.

ψ = U_m … U_1 |0…0>, and v are input variables that the angles θ of the gates depend on:

    ∂<H>/∂v = Σ_θ ∂θ/∂v · 2 Re <λ_k| (∂U_k/∂θ) U_k† |ψ_k>,  λ_k = U_{k+1}† … U_m† H ψ,

with ψ_k = U_k … U_1 |0…0>. The kernel goes through the gates once, backwards, and undoes them on ψ
and λ together.

Source: T. Jones and J. Gacon, arXiv:2009.02823.
"""

import itertools
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.circuit import Factor, Operations, ResultType, Term
from openbraket.circuits.gradients import PAULI_STRINGS_MAX, Jacobian, pauli_string_count
from openbraket.kernels import (
    Monitor,
    add_scaled,
    adjoint_derivatives,
    apply_pauli_sum,
    gate_derivative,
    real_overlap,
)
from openbraket.kernels import StateVector as Kernel
from openbraket.simulators.observables import basis_of
from openbraket.simulators.powers import resolve_powers, unitary_power_derivative
from openbraket.simulators.progress import reporting
from openbraket.simulators.statevector.state import (
    REPORT_QUBITS_MIN,
    PauliString,
    StateVector,
)
from openbraket.simulators.values import Complexes, Floats, GradientValue

_LETTERS: Final = "ixyz"


@dataclass(frozen=True, slots=True)
class Differentiated:
    """What the kernel takes derivatives by, and where the derivatives belong.

    Attributes:
        parameters: Entries of the resolved operations' parameters. Type uint32.
        operations: Resolved operations that are powers of gates. Type uint32.
        matrices: Their matrices' derivatives, one after the other, interleaved. Type float64.
        sources: The entry of the original parameters that each derivative belongs to.
    """

    parameters: "array[int]"
    operations: "array[int]"
    matrices: Floats
    sources: NDArray[np.int64]


def adjoint_gradient(
    state: StateVector,
    operations: Operations,
    jacobian: Jacobian,
    result_type: ResultType,
    *,
    report: Callable[[float], None] | None = None,
) -> GradientValue:
    """Return expectation and gradient of an adjoint_gradient result type.

    Args:
        state: The state after all operations; used up, undefined afterwards.
        operations: The circuit's operations; not modified.
        jacobian: Derivatives of their parameters by the input variables.
        result_type: With terms and parameters.
        report: Called now and then, from another thread, with the share that is done.

    Returns:
        `{"expectation": <H>, "gradient": {name: ∂<H>/∂name}}`, the gradient in the order of the
        result type's parameters.

    Cost: one pass over the state for the expectation and two passes' worth of the gates; a second
        state vector, and a third where a term expands into more than 64 Pauli strings.

    Accuracy: rounding, about 1e-15 for each gate, times the largest singular value of H.
    """
    image = _image(state, result_type.terms)
    expectation = real_overlap(state.kernel, image, thread_count=state.thread_count)
    gradient = dict.fromkeys(result_type.parameters, 0.0)
    columns = np.frombuffer(jacobian.columns, dtype=np.uint32)
    rows = np.frombuffer(jacobian.rows, dtype=np.uint32)
    values = np.frombuffer(jacobian.values, dtype=np.float64)
    is_wanted = np.array([name in gradient for name in jacobian.names], dtype=bool)[columns]
    columns, rows, values = columns[is_wanted], rows[is_wanted], values[is_wanted]
    if rows.size:
        by_parameter = _derivatives(state, image, operations, np.unique(rows), report)
        sums = np.bincount(columns, by_parameter[rows] * values, minlength=len(jacobian.names))
        gradient |= {
            name: float(total)
            for name, total in zip(jacobian.names, sums, strict=True)
            if name in gradient
        }
    return {"expectation": expectation, "gradient": gradient}


def _derivatives(
    state: StateVector,
    image: Kernel,
    operations: Operations,
    wanted: NDArray[np.uint32],
    report: Callable[[float], None] | None,
) -> Floats:
    """Return ∂<H>/∂θ at the places `wanted` of a column as long as the parameters."""
    plain, monitor = resolve_powers(operations), Monitor()
    by = differentiated(operations, plain, wanted)
    with reporting(monitor, report if state.qubit_count >= REPORT_QUBITS_MIN else None):
        found = adjoint_derivatives(
            state.kernel,
            image,
            plain.codes,
            plain.target_starts,
            plain.targets,
            plain.parameter_starts,
            plain.parameters,
            plain.control_counts,
            plain.control_values,
            by.parameters,
            by.operations,
            by.matrices,
            thread_count=state.thread_count,
            monitor=monitor,
        )
    out = np.zeros(len(operations.parameters))
    if found is not None:  # nobody else holds this monitor, so nobody cancels
        out[by.sources] = found
    return out


def differentiated(
    operations: Operations, plain: Operations, wanted: NDArray[np.uint32]
) -> Differentiated:
    """Return what to differentiate by once powers have become matrices.

    Args:
        operations: The operations, with powers.
        plain: The same, resolved.
        wanted: Places of the operations' parameters, ascending.

    Returns:
        Angles of gates as they are; powers of gates with the derivatives of their matrices.
    """
    starts = np.frombuffer(operations.parameter_starts, dtype=np.uint32)
    owners = np.searchsorted(starts, wanted, side="right") - 1
    plain_starts = np.frombuffer(plain.parameter_starts, dtype=np.uint32)
    is_power = np.isin(owners, list(operations.powers))
    moved = wanted + plain_starts[owners].astype(np.int64) - starts[owners]
    matrices = [
        _powered_derivative(operations, int(index), int(place - starts[index]))
        for index, place in zip(owners[is_power], wanted[is_power], strict=True)
    ]
    return Differentiated(
        parameters=array("I", moved[~is_power].tolist()),
        operations=array("I", owners[is_power].tolist()),
        matrices=np.concatenate([m.view(np.float64).ravel() for m in matrices] or [np.zeros(0)]),
        sources=np.concatenate([wanted[~is_power], wanted[is_power]]).astype(np.int64),
    )


def _powered_derivative(operations: Operations, index: int, which: int) -> Complexes:
    start, stop = operations.parameter_starts[index : index + 2]
    own = np.array(operations.parameters[start:stop])
    gate = operations.gate(index)
    if gate is None:
        raise ValueError("the matrix of a unitary pragma has no parameters")
    matrix = np.array(gate.matrix(*own), dtype=np.complex128)
    slope = gate_derivative(operations.codes[index], own, which)
    return unitary_power_derivative(matrix, slope, operations.powers[index])


# H ψ.


def _image(state: StateVector, terms: Sequence[Term]) -> Kernel:
    """Return a new state H ψ, which is not normalized."""
    small = [t for t in terms if pauli_string_count(t.observable) <= PAULI_STRINGS_MAX]
    large = [t for t in terms if pauli_string_count(t.observable) > PAULI_STRINGS_MAX]
    weights: dict[PauliString, float] = {}
    for term in small:
        for string, weight in pauli_strings(term.observable):
            weights[string] = weights.get(string, 0.0) + term.weight * weight
    image, threads = Kernel(state.qubit_count), state.thread_count
    apply_pauli_sum(
        image, state.kernel, list(weights), list(weights.values()), thread_count=threads
    )
    if large:
        work = StateVector(state.qubit_count, thread_count=threads)
        for term in large:
            apply_pauli_sum(work.kernel, state.kernel, [("", ())], [1.0], thread_count=threads)
            work.apply(_as_operations(term.observable))
            add_scaled(image, term.weight, work.kernel, thread_count=threads)
    return image


def _as_operations(observable: Sequence[Factor]) -> Operations:
    """Return operations whose product is the observable; they are not unitary."""
    operations = Operations()
    for factor in observable:
        operations.append_unitary(_matrix(factor).tolist(), factor.targets)
    return operations


def _matrix(factor: Factor) -> Complexes:
    if factor.matrix is not None:
        return np.array(factor.matrix, dtype=np.complex128)
    return basis_of(factor).matrix


def pauli_strings(observable: Sequence[Factor]) -> list[tuple[PauliString, float]]:
    """Return the Pauli strings and weights that a tensor product is the sum of.

    Args:
        observable: Factors with targets; a Hermitian one on k qubits gives up to 4^k strings.

    Returns:
        Strings without identities, with weights other than zero.
    """
    if all(factor.name in "xyz" for factor in observable):
        letters_alone = "".join(factor.name for factor in observable)
        return [((letters_alone, tuple(factor.targets[0] for factor in observable)), 1.0)]
    choices = [_factor_strings(factor) for factor in observable]
    out = []
    for choice in itertools.product(*choices):
        letters = [
            (letter, qubit)
            for (string, _), factor in zip(choice, observable, strict=True)
            for letter, qubit in zip(string, factor.targets, strict=True)
            if letter != "i"
        ]
        weight = math.prod(weight for _, weight in choice)
        string = "".join(letter for letter, _ in letters)
        out.append(((string, tuple(qubit for _, qubit in letters)), weight))
    return out


def _factor_strings(factor: Factor) -> list[tuple[str, float]]:
    if factor.name in _LETTERS:
        return [(factor.name, 1.0)]
    if factor.name == "h":
        return [("x", 0.5**0.5), ("z", 0.5**0.5)]
    matrix, count = _matrix(factor), len(factor.targets)
    matrix = (matrix + matrix.conj().T) / 2
    out = []
    for letters in itertools.product(_LETTERS, repeat=count):
        pauli: Complexes = np.eye(1, dtype=np.complex128)
        for letter in letters:
            own = basis_of(Factor(letter, (0,))).matrix  # type: ignore[arg-type]
            pauli = np.kron(pauli, own).astype(np.complex128, copy=False)
        weight = float(np.trace(pauli @ matrix).real) / (1 << count)
        if weight != 0.0:
            out.append(("".join(letters), weight))
    return out or [("i" * count, 0.0)]
