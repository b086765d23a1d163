"""Runs the demonstration's hybrid jobs and draws what they report."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from openbraket.cli.demo import jobs

CURVE_ROWS: Final = 7
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"


def show_search(console: Console, progress: Progress, folder: Path) -> None:
    """Search for the ground state of H2 in two jobs, and draw the energy.

    Args:
        console: Where to draw.
        progress: A bar for the iterations.
        folder: Where the picture goes.
    """
    with contextlib.chdir(folder), progress:
        bar = progress.add_task("  iterations", total=jobs.ITERATION_COUNT)
        found = jobs.search_ground_state(lambda count: progress.update(bar, completed=count))
    draw_curve(console, found.energies)
    picture = folder / "h2_energy.png"
    save_curve(found.energies, picture)
    console.print(
        f"  {found.first.name} was {found.first.state()} after {found.first_count} iterations;"
    )
    console.print(f"  {found.second.name} went on from its checkpoint and {found.second.state()}")
    energy = float(found.result["energy"])
    console.print(
        f"  energy {energy:.6f} hartree, {1000 * (energy - jobs.GROUND_ENERGY):.3f} millihartree "
        f"above the exact one; picture in {picture}\n"
    )


def show_decorated(console: Console, folder: Path) -> None:
    """Run a decorated function with PennyLane inside a job.

    Args:
        console: Where to draw.
        folder: Where the result's archive goes.
    """
    began = time.perf_counter()
    with contextlib.chdir(folder):
        job, result = jobs.run_decorated()
    values = ", ".join(f"{name} {value:.4f}" for name, value in sorted(result.items()))
    console.print(f"  {job.name} {job.state()}: {values}")
    console.print(f"  ({time.perf_counter() - began:.1f} s)\n")


def show_failing(console: Console) -> None:
    """Run a script with a mistake in it, and show where the reason appears.

    Args:
        console: Where to draw.
    """
    job, reason = jobs.run_failing()
    console.print(f"  {job.name} {job.state()}: [red]{reason}[/]", markup=True)
    for line in [line for line in jobs.log_lines(job) if line.strip()][-4:]:
        console.print(f"  [dim]log[/] {line}")
    console.print()


def draw_curve(console: Console, values: Mapping[int, float]) -> None:
    """Draw values by iteration, a column each, over the range that they have.

    Args:
        console: Where to draw.
        values: At least one value by iteration.
    """
    heights = [values[number] for number in sorted(values)]
    low, high = min(heights), max(heights)
    scale = 8 * CURVE_ROWS / ((high - low) or 1.0)
    eighths = [max(1, round((height - low) * scale)) for height in heights]
    for row in reversed(range(CURVE_ROWS)):
        columns = "".join(_EIGHTHS[min(max(eighth - 8 * row, 0), 8)] for eighth in eighths)
        edge = {CURVE_ROWS - 1: f"{high:.5f}", 0: f"{low:.5f}"}.get(row, "")
        console.print(f"  {edge:>10} │{columns}")
    console.print(f"  {'':>10} └{'─' * len(heights)} iteration {max(values)}")


def save_curve(values: Mapping[int, float], path: Path) -> None:
    """Save the same curve as a picture.

    Args:
        values: At least one value by iteration, in hartree.
        path: A file name that ends with `.png`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    numbers = sorted(values)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(numbers, [values[number] for number in numbers], marker=".")
    axes.axhline(jobs.GROUND_ENERGY, linestyle="--", linewidth=1, color="gray")
    axes.set(xlabel="iteration", ylabel="energy of H2 (hartree)")
    figure.savefig(path, dpi=150)
