"""One twin: from a program's circuit to the bits that the processor would read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from openbraket.circuits.deferred import defer
from openbraket.compilation import (
    Compiled,
    CompiledFeedback,
    Target,
    compile_circuit,
    compile_feedback,
)
from openbraket.devices.calibration import Calibration, read_calibration
from openbraket.devices.noise import add_noise
from openbraket.programs.twin_size import ROUTING_QUBITS
from openbraket.runners.twins.feedback import misread_bits
from openbraket.runners.twins.readout import misread
from openbraket.simulators.noisy import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from openbraket.circuits.circuit import Circuit
    from openbraket.circuits.dynamic import FeedbackCircuit
    from openbraket.circuits.precision import Precision
    from openbraket.devices import Device

Noise = Literal["off", "calibrated"]
Relaxation = Literal["auto", "exact", "twirled"]

# Up to this width `auto` takes exact relaxation; above, twirled, which costs less to draw and
# leaves Clifford programs to stabilizers.
EXACT_QUBITS_MAX: Final = 10
# What every worker has, whatever was estimated: small density matrices, a few state vectors.
MEMORY_BYTES_MIN: Final = 192 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Readings:
    """What a twin gave for one program.

    Attributes:
        bits: What was read, uint8, shape (shots, measured qubits), in the order of the program.
        compiled: The compiled program, without its measurements for feedback.
        source: The compiled program as the provider writes it.
        readout_s: Duration of the readout, in seconds.
        qubit_count: Number of qubits of the device.
        sharpened: The sharpened histogram of a debiased task; None for others.
    """

    bits: NDArray[np.uint8]
    compiled: Compiled
    source: str
    readout_s: float
    qubit_count: int
    sharpened: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """How a program is to be run.

    Attributes:
        shots: How often, at least 1.
        noise: Whether the twin has its device's errors.
        relaxation: How those of T1 and T2 act.
        keeps_qubits: Whether to run on exactly the qubits that the program names.
        seed: Makes the readings reproducible; None draws fresh ones.
        thread_count: Threads to use.
        memory_bytes: What the simulation may use.
        precision: Of the amplitudes.
        report: Called now and then with the share that is done.
    """

    shots: int
    noise: Noise = "calibrated"
    relaxation: Relaxation = "auto"
    keeps_qubits: bool = False
    seed: int | Sequence[int] | None = None
    thread_count: int = 1
    memory_bytes: int = 0
    precision: Precision = "auto"
    report: Callable[[float], None] | None = None


@dataclass(frozen=True)
class TwinMachine:
    """The twin of a device.

    Attributes:
        target: The device as the compiler sees it.
        calibration: Its figures.
    """

    target: Target
    calibration: Calibration

    def run(self, circuit: Circuit, run: Run) -> Readings:
        """Compile, simulate and read a program.

        Args:
            circuit: The program; noise of its own is not allowed.
            run: How.

        Returns:
            Its readings; bits of all program qubits, in the joint basis of its result types, where
            it measures nothing explicitly.

        Raises:
            ProgramError: If the device has no such qubit or coupling, or a gate in a verbatim box
                is not native.
            LimitError: If the program does not fit.
        """
        compiled = self._compile(circuit, keeps_qubits=run.keeps_qubits)
        bits = self._measure(compiled.circuit, run)
        return self._readings(bits, compiled, compiled.source())

    def run_feedback(self, program: FeedbackCircuit, run: Run) -> Readings:
        """Compile, simulate and read a program with `measure_ff` and `cc_prx`.

        Args:
            program: The program.
            run: How.

        Returns:
            As `run`.

        Raises:
            ProgramError: As `run`.
            LimitError: If the program does not fit; each measurement for feedback counts as a
                qubit.
        """
        compiled = self._compile_feedback(program, keeps_qubits=run.keeps_qubits)
        deferred = defer(compiled.program)
        if run.noise != "off":
            deferred = misread_bits(deferred, compiled.program, self.calibration)
        bits = self._measure(deferred.circuit, run, classical=frozenset(deferred.classical))
        return self._readings(bits, compiled.compiled, compiled.source())

    def _compile(self, circuit: Circuit, *, keeps_qubits: bool) -> Compiled:
        """Compile a program to about as many qubits as it has, which is what was admitted."""
        target = self.target
        compiled = compile_circuit(circuit, target, is_rewiring_disabled=keeps_qubits)
        smaller = self._smaller(circuit, compiled, keeps_qubits=keeps_qubits)
        return compiled if smaller is None else compile_circuit(circuit, smaller)

    def _compile_feedback(
        self, program: FeedbackCircuit, *, keeps_qubits: bool
    ) -> CompiledFeedback:
        """Compile a program with feedback; the rest as `_compile`."""
        found = compile_feedback(program, self.target, is_rewiring_disabled=keeps_qubits)
        smaller = self._smaller(program.circuit, found.compiled, keeps_qubits=keeps_qubits)
        return found if smaller is None else compile_feedback(program, smaller)

    def _smaller(
        self, circuit: Circuit, compiled: Compiled, *, keeps_qubits: bool
    ) -> Target | None:
        """Return a connected region of a program's own size where it must be compiled again.

        Routing may lead qubits through others, which are then simulated, too: that is so where
        these are more than `ROUTING_QUBITS`.
        """
        target = self.target
        count_max = circuit.qubit_count + ROUTING_QUBITS
        is_bound = keeps_qubits or circuit.boxes or target.couplings is None
        if is_bound or compiled.circuit.qubit_count <= count_max:
            return None
        region = _region(target, compiled.initial_layout.values(), circuit.qubit_count)
        inside = {(a, b) for a, b in target.couplings or () if a in region and b in region}
        return replace(target, qubits=tuple(sorted(region)), couplings=frozenset(inside))

    def _readings(self, bits: NDArray[np.uint8], compiled: Compiled, source: str) -> Readings:
        own = self.calibration
        return Readings(bits, compiled, source, own.readout_s, len(own.qubits))

    def _measure(
        self, circuit: Circuit, run: Run, classical: frozenset[int] = frozenset()
    ) -> NDArray[np.uint8]:
        seeds = np.random.SeedSequence(run.seed).spawn(2)
        seed = [int(word) for word in seeds[0].generate_state(4)]
        measured = circuit.measured or tuple(range(circuit.qubit_count))
        simulated = circuit
        if run.noise != "off":
            relaxation = run.relaxation
            if relaxation == "auto":
                is_narrow = circuit.qubit_count <= EXACT_QUBITS_MAX
                relaxation = "exact" if is_narrow else "twirled"
            simulated = add_noise(
                circuit, self.calibration, relaxation=relaxation, classical=classical
            )
        bits = simulate(
            simulated,
            shots=run.shots,
            thread_count=run.thread_count,
            seed=seed,
            report=run.report,
            precision=run.precision,
            memory_bytes=max(run.memory_bytes, MEMORY_BYTES_MIN),
        ).measurements
        if bits is None:
            raise AssertionError("a simulation with shots has measurements")
        if run.noise == "off":
            return bits
        qubits = [circuit.qubits[position] for position in measured]
        return misread(bits, qubits, self.calibration, np.random.default_rng(seeds[1]))


def _region(target: Target, near: Iterable[int], count: int) -> set[int]:
    """Return connected qubits, grown from one of some by the best couplings to the rest."""
    fidelities = {
        pair: target.two_qubit_fidelities.get(pair, 1.0) for pair in target.couplings or ()
    }
    wanted = set(near)
    best: set[int] = set()
    best_score = -inf
    for start in sorted(wanted):
        region = {start}
        while len(region) < count:
            edges = [
                (b in wanted or a in wanted, fidelity, a if b in region else b)
                for (a, b), fidelity in fidelities.items()
                if (a in region) != (b in region)
            ]
            if not edges:
                break
            region.add(max(edges)[2])
        inner = [f for (a, b), f in fidelities.items() if a in region and b in region]
        score = sum(inner) if len(region) == count else -inf
        if score > best_score or not best:
            best, best_score = region, score
    return best


def machine_of(device: Device) -> TwinMachine:
    """Return the twin of a device, made once in each process.

    Raises:
        ProgramError: If the device's document is not one of a gate-model processor.
    """
    return _machine(_Key(device))


@dataclass(frozen=True, eq=False)
class _Key:
    """A device as a key: the same ARN with the same document."""

    device: Device

    def __hash__(self) -> int:
        return hash(self.device.arn)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.device is self.device


@lru_cache(maxsize=16)
def _machine(key: _Key) -> TwinMachine:
    device = key.device
    calibration = read_calibration(device.capabilities, device.twin)
    target = Target.from_capabilities(device.capabilities, provider_name=device.provider_name)
    durations = dict.fromkeys(calibration.virtual_gates, 0.0)
    return TwinMachine(
        replace(
            target,
            one_qubit_s=calibration.one_qubit_s,
            two_qubit_s=calibration.two_qubit_s,
            durations_s=durations,
        ),
        calibration,
    )
