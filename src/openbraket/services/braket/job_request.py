"""What CreateJob asks for, checked: each member is honoured or refused.

The configuration is kept as GetJob gives it back, with the documented defaults filled in, so that
what runs the job reads every value from one place.
"""

import re
from pathlib import PurePosixPath
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from openbraket.base.ids import new_id, parse_arn
from openbraket.base.s3_uri import S3Location
from openbraket.blobs.remote import RemoteObjects
from openbraket.services.braket import elsewhere
from openbraket.services.braket.associations import check_associations
from openbraket.services.braket.quantum_tasks import usable_device
from openbraket.services.braket.s3_uris import read_s3_uri
from openbraket.services.braket.tags import check_tags
from openbraket.services.context import Context
from openbraket.services.errors import InvalidRequestError, ModeledError
from openbraket.store import buckets, objects
from openbraket.store.jobs import NewJob

INSTANCE_COUNT_MAX: Final = 5
VOLUME_GB_MAX: Final = 16_384
RUNTIME_S_DEFAULT: Final = 432_000
CHECKPOINT_PATH_DEFAULT: Final = "/opt/braket/checkpoints/"
ENTRY_POINT_LENGTH_MAX: Final = 1024
_EMBEDDED: Final = "local:"
_EMBEDDED_DEVICE: Final = re.compile(r"local:[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_ENTRY_POINT: Final = re.compile(r"[^\s\0-\x1f\x7f:/\\]+(:[^\s\0-\x1f\x7f:/\\]+)?")
_DATA_PARALLEL: Final = "sagemaker_distributed_dataparallel_enabled"
# What GetJob gives back as it was sent.
_CONFIGURATION: Final = (
    "algorithmSpecification",
    "associations",
    "checkpointConfig",
    "deviceConfig",
    "hyperParameters",
    "inputDataConfig",
    "instanceConfig",
    "outputDataConfig",
    "roleArn",
    "stoppingCondition",
)


def check_request(context: Context, params: dict[str, Any]) -> NewJob:
    """Return the job that a request asks for, after every check that needs no record.

    Args:
        context: The request.
        params: Input of CreateJob.

    Returns:
        The job, with a fresh id.

    Raises:
        InvalidRequestError: ValidationException; names the member, the value and the limit.
        ModeledError: AccessDeniedException for a role of another account, DeviceOfflineException,
            DeviceRetiredException.
    """
    device = params["deviceConfig"]["device"]
    device_type = _check_device(context, device)
    _check_instances(params["instanceConfig"], device)
    _check_algorithm(params["algorithmSpecification"])
    _check_channels(params.get("inputDataConfig", []))
    _check_checkpoints(params.get("checkpointConfig", {}))
    if "kmsKeyId" in params["outputDataConfig"]:
        raise InvalidRequestError(
            "outputDataConfig.kmsKeyId is not supported: there are no KMS keys here; leave it out"
        )
    _check_role(context, params["roleArn"])
    _check_distribution(params.get("hyperParameters", {}))
    check_associations(device, device_type, params.get("associations", []))
    check_tags(params.get("tags", {}))
    _locations(params)
    configuration = _with_defaults(params)
    return NewJob(
        id=new_id(),
        account=context.account,
        region=context.region,
        name=params["jobName"],
        device_arn=device,
        instance_count=configuration["instanceConfig"]["instanceCount"],
        created_at=context.now_ms(),
        request_json=orjson.dumps(configuration).decode(),
        tags=params.get("tags", {}),
    )


def require_locations(connection: Connection, context: Context, params: dict[str, Any]) -> None:
    """Check that every bucket of a request is the caller's and that its script is there.

    Args:
        connection: In the transaction that records the job.
        context: The request.
        params: Input of CreateJob, checked.

    Raises:
        InvalidRequestError: ValidationException; names the location.
    """
    for member, location in _locations(params).items():
        bucket = buckets.get_bucket(connection, location.bucket)
        if bucket is None or bucket.account != context.account:
            raise InvalidRequestError(
                f"Caller doesn't have access to s3://{location.bucket} of {member} "
                "or it doesn't exist."
            )
    script = params["algorithmSpecification"].get("scriptModeConfig")
    if script is None:
        return
    bucket_name, key = read_s3_uri(script["s3Uri"], member="scriptModeConfig.s3Uri")
    if objects.get_object(connection, bucket=bucket_name, key=key) is None:
        raise InvalidRequestError(
            f"The script {script['s3Uri']} of scriptModeConfig does not exist."
        )


async def require_remote_locations(remote: RemoteObjects, params: dict[str, Any]) -> None:
    """Check the same in another store, before anything is recorded.

    Args:
        remote: The store.
        params: Input of CreateJob, checked.

    Raises:
        InvalidRequestError: ValidationException; names the location.
        ObjectsAwayError: The store does not say; the client may try again.
    """
    locations = _locations(params)
    await elsewhere.require_locations(remote, locations, locations.get("scriptModeConfig.s3Uri"))


def _check_device(context: Context, device: str) -> str:
    """Return a device's type, SIMULATOR for one inside the job.

    Raises:
        InvalidRequestError: ValidationException.
    """
    if not device.startswith(_EMBEDDED):
        return usable_device(context, device).type
    if _EMBEDDED_DEVICE.fullmatch(device) is None:
        raise InvalidRequestError(
            f"'{device}' is not an embedded simulator; expected local:PROVIDER/NAME of letters, "
            "digits, '_', '-' and '.'"
        )
    return "SIMULATOR"


def _check_instances(instances: dict[str, Any], device: str) -> None:
    count = instances.get("instanceCount", 1)
    if count > INSTANCE_COUNT_MAX:
        raise InvalidRequestError(
            f"instanceConfig.instanceCount is {count}; the limit is {INSTANCE_COUNT_MAX}"
        )
    if count > 1 and not device.startswith(_EMBEDDED):
        raise InvalidRequestError(
            f"instanceConfig.instanceCount is {count}; more than 1 needs an embedded simulator, "
            f"local:PROVIDER/NAME, not {device}"
        )
    volume_gb = instances["volumeSizeInGb"]
    if volume_gb > VOLUME_GB_MAX:
        raise InvalidRequestError(
            f"instanceConfig.volumeSizeInGb is {volume_gb}; the limit is {VOLUME_GB_MAX}"
        )


def _check_algorithm(algorithm: dict[str, Any]) -> None:
    script = algorithm.get("scriptModeConfig")
    if script is None:
        if "containerImage" not in algorithm:
            raise InvalidRequestError(
                "algorithmSpecification must have scriptModeConfig, containerImage or both"
            )
        return
    entry_point = script["entryPoint"]
    is_short = len(entry_point) <= ENTRY_POINT_LENGTH_MAX
    if not is_short or _ENTRY_POINT.fullmatch(entry_point) is None:
        raise InvalidRequestError(
            f"'{entry_point[:64]}' in scriptModeConfig.entryPoint is not an entry point; expected "
            f"MODULE or MODULE:CALLABLE in at most {ENTRY_POINT_LENGTH_MAX} characters"
        )


def _check_channels(channels: list[dict[str, Any]]) -> None:
    seen = set()
    for channel in channels:
        name = channel["channelName"]
        if name in seen:
            raise InvalidRequestError(f"inputDataConfig has the channel '{name}' more than once")
        if name in {".", ".."}:
            raise InvalidRequestError(f"'{name}' cannot be the name of a channel's directory")
        seen.add(name)


def _check_checkpoints(checkpoints: dict[str, Any]) -> None:
    path = PurePosixPath(checkpoints.get("localPath", CHECKPOINT_PATH_DEFAULT))
    if not path.is_absolute() or ".." in path.parts or "\0" in str(path) or len(path.parts) < 2:
        raise InvalidRequestError(
            f"'{path}' in checkpointConfig.localPath is not the absolute path of a directory"
        )


def _check_role(context: Context, role_arn: str) -> None:
    """Refuse another account's role; each role of the own account acts for all of it here.

    Raises:
        ModeledError: AccessDeniedException.
    """
    arn = parse_arn(role_arn)
    if arn is None or arn.account != context.account:
        raise ModeledError(
            "AccessDeniedException",
            f"Cross-account pass role is not allowed: {role_arn} is not of the caller's account "
            f"{context.account}",
        )


def _check_distribution(hyperparameters: dict[str, str]) -> None:
    """Refuse what the SDK's `distribution="data_parallel"` asks for: AWS's library of that name.

    Raises:
        InvalidRequestError: ValidationException.
    """
    if hyperparameters.get(_DATA_PARALLEL, "").lower() == "true":
        raise InvalidRequestError(
            f"hyperParameters has {_DATA_PARALLEL}: SageMaker's distributed data parallel library "
            "is not here; leave distribution='data_parallel' out, and let the instances find each "
            "other by SM_HOSTS"
        )


def _locations(params: dict[str, Any]) -> dict[str, S3Location]:
    """Return every location of a request by its member.

    Raises:
        InvalidRequestError: ValidationException for a URI that is none.
    """
    uris = {"outputDataConfig.s3Path": params["outputDataConfig"]["s3Path"]}
    if (script := params["algorithmSpecification"].get("scriptModeConfig")) is not None:
        uris["scriptModeConfig.s3Uri"] = script["s3Uri"]
    if (checkpoints := params.get("checkpointConfig")) is not None:
        uris["checkpointConfig.s3Uri"] = checkpoints["s3Uri"]
    for channel in params.get("inputDataConfig", ()):
        member = f"inputDataConfig channel '{channel['channelName']}'"
        uris[member] = channel["dataSource"]["s3DataSource"]["s3Uri"]
    return {member: read_s3_uri(uri, member=member) for member, uri in uris.items()}


def _with_defaults(params: dict[str, Any]) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        name: params[name] for name in _CONFIGURATION if name in params
    }
    configuration["instanceConfig"] = {"instanceCount": 1} | params["instanceConfig"]
    stopping = {"maxRuntimeInSeconds": RUNTIME_S_DEFAULT}
    configuration["stoppingCondition"] = stopping | params.get("stoppingCondition", {})
    if (checkpoints := params.get("checkpointConfig")) is not None:
        path = {"localPath": CHECKPOINT_PATH_DEFAULT}
        configuration["checkpointConfig"] = path | checkpoints
    return configuration
