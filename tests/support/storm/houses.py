"""Services whose processes are killed: one server with SQLite, several with PostgreSQL."""

import contextlib
import os
import signal
import sqlite3
import time
from collections import Counter

import psutil

import openbraket.testing
from support import history
from support.postgresql import PostgresqlServer


def _children(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children()
    return []


def _is_fork_server(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return "fork_server" in " ".join(process.cmdline())
    return False


def _fork_servers(service):
    # The supervisors of jobs are children of a server, too; they outlive it.
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(service.process.pid)
        return [child for child in _children(server) if _is_fork_server(child)]
    return []


class House:
    """A service on a data directory.

    Args:
        data_dir: Records, objects, jobs.
        rng: Chooses whom to kill.
        server_count: How many servers it has.
        options: Of each server.

    Attributes:
        kills: How often what was killed.
        endpoint_urls: The addresses of its servers, which they keep.
    """

    def __init__(self, data_dir, rng, *, server_count, options):
        self.data_dir = data_dir
        self.kills = Counter()
        self._rng = rng
        self._options = options
        self._services = []
        for _ in range(server_count):
            self._services.append(openbraket.testing.launch(data_dir, options=options))
        self.endpoint_urls = [service.endpoint_url for service in self._services]

    def kill_a_worker(self):
        """Kill a worker, if there is one."""
        self._kill_one_of("worker", [w for p in self._fork_servers() for w in _children(p)])

    def kill_something(self):
        """Kill a server, which is started again, or the parent of its workers."""
        if self._rng.random() < 0.2:
            self._kill_one_of("fork server", self._fork_servers())
        else:
            self._start_again(self._kill_a_server())

    def _fork_servers(self):
        return [p for service in self._services for p in _fork_servers(service)]

    def _kill_one_of(self, kind, processes):
        with contextlib.suppress(ProcessLookupError):
            if processes:
                os.kill(self._rng.choice(processes).pid, signal.SIGKILL)
                self.kills[kind] += 1

    def _kill_a_server(self):
        place = self._rng.randrange(len(self._services))
        service = self._services[place]
        workers = []
        for fork_server in _fork_servers(service):
            workers += [fork_server, *_children(fork_server)]
        service.kill()
        self.kills["server"] += 1
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive, "workers outlived their server"
        return place

    def _start_again(self, place):
        port = int(self.endpoint_urls[place].rpartition(":")[2])
        self._services[place] = openbraket.testing.launch(
            self.data_dir, port=port, options=self._options
        )

    def stop(self):
        """Stop every server cleanly."""
        statuses = [service.stop() for service in self._services]
        assert statuses == [0] * len(statuses)

    def close(self):
        """Leave nothing running."""
        for service in self._services:
            if service.process.poll() is None:
                service.kill()


class SqliteHouse(House):
    """One server with SQLite."""

    def __init__(self, data_dir, rng):
        super().__init__(data_dir, rng, server_count=1, options=("--workers", "2"))
        with contextlib.closing(sqlite3.connect(data_dir / "openbraket.sqlite3")) as records:
            for statement in history.SQLITE_OF_ALL:
                records.execute(statement)

    def rows(self, sql):
        """Return what a query of the records gives."""
        with contextlib.closing(sqlite3.connect(self.data_dir / "openbraket.sqlite3")) as records:
            return records.execute(sql).fetchall()

    def stop(self):
        """Stop the server cleanly; its file is whole."""
        super().stop()
        assert self.rows("PRAGMA integrity_check") == [("ok",)]


class PostgresqlHouse(House):
    """Two servers and their database, each of which is killed."""

    def __init__(self, data_dir, rng):
        self._postgresql = PostgresqlServer().start()
        try:
            url = self._postgresql.create_database("storm")
            options = ("--workers", "1", "--database", url)
            super().__init__(data_dir, rng, server_count=2, options=options)
            with self._postgresql.connect("storm") as records:
                for statement in history.POSTGRESQL_OF_ALL:
                    records.execute(statement)
        except BaseException:
            self._postgresql.stop()
            raise

    def kill_something(self):
        """Kill a server, the database, or both, and start them again."""
        choice = self._rng.random()
        if choice < 0.5:
            super().kill_something()
            return
        self._postgresql.kill()
        self.kills["database"] += 1
        place = self._kill_a_server() if choice > 0.8 else None
        time.sleep(self._rng.uniform(0, 0.5))
        self._postgresql.start()
        if place is not None:
            self._start_again(place)

    def rows(self, sql):
        """Return what a query of the records gives."""
        with self._postgresql.connect("storm") as records:
            return records.execute(sql).fetchall()

    def close(self):
        """Leave nothing running."""
        super().close()
        self._postgresql.stop()
