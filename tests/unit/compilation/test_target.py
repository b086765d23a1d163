"""Targets from the catalogue's capabilities documents."""

import pytest

from openbraket.base.errors import LimitError
from openbraket.compilation import Target
from openbraket.devices import Catalogue


def target_of(name):
    (device,) = Catalogue().find(name)
    return Target.from_capabilities(device.capabilities, provider_name=device.provider_name)


@pytest.mark.parametrize(
    ("name", "qubit_count", "coupling_count", "gates", "dialect"),
    [
        ("Garnet", 20, 30, ("cz", ("prx",)), "openqasm"),
        ("Emerald", 54, None, ("cz", ("prx",)), "openqasm"),
        ("Cepheus-1-108Q", 107, None, ("cz", ("rz", "rx")), "quil"),
        ("IBEX Q1", 12, 0, ("xx", ("prx",)), "openqasm"),
        ("Forte 1", 36, 0, ("zz", ("gpi", "gpi2")), "openqasm"),
    ],
)
def test_catalogue(name, qubit_count, coupling_count, gates, dialect):
    target = target_of(name)
    assert len(target.qubits) == qubit_count
    if coupling_count == 0:
        assert target.couplings is None
    else:
        assert coupling_count in {None, len(target.couplings)}
        assert all(a < b for a, b in target.couplings)
    assert (target.entangler, target.one_qubit_set) == gates
    assert target.dialect == dialect


def test_figures_of_garnet():
    target = target_of("Garnet")
    assert target.qubits[0] == 1
    assert target.fidelity_of((1,)) == 0.999309
    assert target.readout_fidelity_of(1) == pytest.approx(1 - (0.0107 + 0.0132) / 2)
    assert set(target.two_qubit_fidelities) == target.couplings
    assert target.fidelity_of((2, 1)) == target.fidelity_of((1, 2)) < 1
    assert not target.is_coupled(1, 20)


def test_figures_of_ion_traps():
    forte, ibex = target_of("Forte 1"), target_of("IBEX Q1")
    assert forte.fidelity_of((0, 35)) == 0.9925
    assert forte.readout_fidelity_of(3) == 0.9955
    assert forte.duration_of("zz", 2) == 0.00065
    assert ibex.duration_of("prx", 1) == pytest.approx(15e-6)
    assert ibex.duration_of("rz", 1) == 0
    assert ibex.fidelity_of((4,)) == 0.9997


def test_failed_calibration_is_no_zero():
    target = Target((0, 1), frozenset({(0, 1)}), ("prx", "cz"), two_qubit_fidelities={(0, 1): 0.0})
    assert target.fidelity_of((0, 1)) == 0.001


@pytest.mark.parametrize("gates", [["rx", "rz", "iswap"], ["cz", "rz"]])
def test_unknown_native_gates_are_refused(gates):
    paradigm = {
        "connectivity": {"fullyConnected": True, "connectivityGraph": {}},
        "qubitCount": 2,
        "nativeGateSet": gates,
    }
    with pytest.raises(LimitError, match="Circuits cannot be compiled to the native gates"):
        Target.from_capabilities({"paradigm": paradigm}, provider_name="Lab")
