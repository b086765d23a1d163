"""From a staged attempt to the command that runs its script."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from openbraket.jobs import (
    contained,
    environments,
    ownership,
    places,
    script,
    users,
    variables,
)
from openbraket.jobs.contained import Command, NotAllowedError
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.environments import Base, Overlay
from openbraket.jobs.output import LogFile
from openbraket.jobs.pump import Pump
from openbraket.jobs.spec import JobSpec
from openbraket.jobs.users import Identity, JobUser, NoUserError, UsersBusyError
from openbraket.jobs.view import Bind, accelerator_groups, home_folders

PIP_SETTINGS = (".config/pip/pip.conf", ".pip/pip.conf")
# What a job makes is for all to read, as on AWS; its folders are closed to others.
_UMASK = 0o022
# Ends with 1 where the interpreter's folders cannot be read or the job's not be written to.
_TRIAL = """
import os, sys
def must(path, rights):
    if not os.access(path, rights):
        sys.exit(f"{path} is closed to it")
count = int(sys.argv[1])
for folder in sys.argv[2:2 + count]:
    must(folder, os.R_OK | os.X_OK)
    for entry in os.scandir(folder):
        if entry.is_dir():
            must(entry.path, os.R_OK | os.X_OK)
for folder in sys.argv[2 + count:]:
    must(folder, os.R_OK | os.W_OK | os.X_OK)
"""


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
        self._user: JobUser | None = None
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
        self._take_user()
        self.mode = self._find_mode(base)
        seen = self._places()
        places.write_documents(self._directory, self._spec, self._number, seen)
        self._give(self._instance.ml / "input" / "config")
        self._announce(seen, base)
        python, needed = base.python, base.needs()
        # From here on what a job brings may run, and change its folders while they are read.
        files = script.requirement_files(extracted)
        if files:
            overlay = self._install(base, seen, extracted, files)
            python, needed = overlay.python, needed | {str(overlay.path)}
        self._log.say("Additional Requirements Check Finished")
        wanted = variables.job_variables(self._spec, self._number, seen, python)
        wanted = variables.user_variables(self._user_id) | wanted
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
        """Let go of the job's user, of which no process is left then.

        Raises:
            OSError: If some cannot be killed.
        """
        if self._user is not None:
            user, self._user = self._user, None
            user.end()

    @property
    def _user_id(self) -> int | None:
        return None if self._user is None else self._user.user_id

    def _take_user(self) -> None:
        """Make the job's folders a user's of its own, where the server is root and that works.

        Raises:
            SetupError: All users are in use.
        """
        if self._spec.user_ids is None or os.geteuid() != 0:
            return
        (self._instance.ml / "input" / "data").mkdir(exist_ok=True)
        try:
            self._user = users.claim(
                self._directory,
                self._spec.user_ids,
                job_id=self._spec.job_id,
                data_directory=self._spec.data_directory,
            )
            os.umask(_UMASK)
            folders = self._directory.given_folders(self._number)
            # The shared folders only once: another instance's processes may be there already.
            self._give(*(folders if self._user.is_first else folders[:-2]))
        except UsersBusyError as error:
            raise SetupError(str(error)) from error
        except (NoUserError, OSError) as error:
            self._give_up_user(str(error))

    def _give(self, *folders: Path) -> None:
        if self._user is not None:
            ownership.give(folders, self._user.user_id)

    def _give_up_user(self, trouble: str) -> None:
        """Let the job run as root."""
        self._log.say(f"The job has no user of its own and runs as root: {trouble}")
        if self._user is not None:
            self.clean_up()
            ownership.give(self._directory.given_folders(self._number), os.geteuid())

    def _places(self) -> variables.Places:
        if self.mode == contained.PLAIN:
            places.link_input(self._directory, self._number)
            return places.open_places(self._directory, self._spec, self._number)
        (self._instance.ml / "input" / "data").mkdir(exist_ok=True)
        return places.private_places(self._spec)

    def _find_mode(self, base: Base) -> str:
        """Return how the instance can be contained; as root where no other user can work here."""
        (self._instance.ml / "input" / "data").mkdir(exist_ok=True)
        mode: str | None = None
        if self._user is not None:
            mode = self._first_mode(base) or self._try_plain(base)
            if mode is None:
                self._give_up_user("no other user can run the interpreter in the job's folders")
        if self._user is None:
            mode = self._first_mode(base)
        if mode is None or mode == contained.PLAIN:
            (self._instance.ml / "input" / "data").rmdir()
        return mode or contained.PLAIN

    def _first_mode(self, base: Base) -> str | None:
        seen = places.private_places(self._spec)
        for mode in contained.modes(self._identity()) if self._spec.private_view else ():
            trouble = self._try(base, mode, seen)
            if trouble is None:
                return mode
            self._log.say(f"No private view of files ({mode}): {trouble}")
        return None

    def _try_plain(self, base: Base) -> str | None:
        """Try the job's user without a view, which hides no files and so opens no way either."""
        way = self._directory.path
        between = [way.parents[1], way.parent, way, way / "shared", way / "shared" / "input"]
        seen = places.open_places(self._directory, self._spec, self._number)
        try:
            ownership.open_way(
                Path(self._spec.data_directory),
                [*between, self._instance.path],
                self._directory.given_folders(self._number),
            )
            trouble = self._try(base, contained.PLAIN, seen)
        except OSError as error:
            trouble = str(error)
        if trouble is None:
            return contained.PLAIN
        self._log.say(f"No user of its own without such a view: {trouble}")
        return None

    def _try(self, base: Base, mode: str, seen: variables.Places) -> str | None:
        """Return why the interpreter does not run in a mode, None where it does.

        That it runs also shows that nothing of it is hidden.
        """
        folders = [] if self._user is None else base.folders
        own = [] if self._user is None else [seen.ml, seen.home, seen.tmp, seen.checkpoints]
        trial = [base.python, "-I", "-S", "-c", _TRIAL, str(len(folders)), *folders, *own]
        try:
            ending = self._pump.run(self._contained(trial, {}, "/", base.needs()), mode)
        except NotAllowedError as error:
            return str(error)
        if ending.exit_code == 0:
            return None
        return ending.trouble or f"{base.python} ended with {ending.exit_code} in it"

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

    def _install(
        self, base: Base, seen: variables.Places, extracted: Path, files: Sequence[Path]
    ) -> Overlay:
        if not self._spec.install_requirements:
            raise SetupError("The script has a requirements.txt; this service installs none")
        overlay = environments.overlay_for(self._environments, base, extracted, files)

        def install(arguments: Sequence[str], path: Path, at: Path) -> tuple[int, str]:
            writable = [Bind(str(path), str(path), writable=True), *self._pip_settings()]
            variables_of_pip = self._pip_variables(seen)
            self._give(path)
            command = self._contained(arguments, variables_of_pip, str(at), base.needs(), writable)
            ending = self._pump.run(command, self.mode)
            if ending.trouble is not None or ending.exit_code is None:
                raise SetupError(ending.trouble or "pip was killed")
            if self._user_id is not None and ending.exit_code == 0:
                ownership.take_back(path, self._user_id)
            return ending.exit_code, ending.output

        at = Path(seen.ml, "code", "customer_code", "extracted")
        try:
            overlay.make(install, at, self._log.say, self._pump.is_unwanted)
        except environments.InterpreterError:
            self._pump.check()
            raise
        except OSError as error:
            raise SetupError(f"The requirements could not be installed: {error}") from error
        return overlay

    def _pip_settings(self) -> list[Bind]:
        """Return what shows pip the server's own settings, copied where the user is another."""
        binds = []
        for number, place in enumerate(
            f"{home}/{name}" for home in home_folders() for name in PIP_SETTINGS
        ):
            if not Path(place).is_file():
                continue
            source = Path(place)
            if self._user is not None:
                source = self._instance.path / f"pip-{number}.conf"
                shutil.copyfile(place, source)
                source.chmod(0o600)
                os.chown(source, self._user.user_id, self._user.user_id)
            binds.append(Bind(str(source), place))
        return binds

    def _pip_variables(self, seen: variables.Places) -> dict[str, str]:
        return {
            **variables.user_variables(self._user_id),
            **variables.inherited(),
            **variables.pip_settings(),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": seen.home,
            "TMPDIR": seen.tmp,
            "PYTHONUNBUFFERED": "1",
        }

    def _identity(self) -> Identity | None:
        if self._user is None:
            return None
        groups = accelerator_groups()
        return Identity(self._user.user_id, groups, self._spec.instance_count)

    def _contained(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        folder: str,
        needed: set[str],
        more: Sequence[Bind] = (),
    ) -> Command:
        view = places.private_view(self._directory, self._spec, self._number, needed, self._user_id)
        limits = self._spec.limits
        return Command(
            arguments=arguments,
            environment=environment,
            folder=folder,
            view=view.with_binds(*more),
            memory_bytes=limits.memory_bytes,
            process_count=limits.process_count,
            file_bytes=limits.disk_bytes,
            identity=self._identity(),
        )
