"""What a circuit is compiled for: qubits, couplings, native gates and their calibrated figures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from openbraket.base.errors import LimitError

Dialect = Literal["openqasm", "quil"]

# Two-qubit gates that blocks can be synthesized to, the preferred ones first.
ENTANGLERS: Final = ("cz", "zz", "xx")
# Those with an angle: exp(-i θ PP / 2) for any θ.
ANGLED: Final = frozenset({"zz", "xx"})
# One-qubit gates that together give every rotation, the preferred sets first.
ONE_QUBIT_SETS: Final = (("prx",), ("gpi", "gpi2"), ("rz", "rx"), ("rz", "v", "x"))
# Figures of devices that publish none: typical ones of superconducting devices.
_FIDELITY_ONE_QUBIT: Final = 0.999
_FIDELITY_TWO_QUBIT: Final = 0.99
_FIDELITY_READOUT: Final = 0.97
_DURATION_ONE_QUBIT_S: Final = 40e-9
_DURATION_TWO_QUBIT_S: Final = 80e-9
# A fidelity of 0, which a failed calibration leaves, still is a number that can be compared.
_FIDELITY_MIN: Final = 1e-3
_UNITS_S: Final[Mapping[str, float]] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class Target:
    """A device as the compiler sees it.

    Attributes:
        qubits: Physical qubits, ascending.
        couplings: Pairs (a, b), a < b, that a two-qubit gate may act on; None where every pair is
            coupled.
        native_gates: Names of the native gates as in `circuits.gates`.
        one_qubit_fidelities: Fidelity of a one-qubit gate by qubit, 0 to 1; a default where absent.
        two_qubit_fidelities: Fidelity of a two-qubit gate by pair (a, b), a < b.
        readout_fidelities: Fidelity of a measurement by qubit.
        durations_s: Duration of a gate by name, seconds. A missing one is `one_qubit_s` or
            `two_qubit_s`, but 0 for `rz`, which is a change of the frame.
        one_qubit_s: Duration of a one-qubit gate.
        two_qubit_s: Duration of a two-qubit gate.
        dialect: Language of the compiled program's text.
    """

    qubits: tuple[int, ...]
    couplings: frozenset[tuple[int, int]] | None
    native_gates: tuple[str, ...]
    one_qubit_fidelities: Mapping[int, float] = field(default_factory=dict)
    two_qubit_fidelities: Mapping[tuple[int, int], float] = field(default_factory=dict)
    readout_fidelities: Mapping[int, float] = field(default_factory=dict)
    durations_s: Mapping[str, float] = field(default_factory=dict)
    one_qubit_s: float = _DURATION_ONE_QUBIT_S
    two_qubit_s: float = _DURATION_TWO_QUBIT_S
    dialect: Dialect = "openqasm"

    @classmethod
    def from_capabilities(cls, capabilities: Mapping[str, Any], *, provider_name: str) -> "Target":
        """Return the target that a device's capabilities document describes.

        Args:
            capabilities: The document, with `paradigm` and, for figures, `standardized`.
            provider_name: The device's provider; Rigetti's programs are written in Quil.

        Raises:
            LimitError: If the native gates are none that circuits can be compiled to.
        """
        paradigm = capabilities["paradigm"]
        figures = capabilities.get("standardized") or {}
        graph = paradigm["connectivity"].get("connectivityGraph") or {}
        is_full = paradigm["connectivity"]["fullyConnected"]
        pairs = frozenset(
            (min(int(a), int(b)), max(int(a), int(b)))
            for a, others in graph.items()
            for b in others
        )
        qubits = {int(q) for q in graph} | {q for pair in pairs for q in pair}
        out = cls(
            qubits=tuple(sorted(qubits or range(paradigm["qubitCount"]))),
            couplings=None if is_full else pairs,
            native_gates=tuple(name.lower() for name in paradigm["nativeGateSet"]),
            dialect="quil" if provider_name.lower().startswith("rigetti") else "openqasm",
            **_figures(figures, sorted(qubits or range(paradigm["qubitCount"]))),
        )
        _ = out.entangler, out.one_qubit_set
        return out

    @cached_property
    def entangler(self) -> str:
        """The native two-qubit gate that circuits are compiled to.

        Raises:
            LimitError: If there is none that is known how to use.
        """
        for name in ENTANGLERS:
            if name in self.native_gates:
                return name
        raise LimitError(
            f"Circuits cannot be compiled to the native gates {', '.join(self.native_gates)}: one "
            f"of {', '.join(ENTANGLERS)} is needed."
        )

    @cached_property
    def one_qubit_set(self) -> tuple[str, ...]:
        """The native one-qubit gates that circuits are compiled to.

        Raises:
            LimitError: If there is no set that is known how to use.
        """
        for names in ONE_QUBIT_SETS:
            if set(names) <= set(self.native_gates):
                return names
        shown = "; ".join(", ".join(names) for names in ONE_QUBIT_SETS)
        raise LimitError(
            f"Circuits cannot be compiled to the native gates {', '.join(self.native_gates)}: one "
            f"of these sets is needed: {shown}."
        )

    def fidelity_of(self, qubits: Sequence[int]) -> float:
        """Return the fidelity of a native gate on one qubit or on a pair, 0.001 to 1."""
        if len(qubits) == 1:
            found = self.one_qubit_fidelities.get(qubits[0], _FIDELITY_ONE_QUBIT)
        else:
            pair = (min(qubits), max(qubits))
            found = self.two_qubit_fidelities.get(pair, _FIDELITY_TWO_QUBIT)
        return min(1.0, max(_FIDELITY_MIN, found))

    def readout_fidelity_of(self, qubit: int) -> float:
        """Return the fidelity of a qubit's measurement, 0.001 to 1."""
        found = self.readout_fidelities.get(qubit, _FIDELITY_READOUT)
        return min(1.0, max(_FIDELITY_MIN, found))

    def duration_of(self, name: str, qubit_count: int) -> float:
        """Return the duration of a native gate in seconds."""
        known = self.durations_s.get(name)
        if known is not None:
            return known
        if name == "rz":
            return 0.0
        return self.one_qubit_s if qubit_count == 1 else self.two_qubit_s

    def is_coupled(self, a: int, b: int) -> bool:
        """Return whether a two-qubit gate may act on two physical qubits."""
        return self.couplings is None or (min(a, b), max(a, b)) in self.couplings


def _figures(figures: Mapping[str, Any], qubits: Sequence[int]) -> dict[str, Any]:
    """Return the fields of a target that `standardized` gives."""
    one = {int(q): entry for q, entry in figures.get("oneQubitProperties", {}).items()}
    general = _fidelity(figures.get("singleQubitFidelity"))
    pair_figure = _fidelity(figures.get("twoQubitGateFidelity"))
    readout = _fidelity(figures.get("readoutFidelity"))
    out: dict[str, Any] = {
        "one_qubit_fidelities": _known({
            q: _gate_fidelity(one.get(q, {})) or general for q in qubits
        }),
        "readout_fidelities": _known({q: _readout(one.get(q, {})) or readout for q in qubits}),
        "two_qubit_fidelities": _pairs(figures.get("twoQubitProperties", {})),
    }
    if pair_figure is not None:
        every = {(a, b): pair_figure for a in qubits for b in qubits if a < b}
        out["two_qubit_fidelities"] = every | out["two_qubit_fidelities"]
    for name, key in (
        ("one_qubit_s", "singleQubitGateDuration"),
        ("two_qubit_s", "twoQubitGateDuration"),
    ):
        if key in figures:
            entry = figures[key]
            out[name] = float(entry["value"]) * _UNITS_S[str(entry.get("unit", "s")).lower()]
    return out


def _known(figures: Mapping[int, float | None]) -> dict[int, float]:
    return {qubit: figure for qubit, figure in figures.items() if figure is not None}


def _fidelity(entries: Sequence[Mapping[str, Any]] | None) -> float | None:
    return float(entries[0]["fidelity"]) if entries else None


def _by_type(properties: Mapping[str, Any]) -> dict[str, float]:
    return {
        entry.get("fidelityType", {}).get("name", ""): float(entry["fidelity"])
        for entry in properties.get("oneQubitFidelity", ())
    }


def _gate_fidelity(properties: Mapping[str, Any]) -> float | None:
    found = _by_type(properties)
    # Gates run side by side, so the simultaneous figure is the one that applies.
    for name in ("SIMULTANEOUS_RANDOMIZED_BENCHMARKING", "RANDOMIZED_BENCHMARKING"):
        if name in found:
            return found[name]
    return None


def _readout(properties: Mapping[str, Any]) -> float | None:
    found = _by_type(properties)
    if "READOUT" in found:
        return found["READOUT"]
    errors = [found.get(f"READOUT_ERROR_{way}") for way in ("0_TO_1", "1_TO_0")]
    known = [error for error in errors if error is not None]
    return 1 - math.fsum(known) / len(known) if known else None


def _pairs(properties: Mapping[str, Any]) -> dict[tuple[int, int], float]:
    out = {}
    for name, entry in properties.items():
        a, b = (int(part) for part in name.split("-"))
        figures = [float(figure["fidelity"]) for figure in entry["twoQubitGateFidelity"]]
        if figures:
            out[min(a, b), max(a, b)] = max(figures)
    return out
