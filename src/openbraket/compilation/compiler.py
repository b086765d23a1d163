"""Compile a circuit: lower, fuse, place, route, synthesize."""

from openbraket.circuits.circuit import Circuit
from openbraket.compilation.compiled import Compiled
from openbraket.compilation.target import Target


def compile_circuit(
    circuit: Circuit, target: Target, *, is_rewiring_disabled: bool = False, seed: int = 0
) -> Compiled:
    """Return a circuit in the native gates of a device, on its qubits and couplings.

    Args:
        circuit: The program's circuit; noise is not allowed.
        target: The device.
        is_rewiring_disabled: Whether program qubit k must be physical qubit k: gates are then
            decomposed, never routed. A circuit with verbatim boxes is always compiled so.
        seed: Decides between equally good choices; the same seed gives the same program.

    Returns:
        The compiled circuit.

    Raises:
        ProgramError: If a qubit or coupling is needed that the device does not have, a gate in a
            verbatim box is not native, or the circuit has noise channels.
        LimitError: If the circuit has more qubits than the device, or an operation acts on more
            than `WIDE_QUBITS_MAX` qubits.
    """
    raise NotImplementedError
