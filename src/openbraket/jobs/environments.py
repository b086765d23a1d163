"""Interpreter environments: a base that has amazon-braket-sdk, and overlays by requirements.

A job without requirements runs with the base. An overlay is a virtual environment that sees the
base's packages behind its own; it is made once for each base and content of the requirements, under
a lock, and is read-only to jobs.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SDK = "amazon-braket-sdk"
LOCK_SECONDS_BETWEEN_TRIES = 0.05
PROBE_SECONDS_MAX = 60
REQUIREMENTS_BYTES_MAX = 1 << 20
_DONE = "openbraket-complete"
# A requirement by name: what it installs depends on nothing beside this line.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]/]*\])?[^/@\\]*")

_PROBE = """
import importlib.metadata, json, os, site, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
folders = [path for path in sys.path if path and os.path.isdir(path)]
print(json.dumps({
    "python": sys.executable, "version": sys.version.split()[0],
    "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}),
    "folders": folders, "packages": [path for path in site.getsitepackages() if path in folders],
    "sdk": version("amazon-braket-sdk"), "boto3": version("boto3"), "pip": version("pip"),
}))
"""

Install = Callable[[Sequence[str], Path, Path], tuple[int, str]]


class InterpreterError(Exception):
    """An environment cannot be made; the message is for the job's owner."""


@dataclass(frozen=True, slots=True)
class Base:
    """What an interpreter says of itself.

    Attributes:
        python: Its path.
        version: Of Python.
        prefixes: Folders that hold the interpreter and its libraries.
        folders: Where it looks for modules.
        packages: Those of them that hold installed packages.
        sdk: Version of amazon-braket-sdk, None where it has none.
        boto3: Version of boto3, None where it has none.
        pip: Version of pip, None where it has none.
    """

    python: str
    version: str
    prefixes: list[str]
    folders: list[str]
    packages: list[str]
    sdk: str | None
    boto3: str | None
    pip: str | None

    def needs(self) -> set[str]:
        """Return the folders that must be seen for it to run, and what their links lead to."""
        named = {*self.prefixes, *self.folders}
        real = {os.path.realpath(folder) for folder in named}
        return named | real | {str(Path(os.path.realpath(self.python)).parent)}


def probe(python: str, folder: Path) -> Base:
    """Ask an interpreter what it is, once.

    Args:
        python: Its path.
        folder: Where answers are kept.

    Returns:
        Its answer; a kept one as long as neither it nor its packages' folders have changed.

    Raises:
        InterpreterError: If it does not run.
    """
    key = hashlib.sha256(f"{python} {_changed_at(python)}".encode()).hexdigest()[:32]
    kept = folder / f"base-{key}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        document = json.loads(kept.read_bytes())
        if document["changed"] == [_changed_at(path) for path in document["base"]["folders"]]:
            return Base(**document["base"])
    try:
        answer = subprocess.run(  # noqa: S603  (our own command)
            [python, "-c", _PROBE],
            capture_output=True,
            check=True,
            timeout=PROBE_SECONDS_MAX,
            cwd="/",
            env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        ).stdout
        base = Base(**json.loads(answer))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        raise InterpreterError(f"the interpreter {python} does not run: {error}") from error
    document = {"changed": [_changed_at(path) for path in base.folders], "base": asdict(base)}
    aside = kept.with_suffix(f".{os.getpid()}")
    folder.mkdir(parents=True, exist_ok=True)
    aside.write_text(json.dumps(document))
    aside.replace(kept)
    return base


def _changed_at(path: str) -> int:
    with contextlib.suppress(OSError):
        return Path(path).stat().st_mtime_ns
    return 0


def prepare_base(
    folder: Path,
    say: Callable[[str], None] = lambda _line: None,
    *,
    python: str | None = None,
    is_unwanted: Callable[[], bool] = lambda: False,
) -> Base:
    """Return a base environment, made now if none is there.

    Called ahead by the service, so that the first job need not wait.

    Args:
        folder: Where environments are kept.
        say: Takes the progress, line by line.
        python: The interpreter; None for this process's own.
        is_unwanted: Asked while waiting; True gives up.

    Returns:
        The interpreter itself where it has amazon-braket-sdk, else an overlay that has it.

    Raises:
        InterpreterError: If the packages cannot be installed, with pip's reason.
    """
    base = probe(python or sys.executable, folder)
    if base.sdk is not None:
        return base

    def install(arguments: Sequence[str], _overlay: Path, at: Path) -> tuple[int, str]:
        return _run_here(arguments, at, say, is_unwanted)

    overlay = Overlay(folder, base, f"{SDK}\n", [SDK])
    overlay.make(install, folder, say, is_unwanted)
    return probe(overlay.python, folder)


def _run_here(
    arguments: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
    is_unwanted: Callable[[], bool],
) -> tuple[int, str]:
    """Run our own pip command without a view: what it installs is our choice, not a script's.

    Raises:
        InterpreterError: If it is not wanted any more.
    """
    lines = []
    with subprocess.Popen(  # noqa: S603  (our own command)
        arguments,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        if process.stdout is None:
            raise InterpreterError("pip has no standard output")
        pending = b""
        while True:
            ready, _, _ = select.select([process.stdout], [], [], LOCK_SECONDS_BETWEEN_TRIES)
            if is_unwanted():
                os.killpg(process.pid, signal.SIGKILL)
                raise InterpreterError("stopped while the base environment was made")
            if not ready:
                continue
            text = os.read(process.stdout.fileno(), 1 << 16)
            *whole, pending = (pending + text).split(b"\n")
            for line in whole:
                lines.append(line.decode(errors="replace"))
                say(lines[-1])
            if not text:
                break
    return process.returncode, "\n".join(lines)


class Overlay:
    """An environment over a base, for one content of requirements.

    Attributes:
        path: Where it lies.
        python: Its interpreter.
    """

    def __init__(self, folder: Path, base: Base, content: str, arguments: Sequence[str]) -> None:
        """Name it; nothing is made.

        Args:
            folder: Where environments are kept.
            base: What it lies over.
            content: What its packages follow from.
            arguments: For `pip install`.
        """
        identity = json.dumps([base.python, base.version, base.folders, base.sdk, content])
        self._name = hashlib.sha256(identity.encode()).hexdigest()[:32]
        self._folder = folder
        self._base = base
        self._arguments = arguments
        self.path = folder / self._name
        self.python = str(self.path / "bin" / "python")

    def is_made(self) -> bool:
        """Return whether it is complete."""
        return (self.path / _DONE).exists()

    def make(
        self,
        install: Install,
        at: Path,
        say: Callable[[str], None],
        is_unwanted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make it unless it is there; of several at once one does and the others wait.

        Args:
            install: Runs a command that may write to this environment, in a folder; gives its
                exit code and output.
            at: The folder that relative requirements are relative to.
            say: Takes the progress.
            is_unwanted: Asked while waiting for another to make it; True gives up.

        Raises:
            InterpreterError: If it cannot be made, with pip's reason.
        """
        if self.is_made():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock(is_unwanted):
            if self.is_made():
                return
            self._make_empty()
            pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
            command = [self.python, *pip, "--no-cache-dir", *self._arguments]
            say(" ".join(["pip install", *self._arguments]))
            code, text = install(command, self.path, at)
            if code != 0:
                shutil.rmtree(self.path, ignore_errors=True)
                raise InterpreterError(pip_reason(text, code))
            self._say_done()

    def _say_done(self) -> None:
        done = self.path / _DONE
        # What installing has run may have put something in its place.
        done.unlink(missing_ok=True)
        os.close(os.open(done, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))

    @contextlib.contextmanager
    def _lock(self, is_unwanted: Callable[[], bool]) -> Iterator[None]:
        with (self._folder / f"{self._name}.lock").open("w") as file:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if is_unwanted():
                    raise InterpreterError("stopped while another job made the same environment")
                time.sleep(LOCK_SECONDS_BETWEEN_TRIES)
            yield

    def _make_empty(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        has_pip = ["--without-pip"] if self._base.pip is not None else []
        try:
            command = [self._base.python, "-I", "-m", "venv", *has_pip, str(self.path)]
            subprocess.run(  # noqa: S603  (our own command)
                command, check=True, capture_output=True, timeout=PROBE_SECONDS_MAX
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise InterpreterError(f"no virtual environment can be made: {error}") from error
        # Behind the environment's own packages, and with the base's own .pth files.
        for packages in self.path.glob("lib/python*/site-packages"):
            lines = [f"import site; site.addsitedir({path!r})\n" for path in self._base.packages]
            (packages / "base.pth").write_text("".join(lines))


def overlay_for(folder: Path, base: Base, extracted: Path, files: Sequence[Path]) -> Overlay:
    """Return the overlay that a script's requirements ask for.

    Requirements by name alone give scripts that ask for the same the same environment; those that
    lead to files or addresses share it only with the very same script.

    Args:
        folder: Where environments are kept.
        base: What it lies over.
        extracted: The script.
        files: Its requirement files, in `extracted`.

    Returns:
        An overlay, made or not.

    Raises:
        InterpreterError: If a file is too long or no text.
    """
    texts = [_read(file) for file in files]
    lines = [line for text in texts for line in requirement_lines(text)]
    content = "\n".join(sorted(lines))
    if not all(_PLAIN.fullmatch(line) for line in lines):
        content = _digest(extracted)
    arguments = [part for file in files for part in ("-r", str(file.relative_to(extracted)))]
    return Overlay(folder, base, content, arguments)


def requirement_lines(text: str) -> list[str]:
    """Return a requirement file's lines without comments and blanks.

    Args:
        text: Its content.

    Returns:
        What is left, in order.
    """
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def pip_reason(output: str, code: int) -> str:
    """Return why pip failed.

    Args:
        output: All it printed.
        code: Its exit code.

    Returns:
        Its last line that says ERROR, in one sentence.
    """
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    reason = errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with exit code {code}"
    return f"The requirements could not be installed: {reason}"


def _read(file: Path) -> str:
    if file.stat().st_size > REQUIREMENTS_BYTES_MAX:
        raise InterpreterError(f"{file.name} is larger than {REQUIREMENTS_BYTES_MAX} bytes")
    try:
        return file.read_text()
    except UnicodeDecodeError as error:
        raise InterpreterError(f"{file.name} is not UTF-8 text") from error


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            digest.update(f"{path.relative_to(folder)} -> {path.readlink()}\0".encode())
        elif path.is_file():
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
