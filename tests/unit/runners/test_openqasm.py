"""From a work to its result object."""

import dataclasses
import json
import pickle

import pytest
from braket.tasks import GateModelQuantumTaskResult

from openbraket.base.errors import ProgramError
from openbraket.base.work import Work
from openbraket.runners.openqasm import run

BELL = "OPENQASM 3.0;\nbit[2] b;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\nb = measure q;"


def work(source: str, shots: int, **inputs: float) -> Work:
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    action = {"braketSchemaHeader": header, "source": source, "inputs": inputs}
    return Work(
        task_id="t",
        attempt=1,
        runner="openbraket.runners.openqasm",
        task_arn="arn:aws:braket:us-east-1:000000000000:quantum-task/t",
        device_arn="arn:aws:braket:::device/quantum-simulator/amazon/sv1",
        shots=shots,
        action=json.dumps(action).encode(),
        device_parameters="",
        created_at=0,
        thread_count=1,
        memory_bytes=0,
    )


def result_of(source: str, shots: int, **inputs: float) -> GateModelQuantumTaskResult:
    output = run(work(source, shots, **inputs), lambda _: None)
    return GateModelQuantumTaskResult.from_string(output.objects[-1].content.decode())


def test_bell_pair_gives_correlated_bits():
    output = run(work(BELL, 1000), lambda _: None)
    assert output.num_successful_shots == 1000
    (published,) = output.objects
    assert (published.name, published.content_type) == ("results.json", "application/json")
    result = GateModelQuantumTaskResult.from_string(published.content.decode())
    assert set(result.measurement_counts) == {"00", "11"}  # fails falsely with 2^-999
    assert sum(result.measurement_counts.values()) == 1000
    assert result.measured_qubits == [0, 1]


def test_exact_expectation_with_an_input():
    source = (
        "OPENQASM 3.0;\ninput float theta;\nqubit[1] q;\nrx(theta) q[0];\n"
        "#pragma braket result expectation z(q[0])"
    )
    assert result_of(source, 0, theta=3.141592653589793).values == [pytest.approx(-1, abs=1e-15)]
    assert run(work(source, 0, theta=0.0), lambda _: None).num_successful_shots is None


def test_output_can_be_sent_between_processes():
    output = run(work(BELL, 10), lambda _: None)
    assert pickle.loads(pickle.dumps(output)) == output


@pytest.mark.parametrize(
    ("source", "shots", "message"),
    [
        (BELL, 0, "Result types must be specified in the IR when shots=0"),
        ("OPENQASM 3.0;\nqubit[1] q;\nh q[0]", 10, r"\[line 3\]"),
        (
            "OPENQASM 3.0;\nqubit[1] q;\nh q[0];\n#pragma braket result state_vector",
            10,
            "not available when shots>0",
        ),
        (
            (
                "OPENQASM 3.0;\nqubit[1] q;\nh q[0];\n#pragma braket result expectation x(q[0])\n"
                "#pragma braket result expectation z(q[0])"
            ),
            10,
            "Conflicting result types applied to a single qubit",
        ),
    ],
)
def test_wrong_programs_are_refused(source, shots, message):
    with pytest.raises(ProgramError, match=message):
        run(work(source, shots), lambda _: None)


def test_seed_of_the_task_goes_before_that_of_the_server():
    def measured(seed, parameters=""):
        given = dataclasses.replace(work(BELL, 60), seed=seed, device_parameters=parameters)
        content = run(given, lambda _: None).objects[-1].content
        return json.loads(content)["measurements"]

    own = '{"openbraket": {"seed": 5}}'
    assert measured(5) == measured(5) == measured(9, own)
    assert measured(9) != measured(5)  # equal with probability 2^-60, but for these seeds never
    assert measured(None) != measured(None)  # equal with probability 2^-60


RETRIED = """OPENQASM 3.0;
output int[8] tries; output bit[2] last; output float share; output bool many;
qubit[4] q; bit[2] b = "11";
while (b != "00") { tries += 1; reset q[2:3]; h q[2:3]; b = measure q[2:3]; }
share = 1.0 / tries; many = tries > 1; last = b;
"""


def test_dynamic_program_with_outputs():
    result = result_of(RETRIED, 300)
    assert result.measured_qubits == [2, 3]
    assert result.measurements.tolist() == [[0, 0]] * 300
    assert len(result.outputs) == 300
    for shot in result.outputs:
        assert shot == {
            "tries": shot["tries"],
            "last": [0, 0],
            "share": 1 / shot["tries"],
            "many": shot["tries"] > 1,
        }
    # A quarter of the shots need one try: all or none with at most 0.75^300 < 1e-37.
    assert {shot["many"] for shot in result.outputs} == {False, True}


def test_outputs_beyond_64_bits_and_beyond_json():
    source = (
        "output uint[80] large; output float endless; output array[int, 2] list; qubit q; "
        "large = 1 << 79; endless = 1e308; endless *= 10; list[1] = 7; h q;"
    )
    (shot,) = result_of(source, 1).outputs
    assert shot == {"large": 1 << 79, "endless": None, "list": [0, 7]}


@pytest.mark.parametrize(
    ("source", "shots", "message"),
    [
        (RETRIED, 0, "need shots>0, but shots is 0"),
        (
            (
                "qubit[2] q; bit b; b = measure q[0]; if (b)\n{\n"
                "#pragma braket noise bit_flip(0.1) q[1]\n}"
            ),
            5,
            "cannot have noise channels, but this one has bit_flip",
        ),
        (
            "qubit[2] q; bit[2] b;\nx q[0]; b[0] = measure q[0];\nif (b[0]) { int i = 2; x q[i]; }",
            5,
            r"^\[line 3\] .*\[column \d+, after the outcomes 1\]",
        ),
        (
            "qubit q; h q; reset q;\n#pragma braket result state_vector",
            5,
            "not available when shots>0",
        ),
    ],
)
def test_wrong_dynamic_programs_are_refused(source, shots, message):
    with pytest.raises(ProgramError, match=message):
        run(work(source, shots), lambda _: None)


def test_seed_decides_the_paths_of_a_dynamic_program():
    def outputs(seed):
        given = dataclasses.replace(work(RETRIED, 60), seed=seed)
        return json.loads(run(given, lambda _: None).objects[-1].content)["outputs"]

    assert outputs(5) == outputs(5)
    assert outputs(5) != outputs(9)


def test_dynamic_program_in_single_precision():
    parameters = '{"openbraket": {"precision": "single"}}'
    given = dataclasses.replace(work(RETRIED, 30), device_parameters=parameters)
    content = run(given, lambda _: None).objects[-1].content
    assert all(shot["last"] == [0, 0] for shot in json.loads(content)["outputs"])
