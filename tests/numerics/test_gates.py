"""Every gate of the table, against definitions that share nothing with it."""

import copy
import functools
import itertools
import math

import numpy as np
import pytest
from scipy.linalg import expm, fractional_matrix_power

from openbraket.circuits.circuit import Operations
from openbraket.circuits.gates import GATES, UNITARY_CODE
from openbraket.simulators.powers import resolve_powers

I2 = np.eye(2, dtype=complex)
X = np.array([[0, 1], [1, 0]], dtype=complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1]).astype(complex)
P = (np.diag([1, 0]).astype(complex), np.diag([0, 1]).astype(complex))


def rotation(generator: np.ndarray, angle: float) -> np.ndarray:
    return expm(-0.5j * angle * generator)


def equator(phi: float) -> np.ndarray:
    return math.cos(phi) * X + math.sin(phi) * Y


def on_one(matrix: np.ndarray) -> np.ndarray:
    return np.kron(P[0], np.eye(len(matrix))) + np.kron(P[1], matrix)


def images(qubit_count: int, image: "callable") -> np.ndarray:
    """Permutation matrix from a function of bit tuples."""
    matrix = np.zeros((1 << qubit_count,) * 2, dtype=complex)
    for bits in itertools.product((0, 1), repeat=qubit_count):
        row, column = (int("".join(map(str, b)), 2) for b in (image(*bits), bits))
        matrix[row, column] = 1
    return matrix


SWAP = images(2, lambda a, b: (b, a))
SQRT_X = expm(0.25j * math.pi * (I2 - X))
ODD = (np.eye(4) - np.kron(Z, Z)) / 2
HOPPING = np.kron(X, X) + np.kron(Y, Y)

DEFINITIONS = {
    "i": lambda: I2,
    "h": lambda: (X + Z) / math.sqrt(2),
    "x": lambda: X,
    "y": lambda: Y,
    "z": lambda: Z,
    "s": lambda: expm(0.5j * math.pi * P[1]),
    "si": lambda: expm(-0.5j * math.pi * P[1]),
    "t": lambda: expm(0.25j * math.pi * P[1]),
    "ti": lambda: expm(-0.25j * math.pi * P[1]),
    "v": lambda: SQRT_X,
    "vi": lambda: SQRT_X.conj().T,
    "phaseshift": lambda a: expm(1j * a * P[1]),
    "rx": lambda a: rotation(X, a),
    "ry": lambda a: rotation(Y, a),
    "rz": lambda a: rotation(Z, a),
    "U": lambda t, p, lam: (
        np.exp(0.5j * (p + lam)) * rotation(Z, p) @ rotation(Y, t) @ rotation(Z, lam)
    ),
    "prx": lambda t, p: rotation(equator(p), t),
    "gpi": equator,
    "gpi2": lambda p: rotation(equator(p), math.pi / 2),
    "cnot": lambda: images(2, lambda a, b: (a, a ^ b)),
    "cy": lambda: on_one(Y),
    "cz": lambda: expm(1j * math.pi * np.kron(P[1], P[1])),
    "cv": lambda: on_one(SQRT_X),
    "swap": lambda: SWAP,
    "iswap": lambda: expm(0.25j * math.pi * HOPPING),
    "ecr": lambda: (np.kron(X, I2) - np.kron(Y, X)) / math.sqrt(2),
    "pswap": lambda a: SWAP @ expm(1j * a * ODD),
    "xy": lambda a: expm(0.25j * a * HOPPING),
    "xx": lambda a: rotation(np.kron(X, X), a),
    "yy": lambda a: rotation(np.kron(Y, Y), a),
    "zz": lambda a: rotation(np.kron(Z, Z), a),
    "cphaseshift": lambda a: expm(1j * a * np.kron(P[1], P[1])),
    "cphaseshift00": lambda a: expm(1j * a * np.kron(P[0], P[0])),
    "cphaseshift01": lambda a: expm(1j * a * np.kron(P[0], P[1])),
    "cphaseshift10": lambda a: expm(1j * a * np.kron(P[1], P[0])),
    "ms": lambda p0, p1, t: rotation(np.kron(equator(p0), equator(p1)), t),
    "ccnot": lambda: images(3, lambda a, b, c: (a, b, c ^ (a & b))),
    "cswap": lambda: images(3, lambda a, b, c: (a, c, b) if a else (a, b, c)),
    "gphase": lambda a: np.array([[np.exp(1j * a)]]),
}

ANGLES = (0.7, -2.1, 5.3)
# 6 qubits: in double precision three of them lie inside a vector, three outside.
QUBIT_COUNT = 6


@functools.cache
def preparation(random_unitary, seed: int) -> Operations:
    operations = Operations()
    matrix = random_unitary(np.random.default_rng(seed), QUBIT_COUNT)
    operations.append_unitary(matrix.tolist(), range(QUBIT_COUNT))
    return operations


def prepared(slow, seed: int) -> Operations:
    """Operations that make a state without symmetry."""
    return copy.deepcopy(preparation(slow.random_unitary, seed))


def test_every_gate_has_a_definition():
    assert set(DEFINITIONS) == set(GATES)


@pytest.mark.parametrize("name", GATES)
def test_table_and_kernel_matrices_equal_the_definition(core, name):
    gate = GATES[name]
    for angles in (ANGLES, ANGLES[::-1], (0.0, 0.0, 0.0), (math.pi, math.pi / 2, -math.pi)):
        parameters = angles[: gate.parameter_count]
        expected = DEFINITIONS[name](*parameters)
        assert core.gate_names()[gate.code] == name
        np.testing.assert_allclose(np.array(gate.matrix(*parameters)), expected, atol=1e-15)
        found = core.gate_matrix(gate.code, np.array(parameters, dtype=float))
        np.testing.assert_allclose(found, expected, atol=1e-15)
        assert gate.is_hermitian <= np.allclose(expected, expected.conj().T)


@pytest.mark.parametrize("name", GATES)
def test_gate_on_every_order_of_targets_among_other_qubits(core, slow, name):
    gate, parameters = GATES[name], ANGLES[: GATES[name].parameter_count]
    definition = DEFINITIONS[name](*parameters)
    start = slow.evolve(prepared(slow, 1), QUBIT_COUNT).reshape((2,) * QUBIT_COUNT)
    for targets in itertools.permutations(range(QUBIT_COUNT), gate.qubit_count):
        operations = prepared(slow, 1)
        operations.append(gate.code, targets, parameters)
        state = slow.run_kernel(core, operations, QUBIT_COUNT).amplitudes(thread_count=1)
        expected = slow.apply_matrix(start, definition, list(targets)).reshape(-1)
        np.testing.assert_allclose(state, expected, atol=1e-14, err_msg=f"{name} {targets}")


@pytest.mark.parametrize("name", GATES)
def test_gate_with_controls_of_both_kinds(core, slow, name):
    gate, parameters = GATES[name], ANGLES[: GATES[name].parameter_count]
    definition = DEFINITIONS[name](*parameters)
    generator = np.random.default_rng(gate.code)
    start = slow.evolve(prepared(slow, 2), QUBIT_COUNT).reshape((2,) * QUBIT_COUNT)
    for count in range(1, QUBIT_COUNT - gate.qubit_count + 1):
        for value in range(1 << count):
            qubits = generator.permutation(QUBIT_COUNT)[: count + gate.qubit_count].tolist()
            operations = prepared(slow, 2)
            operations.append(
                gate.code, qubits, parameters, control_count=count, control_value=value
            )
            state = slow.run_kernel(core, operations, QUBIT_COUNT).amplitudes(thread_count=1)
            matrix = slow.controlled(definition, count, value)
            expected = slow.apply_matrix(start, matrix, qubits).reshape(-1)
            np.testing.assert_allclose(state, expected, atol=1e-14)


@pytest.mark.parametrize("exponent", [-1, 0, 2, 3, -2, 0.5, -0.5, 1.7, -0.3])
@pytest.mark.parametrize("name", GATES)
def test_gate_to_a_power(slow, name, exponent):
    gate, parameters = GATES[name], ANGLES[: GATES[name].parameter_count]
    definition = DEFINITIONS[name](*parameters)
    if float(exponent).is_integer():
        expected = np.linalg.matrix_power(definition, exponent)
    else:
        # The table's exact zeros and ones keep scipy on the principal branch.
        expected = fractional_matrix_power(np.array(gate.matrix(*parameters)), exponent)
    operations = Operations()
    operations.append(gate.code, range(gate.qubit_count), parameters, power=exponent)
    resolved = resolve_powers(operations)
    assert list(resolved.codes) == [UNITARY_CODE]
    assert not resolved.powers
    found = np.array(resolved.parameters).view(complex).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-13)
