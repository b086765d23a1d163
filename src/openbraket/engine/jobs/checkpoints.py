"""The checkpoints of a running job, on their way to their objects.

An object is replaced as a whole, and only by a file that nobody has open for writing and that does
not change while it is copied. What a job was writing when it was killed may be half a checkpoint,
and does not replace the last whole one; where there is none, it is better than nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.base.s3_uri import S3Location
from openbraket.blobs import LocalBlobs
from openbraket.engine import job_states
from openbraket.engine.jobs import elsewhere
from openbraket.engine.jobs.results import FILE_COUNT_MAX, Produced, is_key, pieces, publish
from openbraket.engine.jobs.settings import JobResources
from openbraket.engine.outcomes import delete_unused
from openbraket.jobs.directory import InstanceState, JobDirectory
from openbraket.jobs.files import JobFile, walk
from openbraket.store import jobs
from openbraket.store.jobs import Job

# How long a file must not have changed to count as written where the kernel does not tell.
SETTLED_S: Final = 0.05
# After this long a file that is open all the time, as a journal, is taken as it is.
UNSETTLED_S_MAX: Final = 30.0
# What a job wrote in its last moment before it was killed may be cut.
CUT_S: Final = 0.5
_SECOND_NS: Final = 10**9

_log = logging.getLogger(__name__)

Mark = tuple[int, int]


@dataclass(slots=True)
class Checkpoints:
    """The checkpoint directory of an attempt, copied to its objects when files change.

    Attributes:
        directory: The attempt's.
        target: `checkpointConfig.s3Uri`.
        blobs: Where contents go.
        is_recovered: Whether another server watched over the attempt before: any file may have its
            object then.
    """

    directory: JobDirectory
    target: S3Location
    blobs: LocalBlobs
    is_recovered: bool = False
    # Size and time of change of what the objects hold.
    _known: dict[str, Mark] = field(default_factory=dict)
    # When a file was first passed over since it was being written, by the monotonic clock.
    _unsettled: dict[str, float] = field(default_factory=dict)

    def remember(self) -> None:
        """Take what is there for known: it has just come from the objects; blocks."""
        for found in walk(self.directory.checkpoints):
            with found.file:
                self._known[found.name] = _mark(found)

    def store_settled(self) -> tuple[list[Produced], Mapping[str, Mark]]:
        """Store the contents of files that are new or have changed and are written; blocks.

        Returns:
            The contents, and what `confirm` is to be given once they are objects.

        Raises:
            StoreError: One cannot be stored; nothing is left of the others.
        """
        settled_ns = time.time_ns() - int(SETTLED_S * _SECOND_NS)
        now = time.monotonic()

        def is_wanted(found: JobFile) -> bool:
            is_open = found.is_being_written()
            if is_open is False or (is_open is None and found.mtime_ns <= settled_ns):
                self._unsettled.pop(found.name, None)
                return True
            return now - self._unsettled.setdefault(found.name, now) >= UNSETTLED_S_MAX

        return self._store(is_wanted)

    def store_last(self, states: Sequence[InstanceState]) -> list[Produced]:
        """Store the contents of files that are new or have changed once the job has ended; blocks.

        Args:
            states: How its instances have ended; none where nobody knows.

        Returns:
            The contents; without what a killed job may have been writing where there is a whole
            one of that name.

        Raises:
            StoreError: One cannot be stored; nothing is left of the others.
        """
        cut_ns = self._cut_ns(states)
        settled_ns = None if cut_ns is None else cut_ns - int(CUT_S * _SECOND_NS)

        def is_wanted(found: JobFile) -> bool:
            is_whole = settled_ns is None or found.mtime_ns <= settled_ns
            return is_whole or not (self.is_recovered or found.name in self._known)

        return self._store(is_wanted)[0]

    def _cut_ns(self, states: Sequence[InstanceState]) -> int | None:
        """Return when a job was killed, on the clock of its files; None where it was not."""
        killed = [state for state in states if state.reason is not None]
        if states and not killed:
            return None
        if not states or any(state.reason == "lost" for state in killed):
            # Nobody knows when: not before its last change.
            changes = []
            for found in walk(self.directory.checkpoints):
                with found.file:
                    changes.append(found.mtime_ns)
            return max(changes, default=0)
        return min(int((state.ended_at or 0) * _SECOND_NS) for state in killed)

    def _store(
        self, is_wanted: Callable[[JobFile], bool]
    ) -> tuple[list[Produced], Mapping[str, Mark]]:
        produced: list[Produced] = []
        marks: dict[str, Mark] = {}
        try:
            for found in walk(self.directory.checkpoints):
                with found.file:
                    mark = _mark(found)
                    key = self.target.below(found.name)
                    if self._known.get(found.name) == mark or not is_key(key):
                        continue
                    if not is_wanted(found):
                        continue
                    is_overdue = self._unsettled.pop(found.name, None) is not None
                    blob = self.blobs.put(pieces(found.file))
                    is_whole = blob.size == found.size and found.is_unchanged()
                    if not is_whole and not is_overdue:
                        delete_unused(self.blobs, [blob.id])
                        continue
                    produced.append(Produced(self.target.bucket, key, blob))
                    if is_whole:
                        marks[found.name] = mark
                if len(produced) >= FILE_COUNT_MAX:
                    break
        except OSError as error:
            delete_unused(self.blobs, [item.blob.id for item in produced])
            raise StoreError(f"Checkpoints cannot be read: {error.strerror}.") from error
        except StoreError:
            delete_unused(self.blobs, [item.blob.id for item in produced])
            raise
        return produced, marks

    def confirm(self, marks: Mapping[str, Mark]) -> None:
        """Take files for known whose contents have become objects."""
        self._known.update(marks)


class CheckpointSync:
    """Keeps an attempt's checkpoints in their objects while it runs.

    Args:
        resources: What the attempt works with.
        job: The job, with the attempt's number.
        directory: The attempt's.
        target: `checkpointConfig.s3Uri`.
        is_recovered: Whether another server watched over the attempt before.
    """

    def __init__(
        self,
        resources: JobResources,
        job: Job,
        directory: JobDirectory,
        target: S3Location,
        *,
        is_recovered: bool,
    ) -> None:
        self._resources = resources
        self._job = job
        self._checkpoints = Checkpoints(directory, target, resources.blobs, is_recovered)
        self._syncing: asyncio.Task[None] | None = None
        # What was stored and may not be recorded yet.
        self._stored: tuple[list[Produced], Mapping[str, Mark]] | None = None
        self._next_s = 0.0

    async def remember(self) -> None:
        """Take what is there for known: it has just come from the objects."""
        await asyncio.to_thread(self._checkpoints.remember)

    def look(self, now: float) -> None:
        """Copy changed checkpoints now and then, unless that is still going on.

        Args:
            now: By the monotonic clock, in seconds.
        """
        if now < self._next_s:
            return
        self._next_s = now + self._resources.settings.checkpoint_s
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync())

    async def finish(self) -> None:
        """Wait for a copy that is going on."""
        if self._syncing is not None:
            await asyncio.wait((self._syncing,))

    async def store_last(self, states: Sequence[InstanceState]) -> list[Produced]:
        """Store what has changed since; see `Checkpoints.store_last`."""
        return await asyncio.to_thread(self._checkpoints.store_last, states)

    async def _sync(self) -> None:
        try:
            await self._publish_settled()
        except StoreError as error:
            _log.error("checkpoints of job %s wait: %s", self._job.id, error)

    async def _publish_settled(self) -> None:
        """Copy written checkpoints to their objects.

        Contents that could not be recorded stay, and are the first of the next call: whether a
        commit that reported a failure has taken effect is not known.

        Raises:
            StoreError: They cannot be stored or recorded; the next call tries again.
        """
        if self._stored is None:
            self._stored = await asyncio.to_thread(self._checkpoints.store_settled)
        produced, marks = self._stored
        unused = await self._write(produced) if produced else []
        self._stored = None
        self._checkpoints.confirm(marks)
        if unused:
            await asyncio.to_thread(delete_unused, self._resources.blobs, unused)

    def _write(self, produced: Sequence[Produced]) -> "asyncio.Future[list[str]]":
        """Record contents as objects; gives the contents that are not needed."""
        remote = self._resources.remote
        if remote is not None:
            put = partial(elsewhere.put_wanted, self._resources, self._holds_record)
            return remote.submit(put, remote, produced)

        def work(connection: Connection) -> list[str]:
            if not self._holds_record(connection):
                return [item.blob.id for item in produced]
            now = self._resources.clock()
            return publish(connection, produced, account=self._job.account, now=now)

        return self._resources.database.submit(work)

    def _holds_record(self, connection: Connection) -> bool:
        job = jobs.get(connection, self._job.id)
        return (
            job is not None and job.attempt == self._job.attempt and job.status in job_states.LIVE
        )


def _mark(found: JobFile) -> Mark:
    return found.size, found.mtime_ns
