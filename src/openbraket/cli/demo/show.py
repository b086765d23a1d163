"""Runs the demonstration's programs and draws their results."""

import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import boto3
from braket.aws import AwsDevice
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from openbraket.cli.demo import programs, show_jobs
from openbraket.testing import Service, start

BAR_WIDTH: Final = 40
BATCH_SIZE: Final = 200
EVALUATION_COUNT: Final = 30
_BLOCKS: Final = " ▏▎▍▌▋▊▉█"


def run_demo() -> int:
    """Run everything on a fresh service and return the command's exit status."""
    console = Console(highlight=False, soft_wrap=True)
    data_dir = Path(tempfile.mkdtemp(prefix="openbraket-demo-"))
    # The SDK writes what it loads into the current folder, so jobs' results are loaded here.
    files = data_dir / "demo"
    files.mkdir()
    began = time.perf_counter()
    with start(data_dir=data_dir) as service:
        console.print(
            f"[bold]OpenBraket[/] is ready at [cyan]{service.endpoint_url}[/] "
            f"after {time.perf_counter() - began:.2f} s. "
            "Every program below is an unmodified client's.\n"
        )
        bucket = "amazon-braket-openbraket-demo"
        _show_bell(console)
        _show_maxcut(console)
        _show_raw(console, bucket)
        _show_cli(console, bucket)
        _show_batch(console)
        _show_atoms(console)
        _heading(console, 7, "The ground state of H2 by a hybrid job, cancelled half-way, resumed")
        show_jobs.show_search(console, _progress(console), files)
        _heading(console, 8, "A decorated function with PennyLane on lightning.qubit")
        show_jobs.show_decorated(console, files)
        _heading(console, 9, "A script with a mistake, and where the reason appears")
        show_jobs.show_failing(console)
        _show_objects(console, service)
    console.print(f"The service has stopped. Its records and results stay in {data_dir};")
    console.print(f"look at them with [cyan]openbraket serve --data-dir {data_dir}[/].")
    return 0


def draw_histogram(console: Console, counts: Mapping[str, int]) -> None:
    """Draw how often each outcome was measured, one bar for each.

    Args:
        console: Where to draw.
        counts: Number of shots by bit string.
    """
    total = sum(counts.values())
    largest = max(counts.values())
    for outcome, count in sorted(counts.items()):
        console.print(
            f"  |{outcome}⟩ {_bar(count / largest):<{BAR_WIDTH}} {count:5d}  {count / total:6.1%}"
        )


def _bar(share: float) -> str:
    eighths = round(share * BAR_WIDTH * 8)
    return "█" * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")


def _heading(console: Console, number: int, text: str) -> None:
    console.print(f"[bold]{number}. {text}[/]")


def _show_bell(console: Console) -> None:
    _heading(console, 1, "Bell pair, 1000 shots, Braket SDK")
    began = time.perf_counter()
    circuit, task = programs.run_bell()
    console.print(Panel(str(circuit), expand=False))
    draw_histogram(console, task.result().measurement_counts)
    console.print(f"  {task.id}  ({1000 * (time.perf_counter() - began):.0f} ms)\n")


def _show_maxcut(console: Console) -> None:
    _heading(
        console, 2, "MaxCut by QAOA, 20 qubits, p = 2, exact expectation values, SciPy optimiser"
    )
    began = time.perf_counter()
    with _progress(console) as progress:
        bar = progress.add_task("  evaluations", total=EVALUATION_COUNT)
        found = programs.optimise_maxcut(
            evaluation_count=EVALUATION_COUNT, on_evaluation=lambda _: progress.advance(bar)
        )
    elapsed = time.perf_counter() - began
    best = programs.best_cut(found.graph)
    highest = max(found.cuts)
    console.print(
        f"  expected cut  {_sparkline(found.cuts)}  {found.cuts[0]:.2f} → {highest:.2f} edges"
    )
    console.print(
        f"  best cut of the graph {best} of {found.graph.number_of_edges()} edges; "
        f"QAOA reaches {highest / best:.1%} of it "
        f"in {len(found.cuts)} evaluations, {elapsed:.1f} s\n"
    )


def _sparkline(values: list[float]) -> str:
    low, high = min(values), max(values)
    marks = "▁▂▃▄▅▆▇█"
    return "".join(marks[int((value - low) / ((high - low) or 1) * 7)] for value in values)


def _show_raw(console: Console, bucket: str) -> None:
    _heading(console, 3, "The same pair as OpenQASM text, boto3 alone")
    found = programs.run_raw_bell(bucket)
    counts: dict[str, int] = {}
    for shot in found["document"]["measurements"]:
        outcome = "".join(map(str, shot))
        counts[outcome] = counts.get(outcome, 0) + 1
    draw_histogram(console, counts)
    console.print(f"  search_quantum_tasks lists {found['listed']} tasks on SV1\n")


def _show_cli(console: Console, bucket: str) -> None:
    _heading(console, 4, "And through the AWS CLI")
    for command, printed in programs.run_cli_bell(bucket):
        console.print(f"  [dim]$[/] {command}")
        console.print("  " + printed.strip().replace("\n", "\n  "), markup=False)
    console.print()


def _show_batch(console: Console) -> None:
    _heading(console, 5, f"A batch of {BATCH_SIZE} random circuits, device.run_batch")
    circuits = programs.random_circuits(BATCH_SIZE)
    mark = uuid.uuid4().hex
    began = time.perf_counter()
    times: list[float] = []
    with _progress(console) as progress:
        bar = progress.add_task("  completed", total=BATCH_SIZE)

        def watch() -> None:
            while not is_over.wait(0.1) and not progress.finished:
                progress.update(bar, completed=_completed_count(mark))
            times.append(time.perf_counter() - began)

        is_over = threading.Event()
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            batch = AwsDevice(programs.SV1_ARN).run_batch(
                circuits, shots=100, max_parallel=20, tags={"batch": mark}
            )
            results = batch.results()
        finally:
            is_over.set()
            watcher.join()
        progress.update(bar, completed=_completed_count(mark))
    console.print(
        f"  {len(results)} results, {sum(len(result.measurements) for result in results)} shots; "
        f"all had run after {times[0]:.1f} s, and the SDK had read them after "
        f"{time.perf_counter() - began:.1f} s\n"
    )


def _completed_count(mark: str) -> int:
    filters = [
        {"name": "tags:batch", "operator": "EQUAL", "values": [mark]},
        {"name": "status", "operator": "EQUAL", "values": ["COMPLETED"]},
    ]
    pages = boto3.client("braket").get_paginator("search_quantum_tasks").paginate(filters=filters)
    return sum(len(page["quantumTasks"]) for page in pages)


def _show_atoms(console: Console) -> None:
    _heading(
        console, 6, f"{programs.ATOM_COUNT} atoms on Aquila, swept into order, with its errors"
    )
    began = time.perf_counter()
    result = programs.run_atoms()
    for site, density in enumerate(result.get_avg_density()):
        console.print(f"  site {site}  {_bar(float(density)):<{BAR_WIDTH}} {density:6.1%} Rydberg")
    state, count = max(result.get_counts().items(), key=lambda item: item[1])
    console.print(
        f"  most frequent: {state}, {count} of {len(result.measurements)} shots "
        f"({time.perf_counter() - began:.2f} s)\n"
    )


def _show_objects(console: Console, service: Service) -> None:
    _heading(console, 10, "Where the results lie")
    s3 = boto3.client("s3", endpoint_url=service.endpoint_url)
    for bucket in s3.list_buckets()["Buckets"]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
        objects = [item for page in pages for item in page.get("Contents", [])]
        size = sum(item["Size"] for item in objects)
        console.print(f"  s3://{bucket['Name']}  {len(objects)} objects, {size / 1e6:.1f} MB")
        if objects:
            console.print(f"    for example {objects[0]['Key']}")
    console.print()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=BAR_WIDTH),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
