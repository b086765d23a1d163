"""What surrounds the evolution: drives in pieces, registers, sizes, refusals, progress, cancel."""

import dataclasses
import threading

import numpy as np
import pytest

from openbraket.base.errors import CancelledError, LimitError, ProgramError
from openbraket.circuits.ahs import NOISE_TERMS, AhsNoise, AhsProgram, DrivingField
from openbraket.simulators.rydberg import RydbergSettings, distribution, simulate
from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.register import (
    blocked_masks,
    cluster,
    distances,
    independent_set_count,
)
from openbraket.simulators.rydberg.splitting import coarser, finer, steps_of
from support.ahs import FAR_M, chain, driven, series, square, sweep


def at(drive, time_s: float):
    piece = np.clip(np.searchsorted(drive.bounds_s, time_s, side="right") - 1, 0, None)
    coupling, detuning = drive.at(np.array([piece]), np.array([time_s]))
    return coupling[0], detuning[0]


def test_drive_interpolates_amplitude_and_detuning_and_steps_the_phase():
    program = driven(
        [(0, 0)], [0, 1e-6, 3e-6], [0, 2e6, 2e6], [-4e6, 0, 8e6], [0.0, np.pi / 2, 0.3]
    )
    drive = drive_of(program, [0], "documented")
    coupling, detuning = at(drive, 0.5e-6)
    assert coupling == pytest.approx([0.5e6])
    assert detuning == pytest.approx([-2e6])
    coupling, detuning = at(drive, 2e-6)
    assert coupling == pytest.approx([1e6j])
    assert detuning == pytest.approx([4e6])
    assert at(drive_of(program, [0], "local_simulator"), 2e-6)[0] == pytest.approx([-1e6j])


def test_drive_has_a_column_for_each_atom_only_where_patterns_differ():
    uniform = sweep(chain(3))
    assert drive_of(uniform, [0, 1, 2], "documented").coupling_starts.shape == (3, 1)
    local = series([0, 4e-6], [1e6, 1e6], [0.0, 0.5, 1.0])
    program = AhsProgram(uniform.sites_m, uniform.filling, uniform.driving_fields, (local,))
    drive = drive_of(program, [0, 2], "documented")
    assert at(drive, 0.1e-6)[1] == pytest.approx([-55e6, -54e6])


def test_series_that_ends_early_is_zero_from_there_on():
    field = DrivingField(
        series([0, 1e-6], [3e6, 3e6]), series([0, 1e-6], [0, 0]), series([0, 2e-6], [5e6, 5e6])
    )
    drive = drive_of(AhsProgram(((0, 0),), (1,), (field,)), [0], "documented")
    assert at(drive, 1.5e-6)[0] == pytest.approx([0])
    assert at(drive, 1.5e-6)[1] == pytest.approx([5e6])


def test_steps_fill_every_piece_and_cross_no_bound():
    drive = drive_of(sweep(chain(2)), [0, 1], "documented")
    steps = steps_of(drive, 13e-9)
    ends = steps.starts_s + steps.lengths_s
    assert steps.starts_s[0] == 0
    assert ends[:-1] == pytest.approx(steps.starts_s[1:])
    assert ends[-1] == pytest.approx(4e-6)
    assert steps.lengths_s.max() <= 13e-9
    assert np.all(ends <= drive.bounds_s[steps.pieces + 1] + 1e-18)
    assert coarser(finer(steps)).starts_s == pytest.approx(steps.starts_s)
    assert coarser(finer(steps)).lengths_s == pytest.approx(steps.lengths_s)


@pytest.mark.parametrize("sites", [chain(10), square(3, 4), square(4, 4)])
def test_counted_configurations_are_those_of_the_subspace(sites):
    is_blocked = distances(np.array(sites)) < 8e-6
    program = sweep(sites)
    configurations, _, log = distribution(
        program, settings=RydbergSettings(blockade_radius_m=8e-6, tolerance=1e-2)
    )
    assert independent_set_count(is_blocked, 1000) == configurations.size
    assert log.configuration_count == configurations.size
    masks = blocked_masks(is_blocked)
    bits = (configurations[:, None] >> np.arange(len(sites), dtype=np.uint64)) & np.uint64(1)
    for k, mask in enumerate(masks):
        assert not np.any((bits[:, k] > 0) & ((configurations & mask) > 0))
    assert independent_set_count(is_blocked, 1) is None


def test_cluster_is_dense():
    sites = [(FAR_M, 0.0), *square(2, 2), (2 * FAR_M, 0.0)]
    couplings = 1 / distances(np.array(sites)) ** 6
    assert cluster(couplings, 4).tolist() == [1, 2, 3, 4]


def test_full_space_of_too_many_atoms_is_refused_with_both_numbers():
    with pytest.raises(
        LimitError, match=r"28 atoms .* 268435456 .* 12\.0 GiB and \d+ s; at most 1\.0"
    ):
        simulate(
            sweep(chain(28)),
            shots=1,
            settings=RydbergSettings(method="full", memory_bytes_max=1 << 30),
        )
    with pytest.raises(LimitError, match="31 atoms in the full space: at most 30"):
        simulate(sweep(chain(31)), shots=1, settings=RydbergSettings(method="full"))
    with pytest.raises(LimitError, match=r"estimated to need .* GiB and 1 s are allowed"):
        simulate(
            sweep(chain(24)),
            shots=1,
            settings=RydbergSettings(method="full", run_seconds_max=1.0),
        )


def test_subspace_that_is_too_large_is_refused():
    with pytest.raises(LimitError, match=r"blockade subspace .*configurations"):
        simulate(
            sweep(square(7, 7)),
            shots=1,
            settings=RydbergSettings(blockade_radius_m=7e-6, memory_bytes_max=1 << 30),
        )
    with pytest.raises(LimitError, match="64 atoms in the blockade subspace: at most 63"):
        simulate(sweep(chain(64)), shots=1, settings=RydbergSettings(blockade_radius_m=7e-6))


def test_radius_is_chosen_by_the_population_that_it_neglects():
    few = RydbergSettings(method="blockade", tolerance=1e-2)
    log = simulate(sweep(chain(12)), shots=1, settings=few).log
    assert log.blockade_radius_m is not None
    assert 6.1e-6 < log.blockade_radius_m < 12.2e-6
    assert 0 < log.neglected_population <= few.neglected_population_max
    strict = RydbergSettings(method="blockade", neglected_population_max=1e-6)
    with pytest.raises(LimitError, match="even the least blockade radius neglects"):
        simulate(sweep(chain(12)), shots=1, settings=strict)


def test_one_atom_has_nothing_to_block():
    log = simulate(sweep(chain(1)), shots=3, settings=RydbergSettings(method="blockade")).log
    assert (log.method, log.configuration_count) == ("full", 2)
    apart = sweep([(0.0, 0.0), (FAR_M, 0.0)])
    with pytest.raises(LimitError, match=r"^2 atoms have no blockade subspace: even the least"):
        simulate(apart, shots=1, settings=RydbergSettings(method="blockade"))


def test_register_of_vacancies_has_the_atoms_of_each_shot():
    program = driven(square(10, 10), [0, 1e-7], [1e6] * 2, [0, 0], filling=(0,) * 100)
    found = simulate(program, shots=200, seed=1, noise=AhsNoise(vacancy_error=0.01))
    assert found.pre_sequences.any(axis=0).sum() > 64  # of all shots together
    assert found.log.evolution_count > 50


def test_shot_that_errors_fill_beyond_the_memory_is_refused():
    program = driven(chain(20), [0, 1e-8], [1e6] * 2, [0, 0], filling=(1,) * 4 + (0,) * 16)
    noise = AhsNoise(vacancy_error=1.0)
    few = RydbergSettings(method="full", memory_bytes_max=1 << 20)
    with pytest.raises(LimitError, match=r"one shot has 20 atoms with 1048576 configurations"):
        simulate(program, shots=1, noise=noise, settings=few)
    blocked = RydbergSettings(blockade_radius_m=7e-6, memory_bytes_max=1 << 17)
    with pytest.raises(LimitError, match=r"one shot has 20 atoms with 17711 configurations"):
        simulate(program, shots=1, noise=noise, settings=blocked)
    wide = driven(chain(70), [0, 1e-8], [1e6] * 2, [0, 0], filling=(1,) * 4 + (0,) * 66)
    with pytest.raises(LimitError, match=r"one shot has 70 atoms: at most 63 are possible"):
        simulate(wide, shots=1, noise=noise, settings=RydbergSettings(blockade_radius_m=7e-6))


def test_given_radius_that_neglects_much_is_reported():
    wide = RydbergSettings(blockade_radius_m=13e-6, tolerance=1e-2)
    log = simulate(sweep(chain(10)), shots=1, settings=wide).log
    assert log.neglected_population > 0.05
    assert any("neglects a population" in line for line in log.lines())


@pytest.mark.parametrize("shots", [0, -1, 1_000_001])
def test_shots_out_of_range_are_refused(shots):
    with pytest.raises(ProgramError, match=f"shots is {shots}; 1 to 1000000"):
        simulate(sweep(chain(2)), shots=shots)


def test_register_without_sites_is_refused():
    with pytest.raises(ProgramError, match="no sites"):
        simulate(AhsProgram((), ()), shots=1)


def test_program_without_duration_or_atoms_measures_the_ground_state():
    still = AhsProgram(((0, 0), (5e-6, 0)), (1, 0))
    assert simulate(still, shots=3).post_sequences.tolist() == [[1, 0]] * 3
    empty = driven([(0, 0)], [0, 1e-6], [1e6] * 2, [0, 0], filling=(0,))
    assert simulate(empty, shots=2).post_sequences.tolist() == [[0]] * 2


def test_two_atoms_on_one_spot_do_not_break_the_evolution():
    program = driven([(0, 0), (0, 0)], [0, 1e-8], [1e6] * 2, [0, 0])
    settings = RydbergSettings(blockade_radius_m=1e-6)
    assert simulate(program, shots=5, settings=settings).post_sequences.shape == (5, 2)
    with pytest.raises(LimitError, match="needs more than 2000000 time steps"):
        simulate(program, shots=5, settings=RydbergSettings(method="full"))


@pytest.mark.parametrize("noise", [None, AhsNoise(t2_star_s=5e-6)])
def test_cancel_stops_the_work(noise):
    cancel, seen = threading.Event(), []

    def report(share):
        seen.append(share)
        if share > 0:
            cancel.set()

    with pytest.raises(CancelledError):
        simulate(sweep(chain(21)), shots=20, seed=1, noise=noise, report=report, cancel=cancel)
    assert max(seen) < 0.5


def test_progress_grows_to_at_most_one():
    seen: list[float] = []
    simulate(
        sweep(chain(15)), shots=1, settings=RydbergSettings(tolerance=1e-5), report=seen.append
    )
    assert seen
    assert all(0 <= share <= 1 for share in seen)


def test_noise_is_read_from_the_published_figures():
    noise = AhsNoise.from_performance({
        "lattice": {"fillingErrorTypical": "0.008", "atomPositionError": 2e-7},
        "rydberg": {
            "rydbergGlobal": {
                "T1Single": "1e-4",
                "T2StarSingle": "5e-6",
                "rydbergDetectionError": 0.1,
            }
        },
    })
    assert noise == AhsNoise(
        t1_s=1e-4,
        filling_error=0.008,
        atom_position_error_m=2e-7,
        t2_star_s=5e-6,
        rydberg_detection_error=0.1,
    )
    assert AhsNoise.from_performance({}) == AhsNoise()


def test_every_part_of_the_noise_belongs_to_one_term_and_terms_can_be_taken_alone():
    names = [name for term in NOISE_TERMS.values() for name in term]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(AhsNoise))
    everything = AhsNoise(**dict.fromkeys(names, 0.1))
    for term, own in NOISE_TERMS.items():
        assert everything.only([term]) == AhsNoise(**dict.fromkeys(own, 0.1))
    assert everything.only(list(NOISE_TERMS)) == everything


@pytest.mark.parametrize(
    ("rabi", "end_s"), [(1e12, 4e-6), (15e6, 0.4), (15e6, 4e3)], ids=["strong", "long", "endless"]
)
def test_drive_that_takes_millions_of_steps_is_refused_without_trying(rabi, end_s):
    program = driven(chain(12), [0, end_s], [rabi, rabi], [0, 0])
    cancel = threading.Event()
    cancel.set()  # any evolution would end as cancelled
    with pytest.raises(LimitError, match="more than 2000000 time steps"):
        simulate(program, shots=1, cancel=cancel)


def test_wide_register_is_refused_with_both_reasons():
    sites = [(9e-6 * i, 9e-6 * j) for i in range(9) for j in range(9)]
    with pytest.raises(LimitError, match=r"81 atoms .*\. The register is too wide for a chain"):
        simulate(sweep(sites), shots=1)


def test_cancel_stops_a_chain():
    cancel = threading.Event()
    timer = threading.Timer(0.2, cancel.set)
    timer.start()
    with pytest.raises(CancelledError):
        simulate(sweep(chain(80)), shots=20, seed=1, cancel=cancel)
    timer.join()
