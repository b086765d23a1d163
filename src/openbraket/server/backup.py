"""Copying a data directory while its server runs, and checking one.

A backup is a data directory itself: `openbraket serve --data-dir BACKUP` runs on it. Contents are
copied before the records that name them, so a backup that is cut short is the one before it.
"""

import hashlib
import io
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.blobs.copying import copy_contents
from openbraket.store import objects
from openbraket.store.data_directory import IDENTITY_NAME
from openbraket.store.database import DATABASE_NAME
from openbraket.store.shared_snapshot import open_shared_snapshot
from openbraket.store.snapshot import copy_records, damages, open_snapshot

Report = Callable[[str, float], None]

# Contents may be deleted while they are copied; then newer records are taken, so many times.
ROUND_COUNT_MAX: Final = 5
_NEW_SUFFIX: Final = ".new"
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes:
        content_count: Files that its records name; small results are in the records themselves.
        record_bytes: Size of its records.
    """

    content_count: int
    record_bytes: int


def back_up(data_dir: Path, target: Path, report: Report) -> Backup:
    """Copy a data directory; a server may be running on it.

    Args:
        data_dir: What is copied.
        target: Where the copy goes: a folder that is absent, empty, or an earlier backup, which is
            brought up to date.
        report: Called now and then with what is being done and its share, 0 to 1.

    Raises:
        StoreError: Something cannot be read or written, or contents that the records name are gone.
    """
    records = _records(
        data_dir,
        "copy them with pg_dump, and then the folder with its objects; see docs/operations.md",
    )
    if target.resolve() == data_dir.resolve():
        raise StoreError(f"{target} is the data directory itself; a backup goes elsewhere.")
    if target.is_dir() and any(target.iterdir()) and not (target / DATABASE_NAME).exists():
        raise StoreError(f"{target} has other files in it; a backup needs an empty folder.")
    source, copies = LocalBlobs(data_dir), LocalBlobs(target)
    fresh = target / (DATABASE_NAME + _NEW_SUFFIX)
    for _ in range(ROUND_COUNT_MAX):
        copy_records(records, fresh, lambda share: report("records", share))
        with open_snapshot(fresh) as connection:
            blob_ids = objects.known_file_ids(connection)
        missing = copy_contents(source, copies, blob_ids, lambda share: report("contents", share))
        if not missing:
            break
    else:
        raise StoreError(
            f"{len(missing)} contents that the records name are missing in {data_dir}, "
            f"{missing[0]} among them; `openbraket check` lists them."
        )
    fresh.replace(target / DATABASE_NAME)
    copies.sweep(blob_ids, older_than_s=0)
    return Backup(len(blob_ids), (target / DATABASE_NAME).stat().st_size)


def check(data_dir: Path, report: Report, *, reads_contents: bool, url: str = "") -> list[str]:
    """Return what is wrong in a data directory; empty for a sound one.

    Args:
        data_dir: What is looked at; servers may be running on it. Not changed.
        report: Called now and then with what is being done and its share, 0 to 1.
        reads_contents: Whether to read every object and compare its MD5 with its record.
        url: The PostgreSQL database of the records, whose own files are its administrator's
            business; "" for the file in the data directory.

    Raises:
        StoreError: The records cannot be read.
    """
    if url:
        records = partial(open_shared_snapshot, data_dir, url)
    else:
        path = _records(data_dir, "give its address with --database")
        report("records", 0.0)
        findings = [f"records: {finding}" for finding in damages(path)]
        if findings:
            return findings
        records = partial(open_snapshot, path)
    blobs = LocalBlobs(data_dir)
    with records() as connection:
        findings = [
            finding
            for item, content in objects.each_held_inline(connection)
            if (finding := _inline_finding(item, content, reads_contents=reads_contents))
        ]
    held = _held(records)
    suspects: dict[objects.Held, str] = {}
    for count, item in enumerate(held, start=1):
        finding = _finding(blobs, item, reads_contents=reads_contents)
        if finding:
            suspects[item] = finding
        report("objects", count / len(held))
    # What was deleted or replaced meanwhile is no damage.
    still_held = _held(records) if suspects else set()
    return findings + [finding for item, finding in suspects.items() if item in still_held]


def _records(data_dir: Path, advice: str) -> Path:
    """Return the database file of a data directory.

    Args:
        data_dir: The data directory.
        advice: What to do where the records are in PostgreSQL.

    Raises:
        StoreError: It has none.
    """
    if (data_dir / IDENTITY_NAME).exists():
        raise StoreError(f"The records of {data_dir} are in PostgreSQL: {advice}.")
    records = data_dir / DATABASE_NAME
    if not records.exists():
        raise StoreError(f"{data_dir} is no data directory: it has no {DATABASE_NAME}.")
    return records


def _held(records: Callable[[], AbstractContextManager[Connection]]) -> set[objects.Held]:
    with records() as connection:
        return set(objects.list_held(connection))


def _finding(blobs: LocalBlobs, item: objects.Held, *, reads_contents: bool) -> str:
    """Return what is wrong with the file of an object's content, or ""."""
    path = blobs.path(item.blob_id)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return _difference(item, size, file if reads_contents else None)
    except OSError as error:
        return f"{item.name}: its content {item.blob_id} cannot be read: {error.strerror}"


def _inline_finding(item: objects.Held, content: bytes | None, *, reads_contents: bool) -> str:
    """Return what is wrong with an object's content that is no file, or ""."""
    if content is None:
        return f"{item.name}: its content {item.blob_id} is missing in the records"
    return _difference(item, len(content), io.BytesIO(content) if reads_contents else None)


def _difference(item: objects.Held, size: int, content: BinaryIO | None) -> str:
    """Return what a content has other than its record says, or ""; None: it is not to be read."""
    if size != item.size:
        return f"{item.name}: its content has {size} bytes instead of {item.size}"
    # Objects of several parts have another kind of ETag, with a hyphen.
    if content is not None and "-" not in item.etag and _md5(content) != item.etag.strip('"'):
        return f"{item.name}: its content is not the one that was stored"
    return ""


def _md5(content: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    while piece := content.read(_READ_BYTES):
        digest.update(piece)
    return digest.hexdigest()
