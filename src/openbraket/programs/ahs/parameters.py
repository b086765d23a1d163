"""Settings of analog tasks, from their device parameters: how to simulate them.

They stand where those of other tasks do, see `programs.settings`:
`{"openbraket": {"seed": 7, "noise": "none"}}`. The Braket SDK sends no device parameters with
analog programs; boto3 does.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from openbraket.base.errors import ProgramError
from openbraket.circuits.ahs import NOISE_TERMS, AhsNoise
from openbraket.circuits.ahs_chain import MAX_BOND_DEFAULT
from openbraket.circuits.precision import Precision
from openbraket.programs.actions import shown
from openbraket.programs.settings import SEED_MAX, SETTINGS_KEY

Method = Literal["automatic", "full", "blockade", "mps"]
PhaseSign = Literal["documented", "local_simulator"]
Noise = Literal["device", "none"] | tuple[str, ...]
MAX_BOND_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class AhsParameters:
    """What an analog task asks of the simulation; None leaves it to the service.

    Attributes:
        noise: `device` for the errors that the device states, `none` for an ideal machine, or the
            names of some of its terms (NOISE_TERMS).
        phase_sign: `documented` or `local_simulator`; see docs/aquila.md.
        seed: Makes every draw reproducible.
        is_lenient: Whether what is beyond the device runs, with warnings.
        method: `automatic`, `full`, `blockade` or `mps` (a matrix product state).
        blockade_radius_m: Atoms nearer than this are never excited together.
        tolerance: Bound of the integration error, as total variation.
        precision: Of the amplitudes; `auto` is double for an ideal machine.
        max_bond: Largest bond dimension of a matrix product state.
    """

    noise: Noise | None = None
    phase_sign: PhaseSign | None = None
    seed: int | None = None
    is_lenient: bool | None = None
    method: Method = "automatic"
    blockade_radius_m: float | None = None
    tolerance: float | None = None
    precision: Precision = "auto"
    max_bond: int = MAX_BOND_DEFAULT

    @property
    def ideal_precision(self) -> Literal["single", "double"]:
        """Precision of an evolution without noise."""
        return "single" if self.precision == "single" else "double"

    @property
    def shot_precision(self) -> Literal["single", "double"]:
        """Precision of noisy shots, whose statistical error hides the rounding."""
        return "double" if self.precision == "double" else "single"

    def noise_on(self, paradigm: Mapping[str, Any]) -> AhsNoise | None:
        """Return the errors of each shot; None for an ideal machine.

        Args:
            paradigm: The device's, with the errors that it states.
        """
        if self.noise == "none":
            return None
        stated = AhsNoise.from_performance(paradigm.get("performance") or {})
        return stated.only(self.noise) if isinstance(self.noise, tuple) else stated

    def over(self, defaults: "AhsParameters") -> "AhsParameters":
        """Return these parameters with the service's noise, sign and leniency where they are None.

        Args:
            defaults: The service's choices.
        """
        return replace(
            self,
            noise=self.noise or defaults.noise,
            phase_sign=self.phase_sign or defaults.phase_sign,
            is_lenient=defaults.is_lenient if self.is_lenient is None else self.is_lenient,
        )


DEVICE_AS_IT_IS: Final = AhsParameters(noise="device", phase_sign="documented", is_lenient=False)


@dataclass(frozen=True, slots=True)
class _Member:
    attribute: str
    is_allowed: Callable[[object], bool]
    what: str


def _one_of(*names: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in names


def _between(low: float, high: float) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(value) and low <= value <= high  # type: ignore[operator, arg-type]

    return check


def _is_bond(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_BOND_MAX


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SEED_MAX


def _is_noise(value: object) -> bool:
    if not isinstance(value, list):
        return isinstance(value, str) and value in {"device", "none"}
    return 0 < len(value) <= len(NOISE_TERMS) and all(
        isinstance(term, str) and term in NOISE_TERMS for term in value
    )


_MEMBERS: Final[Mapping[str, _Member]] = {
    "noise": _Member(
        "noise", _is_noise, f"'device' or 'none' or a list of {', '.join(map(repr, NOISE_TERMS))}"
    ),
    "phaseSign": _Member(
        "phase_sign",
        _one_of("documented", "local_simulator"),
        "'documented' or 'local_simulator'",
    ),
    "seed": _Member("seed", _is_seed, f"an integer from 0 to {SEED_MAX}"),
    "lenient": _Member("is_lenient", lambda value: isinstance(value, bool), "true or false"),
    "method": _Member(
        "method", _one_of(*get_args(Method)), " or ".join(map(repr, get_args(Method)))
    ),
    "blockadeRadius": _Member(
        "blockade_radius_m", _between(1e-9, 1.0), "a number of metres from 1e-9 to 1"
    ),
    "maxBond": _Member("max_bond", _is_bond, f"an integer from 1 to {MAX_BOND_MAX}"),
    "precision": _Member(
        "precision", _one_of(*get_args(Precision)), " or ".join(map(repr, get_args(Precision)))
    ),
    "tolerance": _Member("tolerance", _between(1e-9, 0.1), "a number from 1e-9 to 0.1"),
}


def read_ahs_parameters(document: Mapping[str, Any]) -> AhsParameters:
    """Read the settings of an analog task from its device parameters.

    Args:
        document: The device parameters, of `parameters.read_document`.

    Returns:
        The parameters; None where the task names none.

    Raises:
        ProgramError: If a setting is unknown or out of range.
    """
    settings = document.get(SETTINGS_KEY)
    if settings is None:
        return AhsParameters()
    if not isinstance(settings, dict):
        raise ProgramError(
            f"'{SETTINGS_KEY}' in deviceParameters must be an object, not {type(settings).__name__}"
        )
    values: dict[str, Any] = {}
    for key, value in settings.items():
        known = _MEMBERS.get(key)
        if known is None:
            raise ProgramError(
                f"'{SETTINGS_KEY}' in deviceParameters has the unknown setting '{key[:80]}'; "
                f"known for analog programs: {', '.join(_MEMBERS)}"
            )
        if not known.is_allowed(value):
            raise ProgramError(
                f"{key} in deviceParameters is {shown(value)}; it must be {known.what}"
            )
        values[known.attribute] = tuple(value) if isinstance(value, list) else value
    return AhsParameters(**values)
