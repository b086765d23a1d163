"""Hybrid jobs of one server on a data directory, with real records, contents and processes."""

import asyncio
import itertools
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson

from openbraket.base.blob import INLINE_BYTES_MAX
from openbraket.base.clock import now_ms
from openbraket.base.errors import StoreError
from openbraket.base.ids import new_id
from openbraket.blobs import LocalBlobs
from openbraket.engine import job_states
from openbraket.engine.jobs.dispatcher import JobDispatcher
from openbraket.engine.jobs.settings import JobResources, JobSettings
from openbraket.store import buckets, jobs, logs, objects
from openbraket.store.buckets import Bucket
from openbraket.store.job_instances import LOG_GROUP
from openbraket.store.jobs import NewJob
from support.databases import open_database
from support.patience import PATIENCE_S

ACCOUNT, REGION, BUCKET = "000000000000", "us-east-1", "amazon-braket-jobs"
QPU = "arn:aws:braket:us-east-1::device/qpu/iqm/Garnet"
EMBEDDED = "local:none/none"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonBraketJobsExecutionRole"
SUPERVISOR = Path(__file__).parent / "job_supervisor.py"
WAIT_S = PATIENCE_S
# What a script does until `let_go`, at no cost: it reads from a pipe.
HOLD = "[ -p go ] || mkfifo go; read word < go"


class SmallRuntime:
    """Runs `job_supervisor.py`; scripts are shell scripts."""

    name = "small"

    def __init__(self):
        self.started = []
        self.processes = {}

    def start(self, directory, spec, instance):
        self.started.append((spec.job_name, instance))
        process = subprocess.Popen(
            [sys.executable, "-SE", str(SUPERVISOR), str(directory.path), str(instance)],
            start_new_session=True,
        )
        deadline = time.monotonic() + WAIT_S
        while directory.instance(instance).state() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        self.processes[spec.job_name, instance] = process

    def is_alive(self, directory, instance):
        state = directory.instance(instance).state()
        try:
            stat = Path(f"/proc/{state.supervisor_pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError, AttributeError):
            return False
        fields = stat.rpartition(")")[2].split()
        return fields[0] != "Z" and int(fields[19]) == state.supervisor_start

    def stop(self, directory, instance):
        directory.instance(instance).request_stop()

    def kill(self, name, instance=1):
        """Kill a supervisor, and the script with it, as a machine in trouble would."""
        self.processes[name, instance].kill()

    def wait_for_all(self):
        """Wait until every supervisor that this runtime has started is gone."""
        for process in self.processes.values():
            process.wait(WAIT_S)


class Doubtful:
    """Records of which every other change reports a failure after it has been committed."""

    def __init__(self, database):
        self._database = database
        self._numbers = itertools.count()
        self.read, self.read_aside = database.read, database.read_aside

    async def write(self, work):
        result = await self._database.write(work)
        if next(self._numbers) % 2 == 0:
            raise StoreError("The connection was lost.")
        return result

    def submit(self, work):
        return asyncio.ensure_future(self.write(work))


class JobHouse:
    """One server process as far as jobs go; several in a row may use one data directory."""

    def __init__(self, data_dir, runtime=None, *, has_doubts=False, clock=now_ms, **settings):
        self.database = open_database(data_dir / "openbraket.sqlite3")
        self.blobs = LocalBlobs(data_dir, is_durable=False, inline_bytes_max=INLINE_BYTES_MAX)
        self.runtime = runtime or SmallRuntime()
        self.settings = JobSettings(
            **({"data_dir": data_dir, "poll_s": 0.02, "checkpoint_s": 0.05} | settings)
        )
        self.cancelled_tasks = []
        self.resources = JobResources(
            database=Doubtful(self.database) if has_doubts else self.database,
            blobs=self.blobs,
            runtime=self.runtime,
            settings=self.settings,
            cancel_task=self._cancel_task,
            clock=clock,
        )
        self.dispatcher = JobDispatcher(self.resources, has_priority=QPU.__eq__)

    async def _cancel_task(self, task_id):
        self.cancelled_tasks.append(task_id)

    async def put(self, key, content, *, is_inline=False):
        """Store an object, its content in a file or in the records."""
        blob = self.blobs.keep(content) if is_inline else self.blobs.put(content)

        def work(connection):
            if buckets.get_bucket(connection, BUCKET) is None:
                buckets.create_bucket(connection, Bucket(BUCKET, ACCOUNT, REGION, 1))
            objects.put_object(connection, bucket=BUCKET, key=key, blob=blob, last_modified=1)

        await self.database.write(work)

    def read(self, key):
        """Return an object's content, or None."""
        with self.database.read() as connection:
            found = objects.get_object(connection, bucket=BUCKET, key=key)
        return None if found is None else self.blobs.path(found.blob_id).read_bytes()

    def keys(self, prefix=""):
        with self.database.read() as connection:
            page = objects.list_objects(connection, bucket=BUCKET, prefix=prefix)
        return [item.key for item in page.objects]

    async def create(self, script, *, name=None, device=EMBEDDED, instances=1, **configuration):
        """Record a job that runs a shell script, and tell the dispatcher."""
        name = name or "job-" + new_id()[:8]
        await self.put(f"{name}/script.sh", script.encode())
        algorithm = {"entryPoint": "m", "s3Uri": f"s3://{BUCKET}/{name}/script.sh"}
        document = {
            "algorithmSpecification": {"scriptModeConfig": algorithm},
            "instanceConfig": {
                "instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": instances
            },
            "outputDataConfig": {"s3Path": f"s3://{BUCKET}/{name}/data"},
            "deviceConfig": {"device": device},
            "roleArn": ROLE,
            "stoppingCondition": {"maxRuntimeInSeconds": 60},
        } | configuration  # fmt: skip
        new = NewJob(
            id=new_id(),
            account=ACCOUNT,
            region=REGION,
            name=name,
            device_arn=device,
            instance_count=instances,
            created_at=self.resources.clock(),
            request_json=orjson.dumps(document).decode(),
        )
        job = await self.database.write(lambda c: jobs.create(c, new, has_priority=device == QPU))
        self.dispatcher.job_created(job)
        return job

    async def cancel(self, job):
        def work(connection):
            now = self.resources.clock()
            for transition in (job_states.CANCEL_WAITING, job_states.CANCEL_RUNNING):
                jobs.apply(connection, transition, job.id, at=now)

        await self.database.write(work)
        self.dispatcher.job_cancelled(job.id)

    def get(self, job):
        with self.database.read() as connection:
            return jobs.get(connection, job.id)

    def events(self, job):
        with self.database.read() as connection:
            return [event.type for event in jobs.list_events(connection, job.id)]

    def lines(self, job, instance=1):
        """Return what an instance has printed, as far as it is in its log stream."""
        with self.database.read() as connection:
            prefix = f"{job.name}/{job.id}/algo-{instance}-"
            place = {"account": ACCOUNT, "region": REGION, "group": LOG_GROUP}
            streams = logs.list_streams(connection, **place, prefix=prefix)
            return [e.message for s in streams for e in logs.read(connection, s.id)]

    async def wait(self, condition):
        async with asyncio.timeout(WAIT_S):
            while not condition():  # noqa: ASYNC110  (other processes make it true)
                await asyncio.sleep(0.01)

    async def let_go(self, job, instance=1):
        """Let a script go on that has come to `HOLD`, or will."""
        place = self.settings.attempt_dir(job.id, 1) / f"algo-{instance}" / "go"
        await self.wait(place.is_fifo)
        await asyncio.to_thread(place.write_text, "go\n")

    async def ended(self, job):
        """Wait for a job's end, and for the end of its attempt."""
        await self.wait(lambda: self.get(job).status in job_states.TERMINAL)
        await self.wait(lambda: job.id not in self.dispatcher._attempts)
        return self.get(job)


@asynccontextmanager
async def opened(data_dir, runtime=None, **settings):
    """Run a server's jobs; at the end running ones are stopped unless settings say otherwise."""
    house = JobHouse(data_dir, runtime, **({"ends_with_server": True} | settings))
    try:
        await house.dispatcher.start()
        try:
            yield house
        finally:
            await house.dispatcher.stop()
            if house.settings.ends_with_server:
                house.runtime.wait_for_all()
    finally:
        house.database.close()


def waiting(seq, device=EMBEDDED, *, instances=1):
    """Return a job's record as the queue sees it."""
    job = jobs.Job(
        seq, f"id-{seq}", ACCOUNT, REGION, f"job-{seq}", device, "QUEUED", 0, instances, 1,
        None, None, None, None,
    )  # fmt: skip
    return replace(job)
