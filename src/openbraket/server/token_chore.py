"""The removal of old client tokens, now and then."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from sqlalchemy import Connection

from openbraket.base.errors import StoreError
from openbraket.store import tokens
from openbraket.store.database import Database
from openbraket.store.tokens import TokenKey

# How long a repeated request is recognised. Clients repeat within minutes.
TOKEN_KEPT_MS: Final = 7 * 24 * 3600 * 1000
# How often old tokens are looked for.
PAUSE_S: Final = 3600.0
# Tokens removed in one transaction: bounds how long other changes wait.
BATCH_COUNT_MAX: Final = 500
# Wait between two transactions, so that the rest of the work goes on beside them.
BATCH_PAUSE_S: Final = 0.02
# Tokens listed at once: bounds the memory.
LISTED_COUNT_MAX: Final = 50_000

_log = logging.getLogger("openbraket.server")


async def forget_old_tokens(database: Database, *, now: int, pause_s: float = BATCH_PAUSE_S) -> int:
    """Remove the client tokens that are older than `TOKEN_KEPT_MS`.

    Args:
        database: The records.
        now: Milliseconds since the epoch.
        pause_s: Wait between two transactions, in seconds.

    Returns:
        How many there were.

    Raises:
        StoreError: The records cannot be read or written.
    """
    before = now - TOKEN_KEPT_MS
    count = 0
    while True:
        old = await database.read_aside(
            lambda c: tokens.list_older(c, created_before=before, limit=LISTED_COUNT_MAX)
        )
        for start in range(0, len(old), BATCH_COUNT_MAX):
            batch = old[start : start + BATCH_COUNT_MAX]
            await database.write(partial(_forget, batch, before))
            await asyncio.sleep(pause_s)
        count += len(old)
        if len(old) < LISTED_COUNT_MAX:
            return count


def _forget(batch: Iterable[TokenKey], before: int, connection: Connection) -> None:
    tokens.forget(connection, batch, created_before=before)


async def forget_tokens_forever(database: Database, clock: Callable[[], int]) -> None:
    """Remove old client tokens at once and then every `PAUSE_S`, until cancelled.

    Args:
        database: The records.
        clock: Milliseconds since the epoch.
    """
    while True:
        try:
            count = await forget_old_tokens(database, now=clock())
        except StoreError as error:
            _log.warning("old client tokens were not removed: %s", error)
        else:
            if count:
                _log.info("removed %d old client tokens", count)
        await asyncio.sleep(PAUSE_S)
