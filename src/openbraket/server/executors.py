"""Where quantum tasks run, by the operator's settings."""

import importlib.util
import math
from collections.abc import Sequence
from typing import Final

from openbraket.base.errors import OpenBraketError
from openbraket.engine import room
from openbraket.engine.executors.base import Executor
from openbraket.server.settings import Settings

LOCAL: Final = "local"


class ExecutorError(OpenBraketError):
    """The executor that the operator chose cannot be used; the message is for them."""


def build_executor(settings: Settings, *, preload: Sequence[str]) -> Executor:
    """Return the executor of quantum tasks, not started yet.

    Args:
        settings: What the operator chose.
        preload: Modules that workers find imported, by name.

    Raises:
        ExecutorError: Ray is asked for and not installed.
    """
    if settings.executor == LOCAL:
        from openbraket.engine.executors.local import LocalExecutor

        return LocalExecutor(
            blobs_root=settings.data_dir,
            worker_count=settings.worker_count,
            preload=preload,
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
    )


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
