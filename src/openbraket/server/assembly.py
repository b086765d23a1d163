"""Puts one server process together: records, objects, engine, services, gateway."""

import asyncio
import ipaddress
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Final

from openbraket.base.clock import now_ms
from openbraket.base.errors import OpenBraketError
from openbraket.blobs import LocalBlobs
from openbraket.blobs.known import KnownIds
from openbraket.blobs.remote import RemoteObjects
from openbraket.devices import FOLDER_NAME, Catalogue, Device, install_profiles
from openbraket.engine.availability import Availability
from openbraket.engine.dispatcher import Dispatcher
from openbraket.engine.door import Door
from openbraket.engine.executors.base import Executor
from openbraket.engine.jobs.dispatcher import JobDispatcher
from openbraket.engine.jobs.shared import SharedJobs
from openbraket.engine.progress import ProgressLog
from openbraket.engine.waiters import EndWaiters
from openbraket.programs.ahs import AhsParameters
from openbraket.server.executors import build_executor, build_job_runtime, extra_count
from openbraket.server.gateway import BASE_HOSTS, Binding, Gateway
from openbraket.server.jobs import build_jobs, instance_count, prepare_environment
from openbraket.server.keys import KeyRing
from openbraket.server.object_store import open_store, open_uploads
from openbraket.server.retention_chore import forget_records_forever
from openbraket.server.settings import Settings
from openbraket.server.token_chore import forget_tokens_forever
from openbraket.services import braket, ecr, iam, logs, s3, sts
from openbraket.services.braket.quotas import Throttle
from openbraket.services.context import Handler, Resources
from openbraket.services.s3.elsewhere import handlers
from openbraket.store import objects, outbox
from openbraket.store.database import DATABASE_NAME, Database
from openbraket.wire.service import Service

if TYPE_CHECKING:
    from openbraket.engine.events.sender import EventSender

RUNNERS: Final = {
    "braket.ir.openqasm.program": "openbraket.runners.openqasm",
    "braket.ir.openqasm.program_set": "openbraket.runners.program_set",
    "braket.ir.jaqcd.program": "openbraket.runners.jaqcd",
    "braket.ir.ahs.program": "openbraket.runners.ahs",
}

# File times may lag behind the clock by a tick of the kernel.
_FILE_TIME_GRAIN_S: Final = 0.05
# How old a content without a record must be where several servers write.
_SHARED_AGE_S: Final = 24 * 3600

_log = logging.getLogger("openbraket.server")


class UnsafeAddressError(OpenBraketError):
    """The service would be reachable from elsewhere without access keys."""


@asynccontextmanager
async def assemble(
    settings: Settings, catalogue: Catalogue | None = None, *, endpoint_url: str = ""
) -> AsyncIterator[Gateway]:
    """Open everything that a server process needs, and close it in the end.

    Args:
        settings: What the operator chose.
        catalogue: The devices; by default those of the package's profiles.
        endpoint_url: Where clients inside hybrid jobs reach this server.

    Yields:
        The gateway, ready for requests; workers start in the background.

    Raises:
        StoreError: The data directory is in use or cannot be opened.
        ProfileError: A device profile of the operator's is wrong.
        ExecutorError: Ray is asked for and not installed.
        UnsafeAddressError: The address is not loopback and no access key is registered.
    """
    database = Database.open(
        settings.data_dir / DATABASE_NAME,
        durability=settings.durability,
        url=settings.database_url,
    )
    try:
        # Also without any: those of the last time are removed.
        profiles = settings.data_dir / FOLDER_NAME
        install_profiles(settings.device_profiles, profiles)
        keys = KeyRing(database)
        _check_address(settings, keys)
        blobs = LocalBlobs(settings.data_dir, is_durable=settings.durability == "full")
        remote = open_store(settings)
        catalogue = catalogue or Catalogue(folder=profiles)
        availability = Availability(catalogue, respects_windows=settings.respects_windows)
        events = _Events(settings, catalogue, availability)
        dispatcher, jobs, start = _engine(
            settings, database, blobs, catalogue, events, remote=remote, endpoint_url=endpoint_url
        )

        def set_closed(device_arns: frozenset[str]) -> None:
            dispatcher.set_closed(device_arns)
            jobs.set_closed(device_arns)

        set_closed(availability.refresh(database))
        resources = Resources(
            database=database,
            blobs=blobs,
            catalogue=catalogue,
            availability=availability,
            dispatcher=dispatcher,
            capacity=lambda: dispatcher.capacity,
            memory_bytes_max=settings.memory_bytes_max,
            thread_count_max=settings.worker_count,
            has_aws_quotas=settings.has_aws_quotas,
            accepts_cancel_of_ended=settings.cancel_of_ended == "accept",
            is_strict=settings.is_strict,
            ahs=AhsParameters(
                noise=settings.analog_noise,
                phase_sign=settings.phase_sign,
                is_lenient=settings.is_lenient,
            ),
            jobs=jobs,
            remote=remote,
        )
        await start()
        throttle = Throttle(time.monotonic) if settings.has_aws_quotas else None
        chores = [
            asyncio.create_task(_sweep(settings, database, blobs, remote)),
            asyncio.create_task(availability.watch(database, set_closed)),
            asyncio.create_task(forget_tokens_forever(database, now_ms)),
        ]
        if settings.kept_days:
            forget = forget_records_forever(database, now_ms, kept_days=settings.kept_days)
            chores.append(asyncio.create_task(forget))
        if settings.job_instance_count_max != 0 and settings.job_runtime == "process":
            preparing = prepare_environment(settings.data_dir / "environments")
            chores.append(asyncio.create_task(preparing))
        try:
            bindings = _bindings(is_elsewhere=remote is not None)
            yield Gateway(bindings, resources, keys, account=settings.account, throttle=throttle)
        finally:
            for chore in chores:
                chore.cancel()
                with suppress(asyncio.CancelledError):
                    await chore
            await jobs.stop()
            await dispatcher.stop()
            await events.stop()
            if remote is not None:
                remote.close()
    finally:
        database.close()


class _Events:
    """The telling of changes of status, where there is somebody to be told."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, availability: Availability
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._availability = availability
        self._sender: EventSender | None = None

    async def start(self, database: Database) -> None:
        """Begin to tell; where servers share the records, the one that dispatches does.

        Args:
            database: The records.

        Raises:
            TargetError: The address of events is wrong.
            StoreError: The records cannot be changed.
        """
        if not self._settings.events_to:
            if self._settings.database_url:
                await database.write(outbox.stop_filling)
            return
        from openbraket.engine.events.sender import EventSender
        from openbraket.engine.events.targets import open_target

        self._sender = EventSender(
            database,
            open_target(self._settings.events_to, os.environ),
            devices=self._devices,
            account=self._settings.account,
        )
        await self._sender.start()

    async def stop(self) -> None:
        """Tell no more; what waits is told after the next start."""
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.stop()

    def _devices(self) -> dict[str, tuple[Device, str]]:
        devices = self._catalogue.search()
        return {device.arn: (device, self._availability.status(device)) for device in devices}


def _engine(
    settings: Settings,
    database: Database,
    blobs: LocalBlobs,
    catalogue: Catalogue,
    events: _Events,
    *,
    remote: RemoteObjects | None,
    endpoint_url: str,
) -> tuple[Door, JobDispatcher | SharedJobs, Callable[[], Awaitable[None]]]:
    """Return the engine's doors for tasks and jobs, and what starts it with its events.

    With PostgreSQL one of the servers on the database dispatches.

    Raises:
        LimitError: More instances of jobs may run than there are users for them.
    """
    # Now, also where jobs are only run once this server leads.
    instance_count(settings)

    def make_jobs(database: Database, door: Door, executor: Executor) -> JobDispatcher:
        return build_jobs(
            settings,
            database=database,
            blobs=blobs,
            dispatcher=door,
            catalogue=catalogue,
            endpoint_url=endpoint_url,
            runtime=build_job_runtime(settings, executor),
            remote=remote,
        )

    # A wrong choice is told now, and not when this server leads for the first time.
    executor = _executor(settings)
    if not settings.database_url:
        dispatcher = _dispatcher(settings, blobs, remote, executor, database)
        own_jobs = make_jobs(database, dispatcher, executor)

        async def start() -> None:
            await events.start(database)
            await dispatcher.start()
            await own_jobs.start()

        return dispatcher, own_jobs, start
    # Only here, since it needs PostgreSQL's driver.
    from openbraket.engine.shared import SharedDispatcher

    async def lead(guarded: Database) -> None:
        await events.start(guarded)
        await jobs.start(guarded)

    async def leave() -> None:
        # A clean stop has ended them before, where it is to.
        await jobs.stop(keeps_jobs=True)
        await events.stop()

    def make(guarded: Database, end_waiters: EndWaiters) -> Dispatcher:
        nonlocal executor
        executor = _executor(settings)
        return _dispatcher(settings, blobs, remote, executor, guarded, end_waiters)

    shared = SharedDispatcher(database, make, on_lead=lead, on_leave=leave)
    # Made after the dispatcher of the same time of leading.
    jobs = SharedJobs(lambda guarded: make_jobs(guarded, shared, executor))
    return shared, jobs, shared.start


def _dispatcher(
    settings: Settings,
    blobs: LocalBlobs,
    remote: RemoteObjects | None,
    executor: Executor,
    database: Database,
    end_waiters: EndWaiters | None = None,
) -> Dispatcher:
    """Return a dispatcher, not started yet."""
    return Dispatcher(
        database,
        blobs,
        executor,
        runners=RUNNERS,
        memory_bytes_max=settings.memory_bytes_max,
        thread_count_max=settings.worker_count,
        extra_count=extra_count(settings),
        seed=settings.seed,
        runner_settings=_runner_settings(settings),
        uploads=open_uploads(settings, remote, blobs),
        on_progress=ProgressLog(),
        end_waiters=end_waiters,
    )


def _executor(settings: Settings) -> Executor:
    """Return an executor, not started yet.

    Raises:
        ExecutorError: Ray is asked for and not installed.
    """
    return build_executor(settings, preload=tuple(RUNNERS.values()))


def _runner_settings(settings: Settings) -> dict[str, str]:
    profiles = settings.data_dir / FOLDER_NAME
    return {
        "analog_noise": settings.analog_noise,
        "phase_sign": settings.phase_sign,
        "twin_noise": settings.twin_noise,
        "device_profiles": str(profiles) if settings.device_profiles else "",
    }


class _Bindings(Mapping[str, Binding]):
    """The services by name; a model is read and compiled when it is first asked for."""

    def __init__(self, operations: Mapping[str, Mapping[str, Handler]]) -> None:
        self._operations = operations
        self._loaded: dict[str, Binding] = {}

    def __getitem__(self, name: str) -> Binding:
        binding = self._loaded.get(name)
        if binding is None:
            operations = self._operations[name]
            binding = Binding(Service.load(name, base_hosts=BASE_HOSTS), operations)
            self._loaded[name] = binding
        return binding

    def __iter__(self) -> Iterator[str]:
        return iter(self._operations)

    def __len__(self) -> int:
        return len(self._operations)


def _bindings(*, is_elsewhere: bool) -> Mapping[str, Binding]:
    bindings = _Bindings({
        "braket": braket.OPERATIONS,
        "ecr": ecr.OPERATIONS,
        "iam": iam.OPERATIONS,
        "logs": logs.OPERATIONS,
        "s3": handlers(s3.OPERATIONS) if is_elsewhere else s3.OPERATIONS,
        "sts": sts.OPERATIONS,
    })
    # Every client needs these; the others only those that run jobs.
    for name in ("braket", "s3", "sts"):
        bindings[name]
    return bindings


def _check_address(settings: Settings, keys: KeyRing) -> None:
    try:
        is_loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        is_loopback = settings.host == "localhost"
    if not is_loopback and not keys.keys():
        raise UnsafeAddressError(
            f"{settings.host} can be reached from other machines, and without a registered access "
            "key every signature is accepted. Register one first: openbraket key create "
            f"--data-dir {settings.data_dir}"
        )


async def _sweep(
    settings: Settings, database: Database, blobs: LocalBlobs, remote: RemoteObjects | None
) -> None:
    """Remove the contents that a crash left without a record.

    Only files older than this process are looked at: what is being written now has no record yet.
    Where servers share the directory, another one may be writing: there a day is left to it.
    """
    began = time.time()

    def work() -> int:
        with database.read() as connection:
            uploads = open_uploads(settings, remote, blobs)
            kept = uploads.kept_blob_ids() if uploads is not None else ()
            known = KnownIds(chain(objects.each_file_id(connection), kept))
        age_s = time.time() - began + _FILE_TIME_GRAIN_S
        return blobs.sweep(
            known, older_than_s=age_s + (_SHARED_AGE_S if settings.database_url else 0)
        )

    try:
        count = await asyncio.to_thread(work)
    except OpenBraketError as error:
        _log.warning("orphaned contents were not removed: %s", error)
        return
    if count:
        _log.info("removed %d contents that no record names", count)
