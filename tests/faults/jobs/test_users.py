"""Where the server is root, a job's processes are a user of their own, and all of them end."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from openbraket.jobs import users
from openbraket.jobs.files import walk
from openbraket.jobs.outcome import failure_reason
from openbraket.jobs.spec import Limits
from openbraket.jobs.users import live_processes
from support.instances import Ear, Workplace, archive

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the server is not root")

# Every process forks for ever; those that cannot try again.
BOMB = """
import os
greet("begins")
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
WHO = """
import getpass, json, os, pathlib, pwd
print("WHO " + json.dumps({
    "ids": [*os.getresuid(), *os.getresgid()],
    "groups": os.getgroups(),
    "names": [getpass.getuser(), os.environ["USER"]],
    "capabilities": [
        line for line in pathlib.Path("/proc/self/status").read_text().splitlines()
        if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"))
    ],
}))
for place in (os.environ["SM_MODEL_DIR"], os.environ["TMPDIR"], os.path.expanduser("~"),
              os.environ["AMZN_BRAKET_CHECKPOINT_DIR"], "."):
    pathlib.Path(place, "mine").write_text("mine")
open("/dev/stdout", "a").write("CAN REOPEN\\n")
"""
# An interpreter that every user may run, for jobs without a private view.
OPEN_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")


@pytest.fixture
def open_workplace():
    """A workplace whose folders and interpreter other users reach, as in most containers."""
    python = next((path for path in map(os.path.realpath, OPEN_PYTHONS) if Path(path).exists()), "")
    if not python:
        pytest.skip("no interpreter that every user may run")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        root = Path(folder)
        root.chmod(0o755)
        environment = root / "environment"
        name = Path(python).name if "." in Path(python).name else "python3"
        metadata = environment / "lib" / name / "site-packages" / "amazon_braket_sdk-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Name: amazon-braket-sdk\nVersion: 1.0\n")
        (environment / "bin").mkdir()
        (environment / "bin" / "python").symlink_to(python)
        (environment / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
        place = Workplace(root / "data", root / "environments", Ear())
        place.python = str(environment / "bin" / "python")
        yield place
        place.close()


@pytest.fixture(params=["view", "plain"])
def house(request, view_allowed):
    """Makes jobs with and without a private view, each with a user of its own."""
    if request.param == "plain":
        place = request.getfixturevalue("open_workplace")
        return lambda script, **more: place.job(
            script, private_view=False, python=place.python, **more
        )
    if not view_allowed.ok:
        pytest.skip(view_allowed.text)
    return request.getfixturevalue("workplace").job


def user_of(run):
    user_id = run.directory.user_id()
    first, last = users.USER_IDS_DEFAULT
    assert first <= user_id <= last
    return user_id


def test_job_is_another_user_without_rights_and_has_its_folders(house):
    run = house(WHO)
    state = run.start().wait()
    assert state.exit_code == 0, run.text()
    user_id = user_of(run)
    (line,) = [line for line in run.lines() if line.startswith("WHO ")]
    told = json.loads(line.removeprefix("WHO "))
    assert told["ids"] == [user_id] * 6
    assert 0 not in told["groups"]
    assert told["names"] == ["job", "job"]
    *capabilities, grows = [line.split(":")[1].strip() for line in told["capabilities"]]
    assert {int(value, 16) for value in capabilities} == {0}
    assert grows == "1"
    assert "CAN REOPEN" in run.lines()
    mine = run.directory.instance(1).model / "mine"
    assert mine.stat().st_uid == user_id
    assert stat.S_IMODE(mine.stat().st_mode) == 0o644
    assert [found.name for found in walk(mine.parent)] == ["mine"]


def test_user_has_a_name_in_a_view(workplace, needs_view):
    run = workplace.job(
        "import os, pwd, grp\nprint(pwd.getpwuid(os.getuid()).pw_name,"
        " grp.getgrgid(os.getgid()).gr_name, pwd.getpwuid(0).pw_name)"
    )
    assert run.start().wait().exit_code == 0, run.text()
    assert "job job root" in run.lines()


@pytest.mark.parametrize("mode", ["root", "user"])
def test_each_kind_of_view_has_the_user(workplace, needs_view, mode):
    """The second kind is taken where the first is not allowed, so it is tried by itself."""
    run = workplace.job(WHO)
    script = """
import sys
from openbraket.jobs import contained, supervisor
from openbraket.jobs.directory import JobDirectory
contained.modes = lambda identity=None: (sys.argv[2],)
supervisor.Supervisor(JobDirectory(sys.argv[1]), 1, "process").run()
"""
    command = [sys.executable, "-c", script, str(run.directory.path), mode]
    subprocess.run(command, check=True, cwd="/")
    lines = run.lines()
    assert run.directory.instance(1).state().exit_code == 0, lines
    assert any(f'"ids": [{user_of(run)}, ' in line for line in lines)
    assert not any("No private view" in line for line in lines)
    workplace.runs.remove(run)


def test_fork_bomb_is_ended_and_others_go_on(house):
    run = house(BOMB, limits=Limits(process_count=200, runtime_seconds=60)).start()
    (_words, connection), other = run.ear.hear(), house("print('DONE')").start()
    assert other.wait().exit_code == 0, other.text()
    state = run.wait()
    assert failure_reason([state]).startswith("AlgorithmError: The job had "), run.text()
    assert state.reason == "processes"
    assert failure_reason([state]).endswith(" processes; the limit is 200")
    assert live_processes(user_of(run)) == []
    # Every fork holds the connection; its end means that none is left.
    assert connection.recv(1) == b""


def test_kernel_refuses_processes_beyond_twice_the_limit(house):
    """Threads count for the kernel alone, so that the watch does not end the job before."""
    script = """
import threading
gate = threading.Event()
count = 0
try:
    while count < 1000:
        threading.Thread(target=gate.wait, daemon=True).start()
        count += 1
except RuntimeError:
    print("REFUSED AFTER", count)
gate.set()
"""
    run = house(script, limits=Limits(process_count=30))
    assert run.start().wait().exit_code == 0, run.text()
    (line,) = [line for line in run.lines() if line.startswith("REFUSED AFTER")]
    # Warden, bootstrap and script count, too.
    assert 50 <= int(line.split()[-1]) < 60


def test_chain_of_processes_that_flee_is_caught(house):
    """Each forks and ends at once, so a list of them is out of date when it is made."""
    script = """
import os
keep = greet("flees")
os.setsid()
while True:
    if os.fork():
        os._exit(0)
"""
    run = house(
        "import subprocess, sys, os\n"
        "if os.fork() == 0:\n"
        + "".join(f"    {line}\n" for line in script.splitlines())
        + "greet('main').recv(1)\nos._exit(7)"
    ).start()
    heard = dict(run.ear.hear() for _ in range(2))
    heard["main"].sendall(b"!")
    assert run.wait().exit_code == 7, run.text()
    assert heard["flees"].recv(1) == b""
    assert live_processes(user_of(run)) == []


def test_what_outlives_every_supervisor_is_ended_by_the_server(open_workplace):
    script = "import signal\nkeep = greet('main')\nwhile True: signal.pause()"
    run = open_workplace.job(script, private_view=False, python=open_workplace.python).start()
    _words, connection = open_workplace.ear.hear()
    user_id = user_of(run)
    supervisor = run.directory.instance(1).state().supervisor_pid
    (warden,) = children(supervisor)
    # Both at once, as when the machine runs out of memory.
    os.kill(warden, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    os.kill(warden, signal.SIGKILL)
    assert run.wait().phase == "RUNNING"
    assert connection.recv(1) == b""
    assert live_processes(user_id) == []


def children(pid):
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_instances_of_a_job_share_their_user_and_its_last_one_cleans_up(house):
    script = """
import os, pathlib
folder = pathlib.Path(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"])
connection = greet("up")
connection.recv(1)
mine = folder / os.environ["SM_CURRENT_HOST"]
mine.write_text("x")
mine.chmod(0o600)
connection.sendall(b"wrote\\n")
connection.recv(1)
print("READ", sorted(path.read_text() for path in folder.iterdir()), os.getuid())
"""
    run = house(script, instance_count=2).start()
    heard = [run.ear.hear()[1] for _ in range(2)]
    for connection in heard:
        connection.sendall(b"!")
        assert connection.recv(6) == b"wrote\n"
    for connection in heard:
        connection.sendall(b"!")
    assert [run.wait(number).exit_code for number in (1, 2)] == [0, 0], run.text()
    for number in (1, 2):
        assert f"READ ['x', 'x'] {user_of(run)}" in run.lines(number)


def test_requirements_are_installed_as_the_user_and_not_changed_after(house):
    backend = """
import os, pathlib, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "wanted-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as wheel:
        wheel.writestr("wanted.py", f"builder = {os.getuid()}")
        for file, text in (("METADATA", "Metadata-Version: 2.1\\nName: wanted\\nVersion: 1\\n"),
                           ("WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
                                     "Tag: py3-none-any\\n"), ("RECORD", "")):
            wheel.writestr("wanted-1.dist-info/" + file, text)
    return name
"""
    script = """
import os, wanted
print("BUILT BY", wanted.builder, "OWNED BY", os.stat(wanted.__file__).st_uid)
try:
    open(wanted.__file__, "w")
except OSError:
    print("CANNOT CHANGE")
"""
    project = (
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'wanted'\nversion = '1'\n"
    )
    files = {
        "main.py": script,
        "requirements.txt": f"--no-index\n./wanted # {os.getpid()}\n",
        "wanted/pyproject.toml": project,
        "wanted/backend.py": backend,
    }
    run = house(archive(files))
    if not run.spec.private_view:
        pytest.skip("the bare interpreter of this test has no pip")
    assert run.start().wait().exit_code == 0, run.text()
    assert f"BUILT BY {user_of(run)} OWNED BY 0" in run.lines()
    assert "CANNOT CHANGE" in run.lines()


def test_links_left_by_an_installation_do_not_lead_the_views_mounts_out(workplace, needs_view):
    """What runs while requirements are installed comes before the script's own view is made."""
    backend = """
import os, shutil
shutil.rmtree("/opt/ml/input")
os.symlink("/var/tmp", "/opt/ml/input")
def build_wheel(directory, config_settings=None, metadata_directory=None):
    raise SystemExit(0)
"""
    project = (
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'wanted'\nversion = '1'\n"
    )
    files = {
        "main.py": "print('RAN')",
        "requirements.txt": "--no-index\n./wanted\n",
        "wanted/pyproject.toml": project,
        "wanted/backend.py": backend,
    }
    run = workplace.job(archive(files))
    assert run.start().wait().reason == "setup", run.text()
    assert not os.path.lexists("/var/tmp/data")
    assert "RAN" not in run.lines()


def test_other_files_of_root_stay_closed(house, tmp_path):
    secret = Path(tempfile.mkdtemp(dir="/var/tmp")) / "secret"
    secret.write_text("root's")
    secret.parent.chmod(0o755)
    secret.chmod(0o600)
    script = f"""
import os
model = os.environ["SM_MODEL_DIR"]
for number, attempt in enumerate((
    lambda: open({str(secret)!r}).read(),
    lambda: os.link({str(secret)!r}, model + "/second-name"),
    lambda: os.mknod(model + "/disk", 0o60600, os.makedev(8, 0)),
    lambda: os.chown(model, 0, 0),
    lambda: os.setuid(0),
    lambda: os.kill(os.getppid(), 0) or os.kill({os.getpid()}, 0),
)):
    try:
        attempt()
        print("DONE", number)
    except OSError:
        pass
os.symlink({str(secret)!r}, model + "/link")
os.mkfifo(model + "/pipe")
open(model + "/own", "w").write("own")
"""
    try:
        run = house(script)
        assert run.start().wait().exit_code == 0, run.text()
        assert not [line for line in run.lines() if line.startswith("DONE")]
        assert [found.name for found in walk(run.directory.instance(1).model)] == ["own"]
    finally:
        secret.unlink()
        secret.parent.rmdir()


def test_service_without_users_runs_jobs_as_root(workplace):
    run = workplace.job("import os\nprint('USER', os.getuid())", user_ids=None)
    assert run.start().wait().exit_code == 0, run.text()
    assert "USER 0" in run.lines()
    assert run.directory.user_id() is None


def test_job_falls_back_to_root_and_says_so_where_no_other_user_can_work(workplace):
    run = workplace.job("import os\nprint('USER', os.getuid())", private_view=False)
    if users_can_reach(sys.prefix) and users_can_reach(sys.base_prefix):
        pytest.skip("every user can run this interpreter, so the job need not be root")
    assert run.start().wait().exit_code == 0, run.text()
    assert "USER 0" in run.lines()
    assert "The job has no user of its own and runs as root" in run.text()


def users_can_reach(folder):
    places = [Path(folder).resolve(), *Path(folder).resolve().parents]
    return all(place.stat().st_mode & stat.S_IXOTH for place in places)
