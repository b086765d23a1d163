"""A small supervisor: runs a job's staged script with sh and reports as the real one does.

Usage: python job_supervisor.py ATTEMPT_DIRECTORY INSTANCE. The script finds the variables of its
specification, MODEL and CHECKPOINTS; it starts in its instance's directory.
"""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path


def main(attempt, number):
    spec = json.loads((attempt / "spec.json").read_text())
    place = attempt / f"algo-{number}"
    model = place / "ml" / "model"
    (place / "ml" / "output").mkdir(parents=True, exist_ok=True)
    model.mkdir(exist_ok=True)
    stat = Path("/proc/self/stat").read_text()
    state = {
        "supervisor_pid": os.getpid(),
        "supervisor_start": int(stat.rpartition(")")[2].split()[19]),
        "started_at": time.time(),
    }

    def say(phase, **more):
        aside = place / "state.json.new"
        aside.write_text(json.dumps(state | {"phase": phase} | more))
        aside.rename(place / "state.json")

    say("STARTING")
    (script,) = (attempt / "shared" / "script").iterdir()
    environment = os.environ | spec["environment"]
    environment |= {"MODEL": str(model), "CHECKPOINTS": str(attempt / "shared" / "checkpoints")}
    environment |= {"INPUT": str(attempt / "shared" / "input" / "data"), "NUMBER": str(number)}
    say("RUNNING")
    process = subprocess.Popen(
        ["/bin/sh", str(script)],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.set_blocking(process.stdout.fileno(), False)
    reason, deadline = None, time.monotonic() + spec["limits"]["runtime_seconds"]
    with (place / "log").open("ab", buffering=0) as log:
        rest = b""
        while True:
            ended = process.poll() is not None
            output = process.stdout.read()
            is_closed = output == b""
            rest += output or b""
            *lines, rest = rest.split(b"\n")
            for line in lines:
                log.write(f"{time.time_ns() // 10**6} ".encode() + line + b"\n")
            if ended:
                break
            if (place / "stop").exists():
                reason = reason or "stopped"
            elif time.monotonic() > deadline:
                reason = "max_runtime"
            if reason:
                os.killpg(process.pid, 9)
            # Woken by output and by the script's end; only a stop request is looked for.
            select.select([] if is_closed else [process.stdout], [], [], 0.05)
    failure = place / "ml" / "output" / "failure"
    say(
        "ENDED",
        ended_at=time.time(),
        exit_code=None if reason else process.returncode,
        failure=failure.read_text() if failure.exists() else None,
        reason=reason,
        message=reason and f"it was {reason}",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
