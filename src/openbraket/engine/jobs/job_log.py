"""The lines of a running instance, on their way from its log file into its log stream."""

import asyncio
from typing import Final

from openbraket.engine.jobs.settings import JobResources
from openbraket.jobs.directory import JobDirectory, read_log
from openbraket.store import job_instances
from openbraket.store.job_instances import JobInstance
from openbraket.store.jobs import Job

# Bytes of one transaction, more than of the longest line; bounds how long the records' writer is
# held up.
BATCH_BYTES_MAX: Final = 256 << 10


class JobLog:
    """Follows the log file of one instance.

    Args:
        resources: The records.
        job: The job.
        directory: The attempt's.
        instance: With the place that was reached before.
    """

    def __init__(
        self,
        resources: JobResources,
        job: Job,
        directory: JobDirectory,
        instance: JobInstance,
    ) -> None:
        self._resources = resources
        self._job = job
        self._path = directory.instance(instance.number).log
        self._instance = instance

    async def follow(self) -> bool:
        """Record the next lines, with the place that they end at, in one transaction.

        Returns:
            Whether there were any; then there may be more.

        Raises:
            StoreError: The records refuse them; the next call tries again.
            OSError: The file cannot be read.
        """
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return False
        offset = self._instance.log_offset
        if size <= offset:
            return False
        records, end = await asyncio.to_thread(
            read_log, self._path, offset, bytes_max=BATCH_BYTES_MAX
        )
        if end == offset:
            return False
        instance = self._instance
        events = [(record.epoch_ms, record.text) for record in records]
        now = self._resources.clock()
        is_taken = await self._resources.database.write(
            lambda connection: job_instances.take_lines(
                connection, self._job, instance, events, offset=end, now=now
            )
        )
        if is_taken:
            self._instance = instance._replace(log_offset=end)
            return True
        return self._read_place()

    def _read_place(self) -> bool:
        """Go on where the record is: a commit that reported a failure may have taken effect.

        Returns:
            Whether the record is there.
        """
        with self._resources.database.read() as connection:
            instances = job_instances.list_instances(connection, self._job.id)
        number = self._instance.number
        found = next((instance for instance in instances if instance.number == number), None)
        self._instance = found or self._instance
        return found is not None
