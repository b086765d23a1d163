"""Figures of processors, read from their profiles."""

import json
from dataclasses import replace
from math import inf

import pytest

from openbraket.devices import Catalogue
from openbraket.devices.calibration import read_calibration

CATALOGUE = Catalogue()
TWINS = [device for device in CATALOGUE.search() if device.backend == "qpu_twin"]


def of(name, **changes):
    (device,) = CATALOGUE.find(name)
    device = replace(device, **changes)
    return read_calibration(device.capabilities, device.twin)


def document(**standardized):
    """Return a small document of three coupled qubits, with these figures."""
    graph = {"0": ["1"], "1": ["0", "2"], "2": ["1"]}
    return {
        "paradigm": {
            "qubitCount": 3,
            "nativeGateSet": ["rx", "rz", "cz"],
            "connectivity": {"fullyConnected": False, "connectivityGraph": graph},
        },
        "standardized": standardized,
    }


def test_there_are_six_twins():
    assert len(TWINS) == 6


@pytest.mark.parametrize("device", TWINS, ids=lambda device: device.name)
def test_every_twin_has_physical_figures(device):
    calibration = read_calibration(device.capabilities, device.twin)
    assert len(calibration.qubits) == device.qubit_count
    for own in calibration.qubits.values():
        assert 0 < own.t1_s < inf
        assert 0 < own.t2_s <= 2 * own.t1_s
        assert 0.5 <= own.fidelity < 1
        assert 0 < own.error_0_to_1 < 0.5
        assert 0 < own.error_1_to_0 < 0.5
    assert 0 < calibration.one_qubit_s < calibration.two_qubit_s < calibration.readout_s * 10
    assert calibration.virtual_gates == {"rz"}
    assert 0.9 < calibration.pair_default < 1


def test_garnet_s_figures_are_those_of_its_document():
    garnet = of("garnet")
    own = garnet.qubits[1]
    assert (own.t1_s, own.t2_s) == (3.65483e-05, 8.35332e-06)
    assert (own.fidelity, own.error_0_to_1, own.error_1_to_0) == (0.999309, 0.0107, 0.0132)
    assert garnet.pair_fidelity(1, 2) == garnet.pair_fidelity(2, 1) == 0.995969
    assert not garnet.is_serial


def test_time_that_was_not_measured_is_the_median_of_the_others():
    garnet = of("garnet")
    (published,) = CATALOGUE.find("garnet")
    rows = published.capabilities["standardized"]["oneQubitProperties"]
    times = sorted(row["T2"]["value"] for row in rows.values() if row["T2"]["value"])
    assert len(times) == 19
    assert garnet.qubits[12].t2_s == times[9]


def test_rigetti_s_isolated_benchmark_is_preferred_as_in_the_sdk():
    own = of("cepheus-1-108q").qubits[0]
    assert own.fidelity == 0.999059
    assert own.error_0_to_1 == own.error_1_to_0 == pytest.approx(0.036)


def test_ions_have_the_figures_of_the_whole_device():
    forte = of("forte 1")
    assert forte.is_serial
    assert forte.pair_fidelity(3, 30) == 0.9925
    own = forte.qubits[35]
    assert (own.fidelity, own.t1_s, own.t2_s) == (0.9999, 188.0, 0.95)
    assert own.error_0_to_1 == pytest.approx(0.0045)
    aqt = of("ibex q1")
    assert aqt.two_qubit_s == pytest.approx(200e-6)
    assert aqt.pair_fidelity(0, 11) == 0.987
    assert aqt.qubits[0].fidelity == 0.9997


def test_what_has_no_figure_has_no_error():
    calibration = read_calibration(document())
    own = calibration.qubits[2]
    assert (own.t1_s, own.t2_s, own.fidelity) == (inf, inf, 1.0)
    assert own.error_0_to_1 == own.error_1_to_0 == 0.0
    assert calibration.pair_fidelity(0, 1) == 1.0
    assert calibration.one_qubit_s == 0.0


def test_pair_without_a_figure_has_the_median_and_a_second_gate_the_worst():
    pairs = {
        "1-0": {
            "twoQubitGateFidelity": [
                {"gateName": "CZ", "fidelity": 0.98},
                {"gateName": "Other", "fidelity": 0.5},
            ]
        }
    }
    calibration = read_calibration(document(twoQubitProperties=pairs))
    assert calibration.pair_fidelity(0, 1) == 0.98
    assert calibration.pair_fidelity(1, 2) == 0.98


def test_t2_is_cut_to_twice_t1():
    rows = {"0": {"T1": {"value": 10, "unit": "us"}, "T2": {"value": 1, "unit": "ms"}}}
    own = read_calibration(document(oneQubitProperties=rows)).qubits[0]
    assert own.t2_s == pytest.approx(20e-6)


@pytest.mark.parametrize(
    ("standardized", "twin", "message"),
    [
        ({"readoutFidelity": [{"fidelity": 1.5}]}, {}, "readoutFidelity .* is 1.5, not 0 to 1"),
        ({"T1": {"value": -1, "unit": "s"}}, {}, "A time of a device profile is -1 's'"),
        ({"T1": {"value": 1, "unit": "h"}}, {}, "A time of a device profile is 1 'h'"),
        ({}, {"isSlow": True}, "unknown member 'isSlow'; known: isSerial"),
    ],
)
def test_wrong_figures_are_named(standardized, twin, message):
    with pytest.raises(ValueError, match=message):
        read_calibration(json.loads(json.dumps(document(**standardized))), twin)
