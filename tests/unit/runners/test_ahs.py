"""From an analog program to its result object."""

import json

import pytest
from braket.tasks.analog_hamiltonian_simulation_quantum_task_result import (
    AnalogHamiltonianSimulationQuantumTaskResult,
)

from openbraket.base.errors import LimitError, ProgramError
from openbraket.base.work import Work
from openbraket.circuits.memory import FIXED_BYTES
from openbraket.runners.ahs import run
from support.analog import AQUILA, document, field, parameters

MEMORY_BYTES = 1 << 30


def run_document(made, *, shots=100, device=AQUILA, settings=None, work_seed=None, **asked):
    memory = asked.pop("memory", MEMORY_BYTES)
    work = Work(
        "t",
        1,
        "",
        "arn:task",
        device,
        shots,
        json.dumps(made).encode(),
        parameters(**asked) if asked else "",
        0,
        1,
        memory,
        settings=settings or {},
        seed=work_seed,
    )
    output = run(work, lambda _: None)
    assert output.num_successful_shots == shots
    (published,) = output.objects
    return published.content.decode()


def counts(text):
    return AnalogHamiltonianSimulationQuantumTaskResult.from_string(text).get_counts()


def jump(**changes):
    """One atom whose drive jumps by 1.3 rad in the middle, beside a detuning."""
    times = ["0", "1e-7", "6e-7", "1.1e-6", "1.2e-6"]
    drive = {
        "amplitude": field(["0", "4000000", "4000000", "4000000", "0"], times),
        "phase": field(["0", "0", "1.3", "1.3", "1.3"], times),
        "detuning": field(["3000000"] * 5, times),
    }
    return document([["0", "0"]], drivingFields=[drive | changes])


def test_ideal_machine_keeps_to_the_register_and_a_seed_repeats_its_shots():
    first, second, other = (run_document(document(), noise="none", seed=seed) for seed in (7, 7, 8))
    measured, again, different = (
        json.loads(text)["measurements"] for text in (first, second, other)
    )
    assert measured == again
    assert measured != different
    assert all(shot["shotResult"]["preSequence"] == [1, 1, 0, 1] for shot in measured)
    assert all(state[2] == "e" for state in counts(first))


def test_device_s_noise_is_the_default_and_shows_in_the_first_picture():
    text = run_document(document(), shots=300, seed=3)
    seen = [shot["shotResult"]["preSequence"] for shot in json.loads(text)["measurements"]]
    wrong = sum(pre != [1, 1, 0, 1] for pre in seen)
    # About 6 % by the profile's errors of filling, vacancies and detection.
    assert 5 < wrong < 45
    log = json.loads(text)["additionalMetadata"]["openbraketMetadata"]["log"]
    assert log[0] == "noise: device, sign of the phase: documented"
    assert "method: full, 3 atoms" in log[1]


def test_terms_of_the_noise_can_be_chosen():
    text = run_document(document(), noise=["detection"], seed=3)
    log = json.loads(text)["additionalMetadata"]["openbraketMetadata"]["log"]
    assert log[0].startswith("noise: detection, ")
    assert log[1].endswith("1 evolutions")  # nothing but the pictures differs from shot to shot
    text = run_document(document(), noise=["position", "decay"], seed=3)
    measured = json.loads(text)
    assert all(m["shotResult"]["preSequence"] == [1, 1, 0, 1] for m in measured["measurements"])
    log = measured["additionalMetadata"]["openbraketMetadata"]["log"]
    assert log[0].startswith("noise: position + decay, ")
    assert not any("norm drift" in line for line in log)


def test_operator_s_noise_and_sign_hold_where_the_task_says_nothing():
    chosen = {"analog_noise": "none", "phase_sign": "local_simulator"}
    text = run_document(document(), settings=chosen)
    log = json.loads(text)["additionalMetadata"]["openbraketMetadata"]["log"]
    assert log[0] == "noise: none, sign of the phase: local_simulator"
    assert counts(run_document(jump(), seed=1, settings=chosen)) == counts(
        run_document(jump(), seed=1, noise="none", phaseSign="local_simulator")
    )


def test_signs_of_the_phase_are_two_different_machines():
    excited = {
        sign: counts(run_document(jump(), shots=1000, seed=1, noise="none", phaseSign=sign))
        for sign in ("documented", "local_simulator")
    }
    # Which of them is right is tested in tests/numerics, against the documented matrix.
    assert abs(excited["documented"]["r"] - excited["local_simulator"]["r"]) > 200


def test_program_beyond_the_device_is_listed_in_the_warnings():
    made = document([["0", "0"], ["5.55e-6", "0"], ["1e-4", "0"]])
    text = run_document(made, noise="none", lenient=True)
    warnings = json.loads(text)["additionalMetadata"]["openbraketMetadata"]["warnings"]
    assert len(warnings) == 2
    assert "has a width of 0.0001 m; the device supports at most 7.5e-05 m." in warnings[0]
    within = json.loads(run_document(document(), noise="none"))
    assert within["additionalMetadata"]["openbraketMetadata"]["warnings"] == []


def test_blockade_radius_of_the_task_is_used():
    made = document([["0", "0"], ["5e-6", "0"]])
    text = run_document(made, noise="none", method="blockade", blockadeRadius=6e-6, shots=300)
    assert "rr" not in counts(text)
    log = json.loads(text)["additionalMetadata"]["openbraketMetadata"]["log"]
    assert any(line.startswith("blockade radius: 6.000e-06 m") for line in log)


def test_program_without_light_leaves_every_atom_in_the_ground_state():
    assert counts(run_document(document(drivingFields=[]), noise="none")) == {"ggeg": 100}


def test_what_does_not_fit_and_what_is_no_analog_device_is_refused():
    chain = document([[f"{61 * k}E-7", "0"] for k in range(12)])
    with pytest.raises(LimitError, match="12 atoms in the full space"):
        run_document(chain, noise="none", method="full", memory=FIXED_BYTES + 1000)
    with pytest.raises(ProgramError, match="is not a device for analog programs"):
        run_document(document(), device="arn:aws:braket:::device/quantum-simulator/amazon/sv1")


def test_server_s_seed_holds_where_the_task_names_none():
    def shots(work_seed, **asked):
        text = run_document(document(), noise="none", work_seed=work_seed, **asked)
        return json.loads(text)["measurements"]

    assert shots(3) == shots(3) == shots(4, seed=3)
    assert shots(3) != shots(4)
