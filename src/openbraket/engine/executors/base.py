"""What the dispatcher asks of an executor, and what an attempt's end looks like."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from openbraket.base.blob import INLINE_BYTES_MAX, Blob, is_inline
from openbraket.base.work import Work


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A result object whose content is complete and which no record names yet.

    A content that is a file need not have reached the disk: whoever records it sees to that.

    Attributes:
        name: Key relative to the task's directory.
        content_type: MIME type.
        blob: The content.
    """

    name: str
    content_type: str
    blob: Blob


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The runner returned.

    Attributes:
        objects: What is to be published.
        num_successful_shots: Shots that gave a result; None where the action has no shots.
        failure_reason: Why the task ends as FAILED all the same; None where it completes.
    """

    objects: tuple[StoredObject, ...]
    num_successful_shots: int | None
    failure_reason: str | None = None

    @classmethod
    def from_frame(cls, header: Mapping[str, Any], body: bytes = b"") -> "Succeeded":
        """Return what a worker's frame of the kind `done` says.

        Args:
            header: The frame's.
            body: The contents that are no files, one after the other.

        Raises:
            ValueError: The body is not what the header announces.
        """
        objects = []
        start = 0
        for item in header["objects"]:
            inline = None
            if is_inline(item["id"]):
                stop = start + item["size"]
                if not start <= stop <= min(len(body), start + INLINE_BYTES_MAX):
                    raise ValueError(f"{item['size']} bytes of {item['name']} cannot be")
                inline, start = body[start:stop], stop
            blob = Blob(item["id"], item["size"], item["md5"], inline)
            objects.append(StoredObject(item["name"], item["content_type"], blob))
        if start != len(body):
            raise ValueError(f"{len(body)} bytes instead of {start} bytes of results")
        return cls(tuple(objects), header["shots"], header.get("failure"))

    def to_frame(self) -> tuple[dict[str, Any], bytes]:
        """Return the header and the body of a worker's frame; the reverse of `from_frame`."""
        objects = [
            {
                "name": item.name,
                "content_type": item.content_type,
                "id": item.blob.id,
                "size": item.blob.size,
                "md5": item.blob.md5,
            }
            for item in self.objects
        ]
        header = {
            "kind": "done",
            "objects": objects,
            "shots": self.num_successful_shots,
            "failure": self.failure_reason,
        }
        return header, b"".join(item.blob.inline or b"" for item in self.objects)


@dataclass(frozen=True, slots=True)
class Failed:
    """The runner raised.

    Attributes:
        reason: For the task's owner.
        log: For the operator, where the error is ours; one line.
    """

    reason: str
    log: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker process ended without an outcome.

    Attributes:
        status: Its exit status; negative: the signal that killed it.
    """

    status: int


Outcome = Succeeded | Failed | Lost


@dataclass(frozen=True, slots=True)
class Capacity:
    """What an executor's machines can give now.

    Attributes:
        memory_bytes: To all attempts together.
        thread_count: The same in threads.
        task_memory_bytes: To one attempt; what needs more can never run.
        task_thread_count: The same in threads; what wants more gets this.
        device_counts: How many attempts of a device can run at once, by ARN, where that is limited
            by more than processors and memory.
    """

    memory_bytes: int
    thread_count: int
    task_memory_bytes: int
    task_thread_count: int
    device_counts: Mapping[str, int] = field(default_factory=dict)


class Executor(Protocol):
    """Where attempts run. All methods are called on one event loop."""

    @property
    def capacity(self) -> Capacity | None:
        """What its machines can give; None where that is the operator's to say."""

    @property
    def free_count(self) -> int:
        """How many attempts could start now."""

    async def start(self, on_free: Callable[[], None]) -> None:
        """Begin to prepare workers and return at once.

        Args:
            on_free: Called whenever `free_count` or `capacity` has grown.
        """

    def submit(self, work: Work, on_progress: Callable[[float], None]) -> asyncio.Future[Outcome]:
        """Start an attempt; `free_count` must not be 0.

        Args:
            work: The attempt.
            on_progress: Called with the finished share, 0 to 1, now and then.

        Returns:
            The outcome; it never raises.
        """

    def kill(self, task_id: str, attempt: int) -> None:
        """Kill an attempt's process; its outcome becomes `Lost`. One that has ended is left."""

    async def stop(self) -> None:
        """Kill every worker; running attempts end as `Lost`."""
