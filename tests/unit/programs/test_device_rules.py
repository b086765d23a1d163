"""Every device rule on every QPU's own profile: what it accepts, and what it refuses."""

import json

import pytest

from openbraket.base.errors import LimitError, ProgramError
from openbraket.devices import Catalogue
from openbraket.programs.check import check_program, rules_of
from openbraket.programs.openqasm import parse_circuit
from openbraket.programs.parameters import check_parameters, read_document, read_parameters
from openbraket.programs.rules import EXPERIMENTAL_OPERATIONS, Rules

GIB = 1 << 30
OPENQASM = "braket.ir.openqasm.program"
QPUS = [
    device
    for device in Catalogue().search()
    if device.status != "RETIRED" and "nativeGateSet" in device.capabilities["paradigm"]
]
BY_NAME = {device.name: device for device in QPUS}
SPARSE = [
    device
    for device in QPUS
    if not device.capabilities["paradigm"]["connectivity"]["fullyConnected"]
]
# A call of each native gate that is a unitary, on the qubits that follow.
NATIVE_CALLS = {
    "rx": "rx(pi/2)", "rz": "rz(0.3)", "prx": "prx(0.1, 0.2)", "gpi": "gpi(0.1)",
    "gpi2": "gpi2(0.1)", "cz": "cz", "zz": "zz(0.1)", "xx": "xx(0.1)",
}  # fmt: skip
TWO_QUBIT = {"cz", "zz", "xx"}


def on_every_qpu(devices=QPUS):
    return pytest.mark.parametrize("device", devices, ids=lambda device: device.name)


def test_all_six_qpus_are_tried():
    assert sorted(BY_NAME) == sorted([
        "IBEX Q1",
        "Forte 1",
        "Forte Enterprise 1",
        "Garnet",
        "Emerald",
        "Cepheus-1-108Q",
    ])


def action_of(device):
    return device.capabilities["action"][OPENQASM]


def check(device, source, *, shots=None, **options):
    header = {"name": OPENQASM, "version": "1"}
    text = json.dumps({"braketSchemaHeader": header, "source": source})
    shots = device.shots_range[0] if shots is None else shots
    return check_program(text, device, shots=shots, memory_bytes_max=16 * GIB, **options)


def refusal(device, source, *, kind=ProgramError, **options):
    with pytest.raises(kind) as caught:
        check(device, source, **options)
    return str(caught.value)


def measured(*lines, qubit_count=2, register=True):
    """Return a program that ends with every qubit measured."""
    head = f"OPENQASM 3.0;\nbit[{qubit_count}] b;\n"
    if register:
        return head + f"qubit[{qubit_count}] q;\n" + "\n".join(lines) + "\nb = measure q;"
    return head + "\n".join(lines)


def verbatim(*calls, qubits):
    """Return a program with one verbatim box that then measures physical qubits."""
    box = ["#pragma braket verbatim", "box {", *calls, "}"]
    box += [f"b[{i}] = measure ${qubit};" for i, qubit in enumerate(qubits)]
    return measured(*box, qubit_count=len(qubits), register=False)


def graph_of(device):
    graph = device.capabilities["paradigm"]["connectivity"]["connectivityGraph"]
    return {int(q): {int(n) for n in neighbours} for q, neighbours in graph.items()}


def coupled(device):
    """Return two qubits that the device can act on together."""
    graph = graph_of(device) or {0: {1}}
    qubit = max(graph)
    return qubit, min(graph[qubit])


def uncoupled(device):
    graph = graph_of(device)
    first = min(graph)
    return first, max(set(graph) - graph[first] - {first})


@on_every_qpu()
def test_bell_program_is_accepted(device):
    checked = check(device, measured("h q[0];", "cnot q[0], q[1];"))
    assert (checked.qubit_count, checked.operation_count) == (2, 2)


@on_every_qpu()
def test_every_gate_of_the_table_is_decided_by_the_document(device):
    operations = {name.lower() for name in action_of(device)["supportedOperations"]}
    calls = {
        "h": "h q[0]", "s": "s q[0]", "v": "v q[0]", "phaseshift": "phaseshift(0.1) q[0]",
        "gpi": "gpi(0.1) q[0]", "gpi2": "gpi2(0.1) q[0]", "ms": "ms(0.1, 0.2, 0.3) q[0], q[1]",
        "prx": "prx(0.1, 0.2) q[0]", "U": "U(0.1, 0.2, 0.3) q[0]", "cv": "cv q[0], q[1]",
        "cz": "cz q[0], q[1]", "ecr": "ecr q[0], q[1]", "xy": "xy(0.1) q[0], q[1]",
        "xx": "xx(0.1) q[0], q[1]", "ccnot": "ccnot q[0], q[1], q[2]",
        "cswap": "cswap q[0], q[1], q[2]",
    }  # fmt: skip
    outcomes = set()
    for name, call in calls.items():
        source = measured(call + ";", qubit_count=3)
        if name in operations:
            check(device, source)
        else:
            message = refusal(device, source)
            assert f"uses '{name}', which the device does not support." in message
            assert message.startswith("[line 4] ")
        outcomes.add(name in operations)
    assert outcomes == {True, False}


@on_every_qpu()
@pytest.mark.parametrize("line", ["ctrl @ x q[0], q[1];", "inv @ s q[0];", "pow(2) @ s q[0];"])
def test_modifiers_are_refused(device, line):
    assert "which the device does not support. Supported modifiers: none." in refusal(
        device, measured(line)
    )


@on_every_qpu()
@pytest.mark.parametrize(
    ("line", "operation"),
    [
        ("h q[0:1];", "range"),
        ("h q[0:1:1];", "rangeWithStep"),
        ("h q[-1];", "negativeIndex"),
        ("h q[{0, 1}];", "selection"),
    ],
)
def test_forbidden_array_operations_are_refused(device, line, operation):
    assert operation in action_of(device)["forbiddenArrayOperations"]
    assert f"uses the array operation '{operation}'" in refusal(device, measured(line))


@on_every_qpu()
def test_one_register_of_each_kind(device):
    two = "OPENQASM 3.0;\nqubit[1] q;\nqubit[1] r;\nbit[1] b;\nb = measure q;"
    assert refusal(device, two) == (
        "[line 3] cannot declare a qubit register. Only 1 qubit register is supported."
    )
    two = "OPENQASM 3.0;\nqubit[1] q;\nbit[1] b;\nbit[1] c;\nb = measure q;"
    assert "[line 4] cannot declare a bit register." in refusal(device, two)


@on_every_qpu()
def test_unused_and_unmeasured_qubits_are_accepted(device):
    source = (
        "OPENQASM 3.0;\nbit[1] b;\nqubit[5] q;\nh q[1];\ncnot q[1], q[3];\nb[0] = measure q[1];"
    )
    assert check(device, source).qubit_count == 2


@on_every_qpu()
def test_measurement_without_a_bit(device):
    source = "OPENQASM 3.0;\nqubit[1] q;\nh q[0];\nmeasure q;"
    if action_of(device)["supportsUnassignedMeasurements"]:
        check(device, source)
    else:
        assert "measures qubits without assigning the result to a bit." in refusal(device, source)


@on_every_qpu()
def test_barrier_is_decided_by_the_document(device):
    source = measured("h q[0];", "barrier q;", "h q[1];")
    if "barrier" in action_of(device)["supportedOperations"]:
        assert check(device, source).operation_count == 2
    else:
        assert "uses 'barrier'" in refusal(device, source)


@on_every_qpu()
def test_physical_qubits_must_exist(device):
    a, b = coupled(device)
    check(device, measured(f"h ${a};", f"b[0] = measure ${a};", qubit_count=1, register=False))
    missing = max(rules_of(device).physical_qubits) + 1
    # The second use is read on the fast path.
    for lines in ([f"h ${missing};"], [f"h ${a};", f"h ${b};", f"h ${missing};"]):
        source = measured(*lines, f"b[0] = measure ${a};", qubit_count=1, register=False)
        message = refusal(device, source)
        assert f"uses the physical qubit ${missing}, which the device does not have." in message


def test_hole_in_a_chip_is_no_qubit():
    assert 8 not in rules_of(BY_NAME["Cepheus-1-108Q"]).physical_qubits
    assert 0 not in rules_of(BY_NAME["Garnet"]).physical_qubits
    assert "$8" in refusal(BY_NAME["Cepheus-1-108Q"], "OPENQASM 3.0;\nbit[1] b;\nh $8;")
    assert "$0" in refusal(BY_NAME["Garnet"], "OPENQASM 3.0;\nbit[1] b;\nh $0;")


@on_every_qpu()
def test_physical_and_virtual_qubits_do_not_mix(device):
    a, _ = coupled(device)
    message = refusal(device, measured(f"cnot q[0], ${a};"))
    assert message == "[line 4] mixes physical qubits and qubits registers."


@on_every_qpu()
def test_verbatim_box_with_every_native_gate_is_accepted(device):
    a, b = coupled(device)
    native = [name.lower() for name in device.capabilities["paradigm"]["nativeGateSet"]]
    names = [name for name in native if name in NATIVE_CALLS]
    assert set(native) - set(names) <= EXPERIMENTAL_OPERATIONS | {"barrier"}
    calls = [
        f"{NATIVE_CALLS[name]} ${a}" + (f", ${b};" if name in TWO_QUBIT else ";") for name in names
    ]
    checked = check(device, verbatim(*calls, qubits=[a, b]))
    assert checked.operation_count == len(names) >= 2


@on_every_qpu()
def test_verbatim_box_refuses_what_is_not_native(device):
    a, b = coupled(device)
    message = refusal(device, verbatim(f"h ${a};", qubits=[a, b]))
    assert message == (
        "[line 5] In verbatim boxes, native gates are required. h is not a device native gate."
    )


@on_every_qpu()
def test_verbatim_box_needs_physical_qubits(device):
    source = measured("#pragma braket verbatim", "box {", "h q[0];", "}")
    assert "Physical qubits are required in verbatim box." in refusal(device, source)


@on_every_qpu()
def test_verbatim_pragma_needs_its_box(device):
    source = measured("#pragma braket verbatim", "h q[0];")
    assert "must be followed by a box statement" in refusal(device, source)


@on_every_qpu(SPARSE)
def test_verbatim_box_needs_a_coupling(device):
    a, b = uncoupled(device)
    message = refusal(device, verbatim(f"cz ${a}, ${b};", qubits=[a, b]))
    assert message == f"[line 5] has disconnected qubits {a} and {b}"


@on_every_qpu(SPARSE)
def test_every_coupling_of_the_document_is_real_both_ways(device):
    rules = rules_of(device)
    graph = graph_of(device)
    for a in graph:
        for b in graph:
            if a != b:
                assert (rules.refuse_verbatim("cz", [a, b]) is None) == (b in graph[a])


@on_every_qpu()
def test_gates_outside_of_a_verbatim_box(device):
    a, b = coupled(device)
    name = "prx" if "prx" in rules_of(device).native_gates else "rx"
    native = {"Forte 1": "gpi", "Forte Enterprise 1": "gpi"}.get(device.name, name)
    source = verbatim(f"{NATIVE_CALLS[native]} ${a};", qubits=[a, b]).replace(
        "#pragma", f"rx(0.1) ${a};\n#pragma"
    )
    if action_of(device)["supportsPartialVerbatimBox"]:
        assert check(device, source).operation_count == 2
    else:
        assert "does not support gates outside verbatim boxes" in refusal(device, source)


@on_every_qpu()
@pytest.mark.parametrize(
    "pragma",
    [
        "unitary([[0, 1], [1, 0]]) q[0]",
        "result state_vector",
        "result density_matrix",
        'result amplitude "00"',
        "noise bit_flip(0.1) q[0]",
    ],
)
def test_forbidden_pragmas_are_refused(device, pragma):
    source = f"OPENQASM 3.0;\nqubit[2] q;\nh q;\n#pragma braket {pragma}"
    assert "which the device does not support. Supported pragmas: " in refusal(device, source)


@on_every_qpu()
@pytest.mark.parametrize("kind", ["expectation", "variance", "sample"])
@pytest.mark.parametrize("observable", ["x(q[0])", "y(q[0]) @ z(q[1])", "h(q[0])", "i(q[0])"])
def test_pauli_results_are_accepted(device, kind, observable):
    check(device, f"OPENQASM 3.0;\nqubit[2] q;\nh q;\n#pragma braket result {kind} {observable}")


@on_every_qpu()
def test_hermitian_observable_is_refused(device):
    pragma = "#pragma braket result expectation hermitian([[0, 1], [1, 0]]) q[0]"
    message = refusal(device, f"OPENQASM 3.0;\nqubit[2] q;\nh q;\n{pragma}")
    assert message.startswith("Observable hermitian of result type Expectation is not supported")


@on_every_qpu()
def test_results_and_measurements_do_not_mix(device):
    source = measured("h q[0];") + "\n#pragma braket result probability"
    assert refusal(device, source) == (
        "Qubits should not be explicitly measured when result types are requested."
    )


@on_every_qpu()
def test_shots_range(device):
    shots_min, shots_max = device.shots_range
    for shots in (shots_min, shots_max):
        check(device, measured("h q[0];"), shots=shots)
    for shots in (0, shots_min - 1, shots_max + 1):
        message = refusal(device, measured("h q[0];"), shots=shots)
        assert f"supports shots from {shots_min} to {shots_max}, but shots is {shots}" in message


@on_every_qpu()
def test_qubit_count(device):
    count = device.capabilities["paradigm"]["qubitCount"]
    if count < 25:
        check(device, measured("h q[0];", qubit_count=count))
    message = refusal(device, measured("h q[0];", qubit_count=count + 1), kind=LimitError)
    assert f"uses {count + 1} qubits, more than the device's limit of {count}." in message


@on_every_qpu()
def test_gate_count_limit(device):
    limit = action_of(device).get("maximumGates")
    assert limit == (2000 if device.capabilities["provider"].get("errorMitigation") else None)
    count = 2000 if limit is None else limit
    assert check(device, measured(*["h q[0];"] * count)).operation_count == count
    source = measured(*["h q[0];"] * (count + 1))
    if limit is None:
        check(device, source)
    else:
        message = refusal(device, source, kind=LimitError)
        assert message == "The program has 2,001 gates, more than the device's limit of 2,000."


@on_every_qpu()
def test_experimental_operations_must_be_asked_for(device):
    rules = rules_of(device)
    for name in sorted(EXPERIMENTAL_OPERATIONS):
        message = rules.refuse_gate(name)
        if name in action_of(device)["supportedOperations"]:
            assert "is an experimental capability; enable it with" in message
            assert rules.refuse_verbatim(name, [1]) == message
            assert rules.with_experimental().refuse_gate(name) is None
            assert rules.with_experimental().refuse_verbatim(name, [1]) is None
        else:
            assert "which the device does not support" in message
            assert rules.with_experimental().refuse_gate(name) == message


def test_experimental_capabilities_reach_the_check():
    source = measured("h q[0];")
    assert check(BY_NAME["Garnet"], source, is_experimental=True) == check(
        BY_NAME["Garnet"], source
    )
    changed = changed_rules(BY_NAME["Garnet"])
    assert not changed.is_experimental
    assert changed.with_experimental().is_experimental


def changed_rules(device, **members):
    """Return the rules of a device whose OpenQASM action has other members."""
    action = {**action_of(device), **members}
    return Rules.from_capabilities({**device.capabilities, "action": {OPENQASM: action}})


@pytest.mark.parametrize(("limit", "is_refused"), [(None, False), (1, False), (0, True)])
def test_output_variables_are_limited_by_the_document(limit, is_refused):
    rules = changed_rules(BY_NAME["Garnet"], maximumOutputs=limit)
    assert (rules.refuse_outputs(1) is not None) == is_refused
    if is_refused:
        with pytest.raises(ProgramError, match="declares 1 output variables, more than"):
            parse_circuit("OPENQASM 3.0;\nqubit[1] q;\noutput bit b;", rules=rules)


class Rewired:
    """Garnet, if it could run circuits without rewiring."""

    arn = "arn:aws:braket:eu-north-1::device/qpu/iqm/Other"
    backend = ""
    shots_range = (1, 100)

    def __init__(self):
        garnet = BY_NAME["Garnet"]
        action = {**action_of(garnet), "disabledQubitRewiringSupported": True}
        self.capabilities = {**garnet.capabilities, "action": {OPENQASM: action}}


def test_device_that_keeps_qubits_checks_them_and_their_couplings():
    device = Rewired()
    source = measured("h $1;", "cnot $1, $2;", "b[0] = measure $1;", register=False)
    check(device, source, keeps_qubits=True)
    apart = source.replace("$2", "$14")
    check(device, apart)
    assert refusal(device, apart, keeps_qubits=True) == (
        "The program has disconnected qubits 1 and 14"
    )
    assert refusal(device, measured("h q[0];"), keeps_qubits=True) == (
        "The program uses qubit 0, which the device does not have."
    )


def parameters(*, rewiring=None, mitigation=None, **members):
    paradigm = {} if rewiring is None else {"disableQubitRewiring": rewiring}
    document = {"paradigmParameters": {"qubitCount": 2, **paradigm}, **members}
    if mitigation is not None:
        document["errorMitigation"] = [{"type": name} for name in mitigation]
    return read_parameters(read_document(json.dumps(document)))


DEBIAS = "braket.device_schema.error_mitigation.debias.Debias"


@on_every_qpu()
def test_rewiring_cannot_be_disabled_but_in_verbatim_boxes(device):
    rules, asked = rules_of(device), parameters(rewiring=True)
    check_parameters(parameters(rewiring=False), rules, shots=10, is_verbatim=False)
    check_parameters(asked, rules, shots=10, is_verbatim=True)
    with pytest.raises(ProgramError, match="disableQubitRewiring is true, which the device does"):
        check_parameters(asked, rules, shots=10, is_verbatim=False)
    check_parameters(asked, rules_of(Rewired()), shots=10, is_verbatim=False)


def test_simulator_never_rewires():
    (sv1,) = Catalogue().find("SV1")
    check_parameters(parameters(rewiring=True), rules_of(sv1), shots=10, is_verbatim=False)


@on_every_qpu()
def test_error_mitigation_has_a_minimum_of_shots(device):
    rules, asked = rules_of(device), parameters(mitigation=[DEBIAS])
    if device.provider_name == "IonQ":
        check_parameters(asked, rules, shots=2500, is_verbatim=False)
        with pytest.raises(ProgramError, match="needs at least 2500 shots, but shots is 2499"):
            check_parameters(asked, rules, shots=2499, is_verbatim=False)
    else:
        with pytest.raises(ProgramError, match=r"not supported by the device. Supported: none\."):
            check_parameters(asked, rules, shots=2500, is_verbatim=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "deviceParameters is not JSON"),
        ("[]", "deviceParameters must be a JSON object, not list"),
        ('{"paradigmParameters": 1}', "'paradigmParameters' of deviceParameters must be an object"),
        (
            '{"paradigmParameters": {"disableQubitRewiring": "yes"}}',
            "'disableQubitRewiring' of deviceParameters must be true or false",
        ),
        ('{"errorMitigation": {}}', "must be a list"),
        ('{"errorMitigation": [1]}', "needs a 'type'"),
        ('{"errorMitigation": [{"type": 1}]}', "needs a 'type'"),
    ],
)
def test_wrong_device_parameters_are_refused(text, message):
    with pytest.raises(ProgramError, match="deviceParameters") as caught:
        read_parameters(read_document(text))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", '{"paradigmParameters": null, "other": [1]}'])
def test_parameters_that_ask_for_nothing(text):
    assert read_parameters(read_document(text)) == read_parameters(read_document(""))


PROGRAM_SET = "braket.ir.openqasm.program_set"


def check_set(device, *, executable_count, shots):
    source = "OPENQASM 3.0;\ninput float a;\nbit[1] b;\nqubit[1] q;\nrx(a) q[0];\nb = measure q;"
    program = {
        "braketSchemaHeader": {"name": OPENQASM, "version": "1"},
        "source": source,
        "inputs": {"a": [i / 1000 for i in range(executable_count)]},
    }
    header = {"name": PROGRAM_SET, "version": "1"}
    text = json.dumps({"braketSchemaHeader": header, "programs": [program]})
    return check_program(text, device, shots=shots, memory_bytes_max=GIB)


@on_every_qpu()
def test_program_sets_have_the_limits_of_the_document(device):
    limits = device.capabilities["action"].get(PROGRAM_SET)
    shots_min, shots_max = device.shots_range
    if limits is None:
        with pytest.raises(ProgramError, match="does not support the action type"):
            check_set(device, executable_count=2, shots=2 * shots_min)
        return
    count_max, total_max = limits["maximumExecutables"], limits["maximumTotalShots"]
    checked = check_set(device, executable_count=count_max, shots=count_max * shots_min)
    assert checked.executable_count == count_max
    with pytest.raises(LimitError, match=f"more than the device's limit of {count_max} "):
        check_set(device, executable_count=count_max + 1, shots=(count_max + 1) * shots_min)
    with pytest.raises(LimitError, match=f"more than the device's limit of {total_max} "):
        check_set(device, executable_count=count_max, shots=total_max + count_max)
    with pytest.raises(ProgramError, match=f"from {shots_min} to {shots_max} per executable"):
        check_set(device, executable_count=1, shots=shots_max + 1)
