"""A script's requirements: installed once, by pip, or the job fails with pip's reason."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pip
import pytest

from openbraket.jobs.environments import InterpreterError, prepare_base
from support.instances import archive

PACKAGE = {
    "wanted/pyproject.toml": (
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'wanted'\nversion = '1.5'\n"
    ),
    # A build backend of a few lines, so that nothing need be downloaded.
    "wanted/backend.py": """
import pathlib, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "wanted-1.5-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as wheel:
        wheel.writestr("wanted.py", "version = '1.5'")
        wheel.writestr("wanted-1.5.dist-info/METADATA",
                       "Metadata-Version: 2.1\\nName: wanted\\nVersion: 1.5\\n")
        wheel.writestr("wanted-1.5.dist-info/WHEEL",
                       "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("wanted-1.5.dist-info/RECORD", "")
    return name
""",
}


def with_requirements(requirements, script="import wanted\nprint('HAS', wanted.version)"):
    files = {"main.py": script, "requirements.txt": requirements, "setup.cfg": ""}
    return archive(files | PACKAGE)


def test_local_requirement_is_installed_once(workplace, private_view):
    script = with_requirements(
        f"--no-index\n# a comment\n./wanted  # {private_view}\n",
        "import wanted, boto3, sys\nprint('HAS', wanted.version, sys.prefix)",
    )
    runs = [workplace.job(script, private_view=private_view) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        assert run.wait().exit_code == 0, run.text()
        assert any(line.startswith("HAS 1.5") for line in run.lines())
    installed = [run for run in runs if any("pip install" in line for line in run.lines())]
    assert len(installed) == 1
    again = workplace.job(script, private_view=private_view)
    assert again.start().wait().exit_code == 0, again.text()
    assert not any("pip install" in line for line in again.lines())


def test_environment_is_read_only_to_jobs(workplace, needs_view):
    run = workplace.job(
        with_requirements(
            "--no-index\n./wanted\n",
            "import wanted\nopen(wanted.__file__, 'w')",
        )
    )
    state = run.start().wait()
    assert "Read-only file system" in state.failure, run.text()


@pytest.mark.parametrize("requirement", ["no-such-thing-at-all==1", "wanted==99"])
def test_requirement_that_cannot_be_installed_is_the_reason(workplace, requirement):
    run = workplace.job(with_requirements(f"--no-index\n{requirement}\n"))
    state = run.start().wait()
    assert state.reason == "setup"
    assert state.message == (
        f"The requirements could not be installed: No matching distribution found for {requirement}"
    )
    assert "Running Code As Process" not in run.lines()


def test_service_that_installs_nothing_refuses_requirements(workplace):
    run = workplace.job(with_requirements("wanted\n"), install_requirements=False)
    assert "requirements.txt" in run.start().wait().message


def bare_interpreter(folder):
    """Return an interpreter that has pip and no other package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    own = Path(pip.__file__).parent
    for found in (own, *own.parent.glob("pip-*.dist-info")):
        (packages / found.name).symlink_to(found)
    return str(folder / "bin" / "python")


def sdk_wheel(folder):
    """Write a wheel with the SDK's name, so that nothing need be downloaded."""
    folder.mkdir()
    name = "amazon_braket_sdk-9.9"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("braket_stand_in.py", "")
        wheel.writestr(
            f"{name}.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: amazon-braket-sdk\nVersion: 9.9\n",
        )
        wheel.writestr(
            f"{name}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return folder


def test_base_without_the_sdk_gets_it_once(tmp_path, monkeypatch):
    python = bare_interpreter(tmp_path / "bare")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    said = []
    with pytest.raises(InterpreterError, match="No matching distribution found for amazon-braket"):
        prepare_base(tmp_path / "environments", said.append, python=python)
    assert any("No matching distribution" in line for line in said)
    monkeypatch.setenv("PIP_FIND_LINKS", str(sdk_wheel(tmp_path / "wheels")))
    base = prepare_base(tmp_path / "environments", said.append, python=python)
    assert (base.sdk, base.boto3) == ("9.9", None)
    del said[:]
    assert prepare_base(tmp_path / "environments", said.append, python=python) == base
    assert said == []


def test_making_of_a_base_can_be_given_up(tmp_path):
    python = bare_interpreter(tmp_path / "bare")
    with pytest.raises(InterpreterError, match="stopped while"):
        prepare_base(tmp_path / "environments", python=python, is_unwanted=lambda: True)


def test_stop_while_pip_runs(workplace):
    backend = (
        "import os, socket\nto = socket.create_connection(('127.0.0.1', {}))\n"
        "to.sendall(b'builds\\n')\nto.recv(1)\n"
    )
    files = dict(PACKAGE)
    files["wanted/backend.py"] = backend.format(workplace.ear.port)
    run = workplace.job(
        archive(files | {"main.py": "", "requirements.txt": "--no-index\n./wanted\n"})
    ).start()
    _words, connection = workplace.ear.hear()
    run.runtime.stop(run.directory, 1)
    assert run.wait().reason == "stopped", run.text()
    assert connection.recv(1) == b""
