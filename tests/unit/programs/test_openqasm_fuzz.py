"""Whatever the text is, only the two errors of programs come out.

OPENBRAKET_FUZZ_EXAMPLES sets how many examples each test tries; 300 by default.
"""

import os
from contextlib import suppress

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit
from openbraket.devices import Catalogue
from openbraket.programs.actions import read_action
from openbraket.programs.openqasm import parse_circuit, parse_program
from openbraket.programs.result_rules import check_results
from openbraket.programs.rules import Rules

SV1 = Catalogue().get("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
RULES = Rules.from_capabilities(SV1.capabilities)
EXAMPLES = int(os.environ.get("OPENBRAKET_FUZZ_EXAMPLES", "300"))
RELAXED = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
SEGMENTS_MAX = 3
PIECES = """
OPENQASM 3.0 ; qubit bit q b [ ] [2] [0] ( ) { } h x rx cnot ccnot ms U gphase ctrl negctrl inv pow
@ measure -> = += 1 0 2 -1 0.5 1e3 1e999 0x1F 1im 10ns pi tau $0 $1 , : + - * / % ** << >> && || !
~ & | ^ == < true false if else for in while switch case default let ++ gate def return box barrier
reset delay input output float int uint angle bool complex array const creg qreg include "01" 'f'
sin sqrt log mod cal defcal #pragma pragma braket result expectation probability amplitude
state_vector hermitian unitary noise kraus verbatim all q[0] q[1] b[0] [[1,0],[0,1]] // /* */ \\
#dim @note stretch durationof sizeof π measure_ff(1) cc_prx(1,2,1) reset++ break; continue; end; f(
g(1) f(b[0]) {1,2} array[int,2] int[8] bit[3] mutable readonly -> 1:2 [0:1] q[0:2] popcount( rotl(
"101" a += b[0]= noise bit_flip(0.1) c[1] return include"stdgates.inc";
"""
TOKENS = st.sampled_from([*PIECES.split(), "\n"])


def run(text, rules):
    with suppress(ProgramError, LimitError):
        program = parse_program(text, {"a": 1.5}, rules=rules)
        if isinstance(program, Circuit):
            check_results(program, shots=10, rules=rules)
            return
        for bit in (0, 1):
            outcomes = ()
            while len(outcomes) < SEGMENTS_MAX and not (trace := program.trace(outcomes)).is_ended:
                assert len(trace.segments[-1]) >= 0
                outcomes += (bit,)


@RELAXED
@given(st.text())
def test_any_text(text):
    run(text, None)


@RELAXED
@given(st.binary())
def test_any_bytes(content):
    run(content.decode("utf-8", "replace"), None)
    with suppress(ProgramError):
        read_action(content)


@RELAXED
@given(st.lists(TOKENS, max_size=40), st.booleans())
def test_any_tokens(tokens, is_strict):
    run("qubit[3] q; bit[3] b; " + " ".join(tokens), RULES if is_strict else None)


ADVANCED = """OPENQASM 3.0;
input float a;
qubit[3] q;
bit[3] b;
array[int[8], 2, 2] m = {{1, 2}, {3, 4}};
gate g(t) r, s { rx(t) r; ctrl @ pow(2) @ x r, s; }
def f(int[8] n, qubit r, mutable array[int[8], #dim = 1] v) -> bit {
  v[0] += n; rx(n * a) r; bit c = measure r; return c;
}
let e = q[0] ++ q[1:2];
for uint i in [0:2:2] { g(i) e[i], q[1]; if (i == 2) break; }
b[0] = f(m[0, 1], q[0], m[1]);
while (b[0] && m[1, 0] < 9) { reset q[0]; h q[0]; b[0] = measure q[0]; m[1][0] += 1; }
switch (uint(b) + 1) { case 1, 2 { inv @ g(0.5) q[0], q[1]; } default { x q[2]; } }
int[4] k = 7; k <<= 1; k[0] = 1; bit[4] d = "0110"; d ^= ~d; d[1:2] = "11";
b = measure q;
"""


@RELAXED
@given(st.lists(TOKENS, max_size=8), st.integers(0, len(ADVANCED)), st.integers(0, 12))
def test_advanced_program_with_a_piece_replaced(tokens, at, length):
    run(ADVANCED[:at] + " ".join(tokens) + ADVANCED[at + length :], None)


def test_advanced_program_runs():
    assert parse_program(ADVANCED, {"a": 1.5}).trace((0,)).is_ended


@RELAXED
@given(st.lists(TOKENS, max_size=15), st.integers(0, 300))
def test_valid_program_with_a_piece_replaced(tokens, at):
    source = (
        "OPENQASM 3.0;\ninput float a;\nbit[3] b;\nqubit[3] q;\nh q[0];\ncnot q[0], q[1];\n"
        "rx(a / 2 + sin(pi)) q[2];\nctrl @ x q[0], q[1];\n"
        "#pragma braket unitary([[0, 1im], [1.0im, 0]]) q[0]\n"
        "#pragma braket result expectation x(q[0]) @ hermitian([[0im, 1im], [-0-1im, 0im]]) q[1]\n"
        "b[0] = measure q[0];\nb[1] = measure q[1];\n"
    )
    run(source[:at] + " ".join(tokens) + source[at + 5 :], None)


@RELAXED
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=10,
    )
)
def test_any_json_inputs(value):
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    with suppress(TypeError):  # integers beyond 64 bits
        text = orjson.dumps({"braketSchemaHeader": header, "source": "", "inputs": value})
        with suppress(ProgramError):
            action = read_action(text)
            parse_circuit("input float a; input int b; qubit q; rx(a+b) q;", action.inputs)
