"""An event loop whose time passes only while nothing is left to do."""

import asyncio


class StalledError(Exception):
    """Somebody waits for what will never come."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs callbacks in their order and jumps to the next timer; functions of threads run inline.

    Args:
        thread_s: Returns how long a thread takes before its function has an effect, in seconds.
    """

    def __init__(self, thread_s):
        super().__init__()
        self._now = 0.0
        self._thread_s = thread_s
        # What the base class asks for the time until the next timer.
        self._selector = self
        # After a crash the functions of threads have no effect any more.
        self.is_dead = False

    def time(self):
        return self._now

    def select(self, timeout):
        if timeout is None:
            raise StalledError("everything waits and no timer is set")
        self._now += timeout
        return ()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass

    def run_in_executor(self, executor, func, *args):
        future = self.create_future()

        def run():
            if self.is_dead:
                return
            try:
                result = func(*args)
            except Exception as error:
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if not future.cancelled():
                    future.set_result(result)

        self.call_later(self._thread_s(), run)
        return future

    def end(self):
        """Cancel what is left and close, as if the process had gone."""
        self.is_dead = True
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.wait(tasks))
        self.close()
