"""Where quantum tasks and hybrid jobs run, by the operator's settings."""

import contextlib
import importlib.util
import math
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from openbraket.base.blob import INLINE_BYTES_MAX
from openbraket.base.errors import OpenBraketError, StoreError
from openbraket.engine import room
from openbraket.engine.executors.base import Executor
from openbraket.jobs import runtime
from openbraket.jobs.runtime import Runtime
from openbraket.server.settings import Settings

if TYPE_CHECKING:
    from openbraket.engine.executors.ray.executor import RayExecutor

LOCAL: Final = "local"
# In the data directory: the service's name on Ray clusters.
SERVICE_FILE: Final = "ray-service"
# Where servers share the records: for how long one may show no life to its part of a cluster. The
# lead goes to another one sooner.
RAY_SILENCE_S_MAX: Final = 5.0


class ExecutorError(OpenBraketError):
    """The executor that the operator chose cannot be used; the message is for them."""


def build_executor(settings: Settings, *, preload: Sequence[str]) -> Executor:
    """Return the executor of quantum tasks, not started yet.

    Args:
        settings: What the operator chose.
        preload: Modules that workers find imported, by name.

    Raises:
        ExecutorError: Ray is asked for and not installed, or for jobs alone.
        StoreError: The data directory cannot be written to.
    """
    if settings.executor == LOCAL and settings.job_runtime == "ray":
        raise ExecutorError("--job-runtime ray needs --executor with the address of a Ray cluster")
    if settings.executor == LOCAL:
        from openbraket.engine.executors.local import LocalExecutor

        return LocalExecutor(
            blobs_root=settings.data_dir,
            worker_count=settings.worker_count,
            preload=preload,
            # What goes to another store goes there from a file.
            inline_bytes_max=0 if settings.store else INLINE_BYTES_MAX,
        )
    if importlib.util.find_spec("ray") is None:
        raise ExecutorError(
            f"--executor {settings.executor} needs Ray: pip install 'openbraket[ray]'"
        )
    from openbraket.engine.executors.ray.executor import RayExecutor

    return RayExecutor(
        address=settings.executor,
        blobs_root=settings.data_dir,
        preload=preload,
        resources=settings.ray_resources,
        jobs_dir=settings.data_dir.resolve() / "jobs",
        service=_service_name(settings.data_dir / SERVICE_FILE),
        silence_s_max=RAY_SILENCE_S_MAX if settings.database_url else 0.0,
    )


def build_job_runtime(settings: Settings, executor: Executor) -> Runtime:
    """Return where the instances of hybrid jobs run.

    Args:
        settings: What the operator chose.
        executor: Of quantum tasks; jobs on a cluster share its connection.
    """
    if settings.job_runtime != "ray":
        return runtime.create(settings.job_runtime)
    from openbraket.engine.executors.ray.job_runtime import RayRuntime

    return RayRuntime(cast("RayExecutor", executor))


def _service_name(path: Path) -> str:
    """Return what this service is called on a cluster that it may share with others.

    Raises:
        StoreError: The name cannot be read or kept.
    """
    try:
        if not path.exists():
            # In one step, since servers may share the directory.
            aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            aside.write_text(f"openbraket-{secrets.token_hex(8)}")
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(aside)
            aside.unlink()
        name = path.read_text().strip()
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror}.") from error
    if not re.fullmatch(r"openbraket-[0-9a-f]{16}", name):
        raise StoreError(f"{path} holds no name of a service; remove it while no job runs.")
    return name


def extra_count(settings: Settings) -> int:
    """Return how many workers may run small tasks beside wide ones; see `room.extra_count`.

    On a cluster a wide task takes one node at most, and Ray gives no processor twice.
    """
    return room.extra_count(settings.worker_count) if settings.executor == LOCAL else 0


def parse_resources(texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the further resources that the tasks of devices need.

    Args:
        texts: Each `ARN=NAME:AMOUNT`, for example `arn:…/sv1=GPU:1`.

    Returns:
        Amounts by ARN and name.

    Raises:
        ValueError: One has another form.
    """
    found: dict[str, dict[str, float]] = {}
    for text in texts:
        arn, _, rest = text.partition("=")
        name, _, amount = rest.rpartition(":")
        try:
            count = float(amount)
        except ValueError:
            count = math.nan
        if not (arn.startswith("arn:") and name and 0 < count < math.inf):
            raise ValueError(
                f"'{text}' is not of the form ARN=NAME:AMOUNT with an amount above 0, "
                "as in arn:aws:braket:::device/quantum-simulator/amazon/sv1=GPU:1"
            )
        found.setdefault(arn, {})[name] = count
    return found
