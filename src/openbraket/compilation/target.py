"""What a circuit is compiled for: qubits, couplings, native gates and their calibrated figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from openbraket.base.errors import LimitError

Dialect = Literal["openqasm", "quil"]

# Two-qubit gates that blocks can be synthesized to, the preferred ones first.
ENTANGLERS: Final = ("cz", "zz", "xx", "iswap", "ecr", "ms")
# One-qubit gates that together give every rotation, the preferred sets first.
ONE_QUBIT_SETS: Final = (("prx",), ("gpi", "gpi2"), ("rz", "rx"), ("rz", "v", "x"))
# Figures of devices that publish none: a superconducting one's typical fidelities and durations.
_FIDELITY_ONE_QUBIT: Final = 0.999
_FIDELITY_TWO_QUBIT: Final = 0.99
_FIDELITY_READOUT: Final = 0.97
_DURATION_ONE_QUBIT_S: Final = 40e-9
_DURATION_TWO_QUBIT_S: Final = 80e-9
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
        durations_s: Duration of a gate by name, seconds; those that are missing have
            `one_qubit_s` or `two_qubit_s`. `rz` takes no time unless it is given here.
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
