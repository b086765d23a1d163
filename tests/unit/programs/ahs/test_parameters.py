"""Device parameters of analog tasks."""

import pytest

from openbraket.base.errors import ProgramError
from openbraket.programs.ahs import DEVICE_AS_IT_IS, AhsParameters, read_ahs_parameters
from openbraket.programs.parameters import read_document
from support.analog import parameters


def read(text):
    return read_ahs_parameters(read_document(text))


def test_every_member_is_read():
    text = parameters(
        noise="none",
        phaseSign="local_simulator",
        seed=7,
        lenient=True,
        method="blockade",
        blockadeRadius=7e-6,
        tolerance=1e-3,
        precision="single",
    )
    assert read(text) == AhsParameters(
        "none", "local_simulator", 7, True, "blockade", 7e-6, 1e-3, "single"
    )


def test_terms_of_the_noise_may_be_named():
    assert read(parameters(noise=["decay", "detection"])).noise == ("decay", "detection")


@pytest.mark.parametrize("text", ["", "{}", parameters()])
def test_nothing_asked_for_leaves_the_service_s_choices(text):
    assert read(text).over(DEVICE_AS_IT_IS) == DEVICE_AS_IT_IS


def test_task_s_choice_goes_before_the_service_s():
    chosen = AhsParameters(noise="none", phase_sign="local_simulator", is_lenient=True)
    own = AhsParameters(noise="device", seed=3, is_lenient=False)
    assert own.over(chosen) == AhsParameters("device", "local_simulator", 3, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"openbraket": 3}', "'openbraket' in deviceParameters must be an object, not int"),
        (parameters(qubitCount=3), "the unknown setting 'qubitCount'; known for analog programs:"),
        (
            parameters(noise="loud"),
            "noise in deviceParameters is 'loud'; it must be 'device' or 'none'",
        ),
        (parameters(noise=["none"]), "noise in deviceParameters is ['none']; it must be"),
        (parameters(noise=[]), "or a list of 'preparation', 'vacancy', 'position', 'rabi'"),
        (parameters(noise=[["decay"]]), "noise in deviceParameters is [['decay']]; it must be"),
        (parameters(noise=["decay"] * 9), "noise in deviceParameters is ['decay', "),
        (parameters(phaseSign=1), "phaseSign in deviceParameters is 1; it must be 'documented' or"),
        (parameters(seed=-1), "seed in deviceParameters is -1; it must be an integer from 0"),
        (parameters(seed=True), "seed in deviceParameters is True; it must be an integer from 0"),
        (parameters(seed=1.0), "seed in deviceParameters is 1.0; it must be an integer from 0"),
        (
            parameters(lenient="yes"),
            "lenient in deviceParameters is 'yes'; it must be true or false",
        ),
        (
            parameters(method="tdvp"),
            "method in deviceParameters is 'tdvp'; it must be 'automatic' or 'full' or",
        ),
        (
            parameters(blockadeRadius=0),
            "blockadeRadius in deviceParameters is 0; it must be a number of metres",
        ),
        (
            parameters(blockadeRadius="7e-6"),
            "blockadeRadius in deviceParameters is '7e-6'; it must be",
        ),
        (parameters(precision="half"), "it must be 'auto' or 'double' or 'single'"),
        (
            parameters(tolerance=1),
            "tolerance in deviceParameters is 1; it must be a number from 1e-9 to 0.1",
        ),
    ],
)
def test_other_documents_are_refused(text, said):
    with pytest.raises(ProgramError) as caught:
        read(text)
    assert said in str(caught.value)
