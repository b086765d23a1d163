"""The runtime `container`: an image run by Docker or Podman, with the same directory contract."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from openbraket.jobs import contained, places, script, variables
from openbraket.jobs.braket_container import INSTALL_VARIABLE
from openbraket.jobs.contained import Command
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.output import LogFile
from openbraket.jobs.preparation import SetupError, unpack_script
from openbraket.jobs.process import is_supervised, start_supervisor
from openbraket.jobs.pump import Pump, StoppedError
from openbraket.jobs.spec import JobSpec
from openbraket.jobs.variables import Places

ENGINES = ("docker", "podman")
ENGINE_SECONDS_MAX = 30
# What Docker and Podman exit with when they could not do what they were asked for.
ENGINE_FAILED = 125
_NEVER_STARTED = ("created", "configured", "initialized")
LABEL = "openbraket.job"
HOME = "/home/job"
# Of the server's machine, not of the image's.
_NOT_OF_IMAGE = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
                 "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # fmt: skip

# How the engine's command finds its engine and the credentials of registries; not for the script.
_ENGINE_VARIABLES = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT",
                     "CONTAINER_HOST", "XDG_RUNTIME_DIR")  # fmt: skip


def engine_command() -> str | None:
    """Return the path of the first container engine that answers, None where none does."""
    for name in ENGINES:
        path = shutil.which(name)
        if (
            path is not None
            and _ask(path, "version", "--format", "{{.Server.Version}}") is not None
        ):
            return path
    return None


def container_name(spec_id: str, attempt: str, number: int) -> str:
    """Return the name under which an instance's container is found again.

    Args:
        spec_id: The job's UUID.
        attempt: Number of the attempt.
        number: The instance, from 1.

    Returns:
        One that no other instance has.
    """
    return f"openbraket-{spec_id}-{attempt}-algo-{number}"


def run_arguments(
    engine: str, directory: JobDirectory, spec: JobSpec, number: int, names: list[str]
) -> list[str]:
    """Return the command that runs an instance's container in the foreground.

    Args:
        engine: Path of the engine's command.
        directory: The attempt's.
        spec: Its specification, with an image.
        number: The instance, from 1.
        names: Of the variables to hand over; their values come from the command's environment,
            so that no credential is in its arguments.

    Returns:
        Program and arguments. Without an entry point the image's own `train` is run.
    """
    instance = directory.instance(number)
    seen = container_places(spec)
    mounts = [
        (instance.ml, "/opt/ml"),
        (instance.ml, "/opt/braket"),
        (directory.input_data, "/opt/ml/input/data"),
        (directory.input_data, "/opt/braket/input/data"),
        (directory.checkpoints, seen.checkpoints),
        (instance.home, HOME),
    ]
    who = ["--user", f"{os.geteuid()}:{os.getegid()}"] if os.geteuid() != 0 else []
    if who and Path(engine).name == "podman":
        who = ["--userns", "keep-id"]
    hosts = [
        f"--add-host={name}:{places.address(spec, peer)}"
        for peer, name in enumerate(seen.hosts, start=1)
    ]
    memory = str(spec.limits.memory_bytes)
    image = str(spec.image_uri)
    program = [image, "train"]
    if spec.entry_point:
        bootstrap = f"/opt/ml/code/{variables.PROGRAM}"
        program = ["--workdir", "/opt/ml/code", "--entrypoint", "python", image, bootstrap]
        program += variables.user_arguments(spec)
    return [
        engine, "run",
        "--name", container_name(spec.job_id, str(spec.attempt), number),
        "--label", f"{LABEL}={spec.job_id}",
        "--memory", memory, "--memory-swap", memory,
        "--pids-limit", str(spec.limits.process_count),
        "--network", "host", *hosts, *who,
        "--security-opt", "no-new-privileges", "--init",
        *(part for source, target in mounts for part in ("--volume", f"{source}:{target}")),
        *(part for name in names if name != "HOME" for part in ("--env", name)),
        "--env", f"HOME={HOME}",
        *program,
    ]  # fmt: skip


def container_places(spec: JobSpec) -> Places:
    """Return where things are inside an image."""
    return Places(
        ml="/opt/ml",
        braket="/opt/braket",
        checkpoints=spec.checkpoint_path,
        home=HOME,
        tmp="/tmp",  # noqa: S108 - the container's own
        hosts=places.host_names(spec),
    )


class ContainerPreparation:
    """Makes the folders of one instance and the command that runs its image.

    Attributes:
        mode: The engine contains the script, so nothing else does.
    """

    def __init__(
        self, directory: JobDirectory, spec: JobSpec, number: int, log: LogFile, _pump: Pump
    ) -> None:
        """Nothing is done yet.

        Args:
            directory: The attempt's.
            spec: Its specification.
            number: The instance, from 1.
            log: Takes the progress.
        """
        self.mode = contained.PLAIN
        self._directory = directory
        self._spec = spec
        self._number = number
        self._log = log
        self._engine = ""

    def command(self) -> Command:
        """Prepare everything.

        Returns:
            The engine's command, which ends with the script's exit code.

        Raises:
            SetupError: If there is no engine or image, or the script cannot be unpacked.
            OSError: If the directory cannot be written to.
        """
        engine = engine_command()
        if engine is None:
            raise SetupError("No container engine answers: neither docker nor podman")
        if self._spec.image_uri is None:
            raise SetupError("The runtime `container` needs an image, and the job names none")
        self._engine = engine
        places.make_folders(self._directory, self._number)
        if self._spec.entry_point:
            self._unpack()
        seen = container_places(self._spec)
        (self._directory.instance(self._number).ml / "input" / "data").mkdir(exist_ok=True)
        places.write_documents(self._directory, self._spec, self._number, seen)
        wanted = variables.job_variables(self._spec, self._number, seen, "/usr/bin/python")
        wanted = {name: value for name, value in wanted.items() if name not in _NOT_OF_IMAGE}
        wanted[INSTALL_VARIABLE] = "1"
        handed, left_out = variables.without_unfit(wanted)
        if left_out:
            self._log.say(f"Too long for variables, left out: {', '.join(left_out)}")
        remove(engine, self._name())
        own = {name: os.environ[name] for name in _ENGINE_VARIABLES if name in os.environ}
        limits = self._spec.limits
        return Command(
            arguments=run_arguments(
                engine, self._directory, self._spec, self._number, sorted(handed)
            ),
            environment={**handed, **own},
            folder="/",
            view=None,
            memory_bytes=max(limits.memory_bytes, 1 << 30),
            process_count=limits.process_count,
            file_bytes=limits.disk_bytes,
        )

    def _unpack(self) -> None:
        extracted = unpack_script(self._directory, self._spec, self._number)
        if script.requirement_files(extracted) and not self._spec.install_requirements:
            raise SetupError("The script has a requirements.txt; this service installs none")

    def trouble(self, exit_code: int | None) -> str | None:
        """Return why the container did not start, None where it did.

        Args:
            exit_code: The engine's, which is the script's where there was one.
        """
        if exit_code != ENGINE_FAILED:
            return None
        status = _ask(self._engine, "inspect", "--format", "{{.State.Status}}", self._name())
        if status is not None and status not in _NEVER_STARTED:
            return None
        return "The container engine could not start the image; what it said is in the log"

    def clean_up(self) -> None:
        """Remove the container, running or not.

        Raises:
            StoppedError: If the kernel ended it for want of memory.
        """
        if not self._engine:
            return
        answer = _ask(
            self._engine, "inspect", "--format", "{{json .State.OOMKilled}}", self._name()
        )
        remove(self._engine, self._name())
        if answer is not None and json.loads(answer) is True:
            limit = self._spec.limits.memory_bytes
            raise StoppedError("memory", f"The job used its limit of {limit} bytes of memory")

    def _name(self) -> str:
        return container_name(self._spec.job_id, str(self._spec.attempt), self._number)


class ContainerRuntime:
    """Runs each instance in a container, under a supervisor process; see `Runtime`."""

    name = "container"

    def start(self, directory: JobDirectory, spec: JobSpec, instance: int) -> None:  # noqa: ARG002
        """Start an instance's supervisor, which runs the container.

        Args:
            directory: The attempt's, prepared and staged.
            spec: Its specification.
            instance: From 1.

        Raises:
            OSError: If no process can be started.
        """
        start_supervisor(directory, instance, "container")

    def is_alive(self, directory: JobDirectory, instance: int) -> bool:
        """Return whether the instance's supervisor runs; where not, its container is removed.

        Args:
            directory: The attempt's.
            instance: From 1.

        Returns:
            Also after a restart of the server.
        """
        if is_supervised(directory, instance):
            return True
        engine = engine_command()
        if engine is not None:
            job_id, attempt = directory.path.parent.name, directory.path.name
            remove(engine, container_name(job_id, attempt, instance))
        return False

    def stop(self, directory: JobDirectory, instance: int) -> None:
        """Ask that an instance ends.

        Args:
            directory: The attempt's.
            instance: From 1.
        """
        directory.instance(instance).request_stop()


def remove(engine: str, name: str) -> None:
    """Kill and remove a container, if there is one.

    Args:
        engine: Path of the engine's command.
        name: The container's.
    """
    _ask(engine, "rm", "--force", name)


def _ask(engine: str, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(  # noqa: S603  (our own command)
            [engine, *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=ENGINE_SECONDS_MAX,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
