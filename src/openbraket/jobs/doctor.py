"""What this machine allows hybrid jobs; told to the operator."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from openbraket.jobs import contained
from openbraket.jobs.contained import Command, Contained, NotAllowedError
from openbraket.jobs.container import engine_command
from openbraket.jobs.environments import SDK, InterpreterError, probe
from openbraket.jobs.view import Bind, FileView

PROBE_SECONDS_MAX = 30
_PROBE = """
import sys
sys.path.append(sys.argv[1])
from openbraket.jobs.doctor import try_modes
print(try_modes(sys.argv[2]))
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
        The private view of files, the base environment and the container engine.

    Cost:
        Some processes are started; up to a few seconds.
    """
    return [view_finding(), environment_finding(), engine_finding()]


def view_finding() -> Finding:
    """Return whether jobs get `/opt/ml` and cannot see each other."""
    name = "jobs: private view"
    package = str(Path(__file__).resolve().parents[2])
    with tempfile.TemporaryDirectory(prefix="openbraket-") as folder:
        try:
            answer = subprocess.run(  # noqa: S603  (our own command)
                [sys.executable, "-I", "-S", "-c", _PROBE, package, folder],
                capture_output=True,
                check=True,
                timeout=PROBE_SECONDS_MAX,
            )
            allowed, refusals = json.loads(answer.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            allowed, refusals = None, [str(error)]
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


def try_modes(folder: str) -> str:
    """Try the ways to a private view; run in a process of its own, for it forks.

    Args:
        folder: An empty one.

    Returns:
        JSON of the first way that works, or null, and why the others do not.
    """
    refusals = []
    view = FileView(folder, (Bind(None, "/opt/ml", writable=True),), (("/opt/ml", "/opt/braket"),))
    for mode in contained.modes():
        command = Command(
            arguments=["/bin/sh", "-c", "test -d /opt/braket/."],
            environment={},
            folder="/",
            view=view,
            memory_bytes=1 << 30,
            process_count=16,
            file_bytes=1 << 20,
        )
        try:
            running = Contained(command, mode)
        except NotAllowedError as error:
            refusals.append(f"{mode}: {error}")
            continue
        while not running.is_over:
            running.read_status()
        running.close()
        if running.exit_code == 0:
            return json.dumps([mode, refusals])
        refusals.append(f"{mode}: {running.trouble or 'the view is not as planned'}")
    return json.dumps([None, refusals])
