"""One instance of a job, from its staged files to its end; a process of its own.

Started by a runtime in a session of its own, so that it survives the server:
`python -m openbraket.jobs.supervisor DIRECTORY NUMBER`, with a line on its standard input once the
runtime has recorded it. Its word is `state.json` and the log; when it dies its processes die.
"""

import contextlib
import dataclasses
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from openbraket.jobs import directory as states
from openbraket.jobs import namespaces as ns
from openbraket.jobs.contained import NotAllowedError
from openbraket.jobs.directory import InstanceState, JobDirectory
from openbraket.jobs.environments import InterpreterError
from openbraket.jobs.liveness import start_ticks
from openbraket.jobs.output import LogFile
from openbraket.jobs.preparation import Preparation, SetupError
from openbraket.jobs.pump import Pump, StoppedError

if TYPE_CHECKING:
    from openbraket.jobs.container import ContainerPreparation


class Supervisor:
    """Runs one instance.

    Attributes:
        state: What was last written.
    """

    def __init__(self, directory: JobDirectory, number: int, runtime: str) -> None:
        """Take over what the runtime has recorded.

        Args:
            directory: The attempt's, prepared and staged.
            number: The instance, from 1.
            runtime: `process`, `container` or `node`.

        Raises:
            OSError: If the directory cannot be used.
            ValueError: If the specification cannot be read.
        """
        self._directory = directory
        self._instance = directory.instance(number)
        self._number = number
        self._runtime = runtime
        self._spec = directory.spec()
        pid = os.getpid()
        self.state = InstanceState(
            phase=states.STARTING,
            supervisor_pid=pid,
            supervisor_start=start_ticks(pid) or 0,
            started_at=time.time(),
        )

    def run(self) -> None:
        """Run the instance to its end and say how it ended."""
        ns.adopt_orphans()
        log = LogFile(self._instance.log, self._spec.limits.log_bytes)
        pump = Pump(self._directory, self._spec, self._number, log)
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._instance.request_stop())
        try:
            self._run(log, pump)
        except StoppedError as error:
            self._end(log, reason=error.reason, message=error.message)
        except (SetupError, InterpreterError) as error:
            log.say(str(error))
            self._end(log, reason="setup", message=str(error))
        except Exception as error:
            self._end(log, reason="lost", message=f"{type(error).__name__}: {error}")
            raise
        finally:
            log.close()

    def _run(self, log: LogFile, pump: Pump) -> None:
        log.say(
            f"Job {self._spec.job_name}, attempt {self._spec.attempt}: "
            f"algo-{self._number} of {self._spec.instance_count}"
        )
        self._write(phase=states.SETUP)
        preparation = self._preparation(log, pump)
        try:
            command = preparation.command()
            self._write(phase=states.RUNNING)
            ending = pump.run(command, preparation.mode)
            trouble = ending.trouble or preparation.trouble(ending.exit_code)
        except NotAllowedError as error:
            # What installing has run may have put something in the way.
            raise SetupError(f"The job's view of files cannot be made: {error}") from error
        finally:
            preparation.clean_up()
        if trouble is not None:
            raise SetupError(trouble)
        if ending.exit_code is None:
            raise StoppedError("lost", "The process that watched over the script was killed")
        failure = self._instance.read_failure()
        if ending.exit_code != 0 and pump.is_disk_full():
            raise pump.disk_full()
        is_success = ending.exit_code == 0 and failure is None
        log.say(f"Reporting training {'SUCCESS' if is_success else 'FAILURE'}")
        self._end(log, exit_code=ending.exit_code, failure=failure)

    def _preparation(self, log: LogFile, pump: Pump) -> "Preparation | ContainerPreparation":
        if self._runtime == "container":
            from openbraket.jobs.container import ContainerPreparation

            return ContainerPreparation(self._directory, self._spec, self._number, log, pump)
        return Preparation(self._directory, self._spec, self._number, log, pump)

    def _write(self, **changes: object) -> None:
        self.state = dataclasses.replace(self.state, **changes)  # type: ignore[arg-type]
        self._instance.write_state(self.state)

    def _end(self, log: LogFile, **changes: object) -> None:
        message = changes.get("message")
        if message is not None:
            log.say(f"Job ended: {message}")
        log.flush()
        if not self._instance.path.exists():
            return
        self._write(phase=states.ENDED, ended_at=time.time(), **changes)


def main(path: str, number: int) -> None:
    """Run an instance, as soon as standard input has a line; end where it closes without one.

    Args:
        path: The attempt's directory.
        number: The instance, from 1.
    """
    runtime, _, parent = sys.stdin.readline().strip().partition(" ")
    if not runtime:
        return
    sys.stdin.close()
    if parent:
        # On a node of a cluster nobody would find it again without the process that started it.
        ns.die_with_parent()
        if os.getppid() != int(parent):
            return
    directory = JobDirectory(Path(path).absolute())
    os.chdir("/")
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("0")
    Supervisor(directory, number, runtime).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
