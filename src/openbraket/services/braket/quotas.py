"""The quotas that AWS publishes for Amazon Braket; off unless the operator asks for them.

Rates: a token bucket for each account, region and operation, and one for all operations of an
account in a region. Resources: how many tasks of an on-demand simulator, and how many hybrid jobs,
may be live at once.

Source: Service Quotas of Amazon Braket and the developer guide's page on quotas, 2026.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from openbraket.services.errors import ModeledError


class Rate(NamedTuple):
    """A token bucket's figures.

    Attributes:
        per_s: Requests per second in the long run.
        burst: Requests at once after a pause.
    """

    per_s: float
    burst: int


ALL_OPERATIONS: Final = "*"
RATES: Final[Mapping[str, Rate]] = {
    ALL_OPERATIONS: Rate(140, 600),
    "CreateQuantumTask": Rate(20, 40),
    "SearchQuantumTasks": Rate(5, 50),
    "GetQuantumTask": Rate(100, 500),
    "CancelQuantumTask": Rate(2, 20),
    "GetDevice": Rate(5, 50),
    "SearchDevices": Rate(5, 50),
    "CreateJob": Rate(1, 5),
    "SearchJobs": Rate(5, 50),
    "GetJob": Rate(5, 25),
    "CancelJob": Rate(2, 5),
}

# Live tasks of an account in a region, for each of the on-demand simulators.
SIMULATOR_TASKS_MAX: Final[Mapping[str, Mapping[str, int]]] = {
    name: {"us-east-1": 100, "us-west-1": 50, "us-west-2": 100, "eu-west-2": 50}
    for name in ("sv1", "dm1")
} | {"tn1": {"us-east-1": 10, "us-west-1": 10, "us-west-2": 10, "eu-west-2": 5}}

# Live hybrid jobs of an account in a region, and the instances of one job.
JOBS_MAX: Final = 3
INSTANCES_PER_JOB_MAX: Final = 1

# Live instances of an account in a region by type; types that are not named have the quota 0.
INSTANCES_MAX: Final[Mapping[str, int]] = (
    {f"ml.c4.{size}": 5 for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge")}
    | {"ml.c5.xlarge": 5, "ml.c5.2xlarge": 5, "ml.c5.4xlarge": 1, "ml.c5.9xlarge": 1}
    | {f"ml.g6.{size}": 5 for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge")}
    | {"ml.g6.12xlarge": 5, "ml.g6.16xlarge": 5, "ml.g6.24xlarge": 1, "ml.g6.48xlarge": 1}
    | {f"ml.g6e.{size}": 5 for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge")}
    | {f"ml.g6e.{size}": 1 for size in ("12xlarge", "16xlarge", "24xlarge", "48xlarge")}
    | {"ml.m4.xlarge": 5, "ml.m4.2xlarge": 5, "ml.m4.4xlarge": 2}
    | {f"ml.m5.{size}": 5 for size in ("large", "xlarge", "2xlarge", "4xlarge")}
    | {f"ml.t3.{size}": 5 for size in ("large", "xlarge", "2xlarge")}
)
# Families that some regions do not have.
_NOT_EVERYWHERE: Final[Mapping[str, frozenset[str]]] = {
    "ml.g6": frozenset({"us-east-1", "us-west-2", "eu-west-2", "eu-north-1"}),
    "ml.g6e": frozenset({"us-east-1", "us-west-2"}),
    "ml.c4": frozenset({"us-east-1", "us-west-1", "us-west-2", "eu-west-2"}),
    "ml.m4": frozenset({"us-east-1", "us-west-1", "us-west-2", "eu-west-2"}),
}

# Buckets remembered; an account's fullest are forgotten first, which changes nothing for it.
BUCKETS_MAX: Final = 10_000

_SIMULATOR_PREFIX: Final = "device/quantum-simulator/amazon/"


class ThrottledError(ModeledError):
    """A ThrottlingException.

    Args:
        retry_after_ms: When there will be a token, in milliseconds from now.
    """

    def __init__(self, *, retry_after_ms: int) -> None:
        super().__init__("ThrottlingException", "Rate exceeded")
        self.retry_after_ms = retry_after_ms


class Throttle:
    """Token buckets; one for each account, region and operation with a published rate.

    Args:
        clock_s: A clock that never goes back, in seconds.
        rates: Rates by operation; `ALL_OPERATIONS` for all together.
    """

    def __init__(self, clock_s: Callable[[], float], rates: Mapping[str, Rate] = RATES) -> None:
        self._clock_s = clock_s
        self._rates = rates
        # Tokens left and when that was so; the least recently used first.
        self._buckets: OrderedDict[tuple[str, str, str], tuple[float, float]] = OrderedDict()

    def admit(self, account: str, region: str, operation: str) -> None:
        """Take a token of the operation's bucket and one of the bucket of all operations.

        A refused request takes none, so that retries with a growing delay get through.

        Args:
            account: Twelve-digit account of the caller.
            region: Region of the request.
            operation: Name of the operation.

        Raises:
            ThrottledError: ThrottlingException where a bucket is empty.
        """
        now = self._clock_s()
        keys = [
            (account, region, name) for name in (operation, ALL_OPERATIONS) if name in self._rates
        ]
        left = [self._tokens(key, now) for key in keys]
        if any(tokens < 1 for tokens in left):
            wait_s = max(
                (1 - tokens) / self._rates[key[2]].per_s
                for key, tokens in zip(keys, left, strict=True)
            )
            raise ThrottledError(retry_after_ms=math.ceil(1000 * wait_s))
        for key, tokens in zip(keys, left, strict=True):
            self._buckets[key] = (tokens - 1, now)
            self._buckets.move_to_end(key)
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)

    def __len__(self) -> int:
        """Return how many buckets are remembered."""
        return len(self._buckets)

    def _tokens(self, key: tuple[str, str, str], now: float) -> float:
        rate = self._rates[key[2]]
        tokens, since = self._buckets.get(key, (math.inf, now))
        return min(rate.burst, tokens + (now - since) * rate.per_s)


def simulator_tasks_max(device_arn: str, region: str) -> int | None:
    """Return how many live tasks of a device an account may have in a region; None if any."""
    resource = device_arn.rpartition(":")[2]
    if not resource.startswith(_SIMULATOR_PREFIX):
        return None
    return SIMULATOR_TASKS_MAX.get(resource.removeprefix(_SIMULATOR_PREFIX), {}).get(region)


def require_task_room(device_arn: str, region: str, live_count: int) -> None:
    """Refuse one more live task of an on-demand simulator than an account may have.

    Args:
        device_arn: The device.
        region: Region of the request.
        live_count: Tasks of the account that are CREATED, QUEUED, RUNNING or CANCELLING there.

    Raises:
        ModeledError: ServiceQuotaExceededException.
    """
    count_max = simulator_tasks_max(device_arn, region)
    if count_max is not None and live_count >= count_max:
        raise ModeledError(
            "ServiceQuotaExceededException",
            f"{live_count} quantum tasks of device {device_arn} are in progress in {region}; "
            f"the quota of concurrent tasks is {count_max}",
        )


def require_job_room(region: str, live_count: int, *, instance_count: int = 1) -> None:
    """Refuse one more live hybrid job, or more instances, than an account may have.

    Args:
        region: Region of the request.
        live_count: Jobs of the account that have not ended there.
        instance_count: Instances that the job asks for.

    Raises:
        ModeledError: ServiceQuotaExceededException.
    """
    if instance_count > INSTANCES_PER_JOB_MAX:
        raise ModeledError(
            "ServiceQuotaExceededException",
            f"The job asks for {instance_count} instances; "
            f"the quota of instances per job is {INSTANCES_PER_JOB_MAX}",
        )
    if live_count >= JOBS_MAX:
        raise ModeledError(
            "ServiceQuotaExceededException",
            f"{live_count} hybrid jobs are in progress in {region}; "
            f"the quota of concurrent jobs is {JOBS_MAX}",
        )


def require_instance_room(region: str, instance_type: str, live_count: int, *, wanted: int) -> None:
    """Refuse more live instances of a type than an account may have.

    Args:
        region: Region of the request.
        instance_type: As in `instanceConfig`.
        live_count: Instances of this type in jobs of the account that have not ended there.
        wanted: Instances that the job asks for.

    Raises:
        ModeledError: ServiceQuotaExceededException.
    """
    regions = _NOT_EVERYWHERE.get(instance_type.rpartition(".")[0])
    is_there = regions is None or region in regions
    count_max = INSTANCES_MAX.get(instance_type, 0) if is_there else 0
    if live_count + wanted > count_max:
        raise ModeledError(
            "ServiceQuotaExceededException",
            f"The job asks for {wanted} instances of {instance_type}, and {live_count} are in use "
            f"in {region}; the quota is {count_max}",
        )
