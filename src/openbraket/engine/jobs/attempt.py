"""One attempt of a job, from the staging of its objects to the end of its record.

Order of effects. That the attempt has begun is recorded before anything is done for it, and that
its instances are launched before the first is started: after a crash of the server, a job that was
not launched is staged again, one that was is found again or has died, and nothing runs twice
unseen. At the end the contents of its results are complete first; then one transaction ends the
job, makes the results objects and takes the job token and the keys back.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.base.s3_uri import S3Location, parse_s3_uri
from openbraket.engine import job_states
from openbraket.engine.jobs import credentials, elsewhere, staging
from openbraket.engine.jobs.checkpoints import CheckpointSync
from openbraket.engine.jobs.counting import count_end
from openbraket.engine.jobs.job_log import JobLog
from openbraket.engine.jobs.results import Produced, missing_bucket, pack, publish, unnamed
from openbraket.engine.jobs.settings import JobResources
from openbraket.engine.jobs.specification import build_spec
from openbraket.engine.jobs.verdict import Verdict, judge
from openbraket.engine.jobs.watched import Watched
from openbraket.engine.outcomes import delete_unused
from openbraket.engine.retries import RECORDS
from openbraket.jobs.directory import ENDED, InstanceState, JobDirectory
from openbraket.jobs.files import remove_tree
from openbraket.jobs.outcome import failure_reason
from openbraket.store import job_instances, jobs, quantum_tasks, session_keys
from openbraket.store.job_instances import JobInstance
from openbraket.store.jobs import Job, JobEvent

T = TypeVar("T")

# How long after its limit the service itself stops a job that still runs.
RUNTIME_GRACE_S: Final = 30.0
INACTIVITY_LOOK_S: Final = 1.0
# How long instances have to end where they cannot be watched.
STOP_S_MAX: Final = 10.0
_SERVER_STOPPED: Final = "InternalServerError: The service was stopped while the job ran"

_log = logging.getLogger(__name__)


class _Detached(Exception):  # noqa: N818  (no error: the server stops and the job goes on)
    """The server stops; the job goes on without it."""


class Attempt:
    """One attempt; `run` sees it to its end.

    Args:
        resources: What it works with.
        job: The job, with the attempt's number.
        has_priority: Whether its device gives one job at a time its priority.
        on_deprioritized: Called when the job loses that.
        is_recovered: Whether an earlier server process began it.
    """

    def __init__(
        self,
        resources: JobResources,
        job: Job,
        *,
        has_priority: bool,
        on_deprioritized: Callable[[], None],
        is_recovered: bool = False,
    ) -> None:
        self._resources = resources
        self._settings = resources.settings
        self._job = job
        self._has_priority = has_priority and job.deprioritized_at is None
        self._on_deprioritized = on_deprioritized
        self._is_recovered = is_recovered
        self._directory = JobDirectory(self._settings.attempt_dir(job.id, job.attempt))
        self._configuration: Mapping[str, Any] = {}
        self._checkpoints: CheckpointSync | None = None
        self._woken = asyncio.Event()
        # Why the instances must end; "" while they may run.
        self._stop_reason = ""
        self._is_detaching = False
        self._is_launched = False

    def stop(self, reason: str = "cancelled") -> None:
        """End the instances, whatever they do; `run` returns when the record says so."""
        self._stop_reason = self._stop_reason or reason
        self._woken.set()

    def detach(self) -> None:
        """Let the instances go on alone: the server stops."""
        self._is_detaching = True
        self._woken.set()

    async def run(self) -> None:
        """See the attempt to its end; returns early only after `detach`."""
        with contextlib.suppress(_Detached):
            await self._end(await self._execute())

    async def _execute(self) -> Verdict:
        self._configuration = await self._again(self._read_configuration)
        uri = self._configuration.get("checkpointConfig", {}).get("s3Uri")
        target = None if uri is None else parse_s3_uri(uri)
        if target is not None:
            self._checkpoints = CheckpointSync(
                self._resources,
                self._job,
                self._directory,
                target,
                is_recovered=self._is_recovered,
            )
        try:
            self._is_launched = any(instance.launched_at for instance in self._read_instances())
            if not self._stop_reason:
                await (self._start_rest() if self._is_launched else self._launch())
            return await self._watch()
        except staging.StagingError as error:
            return Verdict(str(error), has_run=False)
        except _Detached:
            raise
        except Exception as error:
            # Whatever it is, the job must not run on unwatched, or seem to run for ever.
            _log.exception("job %s cannot be run", self._job.id)
            words = getattr(error, "strerror", None) or error
            await self._end_instances()
            return Verdict(
                f"InternalServerError: The job cannot be run: {words}",
                has_run=self._is_launched,
            )
        finally:
            if self._checkpoints is not None:
                await self._checkpoints.finish()

    async def _read_configuration(self) -> Mapping[str, Any]:
        with self._resources.database.read() as connection:
            found: Mapping[str, Any] = orjson.loads(
                jobs.get_request_json(connection, self._job.id) or "{}"
            )
        return found

    # Start.

    async def _launch(self) -> None:
        """Stage the job's objects and start its instances.

        Raises:
            StagingError: What the job was given cannot be brought there.
            OSError: The directory cannot be written, or an instance not started.
            _Detached: The server stops; nothing was started.
        """
        job, resources = self._job, self._resources
        await asyncio.to_thread(remove_tree, self._directory.path)
        now = resources.clock()
        keys = credentials.new_credentials(job, self._configuration["roleArn"], now=now)
        is_recorded = await self._again(
            lambda: resources.database.write(
                lambda connection: credentials.record(connection, job, keys, attempt=job.attempt)
            )
        )
        if not is_recorded:
            self.stop()
            return
        await self._note("DOWNLOADING_DATA")
        spec = build_spec(
            job,
            self._configuration,
            self._settings,
            keys.environment(job.region),
            attempt=job.attempt,
        )
        await asyncio.to_thread(self._directory.prepare, spec)
        await self._stage(spec.limits.disk_bytes)
        if self._is_detaching:
            raise _Detached
        if self._stop_reason:
            return
        if self._checkpoints is not None:
            await self._checkpoints.remember()
        now = resources.clock()
        await self._again(
            lambda: resources.database.write(
                lambda connection: job_instances.launch(connection, job.id, at=now)
            )
        )
        self._is_launched = True
        for number in self._numbers():
            await asyncio.to_thread(resources.runtime.start, self._directory, spec, number)

    async def _start_rest(self) -> None:
        """Start the instances that a server had not come to when it died during the launch.

        Raises:
            OSError: An instance cannot be started.
        """
        for number in self._numbers():
            if self._directory.is_unstarted(number):
                spec = await asyncio.to_thread(self._directory.spec)
                with contextlib.suppress(FileExistsError):
                    await asyncio.to_thread(
                        self._resources.runtime.start, self._directory, spec, number
                    )

    async def _stage(self, bytes_max: int) -> None:
        stage = partial(
            elsewhere.stage,
            self._resources,
            self._configuration,
            self._directory,
            account=self._job.account,
        )
        for tries_left in reversed(range(staging.TRIES_MAX)):
            try:
                await self._again(lambda: stage(bytes_max=bytes_max, is_wanted=self._is_wanted))
            except FileNotFoundError:
                if not tries_left:
                    raise
            else:
                return

    def _is_wanted(self) -> bool:
        return not self._stop_reason and not self._is_detaching

    def _numbers(self) -> range:
        return range(1, self._job.instance_count + 1)

    # Watching.

    async def _watch(self) -> Verdict:
        """Follow the instances until all have ended, and their logs to the last line.

        Raises:
            _Detached: The server stops; the instances go on.
        """
        watched = Watched(self._directory, self._numbers(), is_recovered=self._is_recovered)
        logs = [
            JobLog(self._resources, self._job, self._directory, instance)
            for instance in self._read_instances()
        ]
        next_look = time.monotonic()
        if not self._is_launched:
            return Verdict(self._stop_failure(), has_run=False)
        while True:
            if self._is_detaching:
                raise _Detached
            self._woken.clear()
            states = watched.look()
            grew = await self._follow(logs)
            if watched.all_ran():
                await self._note("RUNNING", once=watched)
            if watched.all_ended():
                while await self._follow(logs):
                    pass
                return judge(watched.ended_states(), self._stop_failure())
            now = time.monotonic()
            await self._end_what_must(watched, states)
            await watched.find_lost(self._resources.runtime.is_alive, now)
            if self._checkpoints is not None:
                self._checkpoints.look(now)
            if self._has_priority and now >= next_look:
                next_look = now + INACTIVITY_LOOK_S
                await self._look_for_activity()
            if not grew:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._settings.poll_s)

    def _read_instances(self) -> list[JobInstance]:
        with self._resources.database.read() as connection:
            return job_instances.list_instances(connection, self._job.id)

    async def _follow(self, logs: Sequence[JobLog]) -> bool:
        """Take in new lines of every instance; return whether there were any."""
        grew = False
        for log in logs:
            try:
                grew |= await log.follow()
            except StoreError as error:
                _log.error("lines of job %s wait: %s", self._job.id, error)
                await asyncio.sleep(RECORDS.first_s)
        return grew

    async def _end_what_must(
        self, watched: Watched, states: Mapping[int, InstanceState | None]
    ) -> None:
        """Stop the instances of a job that is to end: all where one has failed."""
        started = (self._job.started_at or self._job.created_at) / 1000
        limit_s = self._configuration["stoppingCondition"]["maxRuntimeInSeconds"]
        is_overdue = self._resources.clock() / 1000 > started + limit_s + RUNTIME_GRACE_S
        failed = any(
            state is not None and state.phase == ENDED and failure_reason([state])
            for state in states.values()
        )
        if is_overdue or failed or self._stop_reason:
            for number in watched.to_stop():
                await asyncio.to_thread(self._resources.runtime.stop, self._directory, number)

    def _stop_failure(self) -> str | None:
        return _SERVER_STOPPED if self._stop_reason == "server" else None

    async def _look_for_activity(self) -> None:
        """Take the device's priority from a job that submits no tasks."""
        job, now = self._job, self._resources.clock()
        with self._resources.database.read() as connection:
            submitted_at = quantum_tasks.last_created_of_job(connection, job.arn)
            is_busy = bool(quantum_tasks.list_live_of_job(connection, job.arn))
        since = max(submitted_at or 0, job.started_at or job.created_at)
        if is_busy or now - since < self._settings.inactivity_s * 1000:
            return
        is_changed = await self._again(
            lambda: self._resources.database.write(
                lambda connection: jobs.deprioritize(
                    connection, job.id, attempt=job.attempt, at=now
                )
            )
        )
        self._has_priority = False
        if is_changed:
            self._on_deprioritized()

    # End.

    async def _end_instances(self) -> None:
        """Stop what may have been started, where starting or watching itself has failed."""
        runtime, directory = self._resources.runtime, self._directory
        for number in self._numbers():
            with contextlib.suppress(OSError):
                await asyncio.to_thread(runtime.stop, directory, number)
        deadline = time.monotonic() + STOP_S_MAX
        live = list(self._numbers())
        while live and time.monotonic() < deadline:
            if not await asyncio.to_thread(runtime.is_alive, directory, live[0]):
                live.pop(0)
            else:
                await asyncio.sleep(self._settings.poll_s)

    async def _end(self, verdict: Verdict) -> None:
        """Store what the job leaves, end its record, and remove its directory."""
        if verdict.exceeded_runtime:
            await self._note("MAX_RUNTIME_EXCEEDED")
        produced: list[Produced] = []
        if verdict.has_run:
            try:
                produced = await self._store_results(verdict.states)
            except StoreError as error:
                reason = f"InternalServerError: The results were not stored: {error}"
                verdict = replace(verdict, failure=verdict.failure or reason)
        remote = self._resources.remote
        if remote is not None:
            blobs = self._resources.blobs
            failure = await elsewhere.upload(remote, blobs, produced, pause=self._pause)
            verdict = replace(verdict, failure=verdict.failure or failure)
        status, unused = await self._conclude(verdict, produced)
        count_end(self._job, status, self._resources.clock())
        if unused:
            await asyncio.to_thread(delete_unused, self._resources.blobs, unused)
        if status == "CANCELLED":
            await self._cancel_tasks()
        is_kept = status == "FAILED" and self._settings.failed_kept_s > 0
        if not is_kept:
            await asyncio.to_thread(remove_tree, self._directory.path.parent)

    async def _pause(self, seconds: float) -> bool:
        """Wait while the store is away; False where the job is cancelled.

        Raises:
            _Detached: The server stops; the next start stores the results.
        """
        if not self._stop_reason and not self._is_detaching:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), seconds)
        if self._is_detaching or self._stop_reason == "server":
            raise _Detached
        return not self._stop_reason

    async def _store_results(self, states: Sequence[InstanceState]) -> list[Produced]:
        await self._note("UPLOADING_RESULTS")
        uri = self._configuration["outputDataConfig"]["s3Path"]
        output = parse_s3_uri(uri) or S3Location("", "")
        produced: list[Produced] = []
        if self._checkpoints is not None:
            produced = await self._checkpoints.store_last(states)
        try:
            archive = await asyncio.to_thread(
                pack, self._directory, self._job.instance_count, output, self._resources.blobs
            )
        except StoreError:
            unused = [item.blob.id for item in produced]
            await asyncio.to_thread(delete_unused, self._resources.blobs, unused)
            raise
        return [*produced, archive] if archive is not None else produced

    async def _conclude(
        self, verdict: Verdict, produced: Sequence[Produced]
    ) -> tuple[str | None, list[str]]:
        """End the record, once; return its status, and the contents that nobody names."""
        job, resources = self._job, self._resources
        local = produced if resources.remote is None else ()
        uploaded = [item.blob.id for item in produced if not local]

        def work(connection: Connection) -> tuple[str | None, list[str]]:
            now = resources.clock()
            failure = verdict.failure or missing_bucket(connection, local, account=job.account)
            transition = job_states.COMPLETE if failure is None else job_states.FAIL
            for tried in (transition, job_states.END_CANCELLED):
                if jobs.apply(
                    connection,
                    tried,
                    job.id,
                    at=now,
                    attempt=job.attempt,
                    failure_reason=failure if tried is job_states.FAIL else None,
                    message=failure if tried is job_states.FAIL else None,
                ):
                    session_keys.delete_keys(connection, job.id)
                    job_instances.delete_instances(connection, job.id)
                    published = publish(connection, local, account=job.account, now=now)
                    return tried.target, [*uploaded, *published]
            # Perhaps by a commit of our own that reported a failure.
            found = jobs.get(connection, job.id)
            is_ours = found is not None and found.attempt == job.attempt
            return found.status if found and is_ours else None, unnamed(connection, produced)

        return await self._again(lambda: resources.database.write(work))

    async def _cancel_tasks(self) -> None:
        """Cancel what the job has submitted and a crash may have left uncancelled."""
        with self._resources.database.read() as connection:
            task_ids = quantum_tasks.list_live_of_job(connection, self._job.arn)
        for task_id in task_ids:
            await self._resources.cancel_task(task_id)

    # Records.

    async def _note(self, event: str, *, once: "Watched | None" = None) -> None:
        """Record an event that changes no status, at most once."""
        if once is not None:
            if once.is_running_noted:
                return
            once.is_running_noted = True
        job, now = self._job, self._resources.clock()
        await self._again(
            lambda: self._resources.database.write(
                lambda connection: jobs.note(
                    connection,
                    job.id,
                    JobEvent(event, now),
                    attempt=job.attempt,
                    sources=job_states.LIVE,
                )
            )
        )

    async def _again(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Do something with the records, again and again while they refuse it.

        Raises:
            _Detached: The server stops meanwhile.
        """
        retry_s = RECORDS.first_s
        while True:
            try:
                return await attempt()
            except StoreError as error:
                if self._is_detaching:
                    raise _Detached from error
                _log.error("job %s waits for the records: %s", self._job.id, error)
                await asyncio.sleep(retry_s)
                retry_s = RECORDS.after(retry_s)
