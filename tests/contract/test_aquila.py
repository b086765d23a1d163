"""Analog programs on Aquila, through the Braket SDK and boto3."""

import contextlib
import json
import math
from collections import Counter

import boto3
import numpy as np
import pytest
from braket.ahs import (
    AnalogHamiltonianSimulation,
    AtomArrangement,
    DrivingField,
    LocalDetuning,
    SiteType,
)
from braket.aws import AwsDevice, AwsQuantumTask
from braket.device_schema.quera import QueraDeviceCapabilities
from braket.devices import LocalSimulator
from braket.timings.time_series import TimeSeries

import openbraket.testing
from support.analog import AQUILA, changed, document, parameters
from support.tasks import BUCKET, TERMINAL, wait_for

SWEEP_S = (0, 2.5e-7, 3.75e-6, 4e-6)


def register(sites, vacancies=()):
    made = AtomArrangement()
    for index, site in enumerate(sites):
        made.add(site, SiteType.VACANT if index in vacancies else SiteType.FILLED)
    return made


def drive(times, amplitude, detuning, phase=None):
    zeros = [0.0] * len(times)
    return DrivingField(
        *(
            TimeSeries.from_lists(list(times), list(values))
            for values in (amplitude, phase or zeros, detuning)
        )
    )


def sweep(sites, vacancies=()):
    """The adiabatic sweep of 4 µs to an ordered state."""
    light = drive(SWEEP_S, (0, 15.7e6, 15.7e6, 0), (-55e6, -55e6, 55e6, 55e6))
    return AnalogHamiltonianSimulation(register(sites, vacancies), light)


def chain(count):
    return [(6.1e-6 * k, 0.0) for k in range(count)]


def create(braket, made, **changes):
    request = {
        "action": made if isinstance(made, str) else json.dumps(made),
        "deviceArn": AQUILA,
        "outputS3Bucket": BUCKET,
        "outputS3KeyPrefix": "analog",
        "shots": 20,
    }
    return braket.create_quantum_task(**request | changes)["quantumTaskArn"]


def refusal(braket, made, **changes):
    with pytest.raises(braket.exceptions.ValidationException) as caught:
        create(braket, made, **changes)
    return caught.value.response["Error"]["Message"]


def result_document(braket, s3, arn):
    task = wait_for(braket, arn, TERMINAL)
    assert task["status"] == "COMPLETED", task
    key = task["outputS3Directory"] + "/results.json"
    return json.load(s3.get_object(Bucket=task["outputS3Bucket"], Key=key)["Body"])


def test_device_is_what_quera_publishes(service):
    device = AwsDevice(AQUILA)
    assert device.status == "ONLINE"
    assert device.is_available
    assert device.provider_name == "QuEra"
    assert isinstance(device.properties, QueraDeviceCapabilities)
    assert device.properties.service.shotsRange == (1, 1000)
    paradigm = device.properties.paradigm
    assert paradigm.qubitCount == 256
    assert math.isclose(paradigm.rydberg.c6Coefficient, 5.42e-24)
    assert float(paradigm.rydberg.rydbergGlobal.timeMax) == 4e-6
    assert str(paradigm.lattice.geometry.positionResolution) == "1E-7"


def test_sdk_program_runs_and_its_result_is_read(service):
    device = AwsDevice(AQUILA)
    program = sweep(chain(6), vacancies=[2]).discretize(device)
    task = device.run(program, shots=50)
    result = task.result()
    assert task.state() == "COMPLETED"
    assert task.metadata()["numSuccessfulShots"] == 50
    assert task.metadata()["actionMetadata"]["actionType"] == "braket.ir.ahs.program"
    assert len(result.measurements) == 50
    counts = result.get_counts()
    assert sum(counts.values()) == 50
    assert all(len(state) == 6 and set(state) <= set("egr") for state in counts)
    # Where no shot saw an atom, as at a vacancy mostly, the SDK divides zero by zero.
    with np.errstate(invalid="ignore"):
        densities = result.get_avg_density()
    assert densities.shape == (6,)
    assert all(0 <= density <= 1 for density in np.delete(densities, 2))
    assert result.task_metadata.shots == 50
    assert result.additional_metadata.queraMetadata.numSuccessfulShots == 50
    assert result.additional_metadata.action == program.to_ir()


def test_batch_of_analog_programs_runs(service):
    device = AwsDevice(AQUILA)
    programs = [sweep(chain(count)).discretize(device) for count in (1, 2, 3)]
    results = device.run_batch(programs, shots=10).results()
    assert [len(next(iter(result.get_counts()))) for result in results] == [1, 2, 3]


def test_program_that_was_not_discretized_is_refused_with_path_value_and_limit(service):
    light = drive((0, 1e-6, 4e-6), (0, 15.7e6 / 3, 0), (0, 0, 0))
    with pytest.raises(Exception, match="ValidationException") as caught:
        AwsDevice(AQUILA).run(AnalogHamiltonianSimulation(register(chain(2)), light), shots=1)
    assert (
        "hamiltonian.drivingFields[0].amplitude.time_series.values[1] is 5233333.333333333 rad/s; "
        "the device supports multiples of 400 rad/s."
    ) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"action": "{"}, "not valid JSON"),
        ({"action": "[]"}, "must be a JSON object"),
        ({"shots": 0}, "shots from 1 to 1000"),
        ({"shots": 1001}, "shots from 1 to 1000"),
        ({"deviceParameters": '{"noise": "none"}'}, "supported names with version 1: none"),
        ({"deviceParameters": "{"}, "deviceParameters is not JSON"),
        ({"deviceParameters": parameters(noise="some")}, "must be 'device' or 'none'"),
        (
            {"action": json.dumps(changed("setup.ahs_register.sites[1][0]", "NaN"))},
            "setup.ahs_register.sites[1][0] must be a finite decimal number, but it is 'NaN'.",
        ),
    ],
)
def test_wrong_requests_are_refused(service, braket, changes, said):
    assert said in refusal(braket, document(), **changes)


def test_seed_and_ideal_machine_can_be_asked_for(service, braket, s3):
    asked = parameters(seed=5, noise="none")
    first, second = (
        result_document(braket, s3, create(braket, document(), deviceParameters=asked))
        for _ in range(2)
    )
    assert first["measurements"] == second["measurements"]
    assert {tuple(m["shotResult"]["preSequence"]) for m in first["measurements"]} == {(1, 1, 0, 1)}
    assert "deviceParameters" not in first["taskMetadata"]


def test_sdk_reads_a_task_with_device_parameters(service, braket):
    arn = create(braket, document(), deviceParameters=parameters(noise="none"))
    wait_for(braket, arn, TERMINAL)
    assert sum(AwsQuantumTask(arn).result().get_counts().values()) == 20


def test_local_detuning_is_an_experimental_capability(service, braket, s3):
    device = AwsDevice(AQUILA)
    shift = LocalDetuning.from_lists(
        times=list(SWEEP_S), values=[0, 4e7, 4e7, 0], pattern=[0.0, 0.2, 0.0]
    )
    light = drive(SWEEP_S, (0, 15.7e6, 15.7e6, 0), (0, 0, 0, 0))
    program = AnalogHamiltonianSimulation(register(chain(3)), light + shift).discretize(device)
    action = program.to_ir().json()
    assert "local detuning is an experimental capability" in refusal(braket, action)
    arn = create(braket, action, experimentalCapabilities={"enabled": "ALL"})
    assert len(result_document(braket, s3, arn)["measurements"]) == 20


def test_program_that_nothing_can_hold_is_refused_when_it_is_created(service, braket):
    grid = [[f"{9 * i}e-6", f"{9 * j}e-6"] for i in range(9) for j in range(9)]
    assert "The program has 81 atoms; a blockade subspace has at most 63" in refusal(
        braket, document(grid)
    )


@contextlib.contextmanager
def other_service(tmp_path, *options):
    with openbraket.testing.start(data_dir=tmp_path, options=("--workers", "1", *options)):
        client, s3 = boto3.client("braket"), boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        try:
            yield client, s3
        finally:
            client.close()
            s3.close()


def jump():
    """Three sites, two atoms, a phase that jumps by 1.3 rad beside a detuning."""
    times = (0, 1e-7, 6e-7, 1.1e-6, 1.2e-6)
    light = drive(times, (0, 4e6, 4e6, 4e6, 0), (3e6,) * 5, phase=[0, 0, 1.3, 1.3, 1.3])
    sites = [(0.0, 0.0), (8.1e-6, 0.0), (16.2e-6, 0.0)]
    return AnalogHamiltonianSimulation(register(sites, vacancies=[1]), light)


def distance(first, second):
    """Return the total variation of two distributions of counts."""
    totals = sum(first.values()), sum(second.values())
    states = {*first, *second}
    return sum(abs(first[s] / totals[0] - second[s] / totals[1]) for s in states) / 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_distribution_is_the_local_simulator_s_where_its_sign_is_chosen(tmp_path):
    options = ("--analog-noise", "none", "--phase-sign", "local_simulator", "--lenient")
    with other_service(tmp_path, *options) as (braket, _):
        device = AwsDevice(AQUILA)
        results = device.run_batch([jump()] * 4, shots=1000).results()
        here = sum((Counter(result.get_counts()) for result in results), Counter())
        asked = parameters(phaseSign="documented")
        arn = create(braket, jump().to_ir().json(), shots=1000, deviceParameters=asked)
        other = AwsQuantumTask(arn).result().get_counts()
    local = LocalSimulator("braket_ahs").run(jump(), shots=40_000, steps=1000).result()
    there = Counter(local.get_counts())
    assert sum(here.values()) == 4000
    # Four states. Where both sample the same distribution, each lies within ε of it in total
    # variation except with probability 2^4 exp(-2 N ε²): below 1e-10 for N = 4000 and ε = 0.0570,
    # and for N = 40,000 and ε = 0.0181. The local simulator's steps add less than 1e-3.
    assert distance(here, there) < 0.0570 + 0.0181 + 0.001
    # The other sign is another distribution, further away than chance could take it.
    assert distance(Counter(other), there) > 0.2


def test_lenient_service_still_refuses_what_cannot_be_evolved(tmp_path):
    with other_service(tmp_path, "--lenient") as (braket, s3):
        wide = changed("setup.ahs_register.sites[1][0]", "8.005e-5")
        warnings = result_document(braket, s3, create(braket, wide))["additionalMetadata"][
            "openbraketMetadata"
        ]["warnings"]
        assert any("has a width of 8.005e-05 m" in sentence for sentence in warnings)
        assert any("(positionResolution)" in sentence for sentence in warnings)
        same = changed("setup.ahs_register.sites[1][0]", "0")
        assert "the same place as" in refusal(braket, same)
        asked = parameters(lenient=False)
        assert "has a width of 8.005e-05 m" in refusal(braket, wide, deviceParameters=asked)
