"""TN1 through boto3 and the Braket SDK: sizes that no state vector holds."""

import json
import time
import warnings

import pytest
from botocore.exceptions import ClientError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice
    from braket.circuits import Circuit, Observable

from support.tasks import BUCKET, TERMINAL, openqasm_action, task_request, wait_for

TN1 = "arn:aws:braket:::device/quantum-simulator/amazon/tn1"


def entangled(qubit_count: int, *, layers: int = 4) -> str:
    lines = [f"OPENQASM 3.0; qubit[{qubit_count}] q;"]
    for layer in range(layers):
        lines += [f"ry({0.3 + 0.01 * k + layer}) q[{k}];" for k in range(qubit_count)]
        lines += [f"cz q[{k}], q[{k + 1}];" for k in range(layer % 2, qubit_count - 1, 2)]
    return "\n".join(lines)


def run(braket, s3, source, *, shots, settings=None, status="COMPLETED"):
    request = task_request(deviceArn=TN1, shots=shots, action=openqasm_action(source))
    if settings is not None:
        request["deviceParameters"] = json.dumps({"openbraket": settings})
    arn = braket.create_quantum_task(**request)["quantumTaskArn"]
    task = wait_for(braket, arn, TERMINAL)
    assert task["status"] == status, task.get("failureReason")
    if status != "COMPLETED":
        return task
    key = task["outputS3Directory"] + "/results.json"
    return json.load(s3.get_object(Bucket=BUCKET, Key=key)["Body"])


def test_fifty_qubits_run_through_the_sdk(service):
    device = AwsDevice(TN1)
    assert device.status == "ONLINE"
    assert device.properties.paradigm.qubitCount == 50
    circuit = Circuit().h(0)
    for qubit in range(49):
        circuit.cnot(qubit, qubit + 1).rx(qubit + 1, 0.0)
    circuit.expectation(Observable.Z() @ Observable.Z(), target=[0, 49])
    result = device.run(circuit, shots=100).result()
    assert set(result.measurement_counts) == {"0" * 50, "1" * 50}  # fails falsely with 2^-99
    assert result.values == [1.0]


def test_result_says_what_was_chosen(braket, s3):
    document = run(braket, s3, entangled(50), shots=20)
    assert len(document["measurements"]) == 20
    (line,) = document["additionalMetadata"]["openbraketMetadata"]["log"]
    assert line.startswith("50 qubits, ")
    assert "matrix product state, bond dimension" in line


def test_truncation_is_reported_as_a_bound_on_the_fidelity(braket, s3):
    settings = {"max_bond": 2, "seed": 1}
    document = run(braket, s3, entangled(40, layers=8), shots=5, settings=settings)
    log = document["additionalMetadata"]["openbraketMetadata"]["log"]
    assert any("fidelity at least" in line for line in log)


def test_limits_of_aws_hold_unless_the_task_asks_for_more(braket, s3):
    extended = {"limits": "extended"}
    source = entangled(60) + "\n#pragma braket result expectation z(q[59])"
    for shots, message in ((10, "60 qubits, more than the device's limit of 50"), (0, "shots")):
        with pytest.raises(ClientError, match=message):
            run(braket, s3, source, shots=shots)
    document = run(braket, s3, source, shots=0, settings=extended)
    assert -1 <= document["resultTypes"][0]["value"] <= 1
    document = run(braket, s3, entangled(60), shots=10, settings=extended)
    assert len(document["measurements"][0]) == 60


def test_depth_beyond_the_limit_is_refused(braket, s3):
    source = "OPENQASM 3.0; qubit[1] q;" + "h q[0];" * 1001
    with pytest.raises(
        ClientError, match="a depth of 1,001, more than the device's limit of 1,000"
    ):
        run(braket, s3, source, shots=1)


def test_extended_limits_are_tn1_s_alone(braket):
    request = task_request(deviceParameters=json.dumps({"openbraket": {"limits": "extended"}}))
    with pytest.raises(ClientError, match="the device has the documented limits alone"):
        braket.create_quantum_task(**request)


@pytest.mark.parametrize("begun_s", [0.0, 1.0], ids=["planning", "applying"])
def test_running_contraction_is_cancelled(braket, s3, begun_s):
    # Bonds of 1,024 and more: minutes of work.
    request = task_request(deviceArn=TN1, action=openqasm_action(entangled(50, layers=22)))
    arn = braket.create_quantum_task(**request)["quantumTaskArn"]
    wait_for(braket, arn, {"RUNNING"})
    time.sleep(begun_s)
    braket.cancel_quantum_task(quantumTaskArn=arn)
    assert wait_for(braket, arn, TERMINAL)["status"] == "CANCELLED"
    assert len(run(braket, s3, entangled(50), shots=1)["measurements"]) == 1
