"""What every benchmark prints first and how it sums up repeated measurements."""

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path


def print_machine(packages: Sequence[str]) -> None:
    """Print the machine, Python and the versions of `packages`."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    print(f"{model}, {len(os.sched_getaffinity(0))} processors, Python {platform.python_version()}")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    print(", ".join(versions))


def spread(values: Iterable[float]) -> str:
    """Return minimum, median and maximum as text."""
    ordered = sorted(values)
    return f"{ordered[0]:.4g} / {statistics.median(ordered):.4g} / {ordered[-1]:.4g}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the sorted values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
