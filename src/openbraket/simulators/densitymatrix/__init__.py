"""Density-matrix simulation: circuits with noise, exactly, in the basis of Pauli strings."""

from openbraket.simulators.densitymatrix.simulation import cost, part_simulator, simulate
from openbraket.simulators.densitymatrix.state import DensityMatrix

__all__ = ["DensityMatrix", "cost", "part_simulator", "simulate"]
