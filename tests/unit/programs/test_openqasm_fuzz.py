"""Whatever the text is, only the two errors of programs come out."""

from contextlib import suppress

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbraket.base.errors import LimitError, ProgramError
from openbraket.devices import Catalogue
from openbraket.programs.actions import read_action
from openbraket.programs.openqasm import parse_circuit
from openbraket.programs.rules import Rules, check_results

SV1 = Catalogue().get("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
RULES = Rules.from_capabilities(SV1.capabilities)
RELAXED = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
PIECES = """
OPENQASM 3.0 ; qubit bit q b [ ] [2] [0] ( ) { } h x rx cnot ccnot ms U gphase ctrl negctrl inv pow
@ measure -> = += 1 0 2 -1 0.5 1e3 1e999 0x1F 1im 10ns pi tau $0 $1 , : + - * / % ** << >> && || !
~ & | ^ == < true false if else for in while switch case default let ++ gate def return box barrier
reset delay input output float int uint angle bool complex array const creg qreg include "01" 'f'
sin sqrt log mod cal defcal #pragma pragma braket result expectation probability amplitude
state_vector hermitian unitary noise kraus verbatim all q[0] q[1] b[0] [[1,0],[0,1]] // /* */ \\
#dim @note stretch durationof sizeof π
"""
TOKENS = st.sampled_from([*PIECES.split(), "\n"])


def run(text, rules):
    with suppress(ProgramError, LimitError):
        circuit = parse_circuit(text, {"a": 1.5}, rules=rules)
        check_results(circuit, shots=10, rules=rules)


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
