"""CreateJob, GetJob, CancelJob and SearchJobs."""

from typing import Any, Final

import orjson
from sqlalchemy import Connection

from openbraket.engine import job_states
from openbraket.engine.job_states import JobStatus
from openbraket.services.braket.devices import shown_size
from openbraket.services.braket.filters import (
    query_digest,
    read_job_filters,
    read_token,
    write_token,
)
from openbraket.services.braket.find_resource import find_job
from openbraket.services.braket.idempotency import Plan, run_once
from openbraket.services.braket.job_request import (
    check_request,
    require_locations,
    require_remote_locations,
)
from openbraket.services.braket.quotas import require_instance_room, require_job_room
from openbraket.services.context import Context
from openbraket.services.errors import ModeledError
from openbraket.store import job_search, jobs, logs, quantum_tasks, tags
from openbraket.store.job_instances import LOG_GROUP
from openbraket.store.jobs import Job, JobEvent, NewJob

PAGE_SIZE_DEFAULT: Final = 20
QUEUE_POSITION_SHOWN_MAX: Final = 15


async def create_job(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Record a job after checking all that can be known: `POST /job`.

    Idempotent by `clientToken`: the same request again gets the first answer, another request
    with the same token is refused.

    Raises:
        InvalidRequestError: ValidationException for a wrong member or token; nothing is recorded.
        ModeledError: AccessDeniedException, DeviceOfflineException, DeviceRetiredException, and
            with AWS's quotas ServiceQuotaExceededException.
    """

    async def check() -> Plan[Job]:
        new_job = check_request(context, params)
        device = context.catalogue.get(new_job.device_arn, region=context.region)
        has_priority = device is not None and device.type == "QPU"
        if context.remote is not None:
            await require_remote_locations(context.remote, params)

        def record(connection: Connection) -> Job:
            if context.remote is None:
                require_locations(connection, context, params)
            if context.has_aws_quotas:
                _require_room(connection, new_job, params["instanceConfig"])
            # Clients may ask for metrics before the first line is there.
            place = {"account": new_job.account, "region": new_job.region}
            logs.create_group(connection, **place, name=LOG_GROUP, created_at=new_job.created_at)
            return jobs.create(connection, new_job, has_priority=has_priority)

        return Plan({"jobArn": new_job.arn}, record)

    done = await run_once(context, "CreateJob", params, check)
    if done.made is not None and context.jobs is not None:
        context.jobs.job_created(done.made)
    return done.answer


async def get_job(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return a job's record: `GET /job/{jobArn}`.

    Raises:
        InvalidRequestError: ValidationException for text that is no job's ARN.
        ModeledError: ResourceNotFoundException for an unknown job.
    """
    with context.database.read() as connection:
        job = find_job(connection, context, params["jobArn"])
        output: dict[str, Any] = orjson.loads(jobs.get_request_json(connection, job.id) or "{}")
        output |= _summary(job)
        output["tags"] = tags.list_tags(connection, job.arn)
        output["events"] = [_event(event) for event in jobs.list_events(connection, job.id)]
        if "QueueInfo" in params.get("additionalAttributeNames", ()):
            output["queueInfo"] = _queue_info(connection, job)
    output["failureReason"] = job.failure_reason
    output["billableDuration"] = job.billable_ms
    return output


async def cancel_job(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Cancel a job that has not ended, and its quantum tasks: `PUT /job/{jobArn}/cancel`.

    Idempotent: a job that is cancelled, or being cancelled, says so again. Its job token is void
    from then on, so no task follows those that are cancelled here.

    Raises:
        InvalidRequestError: ValidationException for text that is no job's ARN.
        ModeledError: ConflictException for a job that completed or failed,
            ResourceNotFoundException for an unknown job.
    """

    def work(connection: Connection) -> Job:
        job = find_job(connection, context, params["jobArn"])
        now = context.now_ms()
        for transition in (job_states.CANCEL_WAITING, job_states.CANCEL_RUNNING):
            jobs.apply(connection, transition, job.id, at=now)
        return find_job(connection, context, params["jobArn"])

    job = await context.database.write(work)
    if job.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
        said = f"Amazon Braket cannot cancel a job in the {job.status} status"
        raise ModeledError("ConflictException", f"{said}: {job.arn}")
    if context.jobs is not None:
        context.jobs.job_cancelled(job.id)
    with context.database.read() as connection:
        task_ids = quantum_tasks.list_live_of_job(connection, job.arn)
    for task_id in task_ids:
        await context.dispatcher.cancel(task_id)
    return {"jobArn": job.arn, "cancellationStatus": job.status}


async def search_jobs(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return the caller's jobs of the region, newest first: `POST /jobs`.

    Filters are joined by AND, the values of one by OR: `jobArn`, `deviceArn` (or `device`),
    `status` and `tags:KEY` with EQUAL, `jobName` with EQUAL and CONTAINS, `createdAt` with every
    operator but CONTAINS. Pages are stable while jobs are added.

    Raises:
        InvalidRequestError: ValidationException for a wrong filter or token.
    """
    filters = read_job_filters(params["filters"])
    digest = query_digest(context.account, context.region, {"jobs": params["filters"]})
    after = read_token(params["nextToken"], digest) if "nextToken" in params else None
    limit = params.get("maxResults", PAGE_SIZE_DEFAULT)

    def read(connection: Connection) -> tuple[list[dict[str, Any]], int | None]:
        page = job_search.search(
            connection,
            account=context.account,
            region=context.region,
            filters=filters,
            after=after,
            limit=limit,
        )
        tags_by_arn = tags.list_tags_of_many(connection, [job.arn for job in page.items])
        found = [_summary(job) | {"tags": tags_by_arn[job.arn]} for job in page.items]
        return found, page.next_after

    summaries, next_after = await context.database.read_aside(read)
    output: dict[str, Any] = {"jobs": summaries}
    if next_after is not None:
        output["nextToken"] = write_token(next_after, digest)
    return output


def _require_room(connection: Connection, job: NewJob, instances: dict[str, Any]) -> None:
    """Refuse a job beyond AWS's quotas of jobs and of instances of its type.

    Raises:
        ModeledError: ServiceQuotaExceededException.
    """
    live = jobs.list_live(connection, account=job.account, region=job.region)
    require_job_room(job.region, len(live), instance_count=job.instance_count)
    instance_type, live_count = instances["instanceType"], 0
    # At most as many as the quota of jobs.
    for job_id in live:
        known = orjson.loads(jobs.get_request_json(connection, job_id) or "{}")["instanceConfig"]
        if known["instanceType"] == instance_type:
            live_count += known["instanceCount"]
    require_instance_room(job.region, instance_type, live_count, wanted=job.instance_count)


def _summary(job: Job) -> dict[str, Any]:
    return {
        "jobArn": job.arn,
        "jobName": job.name,
        "status": job.status,
        "device": job.device_arn,
        "createdAt": job.created_at,
        "startedAt": job.started_at,
        "endedAt": job.ended_at,
    }


def _event(event: JobEvent) -> dict[str, Any]:
    return {"eventType": event.type, "timeOfEvent": event.at, "message": event.message}


def _queue_info(connection: Connection, job: Job) -> dict[str, str]:
    info = {"queue": "JOBS_QUEUE"}
    if job.status != JobStatus.QUEUED:
        message = "AmazonBraket does not show queue position for this status."
        return info | {"position": "None", "message": f"Job is in {job.status} status. {message}"}
    ahead = jobs.queue_position(connection, job, count_max=QUEUE_POSITION_SHOWN_MAX + 1)
    return info | {"position": shown_size(ahead, QUEUE_POSITION_SHOWN_MAX)}
