"""`openbraket doctor`: what this machine allows the service, and what it does not."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from openbraket.cli.options import DATA_DIR_DEFAULT, DatabaseUrl, DataDir

_GIB: Final = 1 << 30
# With less room than this, records and results will soon find none.
_DISK_BYTES_MIN: Final = _GIB


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: In a few words.
        is_ok: Whether it is as it should be.
        text: What was found.
        is_needed: Whether the service cannot do without it.
    """

    name: str
    is_ok: bool
    text: str
    is_needed: bool = False


def doctor(
    *,
    host: Annotated[str, typer.Option(help="Address that the service is to listen on.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its TCP port.")] = 4567,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    database: DatabaseUrl = "",
) -> None:
    """Look at what the service and its hybrid jobs need on this machine.

    Raises:
        Exit: With status 1 where the service could not run.
    """
    checks = []
    for check in _checks(host, port, data_dir.expanduser(), database):
        sign = "ok" if check.is_ok else "NO" if check.is_needed else "--"
        typer.echo(f"{sign:3} {check.name:20} {check.text}")
        checks.append(check)
    if any(check.is_needed and not check.is_ok for check in checks):
        raise typer.Exit(1)


def _checks(host: str, port: int, data_dir: Path, database: str) -> Iterator[Check]:
    yield data_check(data_dir)
    yield records_check(data_dir, database)
    yield port_check(host, port)
    yield kernels_check()
    yield memory_check()
    from openbraket.jobs.doctor import findings

    for finding in findings():
        yield Check(finding.name, finding.ok, finding.text)


def data_check(data_dir: Path) -> Check:
    """Return whether records and objects can be kept in a data directory, without making it."""
    name = "data directory"
    place = data_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(name, False, f"{place} cannot be written to", is_needed=True)
    free = shutil.disk_usage(place).free
    return Check(
        name,
        free >= _DISK_BYTES_MIN,
        f"{data_dir}, {free / _GIB:.1f} GiB are free",
        is_needed=free < _DISK_BYTES_MIN,
    )


def records_check(data_dir: Path, database: str) -> Check:
    """Return whether a server could use the records of a data directory, without changing them."""
    from openbraket.base.errors import StoreError
    from openbraket.store.data_directory import SQLITE_NAME, require_sqlite
    from openbraket.store.shared_snapshot import describe_database

    try:
        if database:
            return Check("records", True, describe_database(data_dir, database))
        require_sqlite(data_dir)
    except StoreError as error:
        return Check("records", False, str(error), is_needed=True)
    path = data_dir / SQLITE_NAME
    return Check("records", True, f"{path}{'' if path.exists() else ', not made yet'}")


def port_check(host: str, port: int) -> Check:
    """Return whether a server could listen on an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1)
        except OSError as error:
            text = f"{host} port {port}: {error.strerror}; a server may be running there"
            return Check("address", False, text)
    return Check("address", True, f"{host} port {port} is free")


def kernels_check() -> Check:
    """Return whether simulations can run, and on which variant of the kernels."""
    from openbraket.kernels import runnable_variants, variant

    found = ", ".join(runnable_variants()) or "none"
    return Check("kernels", variant != "none", f"{variant} (can run: {found})", is_needed=True)


def memory_check() -> Check:
    """Return how much simulations may use."""
    from openbraket.base.machine import memory_bytes_available
    from openbraket.server.settings import cpu_count

    memory = memory_bytes_available()
    # A state vector of n qubits has 2ⁿ amplitudes of 16 bytes.
    qubit_count = (memory // 16).bit_length() - 1
    text = (
        f"{memory / _GIB:.1f} GiB for simulations, {qubit_count} qubits; {cpu_count()} processors"
    )
    return Check("memory", True, text)
