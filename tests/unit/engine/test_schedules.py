"""Some hundred simulated schedules; `tools/simulate_engine.py` runs as many as one likes."""

import os
import random
from collections import Counter

from support.simulation.schedule import run

SCHEDULE_COUNT = int(os.environ.get("OPENBRAKET_TEST_SCHEDULES", "300"))
# What a schedule must have met somewhere among so many, or the simulation tests nothing.
MET = ("COMPLETED", "FAILED", "CANCELLED", "crashes", "kills")


def test_whatever_happens_every_accepted_task_ends_once_with_its_result():
    first = random.SystemRandom().randrange(2**40)
    met = Counter()
    for seed in range(first, first + SCHEDULE_COUNT):
        print(f"seed {seed}: python tools/simulate_engine.py --seed {seed} --count 1")
        met += run(seed)
    assert all(met[name] for name in MET), met


def test_a_seed_decides_everything():
    assert run(7) == run(7)
