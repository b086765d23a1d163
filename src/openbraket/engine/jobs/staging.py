"""Objects into a job's directory, before its instances start.

They are copied, never linked: a job owns its files and may write into them, and the content of an
object must not change.
"""

import io
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from openbraket.base.blob import is_inline
from openbraket.base.errors import OpenBraketError
from openbraket.base.s3_uri import S3Location, parse_s3_uri
from openbraket.blobs import LocalBlobs
from openbraket.engine.jobs.specification import script_file
from openbraket.jobs.channels import relative_paths
from openbraket.jobs.directory import JobDirectory
from openbraket.store import buckets, objects
from openbraket.store.database import Database

FILE_COUNT_MAX: Final = 100_000
# An object that is replaced while it is looked up is looked up again.
TRIES_MAX: Final = 3
_PAGE: Final = 1000
PIECE_BYTES: Final = 1 << 20
_NAME_BYTES_MAX: Final = 255


class StagingError(OpenBraketError):
    """What a job was given cannot be brought to its instances; the message is its failure."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One object and where it goes.

    Attributes:
        blob_id: The object's content.
        size: Its length in bytes.
        target: The file to make.
        location: Bucket and key where the object is in another store, which has no `blob_id`.
    """

    blob_id: str
    size: int
    target: Path
    location: tuple[str, str] = ("", "")


class Source(Protocol):
    """Where a job's objects come from."""

    def find(self, bucket: str, key: str) -> StagedFile | None:
        """Return an object without a target, None where there is none."""

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, StagedFile]]:
        """Yield the key of each object below a prefix, with its object and no target."""


class LocalSource:
    """The objects of this service.

    Args:
        connection: On one snapshot.
        account: The job's; a bucket may have become another's since CreateJob.
    """

    def __init__(self, connection: Connection, *, account: str) -> None:
        self._connection = connection
        self._account = account

    def find(self, bucket: str, key: str) -> StagedFile | None:
        """Return an object without a target, None where there is none.

        Raises:
            StagingError: The account has no such bucket any more.
        """
        self._check_owner(bucket)
        found = objects.get_object(self._connection, bucket=bucket, key=key)
        return None if found is None else StagedFile(found.blob_id, found.size, Path())

    def list(self, bucket: str, prefix: str) -> Iterator[tuple[str, StagedFile]]:
        """Yield the key of each object below a prefix, with its object and no target.

        Raises:
            StagingError: There are more than `FILE_COUNT_MAX`, or the account has no such bucket
                any more.
        """
        self._check_owner(bucket)
        start: str | None = ""
        count = 0
        while start is not None:
            page = objects.list_objects(
                self._connection, bucket=bucket, prefix=prefix, start=start, count_max=_PAGE
            )
            count += len(page.objects)
            if count > FILE_COUNT_MAX:
                raise StagingError(
                    f"ClientError: s3://{bucket}/{prefix} has more than {FILE_COUNT_MAX} objects"
                )
            for listed in page.objects:
                found = self.find(bucket, listed.key)
                if found is not None:
                    yield listed.key, found
            start = page.next_start

    def _check_owner(self, bucket: str) -> None:
        if not buckets.is_owned(self._connection, bucket, account=self._account):
            raise StagingError(f"ClientError: The bucket {bucket} no longer exists")


def plan(
    source: Source,
    configuration: Mapping[str, Any],
    directory: JobDirectory,
    *,
    bytes_max: int,
) -> list[StagedFile]:
    """Return every file that a job's instances are to find.

    Args:
        source: Where the objects are.
        configuration: As GetJob gives it back.
        directory: The attempt's.
        bytes_max: What all files together may have, in bytes.

    Returns:
        The script, the files of the input channels, the checkpoints.

    Raises:
        StagingError: The script or a channel's data is not there, a key is no file name, or there
            is too much.
    """
    files = _script(source, configuration, directory)
    for channel in configuration.get("inputDataConfig", ()):
        files += _channel(source, channel, directory)
    if (checkpoints := configuration.get("checkpointConfig")) is not None:
        files += _checkpoints(source, checkpoints["s3Uri"], directory)
    size = sum(file.size for file in files)
    if len(files) > FILE_COUNT_MAX:
        raise StagingError(
            f"ClientError: The job's input has {len(files)} files; the limit is {FILE_COUNT_MAX}"
        )
    if size > bytes_max:
        raise StagingError(
            f"ClientError: The job's input has {size} bytes; its volume holds {bytes_max}"
        )
    return files


def copy(
    files: list[StagedFile],
    read: Callable[[StagedFile], Iterator[bytes]],
    *,
    is_wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Copy the contents to their files, which only the owner may read; blocks.

    Args:
        files: What `plan` returned.
        read: Gives a file's bytes.
        is_wanted: Asked before each piece; copying ends early when it is False.

    Raises:
        StagingError: A file cannot be made: the disk is full, or two keys collide.
        FileNotFoundError: A content has gone since it was looked up.
    """
    for file in files:
        if not is_wanted():
            return
        # The first piece now: what is not there any more leaves no file.
        pieces = read(file)
        first = next(pieces, b"")
        with _writing(file):
            file.target.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            target = io.FileIO(os.open(file.target, flags, 0o600), "wb")
        with target:
            for piece in itertools.chain((first,), pieces):
                if not is_wanted():
                    return
                with _writing(file):
                    _write_all(target, piece)


def _write_all(target: io.FileIO, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[target.write(view) :]


def read_local(database: Database, blobs: LocalBlobs, file: StagedFile) -> Iterator[bytes]:
    """Yield the bytes of a content; blocks.

    Raises:
        FileNotFoundError: It has gone since it was looked up.
        StoreError: The records cannot be read.
    """
    if is_inline(file.blob_id):
        with database.read() as connection:
            content = objects.get_content(connection, file.blob_id)
        if content is None:
            raise FileNotFoundError(file.blob_id)
        yield content
        return
    with blobs.path(file.blob_id).open("rb", buffering=0) as source:
        while piece := source.read(PIECE_BYTES):
            yield piece


@contextmanager
def _writing(file: StagedFile) -> Iterator[None]:
    """Tell failures of a job's own volume.

    Raises:
        StagingError: The file cannot be made or written.
    """
    try:
        yield
    except OSError as error:
        raise StagingError(
            f"ClientError: {file.target.name} cannot be written to the job's volume: "
            f"{error.strerror}"
        ) from error


def _script(
    source: Source, configuration: Mapping[str, Any], directory: JobDirectory
) -> list[StagedFile]:
    script = configuration["algorithmSpecification"].get("scriptModeConfig")
    if script is None:
        return []
    bucket, key = _location(script["s3Uri"])
    found = source.find(bucket, key)
    name = script_file(script)
    if found is None or not name:
        raise StagingError(f"ClientError: The script {script['s3Uri']} does not exist")
    if name in {".", ".."} or "\0" in name or len(name.encode()) > _NAME_BYTES_MAX:
        raise StagingError(f"ClientError: {name[:64]!r} of {script['s3Uri'][:256]} is no file name")
    return [replace(found, target=directory.script / name)]


def _channel(
    source: Source, channel: Mapping[str, Any], directory: JobDirectory
) -> list[StagedFile]:
    name = channel["channelName"]
    bucket, prefix = _location(channel["dataSource"]["s3DataSource"]["s3Uri"])
    found = dict(source.list(bucket, prefix))
    try:
        paths = relative_paths(name, prefix, found)
    except ValueError as error:
        raise StagingError(f"ClientError: {error}") from error
    folder = directory.channel(name)
    return [replace(found[key], target=folder / path) for key, path in paths.items()]


def _checkpoints(source: Source, uri: str, directory: JobDirectory) -> list[StagedFile]:
    location = _location(uri)
    prefix = location.below("")
    found = dict(source.list(location.bucket, prefix))
    if all(key.endswith("/") for key in found):
        return []
    try:
        paths = relative_paths("checkpoints", prefix, found)
    except ValueError as error:
        raise StagingError(f"ClientError: {error}") from error
    return [replace(found[key], target=directory.checkpoints / path) for key, path in paths.items()]


def _location(uri: str) -> S3Location:
    """Return a location that CreateJob has checked.

    Raises:
        StagingError: It is none.
    """
    location = parse_s3_uri(uri)
    if location is None:
        raise StagingError(f"ClientError: {uri[:256]} is not a location in S3")
    return location
