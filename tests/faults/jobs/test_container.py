"""The runtime `container`: its calls of an engine, and with an engine that answers, a real run."""

import json
import subprocess
import sys

import pytest

from openbraket.jobs.container import ContainerRuntime, container_name, engine_command

IMAGE = "python:3.12-slim"
# Notes how it was called, and ends as a container would.
ENGINE = """#!{python}
import json, os, sys
with open({calls!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:], os.environ.get("AMZN_BRAKET_JOB_TOKEN")]) + "\\n")
if sys.argv[1] == "version":
    print("27.0")
elif sys.argv[1] == "inspect":
    print({status!r} if "Status" in sys.argv[3] else {oom!r})
elif sys.argv[1] == "run":
    print("printed inside")
    sys.exit({exit_code})
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Return a function that puts a noting engine first on the path and gives its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"

    def install(*, oom="false", status="exited", exit_code=7):
        text = ENGINE.format(
            python=sys.executable, calls=str(calls), oom=oom, status=status, exit_code=exit_code
        )
        (folder / "docker").write_text(text)
        (folder / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return lambda: [json.loads(line) for line in calls.read_text().splitlines()]

    return install


def containered(workplace, **members):
    run = workplace.job("", image_uri=IMAGE, **members)
    run.runtime = ContainerRuntime()
    return run


def test_engine_is_called_with_the_contract_and_cleaned_up(workplace, engine):
    calls = engine()
    run = containered(workplace, environment={"AMZN_BRAKET_JOB_TOKEN": "the secret"})
    assert engine_command().endswith("docker")
    state = run.start().wait()
    assert (state.exit_code, state.reason) == (7, None), run.text()
    assert "printed inside" in run.lines()
    name = container_name(run.spec.job_id, "1", 1)
    made = [(call, token) for call, token in calls() if call[0] == "run"]
    ((arguments, token),) = made
    assert arguments[1:3] == ["--name", name]
    assert token == "the secret"
    assert "the secret" not in " ".join(arguments)
    assert [call for call, _token in calls() if call[0] == "rm"][-1] == ["rm", "--force", name]


def test_container_killed_for_memory_says_so(workplace, engine):
    engine(oom="true")
    state = containered(workplace).start().wait()
    assert state.reason == "memory"


@pytest.mark.parametrize(("status", "reason"), [("created", "setup"), ("exited", None)])
def test_engine_that_fails_is_told_from_a_script_that_ends_like_it(
    workplace, engine, status, reason
):
    engine(status=status, exit_code=125)
    state = containered(workplace).start().wait()
    assert state.reason == reason
    assert ("could not start the image" in (state.message or "")) == (reason == "setup")


def test_job_without_an_engine_or_an_image_fails_with_the_reason(workplace, engine, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    state = containered(workplace).start().wait()
    assert state.message == "No container engine answers: neither docker nor podman"
    engine()
    run = workplace.job("")
    run.runtime = ContainerRuntime()
    assert "needs an image" in run.start().wait().message


def test_image_runs_the_script(workplace):
    command = engine_command()
    if command is None:
        pytest.skip("neither docker nor podman answers")
    found = subprocess.run([command, "image", "inspect", IMAGE], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip(f"{IMAGE} is not on this machine")
    run = containered(workplace, entry_point="main:train", hyperparameters={"depth": "3"})
    text = "def train(depth: int):\n    open('/opt/braket/model/x', 'w').write(repr(depth))\n"
    (run.directory.script / "main.py").write_text(text)
    assert run.start().wait().exit_code == 0, run.text()
    assert (run.directory.instance(1).model / "x").read_text() == "3"
    assert "Code Run Finished" in run.lines()
