"""Whether counts follow a distribution."""

import numpy as np
from scipy import stats

# Cells are joined until they expect this many counts, so that the chi-square tail can be trusted.
CELL_MIN = 100


def chi_square_p(counts: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the probability of counts at least as unlikely as these, cells with few joined."""
    shots, order = counts.sum(), np.argsort(probabilities)
    expected, observed = [0.0], [0]
    for state in order:
        if expected[-1] >= CELL_MIN:
            expected.append(0.0)
            observed.append(0)
        expected[-1] += shots * probabilities[state]
        observed[-1] += counts[state]
    if expected[-1] < CELL_MIN and len(expected) > 1:
        expected[-2] += expected.pop()
        observed[-2] += observed.pop()
    expected = np.array(expected)
    statistic = ((np.array(observed) - expected) ** 2 / expected).sum()
    return float(stats.chi2.sf(statistic, len(expected) - 1))
