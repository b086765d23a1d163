"""Requests and waiting, shared by the tests that talk to a live service."""

import json
import time

from openbraket.cli.demo import programs
from support.patience import PATIENCE_S

SV1 = programs.SV1_ARN
BUCKET = "amazon-braket-openbraket-tests"
TERMINAL = {"COMPLETED", "FAILED", "CANCELLED"}
WAIT_S = PATIENCE_S


def task_request(**changes):
    """Return the arguments of create_quantum_task for a small Bell task, with changes."""
    return {
        "action": programs.bell_action(),
        "deviceArn": SV1,
        "outputS3Bucket": BUCKET,
        "outputS3KeyPrefix": "tests",
        "shots": 10,
    } | changes


def openqasm_action(source, **inputs):
    """Return `source` as the action text of create_quantum_task."""
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return json.dumps({"braketSchemaHeader": header, "source": source, "inputs": inputs})


def long_action(*, qubit_count, layer_count):
    """Return a program that takes a while, so that it can be met while it runs."""
    lines = ["OPENQASM 3;", f"bit[{qubit_count}] b;", f"qubit[{qubit_count}] q;"]
    for layer in range(layer_count):
        lines += [f"rx(0.{layer + 1}) q[{i}];\nrz(0.3) q[{i}];" for i in range(qubit_count)]
        lines += [f"cnot q[{i}], q[{i + 1}];" for i in range(layer % 2, qubit_count - 1, 2)]
    lines.append("b = measure q;")
    return openqasm_action("\n".join(lines))


def wait_for(braket, arn, statuses):
    """Return the task once its status is one of `statuses`."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        task = braket.get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"])
        if task["status"] in statuses:
            return task
        time.sleep(0.01)
    raise AssertionError(f"{arn} is {task['status']} after {WAIT_S} s, not {statuses}")
