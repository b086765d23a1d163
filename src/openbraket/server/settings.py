"""What an operator chooses at start-up."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from openbraket.jobs.users import USER_IDS_DEFAULT

ACCOUNT_DEFAULT: Final = "000000000000"
PORT_DEFAULT: Final = 4567


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """An S3 store that keeps all objects in place of the data directory.

    Attributes:
        endpoint_url: Where it answers.
        region: What requests are signed for.
        access_key: Id of the service's key there.
        secret_key: The key's secret.
    """

    endpoint_url: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Start-up settings of one server process.

    Attributes:
        data_dir: Folder of all records and objects; created where missing.
        database_url: PostgreSQL database of the records; "" for a file in `data_dir`.
        host: Address to listen on. Other than loopback needs access keys.
        port: TCP port; 0 picks a free one.
        account: Account of requests whose access key is not registered.
        durability: `full` survives a power cut, `normal` survives the death of any process.
        worker_count: Worker processes, at least 1.
        executor: Where quantum tasks run: `local`, or a Ray cluster's address: `auto`,
            `ray://host:port` or `host:port`.
        ray_resources: Further resources of Ray's that the tasks of a device need, by its ARN.
        memory_bytes_max: What all running simulations together may use, in bytes.
        seed: Seed of the samples of tasks that name none; None has them differ.
        respects_windows: Whether devices start tasks in their execution windows only.
        has_aws_quotas: Whether request rates and resources are limited as on AWS.
        cancel_of_ended: What cancelling a task that completed or failed does: `conflict` refuses
            it, `accept` answers CANCELLED and changes nothing.
        is_strict: Whether simulators refuse what AWS's refuse; otherwise they also take what the
            SDK's local simulators take. QPUs always refuse it.
        events_to: Address that changes of status are told to; "" for nowhere.
        is_lenient: Whether analog programs beyond their device run, with warnings.
        analog_noise: Whether analog devices have the errors that they state: `device` or `none`.
        kept_days: Days after their end that records of tasks and jobs are kept; 0: for ever.
        phase_sign: Of the drive of analog devices: as `documented`, or as the `local_simulator` of
            Braket's SDK has it.
        job_runtime: Where hybrid jobs run: `process` on this machine, `container`, or `ray`, on the
            nodes of the executor's cluster.
        job_endpoint_url: Where hybrid jobs reach this service; "" for the address listened on.
        job_instance_count_max: Instances of all jobs that run side by side; 0 lets jobs wait, None
            goes by processors and memory.
        job_memory_bytes_max: What one instance may use, in bytes; None means `memory_bytes_max`.
        job_disk_bytes_max: What one instance may write, in bytes.
        job_log_bytes_max: What one instance may print, in bytes; more is left out.
        job_inactivity_s: How long a job keeps a quantum processor's priority without submitting a
            task, in seconds.
        failed_jobs_kept_s: How long the directories of failed jobs are kept, in seconds.
        job_user_ids: First and last user id of those that jobs get where the server runs as root;
            None lets them run as root there.
        store: Where the objects are, where that is another S3 store.
        ends_jobs_at_stop: Whether a clean stop ends the running jobs; otherwise they go on, and
            the next start finds them.
        twin_noise: Whether twins of processors have their devices' errors, where a task does not
            say: `calibrated` or `off`.
        device_profiles: Files of the operator's own devices.
    """

    data_dir: Path
    database_url: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = PORT_DEFAULT
    account: str = ACCOUNT_DEFAULT
    durability: Literal["full", "normal"] = "full"
    worker_count: int = 1
    executor: str = "local"
    ray_resources: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    memory_bytes_max: int = 1 << 30
    seed: int | None = None
    respects_windows: bool = False
    has_aws_quotas: bool = False
    cancel_of_ended: Literal["conflict", "accept"] = "conflict"
    is_strict: bool = False
    events_to: str = ""
    is_lenient: bool = False
    kept_days: int = 0
    analog_noise: Literal["device", "none"] = "device"
    phase_sign: Literal["documented", "local_simulator"] = "documented"
    job_runtime: Literal["process", "container", "ray"] = "process"
    job_endpoint_url: str = ""
    job_instance_count_max: int | None = None
    job_memory_bytes_max: int | None = None
    job_disk_bytes_max: int = 30 << 30
    job_log_bytes_max: int = 256 << 20
    job_inactivity_s: float = 300
    failed_jobs_kept_s: float = 0
    job_user_ids: tuple[int, int] | None = USER_IDS_DEFAULT
    ends_jobs_at_stop: bool = False
    twin_noise: Literal["off", "calibrated"] = "calibrated"
    device_profiles: tuple[Path, ...] = ()
    store: StoreSettings | None = None


def cpu_count() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))
