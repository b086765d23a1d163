"""Settings in a task's device parameters."""

import pytest

from openbraket.base.errors import ProgramError
from openbraket.programs.parameters import read_document
from openbraket.programs.settings import TaskSettings, read_settings


def read(text):
    return read_settings(read_document(text))


@pytest.mark.parametrize("text", ["", "{}", '{"paradigmParameters": {"qubitCount": 2}}'])
def test_device_parameters_without_settings_mean_the_defaults(text):
    assert read(text) == TaskSettings(seed=None, precision="auto")


def test_settings_are_read():
    text = '{"braketSchemaHeader": {}, "openbraket": {"seed": 7, "precision": "single"}}'
    assert read(text) == TaskSettings(seed=7, precision="single")
    assert read('{"openbraket": {"seed": null}}').seed is None
    text = '{"openbraket": {"max_bond": 64, "cutoff": 1e-9, "limits": "extended"}}'
    assert read(text) == TaskSettings(max_bond=64, cutoff=1e-9, limits="extended")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "deviceParameters is not JSON"),
        ("[1]", "deviceParameters must be a JSON object, not list"),
        ('{"openbraket": 5}', "'openbraket' in deviceParameters must be an object, not int"),
        ('{"openbraket": {"sed": 5}}', "unknown setting 'sed'; known: seed, precision, max_bond"),
        ('{"openbraket": {"seed": -1}}', "seed is -1; it must be a whole number from 0 to 92"),
        ('{"openbraket": {"seed": 1.5}}', "seed is 1.5; it must be"),
        ('{"openbraket": {"seed": true}}', "seed is True; it must be"),
        ('{"openbraket": {"seed": 9223372036854775808}}', "seed is 9223372036854775808; it"),
        ('{"openbraket": {"precision": "half"}}', "precision is 'half'; it must be one of auto"),
        ('{"openbraket": {"precision": []}}', "precision is .*; it must be one of auto"),
        ('{"openbraket": {"max_bond": 0}}', "max_bond is 0; it must be a whole number from 1 to 6"),
        ('{"openbraket": {"max_bond": 2.5}}', "max_bond is 2.5; it must be"),
        ('{"openbraket": {"cutoff": 0.2}}', "cutoff is 0.2; it must be a number from 0 to 0.1"),
        ('{"openbraket": {"cutoff": true}}', "cutoff is True; it must be"),
        ('{"openbraket": {"limits": "none"}}', "limits is 'none'; it must be one of documented"),
    ],
)
def test_wrong_settings_are_refused_with_the_value(text, message):
    with pytest.raises(ProgramError, match=message):
        read(text)
