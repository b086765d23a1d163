"""Circuits to compile, and an independent look at what came out."""

import cmath
import math

import numpy as np

from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.gates import GATES
from openbraket.compilation import Compiled, Target
from openbraket.devices import Catalogue

DEVICES = ("Garnet", "Emerald", "Cepheus-1-108Q", "Forte 1", "Forte Enterprise 1", "IBEX Q1")


def target_of(name: str) -> Target:
    """Return the target of a device of the catalogue."""
    (device,) = Catalogue().find(name)
    return Target.from_capabilities(device.capabilities, provider_name=device.provider_name)


def random_operations(generator: np.random.Generator, qubit_count: int, count: int) -> Operations:
    """Return operations of all widths, unitaries included."""
    operations = Operations()
    names = [name for name, gate in GATES.items() if gate.qubit_count <= qubit_count]
    for _ in range(count):
        name = str(generator.choice([*names, "unitary", "cnot", "cz"]))
        if name == "unitary" or qubit_count == 1:
            width = int(generator.integers(1, min(3, qubit_count) + 1))
            targets = generator.permutation(qubit_count)[:width].tolist()
            size = (1 << width, 1 << width)
            matrix = generator.normal(size=size) + 1j * generator.normal(size=size)
            operations.append_unitary(np.linalg.qr(matrix)[0].tolist(), targets)
            continue
        gate = GATES[name]
        # Multiples of π/4 make many coincidences.
        angles = generator.integers(-8, 9, gate.parameter_count) * np.pi / 4
        if generator.random() < 0.5:
            angles = generator.uniform(-7, 7, gate.parameter_count)
        targets = generator.permutation(qubit_count)[: gate.qubit_count].tolist()
        operations.append(gate.code, targets, angles.tolist())
    return operations


def brickwork(generator: np.random.Generator, qubit_count: int, layers: int) -> Operations:
    """Return layers of cnot on random pairs between random rotations."""
    operations = Operations()
    for _ in range(layers):
        order = generator.permutation(qubit_count).tolist()
        for qubit in range(qubit_count):
            angles = generator.uniform(-np.pi, np.pi, 3).tolist()
            operations.append(GATES["U"].code, [qubit], angles)
        for k in range(0, qubit_count - 1, 2):
            operations.append(GATES["cnot"].code, order[k : k + 2])
    return operations


def whole(operations: Operations, qubit_count: int) -> Circuit:
    """Return a circuit on qubits 0 to qubit_count - 1."""
    return Circuit(tuple(range(qubit_count)), operations)


def assert_fits(compiled: Compiled, target: Target) -> None:
    """Check that every gate is one of the device, on its qubits and couplings."""
    assert set(compiled.circuit.qubits) <= set(target.qubits)
    for gate in compiled.natives:
        assert gate.name in target.native_gates, gate
        assert len(gate.qubits) == GATES[gate.name].qubit_count
        if len(gate.qubits) == 2:
            assert target.is_coupled(*gate.qubits), gate
        if gate.name == "rx":
            assert min(abs(abs(gate.parameters[0]) - a) for a in (math.pi / 2, math.pi)) < 1e-12
    assert len(compiled.starts_s) == len(compiled.circuit.operations)


def assert_equal_up_to_phases(found: np.ndarray, expected: np.ndarray, atol: float) -> None:
    """Check that two states of shape (2^n,) differ by a phase and by rotations about z at most.

    Only where the expected amplitudes are not small, which a random state has everywhere.
    """
    count = expected.size.bit_length() - 1
    ratio = found / expected
    turns = [ratio[1 << bit] / ratio[0] for bit in range(count)]
    product = np.full(expected.size, ratio[0])
    for bit, turn in enumerate(turns):
        product[(np.arange(expected.size) >> bit & 1) == 1] *= cmath.exp(1j * cmath.phase(turn))
    np.testing.assert_allclose(found, product * expected, atol=atol)
    np.testing.assert_allclose(abs(ratio[0]), 1, atol=atol / abs(expected[0]))
