"""Forgetting the records of tasks and jobs that ended long ago.

What they left in S3 stays: results and archives belong to their owners.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, bindparam, delete, select

from openbraket.base.ids import job_arn, quantum_task_arn
from openbraket.store.statements import Statement
from openbraket.store.tables import (
    job_events,
    job_requests,
    jobs,
    quantum_tasks,
    tags,
    task_actions,
)


@dataclass(frozen=True, slots=True)
class Old:
    """A record that may be forgotten.

    Attributes:
        seq: Its place in the order of acceptance.
        id: Its UUID.
        arn: Its ARN.
        is_old: Whether it was created before the time asked for.
        is_due: Whether it ended before that time; others are passed over.
    """

    seq: int
    id: str
    arn: str
    is_old: bool
    is_due: bool


class Forgetter:
    """The way to forget one kind of record."""

    def __init__(
        self, table: Table, parts: Iterable[Statement], arn_of: Callable[[str, str, str], str]
    ) -> None:
        columns = table.c
        self._arn_of = arn_of
        # In the order of acceptance, so that a walk ends where records are young.
        self._list = Statement(
            select(
                columns.seq,
                columns.id,
                columns.region,
                columns.account,
                columns.created_at,
                columns.ended_at,
            )
            .where(columns.seq > bindparam("after"))
            .order_by(columns.seq)
            .limit(bindparam("count_max"))
        )
        self._parts = (*parts, _FORGET_TAGS)
        self._delete = Statement(
            delete(table).where(
                columns.id == bindparam("id"), columns.ended_at < bindparam("before")
            )
        )

    def list_old(self, connection: Connection, *, before: int, after: int, limit: int) -> list[Old]:
        """Return the next records, in the order of acceptance, where some of them are old.

        Args:
            connection: Any.
            before: Milliseconds since the epoch.
            after: The last place already seen, 0 at first.
            limit: How many at most.

        Returns:
            The records; none where all of the next ones were created since, or there are no more.

        Cost: a walk over as many records as are returned.
        """
        rows = self._list.all(connection, after=after, count_max=limit)
        found = [
            Old(
                seq=seq,
                id=record_id,
                arn=self._arn_of(region, account, record_id),
                is_old=created_at < before,
                is_due=ended_at is not None and ended_at < before,
            )
            for seq, record_id, region, account, created_at, ended_at in rows
        ]
        return found if any(record.is_old for record in found) else []

    def forget(self, connection: Connection, records: Iterable[Old], *, before: int) -> int:
        """Delete records with their tags and return how many there were.

        Args:
            connection: In a write transaction.
            records: From `list_old`.
            before: Milliseconds since the epoch; what ended later stays.
        """
        count = 0
        for record in records:
            if self._delete.run(connection, id=record.id, before=before):
                count += 1
                for part in self._parts:
                    part.run(connection, id=record.id, arn=record.arn)
        return count


def _delete_part(table: Table, column: str) -> Statement:
    return Statement(delete(table).where(table.c[column] == bindparam("id")))


_FORGET_TAGS: Final = Statement(delete(tags).where(tags.c.resource_arn == bindparam("arn")))

TASKS: Final = Forgetter(
    quantum_tasks,
    [_delete_part(task_actions, "task_id")],
    lambda region, account, task_id: quantum_task_arn(
        region=region, account=account, task_id=task_id
    ),
)
JOBS: Final = Forgetter(
    jobs,
    [_delete_part(job_requests, "job_id"), _delete_part(job_events, "job_id")],
    lambda region, account, job_id: job_arn(region=region, account=account, job_id=job_id),
)
