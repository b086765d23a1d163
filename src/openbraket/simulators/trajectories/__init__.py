"""Quantum trajectories: shots of circuits with noise, each an exact sample of its distribution.

Nothing here keeps a density matrix, and nothing gives exact expectation values.
"""

from openbraket.simulators.trajectories.estimates import (
    Assessment,
    assess,
    can_run,
    cost,
    memory_bytes,
    stabilizer_can_run,
    width_of,
)
from openbraket.simulators.trajectories.simulation import simulate

__all__ = [
    "Assessment",
    "assess",
    "can_run",
    "cost",
    "memory_bytes",
    "simulate",
    "stabilizer_can_run",
    "width_of",
]
