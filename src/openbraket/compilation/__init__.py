"""Compilation of a circuit to a device's native gates, qubits and couplings.

Numbers and layouts only: no wire formats but the text of the compiled program, and only workers
import it.
"""

from openbraket.compilation.compiled import Compiled
from openbraket.compilation.compiler import compile_circuit
from openbraket.compilation.target import Target

__all__ = ["Compiled", "Target", "compile_circuit"]
