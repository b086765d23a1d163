"""Where a job's instances run: one interface, chosen by name."""

from typing import Protocol

from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.spec import JobSpec

RUNTIMES = ("process", "container")


class Runtime(Protocol):
    """Starts, finds and ends the supervisors of a job's instances.

    Every call returns at once and may be made from any thread, also by a server that did not
    start the instance: what it needs is in the directory.
    """

    name: str

    def start(self, directory: JobDirectory, spec: JobSpec, instance: int) -> None:
        """Start an instance's supervisor, which outlives this process.

        Args:
            directory: The attempt's, prepared and staged.
            spec: What `directory.spec()` gives.
            instance: From 1.

        Raises:
            OSError: If no process can be started; the message is for the job's owner.
        """

    def is_alive(self, directory: JobDirectory, instance: int) -> bool:
        """Return whether the instance's supervisor runs.

        Args:
            directory: The attempt's.
            instance: From 1.

        Returns:
            True from the return of `start` to just after `state.json` says `ENDED`; False without
            `ENDED` means that the supervisor died, and its processes with it.
        """

    def stop(self, directory: JobDirectory, instance: int) -> None:
        """Ask that an instance ends; `state.json` says `ENDED` once its processes are gone.

        Args:
            directory: The attempt's.
            instance: From 1.
        """


def available() -> tuple[str, ...]:
    """Return the names of the runtimes that this machine can run, the default first."""
    from openbraket.jobs.container import engine_command

    return ("process", "container") if engine_command() else ("process",)


def create(name: str) -> Runtime:
    """Return a runtime by name.

    Args:
        name: One of `RUNTIMES`.

    Returns:
        A runtime; it keeps nothing between calls.

    Raises:
        ValueError: If there is none of that name.
    """
    if name == "process":
        from openbraket.jobs.process import ProcessRuntime

        return ProcessRuntime()
    if name == "container":
        from openbraket.jobs.container import ContainerRuntime

        return ContainerRuntime()
    raise ValueError(f"no runtime {name!r}; there are {', '.join(RUNTIMES)}")
