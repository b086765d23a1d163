"""The local simulator's interpreter and the SDK's serializer are the oracles."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbraket.circuits.gates import GATES, UNITARY_CODE
from openbraket.programs.openqasm import parse_circuit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.circuits import Circuit, FreeParameter, Observable
    from braket.circuits.serialization import IRType
    from braket.default_simulator.openqasm.interpreter import Interpreter

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ANGLES = st.one_of(
    st.floats(-10, 10, allow_nan=False).map(repr),
    st.sampled_from(["pi", "-pi/2", "2*pi/3", "tau/8", "alpha", "-alpha/2+1", "sin(beta)**2"]),
    st.integers(-5, 5).map(str),
)
INPUTS = {"alpha": 0.3, "beta": -1.25}


def assert_same_circuit(source, inputs=None):
    ours = parse_circuit(source, inputs or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Interpreter().build_circuit(source, dict(inputs or {}))
    assert set(ours.qubits) == theirs.qubit_set
    assert [ours.qubits[p] for p in ours.measured] == theirs.measured_qubits
    operations = ours.operations
    assert len(operations) == len(theirs.instructions)
    for index, instruction in enumerate(theirs.instructions):
        start, stop = operations.target_starts[index], operations.target_starts[index + 1]
        targets = tuple(ours.qubits[p] for p in operations.targets[start:stop])
        assert targets == tuple(instruction.targets)
        control_count = operations.control_counts[index]
        bits = [
            operations.control_values[index] >> (control_count - 1 - i) & 1
            for i in range(control_count)
        ]
        assert bits == list(instruction.control_state)
        assert operations.powers.get(index, 1.0) == pytest.approx(instruction._power)
        np.testing.assert_allclose(
            base_matrix(operations, index), instruction._base_matrix, atol=1e-9
        )
    assert_same_results(ours, theirs.results)
    return ours


def base_matrix(operations, index):
    start, stop = operations.parameter_starts[index], operations.parameter_starts[index + 1]
    parameters = list(operations.parameters[start:stop])
    if operations.codes[index] == UNITARY_CODE:
        flat = np.array(parameters[0::2]) + 1j * np.array(parameters[1::2])
        return flat.reshape(2 * (math.isqrt(len(flat)),))
    return np.array(operations.gate(index).matrix(*parameters))


def assert_same_results(ours, theirs):
    kinds = [result.kind.replace("_", "") for result in ours.result_types]
    assert kinds == [result.type.value for result in theirs]
    for mine, other in zip(ours.result_types, theirs, strict=True):
        if mine.kind == "amplitude":
            assert list(mine.states) == [str(s) for s in other.states]
            continue
        if mine.observable:
            names = [f.name for f in mine.observable]
            expected = [o if isinstance(o, str) else "hermitian" for o in other.observable]
            assert names == expected
            targets = [p for f in mine.observable for p in f.targets]
            for factor, observable in zip(mine.observable, other.observable, strict=True):
                if factor.matrix is not None:
                    pairs = np.array(observable)
                    np.testing.assert_allclose(
                        np.array(factor.matrix), pairs[..., 0] + 1j * pairs[..., 1]
                    )
        else:
            targets = list(mine.targets or ())
        assert [ours.qubits[p] for p in targets] == list(getattr(other, "targets", None) or ())


@st.composite
def gate_lines(draw, qubit_count, *, modifiers=True):
    gate = draw(st.sampled_from([g for g in GATES.values() if g.qubit_count]))
    prefix, control_count = "", 0
    if modifiers and draw(st.integers(0, 3)) == 0:
        for _ in range(draw(st.integers(1, 2))):
            name = draw(st.sampled_from(["ctrl", "negctrl", "ctrl(2)", "inv", "pow(2)", "pow(-1)"]))
            count = 2 if name == "ctrl(2)" else int("ctrl" in name)
            if control_count + count + gate.qubit_count <= qubit_count:
                control_count += count
                prefix += name + " @ "
    count = gate.qubit_count + control_count
    targets = draw(st.permutations(range(qubit_count)))[:count]
    arguments = ", ".join(draw(ANGLES) for _ in range(gate.parameter_count))
    call = f"{gate.name}({arguments})" if gate.parameter_count else gate.name
    return f"{prefix}{call} {', '.join(f'q[{t}]' for t in targets)};"


@st.composite
def programs(draw):
    qubit_count = draw(st.integers(4, 7))
    lines = [
        draw(st.sampled_from(["OPENQASM 3.0;", "OPENQASM 3;", "// no version"])),
        "input float alpha;",
        "input float beta;",
        f"bit[{qubit_count}] b;",
        f"qubit[{qubit_count}] q;",
    ]
    lines += draw(st.lists(gate_lines(qubit_count), min_size=1, max_size=12))
    if draw(st.integers(0, 4)) == 0:
        lines.append("rx(0.25) q;")
    if draw(st.integers(0, 4)) == 0:
        lines.append("cnot q[0:1], q[{2, 3}];")
    if draw(st.integers(0, 4)) == 0:
        lines.append("gphase(alpha);")
    ending = draw(st.sampled_from(["none", "measure", "all", "results"]))
    if ending == "all":
        lines.append(draw(st.sampled_from(["b = measure q;", "measure q -> b;", "measure q;"])))
    elif ending == "measure":
        measured = draw(st.permutations(range(qubit_count)))[: draw(st.integers(1, qubit_count))]
        bits = draw(st.permutations(range(qubit_count)))
        lines += [f"b[{c}] = measure q[{t}];" for c, t in zip(bits, measured, strict=False)]
    elif ending == "results":
        lines += draw(st.lists(result_lines(qubit_count), min_size=1, max_size=4))
    separator = draw(st.sampled_from(["\n", "\n\n", " // comment\n", "\r\n"]))
    return separator.join(lines) + "\n"


@st.composite
def result_lines(draw, qubit_count):
    a, b, c = draw(st.permutations(range(qubit_count)))[:3]
    kind = draw(st.sampled_from(["expectation", "variance", "sample"]))
    name, other = draw(st.sampled_from("xyzhi")), draw(st.sampled_from("xyzhi"))
    matrix = "[[0, 0-1im], [0+1im, 0]]"
    wide = "[[1, 0, 0, 0.5im], [0, -2.5, 0, 0], [0, 0, 1e-3, 0], [-0.5im, 0, 0, 1]]"
    return "#pragma braket result " + draw(
        st.sampled_from([
            "state_vector",
            "probability",
            "probability all",
            f"probability q[{a}], q[{b}]",
            f"density_matrix q[{a}]",
            "density_matrix",
            f'amplitude "{"0" * qubit_count}", "{"1" * qubit_count}"',
            f"{kind} {name} all",
            f"{kind} {name}(q[{a}])",
            f"{kind} {name}(q[{a}]) @ {other}(q[{b}])",
            f"{kind} hermitian({matrix}) q[{a}] @ {other}(q[{b}])",
            f"{kind} {name}(q[{a}]) @ hermitian({wide}) q[{b}], q[{c}]",
        ])
    )


@RELAXED
@given(programs())
def test_generated_programs_lower_to_the_same_circuit(source):
    assert_same_circuit(source, INPUTS)


@pytest.mark.parametrize("name", sorted(set(GATES) - {"gphase"}))
def test_every_gate_lowers_to_the_same_matrix(name):
    gate = GATES[name]
    arguments = f"({', '.join(['0.7', '-1.3', '2.1'][: gate.parameter_count])})"
    call = name + (arguments if gate.parameter_count else "")
    targets = ", ".join(["q[2]", "q[0]", "q[1]"][: gate.qubit_count])
    assert_same_circuit(f"OPENQASM 3.0; qubit[3] q; {call} {targets};")


@pytest.mark.parametrize(
    "body",
    [
        "gphase(0.3);",
        "pow(0.5) @ negctrl @ ctrl @ h q[1], q[2], q[0];",
        "inv @ t q; inv @ inv @ s q[1];",
        "U(0.1, 0.2, 0.3) q;",
        "cnot q[0], q[1:2];",
        "h q[-1]; x q[0:2:2]; barrier q; barrier q[0], q[1];",
        "box { h q[0]; cnot q[0], q[1]; }",
        "#pragma braket unitary([[0, 1], [1, 0]]) q[2]\nh q[0];",
        "#pragma braket unitary([[0, -1im], [1im, 0]]) q[1]\n",
        "const float a = pi / 3; const int n = 2; rx(a ** n) q[n - 1];",
        "float a = 0.5; a += 1; rx(a) q[0]; a *= 2; rx(a) q[0];",
        "int[8] n = 300; rx(n) q[0]; uint[4] m = 17; rx(m) q[0]; bool f = 2; rx(1.0*f) q[0];",
        "rx(float(3) / 2) q[0]; rx(int(2.75) / 2) q[0]; rx(float[32](0.1) + bool(3) * 1.0) q[0];",
        "angle a = 7.5; rx(a) q[0]; uint b = 3; rx(b) q[0]; const bool c = true; rx(c * 1.0) q[0];",
        "rx(1/2) q[0]; rx(-1/2) q[0]; rx(7 % 3) q[0]; rx(2**3**2 / 100.0) q[0]; rx(-2**2) q[0];",
        "rx(0x1F) q[0]; rx(0b101) q[0]; rx(0o17) q[0]; rx(1_000e-3) q[0]; rx(.5) q[0];",
        "rx(arctan(1) + arcsin(0.5) * arccos(0.25) - exp(1) / log(2.0)) q[0];",
        "rx(sqrt(2.0) + tan(0.5) + floor(2.5) + ceiling(2.5) + mod(7, 4)) q[0];",
        "rx(1 + 2 * 3 - 4) q[0]; rx((1 + 2) * 3) q[0]; rx(2 * -3) q[0]; rx(1.0 < 2.0) q[0];",
    ],
)
def test_language_features_lower_to_the_same_circuit(body):
    if "pragma" not in body and "q;" not in body:
        body += " h q[1];"
    assert_same_circuit(f"OPENQASM 3.0;\nqubit[3] q;\n{body}")


def test_controlled_global_phase_is_a_phase_on_its_control():
    # The local simulator writes it as U(0, 0, γ) on the last control.
    circuit = parse_circuit("OPENQASM 3.0; qubit[2] q; ctrl @ negctrl @ gphase(0.5) q[0], q[1];")
    operations = circuit.operations
    assert operations.gate(0).name == "gphase"
    assert list(operations.targets) == [0, 1]
    assert (operations.control_counts[0], operations.control_values[0]) == (2, 0b10)


@pytest.mark.parametrize(
    "body",
    [
        "bit[2] b; h q[0]; b[1] = measure q[0]; b[0] = measure q[2];",
        "bit[3] b; h q[0]; b = measure q; b[0] = measure q[2];",
        "h q[1]; measure q[1]; measure q[0];",
        "creg b[3]; measure q -> b;",
        "bit[3] b = measure q;",
        "bit b = measure q[1];",
        "bit[4] b; b = measure q;",
        "bit[4] b; b[1:3] = measure q; ",
        "bit[4] b; b[{0, 3}] = measure q[0:1];",
        "bit[2] unused; bit[3] b; b = measure q;",
    ],
)
def test_measured_qubits_follow_the_bits(body):
    assert_same_circuit(f"OPENQASM 3.0;\nqubit[3] q;\n{body}")


def test_physical_qubits_are_compacted_in_ascending_order():
    ours = assert_same_circuit("OPENQASM 3.0; bit[2] b; h $7; cnot $7, $2; b[0] = measure $7;")
    assert ours.qubits == (2, 7)
    assert ours.measured == (1,)


def test_observable_may_act_on_a_qubit_that_no_gate_touches():
    source = "OPENQASM 3.0; qubit[4] q; h q[0];\n#pragma braket result expectation z(q[3])\n"
    ours = assert_same_circuit(source)
    assert ours.qubits == (0, 3)


@st.composite
def sdk_circuits(draw):
    circuit = Circuit()
    qubit_count = draw(st.integers(2, 5))
    for _ in range(draw(st.integers(1, 10))):
        qubits = draw(st.permutations(range(qubit_count)))
        angle = draw(st.floats(-6.5, 6.5, allow_nan=False))
        match draw(st.integers(0, 8)):
            case 0:
                circuit.h(qubits[0])
            case 1:
                circuit.cnot(qubits[0], qubits[1])
            case 2:
                circuit.rx(qubits[0], angle)
            case 3:
                circuit.rz(qubits[0], FreeParameter("theta") / 2 + angle)
            case 4:
                circuit.xy(qubits[0], qubits[1], FreeParameter("theta"))
            case 5:
                circuit.ms(qubits[0], qubits[1], angle, 0.5, -0.25)
            case 6:
                matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                circuit.unitary(matrix=matrix.astype(complex), targets=[qubits[0]])
            case 7:
                circuit.prx(qubits[0], angle, 1e-7 * angle)
            case 8:
                circuit.ry(qubits[0], angle, control=[qubits[1]], control_state="0", power=0.5)
    if draw(st.booleans()):
        circuit.expectation(
            Observable.X(0) @ Observable.Hermitian(np.diag([1.0, -2.5]), targets=[1])
        )
        circuit.probability([1])
    elif draw(st.booleans()):
        circuit.measure(sorted(circuit.qubits)[:1])
    return circuit


@RELAXED
@given(sdk_circuits())
def test_serialized_sdk_circuits_lower_to_the_same_circuit(circuit):
    source = circuit.to_ir(ir_type=IRType.OPENQASM).source
    assert_same_circuit(source, {"theta": 0.8})


def test_sdk_verbatim_box_is_read():
    circuit = Circuit().add_verbatim_box(Circuit().h(0).cnot(0, 1))
    assert_same_circuit(circuit.to_ir(ir_type=IRType.OPENQASM).source)
