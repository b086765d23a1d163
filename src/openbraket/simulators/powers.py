"""Powers of gates, resolved to matrices before the kernel sees them."""

from array import array

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import NumericsError
from openbraket.circuits.circuit import Operations
from openbraket.circuits.gates import UNITARY_CODE

# Eigenphases within this of -π count as +π, the principal branch, so that rounding of an
# eigenvalue -1 does not choose the branch.
_BRANCH_MARGIN = 1e-9
_RESIDUAL_MAX = 1e-10
# Sines of half the difference of two eigenphases below this count as zero.
_SAME_PHASE_MAX = 1e-9
# Slopes of the Hermitian combinations tried; two eigenphases share a combination only for one
# slope, so a second one separates them.
_SLOPES = (0.7390851, 1.2345678, 0.3141592)


def unitary_power(matrix: NDArray[np.complex128], exponent: float) -> NDArray[np.complex128]:
    """Return U^k on the principal branch: eigenvalues exp(iφ) with -π < φ <= π become exp(ikφ).

    Args:
        matrix: A unitary U; complex128, square.
        exponent: k; an integer is exact repeated multiplication.

    Returns:
        A new matrix of the same shape.

    Raises:
        NumericsError: If the matrix has no orthonormal eigenvectors, so is not unitary.
    """
    if float(exponent).is_integer():
        return np.linalg.matrix_power(matrix, int(exponent))
    vectors, phases = _eigenbasis(matrix, exponent)
    powered = (vectors * np.exp(1j * exponent * phases)) @ vectors.conj().T
    return np.asarray(powered, dtype=np.complex128)


def _eigenbasis(
    matrix: NDArray[np.complex128], exponent: float
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return eigenvectors as columns, and eigenphases -π < φ <= π, of a unitary.

    Raises:
        NumericsError: If the matrix has no orthonormal eigenvectors.
    """
    # A unitary is A + iB with commuting Hermitian A and B: eigenvectors of A + rB diagonalise it.
    adjoint = matrix.conj().T
    real, imaginary = (matrix + adjoint) / 2, (matrix - adjoint) / 2j
    residual = np.inf
    for slope in _SLOPES:
        vectors = np.linalg.eigh(real + slope * imaginary)[1]
        rotated = vectors.conj().T @ matrix @ vectors
        values = rotated.diagonal()
        residual = float(np.abs(rotated - np.diag(values)).max())
        if residual <= _RESIDUAL_MAX:
            phases = np.angle(values)
            phases[phases < _BRANCH_MARGIN - np.pi] += 2 * np.pi
            return vectors, phases
    message = (
        f"power {exponent:g} of a matrix that is not unitary: residual {residual:.3g}, "
        f"at most {_RESIDUAL_MAX:g} is allowed"
    )
    raise NumericsError(message)


def unitary_power_derivative(
    matrix: NDArray[np.complex128], derivative: NDArray[np.complex128], exponent: float
) -> NDArray[np.complex128]:
    """Return ∂U^k/∂θ from U and ∂U/∂θ, by divided differences of λ^k over the eigenvalues λ of U.

    Args:
        matrix: A unitary U; complex128, square.
        derivative: ∂U/∂θ, the same shape.
        exponent: k.

    Returns:
        A new matrix of the same shape.

    Raises:
        NumericsError: If the matrix is not unitary.

    Source: N. Higham, Functions of Matrices (2008), theorem 3.11 (Daleckii and Krein).
    """
    vectors, phases = _eigenbasis(matrix, exponent)
    mean = (phases[:, None] + phases[None, :]) / 2
    half = (phases[:, None] - phases[None, :]) / 2
    # (λ_i^k - λ_j^k) / (λ_i - λ_j) = exp(i (k - 1) mean) sin(k half) / sin(half).
    is_same = np.abs(np.sin(half)) < _SAME_PHASE_MAX
    safe = np.where(is_same, 1.0, half)
    ratio = np.where(is_same, exponent, np.sin(exponent * safe) / np.sin(safe))
    rotated = vectors.conj().T @ derivative @ vectors
    differences = np.exp(1j * (exponent - 1) * mean) * ratio
    powered = vectors @ (differences * rotated) @ vectors.conj().T
    return np.ascontiguousarray(powered, dtype=np.complex128)


def resolve_powers(operations: Operations) -> Operations:
    """Return the operations with every power replaced by its matrix.

    Args:
        operations: Not modified; returned as it is where it has no powers.

    Returns:
        Operations whose `powers` are empty.

    Raises:
        NumericsError: If the matrix of a powered unitary is not unitary.
    """
    if not operations.powers:
        return operations
    codes = array(operations.codes.typecode, operations.codes)
    starts, parameters = array(operations.parameter_starts.typecode, (0,)), array("d")
    for index in range(len(operations)):
        start, stop = operations.parameter_starts[index : index + 2]
        own = operations.parameters[start:stop]
        exponent = operations.powers.get(index)
        if exponent is not None:
            gate = operations.gate(index)
            if gate is None:
                flat = np.array(own).view(np.complex128)
                size = round(flat.size**0.5)
                matrix = flat.reshape(size, size)
            else:
                matrix = np.array(gate.matrix(*own), dtype=np.complex128)
            powered = np.ascontiguousarray(unitary_power(matrix, exponent))
            own = array("d", powered.view(np.float64).ravel())
            codes[index] = UNITARY_CODE
        parameters.extend(own)
        starts.append(len(parameters))
    return Operations(
        codes=codes,
        target_starts=operations.target_starts,
        targets=operations.targets,
        parameter_starts=starts,
        parameters=parameters,
        control_counts=operations.control_counts,
        control_values=operations.control_values,
    )
