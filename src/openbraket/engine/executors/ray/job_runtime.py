"""The runtime `ray`: instances on the nodes of a cluster, mirrored in their directories here."""

import contextlib
from typing import Final

from openbraket.engine.executors.ray.executor import RayExecutor
from openbraket.jobs.directory import ENDED, JobDirectory
from openbraket.jobs.process import is_supervised
from openbraket.jobs.spec import JobSpec

# How long jobs outlast a cluster that cannot be reached, and one that is to be stopped.
AWAY_S_MAX: Final = 300.0
STOP_AWAY_S_MAX: Final = 30.0
_NOTE: Final = "on-ray"


class RayRuntime:
    """Runs the instances of each job on a Ray cluster; see `openbraket.jobs.runtime.Runtime`.

    Args:
        executor: Has the connection to the cluster.
    """

    name = "ray"

    def __init__(self, executor: RayExecutor) -> None:
        self._executor = executor

    def start(self, directory: JobDirectory, spec: JobSpec, instance: int) -> None:  # noqa: ARG002
        """Have the instances of an attempt placed on the cluster, all at once.

        Args:
            directory: The attempt's, prepared and staged.
            spec: Its specification.
            instance: From 1.

        Raises:
            OSError: The directory cannot be written to.
        """
        # Before anything else: what has no such note was never meant for the cluster.
        (directory.path / _NOTE).touch()
        self._executor.attend(directory.path)

    def is_alive(self, directory: JobDirectory, instance: int) -> bool:
        """Return whether the instance is looked after; where nobody does, begin to.

        Args:
            directory: The attempt's.
            instance: From 1.

        Returns:
            True until its state says `ENDED`, which is what becomes of one that is lost. A cluster
            that cannot be reached is waited for `AWAY_S_MAX` seconds. One that runs on this
            machine, where an earlier server had started it, is left there.
        """
        if not (directory.path / _NOTE).exists():
            return is_supervised(directory, instance)
        found = directory.instance(instance)
        state = found.state()
        if state is not None and state.phase == ENDED:
            return False
        self._executor.attend(directory.path)
        limit_s = STOP_AWAY_S_MAX if found.stop_path.exists() else AWAY_S_MAX
        if self._executor.away_s <= limit_s:
            return True
        message = f"The Ray cluster could not be reached for {limit_s:g} s"
        found.write_ended("lost", message)
        return False

    def stop(self, directory: JobDirectory, instance: int) -> None:
        """Ask that an instance ends.

        Args:
            directory: The attempt's.
            instance: From 1.
        """
        # The file outlives a bridge; the order is faster.
        with contextlib.suppress(FileNotFoundError):
            directory.instance(instance).request_stop()
        self._executor.stop_job(directory.path)
