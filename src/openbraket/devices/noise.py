"""The noise of a processor, added to a circuit of its native gates: a function of its figures.

A gate with the published average fidelity F on d levels (2 or 4) is followed by relaxation during
its duration t, for each of its qubits, and by depolarization for what is left of 1 - F. With the
diagonal (1, c, c, z) of relaxation in the Pauli basis, c = exp(-t/T2) and z = exp(-t/T1), let
S = Π (1 + 2c + z) over its qubits. The entanglement fidelity of relaxation and depolarization with
factor λ together is

    F_e = (1 + λ (S - 1)) / d²,   and   F = (d F_e + 1) / (d + 1),

which gives λ. Where relaxation alone would err more than the gate does, t is cut to the time in
which it errs as much, and λ = 1: a gate is never worse than its published figure.

Between its first gate and the end of the circuit a qubit that waits relaxes. Each gate ends as late
as those after it allow (`is_serial`: and no other gate runs meanwhile); all qubits are read at the
end. Before its first gate a qubit is in |0>, which does not relax.

Relaxation is exact (amplitude damping, then phase damping) or twirled over the Pauli group: X and Y
with (1 - z)/4 each, Z with (1 + z - 2c)/4. The twirled channel has the same c, z and fidelity, but
carries |1> to the mixed state instead of to |0>.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp, inf
from typing import Final, Literal

from openbraket.circuits.circuit import Circuit, Noise, Operations
from openbraket.devices.calibration import Calibration, QubitFigures

Relaxation = Literal["exact", "twirled"]

# Channels with less than this are left out; a million of them change no figure that is published.
PROBABILITY_MIN: Final = 1e-12
_BISECTIONS: Final = 60
_PERFECT: Final = QubitFigures(inf, inf, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class GateNoise:
    """What follows a gate.

    Attributes:
        relaxation_s: How long its qubits relax, at most its duration.
        depolarization: λ, by which every Pauli operator but the identity shrinks.
    """

    relaxation_s: float
    depolarization: float

    def probability(self, qubit_count: int) -> float:
        """Return the parameter of `depolarizing` or `two_qubit_depolarizing`: 1 - 1/d² of 1 - λ."""
        return (1.0 - self.depolarization) * (1.0 - 0.25**qubit_count)


def gate_noise(fidelity: float, duration_s: float, qubits: Iterable[QubitFigures]) -> GateNoise:
    """Return what follows a gate of a given average fidelity.

    Args:
        fidelity: The gate's average fidelity, 1/(d + 1) to 1; less is taken for that.
        duration_s: How long it takes, in seconds.
        qubits: Its qubits, one or two.

    Returns:
        Relaxation and depolarization that together have this fidelity, λ being at least 0.
    """
    figures = tuple(qubits)
    levels = 2 ** len(figures)
    entanglement = ((levels + 1) * fidelity - 1) / levels
    wanted = levels**2 * entanglement  # of 1 + λ (S - 1)

    def total(time_s: float) -> float:
        product = 1.0
        for own in figures:
            coherence, population = survival(own, time_s)
            product *= 1.0 + 2.0 * coherence + population
        return product

    time_s = duration_s
    if total(time_s) < wanted:
        low, high = 0.0, time_s
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if total(middle) >= wanted else (low, middle)
        return GateNoise(low, 1.0)
    factor = (wanted - 1.0) / (total(time_s) - 1.0)
    return GateNoise(time_s, min(1.0, max(0.0, factor)))


def survival(figures: QubitFigures, time_s: float) -> tuple[float, float]:
    """Return what is left of a qubit's coherence and of its excess population: (c, z)."""
    coherence = 1.0 if figures.t2_s == inf else exp(-time_s / figures.t2_s)
    population = 1.0 if figures.t1_s == inf else exp(-time_s / figures.t1_s)
    return coherence, population


def add_noise(
    circuit: Circuit,
    calibration: Calibration,
    *,
    relaxation: Relaxation,
    classical: frozenset[int] = frozenset(),
) -> Circuit:
    """Return a circuit with the noise of a processor's gates and waiting times.

    Readout is not among it: `error_0_to_1` and `error_1_to_0` act on the measured bits.

    Args:
        circuit: Native gates on one or two qubits, its `qubits` being physical ones; not modified.
        calibration: The processor's figures.
        relaxation: How relaxation acts.
        classical: Positions of qubits that stand for measured bits and make no errors. A `cnot` to
            one is a measurement, which takes the time of a readout; a control on one is a condition
            on its bit, and the gate's noise acts whether or not it is fulfilled.

    Returns:
        The circuit with noise channels between its operations, besides those that it has.

    Raises:
        ValueError: If an operation acts on more than two qubits, or a qubit has no figures.

    Cost: linear in the number of operations; at most three channels for each qubit of each.
    """
    for position, qubit in enumerate(circuit.qubits):
        if qubit not in calibration.qubits and position not in classical:
            raise ValueError(f"The device has no qubit {qubit}.")
    gates = list(_gates(circuit, calibration, classical))
    starts_s = schedule(circuit, gates, is_serial=calibration.is_serial)
    writer = _Writer(circuit, calibration, relaxation)
    for index, (gate, start_s) in enumerate(zip(gates, starts_s, strict=True)):
        writer.add_gate(gate, index, start_s)
    return replace(circuit, operations=writer.finish())


@dataclass(frozen=True, slots=True)
class _Gate:
    """One operation as the schedule sees it.

    Attributes:
        targets: The qubits whose noise it makes; none for gates without.
        occupied: Everything that it keeps busy, measured bits included.
        duration_s: How long.
    """

    targets: tuple[int, ...]
    occupied: tuple[int, ...]
    duration_s: float


def _gates(
    circuit: Circuit, calibration: Calibration, classical: frozenset[int]
) -> Iterator[_Gate]:
    operations = circuit.operations
    for index in range(len(operations)):
        gate = operations.gate(index)
        name = "unitary" if gate is None else gate.name
        start, stop = operations.target_starts[index], operations.target_starts[index + 1]
        occupied = tuple(operations.targets[start:stop])
        targets = tuple(target for target in occupied if target not in classical)
        if len(targets) > 2:
            raise ValueError(f"'{name}' acts on {len(targets)} qubits; native gates have 1 or 2.")
        if len(targets) == 1 and name in calibration.virtual_gates:
            yield _Gate((), occupied, 0.0)
        elif name == "cnot" and len(targets) < len(occupied):
            yield _Gate((), occupied, calibration.readout_s)
        elif len(targets) == 1:
            yield _Gate(targets, occupied, calibration.one_qubit_s)
        else:
            yield _Gate(targets, occupied, calibration.two_qubit_s)


def schedule(circuit: Circuit, gates: Sequence[_Gate], *, is_serial: bool) -> list[float]:
    """Return when each operation starts, in seconds before the end: 0 or less.

    Args:
        circuit: The circuit, for its barriers.
        gates: Its operations.
        is_serial: Whether the device runs one gate at a time.
    """
    barriers = sorted(circuit.barriers, key=lambda barrier: barrier[0])
    limits_s = [0.0] * circuit.qubit_count  # when each qubit's next gate starts
    line_s = 0.0
    starts_s = [0.0] * len(gates)
    for index in range(len(gates) - 1, -1, -1):
        while barriers and barriers[-1][0] > index:
            together = barriers.pop()[1]
            first_s = min((limits_s[target] for target in together), default=0.0)
            for target in together:
                limits_s[target] = first_s
        gate = gates[index]
        end_s = min(limits_s[target] for target in gate.occupied)
        if is_serial and gate.duration_s:
            end_s = min(end_s, line_s)
            line_s = end_s - gate.duration_s
        starts_s[index] = end_s - gate.duration_s
        for target in gate.occupied:
            limits_s[target] = starts_s[index]
    return starts_s


class _Writer:
    """Writes channels in the order of a schedule.

    Relaxation of a qubit commutes with nothing that acts on it, but with everything that does not;
    so it is collected and written before the qubit's next gate.
    """

    def __init__(self, circuit: Circuit, calibration: Calibration, relaxation: Relaxation) -> None:
        self._circuit = circuit
        self._calibration = calibration
        self._is_twirled = relaxation == "twirled"
        self._figures = [calibration.qubits.get(qubit, _PERFECT) for qubit in circuit.qubits]
        count = circuit.qubit_count
        self._free_s: list[float | None] = [None] * count  # when each qubit's last gate ends
        self._relaxed_s = [0.0] * count  # relaxation to be written
        self._factors = [1.0] * count  # λ of depolarization to be written, where it is twirled
        self._given = sorted(circuit.operations.noise, key=lambda noise: noise.index)
        self._given_count = 0
        self._noise: list[Noise] = []
        self._known: dict[tuple[int, ...], GateNoise] = {}

    def add_gate(self, gate: _Gate, index: int, start_s: float) -> None:
        """Write what acts before and after a gate."""
        self._copy_given(index)
        end_s = start_s + gate.duration_s
        if gate.targets or gate.duration_s:
            for target in gate.occupied:
                self._wait(target, start_s)
                self._write_pending(target, index)
                self._free_s[target] = end_s
        if not gate.targets:
            return
        noise = self._noise_after(gate.targets, gate.duration_s)
        for target in gate.targets:
            self._relaxed_s[target] += noise.relaxation_s
        probability = noise.probability(len(gate.targets))
        if len(gate.targets) == 1 and self._is_twirled:
            self._factors[gate.targets[0]] *= noise.depolarization
        elif probability > PROBABILITY_MIN:
            title = "depolarizing" if len(gate.targets) == 1 else "two_qubit_depolarizing"
            self._noise.append(Noise(title, gate.targets, (probability,), (), index + 1))

    def finish(self) -> Operations:
        """Let every qubit wait for the end and return the operations with all channels."""
        end = len(self._circuit.operations)
        self._copy_given(end)
        for target in range(self._circuit.qubit_count):
            self._wait(target, 0.0)
            self._write_pending(target, end)
        return replace(self._circuit.operations, noise=self._noise)

    def _wait(self, target: int, until_s: float) -> None:
        free_s = self._free_s[target]
        if free_s is not None:
            self._relaxed_s[target] += max(0.0, until_s - free_s)

    def _copy_given(self, index: int) -> None:
        """Copy the program's own channels up to an operation."""
        given = self._given
        while self._given_count < len(given) and given[self._given_count].index <= index:
            noise = given[self._given_count]
            for target in noise.targets:
                self._write_pending(target, noise.index)
            self._noise.append(noise)
            self._given_count += 1

    def _noise_after(self, targets: tuple[int, ...], duration_s: float) -> GateNoise:
        key = targets if len(targets) == 1 or targets[0] < targets[1] else targets[::-1]
        found = self._known.get(key)
        if found is None:
            qubits = self._circuit.qubits
            if len(key) == 1:
                fidelity = self._figures[key[0]].fidelity
            else:
                fidelity = self._calibration.pair_fidelity(qubits[key[0]], qubits[key[1]])
            found = gate_noise(fidelity, duration_s, [self._figures[target] for target in key])
            self._known[key] = found
        return found

    def _write_pending(self, target: int, index: int) -> None:
        time_s, factor = self._relaxed_s[target], self._factors[target]
        if time_s > 0.0 or factor < 1.0:
            relax = self._relax_twirled if self._is_twirled else self._relax_exactly
            relax(target, self._figures[target], time_s, factor, index)
        self._relaxed_s[target], self._factors[target] = 0.0, 1.0

    def _relax_twirled(
        self, target: int, figures: QubitFigures, time_s: float, factor: float, index: int
    ) -> None:
        coherence, population = survival(figures, time_s)
        flip = max(0.0, (1.0 - factor * population) / 4)
        phase = max(0.0, (1.0 + factor * (population - 2.0 * coherence)) / 4)
        if 2 * flip + phase > PROBABILITY_MIN:
            probabilities = (flip, flip, phase)
            self._noise.append(Noise("pauli_channel", (target,), probabilities, (), index))

    def _relax_exactly(
        self, target: int, figures: QubitFigures, time_s: float, _factor: float, index: int
    ) -> None:
        coherence, population = survival(figures, time_s)
        damping = 1.0 - population
        dephasing = 1.0 - coherence**2 / population if population else 1.0
        for name, probability in (("amplitude_damping", damping), ("phase_damping", dephasing)):
            if probability > PROBABILITY_MIN:
                self._noise.append(Noise(name, (target,), (probability,), (), index))
