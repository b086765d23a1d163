"""Every refusal names what is wrong, where, and what was expected."""

import pytest

from openbraket.base.errors import LimitError, ProgramError
from openbraket.devices import Catalogue
from openbraket.programs import limits
from openbraket.programs.openqasm import parse_circuit, parse_program
from openbraket.programs.rules import Rules

SV1 = Catalogue().get("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
SV1_RULES = Rules.from_capabilities(SV1.capabilities)
HEAD = "OPENQASM 3.0;\nqubit[2] q;\nbit[2] b;\n"


def error_of(source, inputs=None):
    with pytest.raises(ProgramError) as caught:
        parse_circuit(source, inputs or {})
    return caught.value


@pytest.mark.parametrize(
    ("line", "column", "text"),
    [
        ("h q[0]\nx q[1];", 1, "unexpected 'x' at column 1, expected ';'"),
        ("h q[2];", 5, "Index 2 is out of range for qubit register 'q' of length 2"),
        ("cx q[0], q[1];", 1, "Gate 'cx' is not defined. Did you mean 'cnot'?"),
        ("cnott q[0], q[1];", 1, "Did you mean 'cnot'?"),
        ("  rx q[0];", 3, "Gate 'rx' takes 1 parameters, but 0 are given"),
        ("rx(1, 2) q[0];", 1, "takes 1 parameters, but 2"),
        ("h(0.5) q[0];", 1, "takes 0 parameters, but 1"),
        ("cnot q[0];", 1, "acts on 2 qubits, but 1 operands"),
        ("cnot q[0], q[0];", 1, "must be distinct"),
        ("cnot q, q;", 1, "must be distinct"),
        ("rx(theta) q[0];", 4, "Identifier 'theta' is not initialized."),
        ("rx(1 +) q[0];", 7, "expected an expression"),
        ("rx(1/0) q[0];", 5, "Division by zero."),
        ("rx(sqrt(-1)) q[0];", 4, "'sqrt(-1)' has no value"),
        ("rx(1e308 * 10) q[0];", 10, "Expected a finite number"),
        ("rx((-1)**0.5) q[0];", 8, "Expected a real number"),
        ("rx(1im) q[0];", 4, "Expected a real number"),
        ("rx(0x1Fim) q[0];", 8, "unexpected 'im' at column 8, expected ',' or ')'"),
        ("rx(foo(1)) q[0];", 4, "Function 'foo' is not defined."),
        ("rx(sin(1, 2)) q[0];", 4, "takes 1 arguments, but 2"),
        ("rx(q) q[0];", 4, "Qubits 'q' cannot be used as a value"),
        ("h r[0];", 3, "'r' is not declared."),
        ("h b[0];", 3, "'b' is not a qubit register."),
        ("h q[0][1];", 7, "Cannot index multiple dimensions"),
        ("b[2] = measure q[0];", 3, "Index 2 is out of range for bit register 'b'"),
        ("b[0] = measure q;", 1, "Number of qubits (2) does not match"),
        ("q = measure q;", 1, "Measurement destination 'q' is not a bit or bit register."),
        ("qubit[2] q;", 1, "'q' is already declared."),
        ("float pi = 3.0;", 1, "'pi' is a built-in constant"),
        ("const int n = 2; n = 3;", 18, "Cannot update const value n."),
        ("const int n;", 12, "expected '='"),
        ("qubit[0] r;", 7, "must be at least 1, but it is 0"),
        ("qubit[1.5] r;", 7, "Expected an integer, but the value is 1.5"),
        ('include "mygates.inc";', 9, "No terminal matches '\"' in the current parser context"),
        ("measure q[0]; h q[0];", 15, "mid-circuit measurement"),
        ("#pragma braket result sigma", 23, "expected a result type"),
        ("#pragma braket result expectation w(q[0])", 35, "expected an observable"),
        ("#pragma braket result probability q[0] q[1]", 40, "expected the end of the pragma"),
        ("#pragma verbatim", 9, "You must include “braket” in the verbatim pragma"),
        ("#pragma other thing", 1, "Pragma 'other thing' is not supported."),
        ("#pragma braket unitary([[1, 0]]) q[0]", 24, "Not a valid square matrix"),
        ("#pragma braket unitary([[1, 0], [0, 2]]) q[0]", 1, "is not unitary"),
        ("#pragma braket unitary([[1, 0], [0, 1]]) q", 1, "needs a matrix of 4 rows, but it has 2"),
        ("#pragma braket unitary([[1, 0], [0, x]]) q[0]", 37, "expected a number"),
        ("#pragma braket result expectation hermitian([[1, 1], [0, 1]]) q[0]", 35, "not Hermitian"),
        ("#pragma braket result expectation x(q[0]) @ y(q[0])", 35, "distinct qubits"),
        ("#pragma braket result expectation x all @ y(q[0])", 35, "'all' stands alone"),
        ("#pragma braket verbatim\nh q[0];", 1, "must be followed by a box statement"),
        ("#pragma braket noise bit_flip(1.5) q[0]", 1, "must be from 0 to 0.5, but they are 1.5"),
        ("#pragma braket noise depolarizing(0.76) q[0]", 1, "must be from 0 to 0.75"),
        ("#pragma braket noise two_qubit_depolarizing(0.94) q", 1, "must be from 0 to 0.9375"),
        ("#pragma braket noise pauli_channel(0.5, 0.3, 0.3) q[0]", 1, "together at most 1"),
        ("#pragma braket noise two_qubit_dephasing(0.1) q[0]", 1, "acts on 2 qubits, but 1"),
        ("#pragma braket noise kraus([[1, 0], [0, 1]]) q", 1, "need 4 rows, but there is one of 2"),
        (
            "#pragma braket noise kraus([[1, 0], [0, 0.5]]) q[0]",
            1,
            "the identity by 0.75, at most 1e-05",
        ),
        (
            "#pragma braket noise kraus("
            + ", ".join(["[[0, 0], [0, 0]]"] * 4 + ["[[1, 0], [0, 1]]"])
            + ") q[0]",
            1,
            "at most 4 Kraus operators, but there are 5",
        ),
        ("box { h q[0];", 14, "expected '}'"),
        ("h q[0]; /* never closed", 9, "not closed"),
        ("h q[0]; ?", 9, "No terminal matches '?'"),
        ("OPENQASM 3.0;", 1, "expected a statement"),
        ("ctrl(0) @ x q[0], q[1];", 1, "1 to 63 controls"),
    ],
)
def test_error_points_at_the_place(line, column, text):
    error = error_of(HEAD + line)
    at = 4 + line.count("\n") * (error.line == 5)
    assert error.line == at
    assert error.column == column
    assert text in error.message
    assert str(error) == f"[line {error.line}] {error.message}"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("if (true) h q[0];", "if statements"),
        ("if (b[0] == 1) { h q[0]; } else { x q[0]; }", "if statements"),
        ("for int i in [0:1] { h q[i]; }", "for loops"),
        ("for uint i in {0, 1} h q[i];", "for loops"),
        ("while (b[0] != 0) { reset q[0]; continue; }", "while loops"),
        ("switch (2) { case 1, 2 { h q[0]; } default { x q[0]; } }", "switch statements"),
        ("gate g(a) r, s { rx(a) r; ctrl @ x r, s; }", "gate definitions"),
        ("def f(int[32] n, qubit r) -> bit { return measure r; }", "subroutine definitions"),
        ("def f(mutable array[int[8], #dim = 2] a) { end; }", "subroutine definitions"),
        ("extern f(int, creg[2]) -> float;", "extern declarations"),
        ("let r = q[0] ++ q[1];", "aliases"),
        ("end;", "end statements"),
        ("break;", "break statements"),
        ("f(1);", "expression statements"),
        ('defcalgrammar "openpulse";', "calibrations"),
        ("defcal x $0 { play(drive, { wave }); }", "calibrations"),
        ("cal { port p; }", "calibrations"),
        ("output bit c;", "output variables"),
    ],
)
def test_device_refuses_the_advanced_language_by_name(statement, name):
    with pytest.raises(ProgramError) as caught:
        parse_program(HEAD + statement, rules=SV1_RULES)
    assert caught.value.message == f"{name} are not supported yet."
    assert (caught.value.line, caught.value.column) == (4, 1)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("extern f(int, creg[2]) -> float;", "extern declarations"),
        ('defcalgrammar "openpulse";', "calibrations"),
        ("defcal x $0 { play(drive, { wave }); }", "calibrations"),
        ("cal { port p; }", "calibrations"),
    ],
)
def test_what_no_simulator_can_run_is_refused_by_name(statement, name):
    error = error_of(HEAD + statement)
    assert error.message == f"{name} are not supported."
    assert (error.line, error.column) == (4, 1)


def test_program_error_of_missing_input_names_it():
    error = error_of("OPENQASM 3.0;\ninput float theta;\nqubit q;\nrx(theta) q;")
    assert str(error) == "[line 4] Missing input variable 'theta'."


def test_input_that_is_not_used_may_be_missing():
    assert parse_circuit("input float a; qubit q; h q;").qubit_count == 1


@pytest.mark.parametrize("value", ["01", [1, 2], "zzz"])
def test_input_that_is_not_a_number_is_refused(value):
    error = error_of("input float a; qubit q; h q;", {"a": value})
    assert "Input variable 'a' must be a number" in error.message


def test_integer_input_must_be_whole():
    assert "not of type int" in error_of("input int n; qubit q; h q;", {"n": 0.5}).message


@pytest.mark.parametrize(
    "source",
    [
        "",
        "OPENQASM 3.0;",
        "qubit[2] q;",
        "qubit q; barrier q;",
        "qubit q;\n#pragma braket result probability",
    ],
)
def test_program_without_a_used_qubit_is_refused(source):
    assert error_of(source).message == "The program uses no qubits."


def test_measurements_in_two_registers_are_refused():
    source = "qubit[2] q; bit a; bit b; a = measure q[0]; b = measure q[1];"
    assert "recorded into 2: `a`, `b`" in error_of(source).message


def test_physical_qubits_and_registers_do_not_mix():
    assert error_of("qubit q;\nh $0;").message == "mixes physical qubits and qubits registers."
    assert error_of("h $0;\nqubit q;").line == 2


def test_measurement_and_result_types_exclude_each_other():
    source = "qubit q; bit b; b = measure q;\n#pragma braket result probability"
    message = "Qubits should not be explicitly measured when result types are requested."
    assert str(error_of(source)) == message


def test_verbatim_pragma_at_the_end_is_refused():
    assert "must be followed by a box" in error_of("h $0;\n#pragma braket verbatim").message


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("qubit q; rx(" + "(" * 5000 + "1" + ")" * 5000 + ") q;", "nested deeper"),
        ("qubit q; rx(" + "-" * 5000 + "1) q;", "nested deeper"),
        ("qubit q; rx(" + "2**" * 5000 + "1) q;", "nested deeper"),
        ("qubit q; rx(" + "sin(" * 5000 + ") q;", "nested deeper"),
        ("qubit q; h q" + "[q" * 5000, "nested deeper"),
        ("qubit q; rx(" + "1+" * 200_000 + "1) q;", "terms"),
        ("box {" * 5000, "nested deeper"),
        ("if (true) " * 5000, "nested deeper"),
        ("int a = " + "{" * 5000, "nested deeper"),
        ("complex" + "[complex" * 5000, "nested deeper"),
        ("array" + "[array" * 5000, "nested deeper"),
        ("qubit q; rx(2**2**20) q;", "bits"),
        ("qubit q; rx(1 << 100000000) q;", "bits"),
        ("qubit q; rx(" + "9" * 5000 + ") q;", "digits"),
        ("qubit q; rx(pow(10, 100000)) q;", "bits"),
        ("qubit q; rx(" + "*".join(["9999999999"] * 100) + ") q;", "bits"),
        ("qubit[1000000000] q;", "larger than the limit of 100000"),
        ("bit[1000000000] b;", "larger than the limit of 100000"),
        ("".join(f"qubit[100000] q{i};" for i in range(20)), "1000000 qubits"),
        ("h $99999999999999999999;", "is not below the limit"),
        ("qubit[100000] q;" + "h q;" * 100, "5000000 operations"),
        ("qubit[100000] q; bit[100000] b;" + "b = measure q;" * 100, "5000000 operations"),
        ("qubit[100000] q;" + "#pragma braket result probability q\n" * 100, "operations"),
        (
            "qubit[100000] q; h q;" + "#pragma braket result expectation x all\n" * 100,
            "observables",
        ),
        ("qubit[100000] q;" + "x q[0:99999];" * 100, "operations"),
        ("qubit[9] q;\n#pragma braket unitary([" + "[1]," * 300 + "[1]]) q", "256 rows"),
        ("qubit[9] q;\n#pragma braket unitary([[" + "1," * 300 + "1]]) q", "256 rows"),
    ],
)
def test_limits_are_named(source, text):
    with pytest.raises(LimitError, match="limit") as caught:
        parse_circuit(source)
    assert text in str(caught.value)


def test_source_size_limit_is_named(monkeypatch):
    monkeypatch.setattr(
        "openbraket.programs.openqasm.interpreter.SOURCE_CHARACTERS_MAX", 20, raising=True
    )
    with pytest.raises(LimitError, match="21 characters, more than the limit of 20"):
        parse_circuit(" " * 21)


def test_deepest_allowed_nesting_needs_no_recursion_beyond_the_default():
    depth = limits.EXPRESSION_DEPTH_MAX - 2
    expression = "(" * depth + "1" + ")" * depth
    blocks = limits.NESTING_DEPTH_MAX - 1
    source = "qubit q; " + "box {" * blocks + f"rx({expression}) q;" + "}" * blocks
    assert list(parse_circuit(source).operations.parameters) == [1.0]


def test_long_sums_are_not_deep():
    circuit = parse_circuit("qubit q; rx(" + "+".join(["1"] * 20_000) + ") q;")
    assert list(circuit.operations.parameters) == [20_000.0]


def test_no_file_is_opened(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a file was opened")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    for source in ("/etc/passwd.qasm", 'OPENQASM 3.0;\ninclude "/etc/passwd";', "include 'x.inc';"):
        error_of(source)


def test_error_shows_its_line_with_a_caret():
    error = error_of("qubit[2] q;\n\th q[0]; rx(theta) q[1]; // turn\nx q;")
    assert error.with_caret() == (
        "[line 2] Identifier 'theta' is not initialized.\n"
        "   h q[0]; rx(theta) q[1]; // turn\n"
        "              ^"
    )


def test_long_line_is_cut_around_the_place():
    error = error_of("qubit q; " + "x q;" * 100 + " nope q; " + "y q;" * 100)
    message, excerpt, caret = error.with_caret().split("\n")
    assert len(excerpt) <= 102
    assert excerpt[len(caret) - 1 :].startswith("nope q;")
    assert message == str(error)


def test_error_without_a_place_is_one_line():
    assert error_of("qubit q;").with_caret() == "The program uses no qubits."
