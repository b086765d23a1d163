"""Records of logs: groups, streams, and events in the order of their times.

What is kept is bounded: a stream loses its oldest events beyond `STREAM_BYTES_MAX`, and all streams
together lose those of the stream that was written longest ago beyond `LOG_BYTES_MAX`.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)

from openbraket.store.statements import Statement, Upsert
from openbraket.store.tables import log_events, log_groups, log_queries, log_streams

STREAM_BYTES_MAX: Final = 64 << 20
LOG_BYTES_MAX: Final = 1 << 30
# What an event counts for beside its message, as in CloudWatch Logs.
EVENT_BYTES_EXTRA: Final = 26
# How many events one step of trimming removes; bounds how long the writer is held up.
TRIM_COUNT: Final = 10_000
# How much a stream grows between two looks at the sum of all.
_LOOK_BYTES: Final = 1 << 20
QUERY_AGE_MS_MAX: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class LogGroup:
    """One log group; times in milliseconds since the epoch."""

    name: str
    created_at: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class LogStream:
    """One log stream.

    Attributes:
        id: Number of the stream; never used again.
        group_name: The group's name.
        name: The stream's name, unique in its group.
        created_at: Milliseconds since the epoch.
        first_at: Time of the earliest event; None before the first.
        last_at: Time of the latest event.
        last_ingested_at: When the last events came.
        event_count: Events that are kept.
        byte_count: Their size: the messages' UTF-8 and `EVENT_BYTES_EXTRA` for each.
        last_number: Number of the latest event ever.
    """

    id: int
    group_name: str
    name: str
    created_at: int
    first_at: int | None
    last_at: int | None
    last_ingested_at: int | None
    event_count: int
    byte_count: int
    last_number: int


class Position(NamedTuple):
    """A place in a stream: of the event with this time and number, or between two events."""

    at: int
    number: int


class LogEvent(NamedTuple):
    """One event; times in milliseconds since the epoch."""

    at: int
    number: int
    ingested_at: int
    message: str

    @property
    def position(self) -> Position:
        """Its place in its stream."""
        return Position(self.at, self.number)


# Before and after every event; times on the wire are not negative.
HEAD: Final = Position(-1, 0)
TAIL: Final = Position(2**63 - 1, 2**63 - 1)

_STREAM_COLUMNS = tuple(log_streams.c[name] for name in LogStream.__dataclass_fields__)
_OF_GROUP = tuple(
    log_streams.c[column] == bindparam(name)
    for column, name in (("account", "account"), ("region", "region"), ("group_name", "group"))
)
_ADD_GROUP = Upsert(log_groups)
_GET_GROUP = Statement(
    select(log_groups.c.created_at).where(
        *(log_groups.c[name] == bindparam(name) for name in ("account", "region", "name"))
    )
)
_ADD_STREAM = Upsert(
    log_streams,
    columns=[
        "account", "region", "group_name", "name", "created_at", "event_count", "byte_count",
        "last_number",
    ],
)  # fmt: skip
_GET_STREAM = Statement(
    select(*_STREAM_COLUMNS).where(*_OF_GROUP, log_streams.c.name == bindparam("name"))
)
_GET_STREAM_BY_ID = Statement(
    select(*_STREAM_COLUMNS).where(log_streams.c.id == bindparam("stream_id"))
)
_APPEND = Statement(insert(log_events))
_GROW = Statement(
    update(log_streams)
    .where(log_streams.c.id == bindparam("stream_id"))
    .values(
        first_at=func.smaller(
            func.coalesce(log_streams.c.first_at, TAIL.at), bindparam("new_first")
        ),
        last_at=func.larger(func.coalesce(log_streams.c.last_at, HEAD.at), bindparam("new_last")),
        last_ingested_at=bindparam("now"),
        event_count=log_streams.c.event_count + bindparam("new_count"),
        byte_count=log_streams.c.byte_count + bindparam("new_bytes"),
        last_number=log_streams.c.last_number + bindparam("new_count"),
    )
)
_place = tuple_(log_events.c.at, log_events.c.number)
_RANGE = (
    log_events.c.stream_id == bindparam("stream_id"),
    log_events.c.at >= bindparam("start"),
    log_events.c.at < bindparam("end"),
    _place > tuple_(bindparam("after_at"), bindparam("after_number")),
    _place < tuple_(bindparam("before_at"), bindparam("before_number")),
)
_EVENT_COLUMNS = tuple(log_events.c[name] for name in LogEvent._fields)
_READ = {
    False: Statement(
        select(*_EVENT_COLUMNS).where(*_RANGE).order_by(log_events.c.at, log_events.c.number)
    ),
    True: Statement(
        select(*_EVENT_COLUMNS)
        .where(*_RANGE)
        .order_by(log_events.c.at.desc(), log_events.c.number.desc())
    ),
}
_IS_OLDEST = (
    log_events.c.stream_id == bindparam("of_stream"),
    _place <= tuple_(bindparam("last_at"), bindparam("last_number")),
)
_OLDEST = Statement(
    select(log_events.c.at, log_events.c.number)
    .where(log_events.c.stream_id == bindparam("of_stream"))
    .order_by(log_events.c.at, log_events.c.number)
    .limit(1)
    .offset(bindparam("skipped"))
)
_MEASURE = Statement(
    select(
        func.count(),
        cast(
            func.sum(func.byte_length(log_events.c.message) + text(f"{EVENT_BYTES_EXTRA}")), Integer
        ),
    ).where(*_IS_OLDEST)
)
_REMOVE = Statement(delete(log_events).where(*_IS_OLDEST))
_SUM = Statement(
    select(cast(func.coalesce(func.sum(log_streams.c.byte_count), text("0")), Integer))
)
_LONGEST_AGO = Statement(
    select(log_streams.c.id)
    .where(log_streams.c.event_count > text("0"))
    .order_by(log_streams.c.last_ingested_at, log_streams.c.id)
    .limit(1)
)


def create_group(
    connection: Connection, *, account: str, region: str, name: str, created_at: int
) -> bool:
    """Record a log group and return whether it was new."""
    values = {"account": account, "region": region, "name": name, "created_at": created_at}
    return _ADD_GROUP.run(connection, **values) > 0


def has_group(connection: Connection, *, account: str, region: str, name: str) -> bool:
    """Return whether there is a log group."""
    return _GET_GROUP.first(connection, account=account, region=region, name=name) is not None


def delete_group(connection: Connection, *, account: str, region: str, name: str) -> bool:
    """Remove a log group with everything in it, and return whether it was there."""
    for stream in list_streams(connection, account=account, region=region, group=name):
        delete_stream(connection, stream)
    found = connection.execute(
        delete(log_groups).where(
            log_groups.c.account == account,
            log_groups.c.region == region,
            log_groups.c.name == name,
        )
    )
    return found.rowcount > 0


def list_groups(
    connection: Connection,
    *,
    account: str,
    region: str,
    prefix: str = "",
    part: str = "",
    after: str = "",
    limit: int,
) -> list[LogGroup]:
    """Return log groups in the order of their names.

    Args:
        connection: Any.
        account: The owner.
        region: The region.
        prefix: What the name begins with.
        part: What the name contains.
        after: Only names after this one.
        limit: Most groups wanted.

    Returns:
        The groups, with the size of what is in them.
    """
    columns, streams = log_groups.c, log_streams.c
    size = (
        select(cast(func.coalesce(func.sum(streams.byte_count), 0), Integer))
        .where(
            streams.account == columns.account,
            streams.region == columns.region,
            streams.group_name == columns.name,
        )
        .scalar_subquery()
    )
    statement = (
        select(columns.name, columns.created_at, size)
        .where(
            columns.account == account,
            columns.region == region,
            columns.name > after,
            *_begins_with(columns.name, prefix),
            *((func.contains(columns.name, part),) if part else ()),
        )
        .order_by(columns.name)
        .limit(limit)
    )
    return [LogGroup(*row) for row in connection.execute(statement)]


def create_stream(
    connection: Connection, *, account: str, region: str, group: str, name: str, created_at: int
) -> bool:
    """Record a log stream of a group and return whether it was new."""
    values = {"account": account, "region": region, "group_name": group, "name": name}
    counts = {"event_count": 0, "byte_count": 0, "last_number": 0}
    return _ADD_STREAM.run(connection, created_at=created_at, **values, **counts) > 0


def get_stream(
    connection: Connection, *, account: str, region: str, group: str, name: str
) -> LogStream | None:
    """Return a log stream, or None where there is none."""
    row = _GET_STREAM.first(connection, account=account, region=region, group=group, name=name)
    return None if row is None else LogStream(*row)


def delete_stream(connection: Connection, stream: LogStream) -> None:
    """Remove a log stream and its events."""
    connection.execute(delete(log_events).where(log_events.c.stream_id == stream.id))
    connection.execute(delete(log_streams).where(log_streams.c.id == stream.id))


def list_streams(
    connection: Connection, *, account: str, region: str, group: str, prefix: str = ""
) -> list[LogStream]:
    """Return the streams of a group whose names begin with `prefix`, in the order of the names."""
    columns = log_streams.c
    statement = (
        select(*_STREAM_COLUMNS)
        .where(
            columns.account == account,
            columns.region == region,
            columns.group_name == group,
            *_begins_with(columns.name, prefix),
        )
        .order_by(columns.name)
    )
    return [LogStream(*row) for row in connection.execute(statement)]


def append(
    connection: Connection, stream_id: int, events: Sequence[tuple[int, str]], *, now: int
) -> None:
    """Add events to a stream, and remove the oldest ones beyond the limits.

    Args:
        connection: In a write transaction.
        stream_id: The stream; nothing happens where it is gone.
        events: Time in milliseconds since the epoch and message of each, in any order.
        now: When they came.
    """
    stream = _stream_by_id(connection, stream_id)
    if stream is None or not events:
        return
    number = stream.last_number
    _APPEND.run_many(
        connection,
        (
            {"stream_id": stream_id, "at": at, "number": i, "ingested_at": now, "message": message}
            for i, (at, message) in enumerate(events, number + 1)
        ),
    )
    size = sum(len(message.encode()) + EVENT_BYTES_EXTRA for _, message in events)
    times = [at for at, _ in events]
    _GROW.run(
        connection,
        stream_id=stream_id,
        new_first=min(times),
        new_last=max(times),
        now=now,
        new_count=len(events),
        new_bytes=size,
    )
    before, after = stream.byte_count, stream.byte_count + size
    while after > STREAM_BYTES_MAX:
        after -= _trim(connection, stream_id)
    if before // _LOOK_BYTES != after // _LOOK_BYTES:
        _trim_all(connection)


def read(
    connection: Connection,
    stream_id: int,
    *,
    start: int = 0,
    end: int = TAIL.at,
    after: Position = HEAD,
    before: Position = TAIL,
    is_newest_first: bool = False,
) -> Iterator[LogEvent]:
    """Yield a stream's events in the order of their times, then of their coming.

    Args:
        connection: Any; must stay open meanwhile.
        stream_id: The stream.
        start: Only events at this time or later.
        end: Only events before this time.
        after: Only events behind this place.
        before: Only events ahead of this place.
        is_newest_first: Whether to go backwards.
    """
    rows = _READ[is_newest_first].each(
        connection,
        stream_id=stream_id,
        start=start,
        end=end,
        after_at=after.at,
        after_number=after.number,
        before_at=before.at,
        before_number=before.number,
    )
    return (LogEvent(*row) for row in rows)


def record_query(
    connection: Connection,
    query_id: str,
    *,
    account: str,
    region: str,
    request_json: str,
    created_at: int,
) -> None:
    """Record a query, and forget those older than `QUERY_AGE_MS_MAX`."""
    connection.execute(
        delete(log_queries).where(log_queries.c.created_at < created_at - QUERY_AGE_MS_MAX)
    )
    connection.execute(
        insert(log_queries).values(
            id=query_id,
            account=account,
            region=region,
            request_json=request_json,
            created_at=created_at,
        )
    )


def get_query_json(
    connection: Connection, query_id: str, *, account: str, region: str
) -> str | None:
    """Return a recorded query as JSON text, or None where there is none."""
    found = connection.execute(
        select(log_queries.c.request_json).where(
            log_queries.c.id == query_id,
            log_queries.c.account == account,
            log_queries.c.region == region,
        )
    ).scalar()
    return None if found is None else str(found)


def _begins_with(column: Column[str], prefix: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for a prefix: a range that an index serves, and the exact test."""
    last = prefix + chr(sys.maxunicode)
    return (
        column >= prefix,
        column <= last,
        func.first_characters(column, text(f"{len(prefix)}")) == prefix,
    )


def _stream_by_id(connection: Connection, stream_id: int) -> LogStream | None:
    row = _GET_STREAM_BY_ID.first(connection, stream_id=stream_id)
    return None if row is None else LogStream(*row)


def _trim(connection: Connection, stream_id: int) -> int:
    """Remove at most `TRIM_COUNT` of a stream's oldest events and return their size."""
    stream = _stream_by_id(connection, stream_id)
    count = 0 if stream is None else min(TRIM_COUNT, max(1, stream.event_count // 2))
    last = _OLDEST.first(connection, of_stream=stream_id, skipped=max(0, count - 1))
    if stream is None or last is None:
        return STREAM_BYTES_MAX
    place = {"of_stream": stream_id, "last_at": last[0], "last_number": last[1]}
    measured = _MEASURE.first(connection, **place)
    removed_count, removed_bytes = measured if measured is not None else (0, 0)
    _REMOVE.run(connection, **place)
    oldest = _OLDEST.first(connection, of_stream=stream_id, skipped=0)
    connection.execute(
        update(log_streams)
        .where(log_streams.c.id == stream_id)
        .values(
            first_at=None if oldest is None else oldest[0],
            event_count=stream.event_count - removed_count,
            byte_count=stream.byte_count - removed_bytes,
        )
    )
    return int(removed_bytes)


def _trim_all(connection: Connection) -> None:
    """Remove the oldest events of the stream written longest ago while there are too many."""
    row = _SUM.first(connection)
    size = int(row[0]) if row is not None else 0
    while size > LOG_BYTES_MAX:
        stream = _LONGEST_AGO.first(connection)
        if stream is None:
            return
        size -= _trim(connection, stream[0])
