"""Estimates of memory at CreateQuantumTask, and the counting of configurations behind them."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from openbraket.base.errors import LimitError
from openbraket.circuits.ahs_chain import chain_memory_bytes
from openbraket.circuits.ahs_cost import blockade_bytes, full_bytes
from openbraket.circuits.memory import FIXED_BYTES
from openbraket.programs.ahs import AhsParameters, check_ahs, read_ahs
from openbraket.programs.ahs.size import (
    generous_radius_m,
    independent_set_count,
    vacancies_filled,
)
from support.analog import CAPABILITIES, document, field

GIB = 1 << 30


def chain(count, spacing="6.1e-6"):
    return [[str(float(spacing) * k), "0"] for k in range(count)]


def size(made, *, memory_bytes_max=GIB, shots=100, **parameters):
    return check_ahs(
        made,
        CAPABILITIES,
        shots=shots,
        memory_bytes_max=memory_bytes_max,
        parameters=AhsParameters(**{"noise": "none", "is_lenient": True} | parameters),
    )


def test_small_program_is_estimated_in_the_full_space():
    found = size(document(chain(20)))
    assert found.atom_count == 20
    assert found.memory_bytes == full_bytes(20) + FIXED_BYTES
    # What is too slow in the full space has room for another method.
    assert size(document(chain(2))).memory_bytes == FIXED_BYTES + (16 << 20)
    assert size(document(chain(2)), memory_bytes_max=FIXED_BYTES + 999).memory_bytes < 50 << 20


def test_vacancies_that_noise_may_fill_are_counted():
    made = document(chain(40), filling=[1] * 19 + [0] * 21)
    assert size(made).memory_bytes == full_bytes(19) + FIXED_BYTES
    assert vacancies_filled(21, 0.005, 100) == 4
    noisy = size(made, noise="device").memory_bytes
    assert noisy == full_bytes(23, "single") + FIXED_BYTES
    assert size(made, noise="device", precision="double").memory_bytes > noisy
    assert size(made, noise=("vacancy",)).memory_bytes == noisy
    assert size(made, noise=("detection",)).memory_bytes == full_bytes(19) + FIXED_BYTES
    with pytest.raises(LimitError, match="in some shots up to 32 by errors that fill vacancies"):
        size(document(chain(40), filling=[1] * 29 + [0] * 11), noise="device", method="full")


@pytest.mark.parametrize("vacancies", [0, 1, 7, 240, 1024])
@pytest.mark.parametrize("probability", [0.0, 0.005, 0.3, 1.0])
def test_more_vacancies_are_filled_only_in_one_task_of_ten_thousand(vacancies, probability):
    found = vacancies_filled(vacancies, probability, 1000)
    assert 0 <= found <= vacancies
    assert binom.sf(found, vacancies, probability) * 1000 <= 1e-4
    # Sums of rounded terms are trusted down to 1e-15 alone.
    assert found == 0 or binom.sf(found - 1, vacancies, probability) * 1000 > 0.99e-4


def test_single_precision_is_half_the_memory():
    assert size(document(chain(22)), precision="single").memory_bytes == (
        full_bytes(22, "single") + FIXED_BYTES
    )
    given = {"method": "blockade", "blockade_radius_m": 7e-6, "precision": "single"}
    assert size(document(chain(20)), **given).memory_bytes == (
        blockade_bytes(17711, "single") + FIXED_BYTES
    )


def test_each_noisy_shot_is_work_of_its_own():
    quiet, noisy = size(document(chain(5))), size(document(chain(5)), noise="device")
    assert noisy.operation_count == 100 * quiet.operation_count


def test_program_too_large_for_the_full_space_gets_what_there_is():
    assert size(document(chain(28))).memory_bytes == GIB
    with pytest.raises(
        LimitError, match=r"28 atoms, which need 12,\d+,\d+,\d+ bytes of memory and about [\d,]+ s"
    ):
        size(document(chain(28)), method="full")


def test_given_blockade_radius_is_counted_exactly():
    found = size(document(chain(20)), blockade_radius_m=7e-6)
    assert found.memory_bytes == blockade_bytes(17711) + FIXED_BYTES  # a Fibonacci number


def test_program_that_no_blockade_makes_small_enough_is_refused():
    grid = [[f"{13 * i}e-6", f"{13 * j}e-6"] for i in range(7) for j in range(9)]
    with pytest.raises(
        LimitError,
        match=r"[\d,]+ configurations at a blockade radius of 1.23e-05 m, which need "
        r"[\d,]+ bytes of memory and about [\d,]+ s; the limit is 1,073,741,824 bytes",
    ):
        size(document(grid))
    wide = [[f"{8 * i}e-6", f"{8 * j}e-6"] for i in range(10) for j in range(10)]
    with pytest.raises(LimitError, match=r"100 atoms; .* too wide for a matrix product state"):
        size(document(wide))
    with pytest.raises(
        LimitError,
        match=r"at least \S+ configurations at a blockade radius of 1\.23e-05 m would need \S+ "
        r"bytes of memory and \S+ s\.",
    ):
        size(document(wide))
    with pytest.raises(
        LimitError, match=r"Its 1\.27e\+30 configurations in the full space would need 6\.08e\+31 "
    ):
        size(document(wide, drivingFields=[]), method="blockade")


def test_long_chains_and_ladders_are_matrix_product_states():
    found = size(document(chain(64)))
    assert found.memory_bytes == chain_memory_bytes(64, 4, 128) + FIXED_BYTES
    ladder = [[f"{6.7 * i}e-6", f"{6.7 * j}e-6"] for i in range(40) for j in range(2)]
    assert size(document(ladder)).memory_bytes > found.memory_bytes
    assert size(document(chain(10)), method="mps").memory_bytes < found.memory_bytes
    with pytest.raises(
        LimitError, match=r"bond dimensions up to 4096 needs [\d,]+ bytes of memory and"
    ):
        size(document(chain(64)), max_bond=4096)
    with pytest.raises(LimitError, match="has at most 256 atoms, not 257"):
        size(document(chain(257)), method="mps")
    with pytest.raises(LimitError, match="64 atoms; a blockade subspace has at most 63"):
        size(document(chain(64)), method="blockade")


def test_drive_of_millions_of_turns_is_refused():
    drive = document()["hamiltonian"]["drivingFields"][0]
    wild = document(
        chain(2), drivingFields=[drive | {"amplitude": field(["0", "1e12", "1e12", "0"])}]
    )
    with pytest.raises(LimitError, match=r"Rabi frequency times the duration is \S+ rad; at most"):
        size(wild)


def test_radius_at_which_nothing_is_blocked_bounds_the_choice():
    radius_m = generous_radius_m(read_ahs(document(chain(3))).to_program())
    assert radius_m == pytest.approx((10 * 5.42e-24 / 15.7e6) ** (1 / 6))
    drive = document()["hamiltonian"]["drivingFields"][0]
    weak = document(
        drivingFields=[drive | {"amplitude": field(["0", "400", "0", "0"])}],
    )
    assert generous_radius_m(read_ahs(weak).to_program()) is None
    assert generous_radius_m(read_ahs(document(drivingFields=[])).to_program()) is None


@settings(max_examples=60, deadline=None)
@given(
    sites=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=9, unique=True),
    radius=st.sampled_from([0.5, 1.1, 1.5, 2.3, 9.0]),
)
def test_count_is_that_of_every_subset_without_a_near_pair(sites, radius):
    sites = [(float(x), float(y)) for x, y in sites] or [(0.0, 0.0)]
    near = [
        (a, b)
        for (a, p), (b, q) in combinations(enumerate(sites), 2)
        if (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 < radius**2
    ]
    expected = sum(
        not any(chosen >> a & 1 and chosen >> b & 1 for a, b in near)
        for chosen in range(1 << len(sites))
    )
    assert independent_set_count(sites, radius) == (expected, True)


def test_count_of_a_wide_register_is_a_lower_bound():
    sites = [(float(x), float(y)) for x in range(16) for y in range(16)]
    count, is_complete = independent_set_count(sites, 1.1)
    assert not is_complete
    assert count > 2048
