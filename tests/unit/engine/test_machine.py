"""Everything that may happen to tasks, in any order: what must hold whatever happened before.

The records themselves keep the history: a trigger writes down each change of a status that is
committed.
"""

import asyncio
import contextlib
import queue
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openbraket.engine.executors.base import Failed, Lost
from openbraket.engine.states import TERMINAL, TRANSITIONS
from openbraket.store import objects
from support.databases import IS_POSTGRESQL
from support.history import keep_history
from support.house import FakeExecutor, House, add_bucket

ALLOWED = {
    (source, str(transition.target)) for transition in TRANSITIONS for source in transition.sources
}
picks = st.integers(0, 1000)


class TaskMachine(RuleBasedStateMachine):
    """One data directory, through the lives of several servers."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.accepted = []
        self.told_cancelled = set()
        self.house = None

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    @initialize(slots=st.integers(1, 3), delay_s=st.sampled_from((0, 1000)))
    def begin(self, slots, delay_s):
        self.now = 1_000_000
        self.options = {
            "memory_bytes_max": 100,
            "start_record_delay_s": delay_s,
            "clock": lambda: self.now,
        }
        self.slots = slots
        self.open(is_new=True)

    def open(self, *, is_new=False):
        async def start():
            self.house = House(
                Path(self.folder.name) / "data", FakeExecutor(self.slots), **self.options
            )
            if is_new:
                await self.house.database.write(keep_history)
                await add_bucket(self.house)
            await self.house.dispatcher.start()

        self.run(start())

    def kill(self, is_writer_behind):
        """End as with SIGKILL: what the writer has not begun is gone, and nobody hears of it."""

        async def end():
            if is_writer_behind:
                waiting = self.house.database._writer._queue
                with contextlib.suppress(queue.Empty):
                    while True:
                        waiting.get_nowait()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(end())
        self.house.database.close()

    @rule(
        priority=st.integers(0, 1), size=st.sampled_from((0, 40, 100, 101)), is_told=st.booleans()
    )
    def create(self, priority, size, is_told):
        values = {"priority": priority, "memory_bytes": size}
        if is_told:
            task_id = self.run(self.house.create(**values))
        else:
            task_id, _ = self.run(self.house.record(**values))
        self.accepted.append(task_id)

    def is_running(self):
        return bool(self.house.executor.running)

    def is_any(self):
        return bool(self.accepted)

    @precondition(is_any)
    @rule(pick=picks, is_caller_patient=st.booleans())
    def cancel(self, pick, is_caller_patient):
        task_id = self.accepted[pick % len(self.accepted)]

        async def cancel():
            call = asyncio.ensure_future(self.house.dispatcher.cancel(task_id))
            if is_caller_patient:
                result = await call
                if result.status in {"CANCELLING", "CANCELLED"}:
                    self.told_cancelled.add(task_id)
            else:
                await asyncio.sleep(0)
                call.cancel()

        self.run(cancel())

    # No precondition: what runs by now depends on the writer's thread, what is drawn must not.
    @rule(pick=picks, end=st.sampled_from(("finish", "finish", "fail", "lose")))
    def end(self, pick, end):
        async def end_attempt():
            running = self.house.executor.running
            if not running:
                return
            task_id = list(running)[pick % len(running)]
            attempt = running[task_id][0].attempt
            outcomes = {
                "finish": lambda: self.house.result(f"{task_id} {attempt}".encode()),
                "fail": lambda: Failed("no"),
                "lose": lambda: Lost(-9),
            }
            self.house.executor.end(task_id, outcomes[end]())

        self.run(end_attempt())

    @rule(by_ms=st.sampled_from((1, 1000, 10**9, -1000, -(10**9))))
    def jump(self, by_ms):
        """The clock is set, forward or back."""
        self.now += by_ms

    @rule(turns=st.integers(1, 4))
    def turn(self, turns):
        async def turn():
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(turn())

    @rule()
    def settle(self):
        self.run(self.house.settle())

    @rule(is_clean=st.booleans(), is_writer_behind=st.booleans())
    def restart(self, is_clean, is_writer_behind):
        if is_clean:
            self.run(self.house.dispatcher.stop())
        self.kill(is_writer_behind and not is_clean)
        self.open()

    @invariant()
    def budgets_fit(self):
        if self.house is None:
            return
        dispatcher = self.house.dispatcher
        assert 0 <= dispatcher._room.memory_bytes <= 100
        assert dispatcher.running_counts().total() >= len(self.house.executor.running)
        running = [work.task_id for work, _, _ in self.house.executor.running.values()]
        assert len(running) == len(set(running)) <= self.slots

    def teardown(self):
        if self.house is not None:
            self.restart(True, False)
            self.drain()
            self.check()
            self.run(self.house.dispatcher.stop())
            self.house.database.close()
        self.loop.close()
        self.folder.cleanup()

    def drain(self):
        self.settle()
        for _ in range(10 * len(self.accepted)):
            if not self.is_running():
                break
            self.end(0, "finish")
            self.settle()
        self.settle()

    def check(self):
        house = self.house
        assert house.at_rest()
        assert not list(house.dispatcher._queue)
        with house.database.read() as connection:
            history = connection.exec_driver_sql("SELECT id, old, new FROM history").all()
            known = objects.known_file_ids(connection)
        assert {(old, new) for _, old, new in history} <= ALLOWED
        ends = [task_id for task_id, _, new in history if new in TERMINAL]
        assert sorted(ends) == sorted(self.accepted)
        for task_id in self.accepted:
            task, stored = house.task(task_id), house.object(task_id)
            if task.status == "COMPLETED":
                content = house.blobs.path(stored.blob_id).read_text()
                assert content == f"{task_id} {task.attempt}"
                assert task_id not in self.told_cancelled
            else:
                assert stored is None
                assert (task.status == "FAILED") == (task.failure_reason is not None)
        house.blobs.sweep(known, older_than_s=0)
        assert {path.name for path in house.files()} == known


TaskMachine.TestCase.settings = settings(
    max_examples=8 if IS_POSTGRESQL else 40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestTaskMachine = TaskMachine.TestCase
