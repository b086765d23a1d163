"""Twins of processors: compile a program as the device does, add its noise, simulate, read out.

docs/qpu_twins.md says what the noise is.
"""

from openbraket.runners.twins.machine import Readings, TwinMachine, machine_of
from openbraket.runners.twins.metadata import provider_metadata
from openbraket.runners.twins.task import run_of, run_twin

__all__ = ["Readings", "TwinMachine", "machine_of", "provider_metadata", "run_of", "run_twin"]
