"""What jobs read from and leave in another object store.

A job that has ended keeps its directory until its record says so, so nothing is spooled here: after
a crash the next start finds the instances ended and uploads again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.blobs.remote import NoSuchObjectError, ObjectRefusedError, RemoteObjects
from openbraket.engine.jobs.results import Produced
from openbraket.engine.jobs.settings import JobResources
from openbraket.engine.jobs.staging import (
    FILE_COUNT_MAX,
    LocalSource,
    StagedFile,
    StagingError,
    copy,
    plan,
    read_local,
)
from openbraket.engine.retries import OBJECTS
from openbraket.jobs.directory import JobDirectory

_log = logging.getLogger(__name__)


class RemoteSource:
    """Objects of another store, for staging; its methods block.

    Args:
        remote: The store.
    """

    def __init__(self, remote: RemoteObjects) -> None:
        self._remote = remote

    def find(self, bucket: str, key: str) -> StagedFile | None:
        """Return an object without a target, None where there is none.

        Raises:
            StagingError: The store refuses the question.
            ObjectsAwayError: The store does not answer.
        """
        try:
            found = self._remote.find(bucket, key)
        except ObjectRefusedError as error:
            raise StagingError(f"ClientError: {error}") from error
        return None if found is None else StagedFile("", found.size, Path(), (bucket, key))

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, StagedFile]]:
        """Yield the key of each object below a prefix, with its object and no target.

        Raises:
            StagingError: There are more than `FILE_COUNT_MAX`, or the store refuses.
            ObjectsAwayError: The store does not answer.
        """
        try:
            for count, found in enumerate(self._remote.list(bucket, prefix), start=1):
                if count > FILE_COUNT_MAX:
                    raise StagingError(
                        f"ClientError: s3://{bucket}/{prefix} has more than {FILE_COUNT_MAX} "
                        "objects"
                    )
                yield found.key, StagedFile("", found.size, Path(), (bucket, found.key))
        except ObjectRefusedError as error:
            raise StagingError(f"ClientError: {error}") from error

    def read(self, file: StagedFile) -> Iterator[bytes]:
        """Yield an object's bytes.

        Raises:
            StagingError: It is not there any more.
            ObjectsAwayError: The store does not answer, or stops in the middle.
        """
        try:
            yield from self._remote.read(*file.location)
        except ObjectRefusedError as error:
            raise StagingError(f"ClientError: {error}") from error


async def stage(
    resources: JobResources,
    configuration: Mapping[str, Any],
    directory: JobDirectory,
    *,
    account: str,
    bytes_max: int,
    is_wanted: Callable[[], bool],
) -> None:
    """Copy every object that a job was given to its instances' files, wherever the objects are.

    Args:
        resources: What the attempt works with.
        configuration: As GetJob gives it back.
        directory: The attempt's.
        account: The job's.
        bytes_max: What all files together may have, in bytes.
        is_wanted: Asked between files; copying ends early when it is False.

    Raises:
        StagingError: What the job was given cannot be brought there.
        FileNotFoundError: A content has gone since it was looked up.
        StoreError: The records or the store do not answer.
    """
    find = partial(plan, configuration=configuration, directory=directory, bytes_max=bytes_max)
    if not is_wanted():
        return
    if resources.remote is None:
        files = await resources.database.read_aside(
            lambda connection: find(LocalSource(connection, account=account))
        )
        read = partial(read_local, resources.database, resources.blobs)
        await asyncio.to_thread(copy, files, read, is_wanted=is_wanted)
        return
    source = RemoteSource(resources.remote)
    files = await resources.remote.call(find, source)
    await resources.remote.call(copy, files, source.read, is_wanted=is_wanted)


async def upload(
    remote: RemoteObjects,
    blobs: LocalBlobs,
    produced: Sequence[Produced],
    *,
    pause: Callable[[float], Awaitable[bool]],
) -> str | None:
    """Make contents objects of the store, again and again while it is away.

    Args:
        remote: The store.
        blobs: Where the contents lie.
        produced: The contents and what they are to become.
        pause: Waits the given seconds; False means that nobody wants the objects any more.

    Returns:
        Why the store will never take them, or None.
    """
    retry_s = OBJECTS.first_s
    left = list(produced)
    while left:
        try:
            await remote.call(put, remote, blobs, left[0])
        except NoSuchObjectError:
            return f"ClientError: The bucket {left[0].bucket} no longer exists"
        except ObjectRefusedError as error:
            return f"ClientError: The object store refused a result: {error}"
        except StoreError as error:
            _log.warning("results wait: %s", error)
            if not await pause(retry_s):
                return None
            retry_s = OBJECTS.after(retry_s)
        else:
            left.pop(0)
    return None


def put_wanted(
    resources: JobResources,
    is_wanted: Callable[[Connection], bool],
    remote: RemoteObjects,
    produced: Sequence[Produced],
) -> list[str]:
    """Make contents objects if the record still wants them; blocks.

    Args:
        resources: What the attempt works with.
        is_wanted: Asks the records.
        remote: The store.
        produced: The contents and what they are to become.

    Returns:
        The contents, which nobody needs from now on.

    Raises:
        StoreError: The records or the store do not answer, or the store refuses.
    """
    with resources.database.read() as connection:
        wanted = produced if is_wanted(connection) else ()
    for item in wanted:
        put(remote, resources.blobs, item)
    return [item.blob.id for item in produced]


def put(remote: RemoteObjects, blobs: LocalBlobs, item: Produced) -> None:
    """Make one content an object; blocks.

    Raises:
        StoreError: It did not work; see `RemoteObjects.put`.
    """
    remote.put(
        blobs.path(item.blob.id),
        item.blob,
        bucket=item.bucket,
        key=item.key,
        content_type=item.content_type,
    )
