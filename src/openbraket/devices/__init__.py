"""The catalogue: a data file per device gives its capabilities document, limits and checks.

No numpy.
"""

from openbraket.devices.prices import Price, effective_date, price_of
from openbraket.devices.profiles import (
    REGIONS,
    Device,
    DeviceStatus,
    DeviceType,
    ProfileError,
    read_profile,
)
from openbraket.devices.registry import FOLDER_NAME, Catalogue, install_profiles
from openbraket.devices.windows import is_open

__all__ = [
    "FOLDER_NAME",
    "REGIONS",
    "Catalogue",
    "Device",
    "DeviceStatus",
    "DeviceType",
    "Price",
    "ProfileError",
    "effective_date",
    "install_profiles",
    "is_open",
    "price_of",
    "read_profile",
]
