"""State-vector simulation: circuit to amplitudes, expectations, probabilities and samples."""

from openbraket.simulators.statevector.dynamic import simulate_dynamic
from openbraket.simulators.statevector.paths import DynamicSimulation
from openbraket.simulators.statevector.simulation import simulate
from openbraket.simulators.statevector.state import StateVector
from openbraket.simulators.values import Simulation

__all__ = ["DynamicSimulation", "Simulation", "StateVector", "simulate", "simulate_dynamic"]
