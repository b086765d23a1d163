"""Neutral atoms: an adiabatic sweep of 4 µs on chains and squares, against named peers.

Usage: python benchmarks/bench_ahs.py [--peer-python PATH] [--peers braket,bloqade,emu-sv]
           [--atoms 10,12,14,16] [--large] [--noise] [--memory] [--chains 14,20,60]
           [--keep FOLDER] [--repeat 5]

The peers run one after the other in an interpreter of their own, because they want packages that
nothing else here needs: `pip install amazon-braket-sdk bloqade-analog emu-sv emu-mps`. Goals are
printed beside what was found; "error" is the total variation to a distribution that was computed
with a tolerance of 1e-8 (the tests compare that with a general-purpose integrator). `--memory` has
each work in a process of its own, with a short drive: memory does not depend on how long it is.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import print_machine
from openbraket.circuits.ahs import (
    AhsNoise,
    AhsProgram,
    DrivingField,
    FieldSeries,
    TimeSeries,
)
from openbraket.simulators.rydberg import (
    Precision,
    RydbergLog,
    RydbergSettings,
    distribution,
    simulate,
)
from openbraket.simulators.rydberg.chain import AtomChain, evolve_chains, fitting_shape
from openbraket.simulators.rydberg.drive import drive_of
from openbraket.simulators.rydberg.problem import Problem
from openbraket.simulators.rydberg.register import distances, interactions
from openbraket.simulators.rydberg.watch import Watch

Sites = list[tuple[float, float]]

TIMES_S = (0.0, 0.25e-6, 3.75e-6, 4e-6)
CHAIN_UM, CHAIN_RADIUS_UM = 6.1, 6.7
SQUARE_UM, SQUARE_RADIUS_UM = 6.7, 7.9
GOALS_FULL = {"braket": 200.0, "bloqade": 40.0, "emu-sv": 40.0}
GOALS_BLOCKADE = {"braket": 300.0, "bloqade": 20.0}
AQUILA = AhsNoise(
    filling_error=0.005,
    vacancy_error=0.005,
    atom_detection_false_negative=0.01,
    atom_detection_false_positive=0.01,
    atom_loss_probability=0.01,
    atom_capture_probability=0.01,
    preparation_probability=0.01,
    site_position_error_m=2.5e-8,
    atom_position_error_m=2.5e-8,
    rabi_error_relative=0.01,
    rabi_inhomogeneity_relative=0.01,
    detuning_error_rad_per_s=1e6,
    detuning_inhomogeneity_rad_per_s=1e6,
    t2_star_s=5e-6,
    t1_s=1e-4,
    ground_detection_error=0.01,
    rydberg_detection_error=0.1,
)


def chain(count: int) -> Sites:
    return [(CHAIN_UM * k, 0.0) for k in range(count)]


def square(count: int) -> Sites:
    rows, columns = {
        10: (2, 5),
        12: (3, 4),
        14: (2, 7),
        16: (4, 4),
        20: (4, 5),
        25: (5, 5),
        30: (5, 6),
        36: (6, 6),
        42: (6, 7),
    }[count]
    return [(SQUARE_UM * i, SQUARE_UM * j) for i in range(rows) for j in range(columns)]


def sweep(sites: Sites, scale: float = 1.0) -> AhsProgram:
    times_s = tuple(scale * t for t in TIMES_S)

    def field(*values: float) -> FieldSeries:
        return FieldSeries(TimeSeries(times_s, values))

    drive = DrivingField(
        field(0.0, 15.7e6, 15.7e6, 0.0), field(0.0, 0.0, 0.0, 0.0), field(-55e6, -55e6, 55e6, 55e6)
    )
    return AhsProgram(tuple((x * 1e-6, y * 1e-6) for x, y in sites), (1,) * len(sites), (drive,))


def timed(
    program: AhsProgram,
    settings: RydbergSettings,
    *,
    repeat: int,
    thread_count: int = 1,
    noise: AhsNoise | None = None,
) -> tuple[float, RydbergLog]:
    seconds = []
    for _ in range(repeat):
        begun = time.perf_counter()
        result = simulate(
            program,
            shots=1000,
            seed=1,
            settings=settings,
            thread_count=thread_count,
            noise=noise,
        )
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), result.log


def peer_seconds(
    python: str, peer: str, sites: Sites, radius_um: float, timeout_s: float
) -> tuple[float | None, str | None, str]:
    script = Path(__file__).with_name("ahs_peers.py")
    command = [python, str(script), peer, json.dumps(sites), str(radius_um)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return timeout_s, None, "more than "
    if done.returncode:
        print(f"    {peer}: not run ({done.stderr.strip().splitlines()[-1:]})")
        return None, None, ""
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found["seconds"], found["path"], ""


def total_variation(first: np.ndarray, second: np.ndarray) -> float:
    return 0.5 * float(np.abs(first - second).sum())


def largest_difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).max())


def compare_with(
    peer: str,
    sites: Sites,
    radius_um: float,
    options: argparse.Namespace,
    *,
    ours: float,
    exact: np.ndarray,
    distance: Callable[[np.ndarray, np.ndarray], float],
    goal: float,
) -> None:
    """Run a peer, and print how much longer it takes and, where it tells, its error."""
    seconds, path, prefix = peer_seconds(
        options.peer_python, peer, sites, radius_um, options.timeout
    )
    if seconds is None:
        return
    text = f"    {peer}: {prefix}{seconds:.2f} s, ratio {prefix}{seconds / ours:.3g}"
    if path is not None:
        text += f", its error {distance(np.load(path), exact):.1e}"
        Path(path).unlink()
    print(f"{text} (goal {goal:.0f})", flush=True)


def compare(name: str, sites: Sites, radius_um: float, options: argparse.Namespace) -> None:
    is_full = radius_um == 0
    program = sweep(sites)
    settings = RydbergSettings(blockade_radius_m=radius_um * 1e-6 or None)
    exact_settings = RydbergSettings(blockade_radius_m=radius_um * 1e-6 or None, tolerance=1e-8)
    exact = distribution(program, settings=exact_settings)[1]
    error = total_variation(distribution(program, settings=settings)[1], exact)
    ours, log = timed(program, settings, repeat=options.repeat)
    space = "full" if is_full else "blockade"
    print(f"{name}, {space}: {ours:.4f} s, error {error:.1e} ({log.configuration_count} conf.)")
    goals = GOALS_FULL if is_full else GOALS_BLOCKADE
    for peer in options.peers.split(","):
        goal = goals.get(peer.partition(":")[0])
        if goal is None:
            continue
        compare_with(
            peer, sites, radius_um, options,
            ours=ours, exact=exact, distance=total_variation, goal=goal,
        )  # fmt: skip


def large(thread_count: int) -> None:
    works = (
        ("chain of 20, full", sweep(chain(20)), RydbergSettings(), "8 s"),
        (
            "chain of 24, full, single precision",
            sweep(chain(24)),
            RydbergSettings(method="full", precision="single", tolerance=1e-3),
            "none",
        ),
        (
            "square 6x6, blockade",
            sweep(square(36)),
            RydbergSettings(
                blockade_radius_m=SQUARE_RADIUS_UM * 1e-6, tolerance=1e-2, precision="single"
            ),
            "60 s, 2 GB",
        ),
    )
    for name, program, settings, goal in works:
        seconds, log = timed(program, settings, repeat=1, thread_count=thread_count)
        print(f"{name}: {seconds:.1f} s (goal {goal}), peak memory so far {peak_gb():.2f} GB")
        for line in log.lines():
            print(f"    {line}")


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def memory_works() -> dict[str, tuple[Sites, RydbergSettings]]:
    def full(precision: Precision) -> RydbergSettings:
        return RydbergSettings(method="full", precision=precision, tolerance=1e-2)

    def blockade(radius_um: float, precision: Precision) -> RydbergSettings:
        return RydbergSettings(
            blockade_radius_m=radius_um * 1e-6, precision=precision, tolerance=1e-2
        )

    return {
        "chain of 23, full, double": (chain(23), full("double")),
        "chain of 24, full, single": (chain(24), full("single")),
        "square 6x6, blockade, double": (square(36), blockade(SQUARE_RADIUS_UM, "double")),
        "square 6x6, blockade, single": (square(36), blockade(SQUARE_RADIUS_UM, "single")),
        "chain of 34, blockade, double": (chain(34), blockade(CHAIN_RADIUS_UM, "double")),
        "square 6x7, blockade, single": (square(42), blockade(SQUARE_RADIUS_UM, "single")),
    }


def memory_of(name: str, thread_count: int) -> None:
    """Run one work of `memory_works` and print what it took, in state vectors of its precision."""
    sites, settings = memory_works()[name]
    timed(sweep(chain(13), 0.05), settings, repeat=1)
    before = peak_gb()
    seconds, log = timed(sweep(sites, 0.05), settings, repeat=1, thread_count=thread_count)
    vector = log.configuration_count * (16 if settings.precision == "double" else 8) / 1e9
    grown = peak_gb() - before
    print(
        f"{name}: {log.configuration_count} configurations, {grown:.2f} GB more, which is "
        f"{grown / vector:.2f} state vectors (goal 4); {seconds:.1f} s for 0.2 µs, "
        f"{log.step_count} steps",
        flush=True,
    )


def chain_densities(
    program: AhsProgram, settings: RydbergSettings, *, shots: int
) -> tuple[np.ndarray, list[str]]:
    """Evolve a chain and measure it 1000 times; its densities, and how it went."""
    sites = np.array(program.sites_m)
    problem = Problem(
        interactions(distances(sites), settings.c6_rad_m6_per_s),
        drive_of(program, range(len(sites)), settings.phase_sign),
    )
    shape = fitting_shape(problem, sites, settings, evolutions=1)
    found = []

    def measure(chain: AtomChain) -> None:
        chain.sample(np.random.default_rng(1).random((1000, len(sites))))
        found.append(chain.kernel.densities())

    tolerance = max(settings.tolerance, 0.1 / np.sqrt(shots))
    with Watch() as watch:
        run = evolve_chains(
            problem, [(lambda: problem, measure)], shape.reach, settings, tolerance, watch
        )
    return found[0], [str(run)]


def fine_densities(count: int, folder: Path | None) -> np.ndarray:
    """Densities of a long chain, cut a hundred times less, with steps half as long; minutes."""
    path = None if folder is None else folder / f"chain-{count}.npy"
    if path is not None and path.exists():
        return np.load(path)
    fine = RydbergSettings(method="mps", cutoff=1e-11, max_bond=256)
    found, _ = chain_densities(sweep(chain(count)), fine, shots=200_000)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, found)
    return found


def chains(counts: list[int], options: argparse.Namespace) -> None:
    """Matrix product states beside emu-mps; errors are the largest of a density.

    Up to 20 atoms densities are compared with exact ones, above with those of a chain that is cut
    a hundred times less and makes steps half as long.
    """
    for count in counts:
        program = sweep(chain(count))
        settings = RydbergSettings(method="mps")
        begun = time.perf_counter()
        densities, log = chain_densities(program, settings, shots=1000)
        ours = time.perf_counter() - begun
        if count <= 20:
            configurations, shares, _ = distribution(
                program, settings=RydbergSettings(tolerance=1e-7)
            )
            atoms = np.arange(count, dtype=np.uint64)
            exact = shares @ ((configurations[:, None] >> atoms) & np.uint64(1)).astype(float)
        else:
            exact = fine_densities(count, options.keep)
        print(
            f"chain of {count}, mps: {ours:.2f} s, error {largest_difference(densities, exact):.1e}"
        )
        for line in log:
            print(f"    {line}")
        for peer in options.peers.split(","):
            if peer.startswith("emu-mps"):
                compare_with(
                    peer, chain(count), 0.0, options,
                    ours=ours, exact=exact, distance=largest_difference, goal=1.0,
                )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peers", default="braket,bloqade,emu-sv")
    parser.add_argument("--atoms", default="10,12,14,16")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=400.0)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for exact densities of long chains")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--memory-of", default="", help="one of the works of --memory")
    parser.add_argument("--chains", default="", help="atoms of chains as matrix product states")
    options = parser.parse_args()
    if options.memory_of:
        memory_of(options.memory_of, options.threads)
        return
    print_machine(["numpy"])
    for count in (int(text) for text in options.atoms.split(",") if text):
        for name, sites, radius_um in (
            (f"chain of {count}", chain(count), CHAIN_RADIUS_UM),
            (f"square of {count}", square(count), SQUARE_RADIUS_UM),
        ):
            compare(name, sites, 0.0, options)
            compare(name, sites, radius_um, options)
    chains([int(text) for text in options.chains.split(",") if text], options)
    if options.noise:
        seconds, log = timed(
            sweep(chain(12)),
            RydbergSettings(),
            repeat=1,
            thread_count=options.threads,
            noise=AQUILA,
        )
        print(
            f"1000 noisy shots of 12 atoms: {seconds:.1f} s (goal 30 s), {log.evolution_count} "
            "evolutions"
        )
    if options.large:
        large(options.threads)
    if options.memory:
        for name in memory_works():
            command = [sys.executable, __file__, "--memory-of", name]
            subprocess.run([*command, "--threads", str(options.threads)], check=True)


if __name__ == "__main__":
    main()
