"""Settings of one quantum task that Braket has no name for, from its device parameters.

They stand under the key `openbraket` of the document in CreateQuantumTask's `deviceParameters`,
`{"openbraket": {"seed": 7, "precision": "double"}}`, beside what clients write there anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from openbraket.base.errors import ProgramError
from openbraket.base.work import Work
from openbraket.circuits.precision import Precision
from openbraket.programs.parameters import read_document

SETTINGS_KEY: Final = "openbraket"
SEED_MAX: Final = 2**63 - 1
MAX_BOND_MAX: Final = 1 << 16
CUTOFF_MAX: Final = 0.1

LimitsName = Literal["documented", "extended"]

_KNOWN: Final = ("seed", "precision", "max_bond", "cutoff", "limits")
_LIMITS: Final[dict[str, LimitsName]] = {name: name for name in get_args(LimitsName)}
_PRECISIONS: Final[dict[str, Precision]] = {name: name for name in get_args(Precision)}


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What a task's device parameters say.

    Attributes:
        seed: Makes the task's samples reproducible; None where the task names none.
        precision: Of the amplitudes.
        max_bond: Largest bond dimension of a matrix product state; None keeps all.
        cutoff: Weight that each of its truncations may discard; None discards rounding only.
        limits: Whether a tensor-network device keeps to the limits of AWS or to its own.
    """

    seed: int | None = None
    precision: Precision = "auto"
    max_bond: int | None = None
    cutoff: float | None = None
    limits: LimitsName = "documented"


def settings_of(work: Work) -> TaskSettings:
    """Return the settings of an attempt, with the server's seed where the task names none.

    Raises:
        ProgramError: If the device parameters are wrong.
    """
    settings = read_settings(read_document(work.device_parameters))
    return settings if settings.seed is not None else replace(settings, seed=work.seed)


def read_settings(document: Mapping[str, Any]) -> TaskSettings:
    """Read a task's settings from its device parameters.

    Args:
        document: The device parameters, of `parameters.read_document`.

    Returns:
        The settings; the defaults where there are none.

    Raises:
        ProgramError: If a setting is unknown or out of range.
    """
    settings = document.get(SETTINGS_KEY)
    if settings is None:
        return TaskSettings()
    if not isinstance(settings, dict):
        shown = type(settings).__name__
        raise ProgramError(f"'{SETTINGS_KEY}' in deviceParameters must be an object, not {shown}")
    unknown = sorted(settings.keys() - set(_KNOWN))
    if unknown:
        raise ProgramError(
            f"'{SETTINGS_KEY}' in deviceParameters has the unknown setting '{unknown[0][:80]}'; "
            f"known: {', '.join(_KNOWN)}"
        )
    return TaskSettings(
        _seed(settings.get("seed")),
        _precision(settings.get("precision", "auto")),
        _max_bond(settings.get("max_bond")),
        _cutoff(settings.get("cutoff")),
        _limits(settings.get("limits", "documented")),
    )


def _max_bond(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_BOND_MAX:
        shown = repr(value)[:80]
        message = f"max_bond is {shown}; it must be a whole number from 1 to {MAX_BOND_MAX}"
        raise ProgramError(message)
    return value


def _cutoff(value: object) -> float | None:
    if value is None:
        return None
    is_flag = isinstance(value, bool)
    if is_flag or not isinstance(value, int | float) or not 0 <= value <= CUTOFF_MAX:
        shown = repr(value)[:80]
        raise ProgramError(f"cutoff is {shown}; it must be a number from 0 to {CUTOFF_MAX}")
    return float(value)


def _limits(value: object) -> LimitsName:
    known = _LIMITS.get(value) if isinstance(value, str) else None
    if known is None:
        shown = repr(value)[:80]
        raise ProgramError(f"limits is {shown}; it must be one of {', '.join(_LIMITS)}")
    return known


def _seed(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= SEED_MAX:
        shown = repr(value)[:80]
        raise ProgramError(f"seed is {shown}; it must be a whole number from 0 to {SEED_MAX}")
    return value


def _precision(value: object) -> Precision:
    known = _PRECISIONS.get(value) if isinstance(value, str) else None
    if known is None:
        shown = repr(value)[:80]
        raise ProgramError(f"precision is {shown}; it must be one of {', '.join(_PRECISIONS)}")
    return known
