"""The device's rules for analog programs, each just kept and just broken."""

import json
from decimal import Decimal

import pytest

from openbraket.base.errors import ProgramError
from openbraket.devices import Catalogue
from openbraket.programs.ahs import AhsLimits, AhsParameters, check_ahs, read_ahs, violations
from openbraket.programs.ahs.check import VIOLATIONS_SHOWN_MAX
from openbraket.programs.check import check_program
from support.analog import AQUILA, CAPABILITIES, changed, document, field, shift

LIMITS = AhsLimits.from_capabilities(CAPABILITIES)
DRIVE = "hamiltonian.drivingFields[0]"


def broken(made, *, is_experimental=False):
    return violations(read_ahs(made), LIMITS, is_experimental=is_experimental)


def with_drive(**series):
    drive = document()["hamiltonian"]["drivingFields"][0]
    return document(drivingFields=[drive | series])


def grid(columns, rows, *, x="5e-6", y="5e-6"):
    return [[str(Decimal(x) * i), str(Decimal(y) * j)] for j in range(rows) for i in range(columns)]


def constant(value, end="4e-6"):
    return field([value, value], ["0", end])


def short(times):
    """Return fields of a program with these times, without any light."""
    zeros = ["0"] * len(times)
    return {name: field(zeros, times) for name in ("amplitude", "phase", "detuning")}


@pytest.mark.parametrize(
    "made",
    [
        document(),
        document(grid(16, 16, y="5e-6", x="5e-6")),
        document([["0", "0"], ["7.5e-5", "0"]]),
        document([["0", "0"], ["0", "7.6e-5"]]),
        document([["-1e-5", "0"], ["-6e-6", "0"]]),
        document([["0", "0"], ["2.4e-6", "4e-6"]]),
        document(drivingFields=[]),
        with_drive(amplitude=field(["0", "15800000", "0"], ["0", "2e-6", "4e-6"])),
        with_drive(detuning=constant("125000000")),
        with_drive(detuning=constant("-124999999.8")),
        with_drive(phase=field(["0", "99", "-99", "0.0000005"])),
        with_drive(**short(["0", "5e-8", "1e-7"])),
        with_drive(amplitude=field(["0", "12500000", "0"], ["0", "5e-8", "4e-6"])),
        with_drive(detuning=field(["-62500000", "62500000", "0"], ["0", "5e-8", "4e-6"])),
    ],
)
def test_program_at_the_limits_is_accepted(made):
    assert broken(made) == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            document(grid(16, 17, y="4.5e-6"), filling=[1] * 256 + [0] * 16),
            "setup.ahs_register.sites has 272 sites; the device has at most 256.",
        ),
        (
            document(grid(16, 17, y="4.5e-6")),
            "setup.ahs_register.filling has 272 atoms; the device has at most 256.",
        ),
        (
            document([["0", "0"], ["7.51e-5", "0"]]),
            "sites has a width of 7.51e-05 m; the device supports at most 7.5e-05 m.",
        ),
        (
            document([["0", "0"], ["0", "7.61e-5"]]),
            "sites has a height of 7.61e-05 m; the device supports at most 7.6e-05 m.",
        ),
        (
            document([["0", "0"], ["5.05e-6", "0"]]),
            "sites[1][0] is 5.05e-06 m; the device supports multiples of 1e-07 m",
        ),
        (
            document([["0", "0"], ["9e-6", "0"], ["3.9e-6", "0"]]),
            ".sites[2] are 3.9e-06 m apart; the device supports at least 4e-06 m (spacingRadial",
        ),
        (
            document([["0", "0"], ["9e-6", "3.9e-6"]]),
            "are in rows that are 3.9e-06 m apart; the device supports rows at the same y or at",
        ),
        (
            document(drivingFields=document()["hamiltonian"]["drivingFields"] * 2),
            "hamiltonian.drivingFields has 2 fields; the device supports at most 1.",
        ),
        (
            with_drive(phase=field(["0"] * 4, pattern=["1", "1", "1", "1"])),
            f"{DRIVE}.phase.pattern is a list; the device supports 'uniform' only.",
        ),
        (
            with_drive(amplitude=field(["0", "15800400", "0"], ["0", "2e-6", "4e-6"])),
            ".time_series.values[1] is 15800400 rad/s; the device supports 0 to 15800000 rad/s.",
        ),
        (
            with_drive(amplitude=field(["0", "-400", "0"], ["0", "2e-6", "4e-6"])),
            f"{DRIVE}.amplitude.time_series.values[1] is -400 rad/s; the device supports 0 to",
        ),
        (
            with_drive(amplitude=field(["0", "1000000.1", "0"], ["0", "2e-6", "4e-6"])),
            "values[1] is 1000000.1 rad/s; the device supports multiples of 400 rad/s.",
        ),
        (
            with_drive(amplitude=field(["400", "400", "0"], ["0", "2e-6", "4e-6"])),
            "amplitude.time_series.values[0] is 400 rad/s; the device must start at 0.",
        ),
        (
            with_drive(amplitude=field(["0", "400", "400"], ["0", "2e-6", "4e-6"])),
            "amplitude.time_series.values[2] is 400 rad/s; the device must end at 0.",
        ),
        (
            with_drive(amplitude=field(["0", "12500400", "0"], ["0", "5e-8", "4e-6"])),
            "values[1] is reached at 2.50008e+14 (rad/s)/s; the device supports at most 2.5e+14 (",
        ),
        (
            with_drive(detuning=constant("-125000000.2")),
            "values[0] is -125000000.2 rad/s; the device supports -125000000 to 125000000 rad/s.",
        ),
        (
            with_drive(detuning=constant("0.1")),
            "values[0] is 0.1 rad/s; the device supports multiples of 0.2 rad/s.",
        ),
        (
            with_drive(detuning=field(["-62500000", "62500000.2", "0"], ["0", "5e-8", "4e-6"])),
            "detuning.time_series.values[1] is reached at 2.500000004e+15 (rad/s)/s;",
        ),
        (
            with_drive(phase=field(["0", "99.1", "0", "0"])),
            "phase.time_series.values[1] is 99.1 rad; the device supports -99 to 99 rad.",
        ),
        (
            with_drive(phase=field(["0", "0.0000001", "0", "0"])),
            "phase.time_series.values[1] is 1e-07 rad; the device supports multiples of 5e-07 rad.",
        ),
        (
            with_drive(phase=constant("1")),
            "phase.time_series.values[0] is 1 rad; the device must start at 0.",
        ),
        (
            with_drive(**short(["0", "1.0005e-6"])),
            "times[1] is 1.0005e-06 s; the device supports multiples of 1e-09 s (timeResolution).",
        ),
        (
            with_drive(**short(["0", "0.00000375000000000000001"])),
            "times[1] is 0.00000375000000000000001 s; the device supports multiples of 1e-09 s",
        ),
        (
            with_drive(**short(["0", "1e-6", "1.049e-6"])),
            "times[2] is 4.9e-08 s after the one before; the device supports at least 5e-08 s",
        ),
        (
            with_drive(**short(["0", "4.001e-6"])),
            "times ends at 4.001e-06 s; the device supports at most 4e-06 s (timeMax).",
        ),
    ],
)
def test_program_beyond_a_limit_is_named_with_value_and_limit(made, said):
    assert any(said in sentence for sentence in broken(made)), broken(made)


def local(**changes):
    values = {"values": ["0", "40000000", "40000000", "0"]}
    return document(localDetuning=[shift(**values | changes)])


def test_coefficient_that_the_sdk_did_not_round_is_within_its_range():
    made = local(
        pattern=["0", "0.200000000000000011102230246251565404236316680908203125", "0", "0"]
    )
    assert broken(made, is_experimental=True) == []


def test_local_detuning_is_experimental():
    (said,) = broken(local())
    assert "local detuning is an experimental capability" in said
    assert broken(local(), is_experimental=True) == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (local(pattern=["0", "0.21", "0", "0"]), "magnitude.pattern[1] is 0.21; the device"),
        (local(pattern=["0", "-0.1", "0", "0"]), "magnitude.pattern[1] is -0.1; the device"),
        (
            changed("hamiltonian.localDetuning[0].magnitude.pattern", "uniform", local()),
            "pattern is 'uniform'; the device supports a list, one for each site.",
        ),
        (local(values=["0", "50000001", "0", "0"]), "values[1] is 50000001 rad/s; the device"),
        (local(values=["0", "-1", "0", "0"]), "values[1] is -1 rad/s; the device supports 0 to"),
        (local(values=["1", "1", "1", "0"]), "values[0] is 1 rad/s; the device must start at 0."),
        (local(values=["0", "1", "1", "1"]), "values[3] is 1 rad/s; the device must end at 0."),
        (local(times=["0", "9e-9", "3e-6", "4e-6"]), "at least 1e-08 s (timeDeltaMin)."),
        (local(times=["0", "1.5e-9", "3e-6", "4e-6"]), "multiples of 1e-09 s (timeResolution)."),
        (
            document(
                drivingFields=[],
                localDetuning=[shift(["0", "1", "1", "0"], ["0", "1e-6", "3e-6", "5e-6"])],
            ),
            "magnitude.time_series.times ends at 5e-06 s; the device supports at most 4e-06 s",
        ),
        (
            document(localDetuning=[shift(["0", "1", "1", "0"])] * 2),
            "hamiltonian.localDetuning has 2 fields; the device supports at most 1.",
        ),
        (
            document(
                grid(11, 1), localDetuning=[shift(["0", "1", "1", "0"], pattern=["0.1"] * 11)]
            ),
            "pattern shifts 11 sites; the device supports at most 10",
        ),
    ],
)
def test_local_detuning_beyond_a_limit_is_named(made, said):
    found = broken(made, is_experimental=True)
    assert any(said in sentence for sentence in found), found


def test_published_figures_that_nothing_could_keep_to_are_no_limits_but_real_ones_are():
    assert LIMITS.local.magnitude.slope_max is None
    assert LIMITS.local.spacing_min is None
    rydberg = CAPABILITIES["paradigm"]["rydberg"]
    real = rydberg["rydbergLocal"] | {"detuningSlewRateMax": 1e15, "spacingRadialMin": 7e-6}
    paradigm = CAPABILITIES["paradigm"] | {"rydberg": rydberg | {"rydbergLocal": real}}
    limits = AhsLimits.from_capabilities({"paradigm": paradigm})
    made = local(
        values=["0", "50000000", "0", "0"],
        times=["0", "4e-8", "3e-6", "4e-6"],
        pattern=["0.1", "0.1", "0", "0"],
    )
    found = violations(read_ahs(made), limits, is_experimental=True)
    assert len(found) == 2
    assert "shifts sites 0 and 1, which are 6.1e-06 m apart; the device supports" in found[0]
    assert "values[1] is reached at 1.25e+15 (rad/s)/s" in found[1]


def test_device_without_local_detuning_refuses_it():
    rydberg = {
        name: figures
        for name, figures in CAPABILITIES["paradigm"]["rydberg"].items()
        if name != "rydbergLocal"
    }
    paradigm = CAPABILITIES["paradigm"] | {"rydberg": rydberg}
    limits = AhsLimits.from_capabilities({"paradigm": paradigm})
    (said,) = violations(read_ahs(local()), limits, is_experimental=True)
    assert said == "hamiltonian.localDetuning: the device has no local detuning."


def check(made, **parameters):
    return check_ahs(
        made,
        CAPABILITIES,
        shots=10,
        memory_bytes_max=1 << 30,
        parameters=AhsParameters(**parameters),
    )


def test_refusal_shows_several_broken_rules_and_counts_the_others():
    many = changed(f"{DRIVE}.amplitude", field(["400.5", "9e9", "-3"], ["0", "1e-9", "4e-6"]))
    many["setup"]["ahs_register"]["sites"][1] = ["1.05e-6", "1e-6"]
    found = broken(many)
    assert len(found) > VIOLATIONS_SHOWN_MAX
    with pytest.raises(ProgramError) as caught:
        check(many)
    said = str(caught.value)
    assert said.startswith(found[0])
    assert said.endswith(f"And {len(found) - VIOLATIONS_SHOWN_MAX} more.")


def test_tasks_are_checked_with_the_shots_and_actions_of_the_device():
    catalogue = Catalogue()
    aquila, sv1 = catalogue.require(AQUILA), catalogue.find("SV1")[0]
    text = json.dumps(document())
    checked = check_program(text, aquila, shots=1000, memory_bytes_max=1 << 30)
    assert (checked.action_type, checked.qubit_count) == ("braket.ir.ahs.program", 3)
    for shots in (0, 1001):
        with pytest.raises(ProgramError, match=r"supports shots from 1 to 1000, but shots is"):
            check_program(text, aquila, shots=shots, memory_bytes_max=1 << 30)
    with pytest.raises(ProgramError, match=r"does not support the action type braket\.ir\.ahs"):
        check_program(text, sv1, shots=10, memory_bytes_max=1 << 30)
    circuit = json.dumps({
        "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
        "source": "qubit q; h q;",
    })
    with pytest.raises(ProgramError, match=r"does not support the action type braket\.ir\.openq"):
        check_program(circuit, aquila, shots=10, memory_bytes_max=1 << 30)


def test_lenient_check_takes_what_is_beyond_the_device_but_not_what_is_malformed():
    assert check(document([["0", "0"], ["1e-6", "0"]]), is_lenient=True).atom_count == 2
    with pytest.raises(ProgramError, match="the same place"):
        check(document([["0", "0"], ["0", "0"]]), is_lenient=True)
