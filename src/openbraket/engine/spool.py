"""Outcomes that wait for the object store, kept over the end of the server.

The contents lie among the other contents already; here is, for each attempt, which they are: one
small JSON file, written aside and renamed. A spooled attempt whose record still allows it goes on
where it was at the next start; any other is forgotten, and its contents are swept.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from openbraket.base.blob import Blob
from openbraket.base.errors import StoreError
from openbraket.engine.executors.base import StoredObject, Succeeded

_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Spooled:
    """One attempt whose outcome is not in the store yet.

    Attributes:
        task_id: The task.
        attempt: The attempt's number, the fencing token.
        started_at: When it started, milliseconds since the epoch.
        outcome: Its outcome, contents on disk.
    """

    task_id: str
    attempt: int
    started_at: int
    outcome: Succeeded


class Spool:
    """The directory of spooled outcomes; see the module.

    Args:
        root: The directory; made when something is to be written.
        is_durable: Whether entries must survive a loss of power.
    """

    def __init__(self, root: Path, *, is_durable: bool) -> None:
        self._root = root
        self._is_durable = is_durable

    def write(self, item: Spooled) -> None:
        """Keep an outcome; blocks.

        Raises:
            StoreError: It cannot be written; nothing is left of it.
        """
        final = self._path(item.task_id, item.attempt)
        aside = final.with_suffix(".tmp")
        try:
            self._root.mkdir(exist_ok=True)
            with aside.open("wb") as file:
                file.write(_pack(item))
                if self._is_durable:
                    file.flush()
                    os.fsync(file.fileno())
            aside.rename(final)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise StoreError(f"Cannot write {final}: {error.strerror}.") from error

    def remove(self, task_id: str, attempt: int) -> None:
        """Forget an outcome; one that is not there is no error; blocks.

        Raises:
            StoreError: It cannot be removed.
        """
        path = self._path(task_id, attempt)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"Cannot delete {path}: {error.strerror}.") from error

    def items(self) -> Iterator[Spooled]:
        """Yield every outcome that is kept; what cannot be read is removed: its task runs again.

        Raises:
            StoreError: The directory cannot be read.
        """
        try:
            paths = sorted(self._root.iterdir()) if self._root.is_dir() else []
            for path in paths:
                item = _unpack(path.read_bytes()) if path.suffix == _SUFFIX else None
                if item is None:
                    path.unlink(missing_ok=True)
                else:
                    yield item
        except OSError as error:
            raise StoreError(f"Cannot read {self._root}: {error.strerror}.") from error

    def _path(self, task_id: str, attempt: int) -> Path:
        return self._root / f"{task_id}-{attempt}{_SUFFIX}"


def _pack(item: Spooled) -> bytes:
    outcome = item.outcome
    return orjson.dumps({
        "task_id": item.task_id,
        "attempt": item.attempt,
        "started_at": item.started_at,
        "shots": outcome.num_successful_shots,
        "failure": outcome.failure_reason,
        "objects": [
            [found.name, found.content_type, found.blob.id, found.blob.size, found.blob.md5]
            for found in outcome.objects
        ],
    })


def _unpack(data: bytes) -> Spooled | None:
    try:
        found: dict[str, Any] = orjson.loads(data)
        objects = tuple(
            StoredObject(name, content_type, Blob(blob_id, size, md5))
            for name, content_type, blob_id, size, md5 in found["objects"]
        )
        outcome = Succeeded(objects, found["shots"], found["failure"])
        return Spooled(found["task_id"], found["attempt"], found["started_at"], outcome)
    except (ValueError, LookupError, TypeError):
        return None
