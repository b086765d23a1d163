"""IonQ's debiasing: the shots are spread over variants of a program, and put together in two ways.

The average is the histogram of all shots. The sharpened histogram is a plurality vote: each variant
gives its vote to the outcome that it has seen most, in equal parts where there are several.

The twin of a device has one set of figures for all of its ions, so variants that differ by the
choice of ions are alike and differ by chance alone.

Source: IonQ's description of debiasing and sharpening; A. Maksymov et al., arXiv:2301.07233.
"""

from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

DEBIAS: Final = "braket.device_schema.error_mitigation.debias.Debias"
SHOTS_PER_VARIANT: Final = 100
VARIANTS_MAX: Final = 25


def histogram(bits: NDArray[np.uint8]) -> dict[str, float]:
    """Return the share of the shots of each measured bit string, in ascending order."""
    counts = _counts(bits)
    shots = bits.shape[0]
    return {text: count / shots for text, count in sorted(counts.items())}


def sharpened(bits: NDArray[np.uint8]) -> dict[str, float]:
    """Return the sharpened histogram of shots that ran as variants.

    Args:
        bits: Measured bits, shape (shots, qubits), the variants one after the other.

    Returns:
        The share of the votes of each bit string, in ascending order.
    """
    variant_count = max(1, min(VARIANTS_MAX, bits.shape[0] // SHOTS_PER_VARIANT))
    votes: dict[str, float] = {}
    for variant in np.array_split(bits, variant_count):
        counts = _counts(variant)
        most = max(counts.values())
        winners = [text for text, count in counts.items() if count == most]
        for text in winners:
            votes[text] = votes.get(text, 0.0) + 1 / (len(winners) * variant_count)
    return dict(sorted(votes.items()))


def _counts(bits: NDArray[np.uint8]) -> Counter[str]:
    rows = np.ascontiguousarray(bits + np.uint8(ord("0")))
    return Counter(row.tobytes().decode() for row in rows)
