"""What a job leaves: the archive of its results, and how contents become objects.

A job owns the directories that are read here and may put anything into them, so no link is
followed: `openbraket.jobs.files` opens what is walked.
"""

import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from sqlalchemy import Connection

from openbraket.base.blob import Blob
from openbraket.base.errors import StoreError
from openbraket.base.s3_uri import S3Location
from openbraket.blobs import LocalBlobs
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.files import JobFile, walk
from openbraket.store import buckets, objects

ARCHIVE_TYPE: Final = "application/x-tar"
ARCHIVE_KEY: Final = "output/model.tar.gz"
FILE_COUNT_MAX: Final = 100_000
KEY_BYTES_MAX: Final = 1024
_PIECE_BYTES: Final = 1 << 20
# Fast enough for results of gigabytes; the last few percent of size are not worth their time.
_COMPRESSION_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Produced:
    """A content that is complete, and the object that it is to become."""

    bucket: str
    key: str
    blob: Blob
    content_type: str = objects.CONTENT_TYPE_DEFAULT


def pack(
    directory: JobDirectory, instance_count: int, output: S3Location, blobs: LocalBlobs
) -> Produced | None:
    """Store the archive of what a job's instances have written; blocks.

    The files of all instances are united; of two with one name that of the lower instance counts.

    Args:
        directory: The attempt's.
        instance_count: Its instances.
        output: `outputDataConfig.s3Path`.
        blobs: Where contents go.

    Returns:
        The archive, or None where nothing was written.

    Raises:
        StoreError: It cannot be stored.
    """
    seen: set[str] = set()
    try:
        with tempfile.TemporaryFile(dir=directory.path) as file:
            with tarfile.open(
                fileobj=file, mode="w:gz", compresslevel=_COMPRESSION_LEVEL
            ) as archive:
                for number in range(1, instance_count + 1):
                    for found in walk(directory.instance(number).model):
                        with found.file:
                            if found.name not in seen and len(seen) < FILE_COUNT_MAX:
                                seen.add(found.name)
                                _add(archive, found)
            if not seen:
                return None
            file.seek(0)
            blob = blobs.put(pieces(file))
    except OSError as error:
        raise StoreError(f"The results cannot be packed: {error.strerror}.") from error
    return Produced(output.bucket, output.below(ARCHIVE_KEY), blob, ARCHIVE_TYPE)


def missing_bucket(
    connection: Connection, produced: Sequence[Produced], *, account: str
) -> str | None:
    """Return why contents cannot become objects of an account, or None where they can."""
    for name in sorted({item.bucket for item in produced}):
        if not buckets.is_owned(connection, name, account=account):
            return f"ClientError: The bucket {name} no longer exists"
    return None


def publish(
    connection: Connection, produced: Sequence[Produced], *, account: str, now: int
) -> list[str]:
    """Record contents as objects, where their buckets still are, and still the account's.

    Args:
        connection: In a write transaction.
        produced: The contents.
        account: The job's.
        now: Milliseconds since the epoch.

    Returns:
        The contents that no record names after the transaction.
    """
    unused = []
    for item in produced:
        if not buckets.is_owned(connection, item.bucket, account=account):
            unused.append(item.blob.id)
            continue
        replaced = objects.put_object(
            connection,
            bucket=item.bucket,
            key=item.key,
            blob=item.blob,
            content_type=item.content_type,
            last_modified=now,
        )
        if replaced is not None:
            unused.append(replaced)
    return unused


def unnamed(connection: Connection, produced: Sequence[Produced]) -> list[str]:
    """Return those contents that are not the objects that they were to become."""
    found = (
        (item, objects.get_object(connection, bucket=item.bucket, key=item.key))
        for item in produced
    )
    return [item.blob.id for item, held in found if held is None or held.blob_id != item.blob.id]


def _add(archive: tarfile.TarFile, found: JobFile) -> None:
    """Add one file, as much of it as there was when its size was read."""
    member = tarfile.TarInfo(found.name)
    member.size, member.mode = found.size, 0o644
    member.mtime = found.mtime_ns // 10**9
    archive.addfile(member, _Padded(found.file, found.size))


class _Padded:
    """A file with exactly `size` bytes to read: one that was cut meanwhile ends in zeros."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most `size`."""
        wanted = self._left if size < 0 else min(size, self._left)
        piece = self._file.read(wanted)
        self._left -= wanted
        return piece.ljust(wanted, b"\0")


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a file from where it stands."""
    while piece := file.read(_PIECE_BYTES):
        yield piece


def is_key(key: str) -> bool:
    """Return whether a path can be an object's key: Unicode, not too long, nothing invisible."""
    try:
        is_short = len(key.encode()) <= KEY_BYTES_MAX
    except UnicodeEncodeError:
        return False
    return is_short and key.isprintable()
