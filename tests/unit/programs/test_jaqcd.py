"""JAQCD programs: the SDK's serializer and the local simulator are the oracles."""

import contextlib
import copy
import json
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Factor, ResultType
from openbraket.devices import Catalogue
from openbraket.programs.check import check_program, rules_of
from openbraket.programs.jaqcd import read_jaqcd
from openbraket.programs.openqasm import parse_circuit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.circuits import Circuit, Observable
    from braket.circuits.serialization import IRType
    from braket.ir.jaqcd import program_v1

pytestmark = pytest.mark.filterwarnings("ignore:The JAQCD action type is deprecated")

SV1 = Catalogue().get("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
HEADER = {"name": "braket.ir.jaqcd.program", "version": "1"}
RULES = rules_of(SV1, "braket.ir.jaqcd.program")
H0 = {"type": "h", "target": 0}
X_MATRIX = [[[0, 0], [1, 0]], [[1, 0], [0, 0]]]

ONE = ["h", "i", "x", "y", "z", "s", "si", "t", "ti", "v", "vi"]
ONE_ANGLE = ["rx", "ry", "rz", "phaseshift"]
TWO = ["swap", "iswap", "ecr", "cnot", "cv", "cy", "cz"]
TWO_ANGLE = [
    "pswap", "xy", "xx", "yy", "zz", "cphaseshift", "cphaseshift00", "cphaseshift01",
    "cphaseshift10",
]  # fmt: skip
THREE = ["ccnot", "cswap"]


def document(*instructions, results=None, rotations=None):
    return {
        "braketSchemaHeader": HEADER,
        "instructions": list(instructions),
        "results": results,
        "basis_rotation_instructions": rotations,
    }


def check(*instructions, shots=10, memory_bytes_max=1 << 34, **members):
    action = json.dumps(document(*instructions, **members))
    return check_program(action, SV1, shots=shots, memory_bytes_max=memory_bytes_max)


@st.composite
def circuits(draw):
    """A circuit of the SDK with every gate that JAQCD has."""
    circuit = Circuit()
    angles = st.floats(-7, 7, allow_nan=False)
    for _ in range(draw(st.integers(1, 12))):
        qubits = draw(st.permutations(draw(st.sampled_from([range(4), [0, 2, 5]]))))
        name = draw(st.sampled_from(ONE + ONE_ANGLE + TWO + TWO_ANGLE + THREE + ["unitary"]))
        if name == "unitary":
            seed, width = draw(st.integers(0, 99)), draw(st.integers(1, 2))
            generator = np.random.default_rng(seed)
            shape = (1 << width, 1 << width)
            matrix = generator.normal(size=shape) + 1j * generator.normal(size=shape)
            circuit.unitary(matrix=np.linalg.qr(matrix)[0], targets=list(qubits[:width]))
            continue
        width = 3 if name in THREE else 2 if name in TWO + TWO_ANGLE else 1
        arguments = [*qubits[:width]]
        if name in ONE_ANGLE + TWO_ANGLE:
            arguments.append(draw(angles))
        getattr(circuit, name)(*arguments)
    return circuit


RELAXED = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@RELAXED
@given(circuit=circuits())
def test_program_of_the_sdk_equals_its_openqasm(circuit):
    jaqcd = read_jaqcd(json.loads(circuit.to_ir(IRType.JAQCD).json()))
    openqasm = parse_circuit(circuit.to_ir(IRType.OPENQASM).source)
    assert jaqcd.qubits == openqasm.qubits
    np.testing.assert_allclose(
        jaqcd.operations.parameters, openqasm.operations.parameters, atol=1e-9
    )
    ours, theirs = copy.copy(jaqcd.operations), copy.copy(openqasm.operations)
    ours.parameters = theirs.parameters
    assert ours == theirs


def test_every_gate_of_the_schema_is_known():
    named = set(ONE + ONE_ANGLE + TWO + TWO_ANGLE + THREE + ["unitary"])
    assert {kind.value for kind in program_v1._valid_gates} == named


def test_results_of_the_sdk_are_read():
    circuit = Circuit().h(0).cnot(0, 3).ry(5, 0.1)
    matrix = np.array([[1, 2 - 1j, 0, 0], [2 + 1j, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]])
    circuit.expectation(Observable.X() @ Observable.Hermitian(matrix), [5, 0, 3])
    circuit.variance(Observable.Y(), 5)
    circuit.probability([3, 0])
    circuit.probability()
    read = read_jaqcd(json.loads(circuit.to_ir(IRType.JAQCD).json())).result_types
    hermitian = Factor("hermitian", (0, 1), tuple(map(tuple, matrix.tolist())))
    assert read == (
        ResultType("expectation", (Factor("x", (2,)), hermitian)),
        ResultType("variance", (Factor("y", (2,)),)),
        ResultType("probability", targets=(1, 0)),
        ResultType("probability"),
    )
    exact = document(
        H0,
        {"type": "h", "target": 1},
        results=[
            {"type": "amplitude", "states": ["00", "11"]},
            {"type": "statevector"},
            {"type": "densitymatrix", "targets": [1]},
            {"type": "expectation", "observable": ["z"]},
            {"type": "sample", "observable": ["h"], "targets": None},
        ],
    )
    assert read_jaqcd(exact).result_types == (
        ResultType("amplitude", states=("00", "11")),
        ResultType("state_vector"),
        ResultType("density_matrix", targets=(1,)),
        ResultType("expectation", (Factor("z", ()),)),
        ResultType("sample", (Factor("h", ()),)),
    )


def test_basis_rotations_count_only_where_qubits_are_measured():
    program = document(H0, rotations=[{"type": "s", "target": 3}, {"type": "h", "target": 3}])
    assert len(read_jaqcd(program).operations) == 1
    assert len(read_jaqcd(program, with_rotations=True).operations) == 3
    assert read_jaqcd(program).qubits == (0, 3)


def test_program_is_accepted_with_its_size():
    checked = check(H0, {"type": "cnot", "control": 0, "target": 1})
    assert checked.action_type == "braket.ir.jaqcd.program"
    assert (checked.qubit_count, checked.operation_count) == (2, 2)


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("h", "Instruction 1: must be a JSON object, but it is 'h'."),
        ({"target": 0}, "Instruction 1: must have a 'type', but it is None."),
        ({"type": "foo", "target": 0}, "Instruction 1 (foo): Invalid instruction specified"),
        ({"type": "h"}, "Instruction 1 (h): 'target' must name qubits by integers"),
        ({"type": "h", "target": -1}, "at least 0, but it has -1."),
        ({"type": "h", "target": True}, "but it has True."),
        ({"type": "h", "target": 1.5}, "but it has 1.5."),
        ({"type": "swap", "targets": [0]}, "'targets' must have 2 qubits, but it has 1."),
        ({"type": "swap", "targets": 3}, "'targets' must be a list of qubits, but it is 3."),
        ({"type": "swap", "targets": [2, 2]}, "the qubits must be distinct, but they are 2, 2."),
        ({"type": "cnot", "control": 0, "target": 0}, "must be distinct, but they are 0, 0."),
        ({"type": "ccnot", "controls": [0, 1], "target": 1}, "must be distinct"),
        ({"type": "rx", "target": 0}, "'angle' must be a number in radians, but it is None."),
        ({"type": "rx", "target": 0, "angle": "1"}, "'angle' must be a number in radians"),
        ({"type": "cv", "control": 0, "target": 1}, "uses 'cv', which the device does not support"),
        (
            {"type": "bit_flip", "target": 0, "probability": 0.1},
            (
                "Instruction 1 (bit_flip): uses 'bit_flip', which the device does not support. "
                "Supported operations: ccnot, cnot, "
            ),
        ),
        ({"type": "start_verbatim_box"}, "uses 'start_verbatim_box', which the device does not"),
        ({"type": "unitary", "targets": [0]}, "'matrix' must be a square matrix"),
        (
            {"type": "unitary", "targets": [0, 1], "matrix": X_MATRIX},
            "a unitary on 2 qubits needs a matrix of 4 rows, but it has 2.",
        ),
        (
            {"type": "unitary", "targets": [0], "matrix": [[[1, 0], [1, 0]], [[1, 0], [0, 0]]]},
            "the matrix is not unitary.",
        ),
        (
            {"type": "unitary", "targets": [0], "matrix": [[1, 0], [0, 1]]},
            "'matrix' must be made of [real, imaginary] pairs, but it has 1.",
        ),
        (
            {"type": "unitary", "targets": [0], "matrix": [[[1, 0]], [[0, 0], [1, 0]]]},
            "'matrix' must have 2 numbers in each row",
        ),
    ],
)
def test_wrong_instruction_is_named_by_its_index(instruction, message):
    with pytest.raises(ProgramError) as caught:
        check(H0, instruction)
    assert message in str(caught.value)
    assert str(caught.value).startswith("Instruction 1")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"type": "mean"}, "Result 0 (mean): the type must be one of expectation, "),
        ({"type": "expectation"}, "'observable' must be a list of factors, but it is None."),
        ({"type": "expectation", "observable": ["w"]}, "but it has 'w'."),
        (
            {"type": "expectation", "observable": ["x", "y"], "targets": [0]},
            "the observable acts on 2 qubits, but targets (0,).",
        ),
        ({"type": "expectation", "observable": ["x", "y"]}, "without 'targets'"),
        (
            {"type": "variance", "observable": [[[[0, 0], [1, 0]], [[0, 0], [0, 0]]]]},
            "not Hermitian",
        ),
        ({"type": "probability", "targets": []}, "'targets' must be a list of qubits"),
        ({"type": "amplitude", "states": ["02"]}, "must be bit strings, but it has '02'."),
        ({"type": "adjoint_gradient"}, "has no parameters to take a gradient by"),
    ],
)
def test_wrong_result_is_named_by_its_index(result, message):
    with pytest.raises(ProgramError) as caught:
        check(H0, results=[result])
    assert message in str(caught.value)
    assert str(caught.value).startswith("Result 0")


def test_results_obey_the_devices_document():
    with pytest.raises(ProgramError, match="Result type StateVector is not supported"):
        check(H0, results=[{"type": "statevector"}], shots=0)
    with pytest.raises(ProgramError, match="Result types must be specified in the IR when shots=0"):
        check(H0, shots=0)
    with pytest.raises(ProgramError, match="Result type Probability needs shots from 1"):
        check(H0, results=[{"type": "probability"}], shots=0)
    check(H0, results=[{"type": "expectation", "observable": ["x"]}], shots=0)


def test_programs_without_qubits_and_lists_of_the_wrong_type_are_refused():
    with pytest.raises(ProgramError, match="The program uses no qubits"):
        check()
    for member in ("instructions", "results", "basis_rotation_instructions"):
        program = document(H0) | {member: 7}
        with pytest.raises(ProgramError, match=f"'{member}' must be a list, but it is 7"):
            read_jaqcd(program)
    with pytest.raises(ProgramError, match=r"Basis rotation instruction 0 \(cv\)"):
        check(H0, rotations=[{"type": "cv", "control": 0, "target": 1}])


def test_limits_are_named():
    with pytest.raises(LimitError, match="qubit 1000001 is beyond the limit of 1000000"):
        check({"type": "h", "target": 1_000_001})
    rows = [[[0, 0]] * 512] * 512
    with pytest.raises(LimitError, match="512 rows is larger than the limit of 256"):
        check({"type": "unitary", "targets": list(range(9)), "matrix": rows})
    with pytest.raises(LimitError, match="more than the device's limit of 34"):
        check(*({"type": "h", "target": qubit} for qubit in range(35)))


def test_noise_is_read_with_its_parameters():
    flip = [[[0, 0], [0.6, 0]], [[0.6, 0], [0, 0]]]
    kept = [[[0.8, 0], [0, 0]], [[0, 0], [0.8, 0]]]
    circuit = read_jaqcd(
        document(
            {"type": "bit_flip", "target": 3, "probability": 0.1},
            H0,
            {"type": "generalized_amplitude_damping", "target": 0, "gamma": 0.2, "probability": 1},
            {"type": "pauli_channel", "target": 0, "probX": 0.1, "probY": 0.2, "probZ": 0.3},
            {"type": "two_qubit_dephasing", "targets": [3, 0], "probability": 0.5},
            {"type": "kraus", "targets": [3], "matrices": [kept, flip]},
            {"type": "multi_qubit_pauli_channel", "targets": [0, 3], "probabilities": {"XY": 0.36}},
        )
    )
    noise = circuit.operations.noise
    assert circuit.qubits == (0, 3)
    assert [(n.name, n.targets, n.probabilities, n.index) for n in noise] == [
        ("bit_flip", (1,), (0.1,), 0),
        ("generalized_amplitude_damping", (0,), (0.2, 1.0), 1),
        ("pauli_channel", (0,), (0.1, 0.2, 0.3), 1),
        ("two_qubit_dephasing", (1, 0), (0.5,), 1),
        ("kraus", (1,), (), 1),
        ("kraus", (0, 1), (), 1),
    ]
    assert noise[4].matrices == (((0.8, 0), (0, 0.8)), ((0, 0.6), (0.6, 0)))
    assert [(m[0][0], m[0][3]) for m in noise[5].matrices] == [(0, -0.6j), (0.8, 0)]


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ({"type": "bit_flip", "target": 0, "probability": 0.6}, "from 0 to 0.5, but they are 0.6"),
        ({"type": "phase_damping", "target": 0}, "'gamma' must be a number, but it is None"),
        ({"type": "depolarizing", "targets": [0], "probability": 0.1}, "'target' must"),
        ({"type": "two_qubit_dephasing", "targets": [0], "probability": 0.1}, "must have 2 qubits"),
        ({"type": "kraus", "targets": [0], "matrices": []}, "must be a list of matrices"),
        (
            {"type": "kraus", "targets": [0], "matrices": [[[[1, 0]]]]},
            "'matrices' must be a square",
        ),
        (
            {"type": "kraus", "targets": [0], "matrices": [[[[1, 0], [0, 0]], [[0, 0], [0, 0]]]]},
            "deviates from the identity by 1,",
        ),
        (
            {"type": "multi_qubit_pauli_channel", "targets": [0], "probabilities": {"XX": 0.1}},
            "strings of 1 letters",
        ),
        (
            {"type": "multi_qubit_pauli_channel", "targets": [0], "probabilities": {"X": 1.1}},
            "together at most 1",
        ),
        (
            {"type": "multi_qubit_pauli_channel", "targets": 0, "probabilities": {"X": 0.1}},
            "'targets' must be a list",
        ),
        (
            {"type": "multi_qubit_pauli_channel", "targets": [0], "probabilities": []},
            "must be by Pauli strings",
        ),
    ],
)
def test_wrong_noise_is_refused(instruction, message):
    with pytest.raises(ProgramError, match=message):
        read_jaqcd(document(instruction))


def test_noise_on_three_qubits_is_beyond_the_limit():
    with pytest.raises(LimitError, match="on 3 qubits is larger than the limit of 2"):
        read_jaqcd(document({"type": "kraus", "targets": [0, 1, 2], "matrices": [[]]}))


def test_without_rules_boxes_are_passed_over():
    boxed = document({"type": "start_verbatim_box"}, H0, {"type": "end_verbatim_box"})
    assert len(read_jaqcd(boxed).operations) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats(allow_nan=False) | st.text("xh0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xh0"), inner, max_size=2),
    max_leaves=6,
)
MEMBERS = ("target", "targets", "control", "angle", "matrix", "observable", "states")
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from([*ONE, *TWO, "unitary", "rx", "expectation", "probability", "kraus"])},
    optional=dict.fromkeys(
        ("target", "targets", "control", "angle", "matrix", "observable", "states"), JSON
    ),
)


@settings(max_examples=200, deadline=None)
@given(instructions=st.lists(ITEMS | JSON, max_size=3), results=st.lists(ITEMS, max_size=2) | JSON)
def test_any_document_is_accepted_or_refused(instructions, results):
    # What is neither accepted nor refused with one of these would be a fault of the server.
    with contextlib.suppress(ProgramError, LimitError):
        assert check(*instructions, results=results).operation_count == len(instructions)
