"""Device profiles: what one JSON file says of a device.

A new device needs a new file and no code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import orjson

from openbraket.base.errors import OpenBraketError
from openbraket.devices.backends import BACKEND_TITLES, PLUGIN, QPU_TWIN, missing_reason
from openbraket.devices.windows import ALWAYS

DeviceType = Literal["QPU", "SIMULATOR"]
DeviceStatus = Literal["ONLINE", "OFFLINE", "RETIRED"]
REGIONS: Final = ("us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1")
_MEMBERS: Final = (
    "arn", "name", "providerName", "type", "status", "regions", "capabilities",
)  # fmt: skip


@dataclass(frozen=True)
class Device:
    """One device of the catalogue.

    Attributes:
        arn: The device's ARN.
        name: `deviceName` on the wire.
        provider_name: `providerName` on the wire.
        type: `QPU` or `SIMULATOR`.
        status: `ONLINE`, `OFFLINE` or `RETIRED`, before the operator has a say.
        regions: Regions that know the device.
        capabilities: The capabilities document, decoded; must not be changed.
        backend: What runs its tasks, a key of `backends.BACKEND_TITLES`; "" where nothing does.
        twin: Figures of a processor that its capabilities document does not have; see
            `calibration`.
        plugin: Name of the entry point whose class runs its tasks; "" for backends of our own.
    """

    arn: str
    name: str
    provider_name: str
    type: DeviceType
    status: DeviceStatus
    regions: tuple[str, ...]
    capabilities: Mapping[str, Any] = field(repr=False)
    backend: str = ""
    twin: Mapping[str, Any] = field(default_factory=dict, repr=False)
    plugin: str = ""
    _documents: dict[bool, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def offline_reason(self) -> str:
        """Why the device cannot be online in this version; "" where it can."""
        return missing_reason(self.backend)

    @property
    def execution_windows(self) -> Sequence[Mapping[str, Any]]:
        """When the device that the profile describes starts tasks; see `windows.is_open`."""
        windows: Sequence[Mapping[str, Any]] = self.capabilities["service"]["executionWindows"]
        return windows

    @property
    def shots_range(self) -> tuple[int, int]:
        """Fewest and most shots of a task, both inclusive."""
        shots_min, shots_max = self.capabilities["service"]["shotsRange"]
        return int(shots_min), int(shots_max)

    @property
    def action_types(self) -> tuple[str, ...]:
        """Action types that the device accepts."""
        return tuple(self.capabilities["action"])

    @property
    def qubit_count(self) -> int:
        """Number of qubits that the device advertises; 0 where it has no such figure."""
        return int(self.capabilities.get("paradigm", {}).get("qubitCount", 0))

    def capabilities_json(self, *, has_windows: bool = False) -> str:
        """Return the capabilities document as GetDevice gives it.

        Args:
            has_windows: Whether the service keeps to the profile's execution windows; if not, the
                document says that the device is always open, which is what clients ask it for.

        Returns:
            JSON text, kept for the next call.
        """
        text = self._documents.get(has_windows)
        if text is None:
            document = dict(self.capabilities)
            if not has_windows:
                document["service"] = {**document["service"], "executionWindows": ALWAYS}
            text = orjson.dumps(document).decode()
            self._documents[has_windows] = text
        return text


class ProfileError(OpenBraketError, ValueError):
    """A device profile is wrong, or cannot be read."""


def read_profile(content: bytes | Mapping[str, Any], *, plugin: str = "") -> Device:
    """Return the device of one profile.

    Args:
        content: JSON, or the same decoded, with `arn`, `name`, `providerName`, `type`, `status`,
            `regions`, `capabilities` and, unless retired, `backend`, and for the twin of a
            processor the optional `twin`. What GetDevice answers is taken, too, for a twin of that
            device.
        plugin: Name of the entry point that runs the device's tasks; "" for a backend of our own.

    Returns:
        The device; OFFLINE where this version does not have its backend.

    Raises:
        ProfileError: If the profile is no such object, or has an unknown type, status, region or
            backend.
    """
    profile = _decoded(content)
    if plugin:
        profile = {**profile, "backend": PLUGIN}
    missing = [name for name in _MEMBERS if name not in profile]
    if missing:
        raise ProfileError(f"A device profile has no member '{missing[0]}'.")
    known = (
        ("type", get_args(DeviceType)),
        ("status", get_args(DeviceStatus)),
        ("backend", ("", *BACKEND_TITLES)),
    )
    for name, allowed in known:
        if profile.get(name, "") not in allowed:
            raise ProfileError(
                f"{name} of a device profile is {profile.get(name)!r}, not {allowed}."
            )
    if not set(profile["regions"]) <= set(REGIONS):
        raise ProfileError(f"A region of {profile['regions']} is not one of {REGIONS}.")
    backend = profile.get("backend", "")
    is_missing = profile["status"] == "ONLINE" and (not backend or missing_reason(backend))
    return Device(
        arn=profile["arn"],
        name=profile["name"],
        provider_name=profile["providerName"],
        type=profile["type"],
        status="OFFLINE" if is_missing else profile["status"],
        regions=tuple(profile["regions"]),
        capabilities=profile["capabilities"],
        backend=backend,
        twin=profile.get("twin", {}),
        plugin=plugin,
    )


def _decoded(content: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    profile: Any = content
    if isinstance(content, bytes):
        try:
            profile = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise ProfileError(f"A device profile is no JSON: {error}.") from None
    if not isinstance(profile, Mapping):
        raise ProfileError(f"A device profile must be an object, not {type(profile).__name__}.")
    text = profile.get("deviceCapabilities")
    if not isinstance(text, str):
        return profile
    arn = str(profile["deviceArn"])
    region = arn.split(":")[3] if arn.count(":") > 3 else ""
    return {
        "arn": arn,
        "name": profile["deviceName"],
        "providerName": profile["providerName"],
        "type": profile["deviceType"],
        "status": "ONLINE",
        "regions": (region,) if region else REGIONS,
        "backend": QPU_TWIN,
        "capabilities": orjson.loads(text),
    }
