"""State-vector simulation: circuit to amplitudes, expectations, probabilities and samples."""

from openbraket.simulators.statevector.simulation import Simulation, simulate
from openbraket.simulators.statevector.state import StateVector

__all__ = ["Simulation", "StateVector", "simulate"]
