"""Statements built once with SQLAlchemy and executed on the driver.

Executing a Core construct costs some 60 µs in Python; a compiled text on the driver's cursor
costs 5. The columns of `tables` need no conversion, so nothing is lost on the short way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.sql.expression import ClauseElement

from openbraket.store.dialects import INSERTS

Row = tuple[Any, ...]
# Text, names in the order of `?` where the driver wants values in order, and fixed values.
_Compiled = tuple[str, tuple[str, ...] | None, dict[str, Any]]

# Rows that `each` fetches at once from PostgreSQL.
_FETCHED_COUNT: Final = 500
_cursor_numbers = count(1)


class Statement:
    """One statement with named parameters.

    Args:
        construct: A Core statement whose variable values are `bindparam`s. Lists for `IN` must be
            literal, since the text is fixed.
        columns: For an insert or update given without values: the columns to set.
    """

    def __init__(self, construct: ClauseElement, columns: Sequence[str] | None = None) -> None:
        self._construct = construct
        self._columns = list(columns) if columns is not None else None
        # By the name of the dialect; a process uses one, tests use two.
        self._compiled: dict[str, _Compiled] = {}
        self._returning: Statement | None = None

    def all(self, connection: Connection, **values: object) -> list[Row]:
        """Return every row."""
        cursor = self._execute(connection, values)
        rows: list[Row] = cursor.fetchall()
        cursor.close()
        return rows

    def first(self, connection: Connection, **values: object) -> Row | None:
        """Return the first row, or None where there is none."""
        cursor = self._execute(connection, values)
        row: Row | None = cursor.fetchone()
        cursor.close()
        return row

    def run(self, connection: Connection, **values: object) -> int:
        """Execute an insert, update or delete and return how many rows it met."""
        cursor = self._execute(connection, values)
        count: int = cursor.rowcount
        cursor.close()
        return count

    def each(self, connection: Connection, **values: object) -> Iterator[Row]:
        """Yield the rows one by one, for results of which only the beginning may be wanted."""
        if connection.dialect.name != "postgresql":
            cursor = self._execute(connection, values)
        else:
            # Its plain cursors fetch everything before they give anything.
            sql, _, defaults = self._compile(connection)
            driver: Any = connection.connection.driver_connection
            cursor = driver.cursor(name=f"each_{next(_cursor_numbers)}")
            cursor.itersize = _FETCHED_COUNT
            cursor.execute(sql, defaults | values)
        try:
            yield from cursor
        finally:
            cursor.close()

    def run_many(self, connection: Connection, rows: Iterable[Mapping[str, object]]) -> None:
        """Execute an insert, update or delete for each of many rows of values."""
        sql, names, defaults = self._compile(connection)
        cursor = connection.connection.cursor()
        if names is None:
            cursor.executemany(sql, [defaults | dict(row) for row in rows])
        else:
            complete = ({**defaults, **row} for row in rows)
            cursor.executemany(sql, [[row[name] for name in names] for row in complete])
        cursor.close()

    def insert(self, connection: Connection, **values: object) -> int:
        """Execute an insert of one row and return its integer primary key."""
        if connection.dialect.name != "sqlite":
            return self._insert_returning(connection, values)
        cursor = self._execute(connection, values)
        key: int = cursor.lastrowid
        cursor.close()
        return key

    def text(self, connection: Connection) -> str:
        """Return the SQL text for the connection's dialect, for tests of query plans."""
        return self._compile(connection)[0]

    def _insert_returning(self, connection: Connection, values: dict[str, object]) -> int:
        """Do what SQLite does with its number of the last row."""
        if self._returning is None:
            construct: Any = self._construct
            key = construct.table.primary_key.columns
            self._returning = Statement(construct.returning(*key), self._columns)
        row = self._returning.first(connection, **values)
        return 0 if row is None else int(row[0])

    def _execute(self, connection: Connection, values: dict[str, object]) -> Any:  # noqa: ANN401
        sql, names, defaults = self._compiled.get(connection.dialect.name) or self._compile(
            connection
        )
        if defaults:
            values = defaults | values
        cursor = connection.connection.cursor()
        cursor.execute(sql, values if names is None else [values[name] for name in names])
        return cursor

    def _compile(self, connection: Connection) -> _Compiled:
        known = self._compiled.get(connection.dialect.name)
        if known is not None:
            return known
        compiled: Any = self._build(connection.dialect.name).compile(
            dialect=connection.dialect,
            column_keys=self._columns,
            compile_kwargs={"render_postcompile": True},
        )
        names = getattr(compiled, "positiontup", None)
        required = {
            name
            for name, bind in getattr(compiled, "binds", {}).items()
            if bind.value is None and bind.callable is None
        }
        defaults = {
            name: value for name, value in (compiled.params or {}).items() if name not in required
        }
        found = (compiled.string, None if names is None else tuple(names), defaults)
        self._compiled[connection.dialect.name] = found
        return found

    def _build(self, dialect_name: str) -> ClauseElement:  # noqa: ARG002  (of `Upsert`)
        return self._construct


class Upsert(Statement):
    """An insert of rows that may be there already.

    Args:
        table: What is inserted into; a row is there where its primary key, or with no `updates`
            any unique index, has the same values.
        updates: The columns that a row that is there takes over; without any it stays.
        columns: The columns to set; all where None.
        values: Expressions of columns, in place of plain values.
    """

    def __init__(
        self,
        table: Table,
        *,
        updates: Sequence[str] = (),
        columns: Sequence[str] | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        all_columns = [column.name for column in table.columns]
        super().__init__(table, None if values is not None else columns or all_columns)
        self._table = table
        self._updates = updates
        self._values = values

    def _build(self, dialect_name: str) -> ClauseElement:
        statement = INSERTS[dialect_name](self._table)
        if self._values is not None:
            statement = statement.values(**self._values)
        if self._updates:
            statement = statement.on_conflict_do_update(
                index_elements=[column.name for column in self._table.primary_key.columns],
                set_={name: statement.excluded[name] for name in self._updates},
            )
        else:
            statement = statement.on_conflict_do_nothing()
        built: ClauseElement = statement
        return built
