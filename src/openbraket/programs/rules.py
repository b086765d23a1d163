"""What a device allows, decided from its capabilities document alone.

A new device therefore needs data, not code. Messages are the service's own where they are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Final

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit

OPENQASM_ACTION: Final = "braket.ir.openqasm.program"

# Operations that a task must ask for, wherever a device lists them.
EXPERIMENTAL_OPERATIONS: Final = frozenset({"cc_prx", "measure_ff"})
# What a tensor-network device takes where a task asks for more than AWS's limits.
EXTENDED_QUBITS_MAX: Final = 1000
EXTENDED_SHOTS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class ResultRule:
    """How a device supports one result type.

    Attributes:
        observables: Names of allowed observables; None where the result type has none.
        shots_min: Fewest shots, inclusive.
        shots_max: Most shots, inclusive.
    """

    observables: frozenset[str] | None
    shots_min: int
    shots_max: int


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one device for OpenQASM programs.

    Attributes:
        operations: Supported gates and directives, lower case.
        modifiers: Supported gate modifiers; the value is the largest number of controls or None.
        power_types: Types of exponents that `pow` may have.
        supported_pragmas: Pragmas by the names of the capabilities document.
        forbidden_pragmas: Pragmas that are refused by name.
        qubit_registers_max: Most qubit registers, or None.
        bit_registers_max: Most bit registers, or None.
        forbidden_array_operations: Ways of indexing that are refused.
        needs_all_measured: Whether explicit measurements must cover every declared qubit.
        needs_contiguous_qubits: Whether every declared qubit must be used.
        allows_physical_qubits: Whether `$0` may be used.
        allows_partial_verbatim: Whether gates may stand outside verbatim boxes.
        allows_unassigned_measurements: Whether `measure q;` may leave out the bit.
        result_types: Supported result types by their names in the document.
        native_gates: Gates of verbatim boxes, lower case; empty where the device has none.
        physical_qubits: Indices of the qubits that the device has; None where it numbers none.
        couplings: Pairs of qubits that a gate can act on, lower index first; None means all.
        outputs_max: Most `output` variables, or None.
        gate_count_max: Most gates of a program, or None.
        can_keep_qubits: Whether a task may ask for no rewiring outside of verbatim boxes.
        error_mitigation: Fewest shots by type of error mitigation that the device has.
        is_experimental: Whether the task has asked for experimental capabilities.
        shots_min: Fewest shots of a task.
        shots_max: Most shots of a task.
        actions: Action types that the device accepts.
        qubit_count_max: Number of qubits of the device.
        depth_max: Largest depth of a program, or None.
    """

    operations: frozenset[str]
    modifiers: Mapping[str, int | None]
    power_types: frozenset[str]
    supported_pragmas: frozenset[str]
    forbidden_pragmas: frozenset[str]
    qubit_registers_max: int | None
    bit_registers_max: int | None
    forbidden_array_operations: frozenset[str]
    needs_all_measured: bool
    needs_contiguous_qubits: bool
    allows_physical_qubits: bool
    allows_partial_verbatim: bool
    allows_unassigned_measurements: bool
    result_types: Mapping[str, ResultRule]
    native_gates: frozenset[str]
    physical_qubits: frozenset[int] | None
    couplings: frozenset[tuple[int, int]] | None
    outputs_max: int | None
    gate_count_max: int | None
    can_keep_qubits: bool
    error_mitigation: Mapping[str, int]
    shots_min: int
    shots_max: int
    actions: tuple[str, ...]
    qubit_count_max: int
    is_experimental: bool = False
    depth_max: int | None = None
    _shown_operations: str = field(default="", repr=False)

    @classmethod
    def from_capabilities(
        cls, document: Mapping[str, Any], action_type: str = OPENQASM_ACTION
    ) -> "Rules":
        """Read the rules from a capabilities document.

        Args:
            document: The device's capabilities, decoded.
            action_type: The action whose entry says what is supported.

        Returns:
            The rules; empty of operations where the device takes no such action.
        """
        action = document.get("action", {}).get(action_type, {})
        paradigm = document.get("paradigm", {})
        shots_min, shots_max = document["service"]["shotsRange"]
        modifiers = {m["name"]: m for m in action.get("supportedModifiers") or ()}
        operations = action.get("supportedOperations") or ()
        return cls(
            operations=frozenset(name.lower() for name in operations),
            modifiers={name: m.get("max_qubits") for name, m in modifiers.items()},
            power_types=frozenset(modifiers.get("pow", {}).get("exponent_types") or ()),
            supported_pragmas=frozenset(action.get("supportedPragmas") or ()),
            forbidden_pragmas=frozenset(action.get("forbiddenPragmas") or ()),
            qubit_registers_max=action.get("maximumQubitArrays"),
            bit_registers_max=action.get("maximumClassicalArrays"),
            forbidden_array_operations=frozenset(action.get("forbiddenArrayOperations") or ()),
            needs_all_measured=action.get("requiresAllQubitsMeasurement", False),
            needs_contiguous_qubits=action.get("requiresContiguousQubitIndices", False),
            allows_physical_qubits=action.get("supportPhysicalQubits", False),
            allows_partial_verbatim=action.get("supportsPartialVerbatimBox", True),
            allows_unassigned_measurements=action.get("supportsUnassignedMeasurements", True),
            result_types={
                entry["name"]: _result_rule(entry, shots_max)
                for entry in action.get("supportedResultTypes") or ()
            },
            native_gates=frozenset(g.lower() for g in paradigm.get("nativeGateSet") or ()),
            physical_qubits=_physical_qubits(paradigm),
            couplings=_couplings(paradigm),
            outputs_max=action.get("maximumOutputs"),
            gate_count_max=action.get("maximumGates"),
            can_keep_qubits=action.get("disabledQubitRewiringSupported") or False,
            error_mitigation={
                name: scheme["minimumShots"]
                for name, scheme in (
                    (document.get("provider") or {}).get("errorMitigation") or {}
                ).items()
            },
            shots_min=shots_min,
            shots_max=shots_max,
            actions=tuple(document.get("action", {})),
            qubit_count_max=int(paradigm.get("qubitCount") or 0),
            _shown_operations=", ".join(operations),
        )

    def with_experimental(self) -> "Rules":
        """Return the rules of a task that has asked for experimental capabilities."""
        return replace(self, is_experimental=True)

    def extended(self) -> "Rules":
        """Return the rules of a tensor-network device that keeps to its own limits, not AWS's."""
        exact = {name: ResultRule(None, 0, 0) for name in ("Amplitude",)}
        sampled = {
            name: replace(
                rule, shots_min=0 if name != "Sample" else 1, shots_max=EXTENDED_SHOTS_MAX
            )
            for name, rule in self.result_types.items()
        }
        probability = {"Probability": ResultRule(None, 0, EXTENDED_SHOTS_MAX)}
        pragmas = {"braket_result_type_amplitude", "braket_result_type_probability"}
        return replace(
            self,
            result_types=sampled | exact | probability,
            supported_pragmas=self.supported_pragmas | pragmas,
            shots_min=0,
            shots_max=EXTENDED_SHOTS_MAX,
            qubit_count_max=EXTENDED_QUBITS_MAX,
            depth_max=None,
        )

    def refuse_gate(self, name: str) -> str | None:
        """Return why a gate or directive is not allowed, or None."""
        if name.lower() in self.operations:
            if self.is_experimental or name.lower() not in EXPERIMENTAL_OPERATIONS:
                return None
            return (
                f"uses '{name}', which is an experimental capability; enable it with "
                "experimentalCapabilities."
            )
        return (
            f"uses '{name}', which the device does not support. "
            f"Supported operations: {self._shown_operations}."
        )

    def refuse_verbatim(self, name: str, qubits: Sequence[int | None]) -> str | None:
        """Return why a gate call inside a verbatim box is not allowed, or None.

        Args:
            name: The gate.
            qubits: Its physical qubits; None for an operand that is none.
        """
        if None in qubits:
            return "Physical qubits are required in verbatim box."
        if self.native_gates and name.lower() not in self.native_gates:
            return (
                f"In verbatim boxes, native gates are required. {name} is not a device native gate."
            )
        if name.lower() in EXPERIMENTAL_OPERATIONS:
            return self.refuse_gate(name)
        return self.refuse_coupling([qubit for qubit in qubits if qubit is not None])

    def refuse_physical(self, index: int) -> str | None:
        """Return why a program may not use the physical qubit of this index, or None."""
        if not self.allows_physical_qubits:
            return f"uses the physical qubit ${index}, which the device does not support."
        if self.physical_qubits is not None and index not in self.physical_qubits:
            return f"uses the physical qubit ${index}, which the device does not have."
        return None

    def refuse_coupling(self, qubits: Sequence[int]) -> str | None:
        """Return why a gate cannot act on these physical qubits together, or None."""
        if self.couplings is not None:
            for a, b in combinations(qubits, 2):
                if (min(a, b), max(a, b)) not in self.couplings:
                    return f"has disconnected qubits {a} and {b}"
        return None

    def refuse_outputs(self, count: int) -> str | None:
        """Return why a program may not declare so many `output` variables, or None."""
        if self.outputs_max is None or count <= self.outputs_max:
            return None
        return (
            f"declares {count} output variables, more than the device's limit of "
            f"{self.outputs_max}."
        )

    def refuse_modifier(self, name: str, control_count: int, exponent: float | None) -> str | None:
        """Return why a gate modifier is not allowed, or None."""
        if name not in self.modifiers:
            shown = ", ".join(self.modifiers) or "none"
            return (
                f"uses the gate modifier '{name}', which the device does not support. "
                f"Supported modifiers: {shown}."
            )
        control_count_max = self.modifiers[name]
        if control_count_max is not None and control_count > control_count_max:
            return (
                f"uses {control_count} control qubits in '{name}', more than the device's limit "
                f"of {control_count_max}."
            )
        if name == "pow" and exponent is not None:
            exponent_type = "int" if float(exponent).is_integer() else "float"
            if self.power_types and exponent_type not in self.power_types:
                shown = ", ".join(sorted(self.power_types))
                return f"uses pow({exponent}), but the device supports exponents of type {shown}."
        return None

    def refuse_pragma(self, name: str) -> str | None:
        """Return why a pragma is not allowed, or None; names as in the capabilities document."""
        if name in self.supported_pragmas and name not in self.forbidden_pragmas:
            return None
        shown = ", ".join(sorted(self.supported_pragmas)) or "none"
        return (
            f"uses the pragma '{name}', which the device does not support. "
            f"Supported pragmas: {shown}."
        )

    def refuse_qubits(
        self,
        registers: Sequence[tuple[str, int, int, bool]],
        used: set[int],
        measured: set[int],
    ) -> str | None:
        """Return why the use of the declared qubits is not allowed, or None.

        Args:
            registers: Name, first qubit, size and "declared without brackets" of each register.
            used: Qubits that a gate, a measurement or a result type touches.
            measured: Qubits measured explicitly.
        """
        declared = {q for _, start, size, _ in registers for q in range(start, start + size)}
        if self.needs_all_measured and measured and not declared | used <= measured:
            return (
                "Device requires all qubits in the program to be measured. This may be caused by "
                "declaring non-contiguous qubits or measuring partial qubits"
            )
        if not self.needs_contiguous_qubits:
            return None
        for name, start, size, is_single in registers:
            unused = [i for i in range(size) if start + i not in used]
            if unused:
                shown = name if is_single else ", ".join(f"{name}[{i}]" for i in unused[:20])
                more = ", …" if len(unused) > 20 else ""
                return (
                    f"Device requires contiguous qubits. Qubit register {name} has unused qubits "
                    f"{shown}{more}."
                )
        return None


def _physical_qubits(paradigm: Mapping[str, Any]) -> frozenset[int] | None:
    if "connectivity" not in paradigm:
        return None
    graph = paradigm["connectivity"]["connectivityGraph"]
    return frozenset(map(int, graph or range(paradigm["qubitCount"])))


def _couplings(paradigm: Mapping[str, Any]) -> frozenset[tuple[int, int]] | None:
    connectivity = paradigm.get("connectivity")
    if connectivity is None or connectivity["fullyConnected"]:
        return None
    return frozenset(
        (min(int(a), int(b)), max(int(a), int(b)))
        for a, neighbours in connectivity["connectivityGraph"].items()
        for b in neighbours
    )


def _result_rule(entry: Mapping[str, Any], shots_max: int) -> ResultRule:
    observables = entry.get("observables")
    entry_shots_max = entry.get("maxShots")
    return ResultRule(
        observables=None if observables is None else frozenset(o.lower() for o in observables),
        shots_min=entry.get("minShots") or 0,
        shots_max=shots_max if entry_shots_max is None else entry_shots_max,
    )


def check_size(circuit: Circuit, rules: Rules) -> None:
    """Check a circuit's number of gates against the device's limit.

    Raises:
        LimitError: If it has more.
    """
    count_max = rules.gate_count_max
    if count_max is not None and len(circuit.operations) > count_max:
        raise LimitError(
            f"The program has {len(circuit.operations):,} gates, more than the device's limit of "
            f"{count_max:,}."
        )


def check_depth(circuit: Circuit, rules: Rules) -> None:
    """Check the number of layers of a circuit against the device's limit.

    Raises:
        LimitError: If it has more.
    """
    if rules.depth_max is None or len(circuit.operations) <= rules.depth_max:
        return
    operations, layers = circuit.operations, [0] * circuit.qubit_count
    starts = operations.target_starts
    for index in range(len(operations)):
        targets = operations.targets[starts[index] : starts[index + 1]]
        layer = 1 + max((layers[target] for target in targets), default=0)
        for target in targets:
            layers[target] = layer
    depth = max(layers, default=0)
    if depth > rules.depth_max:
        raise LimitError(
            f"The program has a depth of {depth:,}, more than the device's limit of "
            f"{rules.depth_max:,}."
        )


def check_wiring(circuit: Circuit, rules: Rules) -> None:
    """Check that a circuit can run on exactly the qubits that the program names.

    Raises:
        ProgramError: If the device does not have such a qubit or coupling.
    """
    for qubit in circuit.qubits:
        if rules.physical_qubits is not None and qubit not in rules.physical_qubits:
            raise ProgramError(f"The program uses qubit {qubit}, which the device does not have.")
    operations = circuit.operations
    starts, targets = operations.target_starts, operations.targets
    for index in range(len(operations)):
        qubits = [circuit.qubits[t] for t in targets[starts[index] : starts[index + 1]]]
        message = rules.refuse_coupling(qubits)
        if message is not None:
            raise ProgramError(f"The program {message}")
