"""Tensor-network simulation: matrix product states, contraction, and the planner that chooses.

Parts of few qubits, and those of Clifford operations, are handed to `simulators.statevector`.
"""

from openbraket.simulators.tensornetwork.planning import Limits, TensorPlan, plan
from openbraket.simulators.tensornetwork.simulation import TensorSimulation, simulate

__all__ = ["Limits", "TensorPlan", "TensorSimulation", "plan", "simulate"]
