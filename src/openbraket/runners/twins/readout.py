"""Errors of readout: each measured bit flips with its qubit's probability for its value."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openbraket.devices.calibration import Calibration


def misread(
    bits: NDArray[np.uint8],
    qubits: Sequence[int],
    calibration: Calibration,
    generator: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return what a processor reads where the state gives `bits`.

    Args:
        bits: True bits, shape (shots, len(qubits)); not modified.
        qubits: Physical qubit of each column.
        calibration: The processor's figures; preparation errors are among those of readout.
        generator: Where randomness comes from.

    Returns:
        Bits as read, same shape.
    """
    figures = [calibration.qubits[qubit] for qubit in qubits]
    from_zero = np.array([own.error_0_to_1 for own in figures], dtype=np.float32)
    from_one = np.array([own.error_1_to_0 for own in figures], dtype=np.float32)
    draws = generator.random(bits.shape, dtype=np.float32)
    flips = draws < np.where(bits, from_one, from_zero)
    return np.asarray(bits ^ flips, dtype=np.uint8)
