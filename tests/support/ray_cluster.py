"""A Ray cluster of several nodes on this machine, and an executor that waits without polling."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil

from openbraket.base.work import Work
from openbraket.engine.executors.ray.executor import RayExecutor

# Ray's client port gives up a connection after 30 s on a loaded machine; the next one works.
WAIT_S = 180
OBJECT_STORE_BYTES = 80 << 20
MIB = 1 << 20
# The tests' own environment for every process of the cluster.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # The machine's memory is not the tests' to judge by.
    "RAY_memory_monitor_refresh_ms": "0",
    # A dead node is noticed sooner than in the field.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "4",
}


RUNNERS = Path(__file__).parents[1] / "unit" / "engine" / "runners"


@contextmanager
def _environment():
    """Have the processes that are started now see the tests' environment and runners."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT, PYTHONPATH=str(RUNNERS))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class RayNodes:
    """A head without processors and nodes that come and go."""

    def __init__(self, **head):
        from ray.cluster_utils import Cluster

        with _environment():
            self._cluster = Cluster(
                initialize_head=True,
                head_node_args={
                    "num_cpus": 0,
                    "include_dashboard": False,
                    "object_store_memory": OBJECT_STORE_BYTES,
                    **head,
                },
            )
        self.address = self._cluster.address
        self.head = self._cluster.head_node

    def add(self, thread_count=1, memory_bytes=1 << 30, **options):
        with _environment():
            return self._cluster.add_node(
                num_cpus=thread_count,
                memory=memory_bytes,
                object_store_memory=OBJECT_STORE_BYTES,
                **options,
            )

    def kill(self, node):
        """kill -9 everything of a node, as a power cut does."""
        for group in node.all_processes.values():
            for info in group:
                victims = [psutil.Process(info.process.pid)]
                with suppress(psutil.NoSuchProcess):
                    victims += victims[0].children(recursive=True)
                for victim in victims:
                    with suppress(psutil.NoSuchProcess):
                        victim.send_signal(signal.SIGKILL)
        node.kill_all_processes(check_alive=False, allow_graceful=False)
        self._cluster.worker_nodes.discard(node)

    def processes(self):
        """Return the processes of this cluster; others may run on the same machine."""
        found = set()
        for node in self._cluster.list_all_nodes():
            for group in node.all_processes.values():
                for info in group:
                    with suppress(psutil.NoSuchProcess):
                        process = psutil.Process(info.process.pid)
                        found |= {process, *process.children(recursive=True)}
        return found

    def held_groups(self):
        """Return the placement groups that are there."""
        table = self._cluster.global_state.placement_group_table()
        return [entry for entry in table.values() if entry["state"] != "REMOVED"]

    def nodes_of_groups(self):
        """Return the ids of the nodes on which placement groups have places."""
        return {
            node_id
            for entry in self.held_groups()
            for node_id in entry["bundles_to_node_id"].values()
            if node_id
        }

    def close(self):
        self._cluster.shutdown()


class RayPool:
    """An executor on a cluster."""

    def __init__(self, root, address, **options):
        self.root = root
        self.changed = asyncio.Event()
        self.executor = RayExecutor(
            address=address,
            blobs_root=root,
            preload=("runners_under_test",),
            **options,
        )

    async def until(self, condition):
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def submit(self, action=b"", *, task_id="task", attempt=1, **changes):
        """Start an attempt; return its outcome's future and an event that its progress sets."""
        await self.until(lambda: self.executor.free_count > 0)
        reported = asyncio.Event()
        values = {
            "runner": "runners_under_test",
            "device_arn": "arn:device",
            "thread_count": 1,
            "memory_bytes": 10 * MIB,
        } | changes
        work = Work(
            task_id=task_id,
            attempt=attempt,
            task_arn=f"arn:{task_id}",
            shots=5,
            action=action if isinstance(action, bytes) else json.dumps(action).encode(),
            device_parameters="",
            created_at=1,
            **values,
        )
        return self.executor.submit(work, lambda fraction: reported.set()), reported

    async def run(self, action=b"", **values):
        outcome, _ = await self.submit(action, **values)
        return await asyncio.wait_for(outcome, WAIT_S)


@asynccontextmanager
async def open_pool(root, address, **options):
    pool = RayPool(root / "objects", address, **options)
    await pool.executor.start(pool.changed.set)
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.executor.stop(), WAIT_S)


def wait_for_port(port):
    """Wait until somebody listens: Ray's client asks again only after seconds."""
    deadline = time.monotonic() + WAIT_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def run_python(code, *arguments, **options):
    """Start a Python process with this one's path and the tests' environment."""
    start = f"import sys; sys.path[:] = {[entry for entry in sys.path if entry]!r}\n"
    with _environment():
        return subprocess.Popen([sys.executable, "-c", start + code, *arguments], **options)
