"""The runtime `process`: supervisors as processes of this machine."""

import contextlib
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from openbraket.jobs import users
from openbraket.jobs.directory import STARTING, InstanceState, JobDirectory
from openbraket.jobs.liveness import is_running, start_ticks
from openbraket.jobs.spec import JobSpec

# Not `-m`: the supervisor needs no installed package, and starts in half the time without `site`.
_START = """
import sys
sys.path.append(sys.argv.pop(1))
from openbraket.jobs.supervisor import main
main(sys.argv[1], int(sys.argv[2]))
"""
_started: list[int] = []

_log = logging.getLogger(__name__)


class ProcessRuntime:
    """Runs each instance under a supervisor process of its own; see `Runtime`."""

    name = "process"

    def start(self, directory: JobDirectory, spec: JobSpec, instance: int) -> None:  # noqa: ARG002
        """Start an instance's supervisor.

        Args:
            directory: The attempt's, prepared and staged.
            spec: Its specification.
            instance: From 1.

        Raises:
            OSError: If no process can be started.
        """
        start_supervisor(directory, instance, "process")

    def is_alive(self, directory: JobDirectory, instance: int) -> bool:
        """Return whether the instance's supervisor runs; where not, end what the job left.

        Args:
            directory: The attempt's.
            instance: From 1.

        Returns:
            Also after a restart of the server.
        """
        if is_supervised(directory, instance):
            return True
        if directory.user_id() is not None:
            try:
                _end_left(directory)
            except (OSError, ValueError, subprocess.SubprocessError, users.NoUserError) as error:
                _log.error("processes of a job may be left in %s: %s", directory.path, error)
        return False

    def stop(self, directory: JobDirectory, instance: int) -> None:
        """Ask that an instance ends.

        Args:
            directory: The attempt's.
            instance: From 1.
        """
        directory.instance(instance).request_stop()


def _end_left(directory: JobDirectory) -> None:
    spec = directory.spec()
    numbers = range(1, spec.instance_count + 1)
    if not any(is_supervised(directory, number) for number in numbers):
        users.end_left(directory, spec.data_directory)


def start_supervisor(directory: JobDirectory, number: int, launcher: str) -> None:
    """Start a supervisor that begins once it is on record; at most one begins for an instance.

    Args:
        directory: The attempt's, prepared and staged.
        number: The instance, from 1.
        launcher: Name of the runtime; behind it the id of this process where the supervisor is to
            end with the thread that calls this.

    Raises:
        FileExistsError: If the instance was started before, perhaps by another server.
        OSError: If no process can be started, or it cannot be recorded.
    """
    reap()
    instance = directory.instance(number)
    package = str(Path(__file__).resolve().parents[2])
    with (instance.path / "supervisor.err").open("ab") as errors:
        source, target = os.pipe2(os.O_CLOEXEC)
        # Should this process die before it writes, the supervisor finds its input closed and ends.
        with os.fdopen(source, "rb"), os.fdopen(target, "wb") as line:
            pid = os.posix_spawn(
                sys.executable,
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    _START,
                    package,
                    str(directory.path),
                    str(number),
                ],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, source, 0),
                    (os.POSIX_SPAWN_DUP2, errors.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
                ],
                setsid=True,
            )
            _started.append(pid)
            start = start_ticks(pid)
            if start is None:
                raise OSError(f"the supervisor of algo-{number} ended at once")
            # The last thing that may refuse: of two servers that start an instance, one of which
            # hung and knows nothing of the other, one finds the file. Its supervisor ends.
            os.close(os.open(instance.started_path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            instance.write_state(InstanceState(STARTING, pid, start, time.time()))
            line.write(launcher.encode() + b"\n")


def is_supervised(directory: JobDirectory, number: int) -> bool:
    """Return whether the supervisor that an instance's state names is running.

    Args:
        directory: The attempt's.
        number: The instance, from 1.

    Returns:
        False where nothing was ever started.
    """
    reap()
    state = directory.instance(number).state()
    return state is not None and is_running(state.supervisor_pid, state.supervisor_start)


def reap() -> None:
    """Take the exit status of supervisors that this process started and that have ended."""
    for pid in list(_started):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        with contextlib.suppress(ValueError):
            _started.remove(pid)
