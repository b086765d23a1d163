"""CreateQuantumTask, GetQuantumTask, CancelQuantumTask and SearchQuantumTasks."""

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from openbraket.base.ids import new_id
from openbraket.circuits.precision import Precision
from openbraket.devices import Catalogue, Device
from openbraket.devices.backends import QPU_TWIN
from openbraket.programs.actions import AHS_TYPE, PROGRAM_SET_TYPE
from openbraket.programs.ahs import AhsParameters, read_ahs_parameters
from openbraket.programs.check import Checked, check_program, may_take_long, rules_of
from openbraket.programs.parameters import check_parameters, read_document, read_parameters
from openbraket.programs.settings import TaskSettings, read_settings
from openbraket.services.braket import elsewhere, quotas
from openbraket.services.braket.associations import check_associations
from openbraket.services.braket.device_parameters import check_device_parameters
from openbraket.services.braket.devices import PRIORITIES, shown_size
from openbraket.services.braket.filters import (
    query_digest,
    read_task_filters,
    read_token,
    write_token,
)
from openbraket.services.braket.find_resource import find_task
from openbraket.services.braket.idempotency import (
    Plan,
    client_token,
    recall,
    refusing_reuse,
    run_once,
    take,
)
from openbraket.services.braket.spending import admit
from openbraket.services.braket.tags import check_tags
from openbraket.services.context import Context
from openbraket.services.errors import InvalidRequestError, ModeledError
from openbraket.store import buckets, jobs, quantum_tasks, tags
from openbraket.store.jobs import Job
from openbraket.store.quantum_tasks import NewTask, QuantumTask, WaitingTask

ACTION_BYTES_MAX: Final = 5_000_000
# Longer actions are read in a thread, so that other requests are answered meanwhile.
ACTION_BYTES_READ_AT_ONCE_MAX: Final = 16_384
# Outcomes of checks of short programs that are remembered; at most 8 MB.
CHECKS_KEPT_MAX: Final = 512
PAGE_SIZE_DEFAULT: Final = 20
QUEUE_POSITION_SHOWN_MAX: Final = 2000
# A program with verbatim boxes has this in its text.
VERBATIM: Final = "braket verbatim"
TERMINAL_STATUSES: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
# How long after its creation a task is fresh, and how long a question about one is held.
FRESH_MS_MAX: Final = 50
HOLD_S_MAX: Final = 0.02
# From this width, after reductions, a simulation gains more from all threads than from leaving them
# to its neighbours.
WIDE_QUBIT_COUNT: Final = 18
# The same for the executables of a program set together, in amplitudes times gates.
WIDE_SET_UPDATES: Final = 1 << 28
# And for the paths of a dynamic program; below, reading the program takes longer than simulating.
DYNAMIC_QUBIT_COUNT: Final = 12


async def create_quantum_task(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Record a task after checking all that can be known: `POST /quantum-task`.

    Idempotent by `clientToken`: the same request again gets the first answer, another request
    with the same token is refused.

    Raises:
        InvalidRequestError: ValidationException for a wrong member, program or token, or a task
            that would go over its device's spending limit; nothing is recorded.
        ModeledError: DeviceOfflineException, DeviceRetiredException, and with AWS's quotas
            ServiceQuotaExceededException.
    """

    async def check() -> Plan[WaitingTask]:
        new_task, device = await _check_request(context, params)
        if context.remote is not None:
            bucket = new_task.output_bucket
            await elsewhere.require_bucket(context.remote, bucket, what=bucket)

        def record(connection: Connection) -> WaitingTask:
            if context.remote is None:
                _require_bucket(connection, context, new_task.output_bucket)
            if "jobToken" in params:
                # Read again: the job may have ended since.
                _find_job(connection, context, params["jobToken"])
            if context.has_aws_quotas:
                _require_task_room(connection, new_task)
            return quantum_tasks.create(connection, admit(connection, device, new_task))

        return Plan({"quantumTaskArn": new_task.arn}, record)

    done = await run_once(context, "CreateQuantumTask", params, check)
    if done.made is not None:
        context.dispatcher.task_created(done.made)
    return done.answer


async def get_quantum_task(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return a task's record: `GET /quantum-task/{quantumTaskArn}`.

    Raises:
        InvalidRequestError: ValidationException for text that is no task's ARN.
        ModeledError: ResourceNotFoundException for an unknown task.
    """
    task, output = _read_task(context, params)
    if task.status not in TERMINAL_STATUSES and context.now_ms() - task.created_at <= FRESH_MS_MAX:
        # Small programs take milliseconds: a client that asks at once then needs one question, not
        # several, and leaves the processors to its program meanwhile.
        await context.dispatcher.wait_for_end(task.id, timeout_s=HOLD_S_MAX)
        _, output = _read_task(context, params)
    return output


def _read_task(context: Context, params: dict[str, Any]) -> tuple[QuantumTask, dict[str, Any]]:
    """Return the task of a GetQuantumTask and the answer about it, from one snapshot."""
    with context.database.read() as connection:
        task = find_task(connection, context, params["quantumTaskArn"])
        output = _summary(task) | {
            "tags": tags.list_tags(connection, task.arn),
            "deviceParameters": task.device_parameters or "{}",
            "actionMetadata": _without_none(
                actionType=task.action_type,
                programCount=task.program_count,
                executableCount=task.executable_count,
            ),
        }
        if "QueueInfo" in params.get("additionalAttributeNames", ()):
            output["queueInfo"] = _queue_info(context, task)
    return task, output | _without_none(
        failureReason=task.failure_reason,
        jobArn=task.job_arn,
        numSuccessfulShots=task.num_successful_shots,
        associations=task.associations and orjson.loads(task.associations),
        experimentalCapabilities=task.experimental and orjson.loads(task.experimental),
    )


async def cancel_quantum_task(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Cancel a task that has not ended: `PUT /quantum-task/{quantumTaskArn}/cancel`.

    Idempotent by `clientToken`, and by itself: a task that is cancelled, or being cancelled, says
    so again. What a task that completed or failed answers is the operator's choice: a conflict, or
    CANCELLED without any effect.

    Raises:
        InvalidRequestError: ValidationException for text that is no task's ARN, or a token that
            came with another request.
        ModeledError: ConflictException for a task that completed or failed,
            ResourceNotFoundException for an unknown task.
    """
    token = client_token(context, "CancelQuantumTask", params)
    with context.database.read() as connection:
        task = find_task(connection, context, params["quantumTaskArn"])
        recorded = recall(connection, token)
    if recorded is not None:
        return recorded
    answers: dict[str, dict[str, Any]] = {
        status: {"quantumTaskArn": task.arn, "cancellationStatus": status}
        for status in ("CANCELLING", "CANCELLED")
    }
    if context.accepts_cancel_of_ended:
        answers |= {"COMPLETED": answers["CANCELLED"], "FAILED": answers["CANCELLED"]}

    def confirm(connection: Connection, status: str) -> dict[str, Any] | None:
        answer = answers.get(status)
        if answer is None:
            return None
        return take(connection, token, answer, now=context.now_ms()) or answer

    with refusing_reuse(token):
        cancelled = await context.dispatcher.cancel(task.id, confirm)
    if cancelled is None:
        raise ModeledError("ResourceNotFoundException", f"Quantum task {task.arn} was not found")
    if cancelled.confirmed is None:
        said = f"Amazon Braket cannot cancel a quantum task in the {cancelled.status} status"
        raise ModeledError("ConflictException", f"{said}: {task.arn}")
    return cancelled.confirmed


async def search_quantum_tasks(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return the caller's tasks of the region, newest first: `POST /quantum-tasks`.

    Filters are joined by AND, the values of one by OR: `quantumTaskArn`, `deviceArn`, `jobArn`,
    `status` and `tags:KEY` with EQUAL, `createdAt` with every operator. Pages are stable while
    tasks are added. Where filters refuse nearly everything that they must look at, a page may have
    fewer tasks than `maxResults`, or none, and a token all the same.

    Raises:
        InvalidRequestError: ValidationException for a wrong filter or token.
    """
    filters = read_task_filters(params["filters"])
    digest = query_digest(context.account, context.region, params["filters"])
    after = read_token(params["nextToken"], digest) if "nextToken" in params else None
    limit = params.get("maxResults", PAGE_SIZE_DEFAULT)

    def read(connection: Connection) -> tuple[list[dict[str, Any]], int | None]:
        page = quantum_tasks.search(
            connection,
            account=context.account,
            region=context.region,
            filters=filters,
            after=after,
            limit=limit,
        )
        arns = [task.arn for task in page.items]
        tags_by_arn = tags.list_tags_of_many(connection, arns)
        found = [_summary(task) | {"tags": tags_by_arn[task.arn]} for task in page.items]
        return found, page.next_after

    summaries, next_after = await context.database.read_aside(read)
    output: dict[str, Any] = {"quantumTasks": summaries}
    if next_after is not None:
        output["nextToken"] = write_token(next_after, digest)
    return output


async def _check_request(context: Context, params: dict[str, Any]) -> tuple[NewTask, Device]:
    device = usable_device(context, params["deviceArn"])
    _check_members(device, params)
    job = None
    if "jobToken" in params:
        with context.database.read() as connection:
            job = _find_job(connection, context, params["jobToken"])
    device_parameters = read_document(params.get("deviceParameters", ""))
    checked = await _check_program(context, device, params, device_parameters)
    check_device_parameters(device_parameters, device)
    is_set = checked.action_type == PROGRAM_SET_TYPE
    task_id = new_id()
    task = NewTask(
        id=task_id,
        account=context.account,
        region=context.region,
        device_arn=device.arn,
        shots=params["shots"],
        output_bucket=params["outputS3Bucket"],
        output_directory=f"{params['outputS3KeyPrefix']}/{task_id}",
        action=params["action"].encode(),
        action_type=checked.action_type,
        created_at=context.now_ms(),
        status=context.dispatcher.first_status(device.arn),
        device_parameters=params.get("deviceParameters", ""),
        # Tasks of a running job go first, while it has its device's priority.
        priority=0 if job is None or job.deprioritized_at is not None else 1,
        job_arn=None if job is None else job.arn,
        memory_bytes=checked.memory_bytes,
        thread_count=context.thread_count_max if _is_wide(checked) else 1,
        program_count=checked.program_count if is_set else None,
        executable_count=checked.executable_count if is_set else None,
        associations=_json_or_none(params.get("associations")),
        experimental=_json_or_none(params.get("experimentalCapabilities")),
        tags=params.get("tags", {}),
    )
    return task, device


def usable_device(context: Context, device_arn: str) -> Device:
    """Return a device of the request's region that takes tasks and jobs.

    Raises:
        InvalidRequestError: ValidationException for a device that the region does not have.
        ModeledError: DeviceRetiredException, DeviceOfflineException.
    """
    device = context.catalogue.get(device_arn, region=context.region)
    if device is None:
        raise InvalidRequestError(f"Device {device_arn} does not exist in {context.region}")
    status = context.availability.status(device)
    if status == "RETIRED":
        raise ModeledError("DeviceRetiredException", f"Device {device_arn} is retired")
    if status == "OFFLINE":
        reason = context.availability.offline_reason(device)
        raise ModeledError("DeviceOfflineException", f"Device {device_arn} is offline: {reason}")
    return device


def _check_members(device: Device, params: dict[str, Any]) -> None:
    check_tags(params.get("tags", {}))
    action_size = len(params["action"].encode())
    if action_size > ACTION_BYTES_MAX:
        raise InvalidRequestError(
            f"action has {action_size} bytes; the limit is {ACTION_BYTES_MAX}"
        )
    check_associations(device.arn, device.type, params.get("associations", ()))


def _require_bucket(connection: Connection, context: Context, name: str) -> None:
    bucket = buckets.get_bucket(connection, name)
    if bucket is None or bucket.account != context.account:
        raise InvalidRequestError(f"Caller doesn't have access to {name} or it doesn't exist.")


def _find_job(connection: Connection, context: Context, token: str) -> Job:
    job = jobs.find_by_token(connection, token, account=context.account, region=context.region)
    if job is None:
        raise InvalidRequestError("jobToken does not belong to a running job of this account")
    return job


def _require_task_room(connection: Connection, task: NewTask) -> None:
    if quotas.simulator_tasks_max(task.device_arn, task.region) is not None:
        live_count = quantum_tasks.live_count(
            connection, account=task.account, region=task.region, device_arn=task.device_arn
        )
        quotas.require_task_room(task.device_arn, task.region, live_count)


async def _check_program(
    context: Context, device: Device, params: dict[str, Any], device_parameters: dict[str, Any]
) -> Checked:
    action, shots = params["action"], params["shots"]
    parameters = read_parameters(device_parameters)
    check_parameters(parameters, rules_of(device), shots=shots, is_verbatim=VERBATIM in action)
    is_analog = AHS_TYPE in device.action_types
    settings = TaskSettings() if is_analog else read_settings(device_parameters)
    if settings.is_for_twins and device.backend != QPU_TWIN:
        raise InvalidRequestError(
            "noise and relaxation in deviceParameters are for twins of processors, which "
            f"{device.name} is not"
        )
    request = _Program(
        device_arn=device.arn,
        shots=shots,
        memory_bytes_max=context.memory_bytes_max,
        precision=settings.precision,
        is_strict=context.is_strict or device.type != "SIMULATOR",
        is_experimental=params.get("experimentalCapabilities") == {"enabled": "ALL"},
        keeps_qubits=parameters.keeps_qubits and rules_of(device).can_keep_qubits,
        is_extended=settings.limits == "extended",
        ahs=read_ahs_parameters(device_parameters).over(context.ahs) if is_analog else context.ahs,
    )
    # A short program set may be many programs.
    is_short = len(action) <= ACTION_BYTES_READ_AT_ONCE_MAX and PROGRAM_SET_TYPE not in action
    if is_short and not may_take_long(action):
        return _check_short(context.catalogue, action, request)
    return await asyncio.to_thread(_check, context.catalogue, action, request)


@dataclass(frozen=True, slots=True)
class _Program:
    """What a program is checked against."""

    device_arn: str
    shots: int
    memory_bytes_max: int
    precision: Precision
    is_strict: bool
    is_experimental: bool
    keeps_qubits: bool
    is_extended: bool
    ahs: AhsParameters


def _check(catalogue: Catalogue, action: str, request: _Program) -> Checked:
    return check_program(
        action,
        catalogue.require(request.device_arn),
        shots=request.shots,
        memory_bytes_max=request.memory_bytes_max,
        precision=request.precision,
        is_strict=request.is_strict,
        is_experimental=request.is_experimental,
        keeps_qubits=request.keeps_qubits,
        is_extended=request.is_extended,
        ahs=request.ahs,
    )


@lru_cache(maxsize=CHECKS_KEPT_MAX)
def _check_short(catalogue: Catalogue, action: str, request: _Program) -> Checked:
    """Check a program; clients repeat short ones, in tests, batches and optimiser loops."""
    return _check(catalogue, action, request)


def _is_wide(checked: Checked) -> bool:
    """Return whether a task gets all threads.

    It does for one wide circuit, for many executables or paths, and for many steps of few atoms.
    """
    if checked.width >= WIDE_QUBIT_COUNT:
        return True
    if checked.is_dynamic and checked.width >= DYNAMIC_QUBIT_COUNT:
        return True
    updates = checked.operation_count << checked.width
    is_many = checked.executable_count > 1 or checked.action_type == AHS_TYPE
    return is_many and updates >= WIDE_SET_UPDATES


def _summary(task: QuantumTask) -> dict[str, Any]:
    output: dict[str, Any] = {
        "quantumTaskArn": task.arn,
        "status": task.status,
        "deviceArn": task.device_arn,
        "shots": task.shots,
        "outputS3Bucket": task.output_bucket,
        "outputS3Directory": task.output_directory,
        "createdAt": task.created_at,
    }
    return output | _without_none(endedAt=task.ended_at)


def _queue_info(context: Context, task: QuantumTask) -> dict[str, str]:
    info = {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": PRIORITIES[task.priority]}
    if task.status not in {"CREATED", "QUEUED"}:
        message = "AmazonBraket does not show queue position for this status."
        return info | {
            "position": "None",
            "message": f"Task is in {task.status} status. {message}",
        }
    ahead = context.dispatcher.queue_position(task)
    return info | {"position": shown_size(ahead, QUEUE_POSITION_SHOWN_MAX)}


def _json_or_none(value: object) -> str | None:
    return orjson.dumps(value).decode() if value else None


def _without_none(**members: object) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
