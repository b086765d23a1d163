"""The dispatcher: decides which task starts when, and sees every attempt to its end.

It runs on the server's event loop and is woken, never polling: by a new task, by a free worker, by
memory that is given back, by a cancel, by a device that opens. Tasks start in the order of `queue`.
When the first one does not fit beside what runs, nothing overtakes it in the memory and threads
that it needs: the running attempts end, and then it fits. Only the extra places of `room`, which it
could not use, go to small tasks meanwhile. So neither wide nor small tasks starve.

Order of effects. The worker gets the work at once; that the attempt has started is recorded a
moment later, or in the transaction of its outcome where that comes first, which spares small tasks
a commit. If the server dies in between, the record still says that the task waits, and the worker
dies too: nothing was told. A worker writes contents only, never records; the server applies the
outcome, and only with the attempt's number.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from openbraket.base.clock import now_ms
from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.engine import states
from openbraket.engine.attempt import Run, record_starts
from openbraket.engine.cancelling import CancelResult, Confirm, cancel
from openbraket.engine.concluding import record_outcome
from openbraket.engine.executors.base import Capacity, Executor, Failed, Lost, Outcome, Succeeded
from openbraket.engine.outcomes import delete_unused
from openbraket.engine.queue import TaskQueue
from openbraket.engine.recovery import recover
from openbraket.engine.retries import RECORDS
from openbraket.engine.room import Room
from openbraket.engine.states import Status
from openbraket.engine.uploads import Uploads
from openbraket.engine.waiters import EndWaiters
from openbraket.store import quantum_tasks, transitions
from openbraket.store.database import Database
from openbraket.store.quantum_tasks import NewTask, QuantumTask, WaitingTask

T = TypeVar("T")

# How long after its start an attempt is recorded as RUNNING, unless it has ended by then.
START_RECORD_DELAY_S: Final = 0.01

_log = logging.getLogger(__name__)


class Dispatcher:
    """The queue and its attempts; see the module.

    Args:
        database: The records.
        blobs: The contents.
        executor: Where attempts run.
        runners: Runner module by action type.
        memory_bytes_max: What all attempts together may use, by admission's estimates, in bytes.
        thread_count_max: What all attempts together may use; a task that wants more gets this.
        extra_count: Places beyond these limits that only small tasks can have; see `room`.
        seed: Seed of tasks that name none; None has their samples differ.
        clock: Milliseconds since the epoch.
        start_record_delay_s: How long after its start an attempt is recorded as RUNNING.
        on_progress: Called with task id and finished share, 0 to 1, now and then.
        runner_settings: What every attempt hands to its runner; see `Work.settings`.
        uploads: Takes results to another object store; None keeps them in the records.
        end_waiters: Who waits for ends; by default only callers of `wait_for_end`.
    """

    def __init__(
        self,
        database: Database,
        blobs: LocalBlobs,
        executor: Executor,
        *,
        runners: Mapping[str, str],
        memory_bytes_max: int,
        thread_count_max: int,
        extra_count: int = 0,
        seed: int | None = None,
        clock: Callable[[], int] = now_ms,
        start_record_delay_s: float = START_RECORD_DELAY_S,
        on_progress: Callable[[str, float], None] | None = None,
        runner_settings: Mapping[str, str] | None = None,
        uploads: Uploads | None = None,
        end_waiters: EndWaiters | None = None,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._executor = executor
        self._runners = runners
        self._room = Room(memory_bytes_max, thread_count_max, extra_count)
        self._seed = seed
        self._clock = clock
        self._start_record_delay_s = start_record_delay_s
        self._on_progress = on_progress
        self._runner_settings = dict(runner_settings or {})
        self._uploads = uploads
        self._queue = TaskQueue()
        # Waiting tasks whose record still says CREATED.
        self._unqueued: dict[str, None] = {}
        self._running: dict[str, Run] = {}
        # Attempts whose start is not handed to the records yet.
        self._unrecorded: dict[str, Run] = {}
        # Lost attempts whose tasks are on their way back to the front of the queue.
        self._returning_count = 0
        self._is_pump_due = False
        self._is_stopping = False
        self._stopping = asyncio.Event()
        self._background: set[asyncio.Task[Any]] = set()
        self._end_waiters = end_waiters or EndWaiters()

    @property
    def memory_bytes(self) -> int:
        """What admission counts for the attempts under way."""
        return self._room.memory_bytes

    @property
    def capacity(self) -> Capacity | None:
        """What the executor's machines can give; None where the two maxima say it."""
        return self._executor.capacity

    @property
    def reason_not_ready(self) -> str:
        """Why no attempt runs or could start now; "" if one does or could."""
        is_ready = self._executor.free_count > 0 or bool(self._running)
        return "" if is_ready else "no worker process is ready yet"

    def running_counts(self) -> Counter[str]:
        """Return how many attempts are under way, by device."""
        return Counter(run.task.device_arn for run in self._running.values())

    def waiting_devices(self) -> tuple[str, ...]:
        """Return the devices that have waiting tasks; `queue_depth` says how many."""
        return self._queue.devices()

    async def start(self) -> None:
        """Recover what the last run left, load the queue and start the executor.

        Raises:
            StoreError: The records cannot be read or written.
        """
        spooled = self._uploads.load() if self._uploads is not None else {}
        count, resumed = await self._database.write(recover(self._clock, spooled.values()))
        if count:
            _log.warning("recovered %d tasks that were active when the service ended", count)
        if self._uploads is not None:
            with self._database.read() as connection:
                ended = self._uploads.resume(connection, spooled.values(), resumed)
            for run, outcome in ended:
                self._running[run.task.id] = run
                self._spawn(self._finish(run, outcome))
            self._spawn(self._uploads.clean())
        with self._database.read() as connection:
            for task in quantum_tasks.list_waiting(connection):
                self._add(task)
        await self._executor.start(self._wake)
        self._wake()

    async def stop(self) -> None:
        """Start nothing more, kill the workers and return their tasks to the queue."""
        self._is_stopping = True
        self._stopping.set()
        if self._uploads is not None:
            self._uploads.stop()
        await self._executor.stop()
        while self._background:
            await asyncio.wait(self._background)

    def first_status(self, device_arn: str) -> Status:
        """Return the status to record for a new task: QUEUED where it cannot start at once."""
        is_busy = bool(self._queue) or self._executor.free_count == 0
        return Status.QUEUED if is_busy or self._queue.is_closed(device_arn) else Status.CREATED

    def set_closed(self, device_arns: frozenset[str]) -> None:
        """Let exactly these devices start no tasks from now on; what runs there goes on."""
        self._queue.close(device_arns)
        self._wake()

    def queue_position(self, task: QuantumTask) -> int:
        """Return how many tasks of its device will start before a task that waits."""
        return self._queue.position(task)

    def queue_depth(self, device_arn: str, *, priority: int) -> int:
        """Return how many tasks of a device wait with this priority, 0 normal or 1 priority."""
        return self._queue.depth(device_arn, priority)

    def task_created(self, task: WaitingTask) -> None:
        """Take in a task whose record is committed; one that is known is passed over."""
        if task.id in self._running or task.id in self._queue:
            return
        if self.first_status(task.device_arn) == Status.QUEUED:
            task = self._queue.lighten(task)
        self._add(task)
        self._wake()

    def see_cancelled(self, task_id: str) -> None:
        """Drop a task whose cancel another server has recorded, or kill its attempt."""
        self._queue.discard(task_id)
        self._unqueued.pop(task_id, None)
        run = self._running.get(task_id)
        if self._uploads is not None:
            self._uploads.withdraw(task_id)
        if run is not None:
            self._executor.kill(task_id, run.attempt)
        self._wake()

    async def cancel(self, task_id: str, confirm: Confirm | None = None) -> CancelResult | None:
        """Cancel a task: at once if it waits, else by killing its attempt's process.

        Cancelling the caller does not take the cancellation back.

        Args:
            task_id: The task.
            confirm: Called in the transaction that cancels the task; raises StoreErrors only.

        Returns:
            The status that is committed now; None where there is no such task.

        Raises:
            StoreError: The record cannot be written, or `confirm` raised it; the task is as before.
        """
        self._record_starts()
        # Out of the queue first, so that it cannot start while the change is on its way.
        waiting = self._queue.discard(task_id)

        try:
            change = self._database.submit(cancel(task_id, self._clock, confirm))
        except StoreError:
            if waiting is not None:
                self.task_created(waiting)
            raise
        return await asyncio.shield(self._spawn(self._see_cancel(task_id, waiting, change)))

    async def _see_cancel(
        self,
        task_id: str,
        waiting: WaitingTask | None,
        change: "asyncio.Future[CancelResult | None]",
    ) -> CancelResult | None:
        try:
            result = await change
        except StoreError:
            if waiting is not None:
                self.task_created(waiting)
            raise
        self._unqueued.pop(task_id, None)
        run = self._running.get(task_id)
        # CANCELLED under a run: the records had refused its start.
        if result is not None and result.status in {Status.CANCELLING, Status.CANCELLED}:
            if run is not None:
                self._executor.kill(task_id, run.attempt)
                if self._uploads is not None:
                    self._uploads.withdraw(task_id)
            else:
                self._end_waiters.tell(task_id)
        self._wake()
        return result

    async def wait_for_end(self, task_id: str, *, timeout_s: float) -> None:
        """Return when an attempt of the task has been concluded, or after `timeout_s` seconds."""
        await self._end_waiters.wait(task_id, timeout_s=timeout_s)

    def _add(self, task: WaitingTask) -> None:
        self._queue.add(task)
        if task.status == Status.CREATED:
            self._unqueued[task.id] = None

    def _wake(self) -> None:
        if not self._is_pump_due and not self._is_stopping:
            self._is_pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Start what can start, and record as QUEUED what cannot."""
        self._is_pump_due = False
        self._room.follow(self._executor.capacity)
        # A task on its way back was accepted earlier than some that wait: they let it pass.
        can_start = not self._is_stopping and self._returning_count == 0
        if self._uploads is not None and self._uploads.is_full:
            can_start = False
        while can_start and self._executor.free_count > 0:
            self._queue.pass_over(self._room.full_devices())
            task, is_extra = self._queue.first(), False
            if task is not None and not self._room.fits(task):
                task, is_extra = self._queue.first_small(), True
            if task is None or (is_extra and not self._room.fits_extra(task)):
                break
            self._queue.start(task)
            self._unqueued.pop(task.id, None)
            self._launch(task, is_extra=is_extra)
        if self._unqueued and not self._is_stopping:
            self._record_queued(list(self._unqueued))
            self._unqueued.clear()

    def _launch(self, waiting: WaitingTask, *, is_extra: bool) -> None:
        """Begin a task's next attempt; see the module on the order of effects."""
        task: QuantumTask | NewTask | None
        action: bytes | None
        if waiting.new is not None:
            task, action, lost_count = waiting.new, waiting.new.action, 0
            attempt = 1
            waiting = replace(waiting, new=None)
        else:
            try:
                with self._database.read() as connection:
                    task = quantum_tasks.get(connection, waiting.id)
                    action = quantum_tasks.get_action(connection, waiting.id)
            except StoreError as error:
                _log.error("quantum task %s cannot start: %s", waiting.id, error)
                self._add_later(waiting, RECORDS.max_s)
                return
            if task is None or action is None:
                _log.error("quantum task %s waits but has no record", waiting.id)
                return
            if task.status not in states.WAITING:
                return  # cancelled before the dispatcher had heard of it
            attempt, lost_count = task.attempt + 1, task.lost_count
        refusal = self._refusal(task)
        if refusal is not None:
            self._spawn(self._refuse(waiting, refusal))
            return
        share = self._room.take(waiting, is_extra=is_extra)
        waiting = replace(waiting, status="QUEUED", attempt=attempt, lost_count=lost_count)
        run = Run(waiting, task, attempt, self._clock(), share)
        work = run.work(
            action,
            runner=self._runners[task.action_type],
            seed=self._seed,
            settings=self._runner_settings,
        )
        run.count_start()
        ended = self._executor.submit(work, lambda fraction: self._progress(task.id, fraction))
        self._running[task.id] = run
        if not self._unrecorded:
            delay_s = self._start_record_delay_s
            asyncio.get_running_loop().call_later(delay_s, self._record_starts)
        self._unrecorded[task.id] = run
        self._spawn(self._follow(run, ended))

    def _record_starts(self) -> None:
        """Record as RUNNING what has started and not ended; kill what the records have left."""
        if not self._unrecorded:
            return
        runs = dict(self._unrecorded)
        self._unrecorded.clear()

        try:
            # Taken back by a loss of power, the task waits again: nothing was told or done.
            recording = self._database.submit(record_starts(runs), is_lasting=False)
        except StoreError as error:
            self._record_later(runs, error)
            return
        for run in runs.values():
            run.recording = recording
        recording.add_done_callback(lambda recorded: self._see_starts(runs, recorded))

    def _see_starts(
        self, runs: Mapping[str, Run], recording: "asyncio.Future[frozenset[str]]"
    ) -> None:
        error = recording.exception()
        if error is not None:
            self._record_later(runs, error)
            return
        for task_id in runs.keys() - recording.result():
            # The record has moved on (a cancel came first): nobody wants this attempt.
            self._executor.kill(task_id, runs[task_id].attempt)

    def _record_later(self, runs: Mapping[str, Run], error: BaseException) -> None:
        """Try again for what still runs; an outcome that comes first makes up for it."""
        _log.error("%d starts could not be recorded: %s", len(runs), error)
        for task_id, run in runs.items():
            if self._running.get(task_id) is run:
                run.recording = None
                self._unrecorded[task_id] = run
        asyncio.get_running_loop().call_later(RECORDS.max_s, self._record_starts)

    def _refusal(self, task: QuantumTask | NewTask) -> str | None:
        """Return why a task can never run, or None."""
        if task.memory_bytes > self._room.task_memory_bytes_max:
            return (
                f"The quantum task needs {task.memory_bytes} bytes of memory; "
                f"this service can give at most {self._room.task_memory_bytes_max}."
            )
        if task.action_type not in self._runners:
            return f"This service cannot run actions of type {task.action_type}."
        return None

    async def _follow(self, run: Run, ended: asyncio.Future[Outcome]) -> None:
        """See one attempt to its end."""
        outcome = await ended
        task_id = run.task.id
        if self._uploads is None and self._unrecorded.get(task_id) is run:
            # Where the outcome may have to wait for the store, the start is recorded all the same.
            del self._unrecorded[task_id]
        self._room.give_back(run.share)
        if isinstance(outcome, Failed) and outcome.log is not None:
            _log.error(
                "quantum task %s failed inside the service: %s",
                task_id,
                outcome.log,
                extra={"arn": run.task.arn},
            )
        await self._finish(run, outcome)

    async def _finish(self, run: Run, outcome: Outcome) -> None:
        """Apply an attempt's outcome and tell whoever waits."""
        task_id = run.task.id
        is_lost = isinstance(outcome, Lost)
        self._returning_count += is_lost
        self._wake()
        try:
            conclusion = await record_outcome(
                self._database,
                run,
                outcome,
                blobs=self._blobs,
                clock=self._clock,
                stopping=self._stopping,
                uploads=self._uploads,
            )
        finally:
            self._returning_count -= is_lost
            if self._unrecorded.get(task_id) is run:
                del self._unrecorded[task_id]
            del self._running[task_id]
            self._end_waiters.tell(task_id)
            self._wake()
        run.count_end(conclusion.status, self._clock())
        if conclusion.status == Status.QUEUED and not self._is_stopping:
            _log.warning(
                "quantum task %s lost attempt %d; it runs again",
                task_id,
                run.attempt,
                extra={"arn": run.task.arn},
            )
            self._add(replace(run.waiting, lost_count=run.waiting.lost_count + 1))
        if conclusion.unused_blob_ids:
            await asyncio.to_thread(delete_unused, self._blobs, conclusion.unused_blob_ids)
        if self._uploads is not None and isinstance(outcome, Succeeded):
            await self._uploads.finish(run, outcome, conclusion.status)

    async def _refuse(self, waiting: WaitingTask, reason: str) -> None:
        try:
            await self._database.write(
                lambda connection: transitions.apply(
                    connection,
                    states.REFUSE,
                    waiting.id,
                    at=self._clock(),
                    failure_reason=reason,
                )
            )
        except StoreError:
            self._add_later(waiting, RECORDS.max_s)
        self._end_waiters.tell(waiting.id)

    def _record_queued(self, task_ids: list[str]) -> None:
        def work(connection: Connection) -> None:
            now = self._clock()
            for task_id in task_ids:
                transitions.apply(connection, states.QUEUE, task_id, at=now)

        async def write() -> None:
            try:
                await self._database.submit(work, is_lasting=False)
            except StoreError as error:
                # CREATED and QUEUED wait alike; only what the client sees is behind.
                _log.error("%d tasks could not be recorded as queued: %s", len(task_ids), error)

        self._spawn(write())

    def _add_later(self, task: WaitingTask, delay_s: float) -> None:
        def add() -> None:
            if not self._is_stopping:
                self.task_created(task)

        asyncio.get_running_loop().call_later(delay_s, add)

    def _progress(self, task_id: str, fraction: float) -> None:
        if self._on_progress is not None:
            self._on_progress(task_id, fraction)

    def _spawn(self, coroutine: Coroutine[object, object, T]) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background_ended)
        return task

    def _background_ended(self, task: "asyncio.Task[Any]") -> None:
        self._background.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StoreError):
            _log.error("the dispatcher failed: %s: %s", type(error).__name__, error)
