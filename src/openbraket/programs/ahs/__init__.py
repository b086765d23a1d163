"""Analog programs (`braket.ir.ahs.program`): from the action document to an `AhsProgram`.

Plain Python without numpy: the service checks programs with it. No simulation.
"""

from openbraket.programs.ahs.check import check_ahs
from openbraket.programs.ahs.document import ExactProgram, canonical_document, read_ahs
from openbraket.programs.ahs.limits import AhsLimits
from openbraket.programs.ahs.parameters import (
    DEVICE_AS_IT_IS,
    AhsParameters,
    Noise,
    read_ahs_parameters,
)
from openbraket.programs.ahs.rules import violations

__all__ = [
    "DEVICE_AS_IT_IS",
    "AhsLimits",
    "AhsParameters",
    "ExactProgram",
    "Noise",
    "canonical_document",
    "check_ahs",
    "read_ahs",
    "read_ahs_parameters",
    "violations",
]
