"""Work of a known size for `bench_ray.py`; a runner, imported by workers on the nodes."""

import time
from collections.abc import Callable

from openbraket.base.work import ResultObject, RunnerOutput, Work


def run(work: Work, report: Callable[[float], None]) -> RunnerOutput:
    """Do nothing, wait, or wait for ever after a report, as the action says."""
    if work.action == b"for ever":
        report(0.5)
        time.sleep(3600)
    elif work.action:
        time.sleep(float(work.action))
    return RunnerOutput((ResultObject("results.json", b"{}"),), work.shots)
