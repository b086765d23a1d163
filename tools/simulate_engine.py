"""Run many simulated schedules of the engine, or one again: `--seed N --count 1`.

Run: `python tools/simulate_engine.py --count 10000`. Each schedule is a world that its seed
decides: clients, workers, a disk, crashes, losses of power; see `tests/support/simulation`.
"""

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"


def main() -> int:
    """Run the schedules and print what was met, or the first seed that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="schedules to run")
    parser.add_argument("--seed", type=int, default=None, help="seed of the first; else random")
    options = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    from support.simulation.schedule import run

    first = options.seed
    if first is None:
        first = random.SystemRandom().randrange(2**40)
    print(f"seeds {first} to {first + options.count - 1}", flush=True)
    met: Counter[str] = Counter()
    began = time.perf_counter()
    for seed in range(first, first + options.count):
        try:
            met += run(seed)
        except Exception:
            traceback.print_exc()
            print(f"seed {seed} failed: python tools/simulate_engine.py --seed {seed} --count 1")
            return 1
    elapsed = time.perf_counter() - began
    print(f"{options.count} schedules in {elapsed:.1f} s: {60 * options.count / elapsed:.0f}/min")
    print(", ".join(f"{name} {count}" for name, count in sorted(met.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
