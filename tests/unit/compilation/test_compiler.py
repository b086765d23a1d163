"""What compilation keeps, refuses and writes."""

import math

import numpy as np
import pytest

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit, Factor, Noise, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.compilation import Target, compile_circuit
from openbraket.programs.openqasm import parse_circuit

LINE = Target((0, 1, 2, 5), frozenset({(0, 1), (1, 2), (2, 5)}), ("prx", "cz"))
RIGETTI = Target(LINE.qubits, LINE.couplings, ("rx", "rz", "cz"), dialect="quil")
IONS = Target(tuple(range(4)), None, ("gpi", "gpi2", "zz"))


def parsed(*lines):
    return parse_circuit("OPENQASM 3.0;\n" + "\n".join(lines))


def test_bell_pair_is_written_in_both_languages():
    circuit = parsed("bit[2] b;", "qubit[2] q;", "h q[0];", "cnot q[0], q[1];", "b = measure q;")
    text = compile_circuit(circuit, LINE).source()
    assert text.startswith("OPENQASM 3.0;\nbit[2] c;\n#pragma braket verbatim\nbox {\nprx(0.5*pi,")
    assert text.count("cz $") == 1
    lines = compile_circuit(circuit, RIGETTI).source().splitlines()
    assert lines[0] == "DECLARE ro BIT[2]"
    assert [line.split()[0] for line in lines[-2:]] == ["MEASURE", "MEASURE"]
    assert {line.split("(")[0].split()[0] for line in lines[1:-2]} == {"RX", "RZ", "CZ"}
    assert not any("RX(pi/2" not in line for line in lines if line.startswith("RX"))


def test_measured_subset_keeps_the_program_order():
    circuit = parsed(
        "bit[2] b;", "qubit[3] q;", "x q[2];", "cnot q[0], q[1];", "cnot q[1], q[2];",
        "b[0] = measure q[2];", "b[1] = measure q[0];",
    )  # fmt: skip
    compiled = compile_circuit(circuit, LINE)
    measured = [compiled.circuit.qubits[p] for p in compiled.circuit.measured]
    assert measured == [compiled.final_layout[2], compiled.final_layout[0]]


def test_exchange_is_a_renaming():
    circuit = parsed("qubit[2] q;", "x q[0];", "swap q[0], q[1];")
    compiled = compile_circuit(circuit, IONS)
    assert dict(compiled.gate_counts) == {"gpi": 1}
    assert compiled.initial_layout == {0: 0, 1: 1}
    assert compiled.final_layout == {0: 1, 1: 0}
    assert compiled.final_rewiring(4) == [1, 0, 2, 3]


def test_rewiring_disabled_keeps_qubits():
    circuit = parsed("qubit[3] q;", "swap q[0], q[1];", "cnot q[1], q[2];")
    compiled = compile_circuit(circuit, LINE, is_rewiring_disabled=True)
    assert compiled.initial_layout == compiled.final_layout == {0: 0, 1: 1, 2: 2}
    assert compiled.two_qubit_count == 4


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("cnot $0, $2;",), "The program has disconnected qubits 0 and 2"),
        (("ccnot $0, $1, $2;",), "The program has disconnected qubits 0 and 2"),
        (("x $3;",), "The program uses qubit 3, which the device does not have."),
    ],
)
def test_rewiring_disabled_refuses_what_the_device_has_not(lines, message):
    with pytest.raises(ProgramError, match=message.replace(".", r"\.")):
        compile_circuit(parsed(*lines), LINE, is_rewiring_disabled=True)


def test_verbatim_program_is_taken_as_it_is():
    circuit = parsed(
        "bit[2] b;", "#pragma braket verbatim", "box {", "prx(0, 0.3) $1;", "prx(0.2, 0.3) $1;",
        "cz $2, $1;", "cz $2, $1;", "}", "b[0] = measure $2;", "b[1] = measure $1;",
    )  # fmt: skip
    compiled = compile_circuit(circuit, LINE)
    assert compiled.is_verbatim
    assert [gate.name for gate in compiled.natives] == ["prx", "prx", "cz", "cz"]
    assert compiled.natives[3].qubits == (2, 1)
    assert [compiled.circuit.qubits[p] for p in compiled.circuit.measured] == [2, 1]


def test_gates_around_a_box_are_compiled_and_the_box_is_kept():
    circuit = parsed(
        "h $0;", "s $1;", "#pragma braket verbatim", "box {", "cz $0, $1;", "cz $0, $1;", "}",
        "cnot $1, $2;",
    )  # fmt: skip
    compiled = compile_circuit(circuit, LINE)
    assert not compiled.is_verbatim
    names = [gate.name for gate in compiled.natives]
    # Two rotations for each of h and s, since the box must see both; the box; cnot.
    assert names[:6] == ["prx"] * 4 + ["cz"] * 2
    assert names.count("cz") == 3
    assert [gate.qubits for gate in compiled.natives[:4]] == [(0,), (0,), (1,), (1,)]


@pytest.mark.parametrize("gate", ["h $0", "cnot $0, $1", "rz(0.1) $0"])
def test_gate_in_a_box_must_be_native(gate):
    circuit = parsed("#pragma braket verbatim", "box {", f"{gate};", "}")
    name = gate.split()[0].split("(")[0]
    message = f"In verbatim boxes, native gates are required. {name} is not a device native gate."
    with pytest.raises(ProgramError, match=message):
        compile_circuit(circuit, LINE)


def test_box_on_uncoupled_qubits_is_refused():
    circuit = parsed("#pragma braket verbatim", "box {", "cz $0, $5;", "}")
    with pytest.raises(ProgramError, match="has disconnected qubits 0 and 5"):
        compile_circuit(circuit, LINE)


def test_nothing_is_merged_across_a_barrier():
    lines = ("qubit[2] q;", "cz q[0], q[1];", "barrier q;", "cz q[0], q[1];")
    compiled = compile_circuit(parsed(*lines), LINE)
    assert compiled.two_qubit_count == 2
    assert compiled.circuit.barriers == ((1, (0, 1)),)
    assert "barrier $" in compiled.source()
    assert compile_circuit(parsed(*lines[:2], lines[3]), LINE).two_qubit_count == 0


def test_barrier_holds_back_the_clock():
    circuit = parsed("qubit[2] q;", "cz q[0], q[1];", "x q[0];", "barrier q;", "x q[1];")
    compiled = compile_circuit(circuit, LINE)
    assert compiled.starts_s[-1] == pytest.approx(LINE.two_qubit_s + LINE.one_qubit_s)


def test_observables_are_rotated_to_the_computational_basis():
    operations = Operations()
    operations.append(GATES["h"].code, [0])
    result = ResultType("expectation", (Factor("x", (0,)),))
    compiled = compile_circuit(Circuit((0,), operations, (result,)), LINE)
    assert not compiled.circuit.result_types
    assert len(compiled.circuit.operations) == 0


def test_hermitian_observable_is_refused():
    operations = Operations()
    operations.append(GATES["h"].code, [0])
    factor = Factor("hermitian", (0,), ((1, 0), (0, -1)))
    circuit = Circuit((0,), operations, (ResultType("expectation", (factor,)),))
    with pytest.raises(ProgramError, match="cannot be hermitian"):
        compile_circuit(circuit, LINE)


def test_noise_is_refused():
    operations = Operations()
    operations.append(GATES["h"].code, [0])
    operations.noise.append(Noise("bit_flip", (0,), (0.1,), (), 1))
    with pytest.raises(ProgramError, match="noise channels cannot be compiled"):
        compile_circuit(Circuit((0,), operations), LINE)


@pytest.mark.parametrize("target", [LINE, IONS])
def test_too_many_qubits_are_refused(target):
    lines = ("qubit[5] q;", *(f"h q[{k}];" for k in range(5)))
    with pytest.raises(LimitError, match="has 5 qubits, more than the 4 that the device connects"):
        compile_circuit(parsed(*lines), target)


def test_only_connected_qubits_are_used():
    target = Target((0, 1, 2, 3), frozenset({(0, 1), (2, 3)}), ("prx", "cz"))
    with pytest.raises(LimitError, match="more than the 2 that the device connects"):
        compile_circuit(parsed("qubit[3] q;", "h q;"), target)


def test_wide_unitary_is_refused():
    operations = Operations()
    operations.append_unitary(np.eye(128).tolist(), range(7))
    target = Target(tuple(range(7)), None, ("prx", "cz"))
    with pytest.raises(LimitError, match="acts on 7 qubits, more than the limit of 6"):
        compile_circuit(Circuit(tuple(range(7)), operations), target)


def test_circuit_without_gates_has_a_layout():
    compiled = compile_circuit(Circuit((3, 7), Operations()), LINE)
    assert sorted(compiled.final_layout) == [3, 7]
    assert len(set(compiled.final_layout.values())) == 2
    assert compiled.duration_s == 0
    assert compiled.depth == 0


def test_same_seed_gives_the_same_program():
    circuit = parsed("qubit[4] q;", *(f"cnot q[{a}], q[{b}];" for a, b in ((0, 3), (1, 3), (0, 2))))
    first, second = (compile_circuit(circuit, LINE, seed=4, thread_count=n) for n in (1, 2))
    assert first.source() == second.source()


def test_better_couplings_are_preferred():
    line = tuple((q, q + 1) for q in range(7))
    fidelities = dict.fromkeys(line, 0.9) | {(4, 5): 0.999, (5, 6): 0.998}
    target = Target(
        tuple(range(8)), frozenset(line), ("prx", "cz"), two_qubit_fidelities=fidelities
    )
    circuit = parsed("qubit[3] q;", "cnot q[0], q[1];", "cnot q[1], q[2];", "cnot q[0], q[1];")
    compiled = compile_circuit(circuit, target)
    assert set(compiled.circuit.qubits) == {4, 5, 6}
    one_qubit = sum(len(gate.qubits) == 1 for gate in compiled.natives)
    expected = 0.999**2 * 0.998 * 0.999**one_qubit * 0.97**3
    assert math.isclose(compiled.fidelity, expected) or math.isclose(
        compiled.fidelity, 0.999 * 0.998**2 * 0.999**one_qubit * 0.97**3
    )
    assert compiled.two_qubit_count == 3
