"""Twins of processors on a live service, through the Braket SDK and boto3."""

import json
import warnings

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError

import openbraket.testing
from openbraket.devices import Catalogue
from support.tasks import BUCKET, TERMINAL, openqasm_action, task_request, wait_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice, AwsSession
    from braket.circuits import Circuit, Observable
    from braket.experimental_capabilities import EnableExperimentalCapability
    from braket.ir.openqasm import Program
    from braket.program_sets import ProgramSet
    from braket.tasks import GateModelQuantumTaskResult

TWINS = [device for device in Catalogue().search() if device.backend == "qpu_twin"]
BELL = "OPENQASM 3; bit[2] b; qubit[2] q; h q[0]; cnot q[0], q[1]; b = measure q;"
DEBIAS = "braket.device_schema.error_mitigation.debias.Debias"
IONQ = {
    "braketSchemaHeader": {
        "name": "braket.device_schema.ionq.ionq_device_parameters",
        "version": "1",
    },
    "paradigmParameters": {
        "braketSchemaHeader": {
            "name": "braket.device_schema.gate_model_parameters",
            "version": "1",
        },
        "qubitCount": 2,
        "disableQubitRewiring": False,
    },
}


def named(name):
    return next(device for device in TWINS if device.name == name)


@pytest.fixture(scope="module")
def lab():
    """Return a service of its own, so that every draw follows from one seed."""
    with openbraket.testing.start(options=("--workers", "1", "--seed", "5")) as running:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def at(lab):
    """Return a function that makes the SDK's device and clients of a twin's region."""
    clients = []

    def make(name):
        device = named(name)
        session = boto3.Session(region_name=device.regions[0])
        aws_session = AwsSession(boto_session=session, default_bucket=BUCKET)
        clients.append(aws_session.braket_client)
        return AwsDevice(device.arn, aws_session=aws_session)

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client_of(lab):
    clients = []

    def make(name):
        clients.append(boto3.client("braket", region_name=named(name).regions[0]))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def run(client, name, source, *, shots=1000, **members):
    """Run a program and return its result document and the SDK's reading of it."""
    request = task_request(
        deviceArn=named(name).arn, action=openqasm_action(source), shots=shots, **members
    )
    arn = client.create_quantum_task(**request)["quantumTaskArn"]
    task = wait_for(client, arn, TERMINAL)
    assert task["status"] == "COMPLETED", task.get("failureReason")
    key = task["outputS3Directory"] + "/results.json"
    text = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
    return json.loads(text), GateModelQuantumTaskResult.from_string(text)


def setting(**settings):
    return {"deviceParameters": json.dumps({"openbraket": settings})}


def ghz(qubit_count):
    circuit = Circuit().h(0)
    for qubit in range(qubit_count - 1):
        circuit.cnot(qubit, qubit + 1)
    return circuit


@pytest.mark.parametrize("device", TWINS, ids=lambda device: device.name)
def test_sdk_runs_a_program_on_every_twin(at, device):
    twin = at(device.name)
    assert twin.is_available
    assert twin.status == "ONLINE"
    result = twin.run(ghz(3), shots=1000).result()
    counts = result.measurement_counts
    assert sum(counts.values()) == 1000
    # Errors are there, and few: GHZ states of three qubits have 0.8 to 0.99 of the shots.
    assert 0.7 < (counts["000"] + counts["111"]) / 1000 < 1
    metadata = result.additional_metadata
    assert metadata.simulatorMetadata is None
    compiled = result.get_compiled_circuit()
    if device.provider_name == "IonQ":
        assert compiled is None
        assert metadata.ionqMetadata is not None
        assert result.measurement_probabilities_copied_from_device
        return
    assert result.measurements_copied_from_device
    if device.provider_name == "Rigetti":
        native = metadata.rigettiMetadata.nativeQuilMetadata
        assert sorted(native.finalRewiring) == sorted(set(native.finalRewiring))
        assert 0 < native.programFidelity < 1
        assert "MEASURE" in compiled
    else:
        assert compiled.startswith("OPENQASM 3.0;")
        assert "#pragma braket verbatim" in compiled
        # What was compiled is itself a program of the device: it runs as it is.
        again = twin.run(Program(source=compiled), shots=1000).result().measurement_counts
        assert (again["000"] + again["111"]) / 1000 > 0.7


@pytest.mark.parametrize("device", TWINS, ids=lambda device: device.name)
def test_twin_without_noise_gives_the_ideal_distribution(client_of, device):
    client = client_of(device.name)
    document, result = run(client, device.name, BELL, shots=2000, **setting(noise="off"))
    counts = result.measurement_counts
    assert set(counts) == {"00", "11"}
    # A fair coin is off by 250 of 2000 with probability 2 exp(-2 * 250^2 / 2000) < 1e-26.
    assert abs(counts["00"] - 1000) < 250
    is_histogram = device.provider_name == "IonQ"
    assert ("measurementProbabilities" in document) == is_histogram
    assert ("measurements" in document) != is_histogram


def test_operator_switches_the_noise_of_all_tasks_and_a_task_its_own():
    with openbraket.testing.start(options=("--workers", "1", "--twin-noise", "off", "--seed", "3")):
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        client = boto3.client("braket", region_name="eu-north-1")
        _, ideal = run(client, "Garnet", BELL, shots=4000)
        _, noisy = run(client, "Garnet", BELL, shots=4000, **setting(noise="calibrated"))
        client.close()
    assert set(ideal.measurement_counts) == {"00", "11"}
    # Readout alone flips one bit in 50; all 4000 shots are right with probability < 1e-30.
    assert len(noisy.measurement_counts) == 4


@pytest.mark.parametrize("name", ["Garnet", "Forte 1", "Cepheus-1-108Q"])
def test_results_are_those_of_the_state_but_for_errors(at, name):
    circuit = Circuit().h(0).cnot(0, 1).rx(2, 0.4).rx(3, 0.4)
    circuit.expectation(Observable.X() @ Observable.X(), target=[0, 1])
    circuit.variance(Observable.Y(), target=2)
    circuit.probability(target=[3])
    result = at(name).run(circuit, shots=2000).result()
    # <XX> = 1, Var(Y) = 1 - sin^2 0.4, p(0) = cos^2 0.2: 2000 shots are off by 0.15 with
    # probability 2 exp(-2 * 2000 * 0.075^2) < 1e-9, and errors take a few percent.
    assert 0.7 < result.values[0] <= 1
    assert result.values[1] == pytest.approx(1 - np.sin(0.4) ** 2, abs=0.25)
    assert result.values[2][0] == pytest.approx(np.cos(0.2) ** 2, abs=0.25)
    assert result.measured_qubits == [0, 1, 2, 3]


def test_seed_makes_a_twin_s_readings_reproducible(client_of):
    client = client_of("Garnet")
    found = [
        run(client, "Garnet", BELL, shots=200, **setting(seed=seed))[0]["measurements"]
        for seed in (3, 3, 4)
    ]
    assert found[0] == found[1] != found[2]


def test_verbatim_program_runs_as_it_is(at):
    pair = Circuit().prx(1, np.pi, 0).cz(1, 2)
    circuit = Circuit().add_verbatim_box(pair).measure(1).measure(2)
    result = at("Garnet").run(circuit, shots=500).result()
    assert result.measured_qubits == [1, 2]
    assert result.measurement_counts["10"] > 400
    compiled = result.get_compiled_circuit()
    assert [line.split(" ", 1)[1] for line in compiled.splitlines() if "$" in line][:2] == [
        "$1;",
        "$1, $2;",
    ]


@pytest.mark.parametrize(
    ("name", "source", "shots", "message"),
    [
        ("Garnet", "OPENQASM 3; qubit[2] q; u q[0];", 10, "Gate 'u' is not defined"),
        ("Garnet", "OPENQASM 3; qubit[2] q; gpi(0.1) q[0];", 10, "does not support. Supported op"),
        ("Garnet", BELL, 20_001, "shots from 1 to 20000, but shots is 20001"),
        ("Forte 1", BELL, 99, "shots from 100 to 5000, but shots is 99"),
        ("Forte 1", BELL[:42] + "x q[0];" * 2001, 100, "2,00[0-9] gates, more than .* 2,000"),
        ("IBEX Q1", "OPENQASM 3; qubit[13] q; h q;", 10, "uses 13 qubits, more than .* 12"),
        (
            "Garnet",
            "OPENQASM 3;\n#pragma braket verbatim\nbox { cz $1, $20; }",
            10,
            "has disconnected qubits 1 and 20",
        ),
        (
            "Garnet",
            "OPENQASM 3;\n#pragma braket verbatim\nbox { x $1; }",
            10,
            "x is not a device native gate",
        ),
        (
            "Garnet",
            "OPENQASM 3;\n#pragma braket verbatim\nbox { prx(1, 0) $1; }\ncnot $1, $20;",
            10,
            "has disconnected qubits 1 and 20",
        ),
        ("Garnet", "OPENQASM 3; x $0;", 10, r"uses the physical qubit \$0, which the device"),
        (
            "Garnet",
            'OPENQASM 3; qubit[1] q; h q;\n#pragma braket result amplitude "0"',
            10,
            "the pragma 'braket_result_type_amplitude', which",
        ),
        (
            "Garnet",
            "OPENQASM 3; qubit[1] q; measure_ff(1) q[0]; cc_prx(1, 0, 1) q[0];",
            10,
            "an experimental capability; enable it",
        ),
        (
            "Garnet",
            "OPENQASM 3; qubit[1] q; h q;\n#pragma braket noise bit_flip(0.1) q[0]",
            10,
            "the pragma 'braket_noise_bit_flip'",
        ),
    ],
)
def test_what_the_device_refuses_is_refused_at_once(client_of, name, source, shots, message):
    request = task_request(deviceArn=named(name).arn, action=openqasm_action(source), shots=shots)
    with pytest.raises(ClientError, match=message) as caught:
        client_of(name).create_quantum_task(**request)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_program_that_cannot_fit_is_refused_with_the_numbers(client_of):
    turns = "".join(f"rx(0.{k + 1}) q[{k}];" for k in range(50))
    pairs = "".join(f"cz q[{k}], q[{k + 1}];" for k in range(49))
    source = f"OPENQASM 3; qubit[50] q; {turns}{pairs}{turns}"
    request = task_request(deviceArn=named("Emerald").arn, action=openqasm_action(source))
    message = r"uses 50 qubits, may need 52 simulated together .* needs [\d,]+ bytes"
    with pytest.raises(ClientError, match=message):
        client_of("Emerald").create_quantum_task(**request)


def test_debiasing_gives_an_average_and_a_sharpened_histogram(client_of):
    parameters = IONQ | {"errorMitigation": [{"type": DEBIAS}]}
    members = {"deviceParameters": json.dumps(parameters)}
    client = client_of("Forte 1")
    request = task_request(
        deviceArn=named("Forte 1").arn, action=openqasm_action(BELL), shots=2499, **members
    )
    with pytest.raises(ClientError, match="needs at least 2500 shots, but shots is 2499"):
        client.create_quantum_task(**request)
    document, result = run(client, "Forte 1", BELL, shots=2500, **members)
    sharpened = result.additional_metadata.ionqMetadata.sharpenedProbabilities
    assert sum(sharpened.values()) == pytest.approx(1)
    # 25 variants each vote for 00 or 11; errors, of a few percent, never win.
    assert set(sharpened) == {"00", "11"}
    assert set(document["measurementProbabilities"]) > {"00", "11"}
    assert sum(document["measurementProbabilities"].values()) == pytest.approx(1)


def test_dynamic_circuit_resets_a_qubit(at):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "You are enabling experimental capabilities."
        with EnableExperimentalCapability():
            flip = Circuit().prx(4, np.pi, 0).measure_ff(4, 0).cc_prx(4, np.pi, 0, 0)
            circuit = Circuit().add_verbatim_box(flip).measure(4)
            result = at("Garnet").run(circuit, shots=1000).result()
    # Read once to flip it back, and once at the end: errors of a few percent.
    assert result.measurement_counts["0"] > 900
    assert "measure_ff(0) $4;" in result.get_compiled_circuit()
    assert "cc_prx(" in result.get_compiled_circuit()


def test_dynamic_circuit_in_any_gates_is_placed_and_lowered(client_of):
    source = (
        "OPENQASM 3; bit[2] b; qubit[2] q; h q[0]; measure_ff(7) q[0];"
        "cc_prx(3.141592653589793, 0, 7) q[1]; b = measure q;"
    )
    members = {"experimentalCapabilities": {"enabled": "ALL"}}
    _, result = run(client_of("Garnet"), "Garnet", source, shots=2000, **members)
    counts = result.measurement_counts
    assert counts["00"] + counts["11"] > 1800
    assert abs(counts["00"] - 1000) < 300


def test_program_set_runs_on_a_twin(at):
    circuits = [Circuit().x(0).i(1), Circuit().h(0).cnot(0, 1)]
    program_set = ProgramSet(circuits, shots_per_executable=300)
    result = at("Garnet").run(program_set).result()
    flipped, bell = (entry[0].counts for entry in result.entries)
    assert flipped["10"] > 240
    assert bell["00"] + bell["11"] > 240


def test_ionq_takes_no_program_sets(at):
    program_set = ProgramSet([Circuit().h(0)] * 2, shots_per_executable=100)
    with pytest.raises(ClientError, match=r"does not support the action type .*program_set"):
        at("Forte 1").run(program_set)


def test_noise_of_a_simulator_cannot_be_switched(client_of):
    request = task_request(**setting(noise="off"))
    client = boto3.client("braket", region_name="us-east-1")
    with pytest.raises(ClientError, match="are for twins of processors, which SV1 is not"):
        client.create_quantum_task(**request)
    client.close()


def test_prices_and_limits_hold_for_a_twin(client_of):
    client = client_of("Garnet")
    limit = client.create_spending_limit(
        deviceArn=named("Garnet").arn, spendingLimit="0.50", clientToken="twin"
    )
    run(client, "Garnet", BELL, shots=100)
    # 0.30 + 100 * 0.00145; another one would be 0.89.
    found = client.search_spending_limits(
        filters=[{"name": "deviceArn", "operator": "EQUAL", "values": [named("Garnet").arn]}]
    )["spendingLimits"][0]
    assert float(found["totalSpend"]) == pytest.approx(0.445)
    request = task_request(deviceArn=named("Garnet").arn, action=openqasm_action(BELL), shots=100)
    with pytest.raises(ClientError, match="over the spending limit"):
        client.create_quantum_task(**request)
    client.delete_spending_limit(spendingLimitArn=limit["spendingLimitArn"])


def test_operator_s_profile_is_a_device_for_every_client(tmp_path):
    document = dict(named("Garnet").capabilities)
    document["service"] = document["service"] | {"shotsRange": [1, 50]}
    arn = "arn:aws:braket:us-east-1::device/qpu/lab/Mine"
    profile = {
        "arn": arn, "name": "Mine", "providerName": "Lab", "type": "QPU", "status": "ONLINE",
        "regions": ["us-east-1"], "backend": "qpu_twin", "capabilities": document,
    }  # fmt: skip
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(profile))
    options = ("--workers", "1", "--device-profile", str(path))
    with openbraket.testing.start(options=options):
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        client = boto3.client("braket")
        session = AwsSession(boto_session=boto3.Session(), default_bucket=BUCKET)
        result = AwsDevice(arn, aws_session=session).run(ghz(2), shots=50).result()
        assert sum(result.measurement_counts.values()) == 50
        request = task_request(deviceArn=arn, action=openqasm_action(BELL), shots=51)
        with pytest.raises(ClientError, match="shots from 1 to 50, but shots is 51"):
            client.create_quantum_task(**request)
        client.close()
        session.braket_client.close()
