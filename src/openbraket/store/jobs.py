"""Records of hybrid jobs: creation, reading, the queue's order, events and job tokens."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from openbraket.base.ids import job_arn
from openbraket.store import tags as tag_records
from openbraket.store.statements import Statement
from openbraket.store.tables import job_events, job_requests, jobs

# Events that a job keeps; the model gives no more to a client.
EVENT_COUNT_MAX: Final = 20
# Characters of a failure reason that are kept, after the model.
FAILURE_REASON_LENGTH_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class Job:
    """One hybrid job's record, without its configuration.

    Attributes:
        seq: Order of acceptance.
        id: The job's UUID.
        account: Twelve-digit account that owns it.
        region: Region that it lives in.
        name: The caller's name for it; need not be unique.
        device_arn: The device's ARN, or `local:PROVIDER/NAME`.
        status: As on the wire.
        attempt: Number of the latest attempt, 0 before the first.
        instance_count: Instances that run the script side by side.
        created_at: Milliseconds since the epoch.
        started_at: The same, of the start.
        ended_at: The same, of the end.
        billable_ms: What an account would be billed for, in milliseconds.
        failure_reason: Why it failed.
        deprioritized_at: When it lost its device's priority, milliseconds since the epoch.
    """

    seq: int
    id: str
    account: str
    region: str
    name: str
    device_arn: str
    status: str
    attempt: int
    instance_count: int
    created_at: int
    started_at: int | None
    ended_at: int | None
    billable_ms: int | None
    failure_reason: str | None
    deprioritized_at: int | None = None

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return job_arn(region=self.region, account=self.account, job_id=self.id)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be recorded; see `Job` for the shared attributes.

    Attributes:
        request_json: The configuration as GetJob gives it back, JSON text.
        tags: Tags by key.
    """

    id: str
    account: str
    region: str
    name: str
    device_arn: str
    instance_count: int
    created_at: int
    request_json: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return job_arn(region=self.region, account=self.account, job_id=self.id)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One entry of a job's history.

    Attributes:
        type: An `eventType` of the model.
        at: Milliseconds since the epoch.
        message: For people; at most 2500 characters.
    """

    type: str
    at: int
    message: str | None = None


@dataclass(frozen=True, slots=True)
class JobTransition:
    """One allowed change of a job's status.

    Attributes:
        name: What happens, for people.
        sources: The statuses it may start from.
        target: The status it leads to.
        event: The type of the event that it records, or None.
        is_fenced: Whether it belongs to an attempt: the record must still be at that attempt.
        is_terminal: Whether the job has ended with it.
        begins_attempt: Whether the record's attempt goes up by one.
    """

    name: str
    sources: tuple[str, ...]
    target: str
    event: str | None = None
    is_fenced: bool = False
    is_terminal: bool = False
    begins_attempt: bool = False


# What a job's record has only after its creation.
_LATER: Final = frozenset({
    "seq", "started_at", "ended_at", "billable_ms", "failure_reason", "deprioritized_at"
})  # fmt: skip
JOB_COLUMNS: Final = tuple(jobs.c[name] for name in Job.__dataclass_fields__)
_INSERT = Statement(
    insert(jobs),
    columns=[name for name in Job.__dataclass_fields__ if name not in _LATER],
)
_INSERT_REQUEST = Statement(insert(job_requests))
_GET = Statement(select(*JOB_COLUMNS).where(jobs.c.id == bindparam("job_id")))
_GET_REQUEST = Statement(
    select(job_requests.c.request_json).where(job_requests.c.job_id == bindparam("job_id"))
)
_BY_TOKEN = Statement(
    select(*JOB_COLUMNS).where(
        jobs.c.token_hash == bindparam("token_hash"),
        text("token_hash IS NOT NULL"),
        text("status = 'RUNNING'"),
    )
)
_IS_WAITING_THERE = (text("status = 'QUEUED'"), jobs.c.device_arn == bindparam("device_arn"))
_COUNT_EARLIER = Statement(
    select(func.count()).select_from(
        select(jobs.c.seq)
        .where(*_IS_WAITING_THERE, jobs.c.seq < bindparam("seq"))
        .limit(bindparam("count_max"))
        .subquery()
    )
)
_IS_DEVICE_BUSY = Statement(
    select(jobs.c.seq)
    .where(
        text("status IN ('RUNNING', 'CANCELLING')"),
        jobs.c.device_arn == bindparam("device_arn"),
        jobs.c.deprioritized_at.is_(None),
    )
    .limit(1)
)
_DEPTH = Statement(select(func.count()).select_from(jobs).where(*_IS_WAITING_THERE))
_LIST_WAITING = Statement(
    select(*JOB_COLUMNS).where(text("status = 'QUEUED'")).order_by(jobs.c.seq)
)
_LIST_ACTIVE = Statement(
    select(*JOB_COLUMNS).where(text("status IN ('RUNNING', 'CANCELLING')")).order_by(jobs.c.seq)
)
_IS_OF_CALLER = (
    jobs.c.account == bindparam("account"),
    jobs.c.region == bindparam("region"),
)
_LIVE: Final = ("status = 'QUEUED'", "status IN ('RUNNING', 'CANCELLING')")
# Two counts, since each walks a small index of its own.
_COUNT_LIVE = tuple(
    Statement(select(func.count()).select_from(jobs).where(text(condition), *_IS_OF_CALLER))
    for condition in _LIVE
)
_LIST_LIVE = tuple(
    Statement(select(jobs.c.id).where(text(condition), *_IS_OF_CALLER)) for condition in _LIVE
)
_EVENTS = Statement(
    select(job_events.c.type, job_events.c.at, job_events.c.message)
    .where(job_events.c.job_id == bindparam("job_id"))
    .order_by(job_events.c.number)
)
_LAST_NUMBER = Statement(
    select(func.coalesce(func.max(job_events.c.number), 0)).where(
        job_events.c.job_id == bindparam("job_id")
    )
)
_INSERT_EVENT = Statement(insert(job_events))


def create(connection: Connection, job: NewJob, *, has_priority: bool = False) -> Job:
    """Record a new job in QUEUED with its configuration, first event and tags.

    Args:
        connection: In a write transaction.
        job: The job.
        has_priority: Whether the device gives one job at a time its priority: behind another job
            the first event says that this one waits for it.

    Returns:
        The record.
    """
    is_behind = has_priority and (
        is_device_busy(connection, job.device_arn) or queue_depth(connection, job.device_arn) > 0
    )
    seq = _INSERT.insert(
        connection,
        id=job.id,
        account=job.account,
        region=job.region,
        name=job.name,
        device_arn=job.device_arn,
        status="QUEUED",
        attempt=0,
        instance_count=job.instance_count,
        created_at=job.created_at,
    )
    _INSERT_REQUEST.run(connection, job_id=job.id, request_json=job.request_json)
    first = "WAITING_FOR_PRIORITY" if is_behind else "QUEUED_FOR_EXECUTION"
    add_event(connection, job.id, JobEvent(first, job.created_at))
    tag_records.set_tags(connection, job.arn, job.tags)
    return Job(
        seq, job.id, job.account, job.region, job.name, job.device_arn, "QUEUED", 0,
        job.instance_count, job.created_at, None, None, None, None,
    )  # fmt: skip


def get(connection: Connection, job_id: str) -> Job | None:
    """Return a job's record, or None where there is none."""
    row = _GET.first(connection, job_id=job_id)
    return None if row is None else Job(*row)


def get_request_json(connection: Connection, job_id: str) -> str | None:
    """Return a job's configuration as JSON text, or None where there is no such job."""
    row = _GET_REQUEST.first(connection, job_id=job_id)
    return None if row is None else str(row[0])


def list_events(connection: Connection, job_id: str) -> list[JobEvent]:
    """Return a job's events in their order."""
    return [JobEvent(*row) for row in _EVENTS.all(connection, job_id=job_id)]


def list_waiting(connection: Connection) -> list[Job]:
    """Return every job that waits, in the order of acceptance."""
    return [Job(*row) for row in _LIST_WAITING.all(connection)]


def list_active(connection: Connection) -> list[Job]:
    """Return every job that is running or being cancelled, in the order of acceptance."""
    return [Job(*row) for row in _LIST_ACTIVE.all(connection)]


def count_live(connection: Connection, *, account: str, region: str) -> int:
    """Return how many jobs of an account have not ended, in one region."""
    rows = (
        statement.first(connection, account=account, region=region) for statement in _COUNT_LIVE
    )
    return sum(int(row[0]) for row in rows if row is not None)


def queue_position(connection: Connection, job: Job, *, count_max: int) -> int:
    """Return how many jobs of the same device will start before this one.

    Args:
        connection: Any.
        job: A job that waits.
        count_max: Where to stop counting; bounds the cost.

    Returns:
        The number of jobs ahead, at most `count_max`.
    """
    row = _COUNT_EARLIER.first(
        connection, device_arn=job.device_arn, seq=job.seq, count_max=count_max
    )
    return int(row[0]) if row is not None else 0


def queue_depth(connection: Connection, device_arn: str) -> int:
    """Return how many jobs of a device wait."""
    row = _DEPTH.first(connection, device_arn=device_arn)
    return int(row[0]) if row is not None else 0


def is_device_busy(connection: Connection, device_arn: str) -> bool:
    """Return whether an active job holds a device's priority."""
    return _IS_DEVICE_BUSY.first(connection, device_arn=device_arn) is not None


def list_live(connection: Connection, *, account: str, region: str) -> list[str]:
    """Return the ids of an account's jobs that have not ended, in one region."""
    return [
        str(row[0])
        for statement in _LIST_LIVE
        for row in statement.all(connection, account=account, region=region)
    ]


def hash_token(token: str) -> str:
    """Return what the records keep of a job token."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_by_token(connection: Connection, token: str, *, account: str, region: str) -> Job | None:
    """Return the running job that a job token was issued to.

    Args:
        connection: Any.
        token: As the request has it.
        account: Only a job of this account.
        region: Only a job of this region.

    Returns:
        The job; None where the token is unknown, another caller's, or its job does not run.
    """
    row = _BY_TOKEN.first(connection, token_hash=hash_token(token))
    job = None if row is None else Job(*row)
    return job if job is not None and (job.account, job.region) == (account, region) else None


def add_event(connection: Connection, job_id: str, event: JobEvent) -> None:
    """Append to a job's history; beyond `EVENT_COUNT_MAX` the event takes the last one's place.

    Args:
        connection: In a write transaction.
        job_id: The job.
        event: What happened.
    """
    row = _LAST_NUMBER.first(connection, job_id=job_id)
    number = int(row[0]) + 1 if row is not None else 1
    if number > EVENT_COUNT_MAX:
        number = EVENT_COUNT_MAX
        connection.execute(
            job_events.delete().where(job_events.c.job_id == job_id, job_events.c.number == number)
        )
    _INSERT_EVENT.run(
        connection,
        job_id=job_id,
        number=number,
        type=event.type,
        at=event.at,
        message=event.message,
    )


def note(
    connection: Connection, job_id: str, event: JobEvent, *, attempt: int, sources: Sequence[str]
) -> bool:
    """Record an event that changes no status, if the attempt still holds the job.

    Args:
        connection: In a write transaction.
        job_id: The job.
        event: What happened.
        attempt: The attempt that it happened in.
        sources: The statuses in which it may be recorded.

    Returns:
        Whether it was recorded; False means that the record has moved on, or has the event.
    """
    job = get(connection, job_id)
    if job is None or job.attempt != attempt or job.status not in sources:
        return False
    if any(event.type == known.type for known in list_events(connection, job_id)):
        return False
    add_event(connection, job_id, event)
    return True


def renew_token(connection: Connection, job_id: str, token: str, *, attempt: int) -> bool:
    """Give an attempt that has not run anything yet another job token.

    Returns:
        Whether the attempt still holds the job.
    """
    renewed = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status == "RUNNING")
        .values(token_hash=hash_token(token))
    )
    return renewed.rowcount > 0


def deprioritize(connection: Connection, job_id: str, *, attempt: int, at: int) -> bool:
    """Take its device's priority from a running job, once, and record the event.

    Returns:
        Whether it had the priority.
    """
    taken = connection.execute(
        update(jobs)
        .where(
            jobs.c.id == job_id,
            jobs.c.attempt == attempt,
            jobs.c.status == "RUNNING",
            jobs.c.deprioritized_at.is_(None),
        )
        .values(deprioritized_at=at)
    )
    if taken.rowcount == 0:
        return False
    add_event(connection, job_id, JobEvent("DEPRIORITIZED_DUE_TO_INACTIVITY", at))
    return True


def apply(
    connection: Connection,
    transition: JobTransition,
    job_id: str,
    *,
    at: int,
    attempt: int | None = None,
    message: str | None = None,
    failure_reason: str | None = None,
    token: str | None = None,
) -> bool:
    """Change a job's status, and record the transition's event, if the record still allows it.

    The end of a job that had started sets what is billable: from its start to its end. It also
    takes the job token back.

    Args:
        connection: In a write transaction.
        transition: What happens.
        job_id: The job.
        at: When it happens, milliseconds since the epoch.
        attempt: The attempt that a fenced transition belongs to, or that begins.
        message: For the event.
        failure_reason: For the end of a job that failed; cut after `FAILURE_REASON_LENGTH_MAX`.
        token: The job token of the attempt that begins.

    Returns:
        Whether it took effect; False means that the record has moved on.
    """
    columns = jobs.c
    statement = (
        update(jobs)
        .where(columns.id == job_id, columns.status.in_(transition.sources))
        .values(status=transition.target)
    )
    if transition.is_fenced or transition.begins_attempt:
        before = None if attempt is None else attempt - transition.begins_attempt
        statement = statement.where(columns.attempt == before)
    if transition.begins_attempt:
        token_hash = None if token is None else hash_token(token)
        statement = statement.values(attempt=attempt, started_at=at, token_hash=token_hash)
    if transition.is_terminal:
        statement = statement.values(
            ended_at=at,
            failure_reason=failure_reason and failure_reason[:FAILURE_REASON_LENGTH_MAX],
            billable_ms=at - columns.started_at,
            token_hash=None,
        )
    if connection.execute(statement).rowcount == 0:
        return False
    if transition.event is not None:
        add_event(connection, job_id, JobEvent(transition.event, at, message))
    return True
