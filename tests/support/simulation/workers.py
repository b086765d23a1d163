"""Worker processes of the simulated machine: they finish, fail, die and are killed."""

from openbraket.engine.executors.base import Failed, Lost, StoredObject, Succeeded

KILLED = -9


class SimulatedExecutor:
    """What the dispatcher asks of an executor; see `LocalExecutor`.

    Attributes:
        slots: Workers.
        running: The task and attempt of each busy worker, with its outcome's future.
    """

    capacity = None

    def __init__(self, world, slots):
        self._world = world
        self._loop = world.loop
        self.slots = slots
        self.running = {}
        self._is_running = False
        self._away = 0
        self.on_submit = lambda: None

    @property
    def free_count(self):
        return self.slots - len(self.running) - self._away if self._is_running else 0

    async def start(self, on_free):
        self._on_free = on_free
        self._loop.call_later(self._world.delay_s(0.05), self._begin)

    def _begin(self):
        self._is_running = True
        self._on_free()

    def submit(self, work, on_progress):
        assert self.free_count > 0
        assert work.task_id not in {task_id for task_id, _ in self.running}
        self.on_submit()
        key = (work.task_id, work.attempt)
        future = self._loop.create_future()
        self.running[key] = future
        world = self._world
        self._loop.call_later(world.delay_s(world.task_s), self._finish, key)
        return future

    def _finish(self, key):
        """The runner returns: what it leaves is there a moment before the server hears of it."""
        if self._loop.is_dead or key not in self.running:
            return
        world = self._world
        draw = world.rng.random()
        text = f"{key[0]} {key[1]}".encode()
        if draw < 0.1:
            self._exit(key, Lost(KILLED))
            return
        if draw < 0.2:
            outcome = Failed("no")
        else:
            stored = StoredObject("results.json", "application/json", world.blobs.keep(text))
            outcome = Succeeded((stored,), 10, "some failed" if draw < 0.25 else None)
        self._loop.call_later(world.delay_s(0.001), self._tell, key, outcome)

    def _tell(self, key, outcome):
        if not self._loop.is_dead and key in self.running:
            self.running.pop(key).set_result(outcome)
            if self._is_running:
                self._on_free()

    def kill(self, task_id, attempt):
        """An attempt that has just ended may yet be heard of before the death."""
        self._world.killed.append((task_id, attempt))
        delay_s = self._world.delay_s(0.005)
        self._loop.call_later(delay_s, self._exit, (task_id, attempt), Lost(KILLED))

    def _exit(self, key, outcome):
        if self._loop.is_dead or key not in self.running:
            return
        self.running.pop(key).set_result(outcome)
        self._away += 1
        self._loop.call_later(self._world.delay_s(0.05), self._replace)

    def _replace(self):
        self._away -= 1
        if self._is_running:
            self._on_free()

    async def stop(self):
        self._is_running = False
        for key in list(self.running):
            self.running.pop(key).set_result(Lost(KILLED))
