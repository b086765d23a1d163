"""What servers on one PostgreSQL database tell each other, and which of them dispatches.

Each server keeps one connection for both. The leader is who holds an advisory lock on it: the lock
ends with the connection, and PostgreSQL ends the connection of a server that is silent, because it
is gone, stopped or cut off. Notes are hints: one that is lost delays something, and loses nothing.
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

_log = logging.getLogger(__name__)


class Member(ABC):
    """What a server does about its peers."""

    @abstractmethod
    async def take_lead(self) -> None:
        """Begin to dispatch.

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

    async def _run(self) -> None:
        while True:
            try:
                connection = await self._connect()
                try:
                    await self._serve(connection)
                finally:
                    self.is_connected = False
                    # Before the lock is let go.
                    await self._member.leave_lead()
                    await connection.close()
            except (psycopg.Error, OpenBraketError, OSError, TimeoutError) as error:
                # A set-up that does not work is told at the start.
                if not self._settled.is_set():
                    raise
                _log.warning("The other servers cannot be reached: %s", error)
            await asyncio.sleep(BEAT_S)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        arguments, options = self._backend.connect_options()
        connection = await psycopg.AsyncConnection.connect(*arguments, **options, autocommit=True)
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
                await self._member.take_lead()
                await connection.execute(f"SET idle_session_timeout = '{SILENCE_S_MAX}s'")
            self.is_connected = True
            self._settled.set()
            self._member.beat(has_peers=count > 1)
            async for note in connection.notifies(timeout=BEAT_S):
                self._member.hear(note.payload)
