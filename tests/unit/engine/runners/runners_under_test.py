"""Runners that the engine's tests run in real workers. What to do stands in the action."""

import json
import os
import signal
import sys

from openbraket.base.errors import ProgramError
from openbraket.base.work import ResultObject, RunnerOutput, Work


def run(work: Work, report) -> RunnerOutput:
    order = json.loads(work.action) if work.action.startswith(b"{") else {}
    match order.get("do"):
        case "block":
            report(0.5)
            signal.pause()
        case "spin":
            report(0.5)
            while True:
                pass
        case "reject":
            raise ProgramError("qubit 7 does not exist", line=3)
        case "crash":
            raise ValueError("a bug")
        case "exit":
            sys.exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "print":
            os.write(1, b"noise on standard output\n")
            os.write(2, b"noise on standard error\n")
            print("more noise")
    content = json.dumps({"task": work.task_arn, "attempt": work.attempt}).encode()
    return RunnerOutput((ResultObject("results.json", content),), work.shots)
