"""However a job ends, none of its processes is left."""

import os
import signal

# Leaves its parent, its session and its process group, and does not mind polite signals.
ESCAPE = """
import os, signal
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
def escape():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            keep = greet("escaped")
            signal.pause()
        os._exit(0)
"""


def test_stop_ends_the_tree(workplace, private_view):
    script = ESCAPE + "escape()\nkeep = greet('main')\nwhile True: signal.pause()"
    run = workplace.job(script, private_view=private_view).start()
    heard = dict(workplace.ear.hear() for _ in range(2))
    run.runtime.stop(run.directory, 1)
    state = run.wait()
    assert (state.phase, state.reason, state.exit_code) == ("ENDED", "stopped", None)
    assert [heard[name].recv(1) for name in ("main", "escaped")] == [b"", b""]


def test_sigterm_of_the_supervisor_is_a_stop(workplace):
    run = workplace.job("import signal\nkeep = greet('main')\nsignal.pause()").start()
    workplace.ear.hear()
    os.kill(run.directory.instance(1).state().supervisor_pid, signal.SIGTERM)
    assert run.wait().reason == "stopped"


def test_end_of_the_script_ends_what_it_left_behind(workplace, private_view):
    script = ESCAPE + "escape()\ngreet('main').recv(1)"
    run = workplace.job(script, private_view=private_view).start()
    heard = dict(workplace.ear.hear() for _ in range(2))
    heard["main"].sendall(b"!")
    assert run.wait().exit_code == 0, run.text()
    assert heard["escaped"].recv(1) == b""


def test_death_of_the_supervisor_ends_the_tree(workplace, private_view):
    script = ESCAPE + "escape()\nkeep = greet('main')\nwhile True: signal.pause()"
    run = workplace.job(script, private_view=private_view).start()
    heard = dict(workplace.ear.hear() for _ in range(2))
    os.kill(run.directory.instance(1).state().supervisor_pid, signal.SIGKILL)
    assert [heard[name].recv(1) for name in ("main", "escaped")] == [b"", b""]
    assert run.wait().phase == "RUNNING"
    assert not run.runtime.is_alive(run.directory, 1)


def test_script_cannot_kill_its_warden_and_live(workplace, needs_view):
    script = """
import os, signal
os.kill(1, signal.SIGKILL)
os.kill(1, signal.SIGTERM)
try:
    open("/proc/1/environ").read()
except PermissionError:
    print("CANNOT LOOK")
print("ALIVE", os.getppid())
"""
    run = workplace.job(script)
    assert run.start().wait().exit_code == 0, run.text()
    assert "CANNOT LOOK" in run.lines()


def test_without_a_view_death_of_the_warden_ends_the_tree(workplace):
    script = (
        ESCAPE
        + """
escape()
bootstrap = open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2]
keep = greet("warden " + bootstrap.split()[1])
while True: signal.pause()
"""
    )
    run = workplace.job(script, private_view=False).start()
    heard = dict(workplace.ear.hear() for _ in range(2))
    (main,) = set(heard) - {"escaped"}
    os.kill(int(main.removeprefix("warden ")), signal.SIGKILL)
    assert run.wait().reason == "lost", run.text()
    assert [heard[name].recv(1) for name in (main, "escaped")] == [b"", b""]


def test_stop_before_the_start_runs_nothing(workplace):
    run = workplace.job("greet('must not run')")
    run.directory.instance(1).request_stop()
    state = run.start().wait()
    assert (state.reason, state.exit_code) == ("stopped", None)
    assert "Running Code As Process" not in run.lines()


def test_directory_that_vanishes_ends_the_job(workplace):
    run = workplace.job("import signal\nkeep = greet('main')\nsignal.pause()").start()
    _words, connection = workplace.ear.hear()
    pid = run.directory.instance(1).state().supervisor_pid
    descriptor = os.pidfd_open(pid)
    run.directory.path.rename(run.directory.path.with_name("gone"))
    workplace.runs.remove(run)
    assert connection.recv(1) == b""
    os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOWAIT)
    os.close(descriptor)


def test_supervisor_that_is_not_recorded_runs_nothing(workplace):
    import subprocess
    import sys

    run = workplace.job("greet('must not run')")
    command = [sys.executable, "-m", "openbraket.jobs.supervisor", str(run.directory.path), "1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, capture_output=True)
    assert done.returncode == 0
    assert run.directory.instance(1).state() is None
    assert not run.directory.instance(1).log.exists()
    workplace.runs.remove(run)
