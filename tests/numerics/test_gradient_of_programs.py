"""The gradient of whole programs: chain rule, powers, every kind of observable, memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbraket.circuits.circuit import Factor, Operations, Term
from openbraket.circuits.gates import GATES
from openbraket.circuits.gradients import gradient_state_count, pauli_string_count
from openbraket.circuits.memory import gradient_bytes
from openbraket.programs.openqasm import parse_circuit
from openbraket.simulators.powers import unitary_power, unitary_power_derivative
from openbraket.simulators.statevector import StateVector, simulate
from openbraket.simulators.statevector.gradient import pauli_strings

# Differences of fourth order have an error of step**4 * |f'''''| / 30 + 1e-15 / step.
STEP = 5e-4
HEAD = """OPENQASM 3.0;
input float a;
input float b;
qubit[4] q;
h q[0]; v q[1]; h q[2]; ry(0.4) q[3];
"""
ANGLES = (
    "a", "-a", "2*a + b", "a*b", "a/(b + 2)", "1/(a + 3)", "a**3", "a**b", "2**a", "pow(a, 2.5)",
    "sin(a)*cos(b)", "exp(-a*a)", "log(a + b)", "sqrt(a)", "tan(a/2)", "arcsin(a/3)",
    "arccos(b/3)", "arctan(a - b)", "mod(5*a, b)", "(7*a) % 1.5", "pi*a - b*tau", "float(a)*2",
    "angle(a + 9)", "real(a)*b", "floor(a) + b", "int(3*b)*a",
)  # fmt: skip
PRAGMA = "#pragma braket result adjoint_gradient expectation({}) {}\n"


def run(source, **inputs):
    return simulate(parse_circuit(source, inputs), shots=0).values[-1]


def check(source, *, error_max=1e-9, **inputs):
    """Compare a program's gradient with differences of fourth order; return it."""
    found = run(source, **inputs)
    for name, value in found["gradient"].items():

        def at(steps, name=name):
            return run(source, **(inputs | {name: inputs[name] + steps * STEP}))["expectation"]

        expected = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)
        assert value == pytest.approx(expected, rel=1e-9, abs=error_max), name
    return found


@pytest.mark.parametrize("angle", ANGLES)
def test_angles_of_every_form_by_the_chain_rule(angle):
    pragma = PRAGMA.format("x(q[0]) @ y(q[1]) + 2 * z(q[0])", "all")
    source = f"{HEAD}rz({angle}) q[0];\nzz({angle}) q[0], q[1]; cnot q[0], q[1];\n{pragma}"
    found = check(source, a=0.8, b=0.61)
    assert any(abs(value) > 1e-3 for value in found["gradient"].values())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(ANGLES), min_size=3, max_size=3), st.data())
def test_angles_in_gates_with_several_parameters(angles, data):
    gate, qubits = data.draw(
        st.sampled_from([("U", 1), ("ms", 2), ("ctrl @ U", 2), ("negctrl @ ctrl @ ms", 4)])
    )
    targets = ", ".join(f"q[{q}]" for q in data.draw(st.permutations(range(4)))[:qubits])
    body = f"{gate}({', '.join(angles)}) {targets};\ncnot q[0], q[1]; h q[3]; cnot q[2], q[3];\n"
    observable = "x(q[0]) @ z(q[2]) - 0.5 * y(q[1]) + 3 * h(q[3])"
    check(HEAD + body + PRAGMA.format(observable, "a, b"), a=0.8, b=0.61)


@pytest.mark.parametrize("power", ["inv @", "pow(2) @", "pow(-3) @", "pow(0.5) @", "pow(0) @"])
@pytest.mark.parametrize("gate", ["rx(a*b)", "ry(a)", "U(a, b, a*b)", "gpi(a)", "phaseshift(a)"])
def test_powers_of_gates_with_parameters(power, gate):
    for controls, targets in (("", "q[1]"), ("ctrl @ ", "q[2], q[1]")):
        if power == "pow(0.5) @" and gate == "gpi(a)":
            continue  # its eigenvalue -1 lies on the branch cut, but its eigenphases do not move
        body = f"{controls}{power} {gate} {targets};\ncnot q[1], q[3]; h q[2];\n"
        check(HEAD + body + PRAGMA.format("x(q[1]) @ z(q[3]) + y(q[2])", "all"), a=0.8, b=0.61)


def test_derivative_of_a_power_with_equal_eigenvalues():
    for name, angle in (("xx", 0.7), ("iswap", None), ("xy", 0.3)):
        matrix = np.array(GATES[name].matrix(*([] if angle is None else [angle])), dtype=complex)
        generator = np.random.default_rng(5)
        hermitian = generator.normal(size=(4, 4)) + 1j * generator.normal(size=(4, 4))
        hermitian = hermitian + hermitian.conj().T
        values, vectors = np.linalg.eigh(hermitian)

        def turned(x, matrix=matrix, values=values, vectors=vectors):
            return (vectors * np.exp(1j * x * values)) @ vectors.conj().T @ matrix

        slope = 1j * hermitian @ matrix
        for exponent in (0.5, -1.0, 2.0, 3.7):
            above, below = (unitary_power(turned(s * 1e-5), exponent) for s in (1, -1))
            found = unitary_power_derivative(matrix, slope, exponent)
            np.testing.assert_allclose(found, (above - below) / 2e-5, atol=1e-7)


OBSERVABLES = (
    "z(q[0])",
    "-2.5 * x(q[3])",
    "y(q[1]) @ i(q[0]) @ z(q[2])",
    "h(q[0]) @ h(q[1]) @ h(q[2]) @ h(q[3])",
    "hermitian([[1, 2im], [-2im, -3]]) q[2]",
    "0.5 * hermitian([[1, 0, 0, 1im], [0, 2, 3, 0], [0, 3, 1, 0], [-1im, 0, 0, 4]]) q[3], q[0]",
    "3 * hermitian([[0, 1im], [-1im, 2]]) q[0] @ h(q[1]) - z(q[2]) + 2 * z(q[2]) - .1 * i(q[0])",
)


@pytest.mark.parametrize("observable", OBSERVABLES)
def test_every_kind_of_observable(observable):
    body = "ry(a) q[0]; rx(a*b) q[2]; xx(b) q[0], q[3]; cphaseshift(a) q[1], q[2]; h q[1];\n"
    check(HEAD + body + PRAGMA.format(observable, "all"), a=0.8, b=0.61)


def test_a_term_of_many_pauli_strings_uses_a_third_state():
    generator = np.random.default_rng(2)
    qubit_count = 9
    rows = generator.normal(size=(16, 16)) + 1j * generator.normal(size=(16, 16))
    matrix = tuple(map(tuple, (rows + rows.conj().T).tolist()))
    large = (Factor("hermitian", (5, 1, 7, 2), matrix), Factor("h", (0,)))
    assert pauli_string_count(large) == 512
    assert gradient_state_count((Term(1.0, large),)) == 3
    assert gradient_state_count((Term(1.0, (Factor("h", (0,)),)),)) == 2
    source = "OPENQASM 3.0;\ninput float a;\nqubit[9] q;\n"
    source += "".join(f"ry({0.3 + 0.2 * q}*a) q[{q}];\n" for q in range(qubit_count))
    source += "".join(f"cnot q[{q}], q[{q + 1}];\n" for q in range(qubit_count - 1))
    shown = ", ".join(
        "[" + ", ".join(f"{x.real:.17g}{x.imag:+.17g}im" for x in row) + "]" for row in matrix
    )
    observable = f"2 * hermitian([{shown}]) q[5], q[1], q[7], q[2] @ h(q[0]) + z(q[8])"
    check(source + PRAGMA.format(observable, "a"), error_max=1e-8, a=0.8)


def test_pauli_strings_sum_up_to_the_observable(slow):
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(4, 4)) + 1j * generator.normal(size=(4, 4))
    matrix = tuple(map(tuple, (rows + rows.conj().T).tolist()))
    observable = (Factor("hermitian", (2, 0), matrix), Factor("h", (1,)))
    state = slow.random_unitary(generator, 3)[0].reshape(2, 2, 2)
    expected = slow.apply_matrix(state, np.array(matrix), [2, 0])
    expected = slow.apply_matrix(expected, np.array([[1, 1], [1, -1]]) / np.sqrt(2), [1])
    letters = {"x": [[0, 1], [1, 0]], "y": [[0, -1j], [1j, 0]], "z": [[1, 0], [0, -1]]}
    found = np.zeros_like(state)
    for (string, qubits), weight in pauli_strings(observable):
        image = state
        for letter, qubit in zip(string, qubits, strict=True):
            image = slow.apply_matrix(image, np.array(letters[letter]), [qubit])
        found = found + weight * image
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_other_exact_results_beside_a_gradient_are_not_disturbed():
    body = "ry(a) q[0]; cnot q[0], q[1]; rx(b) q[2];\n"
    others = "#pragma braket result expectation z(q[1])\n"
    after = "#pragma braket result state_vector\n"
    source = HEAD + body + others + PRAGMA.format("z(q[1])", "all") + after
    mean, value, vector = simulate(parse_circuit(source, {"a": 0.3, "b": 0.4}), shots=0).values
    assert mean == pytest.approx(value["expectation"], abs=1e-14)
    state = StateVector(4)
    state.apply(parse_circuit(source, {"a": 0.3, "b": 0.4}).operations)
    assert np.array_equal(vector, state.amplitudes())


def test_a_parameter_that_nothing_depends_on_has_derivative_zero():
    source = HEAD + "rx(b) q[0];\n" + PRAGMA.format("z(q[0])", "a, b")
    assert run(source, a=0.2, b=0.3)["gradient"]["a"] == 0.0


PEAK = """
import re, sys
from openbraket.circuits.circuit import Circuit, Factor, Operations, ResultType, Term
from openbraket.circuits.gates import GATES
from openbraket.circuits.gradients import Jacobian
from openbraket.simulators.statevector import simulate
from array import array

qubit_count, hermitian = int(sys.argv[1]), sys.argv[2] == "3"
operations = Operations()
for qubit in range(qubit_count):
    operations.append(GATES["ry"].code, [qubit], [0.3])
for qubit in range(qubit_count - 1):
    operations.append(GATES["zz"].code, [qubit, qubit + 1], [0.2])
for qubit in range(qubit_count):
    operations.append(GATES["ry"].code, [qubit], [0.3])
factors = tuple(Factor("h" if hermitian else "z", (q,)) for q in range(8))
result = ResultType("adjoint_gradient", terms=(Term(1.0, factors),), parameters=("a",))
count = len(operations.parameters)
jacobian = Jacobian(("a",), array("I", range(count)), array("I", [0] * count),
                    array("d", [1.0] * count))
def kilobytes(name):
    with open("/proc/self/status") as status:
        return int(re.search(name + r":\\s+(\\d+) kB", status.read())[1])

before = kilobytes("VmRSS")
circuit = Circuit(tuple(range(qubit_count)), operations, (result,), (), jacobian)
simulate(circuit, shots=0, thread_count=2)
print((kilobytes("VmHWM") - before) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
@pytest.mark.parametrize("state_count", [2, 3])
def test_peak_memory_is_within_the_estimate(state_count):
    qubit_count = 22
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(qubit_count), str(state_count)],
        capture_output=True,
        text=True,
        check=True,
    )
    peak = int(done.stdout)
    states = state_count * 16 << qubit_count
    assert 0.95 * states <= peak <= gradient_bytes(qubit_count, state_count)


def test_operations_are_left_as_they_are():
    source = HEAD + "pow(0.5) @ rx(a) q[0];\n" + PRAGMA.format("z(q[0])", "a")
    circuit = parse_circuit(source, {"a": 0.2, "b": 0.0})
    before = Operations(**{
        name: getattr(circuit.operations, name) for name in Operations.__dataclass_fields__
    })
    simulate(circuit, shots=0)
    assert circuit.operations == before


def test_a_gradient_is_in_double_precision_whatever_is_asked_for():
    source = f"{HEAD}rx(a) q[0]; cnot q[0], q[1]; ry(b) q[1];\n"
    source += PRAGMA.format("z(q[1]) + 2 * x(q[0])", "all")
    circuit = parse_circuit(source, {"a": 0.8, "b": 0.61})
    double, single = (
        simulate(circuit, shots=0, precision=precision).values[-1]
        for precision in ("double", "single")
    )
    assert single == double


def test_a_gradient_goes_through_circuits_that_reductions_would_cut():
    # <z> of qubit 0 is cos(a) whatever the other 17 qubits do.
    source = "OPENQASM 3.0;\ninput float a;\nqubit[18] q;\nh q; h q[0]; rx(a) q[0];\n"
    found = run(source + PRAGMA.format("z(q[0])", "all"), a=0.4)
    assert found["expectation"] == pytest.approx(np.cos(0.4), abs=1e-12)
    assert found["gradient"]["a"] == pytest.approx(-np.sin(0.4), abs=1e-12)
