"""The fast path takes the same language as the parser, and gives the same circuit."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbraket.base.errors import LimitError, ProgramError
from openbraket.programs.openqasm import parse_circuit
from openbraket.programs.openqasm.flat import FlatReader

LINES = st.sampled_from([
    "h q[0];",
    "h  q[ 0 ] ;",
    "hq[0];",
    "h\nq[0]\n;",
    "h q[0]",
    "h q;",
    "h s;",
    "h s[0];",
    "rx(0.5)q[1];",
    "rx (0.5) q[1];",
    "rx(-1e-3) q[1];",
    "rx(1e999) q[1];",
    "rx(1_0) q[1];",
    "rx(05.) q[1];",
    "rx(nan) q[1];",
    "rx(a) q[1];",
    "rx(a/2) q[1];",
    "rx(a // half\n) q[1];",
    "rx(a /* half */) q[1];",
    "rx() q[1];",
    "h() q[1];",
    "rx(sin(a)) q[1];",
    "ms(0.1, a, 2*pi) q[0], q[2];",
    "cnot q[0],q[1];",
    "cnot q[0], q[0];",
    "cnot q[0], q[3];",
    "cnot q[0], s;",
    "cnot q[0] q[1];",
    "cnot q[0], q[1],;",
    "x b[0];",
    "x a;",
    "b[0] = measure q[0];",
    "b[1]=measure q[2];",
    "b[9] = measure q[0];",
    "b[0] = measure q;",
    "c = measure s;",
    "measure q[0];",
    "// comment",
    "/* comment */ z q[2];",
    "U(1, 2, 3) q[0]; y q[1]; t q[2];",
    "gphase(0.5);",
    "v += 1; rx(v) q[0];",
    "rx(v) q[0];",
    "ctrl @ x q[0], q[1];",
    "h q[0]; \\\nx q[1];",
])


def outcome(source):
    try:
        return parse_circuit(source, {"a": 0.25})
    except ProgramError as error:
        return (str(error), error.line, error.column)
    except LimitError as error:
        return str(error)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LINES, max_size=8))
def test_fast_and_general_path_agree(lines):
    source = "input float a;\nqubit[3] q;\nqubit s;\nbit[3] b;\nfloat v = 1.5;\n" + "\n".join(lines)
    fast = outcome(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FlatReader, "read", lambda self, position: position)
        assert outcome(source) == fast
