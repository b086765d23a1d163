"""What compilation needs to know of a program beside its operations."""

import pytest

from openbraket.base.errors import LimitError
from openbraket.programs.openqasm import parse_circuit


def parsed(*lines):
    return parse_circuit("OPENQASM 3.0;\n" + "\n".join(lines))


def test_boxes_are_ranges_of_operations():
    circuit = parsed(
        "x $4;", "#pragma braket verbatim", "box {", "cz $4, $7;", "x $7;", "}", "y $4;", "z $4;",
        "#pragma braket verbatim", "box {", "x $4;", "}",
    )  # fmt: skip
    assert circuit.boxes == ((1, 3), (5, 6))
    assert circuit.barriers == ()


def test_box_without_the_pragma_is_none():
    assert parsed("qubit q;", "box {", "x q;", "}").boxes == ()


def test_barriers_are_on_positions():
    circuit = parsed(
        "x $4;", "barrier $4, $7;", "y $7;", "barrier;", "z $9;", "barrier $4, $100;",
    )  # fmt: skip
    assert circuit.qubits == (4, 7, 9)
    assert circuit.barriers == ((1, (0, 1)), (2, (0, 1, 2)), (3, (0,)))


def test_barriers_of_loops_are_counted():
    circuit = parsed("qubit[2] q;", "for int k in [0:2] {", "x q[0];", "barrier q;", "}", "y q[1];")
    assert circuit.barriers == tuple((k, (0, 1)) for k in (1, 2, 3))


def test_barriers_have_a_limit():
    with pytest.raises(LimitError):
        parsed("qubit q;", "x q;", "while (true) {", "barrier;", "}")
