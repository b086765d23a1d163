"""Bringing a database to the schema of this version.

Alembic is imported only when a file must be migrated: a fresh file gets all tables at once and a
current one needs nothing, and both must be fast.
"""

from pathlib import Path

from sqlalchemy import Connection, Index, text
from sqlalchemy.schema import CreateIndex, CreateTable

from openbraket.base.errors import StoreError
from openbraket.store.backend import Backend
from openbraket.store.tables import metadata

# The newest file in `migrations/versions`.
REVISION = "0009"
MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, backend: Backend) -> None:
    """Create the tables, or migrate them to `REVISION`, in one transaction.

    Args:
        connection: In autocommit mode.
        backend: Its database.

    Raises:
        StoreError: The records were written by a newer version of OpenBraket.
    """
    if read_revision(connection, backend) == REVISION:
        return
    backend.lock_schema(connection)
    try:
        # Asked again: another process may have created the tables meanwhile.
        revision = read_revision(connection, backend)
        if revision is None:
            _create_all(connection)
            connection.exec_driver_sql(
                "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
                "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
            insert = text("INSERT INTO alembic_version VALUES (:revision)")
            connection.execute(insert, {"revision": REVISION})
        elif revision != REVISION:
            _migrate(connection, revision)
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise


def _create_all(connection: Connection) -> None:
    """Create the tables, and the indexes in the order of their names.

    SQLAlchemy keeps a table's indexes in a set. Where two promise the same, SQLite's planner
    decides by their order, which must not differ from file to file.
    """
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=_name):
            connection.execute(CreateIndex(index))


def _name(index: Index) -> str:
    return str(index.name)


def read_revision(connection: Connection, backend: Backend) -> str | None:
    """Return the schema's revision, or None for an empty database."""
    if not backend.has_table(connection, "alembic_version"):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])


def _migrate(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        ScriptDirectory.from_config(config).get_revision(revision)
    except CommandError as error:
        raise StoreError(
            f"The records have schema revision '{revision}', which this version of OpenBraket "
            f"does not know (its newest is '{REVISION}'); use the version that wrote them."
        ) from error
    command.upgrade(config, REVISION)
