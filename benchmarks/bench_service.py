"""The service around the simulators: latency of a Bell task, creates per second, start-up, memory.

Run: `python benchmarks/bench_service.py`. Goals: Bell p50 <= 10 ms; >= 5,000 creates per second of
server capacity (one second divided by the server's processor time for one request) at 2 KB,
durable; ready in < 1 s; idle server < 120 MB.
"""

import json
import multiprocessing
import socket
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from common import percentile, print_machine, spread
from openbraket.cli.demo import programs
from openbraket.store import access_keys
from openbraket.testing import Service, launch

BUCKET = "amazon-braket-benchmark"
CREATE_COUNT = 6000
CLIENT_COUNT = 2
PIPELINE = 16


def clients(service: Service) -> tuple[Any, Any]:
    options = {
        "endpoint_url": service.endpoint_url,
        "region_name": "us-east-1",
        "aws_access_key_id": "benchmark",
        "aws_secret_access_key": "benchmark",
    }
    return boto3.client("braket", **options), boto3.client("s3", **options)


def bench_start() -> None:
    times, memories, parts = [], [], []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            data_dir = Path(folder)
            for attempt in ("fresh", "again"):
                began = time.perf_counter()
                service = launch(data_dir)
                elapsed = time.perf_counter() - began
                if attempt == "again":
                    times.append(elapsed)
                    time.sleep(1.5)
                    server = psutil.Process(service.process.pid)
                    memories.append(server.memory_full_info().pss / 1e6)
                    children = server.children(recursive=True)
                    parts.append(sum(child.memory_full_info().pss for child in children) / 1e6)
                service.stop()
    print(f"ready after [s]: {spread(times)} (min/median/max; process start included)")
    print(f"idle server [MB]: {spread(memories)}; its fork server and workers: {spread(parts)}")


def bench_bell(service: Service) -> None:
    braket, s3 = clients(service)
    s3.create_bucket(Bucket=BUCKET)
    action = programs.bell_action()
    times, floors = [], []
    for index in range(550):
        began = time.perf_counter()
        arn = braket.create_quantum_task(
            action=action,
            deviceArn=programs.SV1_ARN,
            outputS3Bucket=BUCKET,
            outputS3KeyPrefix="bell",
            shots=100,
        )["quantumTaskArn"]
        while True:
            task = braket.get_quantum_task(quantumTaskArn=arn)
            if task["status"] == "COMPLETED":
                break
        key = task["outputS3Directory"] + "/results.json"
        json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        ended = time.perf_counter()
        # What three calls cost the client when the server has nothing to do.
        braket.get_quantum_task(quantumTaskArn=arn)
        braket.get_quantum_task(quantumTaskArn=arn)
        s3.head_object(Bucket=BUCKET, Key=key)
        if index >= 50:
            times.append(1000 * (ended - began))
            floors.append(1000 * (time.perf_counter() - ended))
    print(
        f"Bell, 100 shots, create to result read by boto3 [ms]: p50 {percentile(times, 0.5):.2f}, "
        f"p95 {percentile(times, 0.95):.2f}, min {min(times):.2f}, max {max(times):.2f}; "
        f"three boto3 calls that do nothing: p50 {percentile(floors, 0.5):.2f}; "
        f"ratio of the medians {percentile(times, 0.5) / percentile(floors, 0.5):.2f}"
    )


def two_kilobytes(number: int) -> str:
    """A program of about 2 KB; `number` makes it different from the others."""
    lines = ["OPENQASM 3.0;", "bit[8] b;", "qubit[8] q;"]
    lines += [f"rx(0.{number:06d}{i:03d}) q[{i % 8}];" for i in range(60)]
    lines += [f"cnot q[{i}], q[{i + 1}];" for i in range(7)]
    lines += [f"b[{i}] = measure q[{i}];" for i in range(8)]
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return json.dumps({"braketSchemaHeader": header, "source": "\n".join(lines), "inputs": {}})


def create_requests(
    endpoint: str, key: tuple[str, str], *, distinct: bool, count: int = CREATE_COUNT
) -> list[bytes]:
    """Complete signed HTTP requests, made before the clock starts."""
    credentials = Credentials(*key)
    signer = SigV4Auth(credentials, "braket", "us-east-1")
    found = []
    for number in range(count):
        body = json.dumps({
            "action": two_kilobytes(number if distinct else 0),
            "clientToken": str(uuid.uuid4()),
            "deviceArn": programs.SV1_ARN,
            "outputS3Bucket": BUCKET,
            "outputS3KeyPrefix": "create",
            "shots": 100,
        }).encode()
        request = AWSRequest(
            "POST", endpoint + "/quantum-task", {"Content-Type": "application/json"}, body
        )
        signer.add_auth(request)
        prepared = request.prepare()
        lines = [f"POST /quantum-task HTTP/1.1\r\nHost: {endpoint.removeprefix('http://')}"]
        lines += [f"{name}: {value}" for name, value in prepared.headers.items()]
        found.append("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return found


def send_all(endpoint: str, requests: list[bytes], results: "multiprocessing.Queue[int]") -> None:
    """Send requests over several connections at once and count the answers of success."""
    host, port = endpoint.removeprefix("http://").split(":")
    connections = [socket.create_connection((host, int(port))) for _ in range(PIPELINE)]
    files = [connection.makefile("rb") for connection in connections]
    created = 0
    for start in range(0, len(requests), PIPELINE):
        group = requests[start : start + PIPELINE]
        for connection, request in zip(connections, group, strict=False):
            connection.sendall(request)
        for file, _ in zip(files, group, strict=False):
            created += b" 20" in file.readline()[:12]
            length = 0
            while (line := file.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            file.read(length)
    results.put(created)


def bench_create(durability: str, *, with_key: bool, distinct: bool) -> None:
    rates, costs = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            data_dir = Path(folder)
            key = ("AKOBBENCHMARK0000000", "secret")
            service = launch(data_dir, options=("--durability", durability, "--workers", "1"))
            server = psutil.Process(service.process.pid)
            boto3.client(
                "s3",
                endpoint_url=service.endpoint_url,
                region_name="us-east-1",
                aws_access_key_id=key[0],
                aws_secret_access_key=key[1],
            ).create_bucket(Bucket=BUCKET)
            if with_key:
                access_keys.register(data_dir, *key, account="000000000000", created_at=0)
                time.sleep(1.2)
            time.sleep(1)
            # The tasks must wait: what is measured is taking them in, not running them.
            workers = server.children(recursive=True)
            for worker in workers:
                worker.suspend()
            everything = create_requests(service.endpoint_url, key, distinct=distinct)
            results: multiprocessing.Queue[int] = multiprocessing.Queue()
            share = CREATE_COUNT // CLIENT_COUNT
            senders = [
                multiprocessing.Process(
                    target=send_all,
                    args=(service.endpoint_url, everything[i * share : (i + 1) * share], results),
                )
                for i in range(CLIENT_COUNT)
            ]
            before, began = server.cpu_times(), time.perf_counter()
            for sender in senders:
                sender.start()
            created = sum(results.get() for _ in senders)
            elapsed, after = time.perf_counter() - began, server.cpu_times()
            for sender in senders:
                sender.join()
            for worker in workers:
                worker.resume()
            service.kill()
            if created != CREATE_COUNT:
                raise RuntimeError(f"only {created} of {CREATE_COUNT} were created")
            spent = after.user + after.system - before.user - before.system
            rates.append(created / elapsed)
            costs.append(1e6 * spent / created)
    capacity = 1e6 / statistics.median(costs)
    print(
        f"CreateQuantumTask 2 KB, {durability:6s}, "
        f"{'verified' if with_key else 'any signature':13s}, "
        f"{'distinct' if distinct else 'same'} programs: {spread(rates)} per second from "
        f"{CLIENT_COUNT} clients on the same processors; server {spread(costs)} us each: "
        f"capacity {capacity:.0f}/s"
    )


def main() -> None:
    print_machine(["openbraket", "boto3", "uvicorn", "sqlalchemy"])
    bench_start()
    for durability in ("normal", "full", "normal", "full"):
        with tempfile.TemporaryDirectory() as folder:
            service = launch(Path(folder), options=("--durability", durability))
            print(f"{durability}: ", end="")
            bench_bell(service)
            service.stop()
    for durability in ("normal", "full"):
        bench_create(durability, with_key=False, distinct=False)
    bench_create("normal", with_key=False, distinct=True)
    bench_create("normal", with_key=True, distinct=False)


if __name__ == "__main__":
    main()
