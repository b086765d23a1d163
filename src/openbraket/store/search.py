"""Searching records of one kind, newest first, a page at a time.

The order is (`created_at`, `seq`) descending; a page begins after the last record of the page
before (keyset pagination), so records that come meanwhile move nothing. One filter drives: it picks
the index that is walked in this order, one walk for each combination of its values, merged. Every
other filter is checked on the rows met, and its column is wrapped so that the database cannot
prefer an index that would need a sort.

Where several filters could drive, the one that fewest records pass does. Where even these are many
and the other filters refuse nearly all of them, a page ends after `EXAMINED_COUNT_MAX` rows with
what it found, perhaps nothing, and says where the next one goes on: no search takes long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
)

from openbraket.base.ids import parse_arn
from openbraket.store.statements import Row
from openbraket.store.tables import tags

T = TypeVar("T")
Value = str | int

# Walks merged for one page; filters with more combinations are checked on the rows instead.
WALK_COUNT_MAX: Final = 100
# Rows that one page checks against filters that do not drive.
EXAMINED_COUNT_MAX: Final = 2000
# How far the records that pass a filter are counted, to choose the one that drives.
COUNTED_MAX: Final = 1000
# Characters of an id, the end of a record's ARN.
ID_LENGTH: Final = 36
# Added to a time in `after`, to tell it from a record's `seq`: all records before that time.
_BEFORE: Final = 1 << 62
TAG_PREFIX: Final = "tags:"


class ArnOf(Protocol):
    """Returns the ARN of a record."""

    def __call__(self, *, region: str, account: str, record_id: str) -> str:
        """Return the ARN of the record with this id, or what all ARNs begin with for ""."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """What is searched.

    Attributes:
        table: The records; has `seq`, `id`, `account`, `region` and `created_at`.
        columns: The column of each filter.
        arn_filter: The filter on the ARN, whose column is `id`.
        arn_of: Makes that ARN.
        indexed: Filters of which any selection, in this order, has an index that ends with
            `created_at`; the cheapest to walk first.
        unscoped: Those of them whose index does not begin with the account and region.
    """

    table: Table
    columns: Mapping[str, Column[Any]]
    arn_filter: str
    arn_of: ArnOf
    indexed: Sequence[Sequence[str]]
    unscoped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of a search; the conditions are all to hold.

    Attributes:
        name: One of `Kind.columns`, or `tags:KEY`.
        operator: `EQUAL`, `LT`, `LTE`, `GT`, `GTE`, `BETWEEN` (both ends included) or `CONTAINS`
            (a part of the text, in its case).
        values: One of them is to hold; two bounds for `BETWEEN`. For `createdAt` milliseconds
            since the epoch.
    """

    name: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a search.

    Attributes:
        items: Newest first.
        next_after: What to give as `after` for the next page; None on the last page.
    """

    items: list[T]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class Query:
    """A search whose driving filters are chosen.

    Attributes:
        kind: What is searched.
        account: Only this account's records.
        region: Only this region's records.
        driving: The filters whose values pick the index.
        times: Those on `createdAt`, which bound every walk.
        residual: All others, checked on the rows met.
        start: `created_at` and `seq` of the record before the page; None for the first page.
        not_before: No record older than this, milliseconds since the epoch.
    """

    kind: Kind
    account: str
    region: str
    driving: Sequence[Filter] = ()
    times: Sequence[Filter] = ()
    residual: Sequence[Filter] = ()
    start: tuple[int, int] | None = None
    not_before: int | None = None

    @classmethod
    def of(
        cls,
        kind: Kind,
        filters: Sequence[Filter],
        driving: Sequence[Filter],
        *,
        account: str,
        region: str,
    ) -> "Query":
        """Return a query from all filters and those of them that drive."""
        rest = [item for item in filters if item not in driving]
        return cls(
            kind=kind,
            account=account,
            region=region,
            driving=driving,
            times=[item for item in rest if item.name == "createdAt"],
            residual=[item for item in rest if item.name != "createdAt"],
        )

    def walks(self) -> list["_Walk"]:
        """Return one walk for each combination of the driving filters' values."""
        names = [item.name for item in self.driving]
        combinations = product(*(dict.fromkeys(item.values) for item in self.driving))
        return [_Walk(self, dict(zip(names, values, strict=True))) for values in combinations]


def search(
    connection: Connection,
    kind: Kind,
    columns: Sequence[Column[Any]],
    *,
    account: str,
    region: str,
    filters: Sequence[Filter],
    after: int | None,
    limit: int,
) -> tuple[list[Row], int | None]:
    """Return a page of rows of a kind's table, newest first.

    Args:
        connection: Any; for a longer search one of `Database.read_aside`.
        kind: What is searched.
        columns: The columns wanted, `seq` first.
        account: Only this account's records.
        region: Only this region's records.
        filters: All to hold.
        after: What the page before gave; None for the first page.
        limit: Most rows wanted, at least 1.

    Returns:
        The rows, at most `limit`, and `after` for the next page or None where this is the last.
        A page may have fewer rows and not be the last; see the module.

    Cost: a walk of one index, over at most `EXAMINED_COUNT_MAX` rows that other filters refuse.
    """
    narrowed = _narrow(filters)
    start = _start(connection, kind, after)
    if narrowed is None or (start is None and after is not None):
        return [], None
    driving = _choose_driving(connection, kind, narrowed, account=account, region=region)
    query = Query.of(kind, narrowed, driving, account=account, region=region)
    query = replace(query, start=start)
    query = replace(query, not_before=_examined_until(connection, query, limit))
    rows: list[Row] = [tuple(row) for row in connection.execute(build(columns, query, limit + 1))]
    if len(rows) > limit:
        return rows[:limit], rows[limit - 1][0]
    return rows, None if query.not_before is None else _BEFORE + query.not_before


def build(columns: Sequence[Column[Any]], query: Query, limit: int) -> Select[Any]:
    """Return the statement of a search for `limit` rows."""
    limited = []
    for walk in query.walks():
        conditions = [walk.check(item) for item in query.residual]
        if query.not_before is not None:
            conditions.append(walk.created_at >= query.not_before)
        limited.append(
            walk
            .rows(columns)
            .where(*conditions)
            .order_by(walk.created_at.desc(), query.kind.table.c.seq.desc())
            .limit(limit)
        )
    if len(limited) == 1:
        return limited[0]
    merged = union_all(*(select(part.subquery()) for part in limited)).subquery()
    return select(merged).order_by(merged.c.created_at.desc(), merged.c.seq.desc()).limit(limit)


def _narrow(filters: Sequence[Filter]) -> list[Filter] | None:
    """Return the filters with those of one name and EQUAL made one; None where nothing can hold."""
    equal: dict[str, Filter] = {}
    others = []
    for item in filters:
        if item.operator != "EQUAL":
            others.append(item)
            continue
        known = equal.get(item.name)
        values = tuple(dict.fromkeys(item.values))
        if known is not None:
            values = tuple(value for value in known.values if value in values)
        if not values:
            return None
        equal[item.name] = Filter(item.name, "EQUAL", values)
    return [*equal.values(), *others]


def _start(connection: Connection, kind: Kind, after: int | None) -> tuple[int, int] | None:
    """Return `created_at` and `seq` that the page's records come before."""
    if after is None:
        return None
    if after >= _BEFORE:
        return after - _BEFORE, 0
    records = kind.table.c
    created_at = connection.execute(select(records.created_at).where(records.seq == after)).scalar()
    return None if created_at is None else (created_at, after)


def _examined_until(connection: Connection, query: Query, limit: int) -> int | None:
    """Return the age at which a page has met enough rows; None where it cannot meet too many."""
    names = [item.name for item in query.driving]
    # Tags of other kinds of records and of other accounts are in the same index.
    is_tagged = any(name.startswith(TAG_PREFIX) for name in names)
    if query.kind.arn_filter in names or not (query.residual or is_tagged):
        return None
    walks = query.walks()
    # Where nothing is refused, a page is full before it ends.
    skip = max(EXAMINED_COUNT_MAX // len(walks), limit)
    ends = [
        connection.execute(
            walk.ages().order_by(walk.created_at.desc()).limit(1).offset(skip)
        ).scalar()
        for walk in walks
    ]
    return max((end for end in ends if end is not None), default=None)


def _choose_driving(
    connection: Connection, kind: Kind, filters: Sequence[Filter], *, account: str, region: str
) -> Sequence[Filter]:
    """Return the filters that fewest records pass, among those that an index serves together."""
    candidates = _candidates(kind, filters)
    if len(candidates) < 2 or candidates[0][0].name == kind.arn_filter:
        return candidates[0] if candidates else ()
    counts = []
    for driving in candidates:
        walks = Query.of(kind, filters, driving, account=account, region=region).walks()
        found = union_all(*(select(w.ages().limit(COUNTED_MAX).subquery()) for w in walks))
        statement = select(func.count()).select_from(found.subquery())
        counts.append(connection.execute(statement).scalar_one())
    return candidates[counts.index(min(counts))]


def _candidates(kind: Kind, filters: Sequence[Filter]) -> list[list[Filter]]:
    """Return what could drive, the cheapest to walk first."""
    equal = {item.name: item for item in filters if item.operator == "EQUAL"}
    candidates = []
    for names in ((kind.arn_filter,), *kind.indexed):
        together = [equal[name] for name in names if name in equal]
        while len(together) > 1 and prod(len(f.values) for f in together) > WALK_COUNT_MAX:
            together.pop()
        candidates.append(together)
    candidates += [[item] for name, item in equal.items() if name.startswith(TAG_PREFIX)]
    return [c for c in candidates if c and all(len(item.values) <= WALK_COUNT_MAX for item in c)]


class _Walk:
    """One index, walked newest first, for one combination of the driving filters' values."""

    def __init__(self, query: Query, driving: Mapping[str, Value]) -> None:
        self._query = query
        self._kind = query.kind
        self._records = query.kind.table.c
        self._driving = driving
        name = next(iter(driving), "")
        self._tag = name if name.startswith(TAG_PREFIX) else ""
        # The column that gives the walk its order.
        self.created_at: ColumnElement[int] = (
            tags.c.resource_created_at if self._tag else self._records.created_at
        )

    def rows(self, columns: Sequence[Column[Any]]) -> Select[Any]:
        """Return the walk over whole records, without its order."""
        records = self._records
        walk = self._bounded(select(*columns))
        if self._tag:
            walk = walk.select_from(
                tags.join(
                    self._kind.table,
                    records.id == func.last_characters(tags.c.resource_arn, text(f"{ID_LENGTH}")),
                )
            )
            if self._query.start is not None:
                created_at, seq = self._query.start
                walk = walk.where(or_(self.created_at < created_at, records.seq < seq))
        unscoped = {self._kind.arn_filter, *self._kind.unscoped}
        if self._tag or not unscoped.isdisjoint(self._driving):
            account, region = self._query.account, self._query.region
            walk = walk.where(_bare(records.account) == account, _bare(records.region) == region)
        return walk

    def ages(self) -> Select[Any]:
        """Return the walk over `created_at` alone, which the index answers by itself."""
        return self._bounded(select(self.created_at))

    def check(self, item: Filter) -> ColumnElement[bool]:
        """Return a filter that does not drive as a condition on the rows met."""
        if item.name.startswith(TAG_PREFIX):
            probe = tags.alias("probe")
            return exists().where(
                probe.c.resource_arn == self._arn(),
                probe.c.key == item.name.removeprefix(TAG_PREFIX),
                compare(probe.c.value, item.operator, item.values),
            )
        values = item.values
        if item.name == self._kind.arn_filter:
            values = tuple(self._id(value) for value in values)
        return compare(_bare(self._kind.columns[item.name]), item.operator, values)

    def _arn(self) -> ColumnElement[Any]:
        """Return the ARN of a row's record; that of its tag where it has one, before any join."""
        if self._tag:
            return tags.c.resource_arn
        query = self._query
        arn = self._kind.arn_of(region=query.region, account=query.account, record_id="")
        return literal(arn).concat(self._records.id)

    def _id(self, value: Value) -> str:
        """Return the id in a record's ARN; for one that is not of this account, what none has."""
        query, arn = self._query, parse_arn(str(value))
        if arn is None:
            return ""
        own = self._kind.arn_of(region=query.region, account=query.account, record_id=arn.name)
        return arn.name if own == value else ""

    def _bounded(self, walk: Select[Any]) -> Select[Any]:
        """Return a selection with the conditions that the index serves."""
        query, records = self._query, self._records
        conditions = [compare(self.created_at, item.operator, item.values) for item in query.times]
        if query.start is not None:
            created_at, seq = query.start
            conditions.append(self.created_at <= created_at)
            if not seq:
                conditions.append(self.created_at != created_at)
            elif not self._tag:
                conditions.append(or_(self.created_at < created_at, records.seq < seq))
        if self._tag:
            key = self._tag.removeprefix(TAG_PREFIX)
            walk = walk.where(tags.c.key == key, tags.c.value == self._driving[self._tag])
        elif self._kind.arn_filter in self._driving:
            walk = walk.where(records.id == self._id(self._driving[self._kind.arn_filter]))
        else:
            if self._kind.unscoped.isdisjoint(self._driving):
                walk = walk.where(records.account == query.account, records.region == query.region)
            columns = self._kind.columns
            walk = walk.where(*(columns[n] == value for n, value in self._driving.items()))
        return walk.where(*conditions)


def compare(
    column: ColumnElement[Any], operator: str, values: Sequence[Value]
) -> ColumnElement[bool]:
    """Return that one of `values` holds; for an order that is the widest of them.

    Raises:
        ValueError: There is no such operator.
    """
    match operator:
        case "EQUAL":
            return column.in_(values) if len(values) > 1 else column == values[0]
        case "LT":
            return column < max(values)
        case "LTE":
            return column <= max(values)
        case "GT":
            return column > min(values)
        case "GTE":
            return column >= min(values)
        case "BETWEEN":
            return and_(column >= min(values), column <= max(values))
        case "CONTAINS":
            return or_(*(func.contains(column, value) for value in values))
        case _:
            raise ValueError(f"'{operator}' is not an operator of a search.")


def _bare(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a text column's value such that no index can serve it."""
    return func.coalesce(column, "")
