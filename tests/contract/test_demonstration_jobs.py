"""The hybrid jobs of the demonstration, and what a Ctrl-C in it leaves."""

import os
import signal
import subprocess
import sys

import pytest

import openbraket.testing
from openbraket.cli.demo import jobs
from support.job_scripts import wait_until


@pytest.fixture(scope="module")
def service():
    with openbraket.testing.start(options=("--workers", "1")) as running:
        yield running


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_search_is_cancelled_half_way_and_goes_on_from_its_checkpoint(service):
    seen = []
    found = jobs.search_ground_state(seen.append)
    assert found.first.state() == "CANCELLED"
    assert found.second.state() == "COMPLETED", found.second.metadata().get("failureReason")
    assert found.first_count == jobs.FIRST_COUNT
    assert sorted(found.energies) == list(range(jobs.ITERATION_COUNT))
    assert seen == sorted(seen)
    # An exact gradient descent: the same in every run.
    assert float(found.result["energy"]) == pytest.approx(jobs.GROUND_ENERGY, abs=1e-4)


def test_decorated_function_trains_inside_the_job(service):
    job, result = jobs.run_decorated()
    assert job.state() == "COMPLETED"
    assert float(result["cost"]) == pytest.approx(-1, abs=1e-4)


def test_reason_of_the_failing_script_is_told_and_logged(service):
    job, reason = jobs.run_failing()
    assert (job.state(), reason) == ("FAILED", "AlgorithmError: KeyError: 'depth', exit code: 1")
    assert any("KeyError: 'depth'" in line for line in jobs.log_lines(job))


@pytest.fixture
def heeds_interrupts():
    """Undo that SIGINT is ignored, which a shell does to what it runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupted_demonstration_leaves_no_process(heeds_interrupts, tmp_path):
    # A whole session of processes: what is left of it after the end is found by its number.
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "openbraket.cli.main", "demo"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=environment, text=True, start_new_session=True
    ) as process:
        for line in process.stdout:
            if line.startswith("2. "):
                break
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 130
    wait_until(lambda: not processes_with(str(tmp_path)))


def processes_with(word):
    """Return the processes whose command line has a word."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if word in line]
