"""Results on their way to another object store: the object first, the record after it.

An outcome waits here, its contents on this machine's disk, for as long as the store is away; the
worker that made it is free meanwhile. It is spooled before the first of its objects is sent, and
until its record is written, so that the next start of the server goes on with it. A cancel ends the
wait at once; what is in the store by then is taken back, now or by the next start.

Repeating any step is harmless: the objects of an attempt have one key each, and their record is
fenced. Only one attempt of a task is under way, so no other can write the same keys.
"""

import asyncio
import contextlib
import logging
from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.blobs.remote import NoSuchObjectError, ObjectRefusedError, RemoteObjects
from openbraket.engine.attempt import Run
from openbraket.engine.executors.base import Failed, Outcome, Succeeded
from openbraket.engine.outcomes import delete_unused
from openbraket.engine.retries import OBJECTS
from openbraket.engine.spool import Spool, Spooled
from openbraket.engine.states import TERMINAL, Status
from openbraket.store import quantum_tasks

# Outcomes that may wait; beyond them no task starts, so that the disk does not fill unseen.
OUTCOMES_WAITING_MAX: Final = 10_000

_log = logging.getLogger(__name__)


class Uploads:
    """The outcomes of quantum tasks that are on their way; see the module.

    Args:
        remote: The store.
        blobs: Where the contents lie until they are there.
        spool: Keeps what waits over the end of the server.
    """

    def __init__(self, remote: RemoteObjects, blobs: LocalBlobs, spool: Spool) -> None:
        self._remote = remote
        self._blobs = blobs
        self._spool = spool
        # By task: set when its cancel is committed.
        self._withdrawn: dict[str, asyncio.Event] = {}
        self._stopping = asyncio.Event()
        # Uploads that nobody waits for any more, by task: a thread may still be at them.
        self._late: dict[str, asyncio.Future[None]] = {}
        self._spooled: set[tuple[str, int]] = set()
        # What the last server left whose contents are gone, and of tasks that were cancelled.
        self._without_contents: list[Spooled] = []
        self._cancelled: list[tuple[Run, Succeeded]] = []

    @property
    def is_full(self) -> bool:
        """Whether so many outcomes wait that nothing more should start."""
        return len(self._withdrawn) >= OUTCOMES_WAITING_MAX

    @property
    def waiting_count(self) -> int:
        """How many outcomes are on their way."""
        return len(self._withdrawn)

    def load(self) -> dict[tuple[str, int], Spooled]:
        """Return what the last server left, by task and attempt, where its contents are there.

        Raises:
            StoreError: The spool cannot be read.
        """
        found = {}
        for item in self._spool.items():
            self._spooled.add((item.task_id, item.attempt))
            if all(self._blobs.path(kept.blob.id).exists() for kept in item.outcome.objects):
                found[item.task_id, item.attempt] = item
            else:
                self._without_contents.append(item)
        return found

    def resume(
        self, connection: Connection, items: Iterable[Spooled], resumed: Container[str]
    ) -> list[tuple[Run, Succeeded]]:
        """Return the attempts that go on, and forget those that the records have left behind.

        `clean` does what is left of those that were cancelled.

        Args:
            connection: For reading.
            items: What `load` returned.
            resumed: Ids of the tasks whose records wait for their outcomes.
        """
        found = []
        for item in (*items, *self._without_contents):
            task = quantum_tasks.get(connection, item.task_id)
            if task is not None and task.id in resumed and task.attempt == item.attempt:
                found.append((Run.ended_before(task, item.started_at), item.outcome))
            elif task is not None and task.status == Status.CANCELLED:
                run = replace(Run.ended_before(task, item.started_at), attempt=item.attempt)
                self._cancelled.append((run, item.outcome))
            elif task is None or task.status in TERMINAL:
                # The contents go with the sweep that follows.
                self._unspool(item.task_id, item.attempt)
            # Else it runs again, and the next start sees how it has ended.
        self._without_contents.clear()
        return found

    async def clean(self) -> None:
        """Take back what cancelled attempts may have left in the store under the last server."""
        for run, outcome in self._cancelled:
            await self._take_back(run, outcome)
        self._cancelled.clear()

    def kept_blob_ids(self) -> set[str]:
        """Return the contents that no record names and that wait here; blocks.

        Raises:
            StoreError: The spool cannot be read.
        """
        return {kept.blob.id for item in self._spool.items() for kept in item.outcome.objects}

    def withdraw(self, task_id: str) -> None:
        """End the wait of a task whose cancel is committed."""
        if (event := self._withdrawn.get(task_id)) is not None:
            event.set()

    def stop(self) -> None:
        """Let everything that waits be spooled and return."""
        self._stopping.set()

    async def send(self, run: Run, outcome: Succeeded) -> Outcome | None:
        """Make an outcome's contents objects, again and again while the store is away.

        Args:
            run: The attempt.
            outcome: What it has left.

        Returns:
            The outcome to record: the given one when its objects are there, or when the task was
            cancelled; `Failed` when the store will never take it; None when the server stops.
        """
        task_id = run.task.id
        withdrawn = self._withdrawn[task_id] = asyncio.Event()
        stopping = self._stopping
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(event.wait()) for event in (withdrawn, stopping)
        ]
        retry_s = OBJECTS.first_s
        try:
            await self._keep(run, outcome, None)
            while not withdrawn.is_set():
                putting = self._remote.submit(self._put, run, outcome, withdrawn)
                await asyncio.wait((putting, *waits), return_when=asyncio.FIRST_COMPLETED)
                if not putting.done():
                    self._leave(task_id, putting)
                    break
                error = putting.exception()
                if error is None:
                    return outcome
                if (refusal := _refusal(error, run)) is not None:
                    return refusal
                await self._keep(run, outcome, error)
                await asyncio.wait(waits, timeout=retry_s, return_when=asyncio.FIRST_COMPLETED)
                if stopping.is_set():
                    break
                retry_s = OBJECTS.after(retry_s)
            if withdrawn.is_set():
                return outcome
            await self._keep(run, outcome, None)
            return None
        finally:
            del self._withdrawn[task_id]
            for wait in waits:
                wait.cancel()

    async def finish(self, run: Run, outcome: Succeeded, status: Status | None) -> None:
        """Clean up after an outcome is recorded: the spool, the contents, objects not wanted.

        Args:
            run: The attempt.
            outcome: What `send` was given.
            status: What the record says; None where it had moved on.
        """
        if status is None and self._stopping.is_set():
            return  # the next start goes on with it
        late = self._late.pop(run.task.id, None)
        if late is not None:
            await asyncio.wait((late,))
        await asyncio.to_thread(
            delete_unused, self._blobs, [kept.blob.id for kept in outcome.objects]
        )
        if status == Status.CANCELLED:
            # The cancel came after the objects, or while a thread was at them.
            await self._take_back(run, outcome)
        elif (run.task.id, run.attempt) in self._spooled:
            await asyncio.to_thread(self._unspool, run.task.id, run.attempt)

    def _put(self, run: Run, outcome: Succeeded, withdrawn: asyncio.Event) -> None:
        for item in outcome.objects:
            if withdrawn.is_set():
                return
            self._remote.put(
                self._blobs.path(item.blob.id),
                item.blob,
                bucket=run.task.output_bucket,
                key=f"{run.task.output_directory}/{item.name}",
                content_type=item.content_type,
            )

    async def _take_back(self, run: Run, outcome: Succeeded) -> None:
        """Remove a cancelled attempt's objects; while the store is away they stay spooled."""
        retry_s = OBJECTS.first_s
        while not self._stopping.is_set():
            try:
                await self._remote.call(self._delete, run, outcome)
            except ObjectRefusedError as error:
                _log.warning("an object of cancelled task %s may stay: %s", run.task.id, error)
            except StoreError as error:
                _log.warning("objects of cancelled task %s wait: %s", run.task.id, error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), retry_s)
                retry_s = OBJECTS.after(retry_s)
                continue
            if (run.task.id, run.attempt) in self._spooled:
                await asyncio.to_thread(self._unspool, run.task.id, run.attempt)
            return

    def _delete(self, run: Run, outcome: Succeeded) -> None:
        for item in outcome.objects:
            key = f"{run.task.output_directory}/{item.name}"
            self._remote.delete(run.task.output_bucket, key)

    def _leave(self, task_id: str, putting: "asyncio.Future[None]") -> None:
        # Not cancelled: that would end the wait for its thread, not what the thread does.
        self._late[task_id] = putting
        # Its error is nobody's business any more.
        putting.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _keep(self, run: Run, outcome: Succeeded, error: BaseException | None) -> None:
        """Spool an outcome, once."""
        if error is not None:
            _log.warning("the result of quantum task %s waits: %s", run.task.id, error)
        key = (run.task.id, run.attempt)
        if key in self._spooled:
            return
        run.drop_action()
        try:
            await self._blobs.make_lasting([kept.blob.id for kept in outcome.objects])
            item = Spooled(*key, run.started_at, outcome)
            await asyncio.to_thread(self._spool.write, item)
        except StoreError as unwritten:
            # It waits in memory; should the server end before, the task runs again.
            _log.warning("%s", unwritten)
        else:
            self._spooled.add(key)

    def _unspool(self, task_id: str, attempt: int) -> None:
        self._spooled.discard((task_id, attempt))
        try:
            self._spool.remove(task_id, attempt)
        except StoreError as error:
            _log.warning("%s The next start removes it.", error)


def _refusal(error: BaseException, run: Run) -> Failed | None:
    """Return how an attempt ends whose objects the store will never take; None where it may."""
    if isinstance(error, NoSuchObjectError):
        return Failed(f"The output bucket {run.task.output_bucket} no longer exists.")
    if isinstance(error, ObjectRefusedError):
        return Failed(f"The object store refused the result: {error}")
    if not isinstance(error, StoreError):
        return Failed("InternalError: the result could not be stored", log=repr(error))
    return None
