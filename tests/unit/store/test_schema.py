import re
from contextlib import contextmanager

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from openbraket.base.errors import StoreError
from openbraket.store import schema
from openbraket.store.database import DATABASE_NAME, open_backend
from openbraket.store.tables import metadata
from support.databases import IS_POSTGRESQL, empty_database_url, sqlite_only


@contextmanager
def connect(folder):
    folder.mkdir()
    backend = open_backend(folder / DATABASE_NAME, url=empty_database_url(folder))
    with backend.connect() as connection:
        yield connection, backend
    backend.close()


def statements(connection):
    """The schema's own text by name, without differences in white space."""
    if IS_POSTGRESQL:
        columns = connection.exec_driver_sql(
            "SELECT table_name, column_name, data_type, collation_name, is_nullable, "
            "column_default FROM information_schema.columns WHERE table_schema = 'public'"
        )
        indexes = connection.exec_driver_sql(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        )
        return {tuple(row) for row in columns} | {tuple(row) for row in indexes}
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: re.sub(r"\s*([ ,()])\s*", r"\1", sql) for name, sql in rows}


@pytest.fixture
def migrated(tmp_path):
    with connect(tmp_path / "migrated") as (connection, backend):
        backend.lock_schema(connection)
        schema._migrate(connection, "base")
        connection.exec_driver_sql("COMMIT")
        yield connection


def test_migrated_schema_equals_the_fresh_one(tmp_path, migrated):
    with connect(tmp_path / "fresh") as (fresh, backend):
        schema.upgrade(fresh, backend)
        assert statements(migrated) == statements(fresh)


@sqlite_only
@pytest.mark.parametrize("table", ["jobs", "quantum_tasks"])
def test_indexes_have_the_same_order_in_every_file(tmp_path, migrated, table):
    """SQLite's planner decides by it where two indexes promise the same."""
    query = (
        f"SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = '{table}' "
        "AND sql IS NOT NULL ORDER BY rowid"
    )
    with connect(tmp_path / "fresh") as (fresh, backend):
        schema.upgrade(fresh, backend)
        order = list(fresh.exec_driver_sql(query).scalars())
    assert order == sorted(order)
    assert order == list(migrated.exec_driver_sql(query).scalars())


@sqlite_only  # where types are as the tables say
def test_migrated_schema_equals_the_tables(migrated):
    context = MigrationContext.configure(migrated)
    assert compare_metadata(context, metadata) == []


def test_revision_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.REVISION


def test_records_of_a_newer_version_are_refused(tmp_path):
    with connect(tmp_path / "newer") as (connection, backend):
        schema.upgrade(connection, backend)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StoreError, match=r"revision '9999'.*does not know"):
            schema.upgrade(connection, backend)


def test_upgrade_is_repeatable(tmp_path):
    with connect(tmp_path / "same") as (connection, backend):
        schema.upgrade(connection, backend)
        before = statements(connection)
        schema.upgrade(connection, backend)
        assert statements(connection) == before
