"""What an operator's tools ask a running server: its metrics, and whether it can take work."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from openbraket import __version__
from openbraket.base.errors import StoreError
from openbraket.engine.door import Door
from openbraket.engine.jobs.dispatcher import JobDispatcher
from openbraket.engine.jobs.shared import SharedJobs
from openbraket.services.context import Resources

# A commit that takes longer means that the disk or the writer is stuck.
COMMIT_S_MAX: Final = 5.0
# With less space left on the disk results may not find room.
FREE_BYTES_MIN: Final = 256 << 20
_PRIORITIES: Final = {0: "Normal", 1: "Priority"}


class _State(Collector):
    """Gauges that are read off the dispatchers when somebody asks."""

    def __init__(self, dispatcher: Door, jobs: JobDispatcher | SharedJobs | None) -> None:
        self._dispatcher = dispatcher
        self._jobs = jobs

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give each gauge with its present values."""
        dispatcher = self._dispatcher
        waiting = GaugeMetricFamily(
            "openbraket_queue_depth",
            "Quantum tasks that wait, by device and priority.",
            labels=["device", "priority"],
        )
        for device_arn in dispatcher.waiting_devices():
            for priority, name in _PRIORITIES.items():
                depth = dispatcher.queue_depth(device_arn, priority=priority)
                waiting.add_metric([device_arn, name], depth)
        yield waiting
        running = GaugeMetricFamily(
            "openbraket_running", "Attempts of quantum tasks under way.", labels=["device"]
        )
        for device_arn, count in dispatcher.running_counts().items():
            running.add_metric([device_arn], count)
        yield running
        yield GaugeMetricFamily(
            "openbraket_running_memory_bytes",
            "What admission counts for the attempts under way.",
            value=dispatcher.memory_bytes,
        )
        if self._jobs is not None:
            yield from _of_jobs(self._jobs)
        build = GaugeMetricFamily("openbraket_build", "The version in use.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build


def _of_jobs(jobs: JobDispatcher | SharedJobs) -> Iterator[GaugeMetricFamily]:
    gauges = {
        "openbraket_job_queue_depth": ("Hybrid jobs that wait, by device.", jobs.waiting_counts()),
        "openbraket_jobs_running": ("Hybrid jobs under way, by device.", jobs.running_counts()),
    }
    for name, (text, counts) in gauges.items():
        gauge = GaugeMetricFamily(name, text, labels=["device"])
        for device, count in counts.items():
            gauge.add_metric([device], count)
        yield gauge
    text = "Instances that the hybrid jobs under way use."
    yield GaugeMetricFamily("openbraket_job_instances", text, value=jobs.instance_count)


def state_registry(
    dispatcher: Door, jobs: JobDispatcher | SharedJobs | None = None
) -> CollectorRegistry:
    """Return the gauges of one server; what is counted is in Prometheus's own registry.

    Args:
        dispatcher: Whose queue and attempts are shown.
        jobs: The same for hybrid jobs.
    """
    registry = CollectorRegistry()
    registry.register(_State(dispatcher, jobs))
    return registry


async def reasons_not_ready(resources: Resources, data_dir: Path) -> list[str]:
    """Return why the server cannot take work now; empty where it can.

    Args:
        resources: The parts of the server.
        data_dir: Folder of the records and contents.
    """
    reasons = [reason] if (reason := resources.dispatcher.reason_not_ready) else []
    try:
        async with asyncio.timeout(COMMIT_S_MAX):
            await resources.database.write(lambda connection: None)  # noqa: ARG005
    except TimeoutError:
        reasons.append(f"the records did not commit within {COMMIT_S_MAX:g} s")
    except StoreError as error:
        reasons.append(str(error))
    free = shutil.disk_usage(data_dir).free
    if free < FREE_BYTES_MIN:
        reasons.append(f"{free} bytes are free on the disk; {FREE_BYTES_MIN} are wanted")
    if not os.access(data_dir, os.W_OK):
        reasons.append(f"the data directory {data_dir} cannot be written to")
    return reasons
