"""The catalogue: a data file per device gives its capabilities document, limits and checks.

No numpy.
"""

from openbraket.devices.profiles import REGIONS, Catalogue, Device, read_profile

__all__ = ["REGIONS", "Catalogue", "Device", "read_profile"]
