"""Tasks per second end to end: create, run, see it complete, read the result.

Run: `python benchmarks/bench_throughput.py`, about 2 minutes; `--rounds 1 --count 2000` takes half
a minute. Goals: >= 400 tasks per second on two processors with the client elsewhere, < 0.5 ms of
the server's processor time for dispatching one; `--durability full` costs < 20 % of `normal`.

- *Whole*: a client process with several connections, each of which creates a Bell task, asks until
  it has ended, and reads its result, then the next. The client shares the processors, so what the
  two could do without it is given, too: their time divided by what server and workers took.
- *Drain*: tasks that wait already are run, and nobody asks: what dispatching costs the server.

Durabilities take turns within a round, and their ratio is of medians over the rounds.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import boto3
import psutil
import uvloop

from bench_api import REGION, Client, headers, label
from common import percentile, print_machine, spread
from openbraket.cli.demo import programs
from openbraket.testing import Service, launch
from openbraket.testing.service import client_environment

BUCKET = "amazon-braket-benchmark"
GOAL_PER_S, GOAL_DISPATCH_MS, GOAL_FULL_SHARE = 400, 0.5, 0.8
# How long a client waits that was told that its task has not ended.
POLL_S = 0.02
TERMINAL = {"COMPLETED", "FAILED", "CANCELLED"}


@dataclass
class Round:
    """One measurement: tasks, seconds, and processor seconds of each side."""

    count: int
    elapsed_s: float
    server_s: float
    workers_s: float
    client_s: float = 0.0
    latencies_ms: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Tasks per second."""
        return self.count / self.elapsed_s

    @property
    def alone(self) -> float:
        """Tasks per second that two processors would do with the client elsewhere."""
        return 2 * self.count / (self.server_s + self.workers_s)


class Connection:
    """One HTTP connection of the client process."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._heads: dict[tuple[str, str, str], bytes] = {}

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(*self._address)

    async def send(
        self, method: str, path: str, body: bytes = b"", service: str = "braket"
    ) -> bytes:
        """Send a request and return the answer's body.

        Raises:
            RuntimeError: The request was refused.
        """
        head = self._heads.get((method, path, service))
        if head is None:
            fields = headers(REGION, 0)
            del fields["Content-Length"]
            fields["Authorization"] = fields["Authorization"].replace("/braket/", f"/{service}/")
            lines = [f"{method} {path} HTTP/1.1", "Host: {}:{}".format(*self._address)]
            lines += [f"{name}: {value}" for name, value in fields.items()]
            head = "\r\n".join(lines).encode() + b"\r\nContent-Length: "
            if len(self._heads) < 100:
                self._heads[method, path, service] = head
        self._writer.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        answer = await self._reader.readuntil(b"\r\n\r\n")
        text = answer.lower()
        start = text.index(b"content-length:") + 15
        content = await self._reader.readexactly(int(text[start : text.index(b"\r\n", start)]))
        if answer[9:11] != b"20":
            raise RuntimeError(f"{method} {path}: {answer[:40]!r} {content[:300]!r}")
        return content

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()


def new_task() -> bytes:
    return json.dumps({
        "action": programs.bell_action(),
        "clientToken": str(uuid.uuid4()),
        "deviceArn": programs.SV1_ARN,
        "outputS3Bucket": BUCKET,
        "outputS3KeyPrefix": "throughput",
        "shots": 100,
    }).encode()


async def one_task(connection: Connection) -> float:
    """See one task from its creation to its result; returns milliseconds.

    Raises:
        RuntimeError: It did not complete, or with another result.
    """
    began = time.perf_counter()
    made = json.loads(await connection.send("POST", "/quantum-task", new_task()))
    path = "/quantum-task/" + label(made["quantumTaskArn"])
    while True:
        task = json.loads(await connection.send("GET", path))
        if task["status"] in TERMINAL:
            break
        await asyncio.sleep(POLL_S)
    if task["status"] != "COMPLETED":
        raise RuntimeError(f"a task ended as {task['status']}: {task.get('failureReason')}")
    key = f"/{BUCKET}/{task['outputS3Directory']}/results.json"
    result = json.loads(await connection.send("GET", key, service="s3"))
    if len(result["measurements"]) != 100:
        raise RuntimeError("a result is wrong")
    return 1e3 * (time.perf_counter() - began)


async def client_main(host: str, port: int, connection_count: int, count: int) -> list[float]:
    connections = [Connection(host, port) for _ in range(connection_count)]
    for connection in connections:
        await connection.open()
    numbers = iter(range(count))

    async def work(connection: Connection) -> list[float]:
        return [await one_task(connection) for _ in numbers]

    found = await asyncio.gather(*(work(connection) for connection in connections))
    for connection in connections:
        connection.close()
    return [latency for part in found for latency in part]


def run_client(
    address: tuple[str, int], connection_count: int, count: int, results: "multiprocessing.Queue"
) -> None:
    began, began_s = time.perf_counter(), time.process_time()
    latencies = uvloop.run(client_main(*address, connection_count, count))
    results.put((time.perf_counter() - began, time.process_time() - began_s, tuple(latencies)))


def processor_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def measure_whole(service: Service, connection_count: int, count: int) -> Round:
    host, port = service.endpoint_url.removeprefix("http://").split(":")
    server = psutil.Process(service.process.pid)
    workers = server.children(recursive=True)
    results: multiprocessing.Queue = multiprocessing.Queue()
    arguments = ((host, int(port)), connection_count, count, results)
    before = processor_s(server), sum(map(processor_s, workers))
    client = multiprocessing.Process(target=run_client, args=arguments)
    client.start()
    elapsed_s, client_s, latencies = results.get()
    client.join()
    server_s = processor_s(server) - before[0]
    workers_s = sum(map(processor_s, workers)) - before[1]
    return Round(count, elapsed_s, server_s, workers_s, client_s, latencies)


def measure_drain(service: Service, count: int) -> Round:
    """Let tasks wait behind suspended workers, then run them while nobody asks."""
    client = Client(service)
    server = psutil.Process(service.process.pid)
    workers = server.children(recursive=True)
    for worker in workers:
        worker.suspend()
    request = json.loads(new_task())
    arns = []
    for _ in range(count):
        request["clientToken"] = str(uuid.uuid4())
        arns.append(client.send((REGION, "POST", "/quantum-task", request))[1]["quantumTaskArn"])
    path = "/quantum-task/" + label(arns[-1])
    before = processor_s(server), sum(map(processor_s, workers))
    began = time.perf_counter()
    for worker in workers:
        worker.resume()
    while client.send((REGION, "GET", path, None))[1]["status"] not in TERMINAL:
        time.sleep(0.05)
    elapsed_s = time.perf_counter() - began
    client.close()
    return Round(
        count,
        elapsed_s,
        processor_s(server) - before[0],
        sum(map(processor_s, workers)) - before[1],
    )


def one_round(durability: str, connections: int, count: int, folder: str | None) -> list[Round]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        service = launch(Path(name), options=("--durability", durability, "--job-instances", "0"))
        try:
            variables = client_environment(service.endpoint_url)
            boto3.client(
                "s3",
                endpoint_url=service.endpoint_url,
                region_name=REGION,
                aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            ).create_bucket(Bucket=BUCKET)
            # Workers, caches and the file's first pages.
            measure_whole(service, connections, 200)
            return [
                measure_whole(service, connections, count),
                measure_drain(service, count),
            ]
        finally:
            service.kill()


def report(durability: str, wholes: list[Round], drains: list[Round]) -> None:
    whole = sorted(wholes, key=lambda found: found.rate)[len(wholes) // 2]
    per_task = [
        1e3 * part / whole.count for part in (whole.server_s, whole.workers_s, whole.client_s)
    ]
    print(
        f"{durability:6} whole: {spread(found.rate for found in wholes)} tasks/s; processor time "
        f"of one [ms]: server {per_task[0]:.2f}, workers {per_task[1]:.2f}, "
        f"client {per_task[2]:.2f}; "
        f"without the client two processors would do {spread(f.alone for f in wholes)}/s "
        f"(goal {GOAL_PER_S}); one task p50 {percentile(whole.latencies_ms, 0.5):.1f}, "
        f"p99 {percentile(whole.latencies_ms, 0.99):.1f} ms"
    )
    dispatch = [1e3 * found.server_s / found.count for found in drains]
    print(
        f"{durability:6} drain: {spread(found.rate for found in drains)} tasks/s; the server's "
        f"processor time of one {spread(dispatch)} ms (goal {GOAL_DISPATCH_MS}), the workers' "
        f"{spread(1e3 * found.workers_s / found.count for found in drains)} ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=4000, help="tasks of each measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--durability", nargs="+", default=["normal", "full"])
    parser.add_argument("--folder", help="where the data directories go")
    options = parser.parse_args()
    print_machine(["openbraket", "uvicorn", "sqlalchemy"])
    found: dict[str, list[list[Round]]] = {name: [] for name in options.durability}
    for _ in range(options.rounds):
        for name in options.durability:
            rounds = one_round(name, options.connections, options.count, options.folder)
            found[name].append(rounds)
            print(f"  {name}: {', '.join(f'{part.rate:.0f}/s' for part in rounds)}", flush=True)
    for name, rounds in found.items():
        report(name, *map(list, zip(*rounds, strict=True)))
    if {"normal", "full"} <= found.keys():
        for index, part in enumerate(("whole", "drain")):
            medians = [
                statistics.median(r[index].rate for r in found[name]) for name in ("full", "normal")
            ]
            share = medians[0] / medians[1]
            print(f"full / normal, {part}: {share:.3f} (goal {GOAL_FULL_SHARE})")


if __name__ == "__main__":
    main()
