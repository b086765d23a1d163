"""How long tasks wait under the queue's policy: the engine's own queue under a simulated clock.

A mixed load on 1, 8, 64 and 1024 threads, 90 % of what they can do, for an hour of simulated time:

- `class`: thirty accounts that send small tasks of about 0.2 s now and then;
- `sweep`: one account that sends small tasks of about 0.5 s in bursts of thousands;
- `wide`: one account with simulations of about 60 s that take every thread of a machine of eight.

Beside it the same load in the plain order of acceptance. Run `python benchmarks/simulate_queue.py`.
"""

import argparse
import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from openbraket.engine.queue import TaskQueue
from openbraket.engine.room import Room, Share, extra_count
from openbraket.store.quantum_tasks import WaitingTask

GIB = 1 << 30
MACHINE_THREADS = 8
# Each kind's share of the load, mean run time in seconds, and threads of a machine of eight.
LOADS = {"class": (0.05, 0.2, 1), "sweep": (0.45, 0.5, 1), "wide": (0.40, 60.0, MACHINE_THREADS)}
CLASS_ACCOUNTS = 30
SWEEP_SIZE = 2000


@dataclass(frozen=True)
class Arrival:
    """One task of the load; times in seconds."""

    at: float
    kind: str
    account: str
    run_s: float
    thread_count: int


def arrivals(threads: int, hours: float, rng: random.Random) -> list[Arrival]:
    """Return the load in the order of arrival."""
    return sorted(_arrivals(threads, hours * 3600, rng), key=lambda arrival: arrival.at)


def _arrivals(threads: int, end: float, rng: random.Random) -> Iterator[Arrival]:
    for kind, (share, mean_s, wanted) in LOADS.items():
        width = min(wanted, threads)
        per_arrival = SWEEP_SIZE if kind == "sweep" else 1
        gap_s = per_arrival * mean_s * width / (share * threads)
        at = rng.expovariate(1 / gap_s)
        while at < end:
            for _ in range(per_arrival):
                account = f"class-{rng.randrange(CLASS_ACCOUNTS)}" if kind == "class" else kind
                run_s = mean_s * rng.gammavariate(4, 0.25)
                yield Arrival(at, kind, account, run_s, width)
            at += rng.expovariate(1 / gap_s)


def simulate(
    load: list[Arrival], threads: int, *, has_turns: bool, place_count: int
) -> dict[str, list[float]]:
    """Return how long the tasks of each kind waited, in seconds.

    Args:
        load: From `arrivals`.
        threads: Threads of all machines together.
        has_turns: False: the order of acceptance alone, as if all accounts were one.
        place_count: Extra places for small tasks, each counted as a whole processor.
    """
    queue = TaskQueue()
    room = Room(10**9 * GIB, threads, place_count)
    waited: dict[str, list[float]] = {kind: [] for kind in LOADS}
    running: list[tuple[float, int, Share]] = []
    seq = 0
    while seq < len(load) or running:
        arrives = load[seq].at if seq < len(load) else float("inf")
        if running and running[0][0] <= arrives:
            now, _, share = heapq.heappop(running)
            room.give_back(share)
        else:
            now = arrives
            task = _task(seq, load[seq])
            queue.add(task if has_turns else replace(task, account="one"))
            seq += 1
        for task, share in _starts(queue, room):
            arrival = load[task.seq]
            waited[arrival.kind].append(now - arrival.at)
            heapq.heappush(running, (now + arrival.run_s, task.seq, share))
    return waited


def _task(seq: int, arrival: Arrival) -> WaitingTask:
    return WaitingTask(
        seq=seq,
        id=str(seq),
        account=arrival.account,
        device_arn="sv1",
        status="QUEUED",
        attempt=0,
        lost_count=0,
        priority=0,
        memory_bytes=1 << 20,
        thread_count=arrival.thread_count,
    )


def _starts(queue: TaskQueue, room: Room) -> Iterator[tuple[WaitingTask, Share]]:
    """Start what the dispatcher would start now."""
    while (task := queue.first()) is not None:
        is_extra = not room.fits(task)
        if is_extra:
            task = queue.first_small()
            if task is None or not room.fits_extra(task):
                return
        queue.start(task)
        yield task, room.take(task, is_extra=is_extra)


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 8, 64, 1024])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    table = Table(title="Waiting time in seconds, p50 / p99 / longest")
    names = ("order of acceptance", "turns", "turns and extra places")
    for column in ("threads", "kind", "tasks", *names):
        table.add_column(column, justify="right")
    for threads in options.threads:
        load = arrivals(threads, options.hours, random.Random(options.seed))
        policies = ((False, 0), (True, 0), (True, extra_count(threads)))
        results = [
            simulate(load, threads, has_turns=has_turns, place_count=count)
            for has_turns, count in policies
        ]
        for kind in LOADS:
            cells = [
                f"{_quantile(r[kind], 0.5):.2f} / {_quantile(r[kind], 0.99):.1f} / "
                f"{max(r[kind], default=0):.1f}"
                for r in results
            ]
            table.add_row(str(threads), kind, str(len(results[0][kind])), *cells)
        table.add_section()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
