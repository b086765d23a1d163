"""The catalogue, and devices that go offline and come back, through unmodified clients."""

import json
import os
import subprocess
import sys
import time
import warnings

import boto3
import pytest

import openbraket.testing
from openbraket.devices import REGIONS, Catalogue
from support.tasks import BUCKET, SV1, TERMINAL, WAIT_S, long_action, task_request, wait_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.aws import AwsDevice, AwsSession
    from braket.circuits import Circuit, Observable

CATALOGUE = Catalogue()
DEVICES = CATALOGUE.search()
NOT_ONLINE = [device for device in DEVICES if device.status != "ONLINE"]
CURRENT = [device for device in DEVICES if device.status != "RETIRED"]
QPUS = [device for device in CURRENT if "nativeGateSet" in device.capabilities["paradigm"]]


@pytest.fixture(scope="module")
def service():
    """Return a service on which nobody else has left tasks or jobs in a queue."""
    with openbraket.testing.start(options=("--workers", "2")) as running:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def make_session(service):
    sessions = []

    def make(region):
        boto_session = boto3.Session(region_name=region)
        sessions.append(AwsSession(boto_session=boto_session, default_bucket=BUCKET))
        return sessions[-1]

    yield make
    for session in sessions:
        session.braket_client.close()


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_sdk_reads_every_device_without_a_warning(make_session, device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = AwsDevice(device.arn, aws_session=make_session(device.regions[0]))
        assert (found.name, found.provider_name) == (device.name, device.provider_name)
        assert (found.type, found.status) == (device.type, device.status)
        assert found.properties.service.shotsRange == device.shots_range
        depth = found.queue_depth()
        assert (set(depth.quantum_tasks.values()), depth.jobs) == ({"0"}, "0")
        # Native gate calibrations belong to pulse control, which no profile has.
        assert found.gate_calibrations is None
        if device.status == "ONLINE":
            assert found.is_available


@pytest.mark.parametrize("device", CURRENT, ids=lambda device: device.name)
def test_sdk_sees_the_topology_of_a_device(make_session, device):
    found = AwsDevice(device.arn, aws_session=make_session(device.regions[0]))
    paradigm = device.capabilities["paradigm"]
    graph = found.topology_graph
    if "connectivity" not in paradigm:
        assert graph is None
        return
    assert graph.number_of_nodes() == paradigm["qubitCount"]
    if paradigm["connectivity"]["fullyConnected"]:
        assert graph.number_of_edges() == paradigm["qubitCount"] * (paradigm["qubitCount"] - 1)
    else:
        pairs = device.capabilities["standardized"]["twoQubitProperties"]
        assert graph.number_of_edges() == 2 * len(pairs)


def test_sdk_finds_every_device_once_across_the_regions(make_session):
    found = AwsDevice.get_devices(
        aws_session=make_session("us-east-1"), statuses=["ONLINE", "OFFLINE", "RETIRED"]
    )
    assert sorted(device.arn for device in found) == sorted(device.arn for device in DEVICES)
    online = AwsDevice.get_devices(aws_session=make_session("us-east-1"), statuses=["ONLINE"])
    assert {device.arn for device in online} == {
        device.arn for device in DEVICES if device.status == "ONLINE"
    }


def test_paginator_gives_each_region_its_devices(service):
    everything = set()
    for region in REGIONS:
        client = boto3.client("braket", region_name=region)
        pages = client.get_paginator("search_devices").paginate(
            filters=[], PaginationConfig={"PageSize": 3}
        )
        arns = [device["deviceArn"] for page in pages for device in page["devices"]]
        client.close()
        assert arns == [device.arn for device in DEVICES if region in device.regions]
        everything.update(arns)
    assert len(everything) == 29


def test_device_of_another_region_is_not_found(service):
    client = boto3.client("braket", region_name="us-west-2")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_device(deviceArn="arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet")
    client.close()


@pytest.mark.parametrize("device", NOT_ONLINE, ids=lambda device: device.name)
def test_device_that_is_not_online_refuses_tasks_with_its_error(service, device):
    client = boto3.client("braket", region_name=device.regions[0])
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.create_quantum_task(**task_request(deviceArn=device.arn))
    client.close()
    response = caught.value.response
    name, status = {
        "RETIRED": ("DeviceRetiredException", 410),
        "OFFLINE": ("DeviceOfflineException", 424),
    }[device.status]
    assert response["Error"]["Code"] == name
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert device.arn in response["message"]
    assert device.offline_reason in response["message"]


def test_windows_are_shown_where_they_are_kept(tmp_path):
    (garnet,) = CATALOGUE.find("Garnet")
    with openbraket.testing.start(
        data_dir=tmp_path, options=("--workers", "1", "--respect-windows"), region="eu-north-1"
    ):
        client = boto3.client("braket")
        document = json.loads(client.get_device(deviceArn=garnet.arn)["deviceCapabilities"])
        client.close()
    assert document == garnet.capabilities


def operate(service, *arguments):
    """Run `openbraket device` beside the running service."""
    command = [sys.executable, "-m", "openbraket.cli.main", "device", *arguments]
    command += ["--data-dir", str(service.data_dir)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)


def wait_for_status(braket, status):
    deadline = time.monotonic() + WAIT_S
    while braket.get_device(deviceArn=SV1)["deviceStatus"] != status:
        assert time.monotonic() < deadline, f"SV1 does not become {status}"
        time.sleep(0.02)


def test_operator_takes_a_running_device_offline_and_back(service, braket):
    long = task_request(action=long_action(qubit_count=22, layer_count=2000))
    arns = [braket.create_quantum_task(**long)["quantumTaskArn"] for _ in range(4)]
    try:
        running = [arn for arn in arns[:1] if wait_for(braket, arn, {"RUNNING"})]
        assert operate(service, "offline", "sv1").stdout.startswith("OFFLINE arn:aws:braket:::")
        wait_for_status(braket, "OFFLINE")
        with pytest.raises(braket.exceptions.DeviceOfflineException, match="operator"):
            braket.create_quantum_task(**task_request())
        assert "OFFLINE" in operate(service, "list").stdout
        # What runs goes on, what waits waits, also with a free worker.
        statuses = [braket.get_quantum_task(quantumTaskArn=arn)["status"] for arn in arns]
        waiting = [arn for arn, status in zip(arns, statuses, strict=True) if status == "QUEUED"]
        assert statuses[0] == "RUNNING"
        assert waiting
        for arn in set(arns) - set(waiting):
            braket.cancel_quantum_task(quantumTaskArn=arn)
            wait_for(braket, arn, TERMINAL)
        for position, arn in enumerate(waiting):
            task = wait_for(braket, arn, {"QUEUED"})
            assert task["queueInfo"]["position"] == str(position)
        sizes = braket.get_device(deviceArn=SV1)["deviceQueueInfo"]
        assert [size["queueSize"] for size in sizes] == [str(len(waiting)), "0", "0"]
        assert operate(service, "retire", SV1).returncode == 0
        wait_for_status(braket, "RETIRED")
        with pytest.raises(braket.exceptions.DeviceRetiredException):
            braket.create_quantum_task(**task_request())
    finally:
        assert operate(service, "online", "SV1").returncode == 0
    wait_for_status(braket, "ONLINE")
    wait_for(braket, waiting[0], {"RUNNING"})
    for arn in waiting:
        braket.cancel_quantum_task(quantumTaskArn=arn)
        wait_for(braket, arn, TERMINAL)
    assert running
    done = braket.create_quantum_task(**task_request())["quantumTaskArn"]
    assert wait_for(braket, done, TERMINAL)["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("offline", "QX9"), "'QX9' must name one device of the catalogue; found: none."),
        (("online", "Harmony"), "is retired for good."),
        (("offline", "Harmony"), "is retired for good."),
        *(
            (("online", device.name), f"{device.offline_reason}.")
            for device in NOT_ONLINE
            if device.status == "OFFLINE"
        ),
    ],
)
def test_operator_s_mistakes_are_named(service, arguments, message):
    result = operate(service, *arguments)
    assert result.returncode == 1
    assert message in result.stderr


@pytest.mark.parametrize("device", QPUS, ids=lambda device: device.name)
def test_sdk_emulates_every_qpu_from_its_document(make_session, device):
    emulator = AwsDevice(device.arn, aws_session=make_session(device.regions[0])).emulator()
    graph = device.capabilities["paradigm"]["connectivity"]["connectivityGraph"]
    a = int(min(graph, key=int))
    b = int(min(graph[str(a)], key=int))
    native = {"AQT": ("prx", "xx"), "IonQ": ("gpi2", "zz"), "IQM": ("prx", "cz")}
    single, double = native.get(device.provider_name, ("rx", "cz"))
    box = Circuit()
    getattr(box, single)(a, *([0.3, 0.1] if single == "prx" else [0.3]))
    getattr(box, double)(a, b, *([] if double == "cz" else [0.3]))
    shots = device.shots_range[0]
    circuit = Circuit().add_verbatim_box(box)
    counts = emulator.run(circuit, shots=shots).result().measurement_counts
    assert sum(counts.values()) == shots
    valued = Circuit().add_verbatim_box(box).expectation(Observable.Z(), target=a)
    result = emulator.run(valued, shots=shots).result()
    assert -1 <= result.values[0] <= 1
