"""Quantum tasks on Ray: scaling of fixed work, what a task costs, how fast a kill is.

The nodes are simulated on this machine, so the work waits instead of computing: what is measured is
the way to the workers, not the processors. Goals: four nodes at least 3.5 times as fast as one; a
kill within 100 ms at the 99th percentile.
"""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from ray.cluster_utils import Cluster

from openbraket.base.work import Work
from openbraket.engine.executors.base import Lost, Succeeded
from openbraket.engine.executors.ray.executor import RayExecutor

TASK_COUNT = 40
TASK_S = 0.25
SMALL_COUNT = 300
KILL_COUNT = 30
STORE_BYTES = 80 << 20
MEMORY_BYTES = 1 << 30


def work(number: int, action: bytes) -> Work:
    return Work(
        task_id=f"task-{number}",
        attempt=1,
        runner="ray_work",
        task_arn="arn:task",
        device_arn="arn:device",
        shots=1,
        action=action,
        device_parameters="",
        created_at=0,
        thread_count=1,
        memory_bytes=1 << 20,
    )


class Bench:
    """An executor, and waiting for its free places."""

    def __init__(self, root: Path, address: str) -> None:
        self.changed = asyncio.Event()
        self.executor = RayExecutor(address=address, blobs_root=root)

    async def until_free(self, count: int) -> None:
        """Wait until so many attempts could start."""
        while self.executor.free_count < count:
            self.changed.clear()
            await self.changed.wait()

    async def run_all(self, count: int, action: bytes) -> float:
        """Return the seconds that `count` attempts took, as many at once as there are places."""
        began = time.perf_counter()
        outcomes = []
        for number in range(count):
            await self.until_free(1)
            outcomes.append(self.executor.submit(work(number, action), lambda _: None))
        assert all(isinstance(item, Succeeded) for item in await asyncio.gather(*outcomes))
        return time.perf_counter() - began

    async def kill_one(self, number: int) -> float:
        """Return the seconds from a kill to the attempt's end."""
        await self.until_free(1)
        running = asyncio.Event()
        outcome = self.executor.submit(work(number, b"for ever"), lambda _: running.set())
        await running.wait()
        began = time.perf_counter()
        self.executor.kill(f"task-{number}", 1)
        assert isinstance(await outcome, Lost)
        return time.perf_counter() - began


async def measure(address: str, node_count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), address)
        await bench.executor.start(bench.changed.set)
        try:
            await bench.until_free(node_count)
            await bench.run_all(4 * node_count, b"0.5")  # warm workers on every node
            figures = {"work_s": await bench.run_all(TASK_COUNT, str(TASK_S).encode())}
            if node_count == 1:
                singles = [await bench.run_all(1, b"") for _ in range(SMALL_COUNT)]
                figures["task_ms"] = 1e3 * statistics.median(singles)
                figures["task_p95_ms"] = 1e3 * statistics.quantiles(singles, n=20)[-1]
            if node_count == 4:
                figures["small_per_s"] = SMALL_COUNT / await bench.run_all(SMALL_COUNT, b"")
                kills = sorted([await bench.kill_one(number) for number in range(KILL_COUNT)])
                figures["kill_ms"] = 1e3 * statistics.median(kills)
                figures["kill_max_ms"] = 1e3 * kills[-1]
            return figures
        finally:
            await bench.executor.stop()


def main() -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    common = {"object_store_memory": STORE_BYTES, "memory": MEMORY_BYTES}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **common}
    )
    figures: dict[int, dict[str, float]] = {}
    try:
        count = 0
        for wanted in (1, 2, 4):
            while count < wanted:
                cluster.add_node(num_cpus=1, **common)
                count += 1
            figures[wanted] = asyncio.run(measure(cluster.address, wanted))
    finally:
        cluster.shutdown()
    print(f"{TASK_COUNT} attempts that wait {TASK_S} s each")
    for count, found in figures.items():
        gain = figures[1]["work_s"] / found["work_s"]
        print(f"  {count} nodes: {found['work_s']:6.2f} s, {gain:.2f} times one node")
    print(f"  goal: 3.50 times with 4 nodes, distance {gain - 3.5:+.2f}")
    print("an empty attempt, one after the other")
    one, four = figures[1], figures[4]
    print(f"  median {one['task_ms']:.2f} ms, 95th percentile {one['task_p95_ms']:.2f} ms")
    print(f"  on 4 nodes at once: {four['small_per_s']:.0f} a second")
    print(f"from a kill to the end, {KILL_COUNT} attempts")
    print(f"  median {four['kill_ms']:.1f} ms, longest {four['kill_max_ms']:.1f} ms; goal 100 ms")


if __name__ == "__main__":
    main()
