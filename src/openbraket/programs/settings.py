"""Settings of one quantum task that Braket has no name for, from its device parameters.

They stand under the key `openbraket` of the document in CreateQuantumTask's `deviceParameters`,
`{"openbraket": {"seed": 7, "precision": "double"}}`, beside what clients write there anyway.
`noise` and `relaxation` are for twins of processors alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeVar, get_args

from openbraket.base.errors import ProgramError
from openbraket.base.work import Work
from openbraket.circuits.precision import Precision
from openbraket.programs.parameters import read_document

SETTINGS_KEY: Final = "openbraket"
SEED_MAX: Final = 2**63 - 1
MAX_BOND_MAX: Final = 1 << 16
CUTOFF_MAX: Final = 0.1

_Choice = TypeVar("_Choice", bound=str)
TwinNoise = Literal["off", "calibrated"]
TwinRelaxation = Literal["auto", "exact", "twirled"]
LimitsName = Literal["documented", "extended"]

_KNOWN: Final = (
    "seed", "precision", "max_bond", "cutoff", "limits", "noise", "relaxation",
)  # fmt: skip
_LIMITS: Final[dict[str, LimitsName]] = {name: name for name in get_args(LimitsName)}
_PRECISIONS: Final[dict[str, Precision]] = {name: name for name in get_args(Precision)}
_NOISES: Final[dict[str, TwinNoise]] = {name: name for name in get_args(TwinNoise)}
_RELAXATIONS: Final[dict[str, TwinRelaxation]] = {name: name for name in get_args(TwinRelaxation)}


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What a task's device parameters say.

    Attributes:
        seed: Makes the task's samples reproducible; None where the task names none.
        precision: Of the amplitudes.
        max_bond: Largest bond dimension of a matrix product state; None keeps all.
        cutoff: Weight that each of its truncations may discard; None discards rounding only.
        limits: Whether a tensor-network device keeps to the limits of AWS or to its own.
        noise: Whether a twin has its device's errors; None leaves it to the operator.
        relaxation: How the errors of a twin's T1 and T2 act: exactly, twirled over the Pauli group,
            or whichever the size of the program suggests.
    """

    seed: int | None = None
    precision: Precision = "auto"
    max_bond: int | None = None
    cutoff: float | None = None
    limits: LimitsName = "documented"
    noise: TwinNoise | None = None
    relaxation: TwinRelaxation = "auto"

    @property
    def is_for_twins(self) -> bool:
        """Whether it says something that only the twin of a processor can honour."""
        return self.noise is not None or self.relaxation != "auto"


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
    noise = settings.get("noise")
    return TaskSettings(
        _seed(settings.get("seed")),
        _one_of("precision", settings.get("precision", "auto"), _PRECISIONS),
        _max_bond(settings.get("max_bond")),
        _cutoff(settings.get("cutoff")),
        _one_of("limits", settings.get("limits", "documented"), _LIMITS),
        None if noise is None else _one_of("noise", noise, _NOISES),
        _one_of("relaxation", settings.get("relaxation", "auto"), _RELAXATIONS),
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


def _seed(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= SEED_MAX:
        shown = repr(value)[:80]
        raise ProgramError(f"seed is {shown}; it must be a whole number from 0 to {SEED_MAX}")
    return value


def _one_of(name: str, value: object, known: dict[str, _Choice]) -> _Choice:
    found = known.get(value) if isinstance(value, str) else None
    if found is None:
        shown = repr(value)[:80]
        raise ProgramError(f"{name} is {shown}; it must be one of {', '.join(known)}")
    return found
