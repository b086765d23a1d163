"""The C++ core and its bindings: numerical work only, no formats and no policy.

The core is built once for each instruction-set level; importing this package loads the best one
that the processor can run. The environment variable `OPENBRAKET_KERNEL` (`v2`, `v3`, `v4` or
`generic`) names another one.
"""

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

# Flags of /proc/cpuinfo that each level needs beyond the one before it.
_LEVEL_FLAGS: Final = (
    ("v2", frozenset({"cx16", "popcnt", "sse4_1", "sse4_2", "ssse3"})),
    ("v3", frozenset({"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})),
    ("v4", frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})),
)


def _processor_flags() -> frozenset[str]:
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def runnable_variants() -> tuple[str, ...]:
    """Return the variants that are built and that this processor can run, the best one last."""
    built = {path.name.partition(".")[0] for path in _built_modules()}
    if "_core_generic" in built:
        return ("generic",)
    flags, runnable = _processor_flags(), ["v2"]
    for level, needed in _LEVEL_FLAGS[1:]:
        if not needed <= flags:
            break
        runnable.append(level)
    return tuple(level for level in runnable if f"_core_{level}" in built)


def _built_modules() -> list[Path]:
    # An editable install keeps the sources and the built modules in different folders.
    return [path for folder in __path__ for path in Path(folder).glob("_core_*.so")]


def load_variant(name: str) -> ModuleType:
    """Return the core built for the level `name`.

    Raises:
        ImportError: If the level was not built, or this processor cannot run it.
    """
    runnable = runnable_variants()
    if name not in runnable:
        message = f"kernel {name!r} cannot run here; those that can: {', '.join(runnable)}"
        raise ImportError(message)
    return importlib.import_module(f"openbraket.kernels._core_{name}")


def _select() -> str:
    wanted = os.environ.get("OPENBRAKET_KERNEL", "")
    return wanted or (runnable_variants() or ("none",))[-1]


variant: Final = _select()
_core = load_variant(variant)

if TYPE_CHECKING:
    from openbraket.kernels._core import (
        BlockadeState,
        BlockadeStateSingle,
        ChainState,
        Monitor,
        PauliState,
        RydbergState,
        RydbergStateSingle,
        StateVector,
        StateVectorSingle,
        add_scaled,
        adjoint_derivatives,
        apply_pauli_sum,
        collapse,
        copy_state,
        gate_derivative,
        measure_peaks,
        real_overlap,
    )
else:
    BlockadeState = _core.BlockadeState
    BlockadeStateSingle = _core.BlockadeStateSingle
    ChainState = _core.ChainState
    Monitor = _core.Monitor
    PauliState = _core.PauliState
    RydbergState = _core.RydbergState
    RydbergStateSingle = _core.RydbergStateSingle
    StateVector = _core.StateVector
    StateVectorSingle = _core.StateVectorSingle
    add_scaled = _core.add_scaled
    adjoint_derivatives = _core.adjoint_derivatives
    apply_pauli_sum = _core.apply_pauli_sum
    collapse = _core.collapse
    copy_state = _core.copy_state
    gate_derivative = _core.gate_derivative
    measure_peaks = _core.measure_peaks
    real_overlap = _core.real_overlap

__all__ = [
    "BlockadeState",
    "BlockadeStateSingle",
    "ChainState",
    "Monitor",
    "PauliState",
    "RydbergState",
    "RydbergStateSingle",
    "StateVector",
    "StateVectorSingle",
    "add_scaled",
    "adjoint_derivatives",
    "apply_pauli_sum",
    "collapse",
    "copy_state",
    "gate_derivative",
    "load_variant",
    "measure_peaks",
    "real_overlap",
    "runnable_variants",
    "variant",
]
