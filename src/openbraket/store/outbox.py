"""The outbox: changes of status that subscribers are still to be told of.

The database itself adds them, by triggers that the server sets up when it has a subscriber: in
SQLite temporary ones of the writer's connection, in PostgreSQL lasting ones, since all servers
make changes. So an entry is in the transaction of the change that it tells, whoever
changes a status cannot forget it, and without a subscriber it costs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from openbraket.store.statements import Statement, Upsert
from openbraket.store.tables import announced_devices, outbox

TASK: Final = "task"
JOB: Final = "job"
DEVICE: Final = "device"

_TABLES: Final[Mapping[str, str]] = {TASK: "quantum_tasks", JOB: "jobs"}

# For each kind and its table, by the name of the dialect.
_SQLITE_ADD: Final = (
    "BEGIN INSERT INTO outbox (id, kind, resource, status, is_new, at) "
    "VALUES (lower(hex(randomblob(16))), '{{kind}}', NEW.id, NEW.status, {is_new}, "
    "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)); END"
)
_TRIGGERS: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": (
        "CREATE TEMP TRIGGER outbox_new_{kind} AFTER INSERT ON main.{table} "
        + _SQLITE_ADD.format(is_new=1),
        "CREATE TEMP TRIGGER outbox_changed_{kind} AFTER UPDATE OF status ON main.{table} "
        "WHEN OLD.status <> NEW.status " + _SQLITE_ADD.format(is_new=0),
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION outbox_add() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO outbox (id, kind, resource, status, is_new, at) VALUES ("
            "replace(gen_random_uuid()::text, '-', ''), TG_ARGV[0], NEW.id, NEW.status, "
            "(TG_OP = 'INSERT')::int, floor(extract(epoch from clock_timestamp()) * 1000)); "
            "RETURN NULL; END $$"
        ),
        (
            "CREATE OR REPLACE TRIGGER outbox_new_{kind} AFTER INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION outbox_add('{kind}')"
        ),
        (
            "CREATE OR REPLACE TRIGGER outbox_changed_{kind} AFTER UPDATE OF status ON {table} "
            "FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION outbox_add('{kind}')"
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One change that is to be told.

    Attributes:
        seq: Order of the changes.
        id: Of the event, the same each time it is sent.
        kind: `TASK`, `JOB` or `DEVICE`.
        resource: A task's or job's id, a device's ARN.
        status: The status that it came to.
        is_new: Whether the resource came into being with it.
        at: Milliseconds since the epoch.
    """

    seq: int
    id: str
    kind: str
    resource: str
    status: str
    is_new: bool
    at: int


_COLUMNS = tuple(outbox.c[name] for name in Entry.__dataclass_fields__)
_OLDEST = Statement(select(*_COLUMNS).order_by(outbox.c.seq).limit(bindparam("count")))
_REMOVE = Statement(delete(outbox).where(outbox.c.seq <= bindparam("last")))
_SPAN = Statement(select(func.min(outbox.c.seq), func.max(outbox.c.seq)))
_ANNOUNCED = Statement(select(announced_devices.c.device_arn, announced_devices.c.status))
_ANNOUNCE = Upsert(announced_devices, updates=["status"])
_ADD = Statement(
    insert(outbox), columns=[name for name in Entry.__dataclass_fields__ if name != "seq"]
)


def fill_from_now_on(connection: Connection) -> None:
    """Let every change of a task's or job's status enter the outbox.

    In SQLite every change through this connection, and the triggers end with it. In PostgreSQL
    every change that any server makes, until `stop_filling`.

    Args:
        connection: The writer's, in a transaction.
    """
    for kind, table in _TABLES.items():
        for statement in _TRIGGERS[connection.dialect.name]:
            connection.exec_driver_sql(statement.format(kind=kind, table=table))


def stop_filling(connection: Connection) -> None:
    """Let changes enter the outbox no more; in SQLite that is so after each start.

    Args:
        connection: The writer's, in a transaction.
    """
    if connection.dialect.name == "postgresql":
        for kind, table in _TABLES.items():
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS outbox_new_{kind} ON {table}")
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS outbox_changed_{kind} ON {table}")


def list_oldest(connection: Connection, *, count: int) -> list[Entry]:
    """Return the first entries in the order of the changes."""
    return [
        Entry(seq, entry_id, kind, resource, status, bool(is_new), at)
        for seq, entry_id, kind, resource, status, is_new, at in _OLDEST.all(
            connection, count=count
        )
    ]


def remove(connection: Connection, *, last: int) -> int:
    """Remove the entries up to the one with this `seq`, and return how many there were."""
    return _REMOVE.run(connection, last=last)


def span(connection: Connection) -> tuple[int, int]:
    """Return `seq` of the first and the last entry; both 0 where there is none."""
    row = _SPAN.first(connection)
    return (row[0], row[1]) if row is not None and row[0] is not None else (0, 0)


def list_announced(connection: Connection) -> dict[str, str]:
    """Return the statuses of devices that subscribers know, by ARN."""
    return dict(_ANNOUNCED.all(connection))


def announce_devices(
    connection: Connection, statuses: Mapping[str, str], *, ids: Mapping[str, str], at: int
) -> int:
    """Add an entry for each device whose status is another than subscribers know.

    A device that they do not know yet enters without one.

    Args:
        connection: In a write transaction.
        statuses: Every device's status by ARN.
        ids: A fresh event id for each device.
        at: Now, milliseconds since the epoch.

    Returns:
        How many entries were added.
    """
    known = list_announced(connection)
    count = 0
    for arn, status in statuses.items():
        if known.get(arn) == status:
            continue
        _ANNOUNCE.run(connection, device_arn=arn, status=status)
        if arn in known:
            count += 1
            _ADD.run(
                connection,
                id=ids[arn],
                kind=DEVICE,
                resource=arn,
                status=status,
                is_new=0,
                at=at,
            )
    return count
