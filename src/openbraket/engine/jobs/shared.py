"""The door for hybrid jobs of a server that shares its records: the one that dispatches runs them.

The others only record jobs and cancels; the leader looks for both. A job's processes do not end
with their server, so on the same machine the next leader finds them as a start does.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from openbraket.base.errors import StoreError
from openbraket.engine.jobs.dispatcher import JobDispatcher
from openbraket.store import jobs
from openbraket.store.database import Database
from openbraket.store.jobs import Job

# How often the leader looks for what other servers have recorded.
LOOK_S: Final = 0.5

_log = logging.getLogger(__name__)


class SharedJobs:
    """A dispatcher of jobs while this server leads; see the module.

    Args:
        make_dispatcher: Makes the dispatcher for a time of leading, on the records given.
    """

    def __init__(self, make_dispatcher: Callable[[Database], JobDispatcher]) -> None:
        self._make_dispatcher = make_dispatcher
        self._leading: JobDispatcher | None = None
        self._looking: asyncio.Task[None] | None = None
        self._closed: frozenset[str] = frozenset()

    async def start(self, database: Database) -> None:
        """Find again what the last leader left running, and start what waits.

        Args:
            database: The records, which refuse changes when this server does not lead any more.

        Raises:
            StoreError: The records cannot be read.
        """
        dispatcher = self._make_dispatcher(database)
        dispatcher.set_closed(self._closed)
        await dispatcher.start()
        self._leading = dispatcher
        self._looking = asyncio.create_task(self._look_forever(database, dispatcher))

    async def stop(self, *, keeps_jobs: bool = False) -> None:
        """Start nothing more; see `JobDispatcher.stop`.

        Args:
            keeps_jobs: Whether what runs goes on in any case, since another server may watch it.
        """
        dispatcher, self._leading = self._leading, None
        if self._looking is not None:
            self._looking.cancel()
        if dispatcher is not None:
            await dispatcher.stop(keeps_jobs=keeps_jobs)

    def waiting_counts(self) -> Counter[str]:
        """Return how many jobs wait, by the device's label in metrics, where this server leads."""
        return Counter() if self._leading is None else self._leading.waiting_counts()

    def running_counts(self) -> Counter[str]:
        """Return how many jobs have begun and not ended, in the same way."""
        return Counter() if self._leading is None else self._leading.running_counts()

    @property
    def instance_count(self) -> int:
        """How many instances are in use, in the same way."""
        return 0 if self._leading is None else self._leading.instance_count

    def set_closed(self, device_arns: frozenset[str]) -> None:
        """Let exactly these devices start no jobs from now on; what runs there goes on."""
        self._closed = device_arns
        if self._leading is not None:
            self._leading.set_closed(device_arns)

    def job_created(self, job: Job) -> None:
        """Take in a job whose record is committed; another leader finds it by itself."""
        if self._leading is not None:
            self._leading.job_created(job)

    def job_cancelled(self, job_id: str) -> None:
        """Act on a cancel that is committed; another leader finds it by itself."""
        if self._leading is not None:
            self._leading.job_cancelled(job_id)

    async def _look_forever(self, database: Database, dispatcher: JobDispatcher) -> None:
        cancelled: set[str] = set()
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                with database.read() as connection:
                    waiting, active = jobs.list_waiting(connection), jobs.list_active(connection)
            except StoreError as error:
                _log.warning("the jobs of other servers could not be read: %s", error)
                continue
            for job in waiting:
                dispatcher.job_created(job)
            found = {job.id for job in active if job.status == "CANCELLING"}
            for job_id in found - cancelled:
                dispatcher.job_cancelled(job_id)
            cancelled = found
