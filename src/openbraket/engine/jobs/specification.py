"""From a job's record and configuration to what its instances are told."""

from collections.abc import Mapping
from typing import Any, Final

from openbraket.base.s3_uri import parse_s3_uri
from openbraket.engine.jobs.instance_types import memory_bytes
from openbraket.engine.jobs.settings import JobSettings
from openbraket.jobs.spec import CHECKPOINT_PATH_DEFAULT, Channel, JobSpec, Limits
from openbraket.store.jobs import Job

_GIGABYTE: Final = 10**9


def build_spec(
    job: Job,
    configuration: Mapping[str, Any],
    settings: JobSettings,
    environment: Mapping[str, str],
    *,
    attempt: int,
) -> JobSpec:
    """Return the specification of one attempt.

    Args:
        job: The job.
        configuration: As GetJob gives it back.
        settings: What the operator chose.
        environment: Variables with the attempt's credentials.
        attempt: Its number.
    """
    algorithm = configuration["algorithmSpecification"]
    script = algorithm.get("scriptModeConfig", {})
    checkpoints = configuration.get("checkpointConfig", {})
    instances = configuration["instanceConfig"]
    instance_type = instances["instanceType"]
    return JobSpec(
        job_arn=job.arn,
        job_id=job.id,
        job_name=job.name,
        attempt=attempt,
        device_arn=job.device_arn,
        script_s3_uri=script.get("s3Uri", ""),
        script_file=script_file(script),
        entry_point=script.get("entryPoint", ""),
        compression_type=script.get("compressionType", "NONE"),
        data_directory=str(settings.data_dir),
        environments_directory=str(settings.environments_dir),
        output_s3_path=configuration["outputDataConfig"]["s3Path"],
        hyperparameters=configuration.get("hyperParameters", {}),
        channels=tuple(
            Channel(
                channel["channelName"],
                channel["dataSource"]["s3DataSource"]["s3Uri"],
                channel.get("contentType"),
            )
            for channel in configuration.get("inputDataConfig", ())
        ),
        checkpoint_path=checkpoints.get("localPath", CHECKPOINT_PATH_DEFAULT),
        checkpoint_s3_uri=checkpoints.get("s3Uri"),
        image_uri=algorithm.get("containerImage", {}).get("uri"),
        instance_type=instance_type,
        instance_count=job.instance_count,
        user_ids=settings.user_ids,
        environment={
            **settings.environment,
            **_reservation(job, configuration),
            **environment,
        },
        limits=Limits(
            memory_bytes=min(settings.memory_bytes_max, memory_bytes(instance_type)),
            disk_bytes=min(settings.disk_bytes_max, instances["volumeSizeInGb"] * _GIGABYTE),
            log_bytes=settings.log_bytes_max,
            runtime_seconds=configuration["stoppingCondition"]["maxRuntimeInSeconds"],
        ),
    )


def script_file(script: Mapping[str, str]) -> str:
    """Return the name of a script's file, the last part of its key; "" where there is no script."""
    location = parse_s3_uri(script.get("s3Uri", ""))
    return "" if location is None else location.key.rstrip("/").rpartition("/")[2]


def _reservation(job: Job, configuration: Mapping[str, Any]) -> dict[str, str]:
    for association in configuration.get("associations", ()):
        if association["type"] == "RESERVATION_TIME_WINDOW_ARN":
            return {
                "AMZN_BRAKET_RESERVATION_DEVICE_ARN": job.device_arn,
                "AMZN_BRAKET_RESERVATION_TIME_WINDOW_ARN": association["arn"],
            }
    return {}
