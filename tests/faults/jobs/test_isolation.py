"""A job sees neither other jobs nor the service's files, and changes nothing of the machine."""

import json
import os
from pathlib import Path

LOOK = """
import json, os, pathlib, stat, sys
def names(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return type(error).__name__
def attempt(what):
    try:
        what()
        return "done"
    except OSError as error:
        return type(error).__name__
private = pathlib.Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
print("TOLD " + json.dumps({
    "data": names(os.environ["LOOK_AT"]),
    "other": attempt(lambda: open(os.environ["LOOK_FOR"]).read()),
    "home": names(os.path.expanduser("~")),
    "tmp": names("/tmp"),
    "shm": names("/dev/shm"),
    "processes": [n for n in os.listdir("/proc") if n.isdigit()],
    "write": attempt(lambda: open(pathlib.Path(json.__file__).parent / "x", "w")),
    "write_etc": attempt(lambda: open("/etc/openbraket-test", "w")),
    "write_opt": attempt(lambda: os.mkdir("/opt/openbraket-test")),
    "write_kernel": attempt(lambda: open("/proc/sys/kernel/core_pattern", "r+")),
    "write_trigger": attempt(lambda: open("/proc/sysrq-trigger", "w")),
    "disks": [
        attempt(lambda: open(entry.path, "rb").read(1))
        for entry in os.scandir("/dev")
        if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode)
    ],
    "write_home": attempt(lambda: open(os.path.expanduser("~/note"), "w")),
    "mount": os.system("mount -t tmpfs none /mnt 2>/dev/null") != 0,
    "umount": os.system(f"umount '{os.environ['LOOK_AT']}' 2>/dev/null") != 0,
    "nested": os.system(f"unshare -Urm umount '{os.environ['LOOK_AT']}' 2>/dev/null") != 0,
}))
"""


def told(run):
    (line,) = [line for line in run.lines() if line.startswith("TOLD ")]
    return json.loads(line.removeprefix("TOLD "))


def test_two_jobs_cannot_see_each_other(workplace, needs_view):
    holder = workplace.job(
        "import os\n"
        "for at in ('/tmp/secret', '/dev/shm/secret', '/opt/ml/model/secret',"
        " os.path.expanduser('~/secret')):\n"
        "    open(at, 'w').write('mine')\n"
        "greet('wrote').recv(1)"
    ).start()
    _words, connection = workplace.ear.hear()
    secret = holder.directory.instance(1).model / "secret"
    assert secret.read_text() == "mine"
    looker = workplace.job(
        LOOK, environment={"LOOK_AT": str(workplace.data), "LOOK_FOR": str(secret)}
    )
    assert looker.start().wait().exit_code == 0, looker.text()
    seen = told(looker)
    assert seen["data"] == []
    assert seen["other"] == "FileNotFoundError"
    assert "secret" not in seen["tmp"] + seen["home"] + seen["shm"]
    # The warden, the bootstrap, the script and no other.
    assert len(seen["processes"]) <= 4
    for name in ("write", "write_etc", "write_opt", "write_kernel", "write_trigger"):
        assert seen[name] in {"OSError", "PermissionError", "FileNotFoundError"}, name
    assert seen["disks"] == []
    assert seen["write_home"] == "done"
    assert not (Path.home() / "note").exists()
    assert seen["mount"]
    assert seen["umount"]
    assert seen["nested"]
    connection.sendall(b"!")
    assert holder.wait().exit_code == 0, holder.text()


def test_credentials_of_the_server_stay_with_it(workplace, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the server's own")
    monkeypatch.setenv("OPENBRAKET_SOMETHING", "the server's own")
    run = workplace.job("import os\nprint(dict(os.environ))")
    run.start().wait()
    assert "the server's own" not in run.text()


def test_link_in_place_of_the_failure_file_is_not_followed(workplace):
    script = """
import os, shutil
os.rmdir(os.environ["SM_OUTPUT_DATA_DIR"])
shutil.rmtree(os.environ["SM_OUTPUT_DIR"])
os.symlink("/etc", os.environ["SM_OUTPUT_DIR"])
os._exit(5)
"""
    run = workplace.job(script)
    state = run.start().wait()
    assert (state.exit_code, state.failure) == (5, None), run.text()
    assert os.path.lexists(run.directory.instance(1).failure_path.parent)
