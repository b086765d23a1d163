"""Programs with feedback: an error of readout acts before anything is conditioned on the bit.

A measured bit is kept in a qubit of its own (`circuits.deferred`); its error is a classical channel
there.
"""

from dataclasses import replace
from math import sqrt

from openbraket.circuits.circuit import Noise
from openbraket.circuits.deferred import Deferred
from openbraket.circuits.dynamic import FeedbackCircuit
from openbraket.circuits.gates import Matrix
from openbraket.devices.calibration import Calibration


def misread_bits(
    deferred: Deferred, program: FeedbackCircuit, calibration: Calibration
) -> Deferred:
    """Return a deferred program whose bits are read with errors.

    Args:
        deferred: The deferred program, without noise.
        program: The program on physical qubits that it was made from.
        calibration: Figures of the readout.
    """
    circuit = deferred.circuit
    noise = []
    for measurement, target, index in zip(
        program.measurements, deferred.classical, deferred.copies, strict=True
    ):
        figures = calibration.qubits[circuit.qubits[measurement.qubit]]
        matrices = confusion(figures.error_0_to_1, figures.error_1_to_0)
        noise.append(Noise("kraus", (target,), (), matrices, index + 1))
    operations = replace(circuit.operations, noise=noise)
    return replace(deferred, circuit=replace(circuit, operations=operations))


def confusion(error_0_to_1: float, error_1_to_0: float) -> tuple[Matrix, ...]:
    """Return Kraus operators that flip a bit with these probabilities and dephase it."""
    return (
        ((complex(sqrt(1 - error_0_to_1)), 0j), (0j, 0j)),
        ((0j, 0j), (complex(sqrt(error_0_to_1)), 0j)),
        ((0j, 0j), (0j, complex(sqrt(1 - error_1_to_0)))),
        ((0j, complex(sqrt(error_1_to_0))), (0j, 0j)),
    )
