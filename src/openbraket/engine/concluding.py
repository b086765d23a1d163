"""From an attempt's outcome to its record, however often the records or the store refuse it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.engine.attempt import Run
from openbraket.engine.executors.base import Failed, Outcome, Succeeded
from openbraket.engine.outcomes import Conclusion, conclude, delete_unused
from openbraket.engine.retries import RECORDS
from openbraket.engine.uploads import Uploads
from openbraket.store.database import Database

LEFT_TO_NEXT_START: Final = Conclusion(None, ())

_log = logging.getLogger(__name__)


async def record_outcome(
    database: Database,
    run: Run,
    outcome: Outcome,
    *,
    blobs: LocalBlobs,
    clock: Callable[[], int],
    stopping: asyncio.Event,
    uploads: Uploads | None,
) -> Conclusion:
    """Apply an outcome: first its objects, on the disk or elsewhere, then its record.

    Args:
        database: The records.
        run: The attempt.
        outcome: How it ended.
        blobs: The contents.
        clock: Milliseconds since the epoch.
        stopping: Set when the server stops: then what is refused is left to the next start.
        uploads: Takes results to another object store; None keeps them in the records.

    Returns:
        What became of it.
    """
    retry_s = RECORDS.first_s
    if isinstance(outcome, Succeeded):
        if uploads is None:
            outcome = await _make_lasting(blobs, run, outcome)
        else:
            sent = await uploads.send(run, outcome)
            if sent is None:
                return LEFT_TO_NEXT_START
            outcome = sent
    while True:
        change = conclude(
            run.task,
            run.attempt,
            outcome,
            lost_count=run.waiting.lost_count,
            started_at=None if run.is_start_recorded() else run.started_at,
            clock=clock,
            is_stopping=stopping.is_set(),
            is_elsewhere=uploads is not None,
        )
        try:
            return await database.write(change)
        except StoreError as error:
            _log.error("the outcome of quantum task %s waits: %s", run.task.id, error)
            if stopping.is_set():
                # The record waits or says RUNNING; the next start runs the task again.
                return LEFT_TO_NEXT_START
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), retry_s)
        retry_s = RECORDS.after(retry_s)


async def _make_lasting(blobs: LocalBlobs, run: Run, outcome: Succeeded) -> Outcome:
    """Bring contents to the disk; where the disk refuses, the attempt has failed."""
    names = [item.blob.id for item in outcome.objects]
    try:
        await blobs.make_lasting(names)
    except StoreError as error:
        _log.error("the result of quantum task %s is lost: %s", run.task.id, error)
        await asyncio.to_thread(delete_unused, blobs, names)
        return Failed(str(error))
    return outcome
