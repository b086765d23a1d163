"""Runs a hybrid job's entry point; a file of its own, run by the job's interpreter.

It lies in the job's code folder beside `customer_code` and imports nothing of OpenBraket: the
interpreter need not have it. Exit code and failure file say how the script ended.
"""

import importlib
import importlib.metadata
import inspect
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Set by a runtime whose image brings its own interpreter, so that only the image can install.
INSTALL_VARIABLE = "OPENBRAKET_INSTALL_REQUIREMENTS"
CODE = Path(__file__).resolve().parent
EXTRACTED = CODE / "customer_code" / "extracted"
FAILURE = CODE.parent / "output" / "failure"


def say(text: str) -> None:
    """Print a line at once.

    Args:
        text: The line.
    """
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def record_failure(text: str) -> None:
    """Write the failure file, which becomes the job's failure reason.

    Args:
        text: Why it failed.
    """
    FAILURE.parent.mkdir(parents=True, exist_ok=True)
    FAILURE.write_text(text, errors="replace")


def set_up() -> None:
    """Install requirements with this interpreter; only where no environment was prepared."""
    try:
        say(f"Boto3 Version:  {importlib.metadata.version('boto3')}")
    except importlib.metadata.PackageNotFoundError:
        say("Boto3 Version:  not installed")
    say("Beginning Setup")
    say("Checking for Additional Requirements")
    for file in sorted(EXTRACTED.rglob("requirements.txt")):
        command = [sys.executable, "-m", "pip", "install", "-r", str(file)]
        try:
            subprocess.run(command, cwd=file.parent, check=True)  # noqa: S603  (our own command)
        except subprocess.CalledProcessError as error:
            record_failure(f"{file.name} could not be installed: pip ended with {error.returncode}")
            sys.exit(0)
    say("Additional Requirements Check Finished")


def find_entry_point(entry_point: str) -> Callable[[], object]:
    """Return what runs an entry point.

    Args:
        entry_point: `module` or `module:function`.

    Returns:
        A function without arguments.

    Raises:
        ImportError: If there is no such module.
        AttributeError: If the module has no such function.
        TypeError: If what it has cannot be called.
    """
    module_name, colon, name = entry_point.partition(":")
    if not colon:
        return lambda: runpy.run_module(module_name, run_name="__main__")
    function = getattr(importlib.import_module(module_name), name)
    if not callable(function):
        raise TypeError(f"{entry_point} is a {type(function).__name__}, not a function")
    arguments = arguments_for(function, hyperparameters())
    return lambda: function(**arguments)


def hyperparameters() -> dict[str, str]:
    """Return the job's hyperparameters, from their file."""
    path = Path(os.environ["AMZN_BRAKET_HP_FILE"])
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def arguments_for(function: Callable[..., object], values: dict[str, str]) -> dict[str, Any]:
    """Return the keyword arguments that hyperparameters make for a function.

    Args:
        function: The entry point.
        values: Hyperparameters.

    Returns:
        Each cast by its parameter's annotation; nothing where the names are not those of the
        function's parameters.

    Raises:
        ValueError: If a value cannot be cast.
    """
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:
        signature = inspect.signature(function)
    try:
        signature.bind(**values)
    except TypeError:
        return {}
    arguments = {}
    for name, value in values.items():
        parameter = signature.parameters.get(name)
        kind = str if parameter is None else parameter.annotation
        is_cast = callable(kind) and kind is not inspect.Parameter.empty
        arguments[name] = kind(value) if is_cast else value
    return arguments


def run_entry_point() -> None:
    """Run the entry point in this process; an exception becomes the failure file."""
    os.chdir(EXTRACTED)
    sys.path.insert(0, str(EXTRACTED))
    try:
        find_entry_point(os.environ["AMZN_BRAKET_SCRIPT_ENTRY_POINT"])()
    except Exception as error:
        record_failure(f"{type(error).__name__}: {error}")
        traceback.print_exc()
        sys.exit(1)


def main() -> None:
    """Run the job's script in a process of its own and end with its exit code."""
    if os.environ.pop(INSTALL_VARIABLE, ""):
        set_up()
    say("Running Code As Process")
    if os.environ.get("OMPI_COMM_WORLD_SIZE"):
        run_entry_point()
        return
    process = multiprocessing.get_context("fork").Process(target=run_entry_point)
    process.start()
    process.join()
    say("Code Run Finished")
    code = process.exitcode or 0
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
