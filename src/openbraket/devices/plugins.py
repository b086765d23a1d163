"""Devices that other packages bring, by entry points of the group `openbraket.devices`.

An entry point names a class with an attribute `profile`, which is what `profiles.read_profile`
takes or the path of such a file, and a method `run(program, shots)`; docs/own_device.md has an
example. The server reads the profile; only workers make an object of the class.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from openbraket.devices.profiles import Device, ProfileError, read_profile

GROUP: Final = "openbraket.devices"

_log = logging.getLogger("openbraket.devices")


@dataclass(frozen=True, slots=True)
class DeviceProgram:
    """What a device of another package gets to run.

    Attributes:
        source: The program as flat OpenQASM 3: gates of Braket's dialect with numbers for all
            parameters, rotations for the results asked for, and a measurement of each measured
            qubit at the end.
        qubits: Indices of the qubits that it uses, ascending.
        measured_qubits: Indices of the measured qubits, in the order of the bits of a shot.
    """

    source: str
    qubits: tuple[int, ...]
    measured_qubits: tuple[int, ...]


def plugin_devices() -> list[Device]:
    """Return the devices of installed packages.

    One that cannot be loaded is left out, and the log says why: a package must not keep the
    service from starting.
    """
    return list(_load_all())


def load_plugin(name: str) -> Any:  # noqa: ANN401  (a foreign class)
    """Return the class of an entry point.

    Args:
        name: The entry point's name.

    Raises:
        ProfileError: If no installed package has such an entry point.
    """
    for entry in entry_points(group=GROUP, name=name):
        return entry.load()
    raise ProfileError(f"No installed package has the entry point '{name}' of the group {GROUP}.")


def _load_all() -> Iterator[Device]:
    seen: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            device = _read(entry)
        except Exception as error:  # whatever a foreign package does
            _log.error("the device of entry point '%s' is left out: %s", entry.name, error)
            continue
        if device.arn in seen:
            _log.error(
                "the device of entry point '%s' is left out: '%s' has its ARN %s",
                entry.name, seen[device.arn], device.arn,
            )  # fmt: skip
            continue
        seen[device.arn] = entry.name
        yield device


def _read(entry: EntryPoint) -> Device:
    loaded = entry.load()
    profile = loaded.profile
    if isinstance(profile, str | Path):
        profile = Path(profile).read_bytes()
    if not callable(getattr(loaded, "run", None)):
        raise ProfileError("its class has no method run(program, shots)")
    return read_profile(profile, plugin=entry.name)
