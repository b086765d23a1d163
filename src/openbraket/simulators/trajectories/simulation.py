"""A whole simulation with noise: from a circuit and a number of shots to what they give."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit
from openbraket.circuits.memory import kept_state_count
from openbraket.circuits.noisy_parts import NoisyPlan, Place, plan_noisy
from openbraket.circuits.precision import Precision
from openbraket.simulators.observables import joint_basis, rotations
from openbraket.simulators.sampling import bit_columns, estimated
from openbraket.simulators.trajectories.clifford_noise import NoisyStabilizers
from openbraket.simulators.trajectories.draws import (
    Integers,
    batch_sizes,
    choices_of,
    draw_events,
)
from openbraket.simulators.trajectories.frames import Frames
from openbraket.simulators.trajectories.sites import channel_of
from openbraket.simulators.trajectories.tree import CANDIDATE, ERROR, JUMP, Entry, Tree
from openbraket.simulators.values import Simulation

QUBITS_MAX: Final = 40  # of one state vector

Report = Callable[[float], None]


def simulate(
    circuit: Circuit,
    *,
    shots: int,
    thread_count: int = 1,
    seed: int | Sequence[int] | None = None,
    report: Report | None = None,
    precision: Precision = "auto",
    memory_bytes: int = 0,
) -> Simulation:
    """Sample a circuit with noise on |0...0>; every shot is an exact sample.

    Args:
        circuit: At least one qubit; not modified.
        shots: Number of shots, at least 1.
        thread_count: Threads to use, at least 1.
        seed: Makes samples reproducible, whatever the threads: one number or several, at least 0;
            None draws fresh ones.
        report: Called now and then, possibly from another thread, with the share that is done.
        precision: `double`, `single`, or `auto`: single where shots hide the difference.
        memory_bytes: What `trajectories.memory_bytes` estimated.

    Returns:
        Measurements, and the values of all result types that they give.

    Raises:
        ProgramError: If a result type needs shots = 0, or two result types want different bases
            for one qubit.
        LimitError: If a part of the circuit has more than `QUBITS_MAX` qubits.
        NumericsError: If a power of a matrix that is not unitary is asked for.

    Cost:
        For each part one evolution without errors, and for each shot with an error the evolution
        after its first one; equal errors count once. A candidate of a channel that is no mixed
        unitary costs one pass over the state.

    Accuracy:
        None but that of the amplitudes: docs/errors.md.
    """
    if circuit.qubit_count == 0:
        raise ProgramError("The program uses no qubits; at least 1 is needed")
    if shots < 1:
        raise ProgramError("Trajectories need shots of at least 1.")
    bases = joint_basis(circuit.result_types, circuit.qubit_count)
    plan = plan_noisy(circuit, rotations(bases))
    if plan.width > QUBITS_MAX:
        raise LimitError(
            f"The program has {plan.width} qubits that interact; state vectors have at most "
            f"{QUBITS_MAX}."
        )
    measured = circuit.measured or tuple(range(circuit.qubit_count))
    sampler = _Sampler(plan, measured, shots, precision=precision)
    generator = np.random.default_rng(seed)
    bits = sampler.run(
        generator, thread_count=thread_count, memory_bytes=memory_bytes, report=report
    )
    return estimated(circuit, bits, measured)


class _Sampler:
    """A plan, with what is needed to sample each part of it."""

    def __init__(
        self, plan: NoisyPlan, measured: Sequence[int], shots: int, *, precision: Precision
    ) -> None:
        self._plan = plan
        self._shots = shots
        self._is_single = plan.is_single(shots, precision)
        dense = {k for k, part in enumerate(plan.parts) if not part.is_clifford}
        in_dense = {q for k in dense for q in plan.parts[k].qubits}
        self._stabilizer_qubits = [q for q in sorted(set(measured)) if q not in in_dense]
        drawn = [any(part in dense for part, _, _ in place.acts) for place in plan.places]
        others = [place for place, is_drawn in zip(plan.places, drawn, strict=True) if not is_drawn]
        self._others = others
        self._places = [place for place, own in zip(plan.places, drawn, strict=True) if own]
        self._flips = [flips for flips, own in zip(plan.flips, drawn, strict=True) if own]
        self._frames = [
            Frames(
                len(part.qubits),
                part.steps,
                {place: channel_of(noise) for place, noise in part.anchors.items()},
                **({"passes_max": len(part.steps) + 1} if part.is_clifford else {}),
            )
            for part in plan.parts
        ]

    def run(
        self,
        generator: np.random.Generator,
        *,
        thread_count: int,
        memory_bytes: int,
        report: Report | None,
    ) -> NDArray[np.uint8]:
        """Return measured bits of all qubits, shape (shots, qubit_count)."""
        bits = self._clifford_bits(generator)
        if not self._places and not any(not part.is_clifford for part in self._plan.parts):
            return bits
        width = self._plan.width
        kept = kept_state_count(width, memory_bytes, is_single=self._is_single)
        rates = [channel_of(place.noise).rate for place in self._places]
        start = 0
        for size in batch_sizes(rates, self._shots):
            batch = _Batch(self, size, generator)
            own = bits[start : start + size]
            for number, part in enumerate(self._plan.parts):
                if not part.is_clifford:
                    tree = Tree(
                        part,
                        batch.entries(number),
                        generator.random(size),
                        thread_count=thread_count,
                        states_max=1 + kept,
                        is_single=self._is_single,
                        report=_scaled(report, start / self._shots, size / self._shots),
                    )
                    columns = bit_columns(tree.run(), len(part.qubits))
                    own[:, list(part.qubits)] = columns.T
            for qubit, shots in batch.flipped():
                own[shots, qubit] ^= np.uint8(1)
            start += size
        return bits

    def _clifford_bits(self, generator: np.random.Generator) -> NDArray[np.uint8]:
        qubits, qubit_count = self._stabilizer_qubits, self._plan.qubit_count
        if not qubits:
            return np.zeros((self._shots, qubit_count), dtype=np.uint8)
        stabilizers = NoisyStabilizers(self._plan.parts, self._others, qubits)
        sampled = stabilizers.sample(self._shots, generator)
        if len(qubits) == qubit_count:
            return sampled
        bits = np.zeros((self._shots, qubit_count), dtype=np.uint8)
        bits[:, qubits] = sampled
        return bits

    @property
    def plan(self) -> NoisyPlan:
        """The plan."""
        return self._plan

    @property
    def places(self) -> list[Place]:
        """The channels whose events are drawn for the parts with amplitudes."""
        return self._places

    def outside_flips(self, site: int) -> tuple[tuple[int, int], ...]:
        """Return the qubits of a drawn channel that are in no part, and their letters' numbers."""
        return self._flips[site]

    def moved(self, part: int, index: int, letters: str, positions: Sequence[int]) -> Entry | None:
        """Return a Pauli error of one part, as late as it can be; None where it does nothing."""
        x = z = 0
        for letter, position in zip(letters, positions, strict=True):
            if position >= 0 and letter != "I":
                x |= (letter in "XY") << position
                z |= (letter in "YZ") << position
        place, x, z = self._frames[part].moved((index, x, z))
        return (place, ERROR, x, z) if x | z else None


class _Batch:
    """The events of some shots, by part."""

    def __init__(self, sampler: _Sampler, shots: int, generator: np.random.Generator) -> None:
        self._sampler = sampler
        self._shots = shots
        channels = [channel_of(place.noise) for place in sampler.places]
        rates = [channel.rate for channel in channels]
        owners, sites = draw_events(rates, shots, generator)
        draws = generator.random(sites.size)
        choices = choices_of(channels, sites, draws)
        part_count = len(sampler.plan.parts)
        self._entries: list[dict[int, list[Entry]]] = [{} for _ in range(part_count)]
        self._flipped: dict[int, list[int]] = {}
        known: dict[tuple[int, int], list[tuple[int, Entry]]] = {}
        columns = (owners.tolist(), sites.tolist(), choices.tolist(), draws.tolist())
        for shot, site, choice, draw in zip(*columns, strict=True):
            acts = known.get((site, choice))
            if acts is None:
                acts = known[site, choice] = self._acts(site, choice)
            for part, entry in acts:
                if part < 0:
                    self._flipped.setdefault(entry[0], []).append(shot)
                    continue
                own = (entry[0], CANDIDATE, draw, 0) if entry[1] == CANDIDATE else entry
                self._entries[part].setdefault(shot, []).append(own)

    def entries(self, part: int) -> list[tuple[Entry, ...]]:
        """Return the entries of every shot for one part, and note what only flips bits."""
        steps = len(self._sampler.plan.parts[part].steps)
        qubits = self._sampler.plan.parts[part].qubits
        out: list[tuple[Entry, ...]] = [()] * self._shots
        for shot, entries in self._entries[part].items():
            merged = _merged(entries)
            if merged and merged[-1][0] == steps:
                last = merged.pop()
                for position, qubit in enumerate(qubits):
                    if int(last[2]) >> position & 1:
                        self._flipped.setdefault(qubit, []).append(shot)
            out[shot] = tuple(merged)
        return out

    def flipped(self) -> list[tuple[int, Integers]]:
        """Return qubits and the shots in which their measured bits are flipped."""
        for number, part in enumerate(self._sampler.plan.parts):
            if part.is_clifford:
                self.entries(number)
        out = []
        for qubit, shots in sorted(self._flipped.items()):
            counts = np.bincount(np.array(shots, dtype=np.int64), minlength=self._shots)
            out.append((qubit, np.flatnonzero(counts & 1)))
        return out

    def _acts(self, site: int, choice: int) -> list[tuple[int, Entry]]:
        """Return what an event does to each part; part -1 flips the bit of the qubit named."""
        place = self._sampler.places[site]
        channel = channel_of(place.noise)
        if channel.kind != "pauli":
            ((part, index, _),) = place.acts
            kind = CANDIDATE if choice < 0 else JUMP
            return [(part, (index, kind, choice + 1, 0))]
        letters = channel.letters[choice]
        out = []
        for part, index, positions in place.acts:
            entry = self._sampler.moved(part, index, letters, positions)
            if entry is not None:
                out.append((part, entry))
        for qubit, k in self._sampler.outside_flips(site):
            if letters[k] in "XY":
                out.append((-1, (qubit, ERROR, 0, 0)))
        return out


def _merged(entries: list[Entry]) -> list[Entry]:
    """Return entries in order; Pauli errors at one step become one, or none."""
    if len(entries) == 1:
        return entries
    errors: dict[int, tuple[int, int]] = {}
    out: list[Entry] = []
    for place, kind, first, second in entries:
        if kind == ERROR:
            x, z = errors.get(place, (0, 0))
            errors[place] = (x ^ int(first), z ^ second)
        else:
            out.append((place, kind, first, second))
    out += [(place, ERROR, x, z) for place, (x, z) in errors.items() if x | z]
    out.sort()
    return out


def _scaled(report: Report | None, start: float, share: float) -> Report | None:
    if report is None:
        return None
    return lambda fraction: report(start + share * fraction)
