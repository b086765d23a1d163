"""What a device for analog programs can do, read from its capabilities document."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """When a series may have its points, in s.

    Attributes:
        resolution: Times are multiples of this.
        step_min: Least time between two points.
        duration_min: Least duration of the program; None where the document has none.
        duration_max: Longest duration; None where the document has none.
    """

    resolution: Decimal
    step_min: Decimal
    duration_min: Decimal | None = None
    duration_max: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ValueLimits:
    """What the values of one quantity may be.

    Attributes:
        low: Least value.
        high: Largest value.
        unit: Of the values.
        resolution: Values are multiples of this; None where any will do.
        slope_max: Fastest change, in units per second; None for a quantity that jumps, or where
            the document has a figure that no program could keep to.
        is_zero_first: Whether the first value must be 0.
        is_zero_last: Whether the last value must be 0.
    """

    low: Decimal
    high: Decimal
    unit: str
    resolution: Decimal | None = None
    slope_max: Decimal | None = None
    is_zero_first: bool = False
    is_zero_last: bool = False


@dataclass(frozen=True, slots=True)
class LocalLimits:
    """What a local detuning may be.

    Attributes:
        times: Its times.
        magnitude: Its values.
        coefficient_low: Least factor of a site.
        coefficient_high: Largest factor of a site.
        sites_max: Most sites with a factor other than 0.
        spacing_min: Least distance of two such sites, in m; None where the document has a figure
            that no register could keep to.
    """

    times: TimeLimits
    magnitude: ValueLimits
    coefficient_low: Decimal
    coefficient_high: Decimal
    sites_max: int
    spacing_min: Decimal | None


@dataclass(frozen=True, slots=True)
class AhsLimits:
    """The limits of one device.

    Attributes:
        atoms_max: Most filled sites.
        sites_max: Most sites.
        width: Largest difference of two x coordinates, in m.
        height: Largest difference of two y coordinates, in m.
        spacing_radial_min: Least distance of two sites, in m.
        spacing_vertical_min: Least distance of two rows, in m.
        position_resolution: Coordinates are multiples of this, in m.
        times: Times of driving fields.
        amplitude: Ω.
        phase: φ.
        detuning: Δ.
        local: Local detuning; None where the device has none.
    """

    atoms_max: int
    sites_max: int
    width: Decimal
    height: Decimal
    spacing_radial_min: Decimal
    spacing_vertical_min: Decimal
    position_resolution: Decimal
    times: TimeLimits
    amplitude: ValueLimits
    phase: ValueLimits
    detuning: ValueLimits
    local: LocalLimits | None

    @classmethod
    def from_capabilities(cls, capabilities: Mapping[str, Any]) -> "AhsLimits":
        """Read the limits from `quera_device_capabilities` v1.

        Of local detuning Aquila's document has placeholders: a slope of 0.2 (rad/s)/s with which
        no value could be reached within the longest program, and a spacing of 0.2 m in a lattice
        of 75 µm. Such figures are no limits.
        """
        paradigm = capabilities["paradigm"]
        area, geometry = paradigm["lattice"]["area"], paradigm["lattice"]["geometry"]
        drive = paradigm["rydberg"]["rydbergGlobal"]
        local = paradigm["rydberg"].get("rydbergLocal")
        times = TimeLimits(
            exact(drive["timeResolution"]),
            exact(drive["timeDeltaMin"]),
            exact(drive["timeMin"]),
            exact(drive["timeMax"]),
        )
        width, height = exact(area["width"]), exact(area["height"])
        return cls(
            atoms_max=int(paradigm["qubitCount"]),
            sites_max=int(geometry["numberSitesMax"]),
            width=width,
            height=height,
            spacing_radial_min=exact(geometry["spacingRadialMin"]),
            spacing_vertical_min=exact(geometry["spacingVerticalMin"]),
            position_resolution=exact(geometry["positionResolution"]),
            times=times,
            amplitude=ValueLimits(
                exact(drive["rabiFrequencyRange"][0]),
                exact(drive["rabiFrequencyRange"][1]),
                "rad/s",
                resolution=exact(drive["rabiFrequencyResolution"]),
                slope_max=exact(drive["rabiFrequencySlewRateMax"]),
                is_zero_first=True,
                is_zero_last=True,
            ),
            phase=ValueLimits(
                exact(drive["phaseRange"][0]),
                exact(drive["phaseRange"][1]),
                "rad",
                resolution=exact(drive["phaseResolution"]),
                is_zero_first=True,
            ),
            detuning=ValueLimits(
                exact(drive["detuningRange"][0]),
                exact(drive["detuningRange"][1]),
                "rad/s",
                resolution=exact(drive["detuningResolution"]),
                slope_max=exact(drive["detuningSlewRateMax"]),
            ),
            local=local and _local_limits(local, times, width + height),
        )


def exact(figure: float | str) -> Decimal:
    """Return a figure of the document as it is written there."""
    return Decimal(str(figure))


def _local_limits(local: Mapping[str, Any], drive: TimeLimits, length_max: Decimal) -> LocalLimits:
    low, high = map(exact, local["detuningRange"])
    slope_max, spacing_min = exact(local["detuningSlewRateMax"]), exact(local["spacingRadialMin"])
    coefficient_low, coefficient_high = map(exact, local["siteCoefficientRange"])
    # A ramp to the top and back must fit into the longest program.
    is_slope_real = drive.duration_max is None or 2 * high <= slope_max * drive.duration_max
    return LocalLimits(
        times=TimeLimits(
            exact(local["timeResolution"]),
            exact(local["timeDeltaMin"]),
            drive.duration_min,
            drive.duration_max,
        ),
        magnitude=ValueLimits(
            low,
            high,
            "rad/s",
            slope_max=slope_max if is_slope_real else None,
            is_zero_first=True,
            is_zero_last=True,
        ),
        coefficient_low=coefficient_low,
        coefficient_high=coefficient_high,
        sites_max=int(exact(local["numberLocalDetuningSitesMax"])),
        spacing_min=spacing_min if spacing_min <= length_max else None,
    )
