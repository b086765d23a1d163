"""The catalogue's data, read back with the schemas that clients use."""

import json
import warnings

import pytest

from openbraket.circuits.channels import CHANNELS
from openbraket.devices import REGIONS, Catalogue, read_profile
from openbraket.devices.backends import BACKEND_TITLES, BACKENDS
from openbraket.devices.windows import ALWAYS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.device_schema.simulators import GateModelSimulatorDeviceCapabilities
    from braket.devices.devices import Devices
    from braket.schema_common import BraketSchemaBase

SV1_ARN = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
CATALOGUE = Catalogue()
DEVICES = CATALOGUE.search()
TN1_ARN = SV1_ARN.replace("sv1", "tn1")
QPUS = [
    device
    for device in DEVICES
    if device.status != "RETIRED" and "nativeGateSet" in device.capabilities["paradigm"]
]


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_capabilities_parse_with_their_own_schema(device):
    text = device.capabilities_json()
    parsed = BraketSchemaBase.parse_raw_schema(text)
    assert parsed.braketSchemaHeader.name == device.capabilities["braketSchemaHeader"]["name"]
    assert set(device.action_types) == {str(getattr(a, "value", a)) for a in parsed.action}


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_names_and_regions_are_those_that_clients_expect(device):
    provider = device.arn.split("/")[2]
    first_word = device.provider_name.split()[0].lower()
    assert first_word == {"oqc": "oxford"}.get(provider, provider)
    assert device.regions
    assert set(device.regions) <= set(REGIONS)
    region = device.arn.split(":")[3]
    assert not region or device.regions == (region,)


def test_every_device_of_the_sdk_is_in_the_catalogue():
    known = {
        (str(value), name.startswith("_"))
        for group in vars(Devices).values()
        if isinstance(group, type)
        for name, value in vars(group).items()
        if str(value).startswith("arn:")
    }
    assert len(known) == 29
    assert {device.arn for device in DEVICES} == {arn for arn, _ in known}
    # TN1 has retired at AWS, and is alive here.
    retired = {arn for arn, is_private in known if is_private} - {TN1_ARN}
    assert {device.arn for device in DEVICES if device.status == "RETIRED"} == retired


def test_devices_have_the_names_and_places_of_the_service():
    shown = {
        device.name: (device.provider_name, device.regions, device.shots_range)
        for device in DEVICES
        if device.status != "RETIRED"
    }
    simulators = ("us-east-1", "us-west-1", "us-west-2", "eu-west-2")
    assert shown == {
        "SV1": ("Amazon Braket", simulators, (0, 100_000)),
        "dm1": ("Amazon Braket", simulators, (0, 100_000)),
        "TN1": ("Amazon Braket", simulators, (1, 1000)),
        "IBEX Q1": ("AQT", ("eu-north-1",), (1, 2000)),
        "Forte 1": ("IonQ", ("us-east-1",), (100, 5000)),
        "Forte Enterprise 1": ("IonQ", ("us-east-1",), (100, 5000)),
        "Garnet": ("IQM", ("eu-north-1",), (1, 20_000)),
        "Emerald": ("IQM", ("eu-north-1",), (1, 20_000)),
        "Aquila": ("QuEra", ("us-east-1",), (1, 1000)),
        "Cepheus-1-108Q": ("Rigetti", ("us-west-1",), (10, 50_000)),
    }


def test_device_without_its_backend_is_offline_with_a_reason():
    for device in DEVICES:
        is_here = device.backend in BACKENDS
        assert (device.status == "ONLINE") == is_here, device.name
        if device.status == "OFFLINE":
            assert BACKEND_TITLES[device.backend] in device.offline_reason
        else:
            assert not device.offline_reason


@pytest.mark.parametrize("device", QPUS, ids=lambda device: device.name)
def test_figures_of_a_qpu_agree_with_each_other(device):
    document = device.capabilities
    paradigm, connectivity = document["paradigm"], document["paradigm"]["connectivity"]
    graph = connectivity["connectivityGraph"]
    qubits = set(graph) or {str(i) for i in range(paradigm["qubitCount"])}
    assert len(qubits) == paradigm["qubitCount"]
    assert all(a in graph[b] for a, neighbours in graph.items() for b in neighbours)
    if connectivity["fullyConnected"]:
        assert all(len(neighbours) == len(graph) - 1 for neighbours in graph.values())
    standardized = document.get("standardized", {})
    for name in standardized.get("oneQubitProperties", {}):
        assert name in qubits
    for pair in standardized.get("twoQubitProperties", {}):
        a, b = pair.split("-")
        assert b in graph[a]
    service = document["service"]
    assert service["deviceCost"]["unit"] == "shot"
    assert service["deviceLocation"]
    shots_min, shots_max = device.shots_range
    for entry in document["action"]["braket.ir.openqasm.program"]["supportedResultTypes"]:
        assert (entry["minShots"], entry["maxShots"]) == (shots_min, shots_max)


def test_document_has_the_windows_of_the_profile_only_where_they_are_kept():
    (garnet,) = CATALOGUE.find("garnet")
    open_document = json.loads(garnet.capabilities_json())
    kept = json.loads(garnet.capabilities_json(has_windows=True))
    assert kept == garnet.capabilities
    assert open_document["service"].pop("executionWindows") == ALWAYS
    assert len(kept["service"].pop("executionWindows")) == 3
    assert open_document == kept


@pytest.mark.parametrize(
    ("name", "count"),
    [("sv1", 1), ("SV1", 1), (SV1_ARN, 1), ("Forte 1", 1), ("Forte-1", 1), ("Forte", 0), ("", 0)],
)
def test_operator_names_a_device(name, count):
    assert len(CATALOGUE.find(name)) == count


def test_sv1_document():
    device = CATALOGUE.get(SV1_ARN)
    assert (device.name, device.provider_name) == ("SV1", "Amazon Braket")
    assert (device.type, device.status) == ("SIMULATOR", "ONLINE")
    assert device.regions == ("us-east-1", "us-west-1", "us-west-2", "eu-west-2")
    assert device.shots_range == (0, 100_000)
    parsed = GateModelSimulatorDeviceCapabilities.parse_raw(device.capabilities_json())
    assert parsed.paradigm.qubitCount == 34
    assert parsed.service.getTaskPollIntervalMillis == 10
    assert parsed.service.deviceCost.price == 0.075
    action = parsed.action["braket.ir.openqasm.program"]
    assert action.requiresAllQubitsMeasurement
    assert not action.supportedModifiers
    assert device.action_types == (
        "braket.ir.jaqcd.program",
        "braket.ir.openqasm.program",
        "braket.ir.openqasm.program_set",
    )
    jaqcd = parsed.action["braket.ir.jaqcd.program"]
    assert jaqcd.version == ["1.0", "1.1"]
    assert {"unitary", "ccnot", "zz"} < set(jaqcd.supportedOperations)
    assert not {"cv", "gpi", "bit_flip"} & set(jaqcd.supportedOperations)
    limits = parsed.action["braket.ir.openqasm.program_set"]
    assert (limits.maximumExecutables, limits.maximumTotalShots) == (100, 200_000)


def test_document_of_dm1_says_what_noise_it_takes():
    device = CATALOGUE.find("dm1")[0]
    assert device.status == "ONLINE"
    parsed = GateModelSimulatorDeviceCapabilities.parse_raw(device.capabilities_json())
    assert parsed.paradigm.qubitCount == 17
    names = {"kraus", *CHANNELS}
    action = parsed.action["braket.ir.openqasm.program"]
    assert names < set(action.supportedOperations)
    assert {f"braket_noise_{name}" for name in names} < set(action.supportedPragmas)
    assert {f"braket_result_type_{name}" for name in ("state_vector", "amplitude")} < set(
        action.forbiddenPragmas
    )
    jaqcd = parsed.action["braket.ir.jaqcd.program"]
    assert names | {"multi_qubit_pauli_channel"} < set(jaqcd.supportedOperations)


def test_sv1_advertises_its_limit_whatever_the_memory():
    device = CATALOGUE.get(SV1_ARN)
    assert device.qubit_count == 34
    assert json.loads(device.capabilities_json())["paradigm"]["qubitCount"] == 34
    assert device.capabilities_json() is device.capabilities_json()


def test_device_is_found_in_its_regions_only():
    harmony = "arn:aws:braket:us-east-1::device/qpu/ionq/Harmony"
    assert CATALOGUE.get(harmony, "us-east-1").status == "RETIRED"
    assert CATALOGUE.get(harmony, "eu-west-2") is None
    assert CATALOGUE.get(harmony.lower()) is None
    assert CATALOGUE.get(SV1_ARN, "eu-north-1") is None
    assert CATALOGUE.get("arn:aws:braket:::device/quantum-simulator/amazon/sv2") is None


def test_search_is_ordered_by_arn_and_bounded_by_region():
    arns = [device.arn for device in DEVICES]
    assert arns == sorted(arns)
    assert {d.name for d in CATALOGUE.search("eu-west-2")} == {"SV1", "dm1", "TN1", "Lucy"}
    assert [d.name for d in CATALOGUE.search("eu-north-1")] == ["IBEX Q1", "Emerald", "Garnet"]


def test_catalogue_of_given_devices():
    assert Catalogue([CATALOGUE.get(SV1_ARN)]).search() == [CATALOGUE.get(SV1_ARN)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("type", "QBU"), ("status", "BROKEN"), ("backend", "abacus"), ("regions", ["mars-1"])],
)
def test_profile_with_an_unknown_value_is_refused(name, value):
    profile = {
        "arn": "a", "name": "n", "providerName": "p", "type": "QPU", "status": "ONLINE",
        "regions": ["us-east-1"], "capabilities": {}, name: value,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"of a device profile|region"):
        read_profile(json.dumps(profile).encode())
