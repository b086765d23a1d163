"""What this machine allows hybrid jobs; told to the operator."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openbraket.jobs import contained, users
from openbraket.jobs.contained import Command, Contained, NotAllowedError
from openbraket.jobs.container import engine_command
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.environments import SDK, InterpreterError, probe
from openbraket.jobs.users import USER_IDS_DEFAULT, Identity
from openbraket.jobs.view import Bind, FileView

PROBE_SECONDS_MAX = 30
_PROBE = """
import sys
sys.path.append(sys.argv[1])
from openbraket.jobs.doctor import try_modes
print(try_modes(sys.argv[2], as_user=sys.argv[3] == "user"))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a machine allows or not.

    Attributes:
        name: In a word or two.
        ok: Whether jobs have it.
        text: What that means here; one sentence.
    """

    name: str
    ok: bool
    text: str


def findings() -> list[Finding]:
    """Return what this machine allows hybrid jobs.

    Returns:
        The private view of files, the user of jobs, the base environment and the container engine.

    Cost:
        Some processes are started; up to a few seconds.
    """
    return [view_finding(), user_finding(), environment_finding(), engine_finding()]


def view_finding() -> Finding:
    """Return whether jobs get `/opt/ml` and cannot see each other."""
    name = "jobs: private view"
    allowed, refusals = _probed("server")
    if allowed is not None:
        return Finding(
            name, True, "a job sees its own /opt/ml, and no file or process of other jobs"
        )
    return Finding(
        name,
        False,
        "this machine does not allow it, so a job's variables point to its own directory, host "
        "names of instances are addresses, and a job can read what the server's user can read: "
        + "; ".join(refusals),
    )


def _probed(who: str) -> tuple[str | None, list[str]]:
    """Return what `try_modes` finds, in a process of its own."""
    package = str(Path(__file__).resolve().parents[2])
    with tempfile.TemporaryDirectory(prefix="openbraket-") as folder:
        try:
            answer = subprocess.run(  # noqa: S603  (our own command)
                [sys.executable, "-I", "-S", "-c", _PROBE, package, folder, who],
                capture_output=True,
                check=True,
                timeout=PROBE_SECONDS_MAX,
            )
            allowed, refusals = json.loads(answer.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return None, [str(error)]
    return allowed, refusals


def user_finding() -> Finding:
    """Return what keeps a job's processes from filling the machine, and from the server's."""
    name = "jobs: user"
    if os.geteuid() != 0:
        allowed, refusals = _probed("server")
        if allowed is not None:
            return Finding(
                name, True, "the kernel holds each job's limit of processes, in a user namespace"
            )
        return Finding(
            name,
            False,
            "jobs are the server's user, and their limit of processes is only looked at: "
            + "; ".join(refusals),
        )
    allowed, refusals = _probed("user")
    if allowed is not None:
        first, last = USER_IDS_DEFAULT
        return Finding(
            name,
            True,
            f"the service is root, so each running job has a user of its own, one of {first} to "
            f"{last}, and the kernel holds its limit of processes",
        )
    return Finding(
        name,
        False,
        "jobs run as root, and one whose every process forks can slow the machine for a minute: "
        + "; ".join(refusals),
    )


def environment_finding() -> Finding:
    """Return whether jobs can start without a download."""
    name = "jobs: environment"
    with tempfile.TemporaryDirectory(prefix="openbraket-") as folder:
        try:
            base = probe(sys.executable, Path(folder))
        except InterpreterError as error:
            return Finding(name, False, str(error))
    if base.sdk is None:
        return Finding(
            name, False, f"{base.python} has no {SDK}; the first job waits until it is installed"
        )
    return Finding(name, True, f"Python {base.version} with {SDK} {base.sdk}")


def engine_finding() -> Finding:
    """Return whether jobs can run in containers."""
    engine = engine_command()
    if engine is None:
        return Finding("jobs: containers", False, "neither docker nor podman answers")
    return Finding("jobs: containers", True, f"{engine} answers")


def try_modes(folder: str, *, as_user: bool = False) -> str:
    """Try the ways to contain a job; run in a process of its own, for it forks.

    Args:
        folder: An empty one.
        as_user: Whether as a user of jobs, then also without a private view; for root.

    Returns:
        JSON of the first way that works, or null, and why the others do not.
    """
    root = Path(folder, "root")
    root.mkdir()
    if not as_user:
        return json.dumps(_first_mode(str(root), contained.modes(), None))
    directory = JobDirectory(folder)
    try:
        user = users.claim(directory, USER_IDS_DEFAULT, job_id="doctor", data_directory=folder)
    except (users.NoUserError, users.UsersBusyError, OSError) as error:
        return json.dumps([None, [str(error)]])
    try:
        identity = Identity(user.user_id)
        modes = (*contained.modes(identity), contained.PLAIN)
        return json.dumps(_first_mode(str(root), modes, identity))
    finally:
        user.end()


def _first_mode(
    root: str, modes: Sequence[str], identity: Identity | None
) -> tuple[str | None, list[str]]:
    """Return the first way that works, and why those before do not."""
    refusals: list[str] = []
    for mode in modes:
        trouble = _try(root, mode, identity)
        if trouble is None:
            return mode, refusals
        refusals.append(f"{mode}: {trouble}")
    return None, refusals


def _try(root: str, mode: str, identity: Identity | None) -> str | None:
    """Return why a way to contain a job does not work, None where it does."""
    view = FileView(root, (Bind(None, "/opt/ml", writable=True),), (("/opt/ml", "/opt/braket"),))
    test = ["/bin/sh", "-c", "test -d /opt/braket/."]
    if mode == contained.PLAIN:
        # There the interpreter's folders are as they are.
        test = [sys.executable, "-I", "-S", "-c", "pass"]
    command = Command(
        arguments=test,
        environment={},
        folder="/",
        view=view,
        memory_bytes=1 << 30,
        process_count=16,
        file_bytes=1 << 20,
        identity=identity,
    )
    try:
        running = Contained(command, mode)
    except NotAllowedError as error:
        return str(error)
    while not running.is_over:
        running.read_status()
    running.close()
    if running.exit_code == 0:
        return None
    return running.trouble or "what runs in it does not find what it needs"
