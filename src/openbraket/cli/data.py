"""`openbraket backup` and `openbraket check`: what an operator does to a data directory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from openbraket.base.errors import OpenBraketError
from openbraket.cli.options import DATA_DIR_DEFAULT, DatabaseUrl, DataDir, fail


def backup(
    target: Annotated[
        Path, typer.Argument(help="Where to: an empty folder, or an earlier backup to update.")
    ],
    *,
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Copy all records and objects, also while a server runs on them.

    The copy is a data directory: `openbraket serve --data-dir TARGET` runs on it.
    """
    from openbraket.server.backup import back_up

    try:
        with _progress() as report:
            done = back_up(data_dir.expanduser(), target.expanduser(), report)
    except OpenBraketError as error:
        fail(error)
    records = f"{done.record_bytes / 2**20:.1f} MiB of records"
    typer.echo(f"{target} holds {records} and {done.content_count} contents")


def check(
    *,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    database: DatabaseUrl = "",
    contents: Annotated[
        bool, typer.Option("--contents", help="Also read every object and compare its checksum.")
    ] = False,
) -> None:
    """Look for damage in a data directory, also while a server runs on it.

    Raises:
        Exit: With status 1 where there is damage.
    """
    from openbraket.server import backup as backups

    try:
        with _progress() as report:
            findings = backups.check(
                data_dir.expanduser(), report, reads_contents=contents, url=database
            )
    except OpenBraketError as error:
        fail(error)
    for finding in findings:
        typer.echo(finding)
    if findings:
        raise typer.Exit(1)
    typer.echo(f"{data_dir.expanduser()} is sound")


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Give a report that draws a bar for each stage, where a terminal sees it."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bars = {}

        def report(stage: str, share: float) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=1.0)
            progress.update(bars[stage], completed=share)

        yield report
