"""Which device a worker's task is on: the catalogue that the server has, read once."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from openbraket.base.work import Work
from openbraket.devices import Catalogue, Device

# Name of the setting with the folder of the operator's profiles; absent where there are none.
PROFILES_SETTING: Final = "device_profiles"
# Devices of the service itself are told by their ARN, without reading the catalogue.
_SIMULATORS: Final = "device/quantum-simulator/amazon/"


def device_of(work: Work) -> Device | None:
    """Return the device of an attempt; None for the service's simulators and unknown devices."""
    if _SIMULATORS in work.device_arn:
        return None
    return _catalogue(work.settings.get(PROFILES_SETTING, "")).get(work.device_arn)


@lru_cache(maxsize=4)
def _catalogue(folder: str) -> Catalogue:
    return Catalogue(folder=Path(folder) if folder else None)
