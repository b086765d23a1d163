"""The instances of active jobs, and their lines on the way into log events.

The place in an instance's log file is kept with the events that came from it, in one transaction:
so a restart goes on without a lost line or a doubled one.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from openbraket.store import logs
from openbraket.store.jobs import Job
from openbraket.store.statements import Statement
from openbraket.store.tables import job_instances

LOG_GROUP = "/aws/braket/jobs"


class JobInstance(NamedTuple):
    """One instance of an active job.

    Attributes:
        number: From 1, as in its host name `algo-1`.
        log_stream: Where its lines go.
        log_offset: Bytes of its log file whose lines are there.
        launched_at: When it was to be started, milliseconds since the epoch; None before.
    """

    number: int
    log_stream: str
    log_offset: int
    launched_at: int | None = None


_IS_INSTANCE = (
    job_instances.c.job_id == bindparam("of_job"),
    job_instances.c.number == bindparam("of_number"),
)
_INSERT = Statement(insert(job_instances))
_LIST = Statement(
    select(*(job_instances.c[name] for name in JobInstance._fields))
    .where(job_instances.c.job_id == bindparam("of_job"))
    .order_by(job_instances.c.number)
)
_ADVANCE = Statement(
    update(job_instances)
    .where(*_IS_INSTANCE, job_instances.c.log_offset == bindparam("old_offset"))
    .values(log_offset=bindparam("new_offset"))
)
_LAUNCH = Statement(
    update(job_instances)
    .where(job_instances.c.job_id == bindparam("of_job"))
    .values(launched_at=bindparam("at"))
)
_DELETE = Statement(delete(job_instances).where(job_instances.c.job_id == bindparam("of_job")))


def create(connection: Connection, job_id: str, instances: Iterable[JobInstance]) -> None:
    """Record the instances of a job that starts."""
    for instance in instances:
        _INSERT.run(connection, job_id=job_id, **instance._asdict())


def list_instances(connection: Connection, job_id: str) -> list[JobInstance]:
    """Return the instances of an active job, in the order of their numbers."""
    return [JobInstance(*row) for row in _LIST.all(connection, of_job=job_id)]


def launch(connection: Connection, job_id: str, *, at: int) -> None:
    """Record that the instances of a job are about to be started; nothing has run before."""
    _LAUNCH.run(connection, of_job=job_id, at=at)


def delete_instances(connection: Connection, job_id: str) -> None:
    """Forget the instances of a job that has ended."""
    _DELETE.run(connection, of_job=job_id)


def take_lines(
    connection: Connection,
    job: Job,
    instance: JobInstance,
    events: Sequence[tuple[int, str]],
    *,
    offset: int,
    now: int,
) -> bool:
    """Add an instance's next lines to its log stream, unless they are there already.

    Args:
        connection: In a write transaction.
        job: The job.
        instance: As it was when the lines were read.
        events: Time in milliseconds since the epoch and text of each line.
        offset: Where the lines end in the log file, in bytes.
        now: Milliseconds since the epoch.

    Returns:
        Whether they were added; False means that the record has moved on.
    """
    is_advanced = _ADVANCE.run(
        connection,
        of_job=job.id,
        of_number=instance.number,
        old_offset=instance.log_offset,
        new_offset=offset,
    )
    if not is_advanced:
        return False
    place = {"account": job.account, "region": job.region}
    of_stream = {"group": LOG_GROUP, "name": instance.log_stream}
    logs.create_group(connection, **place, name=LOG_GROUP, created_at=now)
    logs.create_stream(connection, **place, **of_stream, created_at=now)
    stream = logs.get_stream(connection, **place, **of_stream)
    if stream is not None:
        logs.append(connection, stream.id, events, now=now)
    return True
