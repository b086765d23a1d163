"""Seeds and sizes: what a task's device parameters and the server's own settings decide."""

import json
import warnings

import boto3
import pytest
from botocore.exceptions import ClientError

import openbraket.testing
from support.tasks import BUCKET, SV1, openqasm_action, task_request, wait_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice
    from braket.circuits import Circuit, Observable
    from braket.device_schema import GateModelParameters
    from braket.device_schema.simulators import GateModelSimulatorDeviceParameters

# 50 shots of 5 fair bits: two draws agree with probability 2^-250.
FAIR = "OPENQASM 3; bit[5] b; qubit[5] q; h q; b = measure q;"
SHOTS = 50


def measurements(braket, s3, **changes):
    request = task_request(action=openqasm_action(FAIR), shots=SHOTS) | changes
    arn = braket.create_quantum_task(**request)["quantumTaskArn"]
    task = wait_for(braket, arn, {"COMPLETED"})
    key = task["outputS3Directory"] + "/results.json"
    return json.load(s3.get_object(Bucket=BUCKET, Key=key)["Body"])["measurements"]


def seeded(seed):
    return {"deviceParameters": json.dumps({"openbraket": {"seed": seed}})}


def test_tasks_with_one_seed_measure_the_same_and_others_do_not(braket, s3):
    first = measurements(braket, s3, **seeded(7))
    assert measurements(braket, s3, **seeded(7)) == first
    assert measurements(braket, s3, **seeded(8)) != first
    assert measurements(braket, s3) != measurements(braket, s3)


def test_seed_of_the_server_is_for_tasks_that_name_none(tmp_path):
    found = []
    for folder in "ab":
        options = ("--workers", "1", "--seed", "11")
        with openbraket.testing.start(data_dir=tmp_path / folder, options=options):
            s3, braket = boto3.client("s3"), boto3.client("braket")
            s3.create_bucket(Bucket=BUCKET)
            found.append(measurements(braket, s3))
            found.append(measurements(braket, s3, **seeded(12)))
    assert found[:2] == found[2:]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -3}, "seed is -3; it must be a whole number from 0 to 9223372036854775807"),
        ({"precision": "half"}, "precision is 'half'; it must be one of auto, double, single"),
        ({"seeds": 3}, "the unknown setting 'seeds'; known: seed, precision"),
    ],
)
def test_wrong_settings_are_refused(braket, settings, message):
    parameters = json.dumps({"openbraket": settings})
    with pytest.raises(ClientError, match=message) as caught:
        braket.create_quantum_task(**task_request(deviceParameters=parameters))
    assert caught.value.response["Error"]["Code"] == "ValidationException"


class Parameters(GateModelSimulatorDeviceParameters):
    """The SDK's own device parameters with OpenBraket's settings, as the documentation shows."""

    openbraket: dict


def test_sdk_hands_over_a_seed(service):
    device = AwsDevice(SV1)
    circuit = Circuit().h(range(5))

    def run(seed):
        parameters = Parameters(
            paradigmParameters=GateModelParameters(qubitCount=5), openbraket={"seed": seed}
        )
        result = device.run(circuit, shots=SHOTS, device_parameters=parameters).result()
        return result.measurements.tolist()

    assert run(3) == run(3) != run(4)


def test_34_qubits_run_where_the_program_allows_it(service):
    device = AwsDevice(SV1)
    assert device.properties.paradigm.qubitCount == 34
    ghz = Circuit().h(0)
    for qubit in range(33):
        ghz.cnot(qubit, qubit + 1)
    counts = device.run(ghz, shots=100).result().measurement_counts
    assert set(counts) == {"0" * 34, "1" * 34}  # fails falsely with 2^-99
    observable = Observable.X()
    for _ in range(33):
        observable = observable @ Observable.X()
    exact = ghz.copy().expectation(observable, target=range(34)).probability(target=[0, 33])
    values = device.run(exact, shots=0).result().values
    assert values[0] == 1
    assert values[1].tolist() == [0.5, 0, 0, 0.5]


def test_34_entangled_qubits_are_refused_with_the_sizes(tmp_path):
    circuit = Circuit().ry(range(34), 0.3)
    for qubit in range(33):
        circuit.cz(qubit, qubit + 1)
    circuit.rx(range(34), 0.2)
    message = (
        "The program uses 34 qubits and needs 141,612,453,724 bytes of memory in single precision, "
        "more than the limit of 4,294,967,296 bytes"
    )
    action = openqasm_action(circuit.to_ir("OPENQASM").source)
    with openbraket.testing.start(data_dir=tmp_path, options=("--memory", "4")):
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        with pytest.raises(ClientError, match=message):
            boto3.client("braket").create_quantum_task(**task_request(action=action, shots=10))
