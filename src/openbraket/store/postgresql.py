"""Records in a PostgreSQL database, which several servers may share.

Each server has one writer, as with SQLite, and their transactions take turns by an advisory lock:
so a closure sees what all before it have done, and nothing moves under it. Group commit makes the
turns few.
"""

from typing import Any, ClassVar, Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler, PGTypeCompiler
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from openbraket.base.errors import StoreError
from openbraket.store.backend import BUSY_MS_MAX, Backend

# Advisory locks of one database: who writes, who changes the schema, who dispatches, who serves.
WRITER_LOCK: Final = 0x4F42_0001
SCHEMA_LOCK: Final = 0x4F42_0002
LEADER_LOCK: Final = 0x4F42_0003
PEER_LOCK: Final = 0x4F42_0004

# 14 has idle_session_timeout, by which a silent leader loses its lock.
VERSION_MIN: Final = 14
ENCODING: Final = "UTF8"
CONNECT_S_MAX: Final = 5
# How long a sent packet may go unanswered before the connection counts as broken.
SILENCE_MS_MAX: Final = 5_000
# How long one statement may take, and how long a reader may do nothing in its transaction.
STATEMENT_S_MAX: Final = 600
IDLE_READER_S_MAX: Final = 600
# A writer that stops in the middle of a transaction holds up all servers no longer than this.
IDLE_WRITER_S_MAX: Final = 10

_DRIVER: Final = "openbraket.postgresql"


class _Types(PGTypeCompiler):
    """The tables' types: whole numbers of 64 bits, and text in the order of its bytes."""

    def visit_INTEGER(self, type_: Any, **options: Any) -> str:  # noqa: ANN401, ARG002, N802
        return "BIGINT"

    def visit_TEXT(self, type_: Any, **options: Any) -> str:  # noqa: ANN401, ARG002, N802
        return 'TEXT COLLATE "C"'


class _Definitions(PGDDLCompiler):
    """Column and index definitions after SQLite's, so that there is one schema."""

    def get_column_specification(self, column: Any, **options: Any) -> str:  # noqa: ANN401
        text: str = super().get_column_specification(column, **options)  # type: ignore[no-untyped-call]
        return text.replace(" SERIAL", " BIGSERIAL")

    def visit_create_index(self, create: Any, *args: Any, **options: Any) -> str:  # noqa: ANN401
        index = create.element
        condition = index.dialect_options["sqlite"]["where"]
        if condition is not None:
            index.dialect_options["postgresql"]["where"] = condition
        text: str = super().visit_create_index(create, *args, **options)  # type: ignore[no-untyped-call]
        return text


class Dialect(PGDialect_psycopg):
    """SQLAlchemy's dialect, with the types and partial indexes of the tables."""

    supports_statement_cache = True
    type_compiler_cls: ClassVar[Any] = _Types
    ddl_compiler = _Definitions

    def initialize(self, connection: Connection) -> None:
        """Look at the database, once for each engine.

        Raises:
            StoreError: It is too old, or of another encoding.
        """
        driver: Any = connection.connection.driver_connection
        version, encoding = version_of(driver), driver.info.parameter_status("server_encoding")
        if version < VERSION_MIN or encoding != ENCODING:
            raise StoreError(
                f"The database {driver.info.dbname} is PostgreSQL {version} with the encoding "
                f"{encoding}; PostgreSQL {VERSION_MIN} or later and {ENCODING} are needed."
            )
        super().initialize(connection)  # type: ignore[no-untyped-call]


registry.register(_DRIVER, __name__, "Dialect")


class _TextDumper(Dumper):
    """Sends text; PostgreSQL keeps no U+0000, so U+0001 takes its place, also in comparisons."""

    def dump(self, obj: str) -> bytes:
        return (obj.replace("\0", "\1") if "\0" in obj else obj).encode()


class PostgresqlBackend(Backend):
    """One database of a PostgreSQL server.

    With either durability a change that must last waits until PostgreSQL has it on disk: without
    that, the death of PostgreSQL's processes would take it back.

    Args:
        url: `postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME`, as SQLAlchemy reads it.

    Attributes:
        is_away: Whether it could not be reached when it was last tried; then every use fails at
            once, instead of waiting for the same again. Set by whoever tries.
    """

    errors = (psycopg.Error, SQLAlchemyError)

    def __init__(self, url: URL) -> None:
        self.name = url.render_as_string(hide_password=True)
        self.is_away = False
        self._url = url
        self._options = {
            "connect_timeout": CONNECT_S_MAX,
            "tcp_user_timeout": SILENCE_MS_MAX,
            "keepalives_idle": 2,
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "application_name": "openbraket",
        }
        self.engine = create_engine(
            url.set(drivername=_DRIVER),
            poolclass=NullPool,
            # Transactions are begun and ended by us.
            isolation_level="AUTOCOMMIT",
            # What SQLAlchemy would ask the server for by itself, once for each engine.
            use_native_hstore=False,
            connect_args=self._options,
        )

        @event.listens_for(self.engine, "connect")
        def prepare(driver: Any, record: object) -> None:  # noqa: ANN401, ARG001  (SQLAlchemy's)
            connection: psycopg.Connection[Any] = driver
            connection.adapters.register_dumper(str, _TextDumper)
            connection.execute(
                f"SET statement_timeout = '{STATEMENT_S_MAX}s'; "
                f"SET lock_timeout = {BUSY_MS_MAX}; "
                f"SET idle_in_transaction_session_timeout = '{IDLE_READER_S_MAX}s'"
            )

    def connect(self) -> Connection:
        """Open a connection for reading."""
        self._require_there()
        return self.engine.connect()

    def connect_writer(self) -> Connection:
        """Open the writer's connection."""
        connection = self.connect()
        connection.exec_driver_sql(
            f"SET idle_in_transaction_session_timeout = '{IDLE_WRITER_S_MAX}s'"
        )
        return connection

    def connect_options(self) -> tuple[list[Any], dict[str, Any]]:
        """Return what the driver's `connect` takes, for a connection of another kind."""
        arguments, options = self.engine.dialect.create_connect_args(self._url)
        return list(arguments), {**options, **self._options}

    def begin_read(self, driver: Any) -> None:  # noqa: ANN401
        """Begin a transaction that sees one snapshot."""
        self._require_there()
        _execute(driver, "BEGIN ISOLATION LEVEL REPEATABLE READ")

    def begin_write(self, driver: Any, *, is_lasting: bool) -> None:  # noqa: ANN401
        """Begin a transaction, after those of other servers that write."""
        asynchronous = "" if is_lasting else "SET LOCAL synchronous_commit = off; "
        _execute(driver, f"BEGIN; {asynchronous}SELECT pg_advisory_xact_lock({WRITER_LOCK})")

    def is_in_transaction(self, driver: Any) -> bool:  # noqa: ANN401
        """Return whether a transaction is open; False for a broken connection."""
        status = driver.info.transaction_status
        return status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}

    def roll_back(self, driver: Any) -> None:  # noqa: ANN401
        """End a transaction that is open, if one is."""
        if self.is_in_transaction(driver):
            _execute(driver, "ROLLBACK")

    def commit(self, driver: Any) -> None:  # noqa: ANN401
        """Commit the open transaction.

        Raises:
            InFailedSqlTransaction: A statement of it has failed: PostgreSQL has undone all of it.
        """
        if _execute(driver, "COMMIT").command_status != b"COMMIT":
            raise psycopg.errors.InFailedSqlTransaction("a statement of the transaction failed")

    def is_broken(self, driver: Any) -> bool:  # noqa: ANN401
        """Return whether a connection was lost."""
        is_closed: bool = driver.closed
        return is_closed

    def lock_schema(self, connection: Connection) -> None:
        """Begin a transaction in which nobody else changes the schema; migrations may take long."""
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")

    def has_table(self, connection: Connection, name: str) -> bool:
        """Return whether there is a table."""
        found = connection.exec_driver_sql("SELECT to_regclass(%(name)s)", {"name": name}).scalar()
        return found is not None

    def describe(self, connection: Connection) -> str:
        """Return what the database is, in a few words."""
        driver: Any = connection.connection.driver_connection
        return f"PostgreSQL {version_of(driver)}"

    def _require_there(self) -> None:
        if self.is_away:
            raise psycopg.OperationalError("PostgreSQL cannot be reached; trying again")


def version_of(driver: Any) -> int:  # noqa: ANN401  (the driver's connection)
    """Return PostgreSQL's main version."""
    return int(driver.info.server_version) // 10_000


def _execute(driver: Any, command: str) -> PGresult:  # noqa: ANN401
    """Run a command of ours without the driver's cursors, which take longer than it.

    Raises:
        psycopg.Error: It failed, or the connection is lost.
    """
    result: PGresult = driver.pgconn.exec_(command.encode())
    if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
        error: psycopg.Error = psycopg.errors.error_from_result(result)
        raise error
    return result
