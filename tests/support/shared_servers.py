"""Servers that share a PostgreSQL database, and what must be true of their tasks in the end."""

import itertools
import signal
from collections import Counter

from botocore.config import Config

import openbraket.testing
from openbraket.cli.demo import programs
from openbraket.engine.states import TERMINAL, TRANSITIONS
from support import history
from support.s3 import new_client
from support.tasks import task_request

_names = itertools.count(1)


class Cluster:
    """A database, a data directory, and servers on them.

    Args:
        postgresql: Where the database is made.
        data_dir: What the servers share.
        options: Of every server, beside the database.
    """

    def __init__(self, postgresql, data_dir, *, options=("--workers", "1")):
        self.postgresql = postgresql
        self.data_dir = data_dir
        self.name = f"cluster{next(_names)}"
        self.url = postgresql.create_database(self.name)
        self.options = options
        self.services = []

    def add(self):
        options = (*self.options, "--database", self.url)
        service = openbraket.testing.launch(self.data_dir, options=options)
        self.services.append(service)
        return service

    def rows(self, sql):
        with self.postgresql.connect(self.name) as connection:
            return connection.execute(sql).fetchall()

    def keep_history(self):
        with self.postgresql.connect(self.name) as connection:
            for statement in history.POSTGRESQL:
                connection.execute(statement)

    def leader_count(self):
        return self.rows(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND mode = 'ExclusiveLock' AND objid = x'4f420003'::int AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )[0][0]

    def stop(self):
        for service in self.services:
            if service.process.poll() is None:
                service.process.send_signal(signal.SIGCONT)
                service.stop()


def client(service, name):
    config = Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=20)
    return new_client(service.endpoint_url, service=name, config=config)


def create(braket, action=None):
    request = task_request(action=action or programs.bell_action())
    return braket.create_quantum_task(**request)["quantumTaskArn"]


def id_of(arn):
    return arn.rpartition("/")[2]


def check_ends(cluster, arns):
    """Assert that each task ended once, by allowed steps, and has the result that belongs to it."""
    steps = cluster.rows("SELECT id, old, new FROM history ORDER BY at")
    allowed = {(s, str(t.target)) for t in TRANSITIONS for s in t.sources}
    assert {(old, new) for _, old, new in steps if old != new} <= allowed
    ends = Counter(task_id for task_id, _, new in steps if new in TERMINAL)
    assert ends == Counter(id_of(arn) for arn in arns)
    statuses = dict(cluster.rows("SELECT id, status FROM quantum_tasks"))
    keys = Counter(key for (key,) in cluster.rows("SELECT key FROM objects WHERE key ~ '^tests/'"))
    expected = [task_id for task_id, status in statuses.items() if status == "COMPLETED"]
    assert keys == Counter(f"tests/{task_id}/results.json" for task_id in expected)
    return statuses
