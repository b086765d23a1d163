"""The removal of records that are older than the operator wants to keep, now and then."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.store import retention
from openbraket.store.database import Database

DAY_MS: Final = 24 * 3600 * 1000
# How often old records are looked for.
PAUSE_S: Final = 3600.0
# Records removed in one transaction: bounds how long other changes wait.
BATCH_COUNT_MAX: Final = 200
# Wait between two transactions, so that the rest of the work goes on beside them.
BATCH_PAUSE_S: Final = 0.02

_log = logging.getLogger("openbraket.server")


async def forget_old_records(
    database: Database, kind: retention.Forgetter, *, before: int, pause_s: float = BATCH_PAUSE_S
) -> int:
    """Remove the records of one kind that ended before a time.

    Args:
        database: The records.
        kind: Tasks or jobs.
        before: Milliseconds since the epoch.
        pause_s: Wait between two transactions, in seconds.

    Returns:
        How many there were.

    Raises:
        StoreError: The records cannot be read or written.
    """
    count, after = 0, 0
    while True:
        page = partial(kind.list_old, before=before, after=after, limit=BATCH_COUNT_MAX)
        records = await database.read_aside(page)
        if not records:
            return count
        after = records[-1].seq
        if due := [record for record in records if record.is_due]:
            count += await database.write(partial(_forget, kind, due, before))
            await asyncio.sleep(pause_s)


def _forget(
    kind: retention.Forgetter, due: list[retention.Old], before: int, connection: Connection
) -> int:
    return kind.forget(connection, due, before=before)


async def forget_records_forever(
    database: Database, clock: Callable[[], int], *, kept_days: int
) -> None:
    """Remove old records at once and then every `PAUSE_S`, until cancelled.

    Args:
        database: The records.
        clock: Milliseconds since the epoch.
        kept_days: How long a record is kept after its end, in days, at least 1.
    """
    while True:
        before = clock() - kept_days * DAY_MS
        try:
            for name, kind in (("quantum tasks", retention.TASKS), ("jobs", retention.JOBS)):
                count = await forget_old_records(database, kind, before=before)
                if count:
                    _log.info("removed %d %s that ended %d days ago", count, name, kept_days)
        except StoreError as error:
            _log.warning("old records were not removed: %s", error)
        await asyncio.sleep(PAUSE_S)
