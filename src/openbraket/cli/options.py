"""What the commands share: options and how they fail."""

from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from openbraket.base.errors import OpenBraketError

DataDir = Annotated[Path, typer.Option(help="Folder of all records and objects.")]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="OPENBRAKET_DATABASE",
        show_envvar=True,
        help="PostgreSQL for the records: postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME. "
        "By default they are a file in the data directory.",
    ),
]
DATA_DIR_DEFAULT: Final = Path("~/.openbraket")


def fail(error: OpenBraketError) -> NoReturn:
    """Say what went wrong and end the command.

    Raises:
        Exit: With status 1.
    """
    typer.echo(f"openbraket: {error}", err=True)
    raise typer.Exit(1)
