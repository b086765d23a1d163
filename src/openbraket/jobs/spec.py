"""What one attempt of a hybrid job needs: written by the engine, read by every supervisor."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

RUNTIME_SECONDS_DEFAULT = 432_000
LOG_BYTES_DEFAULT = 256 * 1024**2
DISK_BYTES_DEFAULT = 30 * 10**9
PROCESS_COUNT_DEFAULT = 1024
MEMORY_BYTES_DEFAULT = 4 * 1024**3
CHECKPOINT_PATH_DEFAULT = "/opt/braket/checkpoints/"


@dataclass(frozen=True, slots=True)
class Channel:
    """One input channel; its files are staged in `JobDirectory.channel(name)` before the start.

    Attributes:
        name: The channel's name, as in the request.
        s3_uri: Where its files came from.
        content_type: MIME type as in the request, None where it names none.
    """

    name: str
    s3_uri: str
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What each instance of a job may use; beyond any of them its processes are killed.

    Attributes:
        memory_bytes: Resident memory of all its processes together.
        disk_bytes: What all it writes may hold, in bytes.
        process_count: Processes alive at once.
        runtime_seconds: From the supervisor's start to the end, in seconds.
        log_bytes: Size of the log file; beyond it output is dropped, and a last line says so.
    """

    memory_bytes: int = MEMORY_BYTES_DEFAULT
    disk_bytes: int = DISK_BYTES_DEFAULT
    process_count: int = PROCESS_COUNT_DEFAULT
    runtime_seconds: float = RUNTIME_SECONDS_DEFAULT
    log_bytes: int = LOG_BYTES_DEFAULT


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Everything the instances of one attempt need beside the staged files.

    Attributes:
        job_arn: The job's ARN.
        job_id: The job's UUID, the last part of its ARN.
        job_name: Its name.
        attempt: Number of the attempt, from 1.
        device_arn: `deviceConfig.device`: a device's ARN or `local:provider/name`.
        script_s3_uri: `scriptModeConfig.s3Uri`.
        script_file: Name of the staged file in `JobDirectory.script`; no slash in it.
        entry_point: `scriptModeConfig.entryPoint`.
        compression_type: `scriptModeConfig.compressionType`; `NONE` where the request has none.
        hyperparameters: As in the request.
        channels: Input channels.
        output_s3_path: `outputDataConfig.s3Path`; its bucket and key become variables.
        checkpoint_path: `checkpointConfig.localPath`.
        checkpoint_s3_uri: `checkpointConfig.s3Uri`, None where the request has none.
        image_uri: `containerImage.uri`; the runtime `process` takes no notice of it.
        instance_type: `instanceConfig.instanceType`.
        instance_count: `instanceConfig.instanceCount`.
        environment: Variables the engine adds: credentials, region, endpoints, job token,
            reservation. They win over those that `variables` computes.
        limits: What each instance may use.
        data_directory: The service's data directory; jobs cannot see it.
        environments_directory: Where interpreter environments are kept.
        python: The base interpreter; None for the supervisor's own.
        install_requirements: Whether `requirements.txt` files in the script are installed; where
            not, a job that has one fails.
        addresses: At which the instances reach each other, the first one's first; empty where all
            are on one machine, each with a loopback address.
        private_view: Whether processes get their own view of files and processes where the machine
            allows it; without one they can read what the server's user can.
    """

    job_arn: str
    job_id: str
    job_name: str
    attempt: int
    device_arn: str
    script_s3_uri: str
    script_file: str
    entry_point: str
    data_directory: str
    environments_directory: str
    output_s3_path: str
    compression_type: str = "NONE"
    hyperparameters: dict[str, str] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    checkpoint_path: str = CHECKPOINT_PATH_DEFAULT
    checkpoint_s3_uri: str | None = None
    image_uri: str | None = None
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    python: str | None = None
    install_requirements: bool = True
    addresses: tuple[str, ...] = ()
    private_view: bool = True
    user_ids: tuple[int, int] | None = None

    def to_json(self) -> str:
        """Return the document that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> "JobSpec":
        """Read what `to_json` wrote.

        Args:
            text: The document.

        Returns:
            The same specification.

        Raises:
            ValueError: If it is not such a document.
        """
        try:
            members: dict[str, Any] = json.loads(text)
            members["channels"] = tuple(Channel(**channel) for channel in members["channels"])
            members["addresses"] = tuple(members.get("addresses", ()))
            members["limits"] = Limits(**members["limits"])
            if members.get("user_ids") is not None:
                first, last = members["user_ids"]
                members["user_ids"] = (first, last)
            return cls(**members)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a job specification: {error}") from error
