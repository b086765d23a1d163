"""A server's engine in a process of its own, and its records once it is gone; for fault tests."""

import json
import os
import select
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import psutil

from openbraket.base.blob import INLINE_BYTES_MAX
from openbraket.store import objects, quantum_tasks
from openbraket.store.database import Database
from support.patience import PATIENCE_S

TESTS = Path(__file__).parent.parent
RUNNERS = TESTS / "unit" / "engine" / "runners"
WAIT_S = PATIENCE_S


class Server:
    """One engine process on a data directory."""

    def __init__(self, data_dir, worker_count=2, inline_bytes_max=INLINE_BYTES_MAX):
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(TESTS / "faults" / "engine_server.py"),
                str(data_dir),
                str(worker_count),
                str(inline_bytes_max),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(RUNNERS)},
        )
        self.lines = []
        self.buffer = b""
        self.wait_for("ready")

    def wait_for(self, kind):
        """Return the next answer of a kind, keeping the others."""
        return self.wait_for_any((kind,))[1]

    def wait_for_any(self, kinds):
        """Return the kind and the answer of the next one of several kinds, keeping the others."""
        while True:
            for index, line in enumerate(self.lines):
                for kind in kinds:
                    if kind in line:
                        return kind, self.lines.pop(index)[kind]
            assert select.select([self.process.stdout], [], [], WAIT_S)[0], f"no {kinds} came"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"the server ended before {kinds} came"
            *whole, self.buffer = (self.buffer + data).split(b"\n")
            self.lines += [json.loads(line) for line in whole]

    def order(self, kind, op, **values):
        self.order_any(op, **values)
        return self.wait_for(kind)

    def order_any(self, op, **values):
        self.process.stdin.write(json.dumps({"op": op, **values}).encode() + b"\n")
        self.process.stdin.flush()

    def create(self, **action):
        return self.order("created", "create", action=action)

    def workers(self):
        return self.order("workers", "workers")

    def wait_for_record(self, task_id, status):
        """Wait until a task's status is on record, which nobody is told of."""
        deadline = time.monotonic() + WAIT_S
        with closing(sqlite3.connect(self.data_dir / "openbraket.sqlite3")) as records:
            query = "SELECT status FROM quantum_tasks WHERE id = ?"
            while records.execute(query, (task_id,)).fetchone() != (status,):
                assert time.monotonic() < deadline, f"{task_id} is never recorded as {status}"
                time.sleep(0.005)

    def kill(self):
        """Kill the server and wait until its workers are gone, too."""
        descendants = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.close()
        for process in descendants:
            wait_until_gone(process.pid)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(WAIT_S) == 0
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(WAIT_S)


def wait_until_gone(pid):
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], WAIT_S)[0], f"process {pid} still runs"
    finally:
        os.close(descriptor)


class Records:
    """What the records of a stopped server say."""

    def __init__(self, data_dir):
        database = Database.open(data_dir / "openbraket.sqlite3", durability="normal")
        with database.read() as connection:
            page = quantum_tasks.search(
                connection, account="000000000000", region="us-east-1", limit=1000
            )
            self.tasks = {task.id: task for task in page.items}
            self.objects = {
                task_id: objects.get_object(
                    connection, bucket="bucket", key=f"tasks/{task_id}/results.json"
                )
                for task_id in self.tasks
            }
            listed = objects.list_objects(connection, bucket="bucket", count_max=10_000)
            self.all_keys = [item.key for item in listed.objects]
        database.close()
        self.data_dir = data_dir

    def statuses(self, task_ids):
        return Counter(self.tasks[task_id].status for task_id in task_ids)

    def key_count(self, task_id):
        return sum(key.startswith(f"tasks/{task_id}/") for key in self.all_keys)

    def content(self, task_id):
        found = self.objects[task_id]
        if found.inline is not None:
            return json.loads(found.inline)
        path = self.data_dir / "objects/objects" / found.blob_id[:2] / found.blob_id
        return json.loads(path.read_bytes())
