"""A device's published figures, read from its profile into the numbers that its twin needs.

What a capabilities document does not have stands in the profile's own member `twin`: durations of
gates that the provider does not publish, gates that cost nothing, and whether gates run one at a
time. docs/qpu_twins.md lists every value that is not a published one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Any, Final

_SECONDS: Final[Mapping[str, float]] = {
    "s": 1.0, "S": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9,
}  # fmt: skip
# Where a document has several figures for one thing, the first of these that it has.
_ONE_QUBIT_TYPES: Final = ("RANDOMIZED_BENCHMARKING", "SIMULTANEOUS_RANDOMIZED_BENCHMARKING")
_VIRTUAL_GATES_DEFAULT: Final = ("rz",)
_TWIN_MEMBERS: Final = frozenset({
    "singleQubitGateDuration", "twoQubitGateDuration", "readoutDuration", "virtualGates",
    "isSerial",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class QubitFigures:
    """What is known of one qubit.

    Attributes:
        t1_s: Decay time of |1>, in seconds; infinite where it is not known.
        t2_s: Decay time of coherences, in seconds, at most twice T1.
        fidelity: Average fidelity of a one-qubit gate.
        error_0_to_1: Probability that |0> is read as 1.
        error_1_to_0: Probability that |1> is read as 0.
    """

    t1_s: float
    t2_s: float
    fidelity: float
    error_0_to_1: float
    error_1_to_0: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of a device.

    Attributes:
        qubits: Figures by physical qubit.
        pairs: Average fidelity of a two-qubit gate by coupled pair, lower index first; pairs that
            are missing have `pair_default`.
        pair_default: Average fidelity of a two-qubit gate where its pair has no figure.
        one_qubit_s: Duration of a one-qubit gate, in seconds.
        two_qubit_s: Duration of a two-qubit gate, in seconds.
        readout_s: Duration of a measurement, in seconds.
        virtual_gates: One-qubit gates, lower case, that take no time and make no error.
        is_serial: Whether the device runs one gate at a time.
    """

    qubits: Mapping[int, QubitFigures]
    pairs: Mapping[tuple[int, int], float]
    pair_default: float
    one_qubit_s: float
    two_qubit_s: float
    readout_s: float
    virtual_gates: frozenset[str]
    is_serial: bool

    def pair_fidelity(self, a: int, b: int) -> float:
        """Return the average fidelity of a two-qubit gate on two physical qubits."""
        return self.pairs.get((min(a, b), max(a, b)), self.pair_default)


def read_calibration(
    capabilities: Mapping[str, Any], twin: Mapping[str, Any] | None = None
) -> Calibration:
    """Return what a profile says of a gate-model processor.

    Args:
        capabilities: The capabilities document, decoded; its `standardized` member may have any
            version of its schema.
        twin: The profile's member of that name.

    Returns:
        The figures. A time T2 that is missing or 0 is taken for unpublished and replaced by the
        median of the others; one above 2·T1 is cut to it. What no figure is given for has none of
        that error.

    Raises:
        ValueError: If a figure is out of range, or `twin` has an unknown member.
    """
    own = _checked(twin or {})
    paradigm = capabilities["paradigm"]
    standardized = capabilities.get("standardized") or {}
    indices = _qubit_indices(paradigm)
    common = _CommonFigures.of(capabilities)
    rows = standardized.get("oneQubitProperties") or {}
    t2_published = [t for row in rows.values() if (t := _seconds(row.get("T2")))]
    t2_default = median(t2_published) if t2_published else common.t2_s
    qubits = {q: _qubit(rows.get(str(q)) or {}, common, t2_default) for q in indices}
    natives = frozenset(name.lower() for name in paradigm.get("nativeGateSet") or ())
    pairs = {
        _pair(name): _pair_fidelity(row, natives)
        for name, row in (standardized.get("twoQubitProperties") or {}).items()
    }
    return Calibration(
        qubits=qubits,
        pairs=pairs,
        pair_default=median(pairs.values()) if pairs else common.pair_fidelity,
        one_qubit_s=_duration("singleQubitGateDuration", own, standardized),
        two_qubit_s=_duration("twoQubitGateDuration", own, standardized),
        readout_s=_duration("readoutDuration", own, standardized),
        virtual_gates=frozenset(own.get("virtualGates", _VIRTUAL_GATES_DEFAULT)),
        is_serial=bool(own.get("isSerial", False)),
    )


@dataclass(frozen=True, slots=True)
class _CommonFigures:
    """Figures that a document gives for all qubits together."""

    t1_s: float
    t2_s: float
    fidelity: float
    readout: float
    pair_fidelity: float

    @classmethod
    def of(cls, capabilities: Mapping[str, Any]) -> "_CommonFigures":
        standardized = capabilities.get("standardized") or {}
        provider = (capabilities.get("provider") or {}).get("fidelity") or {}

        def first(name: str, provider_name: str) -> float:
            entries = standardized.get(name)
            if entries:
                return _fraction(entries[0]["fidelity"], name)
            return _fraction(provider.get(provider_name, {}).get("mean", 1.0), provider_name)

        return cls(
            t1_s=_seconds(standardized.get("T1")) or inf,
            t2_s=_seconds(standardized.get("T2")) or inf,
            fidelity=first("singleQubitFidelity", "1Q"),
            readout=first("readoutFidelity", "spam"),
            pair_fidelity=first("twoQubitGateFidelity", "2Q"),
        )


def _checked(twin: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = sorted(twin.keys() - _TWIN_MEMBERS)
    if unknown:
        raise ValueError(
            f"twin of a device profile has the unknown member '{unknown[0]}'; known: "
            f"{', '.join(sorted(_TWIN_MEMBERS))}."
        )
    return twin


def _qubit_indices(paradigm: Mapping[str, Any]) -> Iterable[int]:
    graph = (paradigm.get("connectivity") or {}).get("connectivityGraph")
    return sorted(map(int, graph)) if graph else range(int(paradigm["qubitCount"]))


def _qubit(row: Mapping[str, Any], common: _CommonFigures, t2_default: float) -> QubitFigures:
    found = {
        entry["fidelityType"]["name"]: _fraction(entry["fidelity"], entry["fidelityType"]["name"])
        for entry in row.get("oneQubitFidelity") or ()
    }
    t1_s = _seconds(row.get("T1")) or common.t1_s
    t2_s = _seconds(row.get("T2")) or t2_default
    fidelity = next((found[name] for name in _ONE_QUBIT_TYPES if name in found), common.fidelity)
    error = 1.0 - found.get("READOUT", common.readout)
    return QubitFigures(
        t1_s=t1_s,
        t2_s=min(t2_s, 2.0 * t1_s),
        fidelity=fidelity,
        error_0_to_1=found.get("READOUT_ERROR_0_TO_1", error),
        error_1_to_0=found.get("READOUT_ERROR_1_TO_0", error),
    )


def _pair(name: str) -> tuple[int, int]:
    a, b = sorted(map(int, name.split("-")))
    return a, b


def _pair_fidelity(row: Mapping[str, Any], natives: frozenset[str]) -> float:
    found = {
        str(entry.get("gateName", "")).lower(): _fraction(entry["fidelity"], "twoQubitGateFidelity")
        for entry in row.get("twoQubitGateFidelity") or ()
    }
    of_natives = [fidelity for name, fidelity in found.items() if name in natives]
    return min(of_natives or found.values(), default=1.0)


def _duration(name: str, own: Mapping[str, Any], standardized: Mapping[str, Any]) -> float:
    return _seconds(own.get(name)) or _seconds(standardized.get(name)) or 0.0


def _seconds(entry: Mapping[str, Any] | None) -> float:
    """Return a time in seconds, 0 where there is none.

    Raises:
        ValueError: If it is negative or inf, or in an unknown unit.
    """
    if not entry:
        return 0.0
    seconds = float(entry["value"]) * _SECONDS.get(str(entry["unit"]), -inf)
    if not 0.0 <= seconds < inf:
        raise ValueError(f"A time of a device profile is {entry['value']!r} {entry['unit']!r}.")
    return seconds


def _fraction(value: object, name: str) -> float:
    if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError(f"The fidelity {name} of a device profile is {value!r}, not 0 to 1.")
    return float(value)
