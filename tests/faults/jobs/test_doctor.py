import json
import os
import subprocess
import sys

import pytest

from openbraket.jobs.doctor import findings

TRY = """
import sys
from openbraket.jobs import contained, doctor
contained.modes = lambda: (sys.argv[2],)
print(doctor.try_modes(sys.argv[1]))
"""


@pytest.mark.parametrize("mode", ["user", "root"])
def test_each_way_to_a_view_works_or_says_why(tmp_path, mode):
    command = [sys.executable, "-c", TRY, str(tmp_path), mode]
    done = subprocess.run(command, check=True, capture_output=True)
    found, refusals = json.loads(done.stdout)
    assert (found is None) == bool(refusals)
    if mode == "root" and os.geteuid() != 0:
        assert found is None
        assert "Operation not permitted" in refusals[0]


def test_findings_say_what_a_job_will_find(workplace):
    found = {finding.name: finding for finding in findings()}
    run = workplace.job("import os\nprint('AT', os.environ['SM_MODEL_DIR'], os.getuid())")
    run.start().wait()
    ((place, user),) = [line.split()[1:] for line in run.lines() if line.startswith("AT ")]
    assert (place == "/opt/ml/model") == found["jobs: private view"].ok
    # What keeps its processes from filling the machine: a user of its own, or a namespace's limit.
    kept = int(user) != 0 if os.geteuid() == 0 else place == "/opt/ml/model"
    assert kept == found["jobs: user"].ok
    assert found["jobs: environment"].ok == any(
        line.startswith("Boto3 Version:  1.") for line in run.lines()
    )
    assert found["jobs: containers"].text


def test_machine_without_views_is_told_why(monkeypatch):
    from openbraket.jobs import doctor

    monkeypatch.setattr(doctor, "_PROBE", "print('[null, [\"user: not here\"]]')")
    finding = doctor.view_finding()
    assert not finding.ok
    assert finding.text.endswith("can read what the server's user can read: user: not here")


@pytest.mark.skipif(os.geteuid() != 0, reason="the server is not root")
def test_machine_where_jobs_are_root_is_told_why(monkeypatch):
    from openbraket.jobs import doctor

    monkeypatch.setattr(doctor, "_PROBE", "print('[null, [\"root: not here\"]]')")
    finding = doctor.user_finding()
    assert not finding.ok
    assert finding.text.startswith("jobs run as root")
    assert finding.text.endswith("root: not here")
