"""Compilation of a circuit to a device's native gates, qubits and couplings.

Numbers and layouts only: no wire formats but the text of the compiled program, and only workers
import it.
"""

from openbraket.compilation.compiled import Compiled
from openbraket.compilation.compiler import compile_circuit
from openbraket.compilation.feedback import CompiledFeedback, compile_feedback
from openbraket.compilation.target import Target

__all__ = ["Compiled", "CompiledFeedback", "Target", "compile_circuit", "compile_feedback"]
