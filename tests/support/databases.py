"""The records of tests: in SQLite, or with `OPENBRAKET_TEST_DATABASE=postgresql` in PostgreSQL."""

import atexit
import functools
import os
import zlib

import pytest

from openbraket.store import schema
from openbraket.store.database import Database, open_backend

IS_POSTGRESQL = os.environ.get("OPENBRAKET_TEST_DATABASE", "sqlite") == "postgresql"

sqlite_only = pytest.mark.skipif(IS_POSTGRESQL, reason="what SQLite alone does")
postgresql_only = pytest.mark.skipif(not IS_POSTGRESQL, reason="what PostgreSQL alone does")


@functools.cache
def postgresql_server():
    """Return the one PostgreSQL server of this process, which ends with it."""
    from support.postgresql import PostgresqlServer

    server = PostgresqlServer()
    atexit.register(server.stop)
    return server.start()


def database_url(data_dir):
    """Return the address of the records of a data directory; "" with SQLite."""
    if not IS_POSTGRESQL:
        return ""
    server = postgresql_server()
    _make_template(server)
    return server.ensure_database(_name(data_dir))


@functools.cache
def _make_template(server):
    """Let new databases have the tables already, since making them takes most of the time."""
    backend = open_backend(server.folder / "template", url=server.url("template1"))
    with backend.connect() as connection:
        schema.upgrade(connection, backend)
    backend.close()


def empty_database_url(data_dir):
    """Return the address of a database without tables; "" with SQLite."""
    if not IS_POSTGRESQL:
        return ""
    return postgresql_server().ensure_database(_name(data_dir), template="template0")


def _name(data_dir):
    return f"t{zlib.crc32(str(data_dir).encode()):08x}"


def open_database(path, *, durability="normal"):
    return Database.open(path, durability=durability, url=database_url(path.parent))


def serve_options(data_dir):
    """Return the options that let `openbraket serve` keep its records where the tests do."""
    url = database_url(data_dir)
    return ("--database", url) if url else ()
