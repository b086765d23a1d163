"""Which shots have an event at which channel: drawn for all shots before any state exists."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.simulators.trajectories.sites import Channel
from openbraket.simulators.values import Floats

# Events that are kept at one time; more shots than give as many are taken in turn.
EVENTS_MAX: Final = 250_000

Integers = NDArray[np.int64]


def batch_sizes(rates: Sequence[float], shots: int) -> list[int]:
    """Return into how many shots each a run is divided, so that events fit into memory."""
    size = max(1, min(shots, int(EVENTS_MAX / max(sum(rates), 1.0))))
    whole, rest = divmod(shots, size)
    return [size] * whole + [rest] * bool(rest)


def draw_events(
    rates: Sequence[float], shots: int, generator: np.random.Generator
) -> tuple[Integers, Integers]:
    """Return every shot's events: independent ones, each channel having its own probability.

    Args:
        rates: Probability of an event at each channel.
        shots: Number of shots.
        generator: Where randomness comes from.

    Returns:
        Shots and channels of all events, ascending by shot and then by channel.

    Cost: proportional to the number of events.
    """
    keys = []
    all_rates = np.asarray(rates, dtype=np.float64)
    for rate in np.unique(all_rates):
        if rate > 0:
            sites = np.flatnonzero(all_rates == rate)
            hits = _hits(float(rate), sites.size * shots, generator)
            keys.append((hits % shots) * all_rates.size + sites[hits // shots])
    if not keys:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    ordered = np.sort(np.concatenate(keys))
    return ordered // all_rates.size, ordered % all_rates.size


def _hits(rate: float, count: int, generator: np.random.Generator) -> Integers:
    """Return which of `count` independent trials of one probability succeed, ascending."""
    if rate >= 1.0:
        return np.arange(count, dtype=np.int64)
    found: list[Integers] = []
    last = -1
    while last < count:
        expected = (count - last) * rate
        size = int(expected + 6 * math.sqrt(expected)) + 16
        steps = last + np.cumsum(generator.geometric(rate, size))
        found.append(steps)
        last = int(steps[-1])
    hits = np.concatenate(found)
    return hits[hits < count]


def choices_of(channels: Sequence[Channel], events: Integers, draws: Floats) -> NDArray[np.int64]:
    """Return the number of what happens at each event, from 0; -1 where the state decides.

    Args:
        channels: All channels.
        events: The channel of each event.
        draws: A uniform number in [0, 1) for each.
    """
    out = np.full(events.size, -1, dtype=np.int64)
    kinds = {id(channel): channel for channel in channels}
    numbers = {key: number for number, key in enumerate(kinds)}
    kind_of = np.array([numbers[id(channel)] for channel in channels], dtype=np.int64)[events]
    for key, channel in kinds.items():
        if channel.kind != "general":
            own = kind_of == numbers[key]
            chosen = np.searchsorted(channel.ends, draws[own], side="right")
            out[own] = np.minimum(chosen, channel.ends.size - 1)
    return out
