"""Those who wait for the end of tasks: each for a bounded time, and none is kept longer."""

import asyncio


class EndWaiters:
    """Callers that wait for tasks, by task; on one event loop."""

    def __init__(self) -> None:
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        """Return for how many tasks somebody waits."""
        return len(self._waiters)

    async def wait(self, task_id: str, *, timeout_s: float) -> None:
        """Return once `tell` is called for the task, or after `timeout_s` seconds."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.setdefault(task_id, []).append(waiter)
        timer = loop.call_later(timeout_s, _finish, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            waiters = self._waiters.get(task_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
                if not waiters:
                    del self._waiters[task_id]

    def tell(self, task_id: str) -> None:
        """Let those go on who wait for the task."""
        for waiter in self._waiters.pop(task_id, ()):
            _finish(waiter)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
