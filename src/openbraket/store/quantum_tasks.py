"""Records of quantum tasks: creation and reading."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, bindparam, func, insert, select, text

from openbraket.base.ids import quantum_task_arn
from openbraket.store import search as records_search
from openbraket.store import tags as tag_records
from openbraket.store.search import Filter, Kind, Page
from openbraket.store.statements import Statement
from openbraket.store.tables import quantum_tasks, task_actions

__all__ = [
    "ActiveTask",
    "Filter",
    "NewTask",
    "Page",
    "QuantumTask",
    "WaitingTask",
    "create",
    "get",
    "get_action",
    "last_created_of_job",
    "list_active",
    "list_live_of_job",
    "list_waiting",
    "live_count",
    "search",
]


@dataclass(frozen=True, slots=True)
class QuantumTask:
    """One quantum task's record, without its action.

    Attributes:
        seq: Order of acceptance.
        id: The task's UUID.
        account: Twelve-digit account that owns it.
        region: Region that it lives in.
        device_arn: The device.
        status: As on the wire.
        attempt: Number of the latest attempt, 0 before the first.
        lost_count: Attempts that ended without an outcome.
        priority: 0 normal, 1 priority.
        shots: Number of shots.
        device_parameters: JSON text as the client sent it; may be "".
        output_bucket: Bucket of the results.
        output_directory: Key prefix of the results, without a slash at its end.
        action_type: Name of the action's schema.
        program_count: Programs of a program set.
        executable_count: Executables of a program set.
        memory_bytes: Admission's estimate, in bytes.
        thread_count: Threads that the task may use.
        created_at: Milliseconds since the epoch.
        started_at: The same, of the latest attempt's start.
        ended_at: The same, of the end.
        failure_reason: Why it failed.
        job_arn: The hybrid job that created it.
        associations: JSON text as the client sent it.
        experimental: JSON text as the client sent it.
        num_successful_shots: Shots that gave a result.
    """

    seq: int
    id: str
    account: str
    region: str
    device_arn: str
    status: str
    attempt: int
    lost_count: int
    priority: int
    shots: int
    device_parameters: str
    output_bucket: str
    output_directory: str
    action_type: str
    program_count: int | None
    executable_count: int | None
    memory_bytes: int
    thread_count: int
    created_at: int
    started_at: int | None
    ended_at: int | None
    failure_reason: str | None
    job_arn: str | None
    associations: str | None
    experimental: str | None
    num_successful_shots: int | None

    @property
    def arn(self) -> str:
        """The task's ARN."""
        return quantum_task_arn(region=self.region, account=self.account, task_id=self.id)


@dataclass(frozen=True, slots=True)
class NewTask:
    """A quantum task to be recorded; see `QuantumTask` for the shared attributes.

    Attributes:
        action: The action document as the client sent it, UTF-8.
        status: CREATED, or QUEUED where it is known that the task must wait.
        tags: Tags by key.
        spending_limit_id: The spending limit that counts the task; None where there is none.
        estimated_cost: What was added to the limit's queued spend, in 10⁻¹⁰ dollars.
        shot_price: What one shot of it costs, in 10⁻¹⁰ dollars.
    """

    id: str
    account: str
    region: str
    device_arn: str
    shots: int
    output_bucket: str
    output_directory: str
    action: bytes
    action_type: str
    created_at: int
    status: str = "CREATED"
    device_parameters: str = ""
    priority: int = 0
    program_count: int | None = None
    executable_count: int | None = None
    memory_bytes: int = 0
    thread_count: int = 1
    job_arn: str | None = None
    associations: str | None = None
    experimental: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    spending_limit_id: str | None = None
    estimated_cost: int | None = None
    shot_price: int | None = None

    @property
    def arn(self) -> str:
        """The task's ARN."""
        return quantum_task_arn(region=self.region, account=self.account, task_id=self.id)


@dataclass(frozen=True, slots=True)
class WaitingTask:
    """What the dispatcher keeps of a task that waits; see `QuantumTask`.

    Attributes:
        new: The whole task where it was recorded just now, which spares reading it again.
    """

    seq: int
    id: str
    account: str
    device_arn: str
    status: str
    attempt: int
    lost_count: int
    priority: int
    memory_bytes: int
    thread_count: int
    new: NewTask | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ActiveTask:
    """A task that was running or being cancelled when the server died; see `QuantumTask`."""

    id: str
    status: str
    attempt: int
    lost_count: int


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account's waiting tasks of one priority on one device.

    Attributes:
        priority: 0 normal, 1 priority.
        account: The account.
        count: How many tasks wait.
        earlier_count: How many of them were accepted before the task that was asked about.
        first_seq: The one that was accepted first.
    """

    priority: int
    account: str
    count: int
    earlier_count: int
    first_seq: int

    def is_own(self, task: QuantumTask) -> bool:
        """Return whether a task that waits is among them."""
        return (self.priority, self.account) == (task.priority, task.account)


_TASK_FIELDS = tuple(QuantumTask.__dataclass_fields__)
TASK_COLUMNS = tuple(quantum_tasks.c[name] for name in _TASK_FIELDS)
_WAITING_FIELDS = tuple(name for name in WaitingTask.__dataclass_fields__ if name != "new")
_IS_WAITING = text("status IN ('CREATED', 'QUEUED')")

_INSERT = Statement(
    insert(quantum_tasks),
    columns=[
        name
        for name in _TASK_FIELDS
        if name not in {"seq", "started_at", "ended_at", "failure_reason", "num_successful_shots"}
    ]
    + ["spending_limit_id", "estimated_cost", "shot_price"],
)
_INSERT_ACTION = Statement(insert(task_actions))
_GET = Statement(select(*TASK_COLUMNS).where(quantum_tasks.c.id == bindparam("task_id")))
_GET_ACTION = Statement(
    select(task_actions.c.action).where(task_actions.c.task_id == bindparam("task_id"))
)
_LIST_WAITING = Statement(
    select(*(quantum_tasks.c[name] for name in _WAITING_FIELDS)).where(_IS_WAITING)
)
_LIST_WAITING_AFTER = Statement(
    select(*(quantum_tasks.c[name] for name in _WAITING_FIELDS)).where(
        _IS_WAITING, quantum_tasks.c.seq > bindparam("after")
    )
)
_LAST_SEQ = Statement(select(func.coalesce(func.max(quantum_tasks.c.seq), text("0"))))
_LIST_ACTIVE = Statement(
    select(*(quantum_tasks.c[name] for name in ActiveTask.__dataclass_fields__)).where(
        text("status IN ('RUNNING', 'CANCELLING')")
    )
)
_LAST_OF_JOB = Statement(
    select(func.max(quantum_tasks.c.created_at)).where(
        quantum_tasks.c.job_arn == bindparam("job_arn")
    )
)
_LIST_LIVE_OF_JOB = Statement(
    select(quantum_tasks.c.id)
    .where(
        quantum_tasks.c.job_arn == bindparam("job_arn"),
        text("job_arn IS NOT NULL"),
        text("status IN ('CREATED', 'QUEUED', 'RUNNING')"),
    )
    .order_by(quantum_tasks.c.seq)
)
_IS_ON_DEVICE = quantum_tasks.c.device_arn == bindparam("device_arn")
_LIVE = Statement(
    select(func.count()).where(
        quantum_tasks.c.account == bindparam("account"),
        quantum_tasks.c.region == bindparam("region"),
        _IS_ON_DEVICE,
        text("status IN ('CREATED', 'QUEUED', 'RUNNING', 'CANCELLING')"),
    )
)
_WAITING_COUNT = Statement(
    select(func.count()).where(
        _IS_WAITING, _IS_ON_DEVICE, quantum_tasks.c.priority == bindparam("priority")
    )
)
_LINES = Statement(
    select(
        quantum_tasks.c.priority,
        quantum_tasks.c.account,
        func.count(),
        func.count().filter(quantum_tasks.c.seq < bindparam("seq")),
        func.min(quantum_tasks.c.seq),
    )
    .where(_IS_WAITING, _IS_ON_DEVICE)
    .group_by(quantum_tasks.c.priority, quantum_tasks.c.account)
)


def create(connection: Connection, task: NewTask) -> WaitingTask:
    """Record a new task, its action and its tags.

    Args:
        connection: In a write transaction.
        task: The task.

    Returns:
        The task for the dispatcher.
    """
    seq = _INSERT.insert(
        connection,
        id=task.id,
        account=task.account,
        region=task.region,
        device_arn=task.device_arn,
        status=task.status,
        attempt=0,
        lost_count=0,
        priority=task.priority,
        shots=task.shots,
        device_parameters=task.device_parameters,
        output_bucket=task.output_bucket,
        output_directory=task.output_directory,
        action_type=task.action_type,
        program_count=task.program_count,
        executable_count=task.executable_count,
        memory_bytes=task.memory_bytes,
        thread_count=task.thread_count,
        created_at=task.created_at,
        job_arn=task.job_arn,
        associations=task.associations,
        experimental=task.experimental,
        spending_limit_id=task.spending_limit_id,
        estimated_cost=task.estimated_cost,
        shot_price=task.shot_price,
    )
    _INSERT_ACTION.run(connection, task_id=task.id, action=task.action)
    tag_records.set_tags(connection, task.arn, task.tags)
    return WaitingTask(
        seq=seq,
        id=task.id,
        account=task.account,
        device_arn=task.device_arn,
        status=task.status,
        attempt=0,
        lost_count=0,
        priority=task.priority,
        memory_bytes=task.memory_bytes,
        thread_count=task.thread_count,
        new=task,
    )


def get(connection: Connection, task_id: str) -> QuantumTask | None:
    """Return a task's record, or None where there is none."""
    row = _GET.first(connection, task_id=task_id)
    return None if row is None else QuantumTask(*row)


def get_action(connection: Connection, task_id: str) -> bytes | None:
    """Return a task's action as the client sent it, or None where there is no such task."""
    row = _GET_ACTION.first(connection, task_id=task_id)
    return None if row is None else bytes(row[0])


def list_waiting(connection: Connection, *, after: int = 0) -> list[WaitingTask]:
    """Return every task that waits, in no order; the dispatcher's queue after a start.

    Args:
        connection: Any.
        after: Only tasks accepted after the one with this `seq`.
    """
    if after:
        return [WaitingTask(*row) for row in _LIST_WAITING_AFTER.all(connection, after=after)]
    return [WaitingTask(*row) for row in _LIST_WAITING.all(connection)]


def last_seq(connection: Connection) -> int:
    """Return `seq` of the task that was accepted last; 0 where there is none."""
    row = _LAST_SEQ.first(connection)
    return 0 if row is None else int(row[0])


def waiting_count(connection: Connection, device_arn: str, priority: int) -> int:
    """Return how many tasks of a device wait with this priority."""
    row = _WAITING_COUNT.first(connection, device_arn=device_arn, priority=priority)
    return 0 if row is None else int(row[0])


def waiting_by_account(connection: Connection, task: QuantumTask) -> list[AccountLine]:
    """Return what waits on a task's device, by priority and account, in no order.

    Cost: a walk over the device's waiting tasks, by their index.
    """
    rows = _LINES.all(connection, device_arn=task.device_arn, seq=task.seq)
    return [AccountLine(*row) for row in rows]


def list_active(connection: Connection) -> list[ActiveTask]:
    """Return every task that is running or being cancelled."""
    return [ActiveTask(*row) for row in _LIST_ACTIVE.all(connection)]


def list_live_of_job(connection: Connection, job_arn: str) -> list[str]:
    """Return the ids of a job's tasks that can still be cancelled, oldest first."""
    return [str(row[0]) for row in _LIST_LIVE_OF_JOB.all(connection, job_arn=job_arn)]


def last_created_of_job(connection: Connection, job_arn: str) -> int | None:
    """Return when a job's latest task was created, milliseconds since the epoch; None without."""
    row = _LAST_OF_JOB.first(connection, job_arn=job_arn)
    return None if row is None or row[0] is None else int(row[0])


def live_count(connection: Connection, *, account: str, region: str, device_arn: str) -> int:
    """Return how many tasks of an account on a device have not ended.

    Cost: an indexed read of these tasks alone.
    """
    row = _LIVE.first(connection, account=account, region=region, device_arn=device_arn)
    return 0 if row is None else int(row[0])


def _arn_of(*, region: str, account: str, record_id: str) -> str:
    return quantum_task_arn(region=region, account=account, task_id=record_id)


SEARCHED: Final = Kind(
    table=quantum_tasks,
    columns={
        "quantumTaskArn": quantum_tasks.c.id,
        "deviceArn": quantum_tasks.c.device_arn,
        "jobArn": quantum_tasks.c.job_arn,
        "status": quantum_tasks.c.status,
        "createdAt": quantum_tasks.c.created_at,
    },
    arn_filter="quantumTaskArn",
    arn_of=_arn_of,
    indexed=(("jobArn",), ("deviceArn", "status")),
    unscoped=frozenset({"jobArn"}),
)


def search(
    connection: Connection,
    *,
    account: str,
    region: str,
    filters: "tuple[Filter, ...] | list[Filter]" = (),
    after: int | None = None,
    limit: int,
) -> "Page[QuantumTask]":
    """Return a page of tasks, newest first; see `search.search`."""
    rows, next_after = records_search.search(
        connection,
        SEARCHED,
        TASK_COLUMNS,
        account=account,
        region=region,
        filters=filters,
        after=after,
        limit=limit,
    )
    return Page([QuantumTask(*row) for row in rows], next_after)
