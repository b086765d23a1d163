"""The hybrid jobs of this service that are on the cluster, as the bridge knows them."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from ray.util.placement_group import placement_group_table

from openbraket.engine.executors.ray.job_attempt import JobAttempt, group_name, remove_group
from openbraket.engine.executors.ray.job_instance import has_ended
from openbraket.engine.executors.ray.nodes import Nodes
from openbraket.jobs.directory import JobDirectory

# Calls that block, of all jobs together.
THREAD_COUNT: Final = 8
# How often it is looked for what ended jobs have left.
SWEEP_S: Final = 600.0


class JobAttempts:
    """The attempts that are looked after; lives on the bridge's event loop.

    Args:
        jobs_dir: Where the directories of attempts lie, `<job uuid>/<attempt>`.
        service: Names this service on the cluster.
        nodes: The cluster's.
        send: Sends a message to the server.
    """

    def __init__(
        self, jobs_dir: Path, service: str, nodes: Nodes, send: Callable[..., None]
    ) -> None:
        self._jobs_dir = jobs_dir
        self._service = service
        self._nodes = nodes
        self._send = send
        self._files = ThreadPoolExecutor(THREAD_COUNT)
        self._attempts: dict[str, JobAttempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def attend(self, path: str) -> None:
        """Look after an attempt until its end: find it on the cluster, or start it."""
        if path in self._attempts:
            return
        self._attempts[path] = attempt = JobAttempt(
            JobDirectory(path),
            service=self._service,
            nodes=self._nodes,
            files=self._files,
            warn=self._warn,
        )
        task = asyncio.get_running_loop().create_task(self._see(path, attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, path: str) -> None:
        """End an attempt's instances."""
        if path in self._attempts:
            self._attempts[path].stop()

    async def sweep(self) -> None:
        """Remove from the cluster what ended jobs have left there, now and then, for ever."""
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._files, self._sweep)
            except Exception as error:
                # The bridge hears of a lost cluster in other ways.
                text = f"{type(error).__name__}: {error}"
                self._warn(f"it cannot be seen what jobs have left: {text}")
            await asyncio.sleep(SWEEP_S)

    def _sweep(self) -> None:
        table: Mapping[str, Mapping[str, Any]] = placement_group_table()
        names = {entry["name"] for entry in table.values() if entry["state"] != "REMOVED"}
        prefix = f"{self._service}-job-"
        for name in names:
            job_id, _, attempt = name.removeprefix(prefix).rpartition("-")
            directory = JobDirectory(self._jobs_dir / job_id / attempt)
            if name != group_name(self._service, directory.path):
                continue
            if _is_over(directory):
                self._warn(f"job {job_id} has ended without this service; its instances are killed")
                remove_group(name)

    async def _see(self, path: str, attempt: JobAttempt) -> None:
        try:
            await attempt.see()
        except Exception as error:
            # The bridge ends with the cluster; the next one finds the attempt again.
            self._warn(f"job {Path(path).parent.name}: {type(error).__name__}: {error}")
        finally:
            del self._attempts[path]
            self._send(kind="job_over", path=path)

    def _warn(self, text: str) -> None:
        self._send(kind="warning", text=text)


def _is_over(directory: JobDirectory) -> bool:
    try:
        count = directory.spec().instance_count
    except (OSError, ValueError):
        return True
    return all(has_ended(directory, number) for number in range(1, count + 1))
