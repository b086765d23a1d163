"""A service with 1,000,000 tasks: start-up, search, disk, and forgetting while clients ask.

Run: `python benchmarks/bench_size.py`, about 4 minutes and 2.5 GB; with `--folder F` the records
stay in F, and the next run takes 90 seconds (of it `--prune-s` for the forgetting). Goals: ready in
< 2 s; a search's page of 100 in < 50 ms.

The records are those that the service's own writers leave (records.py); contents are not made. Each
figure is taken through the API of a service started anew on them, so nothing is in its caches.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench_api import Client, equal, label, new_task
from common import percentile, print_machine, spread
from openbraket.cli.demo import programs
from openbraket.store.database import DATABASE_NAME, Database
from openbraket.store.tables import metadata
from openbraket.testing import Service, launch
from records import BUCKET, DAY_MS, REGION, fill

GOAL_START_S, GOAL_SEARCH_MS = 2.0, 50.0
DAYS = 60.0
REPEATS = 15


def bench_disk(data_dir: Path, count: int) -> None:
    path = data_dir / DATABASE_NAME
    size = path.stat().st_size
    print(f"records: {size / 1e6:.0f} MB, {size / count:.0f} bytes a task")
    database = Database.open(path, durability="normal")
    with database.read() as connection:
        try:
            rows = connection.exec_driver_sql(
                "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
            ).all()
        except Exception as error:  # SQLite may be built without it
            print(f"(which table has how much is not known: {error})")
            rows = []
    database.close()
    names = set(metadata.tables)
    for name, size in sorted(rows, key=lambda row: -row[1])[:12]:
        print(f"  {name:40} {size / count:7.1f} bytes a task{'' if name in names else ' (index)'}")


def drop_caches(path: Path) -> None:
    """Let the system forget what it has of a file, as after a restart of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def bench_start(data_dir: Path) -> None:
    for name, is_cold in (("cold", True), ("warm", False)):
        times, memories = [], []
        for _ in range(3):
            if is_cold:
                drop_caches(data_dir / DATABASE_NAME)
            began = time.perf_counter()
            service = launch(data_dir, options=("--workers", "2"))
            times.append(time.perf_counter() - began)
            memories.append(peak_memory(service, 6.0))
            service.kill()
        mark = "ok" if max(times) < GOAL_START_S else "SLOW"
        print(
            f"ready after kill -9, {name} [s]: {spread(times)} {mark} (process start included); "
            f"the server's largest memory in the 6 s after it [MB]: {spread(memories)}",
            flush=True,
        )


def peak_memory(service: Service, seconds: float) -> float:
    server, largest = psutil.Process(service.process.pid), 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        largest = max(largest, server.memory_info().rss / 1e6)
        time.sleep(0.1)
    return largest


def searches(now: int) -> dict[str, dict[str, Any]]:
    """Return requests of several kinds of filters: common, rare, and together."""

    def between(first: float, last: float) -> dict[str, Any]:
        """Return tasks created so many days ago."""
        values = [str((now - int(days * DAY_MS)) / 1000) for days in (first, last)]
        return {"name": "createdAt", "operator": "BETWEEN", "values": values}

    def all_of(*filters: dict[str, Any]) -> dict[str, Any]:
        return {"filters": list(filters), "maxResults": 100}

    completed = equal("status", "COMPLETED")["filters"][0]
    failed = equal("status", "FAILED")["filters"][0]
    running = equal("status", "RUNNING")["filters"][0]
    common = equal("deviceArn", programs.SV1_ARN)["filters"][0]
    rare = equal("deviceArn", programs.SV1_ARN.replace("sv1", "tn1"))["filters"][0]
    tag = equal("tags:run", "7")["filters"][0]
    no_tag = equal("tags:run", "none")["filters"][0]
    return {
        "no filter": all_of(),
        "status COMPLETED": all_of(completed),
        "status FAILED": all_of(failed),
        "status RUNNING (none)": all_of(running),
        "device, most": all_of(common),
        "device, 1 %": all_of(rare),
        "device 1 % + FAILED": all_of(rare, failed),
        "tag": all_of(tag),
        "tag that nothing has": all_of(no_tag),
        "tag + FAILED": all_of(tag, failed),
        "tag + device 1 %": all_of(tag, rare),
        "created 40 to 20 days ago": all_of(between(40, 20)),
        "the same + FAILED": all_of(between(40, 20), failed),
        "the same + tag": all_of(between(40, 20), tag),
        "the same + device 1 % + FAILED": all_of(between(40, 20), rare, failed),
    }


def bench_search(service: Service) -> None:
    client = Client(service)
    print(
        f"\n{'search, page of 100':34} {'first':>8} {'p50':>8} {'longest':>8} {'10 pages':>9}  ms"
    )
    for name, body in searches(int(time.time() * 1000)).items():
        times, longest_page = [], 0.0
        for _ in range(REPEATS):
            elapsed, answer = client.send((REGION, "POST", "/quantum-tasks", body))
            times.append(elapsed)
        token = answer.get("nextToken")
        for _ in range(9):
            if token is None:
                break
            page = body | {"nextToken": token}
            elapsed, answer = client.send((REGION, "POST", "/quantum-tasks", page))
            longest_page, token = max(longest_page, elapsed), answer.get("nextToken")
        worst = max(*times, longest_page)
        mark = "ok" if worst < GOAL_SEARCH_MS else "SLOW"
        print(
            f"{name:34} {times[0]:8.2f} {percentile(times[1:], 0.5):8.2f} {max(times[1:]):8.2f} "
            f"{longest_page:9.2f}  {mark}",
            flush=True,
        )
    client.close()


def measure_clients(service: Service, seconds: float) -> dict[str, list[float]]:
    """Ask like a light load: creates, gets and searches, some 40 a second."""
    client = Client(service)
    client.send((REGION, "GET", "/device/" + label(programs.SV1_ARN), None))
    times: dict[str, list[float]] = {"create": [], "get": [], "search": []}
    request = new_task() | {"outputS3Bucket": BUCKET}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        token = {"clientToken": f"size-{time.monotonic_ns()}"}
        elapsed, answer = client.send((REGION, "POST", "/quantum-task", request | token))
        times["create"].append(elapsed)
        time.sleep(0.02)
        path = "/quantum-task/" + label(answer["quantumTaskArn"])
        times["get"].append(client.send((REGION, "GET", path, None))[0])
        body = equal("status", "FAILED")
        times["search"].append(client.send((REGION, "POST", "/quantum-tasks", body))[0])
        time.sleep(0.02)
    client.close()
    return times


def report_clients(name: str, times: dict[str, list[float]]) -> None:
    parts = [
        f"{kind} p50 {percentile(found, 0.5):.2f}, p99 {percentile(found, 0.99):.2f}, "
        f"longest {max(found):.1f}"
        for kind, found in times.items()
    ]
    print(f"{name:22} {'; '.join(parts)} ms", flush=True)


@contextmanager
def running(data_dir: Path, *options: str) -> Iterator[Service]:
    service = launch(data_dir, options=("--workers", "1", *options))
    try:
        yield service
    finally:
        service.kill()


def count_tasks(data_dir: Path) -> int:
    database = Database.open(data_dir / DATABASE_NAME, durability="normal")
    with database.read() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM quantum_tasks").scalar_one()
    database.close()
    return int(count)


def bench_prune(data_dir: Path, seconds: float) -> None:
    """Forget what ended more than half of the time ago, while a client asks."""
    print()
    with running(data_dir) as service:
        time.sleep(8)
        report_clients("clients, nothing else", measure_clients(service, seconds / 3))
    before = count_tasks(data_dir)
    with running(data_dir, "--kept-days", str(int(DAYS / 2))) as service:
        times = measure_clients(service, seconds)
        report_clients("while records go", times)
    gone = before + len(times["create"]) - count_tasks(data_dir)
    print(f"{gone} of {before} tasks gone in {seconds:.0f} s: {gone / seconds:.0f} a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keeps the records here for the next run")
    parser.add_argument("--prune-s", type=float, default=30.0)
    options = parser.parse_args()
    print_machine(["openbraket", "sqlalchemy"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        kept = folder / f"tasks-{options.count}"
        if not (kept / DATABASE_NAME).exists():
            began = time.perf_counter()
            fill(kept, ended=options.count, days=DAYS)
            print(f"{options.count:,} tasks written in {time.perf_counter() - began:.0f} s")
        bench_disk(kept, options.count)
        bench_start(kept)
        with running(kept) as service:
            time.sleep(8)
            bench_search(service)
        # Forgetting changes the records; those that are kept stay as they are.
        data_dir = kept
        if options.folder is not None:
            data_dir = folder / "pruned"
            shutil.rmtree(data_dir, ignore_errors=True)
            shutil.copytree(kept, data_dir)
        bench_prune(data_dir, options.prune_s)
        if options.folder is not None:
            shutil.rmtree(data_dir)


if __name__ == "__main__":
    main()
