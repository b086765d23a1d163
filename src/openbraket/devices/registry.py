"""The catalogue: which devices there are, whoever brings them.

The package's profiles stand in `catalogue/`, one JSON file each; other packages bring devices by
entry points; an operator by profile files, which the server copies to its data directory, so that
workers and commands read what the server has read.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from openbraket.devices.backends import QPU_TWIN
from openbraket.devices.calibration import read_calibration
from openbraket.devices.plugins import plugin_devices
from openbraket.devices.profiles import Device, ProfileError, read_profile

# Folder of the operator's profiles in a data directory.
FOLDER_NAME: Final = "devices"
PROFILE_BYTES_MAX: Final = 20_000_000
_PACKAGED: Final = Path(__file__).with_name("catalogue")


class Catalogue:
    """All devices by ARN.

    Args:
        devices: The devices; by default those of the package's profiles, of installed packages and
            of `folder`, read on first use.
        folder: Where `install_profiles` has put the operator's own profiles; None means nowhere.
    """

    def __init__(
        self, devices: Iterable[Device] | None = None, *, folder: Path | None = None
    ) -> None:
        self._given = None if devices is None else tuple(devices)
        self._folder = folder

    @cached_property
    def _by_arn(self) -> dict[str, Device]:
        devices = self._given
        if devices is None:
            # A later device takes the place of an earlier one with its ARN.
            devices = (*_packaged(), *plugin_devices(), *_own(self._folder))
        return {device.arn: device for device in sorted(devices, key=lambda device: device.arn)}

    def get(self, arn: str, region: str | None = None) -> Device | None:
        """Return a device, or None where there is none of that ARN (in that region).

        Args:
            arn: The device's ARN; case matters.
            region: Only a device that this region knows; None means any region.
        """
        device = self._by_arn.get(arn)
        if device is None or (region is not None and region not in device.regions):
            return None
        return device

    def require(self, arn: str) -> Device:
        """Return a device that is known to exist.

        Raises:
            KeyError: There is none of that ARN.
        """
        return self._by_arn[arn]

    def find(self, name: str) -> list[Device]:
        """Return the devices that an operator may mean: by ARN, or by name or last part of the ARN.

        Args:
            name: An ARN, or a name in any case; `SV1`, `sv1` and `Forte-1` are names.
        """
        if name in self._by_arn:
            return [self._by_arn[name]]
        wanted = name.lower()
        devices = self._by_arn.values()
        return [d for d in devices if wanted in {d.name.lower(), d.arn.rpartition("/")[2].lower()}]

    def search(self, region: str | None = None) -> list[Device]:
        """Return the devices that a region knows, retired ones included, ordered by ARN.

        Args:
            region: The region; None means all.
        """
        devices = self._by_arn.values()
        return [device for device in devices if region is None or region in device.regions]


def install_profiles(paths: Sequence[Path], folder: Path) -> None:
    """Put an operator's profiles where a catalogue finds them, in place of those of the last time.

    Args:
        paths: Profile files, in the form of the package's own or as GetDevice answers.
        folder: The folder; created where it is needed.

    Raises:
        ProfileError: If a file cannot be read, is no profile, or two have the same ARN; nothing is
            changed then.
    """
    contents: list[bytes] = []
    seen: dict[str, Path] = {}
    for path in paths:
        content = _read(path)
        device = read_device(content, str(path))
        if device.arn in seen:
            raise ProfileError(f"{path} and {seen[device.arn]} are both of {device.arn}.")
        seen[device.arn] = path
        contents.append(content)
    if not contents and not folder.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / f"{index:04}.json": content for index, content in enumerate(contents)}
    # Another server on the same folder may be reading: what is there already stays untouched.
    for path, content in wanted.items():
        if not path.exists() or path.read_bytes() != content:
            aside = path.with_suffix(f".{os.getpid()}.new")
            aside.write_bytes(content)
            aside.replace(path)
    for old in folder.glob("*.json"):
        if old not in wanted:
            old.unlink(missing_ok=True)


def read_device(content: bytes, name: str) -> Device:
    """Return the device of an operator's profile, checked as far as its backend needs it.

    Args:
        content: The file.
        name: What messages call it.

    Raises:
        ProfileError: If it is no profile of a device that can run here.
    """
    try:
        device = read_profile(content)
        if device.backend == QPU_TWIN:
            check_twin(device)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"member {error} is missing" if isinstance(error, KeyError) else str(error)
        raise ProfileError(f"{name} is no device profile: {detail}") from None
    return device


def check_twin(device: Device) -> None:
    """Check that a profile has what its twin needs.

    Raises:
        ProfileError: If it has not.
        ValueError: If a figure is out of range.
    """
    paradigm = device.capabilities["paradigm"]
    if not paradigm.get("nativeGateSet"):
        raise ProfileError("paradigm has no nativeGateSet.")
    calibration = read_calibration(device.capabilities, device.twin)
    if len(calibration.qubits) != device.qubit_count:
        raise ProfileError(
            f"paradigm has qubitCount {device.qubit_count}, but its connectivityGraph has "
            f"{len(calibration.qubits)} qubits."
        )
    if not device.execution_windows or len(device.shots_range) != 2:
        raise ProfileError("service needs executionWindows and a shotsRange.")


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > PROFILE_BYTES_MAX:
            raise ProfileError(
                f"{path} has {size} bytes; a profile has {PROFILE_BYTES_MAX} at most."
            )
        return path.read_bytes()
    except OSError as error:
        raise ProfileError(f"The device profile {path} cannot be read: {error.strerror}.") from None


def _packaged() -> list[Device]:
    return [read_profile(path.read_bytes()) for path in sorted(_PACKAGED.glob("*.json"))]


def _own(folder: Path | None) -> list[Device]:
    devices: list[Device] = []
    for path in sorted(folder.glob("*.json")) if folder is not None else ():
        # Gone: a server that has just started puts others there.
        with suppress(FileNotFoundError):
            devices.append(read_device(path.read_bytes(), str(path)))
    return devices
