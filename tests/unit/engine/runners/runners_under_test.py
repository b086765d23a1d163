"""Runners that the engine's tests run in real workers. What to do stands in the action."""

import json
import os
import signal
import sys
import time

from openbraket.base.errors import ProgramError
from openbraket.base.work import ResultObject, RunnerOutput, Work


def run(work: Work, report) -> RunnerOutput:  # noqa: C901  (a list of orders)
    order = json.loads(work.action) if work.action.startswith(b"{") else {}
    match order.get("do"):
        case "block":
            report(0.5)
            signal.pause()
        case "spin":
            report(0.5)
            while True:
                pass
        case "wait":
            report(0.5)
            while not os.path.exists(order["file"]):  # noqa: PTH110  (needs no import)
                time.sleep(0.01)
        case "eat":
            report(0.5)
            eat()
        case "large":
            piece = ResultObject("results.json", b" " * order["size"])
            return RunnerOutput((piece,), work.shots)
        case "reject":
            raise ProgramError("qubit 7 does not exist", line=3)
        case "crash":
            raise ValueError("a bug")
        case "exit":
            sys.exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang up":
            os.closerange(3, 64)
            while True:
                pass
        case "many":
            names = [f"parts/{index}.json" for index in range(order["count"])]
            objects = tuple(ResultObject(name, b"[]") for name in [*names, "results.json"])
            return RunnerOutput(objects, work.shots, order.get("failure"))
        case "pieces":
            pieces = (bytes([index % 256]) * (1 << 20) for index in range(order["size"] >> 20))
            return RunnerOutput((ResultObject("results.json", b"".join(pieces)),), work.shots)
        case "describe":
            ray = sys.modules.get("ray")
            node = ray.get_runtime_context().get_node_id() if ray else None
            found = {"pid": os.getpid(), "threads": work.thread_count, "node": node}
            return RunnerOutput((ResultObject("r", json.dumps(found).encode()),), work.shots)
        case "print":
            os.write(1, b"noise on standard output\n")
            os.write(2, b"noise on standard error\n")
            print("more noise")
    content = json.dumps({"task": work.task_arn, "attempt": work.attempt}).encode()
    return RunnerOutput((ResultObject("results.json", content),), work.shots)


def eat():
    eaten = []
    while True:
        eaten.append(b"x" * (16 << 20))
        time.sleep(0.001)
