"""The log says how far long tasks are, and forgets them afterwards."""

import logging

from openbraket.engine.progress import INTERVAL_S, SILENCE_S, ProgressLog


class Time:
    now_s = 5.0

    def __call__(self):
        return self.now_s


def test_long_tasks_are_named_now_and_then(caplog):
    caplog.set_level(logging.INFO, "openbraket.engine.progress")
    time = Time()
    log = ProgressLog(time)
    for second in range(int(2.5 * INTERVAL_S)):
        time.now_s = 5.0 + second
        log("long", second / 100)
        if second < INTERVAL_S / 2:
            log("short", second / 10)
    assert [record.getMessage() for record in caplog.records] == [
        f"task long: {INTERVAL_S:.0f} % done",
        f"task long: {2 * INTERVAL_S:.0f} % done",
    ]


def test_tasks_of_long_ago_are_forgotten():
    time = Time()
    log = ProgressLog(time)
    log("old", 0.5)
    time.now_s += 2 * SILENCE_S
    log("new", 0.5)
    assert set(log._times) == {"new"}
