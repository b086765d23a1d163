"""The engine of a server that shares its records with others: one of them dispatches.

The leader has a `Dispatcher`. The others record tasks and cancellations and tell the leader, which
also looks by itself every moment, so that a note that is lost delays but loses nothing. When the
leader ends, whichever server gets the lead next recovers what it left, as a start does. A leader
that has lost its lock kills its workers as soon as it sees that. What it would write before it does
is refused: the changes of a `Dispatcher` ask for the lock in their own transactions. The number of
an attempt alone would not do, since an attempt whose start was not recorded yet has the number that
the next leader gives the same task.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import Connection

from openbraket.base.clock import now_ms
from openbraket.base.errors import StoreError
from openbraket.engine.cancelling import CancelResult, Confirm, cancel
from openbraket.engine.dispatcher import Dispatcher
from openbraket.engine.executors.base import Capacity
from openbraket.engine.states import Status
from openbraket.engine.waiters import EndWaiters
from openbraket.store import quantum_tasks
from openbraket.store.database import Database
from openbraket.store.peers import NOTE_LENGTH_MAX, Lead, Member, Peers, tell
from openbraket.store.postgresql import PostgresqlBackend
from openbraket.store.quantum_tasks import QuantumTask, WaitingTask

_CREATED: Final = "created"
_CANCELLED: Final = "cancelled"
_ENDED: Final = "ended"
# An id and a blank.
_ENDED_COUNT_MAX: Final = (NOTE_LENGTH_MAX - len(_ENDED)) // 37

_log = logging.getLogger(__name__)


class SharedDispatcher(Member):
    """The engine's door of one of several servers; see the module and `Dispatcher`.

    Args:
        database: The records, in PostgreSQL.
        make_dispatcher: Makes the dispatcher for a time of leading: on the records given, which
            refuse changes afterwards, and telling ends to the waiters given.
        on_lead: Called with these records after this server has begun to dispatch.
        on_leave: Called when it does so no more, and when `on_lead` raised.
        clock: Milliseconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        make_dispatcher: Callable[[Database, EndWaiters], Dispatcher],
        *,
        on_lead: Callable[[Database], Awaitable[None]],
        on_leave: Callable[[], Awaitable[None]],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        if not isinstance(database.backend, PostgresqlBackend):
            raise TypeError("only records in PostgreSQL can be shared")
        self._database = database
        self._make_dispatcher = make_dispatcher
        self._on_lead = on_lead
        self._on_leave = on_leave
        self._clock = clock
        self._peers = Peers(database.backend, self)
        self._leading: Dispatcher | None = None
        self._end_waiters = _ToldWaiters(self._tell_ended)
        self._closed: frozenset[str] = frozenset()
        self._has_peers = False
        # The last task that `_look` has met.
        self._last_seq = 0
        self._ended: list[str] = []
        self._due: set[str] = set()

    @property
    def is_leader(self) -> bool:
        """Whether this server dispatches."""
        return self._leading is not None

    @property
    def memory_bytes(self) -> int:
        """What admission counts for the attempts under way in this server."""
        return 0 if self._leading is None else self._leading.memory_bytes

    @property
    def capacity(self) -> Capacity | None:
        """What the executor's machines can give; None where another server knows that."""
        return None if self._leading is None else self._leading.capacity

    @property
    def reason_not_ready(self) -> str:
        """Why no attempt could start here and no other server is known to lead; "" if one could."""
        if not self._peers.is_connected:
            return "this server is cut off from the database and the servers that share it"
        return "" if self._leading is None else self._leading.reason_not_ready

    async def start(self) -> None:
        """Join the servers on the database, and dispatch where none of them does.

        Raises:
            StoreError: The database cannot be reached.
        """
        await self._peers.start()

    async def stop(self) -> None:
        """Return what runs here to the queue, then leave the lead to others."""
        await self.leave_lead()
        await self._peers.stop()

    async def take_lead(self, lead: Lead) -> None:
        """Recover what the last leader left, and dispatch.

        Args:
            lead: Guards the changes.

        Raises:
            StoreError: The records cannot be read or written.
        """
        database = self._database.guarded(lead.require)
        with self._database.read() as connection:
            self._last_seq = quantum_tasks.last_seq(connection)
        dispatcher = self._make_dispatcher(database, self._end_waiters)
        dispatcher.set_closed(self._closed)
        try:
            await dispatcher.start()
            self._leading = dispatcher
            await self._on_lead(database)
        except BaseException:
            self._leading = None
            await dispatcher.stop()
            await self._on_leave()
            raise

    async def leave_lead(self) -> None:
        """Kill the workers and start nothing more."""
        dispatcher, self._leading = self._leading, None
        if dispatcher is not None:
            _log.warning("this server dispatches no more")
            await dispatcher.stop()
            await self._on_leave()

    def hear(self, note: str) -> None:
        """Take in a note of a server."""
        kind, _, rest = note.partition(" ")
        if kind == _ENDED and self._leading is None:
            for task_id in rest.split():
                self._end_waiters.end(task_id)
        elif kind == _CANCELLED and self._leading is not None:
            self._leading.see_cancelled(rest)
        elif kind == _CREATED:
            self._look()

    def beat(self, *, has_peers: bool) -> None:
        """Look for tasks and cancellations of other servers, where this one leads."""
        self._has_peers = has_peers
        self._look()

    def _look(self) -> None:
        dispatcher = self._leading
        if dispatcher is None:
            return
        try:
            with self._database.read() as connection:
                tasks = quantum_tasks.list_waiting(connection, after=self._last_seq)
                active = quantum_tasks.list_active(connection)
        except StoreError as error:
            _log.warning("the tasks of other servers could not be read: %s", error)
            return
        self._last_seq = max((task.seq for task in tasks), default=self._last_seq)
        for task in tasks:
            dispatcher.task_created(task)
        for found in active:
            if found.status == Status.CANCELLING:
                dispatcher.see_cancelled(found.id)

    def running_counts(self) -> Counter[str]:
        """Return how many attempts are under way in this server, by device."""
        return Counter() if self._leading is None else self._leading.running_counts()

    def waiting_devices(self) -> tuple[str, ...]:
        """Return the devices that have waiting tasks; nothing where another server leads."""
        return () if self._leading is None else self._leading.waiting_devices()

    def first_status(self, device_arn: str) -> Status:
        """Return the status to record for a new task; QUEUED where another server starts it."""
        if self._leading is None:
            return Status.QUEUED
        return self._leading.first_status(device_arn)

    def set_closed(self, device_arns: frozenset[str]) -> None:
        """Let exactly these devices start no tasks from now on."""
        self._closed = device_arns
        if self._leading is not None:
            self._leading.set_closed(device_arns)

    def queue_position(self, task: QuantumTask) -> int:
        """Return how many tasks of its device will start before a task that waits.

        Where another server leads, the accounts' turns are taken to be in the order of their first
        tasks, which may be off by one for each other account.

        Raises:
            StoreError: The records cannot be read.

        Cost: for one who does not lead, a walk over the device's waiting tasks.
        """
        if self._leading is not None:
            return self._leading.queue_position(task)
        with self._database.read() as connection:
            lines = quantum_tasks.waiting_by_account(connection, task)
        own = next((line for line in lines if line.is_own(task)), None)
        if own is None:
            return 0
        turn = own.earlier_count
        ahead = turn
        for line in lines:
            if line.priority > task.priority:
                ahead += line.count
            elif line.priority == task.priority and line is not own:
                ahead += min(line.count, turn + (line.first_seq < own.first_seq))
        return ahead

    def queue_depth(self, device_arn: str, *, priority: int) -> int:
        """Return how many tasks of a device wait with this priority.

        Raises:
            StoreError: The records cannot be read.
        """
        if self._leading is not None:
            return self._leading.queue_depth(device_arn, priority=priority)
        with self._database.read() as connection:
            return quantum_tasks.waiting_count(connection, device_arn, priority)

    def task_created(self, task: WaitingTask) -> None:
        """Take in a task whose record is committed, or tell the leader of it."""
        if self._leading is not None:
            self._leading.task_created(task)
        else:
            self._tell_soon(_CREATED)

    async def cancel(self, task_id: str, confirm: Confirm | None = None) -> CancelResult | None:
        """Cancel a task; see `Dispatcher.cancel`.

        Raises:
            StoreError: The record cannot be written, or `confirm` raised it; the task is as before.
        """
        if self._leading is not None:
            return await self._leading.cancel(task_id, confirm)
        change = cancel(task_id, self._clock, confirm)

        def work(connection: Connection) -> CancelResult | None:
            result = change(connection)
            if result is not None and result.is_changed:
                tell(connection, f"{_CANCELLED} {task_id}")
            return result

        result = await self._database.submit(work)
        if result is not None and result.status == Status.CANCELLED:
            self._end_waiters.end(task_id)
        return result

    async def wait_for_end(self, task_id: str, *, timeout_s: float) -> None:
        """Return when an attempt of the task has been concluded, or after `timeout_s` seconds."""
        await self._end_waiters.wait(task_id, timeout_s=timeout_s)

    def _tell_ended(self, task_id: str) -> None:
        if self._has_peers:
            self._ended.append(task_id)
            self._tell_soon(_ENDED)

    def _tell_soon(self, kind: str) -> None:
        """Send a note of this kind in the writer's next transaction, one for many tasks."""
        if kind not in self._due:
            self._due.add(kind)
            asyncio.get_running_loop().call_soon(self._send, kind)

    def _send(self, kind: str) -> None:
        self._due.discard(kind)
        notes = [kind]
        if kind == _ENDED:
            ended, self._ended = self._ended, []
            notes = [
                " ".join([kind, *ended[start : start + _ENDED_COUNT_MAX]])
                for start in range(0, len(ended), _ENDED_COUNT_MAX)
            ]

        def work(connection: Connection) -> None:
            for note in notes:
                tell(connection, note)

        try:
            sent = self._database.submit(work, is_lasting=False)
        except StoreError as error:
            _log.debug("a note was not sent: %s", error)
        else:
            # Notes are hints: what one would have told is found a moment later.
            sent.add_done_callback(lambda future: future.cancelled() or future.exception())


class _ToldWaiters(EndWaiters):
    """Those who wait in this server; ends that its dispatcher tells go to other servers, too."""

    def __init__(self, tell_others: Callable[[str], None]) -> None:
        super().__init__()
        self._tell_others = tell_others

    def tell(self, task_id: str) -> None:
        """Let those go on who wait for the task, here and elsewhere."""
        super().tell(task_id)
        self._tell_others(task_id)

    def end(self, task_id: str) -> None:
        """Let those go on who wait for the task here."""
        super().tell(task_id)
