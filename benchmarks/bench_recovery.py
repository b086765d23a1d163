"""After kill -9 with 100,000 tasks in the queue; and how long a cancel takes.

Run: `python benchmarks/bench_recovery.py`, about 2 minutes; `--part recovery` or `--part cancel`
alone takes half of it. Goal: 99 % of cancels within 100 ms, of tasks that wait and of tasks that
run, while another client creates and asks.
"""

import argparse
import json
import tempfile
import threading
import time
import urllib.request
import uuid
from pathlib import Path

import boto3

from bench_api import Client, label, new_task
from common import percentile, print_machine, spread
from openbraket.testing import Service, launch
from openbraket.testing.service import client_environment
from records import BUCKET, REGION, fill

GOAL_CANCEL_MS = 100.0
TERMINAL = {"COMPLETED", "FAILED", "CANCELLED"}
# Qubits and layers: runs longer than any cancel takes; and waits for the other, wide as it is.
LONG, WIDE = (25, 30), (20, 8)
# Runs while all of those wait.
BLOCKING = (25, 200)


def metric(service: Service, name: str) -> float:
    """Return the sum of a metric's samples."""
    with urllib.request.urlopen(service.endpoint_url + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith((name + "{", name + " "))]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def bench_recovery(count: int) -> None:
    for durability in ("normal", "full"):
        with tempfile.TemporaryDirectory() as folder:
            data_dir = Path(folder)
            fill(data_dir, queued=count)
            service = launch(data_dir, options=("--durability", durability))
            # Something is running, and something has been written, when it dies.
            time.sleep(4)
            ready, first = [], []
            for _ in range(3):
                service.kill()
                began = time.perf_counter()
                service = launch(data_dir, options=("--durability", durability))
                ready.append(time.perf_counter() - began)
                while metric(service, "openbraket_quantum_tasks_ended_total") == 0:
                    time.sleep(0.02)
                first.append(time.perf_counter() - began)
                time.sleep(1)
            depth = metric(service, "openbraket_queue_depth")
            service.stop()
        print(
            f"{durability:6} {count:,} queued, kill -9: ready after {spread(ready)} s, the first "
            f"task finished after {spread(first)} s; {depth:,.0f} still wait",
            flush=True,
        )


def program(qubit_count: int, layer_count: int) -> str:
    lines = ["OPENQASM 3;", f"bit[{qubit_count}] b;", f"qubit[{qubit_count}] q;"]
    for layer in range(layer_count):
        lines += [f"rx(0.{layer + 1}) q[{i}];" for i in range(qubit_count)]
        lines += [f"cnot q[{i}], q[{i + 1}];" for i in range(layer % 2, qubit_count - 1, 2)]
    lines.append("b = measure q;")
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return json.dumps({"braketSchemaHeader": header, "source": "\n".join(lines), "inputs": {}})


class LightLoad(threading.Thread):
    """Another client: some ten small tasks a second, each asked about."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self._client = Client(service)
        self._ending = threading.Event()

    def run(self) -> None:
        """Create and ask until `end`."""
        while not self._ending.wait(0.1):
            request = new_task() | {"outputS3Bucket": BUCKET}
            arn = self._client.send((REGION, "POST", "/quantum-task", request))[1]["quantumTaskArn"]
            self._client.send((REGION, "GET", "/quantum-task/" + label(arn), None))

    def end(self) -> None:
        """Stop, and wait for the last answer."""
        self._ending.set()
        self.join()


def cancel(client: Client, arn: str) -> tuple[float, float]:
    """Cancel a task; return milliseconds to the answer, and until the task is CANCELLED.

    Raises:
        RuntimeError: It ended otherwise.
    """
    path = "/quantum-task/" + label(arn)
    began = time.perf_counter()
    body = {"clientToken": str(uuid.uuid4())}
    answered, _ = client.send((REGION, "PUT", path + "/cancel", body))
    while (status := client.send((REGION, "GET", path, None))[1]["status"]) not in TERMINAL:
        time.sleep(0.001)
    if status != "CANCELLED":
        raise RuntimeError(f"a cancelled task is {status}")
    return answered, 1e3 * (time.perf_counter() - began)


def bench_cancel(durability: str, queued_count: int, running_count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        service = launch(Path(folder), options=("--durability", durability, "--workers", "2"))
        variables = client_environment(service.endpoint_url)
        boto3.client(
            "s3",
            endpoint_url=service.endpoint_url,
            region_name=REGION,
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        ).create_bucket(Bucket=BUCKET)
        client = Client(service)

        def create(size: tuple[int, int]) -> str:
            request = new_task() | {"outputS3Bucket": BUCKET, "action": program(*size)}
            return str(client.send((REGION, "POST", "/quantum-task", request))[1]["quantumTaskArn"])

        load = LightLoad(service)
        load.start()
        running = []
        for _ in range(running_count):
            arn = create(LONG)
            path = "/quantum-task/" + label(arn)
            while client.send((REGION, "GET", path, None))[1]["status"] != "RUNNING":
                time.sleep(0.005)
            # As it would be met: with its state in memory.
            time.sleep(0.2)
            running.append(cancel(client, arn))
        blocking = create(BLOCKING)
        waiting = [create(WIDE) for _ in range(queued_count)]
        queued = [cancel(client, arn) for arn in waiting]
        cancel(client, blocking)
        load.end()
        client.close()
        service.stop()
    for name, found in (("that wait", queued), ("that run", running)):
        answered, ended = zip(*found, strict=True)
        p99 = percentile(ended, 0.99)
        print(
            f"{durability:6} cancel of {len(found)} tasks {name}: answer p50 "
            f"{percentile(answered, 0.5):.2f}, p99 {percentile(answered, 0.99):.2f}; CANCELLED p50 "
            f"{percentile(ended, 0.5):.2f}, p99 {p99:.2f}, longest {max(ended):.2f} ms "
            f"{'ok' if p99 < GOAL_CANCEL_MS else 'SLOW'}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="tasks in the queue")
    parser.add_argument("--cancels", type=int, default=300, help="of tasks that wait")
    parser.add_argument("--part", choices=("recovery", "cancel"), action="append")
    options = parser.parse_args()
    parts = options.part or ["recovery", "cancel"]
    print_machine(["openbraket", "sqlalchemy"])
    if "recovery" in parts:
        bench_recovery(options.count)
    if "cancel" in parts:
        for durability in ("normal", "full"):
            bench_cancel(durability, options.cancels, options.cancels // 3)


if __name__ == "__main__":
    main()
