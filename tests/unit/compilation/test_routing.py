"""The search for a routing, by its events."""

import numpy as np
import pytest

from openbraket.kernels import _routing

LINE = np.array([0, 1, 1, 2, 2, 3], dtype=np.uint32)
WEIGHTS = np.ones(3)


def columns(pairs):
    """Return columns of blocks of one native gate in program order, none commuting."""
    group, groups = [-1] * 8, []
    for pair in pairs:
        for qubit in pair:
            group[qubit] += 1
            groups.append(group[qubit])
    costs = np.ones(len(pairs))
    flat = np.array(pairs, dtype=np.uint32).reshape(-1)
    return flat, np.array(groups, dtype=np.uint32), costs, costs + 1


def route(pairs, layout=(), **options):
    arguments = {"trial_count": 4, "round_count": 1, "thread_count": 1, "seed": 0} | options
    return _routing.route_blocks(
        4, LINE, WEIGHTS, 4, *columns(pairs), np.array(layout, dtype=np.int32), **arguments
    )


def replay(pairs, layout, events):
    """Return the blocks in the order of the events; checks where each takes place."""
    where, order = list(layout), []
    for block, p, r in zip(events[::3], events[1::3], events[2::3], strict=True):
        assert abs(p - r) == 1
        if block < 0:
            where = [{p: r, r: p}.get(place, place) for place in where]
        else:
            assert [where[q] for q in pairs[block]] == [p, r]
            order.append(block)
    return order


@pytest.mark.parametrize("layout", [(), (3, 0, 2, 1)])
def test_every_block_runs_once_in_order_on_a_coupling(layout):
    generator = np.random.default_rng(2)
    pairs = [tuple(generator.permutation(4)[:2].tolist()) for _ in range(60)]
    _, start, events = route(pairs, layout)
    assert not layout or list(layout) == start
    order = replay(pairs, start, events)
    assert sorted(order) == list(range(60))
    for qubit in range(4):
        own = [block for block in order if qubit in pairs[block]]
        assert own == sorted(own)


def test_exchange_beside_a_block_costs_what_it_adds():
    # 0-1, then 0-2 with 2 beyond 1: one exchange, right behind the first block.
    pairs = [(0, 1), (0, 2)]
    cost, _, events = route(pairs, (0, 1, 2, 3), trial_count=8)
    assert events[::3] == [0, -1, 1]
    assert cost == 3


def test_threads_do_not_change_the_outcome():
    generator = np.random.default_rng(3)
    pairs = [tuple(generator.permutation(4)[:2].tolist()) for _ in range(30)]
    assert route(pairs, thread_count=1) == route(pairs, thread_count=3)


def embed(pairs, qubit_costs=(0.0,) * 4, steps=1000):
    flat, groups, costs, _ = columns(pairs)
    return _routing.embed_blocks(
        4, LINE, WEIGHTS, 3, flat, groups, costs, np.array(qubit_costs), step_count_max=steps
    )


def test_embedding_is_the_cheapest():
    assert embed([(0, 1), (1, 2)], (1.0, 0.0, 0.0, 0.0)) in ([1, 2, 3], [3, 2, 1])
    assert embed([(0, 1), (1, 2)], (0.0, 0.0, 0.0, 1.0)) in ([0, 1, 2], [2, 1, 0])


def test_embedding_that_does_not_exist_or_takes_too_long_is_empty():
    assert embed([(0, 1), (1, 2), (0, 2)]) == []
    assert embed([(0, 1), (1, 2)], steps=2) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": (0, 1)}, "layout"),
        ({"layout": (0, 1, 2, 2)}, "layout"),
        ({"trial_count": 0}, "at least one trial"),
    ],
)
def test_arguments_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        route([(0, 1)], **change)


def test_graph_must_be_connected():
    with pytest.raises(ValueError, match="not connected"):
        _routing.route_blocks(
            4, LINE[:4], WEIGHTS[:2], 2, *columns([(0, 1)]), np.array([], dtype=np.int32),
            trial_count=1, round_count=0, thread_count=1, seed=0,
        )  # fmt: skip
