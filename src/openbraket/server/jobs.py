"""Hybrid jobs of one server process, put together from the operator's settings."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from openbraket.base.errors import LimitError
from openbraket.blobs import LocalBlobs
from openbraket.blobs.remote import RemoteObjects
from openbraket.devices import Catalogue
from openbraket.engine.door import Door
from openbraket.engine.jobs.dispatcher import JobDispatcher
from openbraket.engine.jobs.settings import JobResources, JobSettings, instance_count_default
from openbraket.jobs import environments
from openbraket.jobs.runtime import Runtime
from openbraket.server.settings import Settings, cpu_count
from openbraket.services import pricing
from openbraket.store.database import Database

# The environment is prepared once the server answers, and beside nothing that is urgent.
PREPARATION_DELAY_S: Final = 1.0
NODE_BYTES_MAX: Final = 1 << 50

_log = logging.getLogger("openbraket.server")


def build_jobs(
    settings: Settings,
    *,
    database: Database,
    blobs: LocalBlobs,
    dispatcher: Door,
    catalogue: Catalogue,
    endpoint_url: str,
    runtime: Runtime,
    remote: RemoteObjects | None = None,
) -> JobDispatcher:
    """Return the dispatcher of hybrid jobs, not started yet.

    Args:
        settings: What the operator chose.
        database: The records.
        blobs: The contents of objects.
        dispatcher: Of quantum tasks; cancels those of jobs.
        catalogue: The devices.
        endpoint_url: Where clients inside jobs reach this server.
        runtime: Where instances run.
        remote: The store of all objects, where that is another one.

    Raises:
        LimitError: More instances may run side by side than there are users for them.
    """
    memory_bytes = settings.memory_bytes_max
    count = instance_count(settings)
    processors = {device.arn for device in catalogue.search() if device.type == "QPU"}
    resources = JobResources(
        database=database,
        blobs=blobs,
        runtime=runtime,
        settings=JobSettings(
            data_dir=settings.data_dir.resolve(),
            instance_count_max=count,
            memory_bytes_max=settings.job_memory_bytes_max
            # A node has its own; it takes the lesser.
            or (memory_bytes if settings.job_runtime != "ray" else NODE_BYTES_MAX),
            disk_bytes_max=settings.job_disk_bytes_max,
            log_bytes_max=settings.job_log_bytes_max,
            inactivity_s=settings.job_inactivity_s,
            failed_kept_s=settings.failed_jobs_kept_s,
            user_ids=settings.job_user_ids,
            ends_with_server=settings.ends_jobs_at_stop,
            environment=client_environment(by_address(settings.job_endpoint_url) or endpoint_url),
        ),
        cancel_task=dispatcher.cancel,
        remote=remote,
    )
    return JobDispatcher(resources, has_priority=processors.__contains__)


def instance_count(settings: Settings) -> int:
    """Return how many instances of jobs may run side by side.

    Args:
        settings: What the operator chose.

    Raises:
        LimitError: The operator wants more than there are users for them.
    """
    ids = settings.job_user_ids if os.geteuid() == 0 else None
    user_count = sys.maxsize if ids is None else ids[1] - ids[0] + 1
    count = settings.job_instance_count_max
    if count is None:
        return min(
            user_count,
            instance_count_default(
                processor_count=cpu_count(), memory_bytes=settings.memory_bytes_max
            ),
        )
    if count > user_count:
        raise LimitError(
            f"{count} instances of jobs need as many user ids, and --job-users has {user_count}."
        )
    return count


def client_environment(endpoint_url: str) -> dict[str, str]:
    """Return the variables that point a job's clients at this service.

    That is so for S3 as well where the objects are in another store: it does not know a job's keys.

    Args:
        endpoint_url: For example `http://127.0.0.1:4567`.
    """
    host = urlsplit(endpoint_url).hostname or ""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "BRAKET_ENDPOINT": endpoint_url,
        "BRAKET_PRICE_OFFERS_URL": endpoint_url + pricing.PATH,
        # A proxy for the world outside does not know this address.
        "NO_PROXY": host,
        "no_proxy": host,
    }


def by_address(url: str) -> str:
    """Return a URL with its host's address in place of its name, where it has no certificate.

    Clients put the name of a bucket before a host's name, which then nobody knows; an address they
    leave as it is.

    Args:
        url: As the operator gave it; one whose host is not known stays as it is.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        return url
    with contextlib.suppress(OSError):
        address = socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)[0][4][0]
        host = f"[{address}]" if ":" in str(address) else str(address)
        return parts._replace(
            netloc=host if parts.port is None else f"{host}:{parts.port}"
        ).geturl()
    return url


def reachable_url(host: str, port: int) -> str:
    """Return the URL at which a process on this machine reaches a listening address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (compared, not bound)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def prepare_environment(environments_dir: Path) -> None:
    """Prepare the interpreter environment that jobs start in, so that the first need not wait.

    Args:
        environments_dir: Where environments are kept.
    """

    def prepare() -> None:
        try:
            environments.prepare_base(environments_dir, _log.debug)
        except (OSError, environments.InterpreterError) as error:
            _log.warning("the environment of hybrid jobs is not ready: %s", error)

    await asyncio.sleep(PREPARATION_DELAY_S)
    # A thread that the end of the server does not wait for: it may install packages.
    threading.Thread(target=prepare, name="job-environment", daemon=True).start()
