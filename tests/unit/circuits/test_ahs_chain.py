"""Registers as chains: order, reach, and memory."""

import numpy as np
import pytest

from openbraket.circuits.ahs import C6_RAD_M6_PER_S
from openbraket.circuits.ahs_chain import (
    NEGLECTED_RAD,
    REACH_MAX,
    chain_memory_bytes,
    chain_shape,
)

DURATION_S = 4e-6


def shape_of(sites_um):
    return chain_shape(
        [(x * 1e-6, y * 1e-6) for x, y in sites_um],
        duration_s=DURATION_S,
        c6_rad_m6_per_s=C6_RAD_M6_PER_S,
    )


def neglected(sites_um, order, reach):
    """By definition: the largest sum of one atom's couplings beyond the reach."""
    sites = np.array(sites_um, dtype=float)[list(order)] * 1e-6
    apart = np.linalg.norm(sites[:, None] - sites[None], axis=-1)
    places = np.abs(np.subtract.outer(np.arange(len(sites)), np.arange(len(sites))))
    far = np.where(places > reach, C6_RAD_M6_PER_S / np.where(places > 0, apart, 1.0) ** 6, 0.0)
    return far.sum(axis=1).max()


@pytest.mark.parametrize("is_tall", [False, True])
def test_atoms_are_ordered_along_the_longer_side(is_tall):
    ladder = [(6.7 * i, 6.7 * j) for j in range(2) for i in range(8)]
    sites = [(y, x) for x, y in ladder] if is_tall else ladder
    order = shape_of(sites).order
    along = [sites[k][1 if is_tall else 0] for k in order]
    assert sorted(order) == list(range(16))
    assert along == sorted(along)


@pytest.mark.parametrize("legs", [1, 2])
def test_reach_is_the_least_that_neglects_little(legs):
    sites = [(6.7 * (k // legs), 6.7 * (k % legs)) for k in range(40)]
    shape = shape_of(sites)
    assert shape.neglected_rad_per_s == pytest.approx(neglected(sites, shape.order, shape.reach))
    assert shape.neglected_rad_per_s * DURATION_S <= NEGLECTED_RAD
    assert neglected(sites, shape.order, shape.reach - 1) * DURATION_S > NEGLECTED_RAD
    assert shape.is_narrow(DURATION_S)


def test_wide_register_is_no_chain():
    shape = shape_of([(6.7 * i, 6.7 * j) for i in range(9) for j in range(9)])
    assert shape.reach == REACH_MAX
    assert not shape.is_narrow(DURATION_S)


def test_one_atom_and_atoms_on_one_spot_have_a_shape():
    assert shape_of([(0.0, 0.0)]).order == (0,)
    assert shape_of([(0.0, 0.0)] * 4).neglected_rad_per_s < float("inf")


def test_short_chains_need_less_memory():
    assert chain_memory_bytes(8, 4, 1024) < chain_memory_bytes(60, 4, 128)
