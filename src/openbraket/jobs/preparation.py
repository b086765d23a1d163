"""From a staged attempt to the command that runs its script."""

import json
from collections.abc import Sequence
from pathlib import Path

from openbraket.jobs import contained, environments, places, script, variables
from openbraket.jobs.contained import Command, NotAllowedError
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.environments import Base, Overlay
from openbraket.jobs.output import LogFile
from openbraket.jobs.pump import Pump
from openbraket.jobs.spec import JobSpec
from openbraket.jobs.view import Bind, home_folders

PIP_SETTINGS = (".config/pip/pip.conf", ".pip/pip.conf")


class SetupError(Exception):
    """The script cannot be started; the message is for the job's owner."""


def unpack_script(directory: JobDirectory, spec: JobSpec, number: int) -> Path:
    """Put an instance's script where the contract has it.

    Args:
        directory: The attempt's, staged.
        spec: Its specification.
        number: The instance, from 1.

    Returns:
        The folder `extracted`.

    Raises:
        SetupError: If there is no script or it cannot be unpacked.
    """
    if not spec.script_file:
        raise SetupError("No customer script specified")
    if not spec.entry_point:
        raise SetupError("No customer entry point specified")
    staged = directory.script / spec.script_file
    try:
        return script.unpack(
            staged,
            directory.instance(number).code,
            compression_type=spec.compression_type,
            bytes_max=spec.limits.disk_bytes,
        )
    except FileNotFoundError as error:
        raise SetupError(f"No customer script specified: {staged.name} is missing") from error
    except (ValueError, OSError) as error:
        raise SetupError(f"The script cannot be unpacked: {error}") from error


class Preparation:
    """Makes the folders, the environment and the view of one instance.

    Attributes:
        mode: How the machine lets the instance be contained.
    """

    def __init__(
        self, directory: JobDirectory, spec: JobSpec, number: int, log: LogFile, pump: Pump
    ) -> None:
        """Nothing is done yet.

        Args:
            directory: The attempt's.
            spec: Its specification.
            number: The instance, from 1.
            log: Takes the progress.
            pump: Runs what preparing needs.
        """
        self._directory = directory
        self._instance = directory.instance(number)
        self._spec = spec
        self._number = number
        self._log = log
        self._pump = pump
        self._environments = Path(spec.environments_directory)
        self.mode = contained.PLAIN

    def command(self) -> Command:
        """Prepare everything.

        Returns:
            What runs the script.

        Raises:
            SetupError: If the script cannot be unpacked.
            InterpreterError: If its requirements cannot be installed.
            StoppedError: If the instance had to end before.
            OSError: If the directory cannot be written to.
        """
        self._pump.check()
        places.make_folders(self._directory, self._number)
        extracted = unpack_script(self._directory, self._spec, self._number)
        base = self._base()
        self.mode = self._find_mode(base)
        seen = self._places()
        places.write_documents(self._directory, self._spec, self._number, seen)
        self._announce(seen, base)
        python, needed = base.python, base.needs()
        files = script.requirement_files(extracted)
        if files:
            overlay = self._install(base, extracted, files)
            python, needed = overlay.python, needed | {str(overlay.path)}
        self._log.say("Additional Requirements Check Finished")
        wanted = variables.job_variables(self._spec, self._number, seen, python)
        environment, left_out = variables.without_unfit(wanted)
        if left_out:
            self._log.say(f"Too long for variables, left out: {', '.join(left_out)}")
        arguments = variables.user_arguments(self._spec)
        return self._contained(
            [python, f"{seen.ml}/code/{variables.PROGRAM}", *arguments],
            environment,
            f"{seen.ml}/code",
            needed,
        )

    def _base(self) -> Base:
        try:
            return environments.prepare_base(
                self._environments,
                self._log.say,
                python=self._spec.python,
                is_unwanted=self._pump.is_unwanted,
            )
        except environments.InterpreterError:
            self._pump.check()
            raise

    def trouble(self, _exit_code: int | None) -> None:
        """There is none: what kept the script from starting has been told."""

    def clean_up(self) -> None:
        """Nothing is left: the view and the processes end together."""

    def _places(self) -> variables.Places:
        if self.mode == contained.PLAIN:
            places.link_input(self._directory, self._number)
            return places.open_places(self._directory, self._spec, self._number)
        (self._instance.ml / "input" / "data").mkdir(exist_ok=True)
        return places.private_places(self._spec)

    def _find_mode(self, base: Base) -> str:
        (self._instance.ml / "input" / "data").mkdir(exist_ok=True)
        for mode in contained.modes() if self._spec.private_view else ():
            # Also shows that nothing of the interpreter is hidden.
            trial = [base.python, "-I", "-S", "-c", "pass"]
            command = self._contained(trial, {}, "/", base.needs())
            try:
                ending = self._pump.run(command, mode)
                if ending.exit_code == 0:
                    return mode
                trouble = ending.trouble or f"{base.python} ended with {ending.exit_code} in it"
                self._log.say(f"No private view of files ({mode}): {trouble}")
            except NotAllowedError as error:
                self._log.say(f"No private view of files ({mode}): {error}")
        (self._instance.ml / "input" / "data").rmdir()
        return contained.PLAIN

    def _announce(self, seen: variables.Places, base: Base) -> None:
        shown = variables.training_environment(self._spec, self._number, seen)
        for text in (
            "Training Env:",
            json.dumps(shown, indent=4),
            "Invoking script with the following command:",
            " ".join(["python", variables.PROGRAM, *variables.user_arguments(self._spec)]),
            f"Boto3 Version:  {base.boto3 or 'not installed'}",
            "Beginning Setup",
            "Checking for Additional Requirements",
        ):
            self._log.say(text)

    def _install(self, base: Base, extracted: Path, files: Sequence[Path]) -> Overlay:
        if not self._spec.install_requirements:
            raise SetupError("The script has a requirements.txt; this service installs none")
        overlay = environments.overlay_for(self._environments, base, extracted, files)

        def install(arguments: Sequence[str], path: Path, at: Path) -> tuple[int, str]:
            writable = [Bind(str(path), str(path), writable=True)]
            for home in home_folders():
                found = [f"{home}/{name}" for name in PIP_SETTINGS]
                writable += [Bind(name, name) for name in found if Path(name).is_file()]
            command = self._contained(
                arguments, self._pip_variables(), str(at), base.needs(), writable
            )
            ending = self._pump.run(command, self.mode)
            if ending.trouble is not None or ending.exit_code is None:
                raise SetupError(ending.trouble or "pip was killed")
            return ending.exit_code, ending.output

        at = Path(self._places().ml, "code", "customer_code", "extracted")
        try:
            overlay.make(install, at, self._log.say, self._pump.is_unwanted)
        except environments.InterpreterError:
            self._pump.check()
            raise
        return overlay

    def _pip_variables(self) -> dict[str, str]:
        seen = self._places()
        return {
            **variables.inherited(),
            **variables.pip_settings(),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": seen.home,
            "TMPDIR": seen.tmp,
            "PYTHONUNBUFFERED": "1",
        }

    def _contained(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        folder: str,
        needed: set[str],
        more: Sequence[Bind] = (),
    ) -> Command:
        view = places.private_view(self._directory, self._spec, self._number, needed)
        limits = self._spec.limits
        return Command(
            arguments=arguments,
            environment=environment,
            folder=folder,
            view=view.with_binds(*more),
            memory_bytes=limits.memory_bytes,
            process_count=limits.process_count,
            file_bytes=limits.disk_bytes,
        )
