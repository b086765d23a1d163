"""Slow, plain definitions that the kernels are compared with."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from openbraket.circuits.circuit import Operations
from openbraket.kernels import load_variant, runnable_variants


@pytest.fixture(scope="session", params=runnable_variants())
def core(request: pytest.FixtureRequest) -> ModuleType:
    """Every variant of the kernel that this machine can run."""
    return load_variant(request.param)


def apply_matrix(state: np.ndarray, matrix: np.ndarray, qubits: list[int]) -> np.ndarray:
    """Contract a matrix with the axes of a state of shape (2,) * n."""
    k = len(qubits)
    tensor = np.asarray(matrix).reshape((2,) * (2 * k))
    return np.moveaxis(
        np.tensordot(tensor, state, axes=(range(k, 2 * k), qubits)), range(k), qubits
    )


def controlled(matrix: np.ndarray, count: int, value: int) -> np.ndarray:
    size = matrix.shape[0]
    full = np.eye(size << count, dtype=complex)
    full[value * size : (value + 1) * size, value * size : (value + 1) * size] = matrix
    return full


def evolve(
    operations: Operations,
    qubit_count: int,
    state: np.ndarray | None = None,
    power: Callable[[np.ndarray, float], np.ndarray] | None = None,
) -> np.ndarray:
    """Apply operations one by one with numpy.tensordot; returns shape (2^n,)."""
    if state is None:
        state = np.zeros(1 << qubit_count, dtype=complex)
        state[0] = 1
    state = state.reshape((2,) * qubit_count)
    for index in range(len(operations)):
        start, stop = operations.target_starts[index : index + 2]
        qubits = list(operations.targets[start:stop])
        start, stop = operations.parameter_starts[index : index + 2]
        parameters = operations.parameters[start:stop]
        gate = operations.gate(index)
        if gate is None:
            flat = np.array(parameters).view(complex)
            matrix = flat.reshape(round(flat.size**0.5), -1)
        else:
            matrix = np.array(gate.matrix(*parameters))
        if index in operations.powers:
            assert power is not None
            matrix = power(matrix, operations.powers[index])
        count = operations.control_counts[index]
        matrix = controlled(matrix, count, operations.control_values[index])
        state = apply_matrix(state, matrix, qubits)
    return state.reshape(-1)


def run_kernel(
    core: ModuleType,
    operations: Operations,
    qubit_count: int,
    *,
    thread_count: int = 1,
    precision: str = "StateVector",
) -> SimpleNamespace:
    """Apply operations with one kernel variant; returns its state vector."""
    state = getattr(core, precision)(qubit_count)
    assert state.apply(
        operations.codes,
        operations.target_starts,
        operations.targets,
        operations.parameter_starts,
        operations.parameters,
        operations.control_counts,
        operations.control_values,
        thread_count=thread_count,
    )
    return state


def random_unitary(generator: np.random.Generator, qubit_count: int) -> np.ndarray:
    shape = (1 << qubit_count, 1 << qubit_count)
    return np.linalg.qr(generator.normal(size=shape) + 1j * generator.normal(size=shape))[0]


@pytest.fixture(scope="session")
def slow() -> SimpleNamespace:
    """The functions above."""
    return SimpleNamespace(
        apply_matrix=apply_matrix,
        controlled=controlled,
        evolve=evolve,
        random_unitary=random_unitary,
        run_kernel=run_kernel,
    )
