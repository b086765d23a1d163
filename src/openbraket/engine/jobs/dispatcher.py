"""The dispatcher of hybrid jobs: decides which job starts when, and sees each to its end.

It runs on the server's event loop and is woken, never polling, by a new job, a cancel, an end, or a
device that opens. An attempt begins with a transition of the record, which a cancel that came first
prevents; only then does anything run.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.engine import job_states
from openbraket.engine.jobs.attempt import Attempt
from openbraket.engine.jobs.counting import count_start
from openbraket.engine.jobs.queue import JobQueue
from openbraket.engine.jobs.settings import JobResources
from openbraket.engine.retries import RECORDS
from openbraket.jobs.files import remove_tree
from openbraket.store import job_instances, jobs
from openbraket.store.job_instances import JobInstance
from openbraket.store.jobs import Job, JobEvent

# How often directories of failed jobs are looked at that have been kept long enough.
SWEEP_S: Final = 3600.0
# File times may lag behind the clock by a tick of the kernel.
_FILE_TIME_GRAIN_S: Final = 0.05

_log = logging.getLogger(__name__)


class JobDispatcher:
    """The queue of jobs and their attempts; see the module.

    Args:
        resources: What attempts work with.
        has_priority: Whether a device, by ARN, gives one job at a time its priority.
    """

    def __init__(self, resources: JobResources, *, has_priority: Callable[[str], bool]) -> None:
        self._resources = resources
        self._has_priority = has_priority
        self._queue = JobQueue(resources.settings.instance_count_max, has_priority=has_priority)
        self._attempts: dict[str, Attempt] = {}
        self._is_stopping = False
        self._background: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def running_count(self) -> int:
        """How many attempts are under way."""
        return len(self._attempts)

    def waiting_counts(self) -> Counter[str]:
        """Return how many jobs wait, by the device's label in metrics."""
        return self._queue.waiting_counts()

    def running_counts(self) -> Counter[str]:
        """Return how many jobs have begun and not ended, in the same way."""
        return self._queue.running_counts()

    @property
    def instance_count(self) -> int:
        """How many instances are in use."""
        return self._queue.instance_count

    async def start(self) -> None:
        """Find again what the last server left running, and load the queue.

        Raises:
            StoreError: The records cannot be read.
        """
        with self._resources.database.read() as connection:
            active, waiting = jobs.list_active(connection), jobs.list_waiting(connection)
        for job in active:
            self._queue.start(job)
            attempt = self._attempt(job, is_recovered=True)
            if job.status == "CANCELLING":
                attempt.stop()
            self._spawn(self._see(job, attempt))
        if active:
            _log.warning("found %d jobs that were active when the service ended", len(active))
        for job in waiting:
            self._queue.add(job)
        self._sweeper = asyncio.create_task(self._sweep())
        self._pump()

    async def stop(self, *, keeps_jobs: bool = False) -> None:
        """Start nothing more; end what runs, or let it go on without the server.

        Args:
            keeps_jobs: Whether it goes on whatever the settings say.
        """
        ends_jobs = self._resources.settings.ends_with_server and not keeps_jobs
        self._is_stopping = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for attempt in self._attempts.values():
            if ends_jobs:
                attempt.stop("server")
            else:
                attempt.detach()
        if self._attempts and not ends_jobs:
            _log.warning("%d jobs go on; the next start finds them", len(self._attempts))
        while self._background:
            await asyncio.wait(self._background)

    def has_priority(self, device_arn: str) -> bool:
        """Return whether a device gives one job at a time its priority."""
        return self._has_priority(device_arn)

    def set_closed(self, device_arns: frozenset[str]) -> None:
        """Let exactly these devices start no jobs from now on; what runs there goes on."""
        self._queue.close(device_arns)
        self._pump()

    def job_created(self, job: Job) -> None:
        """Take in a job whose record is committed; one that is known is passed over."""
        if job.id in self._attempts:
            return
        self._queue.add(job)
        self._pump()

    def job_cancelled(self, job_id: str) -> None:
        """Act on a cancel that is committed: nothing of the job starts, what runs ends."""
        self._queue.discard(job_id)
        attempt = self._attempts.get(job_id)
        if attempt is not None:
            attempt.stop()
        self._pump()

    def _pump(self) -> None:
        """Start what can start."""
        while not self._is_stopping and (job := self._queue.first()) is not None:
            self._queue.start(job)
            begun = replace(job, attempt=job.attempt + 1, started_at=self._resources.clock())
            self._spawn(self._begin(job, begun, self._attempt(begun)))

    def _attempt(self, job: Job, *, is_recovered: bool = False) -> Attempt:
        attempt = Attempt(
            self._resources,
            job,
            has_priority=self._has_priority(job.device_arn),
            on_deprioritized=lambda: self._release(job.id),
            is_recovered=is_recovered,
        )
        self._attempts[job.id] = attempt
        return attempt

    async def _begin(self, job: Job, begun: Job, attempt: Attempt) -> None:
        """Record that an attempt begins, and see it to its end if the record allows it."""
        try:
            status = await self._resources.database.write(lambda c: _record_start(c, begun))
        except StoreError as error:
            _log.error("job %s cannot start: %s", job.id, error)
            self._forget(job)
            if not self._is_stopping:
                await asyncio.sleep(RECORDS.max_s)
                self.job_created(job)
            return
        if status is None:
            self._forget(job)  # a cancel came first
            return
        count_start(begun, begun.started_at or begun.created_at)
        if status == "CANCELLING":
            attempt.stop()
        await self._see(begun, attempt)

    async def _see(self, job: Job, attempt: Attempt) -> None:
        try:
            await attempt.run()
        except StoreError as error:
            _log.error("job %s is left to the next start: %s", job.id, error)
        finally:
            self._forget(job)

    def _forget(self, job: Job) -> None:
        self._attempts.pop(job.id, None)
        self._queue.end(job.id)
        self._pump()

    def _release(self, job_id: str) -> None:
        self._queue.release(job_id)
        self._pump()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._see_done)

    def _see_done(self, task: "asyncio.Task[None]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a job was left to the next start", exc_info=error)

    async def _sweep(self) -> None:
        """Remove the directories of ended jobs, now and then."""
        settings = self._resources.settings
        while True:
            # Taken first: a directory that is made from now on is younger.
            before = time.time() - _FILE_TIME_GRAIN_S
            try:
                with self._resources.database.read() as connection:
                    active = {job.id for job in jobs.list_active(connection)}
                await asyncio.to_thread(
                    sweep,
                    settings.jobs_dir,
                    active | set(self._attempts),
                    older_than=before - settings.failed_kept_s,
                )
            except (StoreError, OSError) as error:
                _log.warning("directories of ended jobs were not removed: %s", error)
            await asyncio.sleep(SWEEP_S)


def sweep(jobs_dir: Path, active: set[str], *, older_than: float) -> int:
    """Remove the directories of jobs that have ended; blocks.

    Args:
        jobs_dir: Where they lie.
        active: Ids of jobs that have not ended.
        older_than: Only directories last changed before this time, seconds since the epoch.

    Returns:
        How many were removed.

    Raises:
        OSError: A directory cannot be read.
    """
    count = 0
    for path in jobs_dir.iterdir() if jobs_dir.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # its job has just ended
            if path.name in active or path.stat().st_mtime >= older_than:
                continue
            remove_tree(path)
            count += 1
    return count


def _record_start(connection: Connection, begun: Job) -> str | None:
    """Record an attempt's start with its instances, and return the job's status.

    A commit that reported a failure may have taken effect all the same; then the repetition finds
    the attempt begun.

    Returns:
        RUNNING or CANCELLING; None where the record has moved on.
    """
    at = begun.started_at or 0
    job = jobs.get(connection, begun.id)
    if job is None:
        return None
    if job.attempt == begun.attempt and job.status in {"RUNNING", "CANCELLING"}:
        return job.status
    events = jobs.list_events(connection, begun.id)
    if any(event.type == "WAITING_FOR_PRIORITY" for event in events) and job.status == "QUEUED":
        jobs.add_event(connection, begun.id, JobEvent("QUEUED_FOR_EXECUTION", at))
    if not jobs.apply(connection, job_states.START, begun.id, at=at, attempt=begun.attempt):
        return None
    job_instances.create(
        connection,
        begun.id,
        (
            JobInstance(number, f"{begun.name}/{begun.id}/algo-{number}-{at // 1000}", 0)
            for number in range(1, begun.instance_count + 1)
        ),
    )
    return "RUNNING"
