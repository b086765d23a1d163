"""Which backends this version has; a device whose backend is not among them is OFFLINE.

This is the one place that decides it: whoever adds a backend adds its name to `BACKENDS`, and every
profile that names it comes online.
"""

from collections.abc import Mapping
from typing import Final

STATE_VECTOR: Final = "state_vector"
DENSITY_MATRIX: Final = "density_matrix"
RYDBERG: Final = "rydberg"
TENSOR_NETWORK: Final = "tensor_network"
QPU_TWIN: Final = "qpu_twin"
PLUGIN: Final = "plugin"

# Every backend that a profile may name, with what it is called in messages.
BACKEND_TITLES: Final[Mapping[str, str]] = {
    STATE_VECTOR: "state-vector simulator",
    DENSITY_MATRIX: "density-matrix simulator",
    TENSOR_NETWORK: "tensor-network simulator",
    RYDBERG: "neutral-atom simulator",
    QPU_TWIN: "simulator of this device's noise and compilation",
    PLUGIN: "package that brings this device",
}
BACKENDS: Final = frozenset({
    STATE_VECTOR, DENSITY_MATRIX, RYDBERG, TENSOR_NETWORK, QPU_TWIN, PLUGIN,
})  # fmt: skip


def missing_reason(backend: str) -> str:
    """Return why a device with this backend cannot run anything, or "" where it can.

    Args:
        backend: A key of `BACKEND_TITLES`, or "" for a retired device, which has none.
    """
    if not backend or backend in BACKENDS:
        return ""
    return f"this version of OpenBraket does not have the {BACKEND_TITLES[backend]} yet"
