"""Profiles of operators: installed for workers and commands, and refused with a reason."""

from dataclasses import replace

import orjson
import pytest

from openbraket.devices import Catalogue, ProfileError, install_profiles
from openbraket.devices.registry import check_twin

GARNET = Catalogue().find("garnet")[0]
ARN = "arn:aws:braket:eu-north-1::device/qpu/lab/Mine"


def profile(**changes):
    return {
        "arn": ARN, "name": "Mine", "providerName": "Lab", "type": "QPU", "status": "ONLINE",
        "regions": ["eu-north-1"], "backend": "qpu_twin", "capabilities": GARNET.capabilities,
    } | changes  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(content, name="mine.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
        return path

    return write


def test_profile_of_an_operator_is_in_the_catalogue(tmp_path, write):
    folder = tmp_path / "devices"
    install_profiles([write(profile(twin={"isSerial": True}))], folder)
    catalogue = Catalogue(folder=folder)
    device = catalogue.get(ARN)
    assert (device.name, device.status, device.backend) == ("Mine", "ONLINE", "qpu_twin")
    assert device.twin == {"isSerial": True}
    assert len(catalogue.search()) == 30
    # The next server without it removes it.
    install_profiles([], folder)
    assert Catalogue(folder=folder).get(ARN) is None


def test_profiles_that_are_there_already_are_not_touched(tmp_path, write):
    folder = tmp_path / "devices"
    paths = [write(profile(), "a.json"), write(profile(arn=f"{ARN}2"), "b.json")]
    install_profiles(paths, folder)
    before = {path: path.stat().st_ino for path in folder.iterdir()}
    install_profiles(paths, folder)
    assert {path: path.stat().st_ino for path in folder.iterdir()} == before
    install_profiles(paths[1:], folder)
    assert [
        device.arn for device in Catalogue(folder=folder).search() if "/lab/" in device.arn
    ] == [f"{ARN}2"]


def test_answer_of_get_device_is_a_profile_and_takes_the_place_of_ours(tmp_path, write):
    document = orjson.loads(orjson.dumps(GARNET.capabilities))
    document["service"]["shotsRange"] = [1, 7]
    answer = {
        "deviceArn": GARNET.arn, "deviceName": "Garnet", "providerName": "IQM",
        "deviceType": "QPU", "deviceStatus": "OFFLINE",
        "deviceCapabilities": orjson.dumps(document).decode(),
    }  # fmt: skip
    folder = tmp_path / "devices"
    install_profiles([write(answer)], folder)
    catalogue = Catalogue(folder=folder)
    assert catalogue.get(GARNET.arn).shots_range == (1, 7)
    assert catalogue.get(GARNET.arn).regions == ("eu-north-1",)
    assert len(catalogue.search()) == 29


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "mine.json is no device profile: A device profile is no JSON"),
        ([1], "must be an object, not list"),
        ({"arn": ARN}, "has no member 'name'"),
        (profile(backend="abacus"), "backend of a device profile is 'abacus'"),
        (profile(twin={"speed": 1}), "unknown member 'speed'"),
        (profile(capabilities={}), "member 'paradigm' is missing"),
        (
            profile(capabilities={"paradigm": {"qubitCount": 2}}),
            "paradigm has no nativeGateSet",
        ),
    ],
)
def test_wrong_profile_is_refused_and_nothing_changes(tmp_path, write, content, message):
    folder = tmp_path / "devices"
    install_profiles([write(profile(), "right.json")], folder)
    with pytest.raises(ProfileError, match=message):
        install_profiles([write(content)], folder)
    assert Catalogue(folder=folder).get(ARN) is not None


def test_missing_file_and_two_of_one_device_are_refused(tmp_path, write):
    with pytest.raises(ProfileError, match=r"gone\.json cannot be read: No such file"):
        install_profiles([tmp_path / "gone.json"], tmp_path / "devices")
    both = [write(profile(), "a.json"), write(profile(), "b.json")]
    with pytest.raises(ProfileError, match="are both of arn:aws:braket"):
        install_profiles(both, tmp_path / "devices")


def test_every_twin_of_the_catalogue_passes_the_check():
    for device in Catalogue().search():
        if device.backend == "qpu_twin":
            check_twin(device)
    paradigm = dict(GARNET.capabilities["paradigm"])
    paradigm["connectivity"] = {"fullyConnected": False, "connectivityGraph": {"1": []}}
    wrong = replace(GARNET, capabilities=GARNET.capabilities | {"paradigm": paradigm})
    with pytest.raises(ProfileError, match="qubitCount 20, but its connectivityGraph has 1"):
        check_twin(wrong)
