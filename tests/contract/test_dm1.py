"""What the Braket SDK reads from DM1 here equals what its local density-matrix simulator gives."""

import json
import warnings

import numpy as np
import pytest
from botocore.exceptions import ClientError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice, AwsQuantumTask
    from braket.circuits import Circuit, Noise, Observable
    from braket.circuits.serialization import IRType
    from braket.devices import LocalSimulator

from support.tasks import task_request

ARN = "arn:aws:braket:::device/quantum-simulator/amazon/dm1"


@pytest.fixture(scope="module")
def device(service):
    return AwsDevice(ARN)


def noisy(qubit_count=4):
    circuit = Circuit()
    for qubit in range(qubit_count):
        circuit.rx(qubit, 0.4 + qubit).rz(qubit, 1.3 - qubit)
    for qubit in range(qubit_count - 1):
        circuit.cnot(qubit, qubit + 1)
    circuit.apply_gate_noise(Noise.Depolarizing(0.05))
    circuit.bit_flip(0, 0.1).phase_flip(1, 0.2).pauli_channel(2, 0.1, 0.05, 0.02)
    circuit.two_qubit_depolarizing(0, 2, 0.1).two_qubit_dephasing(1, 3, 0.2)
    circuit.amplitude_damping(3, 0.15).generalized_amplitude_damping(0, 0.2, 0.6)
    circuit.phase_damping(2, 0.3)
    return circuit.kraus([1], [np.sqrt(0.7) * np.eye(2), np.sqrt(0.3) * np.diag([1, -1])])


def with_results(circuit):
    circuit.expectation(Observable.X() @ Observable.Y(), [0, 2])
    circuit.variance(Observable.Hermitian(np.array([[1, 1j], [-1j, 0.5]])), 1)
    circuit.probability([3, 0])
    return circuit.density_matrix([2, 1])


def test_device_is_online_and_says_what_it_takes(device):
    assert device.status == "ONLINE"
    assert device.properties.paradigm.qubitCount == 17
    action = device.properties.action["braket.ir.openqasm.program"]
    assert "braket_noise_kraus" in action.supportedPragmas


def test_exact_results_are_those_of_the_local_simulator(device):
    local = LocalSimulator("braket_dm").run(with_results(noisy()), shots=0).result()
    found = device.run(with_results(noisy()), shots=0).result()
    *numbers, matrix = found.values
    pairs = np.asarray(
        matrix
    )  # the SDK leaves a service's complex numbers as the document has them
    for own, other in zip(
        [*numbers, pairs[..., 0] + 1j * pairs[..., 1]], local.values, strict=True
    ):
        np.testing.assert_allclose(own, other, atol=1e-10)


def test_shots_estimate_the_exact_distribution(device):
    # Hoeffding for each of 16 frequencies: 32 exp(-2 · 20,000 · 0.03²) < 1e-14.
    shots = 20_000
    result = device.run(noisy(), shots=shots).result()
    exact = LocalSimulator("braket_dm").run(noisy().probability(), shots=0).result().values[0]
    found = np.array([result.measurement_counts[f"{x:04b}"] for x in range(16)]) / shots
    np.testing.assert_allclose(found, exact, atol=0.03)


def test_circuit_without_noise_has_a_reduced_density_matrix(device):
    circuit = Circuit().h(0).cnot(0, 1).density_matrix(1)
    pairs = np.asarray(device.run(circuit, shots=0).result().values[0])
    np.testing.assert_allclose(pairs[..., 0], np.eye(2) / 2, atol=1e-12)
    np.testing.assert_allclose(pairs[..., 1], 0, atol=1e-12)


def test_seventeen_qubits_of_which_few_interact_run(device):
    circuit = Circuit()
    for qubit in range(17):
        circuit.h(qubit).amplitude_damping(qubit, 0.2)
    result = device.run(circuit.expectation(Observable.X(), 5), shots=0).result()
    assert result.values[0] == pytest.approx(np.sqrt(0.8))


def test_twenty_noisy_qubits_run_as_trajectories_on_request(device, braket):
    circuit = Circuit()
    for qubit in range(20):
        circuit.ry(qubit, 0.1 * qubit)
    for qubit in range(19):
        circuit.cz(qubit, qubit + 1)
    circuit.apply_gate_noise(Noise.BitFlip(0.02))
    with pytest.raises(ClientError, match="17"):
        device.run(circuit, shots=100)
    request = task_request(
        action=circuit.to_ir(ir_type=IRType.OPENQASM).json(),
        deviceArn=ARN,
        shots=2000,
        deviceParameters=json.dumps({"openbraket": {"limits": "extended", "seed": 1}}),
    )
    arn = braket.create_quantum_task(**request)["quantumTaskArn"]
    measurements = AwsQuantumTask(arn).result().measurements
    assert measurements.shape == (2000, 20)
    ones = measurements.mean(axis=0)
    # Qubit 0 is turned by nothing: two channels flip it.
    assert abs(ones[0] - 2 * 0.02 * 0.98) < 6.5 * np.sqrt(0.04 / 2000)


def test_jaqcd_with_noise_runs(braket, bucket):
    action = json.dumps({
        "braketSchemaHeader": {"name": "braket.ir.jaqcd.program", "version": "1"},
        "instructions": [
            {"type": "x", "target": 0},
            {"type": "cnot", "control": 0, "target": 1},
            {"type": "amplitude_damping", "target": 1, "gamma": 0.25},
        ],
        "results": [{"type": "expectation", "observable": ["z"], "targets": [1]}],
    })
    arn = braket.create_quantum_task(
        action=action, clientToken="dm1-jaqcd", deviceArn=ARN, outputS3Bucket=bucket,
        outputS3KeyPrefix="dm1", shots=0,
    )["quantumTaskArn"]  # fmt: skip
    assert AwsQuantumTask(arn).result().values[0] == pytest.approx(-0.5)


REFUSED = {
    "amplitude": (lambda: Circuit().h(0).amplitude(["0"]), 0, "Result type Amplitude is not supp"),
    "state vector": (lambda: Circuit().h(0).state_vector(), 0, "Result type StateVector is not"),
    "density matrix with shots": (
        lambda: Circuit().h(0).bit_flip(0, 0.1).density_matrix(0),
        10,
        "Result type density_matrix is not available when shots>0",
    ),
    "18 qubits": (
        lambda: Circuit().h(range(18)).bit_flip(0, 0.1),
        10,
        "uses 18 qubits, more than the device's limit of 17",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(device, name):
    circuit, shots, message = REFUSED[name]
    with pytest.raises(ClientError, match=message) as error:
        device.run(circuit(), shots=shots)
    assert error.value.response["Error"]["Code"] == "ValidationException"
