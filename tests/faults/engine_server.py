"""A server's engine without its HTTP side, for a test to kill: a process of its own.

Reads one JSON document a line on standard input (`create` or `cancel`), answers each on standard
output once it is committed, and says what its workers are.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvloop

from openbraket.base.clock import now_ms
from openbraket.base.errors import StoreError
from openbraket.base.ids import new_id
from openbraket.blobs import LocalBlobs
from openbraket.engine.dispatcher import Dispatcher
from openbraket.engine.executors.local import LocalExecutor
from openbraket.store import buckets
from openbraket.store.buckets import Bucket
from openbraket.store.database import Database
from openbraket.store.quantum_tasks import NewTask, create

ACCOUNT = "000000000000"


def answer(document):
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


class Engine:
    def __init__(self, data_dir, worker_count, inline_bytes_max):
        self.database = Database.open(data_dir / "openbraket.sqlite3", durability="normal")
        self.blobs = LocalBlobs(data_dir / "objects", is_durable=False)
        self.executor = LocalExecutor(
            blobs_root=data_dir / "objects",
            worker_count=worker_count,
            preload=["runners_under_test"],
            inline_bytes_max=inline_bytes_max,
        )
        self.dispatcher = Dispatcher(
            self.database,
            self.blobs,
            self.executor,
            runners={"action": "runners_under_test"},
            memory_bytes_max=1 << 30,
            thread_count_max=64,
            on_progress=lambda task_id, fraction: answer({"progress": task_id}),
        )

    async def create(self, action):
        task_id = new_id()
        task = NewTask(
            id=task_id,
            account=ACCOUNT,
            region="us-east-1",
            device_arn="arn:sv1",
            shots=10,
            output_bucket="bucket",
            output_directory=f"tasks/{task_id}",
            action=json.dumps(action).encode(),
            action_type="action",
            created_at=now_ms(),
        )
        waiting = await self.database.write(lambda c: create(c, task))
        self.dispatcher.task_created(waiting)
        return task_id

    async def serve(self):
        bucket = Bucket(name="bucket", account=ACCOUNT, region="us-east-1", created_at=1)
        await self.database.write(lambda c: buckets.create_bucket(c, bucket))
        await self.dispatcher.start()
        answer({"ready": True})
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
        )
        async for line in orders:
            order = json.loads(line)
            try:
                await self.obey(order)
            except StoreError as error:
                answer({"refused": str(error)})
        await self.dispatcher.stop()
        self.database.close()

    async def obey(self, order):
        match order.pop("op"):
            case "create":
                answer({"created": await self.create(order["action"])})
            case "cancel":
                result = await self.dispatcher.cancel(order["task_id"])
                answer({"cancelled": result.status})
            case "workers":
                answer({"workers": self.executor.worker_pids})


if __name__ == "__main__":
    uvloop.run(Engine(Path(sys.argv[1]), *map(int, sys.argv[2:])).serve())
