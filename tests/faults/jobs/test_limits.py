"""A job beyond a limit ends as a whole, with the reason; others go on."""

import pytest

from openbraket.jobs.outcome import failure_reason
from openbraket.jobs.output import LINE_BYTES_MAX
from openbraket.jobs.spec import Limits

MIB = 1 << 20


def test_script_that_forks_for_ever_ends(workplace, private_view):
    script = """
import os
keep = greet("alive")
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    limits = Limits(process_count=40, runtime_seconds=60)
    run = workplace.job(script, limits=limits, private_view=private_view).start()
    _words, connection = workplace.ear.hear()
    state = run.wait()
    assert state.reason == "processes", run.text()
    assert "the limit is 40" in failure_reason([state])
    # Every fork holds the connection; its end means that none is left.
    assert connection.recv(1) == b""


def test_memory_of_all_processes_together_is_limited(workplace, private_view):
    script = """
import os, signal
for _ in range(4):
    if os.fork() == 0:
        block = bytearray(os.urandom(1024)) * (64 * 1024)
        greet("filled")
        signal.pause()
greet("parent")
signal.pause()
"""
    limits = Limits(memory_bytes=200 * MIB)
    run = workplace.job(script, limits=limits, private_view=private_view).start()
    state = run.wait()
    assert state.reason == "memory", run.text()
    assert f"the limit is {200 * MIB}" in state.message


def test_pages_shared_by_forks_count_once(workplace, private_view):
    script = """
import os
block = bytearray(64 << 20)
block[::4096] = b"x" * len(block[::4096])
children = []
connections = []
for _ in range(6):
    child = os.fork()
    if child == 0:
        greet("shares").recv(1)
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""
    limits = Limits(memory_bytes=300 * MIB)
    run = workplace.job(script, limits=limits, private_view=private_view).start()
    connections = [workplace.ear.hear()[1] for _ in range(6)]
    greeter = workplace.job("greet('looks are over')", private_view=private_view).start()
    # Another job's whole life: long enough for looks at this one.
    greeter.wait()
    for connection in connections:
        connection.close()
    assert run.wait().exit_code == 0, run.text()


def test_ten_gigabytes_are_not_written(workplace, private_view):
    script = """
import os
block = b"x" * (1 << 20)
number = 0
while True:
    with open(f"/tmp/part-{number}" if os.environ["TMPDIR"] == "/tmp" else
              f"{os.environ['TMPDIR']}/part-{number}", "wb") as file:
        file.write(block)
    number += 1
"""
    limits = Limits(disk_bytes=30 * MIB)
    run = workplace.job(script, limits=limits, private_view=private_view).start()
    state = run.wait()
    assert state.reason == "disk", run.text()
    assert f"the limit is {30 * MIB}" in failure_reason([state])


def test_one_file_beyond_the_disk_limit_gives_the_same_reason(workplace):
    script = """
with open("big", "wb") as file:
    for _ in range(10_000):
        file.write(b"x" * (1 << 20))
"""
    run = workplace.job(script, limits=Limits(disk_bytes=30 * MIB)).start()
    assert run.wait().reason == "disk", run.text()


def test_a_gigabyte_of_output_is_cut(workplace):
    script = """
import os
block = (b"y" * 99 + b"\\n") * 10_000
for _ in range(1000):
    written = 0
    while written < len(block):
        written += os.write(1, block[written:])
"""
    run = workplace.job(script, limits=Limits(log_bytes=MIB)).start()
    state = run.wait()
    assert state.exit_code == 0, run.text()
    assert run.directory.instance(1).log.stat().st_size <= MIB + 200
    assert f"Output beyond {MIB} bytes is left out." in run.lines()


def test_a_line_without_end_is_split(workplace):
    run = workplace.job(f"print('é' * {LINE_BYTES_MAX})").start()
    assert run.wait().exit_code == 0
    parts = [line for line in run.lines() if "é" in line]
    assert "".join(parts) == "é" * LINE_BYTES_MAX
    assert max(len(part.encode()) for part in parts) <= LINE_BYTES_MAX


def test_run_time_is_limited(workplace, private_view):
    script = "import signal\ngreet('runs')\nsignal.pause()"
    limits = Limits(runtime_seconds=2)
    run = workplace.job(script, limits=limits, private_view=private_view).start()
    state = run.wait()
    assert state.reason == "max_runtime"
    assert "2 seconds" in state.message


@pytest.mark.parametrize("size", [31 * MIB, 10 * 1000**3])
def test_archive_that_unpacks_to_too_much_is_refused(workplace, size):
    import gzip
    import io
    import tarfile

    member = tarfile.TarInfo("main.py")
    member.size = size
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb") as file:
        file.write(member.tobuf() + b"\0" * 10_000)
    run = workplace.job(target.getvalue(), limits=Limits(disk_bytes=30 * MIB)).start()
    assert "unpacks to more than" in run.wait().message
