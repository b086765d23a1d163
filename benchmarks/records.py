"""Data directories full of quantum tasks, as the service's own writers leave them."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert, select
from sqlalchemy.pool import NullPool

from openbraket.base.ids import new_id, quantum_task_arn
from openbraket.cli.demo import programs
from openbraket.store.buckets import Bucket, create_bucket
from openbraket.store.database import DATABASE_NAME
from openbraket.store.statements import Statement
from openbraket.store.tables import (
    buckets,
    client_tokens,
    objects,
    quantum_tasks,
    tags,
    task_actions,
)
from openbraket.testing import launch

ACCOUNT, REGION = "000000000000", "us-east-1"
BUCKET = "amazon-braket-benchmark"
CHUNK = 20_000
DAY_MS = 24 * 3600 * 1000
# The service itself forgets client tokens after these days.
TOKEN_DAYS = 7
DEVICES = (
    programs.SV1_ARN,
    programs.SV1_ARN.replace("sv1", "dm1"),
    programs.SV1_ARN.replace("sv1", "tn1"),
)


def fill(data_dir: Path, *, ended: int = 0, queued: int = 0, days: float = 60.0) -> None:
    """Write tasks that ended over the last days, and tasks that wait.

    Args:
        data_dir: A data directory; made by the service itself when absent.
        ended: How many have ended: 96 % COMPLETED with an object and a tag, the rest FAILED.
        queued: How many wait, all of them for SV1.
        days: How long ago the first was created, in days.
    """
    launch(data_dir).stop()
    now = int(time.time() * 1000)
    engine = create_engine(
        f"sqlite:///{data_dir / DATABASE_NAME}", poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        # Fast, and only while the file is filled; what is in it then is the same.
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1500000"):
            connection.exec_driver_sql(f"PRAGMA {setting}")
        connection.exec_driver_sql("BEGIN")
        if connection.execute(select(buckets.c.name)).first() is None:
            bucket = Bucket(name=BUCKET, account=ACCOUNT, region=REGION, created_at=1)
            create_bucket(connection, bucket)
        for chunk in _chunks(ended, queued, now, int(days * DAY_MS)):
            for table, rows in chunk.items():
                if rows:
                    Statement(insert(table), columns=list(rows[0])).run_many(connection, rows)
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")


def _chunks(
    ended: int, queued: int, now: int, span_ms: int
) -> Iterator[dict[Any, list[dict[str, Any]]]]:
    rng = random.Random(1)
    total = ended + queued
    action = programs.bell_action().encode()
    for start in range(0, total, CHUNK):
        chunk: dict[Any, list[dict[str, Any]]] = {
            table: [] for table in (quantum_tasks, task_actions, client_tokens, tags, objects)
        }
        for number in range(start, min(start + CHUNK, total)):
            is_queued = number >= ended
            created_at = now if is_queued else now - span_ms + span_ms * number // max(ended, 1)
            _add(chunk, rng, action, created_at, is_queued=is_queued)
            if created_at > now - TOKEN_DAYS * DAY_MS:
                _add_token(chunk, rng, created_at)
        yield chunk


def _add(
    chunk: dict[Any, list[dict[str, Any]]],
    rng: random.Random,
    action: bytes,
    created_at: int,
    *,
    is_queued: bool,
) -> None:
    task_id = new_id()
    arn = quantum_task_arn(region=REGION, account=ACCOUNT, task_id=task_id)
    is_failed = not is_queued and rng.random() < 0.04
    directory = f"tasks/{task_id}"
    chunk[quantum_tasks].append({
        "id": task_id, "account": ACCOUNT, "region": REGION,
        "device_arn": DEVICES[0] if is_queued else rng.choices(DEVICES, (90, 9, 1))[0],
        "status": "QUEUED" if is_queued else "FAILED" if is_failed else "COMPLETED",
        "attempt": 0 if is_queued else 1, "lost_count": 0, "priority": 0, "shots": 100,
        "device_parameters": "", "output_bucket": BUCKET, "output_directory": directory,
        "action_type": "braket.ir.openqasm.program", "memory_bytes": 48 << 20, "thread_count": 1,
        "created_at": created_at,
        "started_at": None if is_queued else created_at + 5,
        "ended_at": None if is_queued else created_at + 10,
        "failure_reason": "The program failed." if is_failed else None,
        "num_successful_shots": None if is_queued or is_failed else 100,
    })  # fmt: skip
    chunk[task_actions].append({"task_id": task_id, "action": action})
    if is_queued:
        return
    chunk[tags].append({
        "resource_arn": arn, "key": "run", "value": str(rng.randrange(1000)),
        "resource_created_at": created_at,
    })  # fmt: skip
    if not is_failed:
        chunk[objects].append({
            "bucket": BUCKET, "key": f"{directory}/results.json",
            "blob_id": f"{rng.getrandbits(128):032x}", "size": 1500,
            "etag": f"{rng.getrandbits(128):032x}", "content_type": "application/json",
            "headers_json": "", "last_modified": created_at + 10,
        })  # fmt: skip


def _add_token(chunk: dict[Any, list[dict[str, Any]]], rng: random.Random, created_at: int) -> None:
    arn = quantum_task_arn(region=REGION, account=ACCOUNT, task_id=chunk[quantum_tasks][-1]["id"])
    chunk[client_tokens].append({
        "account": ACCOUNT, "region": REGION, "operation": "CreateQuantumTask",
        "token": new_id(), "request_hash": f"{rng.getrandbits(128):032x}",
        "response_json": f'{{"quantumTaskArn":"{arn}"}}', "created_at": created_at,
    })  # fmt: skip
