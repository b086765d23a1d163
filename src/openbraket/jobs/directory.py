"""Where everything of one attempt lies, and the two files by which a supervisor reports.

`JobDirectory` names the paths of an attempt, `InstanceDirectory` those of one instance. Nothing
here starts a process.
"""

import contextlib
import json
import os
import stat
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from openbraket.jobs.spec import JobSpec

FAILURE_BYTES_MAX = 4096
FAILURE_CHARACTERS_MAX = 1024

STARTING, SETUP, RUNNING, ENDED = "STARTING", "SETUP", "RUNNING", "ENDED"


@dataclass(frozen=True, slots=True)
class InstanceState:
    """What a supervisor says of its instance, in `state.json`.

    Attributes:
        phase: `STARTING`, `SETUP` (environment and script are prepared), `RUNNING` or `ENDED`.
        supervisor_pid: The supervisor's process id.
        supervisor_start: Its start time in clock ticks, from `/proc/<pid>/stat`.
        started_at: When the supervisor began, seconds since 1970.
        ended_at: When the last process was gone; None before.
        exit_code: Of the script, 0 to 255, 128 + n for signal n; None where it never ran or was
            killed by the supervisor.
        failure: Text of the failure file, at most 1,024 characters; None where there is none.
        reason: Why it ended otherwise than by itself: `max_runtime`, `stopped`, `memory`, `disk`,
            `processes`, `setup` or `lost`; None where it ended by itself.
        message: That reason as a sentence with the value and the limit; None without a reason.
    """

    phase: str
    supervisor_pid: int
    supervisor_start: int
    started_at: float
    ended_at: float | None = None
    exit_code: int | None = None
    failure: str | None = None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line that a job printed.

    Attributes:
        epoch_ms: When it was read, milliseconds since 1970.
        text: The line without its end.
    """

    epoch_ms: int
    text: str


class InstanceDirectory:
    """Paths of one instance.

    Attributes:
        path: `<attempt>/algo-N`.
        log: Its records, see `read_log`.
        state_path: `state.json`.
        started_path: Made once, when a runtime lets a supervisor begin.
        stop_path: The engine makes this file to end the instance.
        ml: What the script sees as `/opt/ml` and `/opt/braket`.
        model: What becomes `model.tar.gz`.
        failure_path: What the script says of its failure.
        code: The script's parts: bootstrap, original and extracted.
        tmp: What the script sees as `/tmp`.
        home: What the script sees as its home.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.state_path = path / "state.json"
        self.started_path = path / "started"
        self.stop_path = path / "stop"
        self.ml = path / "ml"
        self.model = self.ml / "model"
        self.failure_path = self.ml / "output" / "failure"
        self.code = self.ml / "code"
        self.tmp = path / "tmp"
        self.home = path / "home"

    def state(self) -> InstanceState | None:
        """Return what the supervisor last wrote, None before its first word."""
        try:
            return InstanceState(**json.loads(self.state_path.read_bytes()))
        except FileNotFoundError:
            return None

    def write_state(self, state: InstanceState) -> None:
        """Replace `state.json` in one step.

        Args:
            state: The new state.

        Raises:
            OSError: If it cannot be written.
        """
        aside = self.path / "state.json.new"
        aside.write_text(json.dumps(asdict(state)))
        aside.replace(self.state_path)

    def write_ended(self, reason: str, message: str) -> None:
        """Write that an instance has ended whose supervisor cannot say it any more.

        Args:
            reason: As in `InstanceState`.
            message: The reason as a sentence.

        Raises:
            OSError: It cannot be written.
        """
        now = time.time()
        try:
            known = self.state() or InstanceState(STARTING, 0, 0, now)
        except (ValueError, TypeError):
            known = InstanceState(STARTING, 0, 0, now)
        if known.phase != ENDED:
            self.write_state(
                replace(known, phase=ENDED, ended_at=now, reason=reason, message=message)
            )

    def request_stop(self) -> None:
        """Ask the supervisor to kill its processes; returns at once."""
        self.stop_path.touch()

    def _is_own(self, status: os.stat_result) -> bool:
        return status.st_uid == self.ml.stat().st_uid

    def read_failure(self) -> str | None:
        """Return the start of the failure file, None where there is none.

        No link is followed: the script may have put one in place of the file or its directory, or
        given another's file a second name.
        """
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            directory = os.open(self.ml, flags | os.O_DIRECTORY)
            try:
                output = os.open("output", flags | os.O_DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = output
                file = os.open("failure", flags | os.O_NONBLOCK, dir_fd=directory)
            finally:
                os.close(directory)
            with os.fdopen(file, "rb") as opened:
                status = os.fstat(file)
                if stat.S_ISREG(status.st_mode) and (status.st_nlink == 1 or self._is_own(status)):
                    text = opened.read(FAILURE_BYTES_MAX).decode(errors="replace").strip()
                    return text[:FAILURE_CHARACTERS_MAX]
        return None


class JobDirectory:
    """Paths of one attempt, shared by its instances.

    Attributes:
        path: `<data>/jobs/<job uuid>/<attempt>`.
        spec_path: The specification.
        script: Holds the staged script object, one file.
        input_data: A directory for each channel.
        checkpoints: What is restored before the start and copied back while the job runs.
        user_path: Says which user the job has, where it has one of its own.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.spec_path = self.path / "spec.json"
        shared = self.path / "shared"
        self.script = shared / "script"
        self.input_data = shared / "input" / "data"
        self.checkpoints = shared / "checkpoints"
        self.user_path = self.path / "user"

    def user_id(self) -> int | None:
        """Return the id of the user that the job has, None where it has none of its own."""
        with contextlib.suppress(OSError, ValueError):
            return int(self.user_path.read_bytes())
        return None

    def given_folders(self, number: int) -> list[Path]:
        """Return the folders that belong to the user of an instance; the shared ones last.

        Args:
            number: The instance, from 1.

        Returns:
            Absolute paths.
        """
        instance = self.instance(number)
        return [instance.ml, instance.tmp, instance.home, self.input_data, self.checkpoints]

    def channel(self, name: str) -> Path:
        """Return where a channel's files are staged.

        Args:
            name: The channel's name.

        Returns:
            `shared/input/data/<name>`.
        """
        return self.input_data / name

    def instance(self, number: int) -> InstanceDirectory:
        """Return the paths of an instance.

        Args:
            number: From 1.

        Returns:
            Those of `algo-<number>`.
        """
        return InstanceDirectory(self.path / f"algo-{number}")

    def is_unstarted(self, number: int) -> bool:
        """Return whether an instance's files are prepared and no supervisor was let begin.

        Args:
            number: The instance, from 1.
        """
        instance = self.instance(number)
        is_prepared = self.spec_path.exists() and instance.path.exists()
        is_begun = instance.started_path.exists() or instance.state_path.exists()
        return is_prepared and not is_begun

    def prepare(self, spec: JobSpec) -> None:
        """Make the directories and write the specification; staging and starting come after.

        Args:
            spec: The attempt's specification.

        Raises:
            OSError: If it cannot be written.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.script, self.input_data, self.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
        for channel in spec.channels:
            self.channel(channel.name).mkdir(exist_ok=True)
        for number in range(1, spec.instance_count + 1):
            self.instance(number).path.mkdir(exist_ok=True)
        aside = self.path / "spec.json.new"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(spec.to_json())
        aside.replace(self.spec_path)

    def spec(self) -> JobSpec:
        """Read the specification.

        Returns:
            What `prepare` wrote.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it is not a specification.
        """
        return JobSpec.from_json(self.spec_path.read_bytes())


def read_log(path: Path, offset: int, *, bytes_max: int = 1 << 20) -> tuple[list[LogRecord], int]:
    """Return the whole records that a log holds from an offset on.

    Args:
        path: `InstanceDirectory.log`.
        offset: Where to begin, bytes; 0 or what an earlier call returned.
        bytes_max: How much to read at most, bytes; more than a record.

    Returns:
        The records in order, and the offset after the last; empty where none is new or no log is
        there yet.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            text = file.read(bytes_max)
    except FileNotFoundError:
        return [], offset
    end = text.rfind(b"\n") + 1
    records = []
    for line in text[:end].split(b"\n")[:-1]:
        epoch_ms, _, message = line.partition(b" ")
        records.append(LogRecord(int(epoch_ms), message.decode(errors="replace")))
    return records, offset + end
