"""The check at CreateQuantumTask, on SV1's own capabilities document."""

import dataclasses
import json

import pytest

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.memory import (
    FIXED_BYTES,
    density_matrix_bytes,
    dynamic_bytes,
    kept_state_count,
    state_vector_bytes,
)
from openbraket.devices import Catalogue
from openbraket.programs.check import check_program, rules_of
from openbraket.programs.openqasm import parse_circuit
from openbraket.programs.result_rules import check_results
from openbraket.programs.rules import Rules

SV1 = Catalogue().get("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
DM1 = Catalogue().get("arn:aws:braket:::device/quantum-simulator/amazon/dm1")
GIB = 1 << 30
NOT_ALL_MEASURED = (
    "Device requires all qubits in the program to be measured. This may be caused by declaring "
    "non-contiguous qubits or measuring partial qubits"
)
WIDE = "[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]"
HEADER = {"name": "braket.ir.openqasm.program", "version": "1"}


def action(source, **members):
    return json.dumps({"braketSchemaHeader": HEADER, "source": source, **members})


def deep_list(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def check(source, *, shots=100, memory_bytes_max=16 * GIB, device=SV1, **keywords):
    return check_program(
        action(source), device, shots=shots, memory_bytes_max=memory_bytes_max, **keywords
    )


def refusal(source, **keywords):
    with pytest.raises(ProgramError) as caught:
        check(source, **keywords)
    return str(caught.value)


def test_bell_program_is_accepted_with_its_size():
    checked = check(
        "OPENQASM 3.0;\nbit[2] b;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\nb = measure q;"
    )
    assert checked.action_type == "braket.ir.openqasm.program"
    assert (checked.qubit_count, checked.operation_count) == (2, 2)
    assert (checked.program_count, checked.executable_count) == (1, 1)
    assert checked.memory_bytes == state_vector_bytes(2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "qubit[5] q;\nh q[0]; x q[2:3];",
            "[line 2] uses the array operation 'range', which the device does not support.",
        ),
        (
            "qubit[5] q;\nh q[0]; cnot q[2], q[3];",
            "Device requires contiguous qubits. Qubit register q has unused qubits q[1], q[4].",
        ),
        (
            "qubit[3] q; bit[2] b; h q; b[0] = measure q[0]; b[1] = measure q[1];",
            NOT_ALL_MEASURED,
        ),
        (
            "qubit[3] q; bit[2] b; h q[0]; h q[2]; b[0] = measure q[0]; b[1] = measure q[2];",
            NOT_ALL_MEASURED,
        ),
        (
            "qubit q; bit b; h q; b = measure q;\n#pragma braket result probability",
            "Qubits should not be explicitly measured when result types are requested.",
        ),
        (
            "OPENQASM 3;\nqubit q;\n\nqubit r;",
            "[line 4] cannot declare a qubit register. Only 1 qubit register is supported.",
        ),
        (
            "OPENQASM 3;\nbit q;\n\nbit r;",
            "[line 4] cannot declare a bit register. Only 1 bit register is supported.",
        ),
        ("OPENQASM 3;\nqubit q;\n\nh q[0];", "[line 4] single qubit cannot be indexed."),
        (
            "\nh $0;",
            "[line 2] uses the physical qubit $0, which the device does not support.",
        ),
    ],
)
def test_refusal_uses_the_words_of_the_service(source, message):
    assert refusal(source) == message


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("cv q[0], q[1];", "uses 'cv', which the device does not support"),
        ("prx(1, 2) q[0];", "uses 'prx', which the device does not support"),
        ("U(1, 2, 3) q[0];", "uses 'U', which"),
        ("gphase(1);", "uses 'gphase', which"),
        ("reset q;", "uses 'reset', which"),
        ("delay[1ns] q;", "uses 'delay', which"),
        ("ctrl @ x q[0], q[1];", "uses the gate modifier 'ctrl', which"),
        ("inv @ s q[0];", "uses the gate modifier 'inv', which"),
        ("pow(2) @ s q[0];", "uses the gate modifier 'pow', which"),
        ("float a = 1;", "declares the classical variable 'a'"),
        ("h q[-1];", "'negativeIndex'"),
        ("h q[{0, 1}];", "'selection'"),
        ("h q[0:1:1];", "'rangeWithStep'"),
        ("#pragma braket verbatim\nbox { h $0; }", "uses the pragma 'verbatim'"),
        ("#pragma braket result state_vector", "the pragma 'braket_result_type_state_vector'"),
        ("#pragma braket result density_matrix", "the pragma 'braket_result_type_density_matrix'"),
        ("#pragma braket noise bit_flip(0.1) q[0]", "the pragma 'braket_noise_bit_flip'"),
        (
            "#pragma braket noise kraus([[1.0, 0], [0, 1.0]], [[0, 0], [0, 0]]) q[0]",
            "the pragma 'braket_noise_kraus'",
        ),
        ("#pragma braket noise pauli_channel(0.1, 0.2) q[0]", "takes 3 probabilities, but 2"),
        ("if (true) { h q[0]; }", "if statements are not supported yet"),
    ],
)
def test_what_sv1_does_not_list_is_refused(line, text):
    message = refusal(f"OPENQASM 3.0;\nqubit[2] q;\n{line}\nh q[0]; h q[1];")
    assert message.startswith("[line 3] ")
    assert text in message


def test_barrier_is_accepted_and_no_gate():
    checked = check(
        "OPENQASM 3.0;\nbit[2] b;\nqubit[2] q;\nh q[0];\nbarrier q[0], q[1];\ncnot q[0], q[1];\n"
        "barrier q;\nb = measure q;"
    )
    assert (checked.qubit_count, checked.operation_count) == (2, 2)


def test_relaxed_check_allows_what_is_implemented():
    source = "qubit[3] q; ctrl @ x q[0], q[2]; barrier q; prx(1, 2) q[2];"
    assert check(source, is_strict=False).qubit_count == 2


@pytest.mark.parametrize(
    ("pragmas", "shots", "text"),
    [
        ("", 0, "Result types must be specified in the IR when shots=0"),
        ("sample x(q[0])", 0, "sample can only be specified when shots>0"),
        ('amplitude "00"', 10, "amplitude is not available when shots>0"),
        ('amplitude "000"', 0, "Length of state 000 for result type amplitude"),
        ("expectation x(q[0])\nexpectation y(q[0])", 10, "Conflicting result types applied"),
        ("expectation x all\nvariance x(q[0]) @ y(q[1])", 10, "qubit 1 has x and y"),
        ("expectation x(q[0])\nprobability q[0]", 10, "Conflicting result types applied"),
        ("expectation x(q[0])\nprobability", 10, "Conflicting result types applied"),
        (
            "expectation hermitian([[1, 0], [0, 2]]) q[0]\nsample hermitian([[1, 0], [0, 3]]) q[0]",
            10,
            "Conflicting result types applied",
        ),
        (
            f"variance hermitian([[1, 0], [0, 2]]) q[0]\nsample hermitian({WIDE}) q[0], q[1]",
            10,
            "incompatible results targets",
        ),
    ],
)
def test_results_that_the_shots_do_not_allow_are_refused(pragmas, shots, text):
    lines = "".join(f"#pragma braket result {p}\n" for p in pragmas.split("\n") if p)
    assert text in refusal(f"qubit[2] q; h q[0]; h q[1];\n{lines}", shots=shots)


@pytest.mark.parametrize(
    ("pragmas", "shots"),
    [
        ("expectation x(q[0])\nexpectation y(q[0])", 0),
        ("probability\nvariance z all", 0),
        ('amplitude "00", "11"', 0),
        ("expectation x(q[0])\nsample x(q[0]) @ y(q[1])\nvariance i(q[1])", 10),
        ("probability q[0]\nexpectation z(q[0]) @ x(q[1])", 10),
        ("expectation x all\nvariance x(q[1])", 10),
        ("expectation hermitian([[1, 0], [0, 2]]) q[0]\nsample hermitian([[1,0],[0,2]]) all", 10),
    ],
)
def test_results_that_the_shots_allow_are_accepted(pragmas, shots):
    lines = "".join(f"#pragma braket result {p}\n" for p in pragmas.split("\n"))
    assert check(f"qubit[2] q; h q[0]; h q[1];\n{lines}", shots=shots).qubit_count == 2


def test_pragmas_may_share_a_line():
    source = (
        "qubit[2] q; h q[0];\n#pragma braket result expectation h(q[0]) @ x(q[1])"
        "#pragma braket result sample h(q[0])#pragma braket result variance x(q[1]) // last"
    )
    circuit = parse_circuit(source)
    assert [r.kind for r in circuit.result_types] == ["expectation", "sample", "variance"]


@pytest.mark.parametrize(
    "comment",
    [
        "// later: #pragma braket result expectation z(q[1])",
        "/* later: #pragma braket result expectation z(q[1]) */",
    ],
)
def test_pragma_inside_a_comment_is_not_run(comment):
    source = f"qubit[2] q; h q;\n#pragma braket result probability q[0] {comment}\n"
    assert [r.kind for r in parse_circuit(source).result_types] == ["probability"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_comments_annotations_and_pragmas_end_with_their_line_however_it_ends(end):
    lines = [
        "OPENQASM 3; // comment",
        "qubit[2] q;",
        "h q[0]; // comment",
        "@note of the caller",
        "cnot q[0], q[1];",
        "#pragma braket unitary([[0, 1], [1, 0]]) q[0]",
        "x q[1]; // comment",
        "#pragma braket result probability q[0]",
        "",
    ]
    circuit = parse_circuit(end.join(lines))
    assert len(circuit.operations) == 4
    assert len(circuit.result_types) == 1
    with pytest.raises(ProgramError) as caught:
        parse_circuit(end.join([*lines[:6], "  y q[2];"]))
    assert (caught.value.line, caught.value.column) == (7, 7)


@pytest.mark.parametrize("shots", [-1, 100_001])
def test_shots_outside_the_device_range_are_refused(shots):
    text = f"The device supports shots from 0 to 100000, but shots is {shots}."
    assert refusal("qubit q; h q;", shots=shots) == text


def entangled(qubit_count):
    """Return a program that no reduction makes smaller."""
    couplings = "".join(f"cz q[{i}], q[{i + 1}];" for i in range(qubit_count - 1))
    return f"qubit[{qubit_count}] q; rx(0.3) q; {couplings} rx(0.4) q;"


def test_program_that_does_not_fit_is_refused_with_both_numbers():
    with pytest.raises(LimitError) as caught:
        check(entangled(33), memory_bytes_max=4 * GIB, precision="double")
    assert str(caught.value) == (
        "The program uses 33 qubits and needs 141,612,453,724 bytes of memory in double precision, "
        "more than the limit of 4,294,967,296 bytes."
    )


def test_refusal_tells_how_many_qubits_the_reductions_leave():
    lines = "".join(f"cz q[{i}], q[{i + 1}];" for i in range(31))
    with pytest.raises(LimitError) as caught:
        check(f"qubit[34] q; rx(0.3) q; {lines} rx(0.4) q; x q[33];", memory_bytes_max=4 * GIB)
    assert "uses 34 qubits, of which 32 must be simulated together, and needs" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "shots", "width"),
    [
        ("h q; t q;", 10, 1),
        ("x q;", 10, 0),
        ("h q[0];" + "".join(f"cnot q[{i}], q[{i + 1}];" for i in range(33)), 10, 1),
        ("h q;" + "".join(f"cz q[{i}], q[{i + 1}];" for i in range(33)) + "h q;", 10, 0),
        ("h q; ccnot q[0], q[1], q[2]; rx(1) q;", 10, 3),
        ("rx(1) q;\n#pragma braket result expectation z(q[0]) @ x(q[33])", 0, 1),
    ],
)
def test_sv1_honours_34_qubits_wherever_the_program_allows_it(source, shots, width):
    checked = check(f"qubit[34] q; {source}", shots=shots, memory_bytes_max=GIB)
    assert (checked.qubit_count, checked.width) == (34, width)
    assert checked.memory_bytes == (state_vector_bytes(width) if width else FIXED_BYTES)


def test_program_beyond_the_device_is_refused_with_both_numbers():
    with pytest.raises(LimitError, match="uses 40 qubits, more than the device's limit of 34"):
        check("qubit[40] q; h q;", memory_bytes_max=1 << 60)


@pytest.mark.parametrize("memory_gib", [1, 4, 16, 64, 1000])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_largest_program_that_fits_is_accepted_and_one_more_is_not(memory_gib, precision):
    memory_bytes_max, count = memory_gib * GIB, 34
    is_single = precision == "single"
    while state_vector_bytes(count, is_single=is_single) > memory_bytes_max:
        count -= 1
    keywords = {"memory_bytes_max": memory_bytes_max, "precision": precision}
    checked = check(entangled(count), **keywords)
    assert checked.width == count
    assert checked.memory_bytes == state_vector_bytes(count, is_single=is_single)
    if count < 34:
        with pytest.raises(LimitError):
            check(entangled(count + 1), **keywords)


def test_estimate_follows_the_precision_that_the_simulation_will_choose():
    # 99 operations: single precision hides behind 1000 shots, not behind none.
    observable = " @ ".join(f"z(q[{i}])" for i in range(33))
    pragma = f"\n#pragma braket result expectation {observable}"
    sizes = [
        check(entangled(33) + pragma, shots=shots, memory_bytes_max=1 << 60).memory_bytes
        for shots in (1000, 0)
    ]
    assert sizes == [state_vector_bytes(33, is_single=True), state_vector_bytes(33)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "The action is not valid JSON"),
        ("[]", "must be a JSON object, but it is a list"),
        ("{}", "no braketSchemaHeader"),
        ('{"braketSchemaHeader": {"name": "x", "version": "1"}}', "schema 'x' is not known"),
        (
            '{"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "7"}}',
            "Version '7' of the action's schema",
        ),
        (
            '{"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}}',
            "'source' must be a string, but it is missing",
        ),
        (
            '{"braketSchemaHeader": {"name": "braket.ir.ahs.program", "version": "1"}}',
            "does not support the action type braket.ir.ahs.program. Supported: braket.ir.jaqcd",
        ),
        (
            '{"braketSchemaHeader": {"name": "braket.ir.jaqcd.program", "version": "2"}}',
            "Version '2' of the action's schema braket.ir.jaqcd.program is not supported",
        ),
        (action("", inputs=[1]), "'inputs' must be an object"),
        (action("", inputs={"a": deep_list(900)}), "Input variable 'a' must be"),
        (action("", inputs={"a": {"b": 1}}), "Input variable 'a' must be"),
        (action("", inputs={"a": "two"}), "Input variable 'a' must be"),
        ("[" * 100_000, "The action is not valid JSON"),
    ],
)
def test_action_that_is_not_a_program_is_refused(text, message):
    with pytest.raises(ProgramError) as caught:
        check_program(text, SV1, shots=1, memory_bytes_max=GIB)
    assert message in str(caught.value)


def test_inputs_reach_the_program():
    source = "input float a; input angle t; qubit q; rx(a) q; rz(t) q;"
    text = action(source, inputs={"a": 1, "t": -0.5, "other": [1, "01"]})
    assert check_program(text, SV1, shots=1, memory_bytes_max=GIB).operation_count == 2


def rules_with(**changes):
    return dataclasses.replace(Rules.from_capabilities(SV1.capabilities), **changes)


def qpu_rules(**changes):
    return rules_with(
        native_gates=frozenset(("rx", "cz")),
        supported_pragmas=frozenset(("verbatim",)),
        allows_physical_qubits=True,
        needs_contiguous_qubits=False,
        needs_all_measured=False,
        **changes,
    )


def refused(source, rules):
    with pytest.raises(ProgramError) as caught:
        parse_circuit(source, rules=rules)
    return str(caught.value)


def test_verbatim_box_needs_native_gates_on_physical_qubits():
    rules = qpu_rules()
    head = "OPENQASM 3.0;\n#pragma braket verbatim\nbox {\n"
    assert parse_circuit(head + "rx(1) $3; cz $3, $1; }", rules=rules).qubits == (1, 3)
    assert refused(head + "x $0; }", rules) == (
        "[line 4] In verbatim boxes, native gates are required. x is not a device native gate."
    )
    assert refused("qubit q;" + head[13:] + "rx(1) q; }", rules) == (
        "[line 4] Physical qubits are required in verbatim box."
    )


def test_partial_verbatim_box_is_refused_where_not_supported():
    source = "#pragma braket verbatim\nbox { rx(1) $0; }\nx $0;"
    assert parse_circuit(source, rules=qpu_rules()).qubit_count == 1
    message = refused(source, qpu_rules(allows_partial_verbatim=False))
    assert message == "[line 3] The device does not support gates outside verbatim boxes."


def test_unassigned_measurement_is_refused_where_not_supported():
    source = "qubit q;\nh q;\nmeasure q;"
    assert parse_circuit(source, rules=rules_with()).measured == (0,)
    message = refused(source, rules_with(allows_unassigned_measurements=False))
    assert message == "[line 3] measures qubits without assigning the result to a bit."


def test_modifier_limits_are_kept():
    rules = rules_with(modifiers={"ctrl": 2, "pow": None}, power_types=frozenset(("int",)))
    source = "qubit[4] q; {} q[0], q[1], q[2], q[3];"
    assert "3 control qubits" in refused(source.format("ctrl(3) @ x"), rules)
    assert len(parse_circuit("qubit[3] q; ctrl(2) @ x q[0], q[1], q[2];", rules=rules).operations)
    assert "exponents of type int" in refused("qubit q; pow(0.5) @ x q;", rules)


def test_observable_that_the_device_does_not_list_is_refused():
    rules = rules_with()
    limited = {**rules.result_types}
    limited["Expectation"] = dataclasses.replace(
        limited["Expectation"], observables=frozenset("z"), shots_min=1
    )
    rules = rules_with(result_types=limited)
    circuit = parse_circuit("qubit q; h q;\n#pragma braket result expectation x all")
    with pytest.raises(ProgramError, match="Observable x of result type Expectation"):
        check_results(circuit, shots=1, rules=rules)
    with pytest.raises(ProgramError, match="needs shots from 1 to 100000, but shots is 0"):
        check_results(circuit, shots=0, rules=rules)
    del limited["Expectation"]
    with pytest.raises(ProgramError, match="Result type Expectation is not supported"):
        check_results(circuit, shots=1, rules=rules_with(result_types=limited))


def test_rules_are_read_once_per_document():
    assert rules_of(SV1) is rules_of(SV1)
    other = dataclasses.replace(SV1, capabilities=dict(SV1.capabilities))
    assert rules_of(other) is not rules_of(SV1)


@pytest.mark.parametrize(
    ("pragma", "shots", "count"),
    [
        ("probability all", 0, "8,388,608"),
        ("probability all", 100, "8,388,608"),
        ("sample x all", 100_000, None),
        ("expectation x all", 100, None),
        ("probability q[0], q[1]", 0, None),
    ],
)
def test_results_with_too_many_numbers_are_refused_with_the_count(pragma, shots, count):
    source = f"OPENQASM 3.0;\nqubit[23] q;\nh q;\n#pragma braket result {pragma}"
    if count is None:
        assert check(source, shots=shots).qubit_count == 23
        return
    with pytest.raises(LimitError) as caught:
        check(source, shots=shots)
    assert count in str(caught.value)
    assert "4,194,304" in str(caught.value)


ACTIVE_RESET = "qubit[2] q; bit[2] b; h q[0]; b[0] = measure q[0]; if (b[0]) x q[0]; b = measure q;"


def test_dynamic_program_is_accepted_with_memory_for_states_that_wait():
    checked = check(ACTIVE_RESET, is_strict=False)
    assert checked.is_dynamic
    assert (checked.qubit_count, checked.operation_count) == (2, 1)
    assert checked.memory_bytes == dynamic_bytes(2, 16 * GIB) == state_vector_bytes(2) + 24 * 64
    assert kept_state_count(2, checked.memory_bytes) == 24 + FIXED_BYTES // 2 // 64
    wide = ACTIVE_RESET.replace("q[0];", "q;", 1).replace("[2]", "[28]")
    checked = check(wide, is_strict=False)
    # One state of 4 GiB, and a quarter of what it leaves of 16 GiB.
    assert checked.memory_bytes == state_vector_bytes(28)
    assert kept_state_count(28, checked.memory_bytes) == 0
    assert check(wide, is_strict=False, memory_bytes_max=64 * GIB).memory_bytes == (
        state_vector_bytes(28) + 3 * (16 << 28)
    )
    with pytest.raises(LimitError, match=r"uses 28 qubits and needs .* bytes of memory"):
        check(wide, is_strict=False, memory_bytes_max=4 * GIB)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ACTIVE_RESET, "need shots>0, but shots is 0"),
        ("output int n; qubit q; h q;", "need shots>0, but shots is 0"),
    ],
)
def test_dynamic_program_without_shots_is_refused(source, message):
    assert message in refusal(source, shots=0, is_strict=False)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            (
                "qubit[2] q; bit b; b = measure q[0]; if (b)\n{\n"
                "#pragma braket noise bit_flip(0.1) q[1]\n}"
            ),
            "The program uses the pragma 'braket_noise_bit_flip'",
        ),
        (
            "output int n; qubit q; h q;\n#pragma braket result state_vector",
            "not available when shots>0",
        ),
        ("output array[int, 2, 2] a; qubit q; h q;", "has 2 dimensions"),
        ("output complex c; qubit q; h q;", "is complex"),
        ("qubit[3] q; bit b; b = measure q[0]; if (b) {\nh q[0], q[1]; x }", "[line 2]"),
    ],
)
def test_dynamic_program_that_cannot_run_is_refused_at_once(source, message):
    assert message in refusal(source, is_strict=False)


def test_strict_simulator_takes_no_dynamic_programs():
    assert "not supported" in refusal(ACTIVE_RESET)


def test_qpu_takes_feedback_where_the_task_asks_for_it():
    garnet = Catalogue().get("arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet")
    source = (
        "bit[2] b; qubit[2] q; rx(0.3) q[0]; measure_ff(3) q[0]; cc_prx(0.3, 0.4, 3) q[1]; "
        "b[0] = measure q[0]; b[1] = measure q[1];"
    )
    checked = check(source, device=garnet, is_experimental=True)
    # The twin keeps the outcome in a qubit of its own, beside the program's two.
    assert (checked.qubit_count, checked.width, checked.is_dynamic) == (2, 3, False)
    pair = check(
        source.replace("b[0]", "cnot q[0], q[1]; b[0]", 1), device=garnet, is_experimental=True
    )
    assert pair.width == 5  # and two for routing
    assert "experimental capability" in refusal(source, device=garnet)


EMERALD = Catalogue().get("arn:aws:braket:eu-north-1::device/qpu/iqm/Emerald")


def chains(count, length):
    """Return rotated chains that share no qubit, of which none is Clifford."""
    steps = "".join(
        f"cnot q[{start + k}], q[{start + k + 1}]; "
        for start in range(0, count * length, length)
        for k in range(length - 1)
    )
    return f"qubit[{count * length}] q; rx(0.3) q; {steps}rx(0.3) q;"


def test_parts_of_a_twin_s_program_are_simulated_apart():
    checked = check(chains(18, 3), device=EMERALD)
    # Routing may join parts: all the memory there is stands by for that.
    assert checked.qubit_count == 54
    assert 16 < checked.width < 54
    assert check("qubit[54] q; rx(0.3) q;", device=EMERALD).width == 1
    ions = Catalogue().get("arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1")
    assert check(chains(6, 6), device=ions).width == 6
    with pytest.raises(LimitError, match="uses 54 qubits and needs"):
        check(chains(1, 54), device=EMERALD)


def test_reset_by_feedback_runs_on_every_qubit():
    resets = "".join(
        f"measure_ff({k}) q[{k}]; cc_prx(3.141592653589793, 0, {k}) q[{k}]; " for k in range(54)
    )
    source = f"bit[54] b; qubit[54] q; rx(0.3) q; {resets}b = measure q;"
    assert check(source, device=EMERALD, is_experimental=True).width == 2


def noisy(qubit_count, result=""):
    chain = "".join(f"cnot q[{q}], q[{q + 1}]; " for q in range(qubit_count - 1))
    noise = "\n#pragma braket noise amplitude_damping(0.1) q\n"
    return f"qubit[{qubit_count}] q; rx(0.3) q; {chain}{noise}ry(0.1) q; {chain}\n{result}"


ALL_OF_X = "#pragma braket result expectation x all\n"


@pytest.mark.parametrize(("qubit_count", "memory_gib"), [(15, 24), (16, 48), (17, 192)])
def test_density_matrix_of_each_size_is_accepted_where_it_fits(qubit_count, memory_gib):
    need = density_matrix_bytes(qubit_count)
    source = noisy(qubit_count, ALL_OF_X)
    checked = check(source, shots=0, device=DM1, memory_bytes_max=memory_gib * GIB)
    assert checked.memory_bytes == need
    assert checked.width == 2 * qubit_count
    with pytest.raises(LimitError) as caught:
        check(source, shots=0, device=DM1, memory_bytes_max=need - 1)
    assert str(caught.value) == (
        f"The program uses {qubit_count} qubits and needs {need:,} bytes of memory for a density "
        f"matrix of {qubit_count} qubits, more than the limit of {need - 1:,} bytes."
    )


def test_shots_with_noise_are_sampled_where_no_density_matrix_fits():
    checked = check(noisy(17), shots=1000, device=DM1, memory_bytes_max=4 * GIB)
    assert state_vector_bytes(17) <= checked.memory_bytes < GIB


def test_noise_outside_the_light_cone_needs_no_memory():
    result = "#pragma braket result expectation z(q[0])\n"
    source = f"qubit[17] q; h q;\n#pragma braket noise bit_flip(0.1) q\n{result}"
    assert check(source, shots=0, device=DM1, memory_bytes_max=GIB).width == 2


def test_outcomes_and_noise_do_not_go_together():
    source = (
        "qubit[2] q; bit b; h q; b = measure q[0]; if (b) {\n"
        "#pragma braket noise bit_flip(0.1) q[1]\n}"
    )
    message = refusal(source, device=DM1, is_strict=False)
    assert "cannot have noise channels, but this one has bit_flip" in message


def test_jaqcd_noise_is_accepted_by_dm1_alone():
    text = json.dumps({
        "braketSchemaHeader": {"name": "braket.ir.jaqcd.program", "version": "1"},
        "instructions": [{"type": "bit_flip", "target": 0, "probability": 0.1}],
    })
    for is_strict in (True, False):
        keywords = {"shots": 10, "memory_bytes_max": GIB, "is_strict": is_strict}
        assert check_program(text, DM1, **keywords).qubit_count == 1
        with pytest.raises(ProgramError, match="uses 'bit_flip', which the device does not supp"):
            check_program(text, SV1, **keywords)
