"""`openbraket device`: what an operator does to devices, also of a running server."""

from typing import TYPE_CHECKING, Annotated

import typer

from openbraket.base.errors import OpenBraketError
from openbraket.cli.options import DATA_DIR_DEFAULT, DatabaseUrl, DataDir, fail

if TYPE_CHECKING:
    from pathlib import Path

    from openbraket.devices import Device

device_app = typer.Typer(
    no_args_is_help=True,
    help="Devices. A change takes effect on a running server within a second.",
)
DeviceName = Annotated[str, typer.Argument(help="ARN or name, for example SV1.")]


class UnknownDeviceError(OpenBraketError):
    """No device, or more than one, has the name given."""


class DeviceUnavailableError(OpenBraketError):
    """The device cannot be given the status asked for."""


@device_app.command("list")
def list_devices(*, data_dir: DataDir = DATA_DIR_DEFAULT, database: DatabaseUrl = "") -> None:
    """Show every device with its status."""
    from openbraket.devices import FOLDER_NAME, Catalogue
    from openbraket.store.device_statuses import list_statuses, open_statuses

    try:
        with open_statuses(data_dir.expanduser(), url=database) as connection:
            statuses = list_statuses(connection)
    except OpenBraketError as error:
        fail(error)
    for device in Catalogue(folder=data_dir.expanduser() / FOLDER_NAME).search():
        is_online = device.status == "ONLINE"
        status = statuses.get(device.arn, "ONLINE") if is_online else device.status
        reason = f"  ({device.offline_reason})" if device.offline_reason else ""
        typer.echo(f"{status:8} {device.name:18} {device.arn}{reason}")


@device_app.command("offline")
def take_offline(
    device: DeviceName, *, data_dir: DataDir = DATA_DIR_DEFAULT, database: DatabaseUrl = ""
) -> None:
    """Refuse new tasks; those that wait are kept, those that run go on."""
    _set_status(device, "OFFLINE", data_dir, database)


@device_app.command("retire")
def retire(
    device: DeviceName, *, data_dir: DataDir = DATA_DIR_DEFAULT, database: DatabaseUrl = ""
) -> None:
    """Refuse new tasks as a device does that was retired for good."""
    _set_status(device, "RETIRED", data_dir, database)


@device_app.command("online")
def bring_online(
    device: DeviceName, *, data_dir: DataDir = DATA_DIR_DEFAULT, database: DatabaseUrl = ""
) -> None:
    """Accept and start tasks again."""
    _set_status(device, "ONLINE", data_dir, database)


def _set_status(name: str, status: str, data_dir: "Path", database: str) -> None:
    from openbraket.base.clock import now_ms
    from openbraket.store.device_statuses import clear_status, open_statuses, set_status

    try:
        device = _find(name, data_dir.expanduser())
        if device.status == "RETIRED" and status != "RETIRED":
            raise DeviceUnavailableError(f"Device {device.arn} is retired for good.")
        if status == "ONLINE" and device.offline_reason:
            raise DeviceUnavailableError(
                f"Device {device.arn} cannot be online: {device.offline_reason}."
            )
        with open_statuses(data_dir.expanduser(), url=database) as connection:
            if status == "ONLINE":
                clear_status(connection, device.arn)
            else:
                set_status(connection, device.arn, status, changed_at=now_ms())
    except OpenBraketError as error:
        fail(error)
    typer.echo(f"{status} {device.arn}")


def _find(name: str, data_dir: "Path") -> "Device":
    from openbraket.devices import FOLDER_NAME, Catalogue

    devices = Catalogue(folder=data_dir / FOLDER_NAME).find(name)
    if len(devices) != 1:
        found = ", ".join(device.arn for device in devices) or "none"
        raise UnknownDeviceError(f"'{name}' must name one device of the catalogue; found: {found}.")
    return devices[0]
