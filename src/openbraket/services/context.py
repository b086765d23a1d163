"""What every operation handler receives: who asks, where, and what to work with.

A handler is `async def operation(context, params) -> output`, both sides as the service model
names their members. Errors are raised as `wire.errors.ServiceError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openbraket.base import clock
from openbraket.programs.ahs import DEVICE_AS_IT_IS, AhsParameters

if TYPE_CHECKING:
    from openbraket.blobs import LocalBlobs
    from openbraket.blobs.remote import RemoteObjects
    from openbraket.devices import Catalogue
    from openbraket.engine.availability import Availability
    from openbraket.engine.door import Door
    from openbraket.engine.executors.base import Capacity
    from openbraket.engine.jobs.dispatcher import JobDispatcher
    from openbraket.engine.jobs.shared import SharedJobs
    from openbraket.store.database import Database
    from openbraket.store.session_keys import SessionKey
    from openbraket.wire.http import Request
    from openbraket.wire.sigv4 import Scope


@dataclass(frozen=True, slots=True)
class Resources:
    """What the handlers of one server process share.

    Attributes:
        database: The records.
        blobs: The contents of objects.
        catalogue: The devices.
        availability: Which of them are online.
        dispatcher: The engine's door: wake it, cancel a task, ask for queue depths.
        memory_bytes_max: What all running simulations together may use, in bytes.
        thread_count_max: How many threads one simulation may use.
        is_strict: Whether simulators refuse what AWS's refuse.
        now_ms: The clock, milliseconds since the epoch; tests may set another.
        has_aws_quotas: Whether the resource quotas of AWS hold.
        accepts_cancel_of_ended: Whether a cancel of a task that completed or failed is answered
            with CANCELLED, without any effect, instead of being refused.
        ahs: How analog tasks are simulated that do not say it themselves.
        jobs: The same door for hybrid jobs; None lets all of them wait.
        remote: The store of all objects, where that is another one.
        capacity: What the executor's machines can give now; None where the two maxima say it.
    """

    database: Database
    blobs: LocalBlobs
    catalogue: Catalogue
    availability: Availability
    dispatcher: Door
    memory_bytes_max: int
    thread_count_max: int = 1
    is_strict: bool = False
    now_ms: Callable[[], int] = clock.now_ms
    has_aws_quotas: bool = False
    accepts_cancel_of_ended: bool = False
    ahs: AhsParameters = DEVICE_AS_IT_IS
    jobs: JobDispatcher | SharedJobs | None = None
    remote: RemoteObjects | None = None
    capacity: Callable[[], Capacity | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Context:
    """One request, as an operation handler sees it.

    Attributes:
        account: Twelve-digit account that the request acts for.
        region: Region of the credential scope.
        request_id: The id that the response carries.
        request: The HTTP request, for what no model member holds (streams, `If-Range`).
        resources: What handlers work with.
        credential: Who signed; None for an unsigned request.
        secret_key: The signer's secret where signatures are verified, else None.
        session: The signer's temporary key where it is a job's, else None.
    """

    account: str
    region: str
    request_id: str
    request: Request
    resources: Resources
    credential: Scope | None = None
    secret_key: str | None = None
    session: SessionKey | None = None

    @property
    def database(self) -> Database:
        """The records."""
        return self.resources.database

    @property
    def blobs(self) -> LocalBlobs:
        """The contents of objects."""
        return self.resources.blobs

    @property
    def remote(self) -> RemoteObjects | None:
        """The store of all objects, where that is another one."""
        return self.resources.remote

    @property
    def catalogue(self) -> Catalogue:
        """The devices."""
        return self.resources.catalogue

    @property
    def availability(self) -> Availability:
        """Which devices are online."""
        return self.resources.availability

    @property
    def dispatcher(self) -> Door:
        """The engine's door."""
        return self.resources.dispatcher

    @property
    def jobs(self) -> JobDispatcher | SharedJobs | None:
        """The engine's door for hybrid jobs."""
        return self.resources.jobs

    @property
    def memory_bytes_max(self) -> int:
        """What all running simulations together may use, in bytes."""
        capacity = self.resources.capacity()
        return self.resources.memory_bytes_max if capacity is None else capacity.task_memory_bytes

    @property
    def thread_count_max(self) -> int:
        """How many threads one simulation may use."""
        capacity = self.resources.capacity()
        return self.resources.thread_count_max if capacity is None else capacity.task_thread_count

    @property
    def ahs(self) -> AhsParameters:
        """How analog tasks are simulated that do not say it themselves."""
        return self.resources.ahs

    @property
    def has_aws_quotas(self) -> bool:
        """Whether the resource quotas of AWS hold."""
        return self.resources.has_aws_quotas

    @property
    def accepts_cancel_of_ended(self) -> bool:
        """Whether a cancel of a task that completed or failed is accepted, without any effect."""
        return self.resources.accepts_cancel_of_ended

    @property
    def is_strict(self) -> bool:
        """Whether simulators refuse what AWS's refuse."""
        return self.resources.is_strict

    def now_ms(self) -> int:
        """Return the current time in milliseconds since the epoch."""
        return self.resources.now_ms()


Handler = Callable[[Context, dict[str, Any]], Awaitable[dict[str, Any]]]
