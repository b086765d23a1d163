"""What servers on one PostgreSQL database tell each other, and which of them dispatches.

Each server keeps one connection for both. The leader is who holds an advisory lock on it: the lock
ends with the connection, and PostgreSQL ends the connection of a server that is silent, because it
is gone, stopped or cut off. A server that lost the lead may not know it yet: each transaction of
what it does as the leader asks for the lock, see `Lead`. Notes are hints: one that is lost delays
something, and loses nothing.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, bindparam, func, select

from openbraket.base.errors import OpenBraketError, StoreError
from openbraket.store.postgresql import LEADER_LOCK, PEER_LOCK, PostgresqlBackend
from openbraket.store.statements import Statement

# How often a server shows that it lives, and one that does not lead asks for the lead.
BEAT_S: Final = 0.5
# After how much silence a server has lost the lead; while one takes over it is busy for longer.
SILENCE_S_MAX: Final = 3
TAKE_OVER_S_MAX: Final = 120
_CHANNEL: Final = "openbraket"
# PostgreSQL's limit for one note is 8,000 bytes.
NOTE_LENGTH_MAX: Final = 7900

_NOTIFY = Statement(select(func.pg_notify(_CHANNEL, bindparam("note"))))
# Whether the lead is ours, and how many servers there are.
_BEAT: Final = (
    "SELECT %s, (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
    "AND objid = %s AND objsubid = 1 AND granted AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_ASK: Final = _BEAT % (f"pg_try_advisory_lock({LEADER_LOCK})", PEER_LOCK)
_SHOW: Final = _BEAT % ("true", PEER_LOCK)

# Whether a connection, by its process in PostgreSQL, holds the lead.
_HOLDS_LEAD: Final = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 "
    "AND objid = %s AND objsubid = 1 AND pid = %s"
)

_EXPECTED: Final = (psycopg.Error, OpenBraketError, OSError, TimeoutError)

_log = logging.getLogger(__name__)


class LeadLostError(StoreError):
    """Another server may lead by now."""


class Lead:
    """The lead of one server, for as long as its connection lasts.

    Args:
        pid: The connection's process in PostgreSQL.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def require(self, connection: Connection) -> None:
        """Refuse a change that a server makes as the leader when it leads no more.

        Writers take turns, and the next leader begins with a change: what this one was allowed is
        committed before that, or not at all.

        Args:
            connection: In a write transaction.

        Raises:
            LeadLostError: It does not lead.
        """
        driver: Any = connection.connection.driver_connection
        row = driver.execute(_HOLDS_LEAD, (LEADER_LOCK, self._pid)).fetchone()
        if row is None or not row[0]:
            raise LeadLostError("This server does not lead any more.")


class Member(ABC):
    """What a server does about its peers."""

    @abstractmethod
    async def take_lead(self, lead: Lead) -> None:
        """Begin to dispatch.

        Args:
            lead: Guards every change that this server makes as the leader.

        Raises:
            StoreError: It cannot; the lead is given back.
        """

    @abstractmethod
    async def leave_lead(self) -> None:
        """Stop dispatching at once: another server may do so already."""

    @abstractmethod
    def hear(self, note: str) -> None:
        """Take in a note of another server, or of this one."""

    @abstractmethod
    def beat(self, *, has_peers: bool) -> None:
        """Look after what lost notes would have told; called every `BEAT_S`."""


def tell(connection: Connection, note: str) -> None:
    """Send a note to every server when the transaction commits.

    Args:
        connection: In a transaction.
        note: At most `NOTE_LENGTH_MAX` bytes.
    """
    _NOTIFY.all(connection, note=note)


class Peers:
    """This server's place among those on the same database.

    Args:
        backend: The database.
        member: What to do about it.
    """

    def __init__(self, backend: PostgresqlBackend, member: Member) -> None:
        self._backend = backend
        self._member = member
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self.is_connected = False

    async def start(self) -> None:
        """Join, and return once it is known whether this server leads.

        Raises:
            StoreError: The database cannot be used, or this server cannot take the lead. Other
                errors of `Member.take_lead` pass through.
        """
        self._task = asyncio.create_task(self._run())
        settled = asyncio.create_task(self._settled.wait())
        await asyncio.wait((self._task, settled), return_when=asyncio.FIRST_COMPLETED)
        settled.cancel()
        if self._task.done():
            try:
                await self._task
            except (psycopg.Error, OSError, TimeoutError) as error:
                raise StoreError(f"The other servers cannot be reached: {error}.") from error

    async def stop(self) -> None:
        """Leave; the lead, if it is ours, is free at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._backend.is_away = False

    async def _run(self) -> None:
        while True:
            try:
                connection = await self._connect()
                self._backend.is_away = False
                try:
                    await self._serve(connection)
                finally:
                    self.is_connected = False
                    try:
                        # Before the lock is let go.
                        await self._member.leave_lead()
                    finally:
                        await connection.close()
            except Exception as error:
                # A set-up that does not work is told at the start; later nothing ends the trying.
                if not self._settled.is_set():
                    raise
                is_expected = isinstance(error, _EXPECTED)
                _log.log(
                    logging.WARNING if is_expected else logging.ERROR,
                    "The other servers cannot be reached: %s",
                    error,
                    exc_info=None if is_expected else error,
                )
            await asyncio.sleep(BEAT_S)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        arguments, options = self._backend.connect_options()
        try:
            connection = await psycopg.AsyncConnection.connect(
                *arguments, **options, autocommit=True
            )
        except (psycopg.Error, OSError):
            # Others need not wait for the same answer, least of all on the event loop.
            self._backend.is_away = True
            raise
        await connection.execute(
            f"LISTEN {_CHANNEL}; SELECT pg_advisory_lock_shared({PEER_LOCK}); "
            f"SET idle_session_timeout = '{SILENCE_S_MAX}s'; "
            f"SET tcp_user_timeout = '{SILENCE_S_MAX}s'"
        )
        return connection

    async def _serve(self, connection: psycopg.AsyncConnection[Any]) -> None:
        is_leader = False
        while True:
            async with asyncio.timeout(SILENCE_S_MAX):
                cursor = await connection.execute(_SHOW if is_leader else _ASK)
                has_lead, count = await cursor.fetchone() or (False, 0)
            if has_lead and not is_leader:
                is_leader = True
                _log.info("this server dispatches")
                await connection.execute(f"SET idle_session_timeout = '{TAKE_OVER_S_MAX}s'")
                await self._member.take_lead(Lead(connection.info.backend_pid))
                await connection.execute(f"SET idle_session_timeout = '{SILENCE_S_MAX}s'")
            self.is_connected = True
            self._settled.set()
            self._member.beat(has_peers=count > 1)
            async for note in connection.notifies(timeout=BEAT_S):
                self._member.hear(note.payload)
