"""What the operator chose for hybrid jobs, and what their attempts share."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from openbraket.base.clock import now_ms
from openbraket.blobs import LocalBlobs
from openbraket.blobs.remote import RemoteObjects
from openbraket.jobs.runtime import Runtime
from openbraket.jobs.spec import LOG_BYTES_DEFAULT
from openbraket.jobs.users import USER_IDS_DEFAULT
from openbraket.store.database import Database

GIB: Final = 1 << 30
# Instances side by side by default: for each processor, and as memory allows.
INSTANCES_PER_PROCESSOR: Final = 10
MEMORY_BYTES_PER_INSTANCE: Final = 512 << 20
# How long a job may hold a quantum processor without submitting a task.
INACTIVITY_S_DEFAULT: Final = 300.0


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Settings of hybrid jobs.

    Attributes:
        data_dir: The service's data directory.
        instance_count_max: Instances of all jobs that run side by side; 0 lets every job wait.
        memory_bytes_max: What one instance may use, in bytes; less where its type has less.
        disk_bytes_max: The same, of disk; less where the job asks for less.
        log_bytes_max: What one instance may print, in bytes; more is left out.
        inactivity_s: How long a job keeps a quantum processor's priority without a task, seconds.
        failed_kept_s: How long the directory of a failed job is kept, in seconds.
        ends_with_server: Whether a clean stop of the server ends the running jobs. Otherwise they
            go on, and the next start finds them.
        user_ids: First and last user id of those that jobs get where the server runs as root; None
            lets them run as root there.
        environment: Variables that point clients inside a job at this service.
        poll_s: How often a running job is looked at, in seconds.
        checkpoint_s: How often its checkpoints are, in seconds.
    """

    data_dir: Path
    instance_count_max: int = 20
    memory_bytes_max: int = 8 * GIB
    disk_bytes_max: int = 30 * GIB
    log_bytes_max: int = LOG_BYTES_DEFAULT
    inactivity_s: float = INACTIVITY_S_DEFAULT
    failed_kept_s: float = 0
    ends_with_server: bool = False
    user_ids: tuple[int, int] | None = USER_IDS_DEFAULT
    environment: Mapping[str, str] = field(default_factory=dict)
    poll_s: float = 0.1
    checkpoint_s: float = 3.0

    @property
    def jobs_dir(self) -> Path:
        """Where the directories of attempts lie."""
        return self.data_dir / "jobs"

    @property
    def environments_dir(self) -> Path:
        """Where the interpreter environments of jobs are kept."""
        return self.data_dir / "environments"

    def attempt_dir(self, job_id: str, attempt: int) -> Path:
        """Return the directory of one attempt."""
        return self.jobs_dir / job_id / str(attempt)


def instance_count_default(*, processor_count: int, memory_bytes: int) -> int:
    """Return how many instances run side by side where the operator says nothing, at least 1."""
    by_memory = memory_bytes // MEMORY_BYTES_PER_INSTANCE
    return max(1, min(INSTANCES_PER_PROCESSOR * processor_count, by_memory))


@dataclass(frozen=True, slots=True)
class JobResources:
    """What the attempts of one server process work with.

    Attributes:
        database: The records.
        blobs: The contents of objects.
        runtime: Where instances run.
        settings: What the operator chose.
        cancel_task: Cancels a quantum task by its id.
        clock: Milliseconds since the epoch.
        remote: The store of all objects, where that is another one.
    """

    database: Database
    blobs: LocalBlobs
    runtime: Runtime
    settings: JobSettings
    cancel_task: Callable[[str], Awaitable[object]]
    clock: Callable[[], int] = now_ms
    remote: RemoteObjects | None = None
