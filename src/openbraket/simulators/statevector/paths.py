"""What the paths of a dynamic program measure, put together to one table of all shots."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Operations, ResultType
from openbraket.circuits.dynamic import Sampled, Trace, resolve
from openbraket.simulators.observables import joint_basis, rotations
from openbraket.simulators.sampling import measured_bits, sampled_value
from openbraket.simulators.statevector.state import StateVector
from openbraket.simulators.values import Value

MEASURED_BITS_MAX: Final = 1 << 25  # of all shots
OUTPUT_VALUES_MAX: Final = 1 << 22  # numbers in all output variables of all shots

Bits = NDArray[np.uint8]
# Register, element and measured qubit of each column; None where a path measures nothing.
_Columns = tuple[tuple[int, int, int], ...] | None
Outputs = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DynamicSimulation:
    """What the simulation of a dynamic program found.

    Attributes:
        result_types: The results that the program requests, in order.
        values: One value for each of them.
        measurements: Measured bits, uint8, shape (shots, len(measured)).
        measured: Position of each column's qubit.
        outputs: Values of the output variables of each shot; None where there are none.
    """

    result_types: tuple[ResultType, ...]
    values: tuple[Value, ...]
    measurements: Bits
    measured: tuple[int, ...]
    outputs: list[Outputs] | None


@dataclass(slots=True)
class _Group:
    """Paths that measure the same.

    Attributes:
        first_path: The first of their paths.
        order: A digest of each path, by which shots are put in an order free of threads.
        bits: Measured bits of each path, shape (shots, columns).
        outputs: Outputs of each path's shots.
    """

    first_path: bytes
    order: list[bytes] = field(default_factory=list)
    bits: list[Bits] = field(default_factory=list)
    outputs: list[list[Outputs]] = field(default_factory=list)


class PathResults:
    """Collects the results of paths, from any thread.

    Args:
        qubit_count: Number of qubits of the program.
        shots: Shots of all paths together.
        seed: Decides all draws; None decides nothing.
        check_results: Called once with the requested result types; raises an error to refuse them.
    """

    def __init__(
        self,
        qubit_count: int,
        shots: int,
        *,
        seed: int | None = None,
        check_results: Callable[[tuple[ResultType, ...]], None] | None = None,
    ) -> None:
        self.shots = shots
        self._qubit_count = qubit_count
        self._key = repr(np.random.SeedSequence(seed).entropy).encode()
        self._check_results = check_results
        self._result_types: tuple[ResultType, ...] | None = None
        self._rotations = Operations()
        self._groups: dict[_Columns, _Group] = {}
        self._lock = threading.Lock()

    def generator(self, path: bytes) -> np.random.Generator:
        """Return the generator of what is drawn on a path behind its first outcomes."""
        return np.random.Generator(np.random.PCG64(int.from_bytes(self._digest(b"path", path))))

    def add(
        self,
        path: bytes,
        shots: int,
        trace: Trace,
        state: StateVector,
        generator: np.random.Generator,
    ) -> None:
        """Measure a path's final state and keep its results.

        Args:
            path: Its outcomes.
            shots: How many shots took it, at least 1.
            trace: The path, ended.
            state: The state at its end; may be changed.
            generator: Draws what is measured at the end.

        Raises:
            ProgramError: If its results are refused, or not those of other paths.
            LimitError: If all shots together have too many bits or output values.
        """
        measures_all = not trace.columns
        width = self._qubit_count if measures_all else len(trace.columns)
        self._check_size(trace, width)
        self._request(trace)
        state.apply(self._rotations)
        sampled_outputs = trace.sampled_outputs
        sampled = any(isinstance(column.bit, Sampled) for column in trace.columns)
        states = np.empty(0, dtype=np.uint64)
        if measures_all or sampled or sampled_outputs:
            states = state.sample(shots, generator)
        if measures_all:
            bits = measured_bits(states, self._qubit_count)
        else:
            bits = self._column_bits(trace, states, shots)
        outputs = list(self._outputs(trace, states, shots, sampled_outputs))
        columns = tuple((c.register, c.index, c.qubit) for c in trace.columns) or None
        with self._lock:
            group = self._groups.setdefault(columns, _Group(path))
            group.first_path = min(group.first_path, path)
            group.order.append(self._digest(b"order", path))
            group.bits.append(bits)
            group.outputs.append(outputs)

    def collect(self) -> DynamicSimulation:
        """Return the results of all paths, the shots in a random order."""
        measured, bits, digests = self._table()
        outputs = [o for group in self._groups.values() for path in group.outputs for o in path]
        order = np.argsort(np.array(digests), kind="stable")
        order = self.generator(b"shuffled").permutation(order)
        bits = np.ascontiguousarray(bits[order])
        result_types = self._result_types or ()
        return DynamicSimulation(
            result_types=result_types,
            values=tuple(sampled_value(bits, result_type) for result_type in result_types),
            measurements=bits,
            measured=measured,
            outputs=[outputs[i] for i in order.tolist()] if outputs else None,
        )

    def _table(self) -> tuple[tuple[int, ...], Bits, list[bytes]]:
        """Return each column's qubit, the bits of all shots and each shot's digest of its path."""
        digests = [
            digest
            for group in self._groups.values()
            for digest, part in zip(group.order, group.bits, strict=True)
            for _ in range(len(part))
        ]
        parts = {columns: np.concatenate(group.bits) for columns, group in self._groups.items()}
        named = sorted(
            ((group.first_path, columns) for columns, group in self._groups.items() if columns),
            reverse=True,
        )
        if not named:
            return tuple(range(self._qubit_count)), parts[None], digests
        # Where paths measure different qubits into one element, the first path names it.
        qubits = {(r, i): qubit for _, columns in named for r, i, qubit in columns}
        places = {key: place for place, key in enumerate(sorted(qubits))}
        if len(places) * self.shots > MEASURED_BITS_MAX:
            self._refuse_bits(len(places))
        table = np.zeros((len(digests), len(places)), dtype=np.uint8)
        row = 0
        for columns, part in parts.items():
            own = [places[r, i] for r, i, _ in columns or ()]
            if columns:
                table[row : row + len(part), own] = part
            row += len(part)
        return tuple(qubits[key] for key in places), table, digests

    def _digest(self, purpose: bytes, path: bytes) -> bytes:
        return blake2b(path, digest_size=16, key=self._key[:64], person=purpose).digest()

    def _check_size(self, trace: Trace, width: int) -> None:
        if width * self.shots > MEASURED_BITS_MAX:
            self._refuse_bits(width)
        outputs = trace.outputs or {}
        count = sum(len(value) if isinstance(value, list) else 1 for value in outputs.values())
        if count * self.shots > OUTPUT_VALUES_MAX:
            raise LimitError(
                f"The program's output variables have {count:,} values in each of {self.shots:,} "
                f"shots, together more than the limit of {OUTPUT_VALUES_MAX:,}."
            )

    def _refuse_bits(self, width: int) -> None:
        raise LimitError(
            f"The program measures {width:,} bits in each of {self.shots:,} shots, together more "
            f"than the limit of {MEASURED_BITS_MAX:,}."
        )

    def _request(self, trace: Trace) -> None:
        """Check that a path requests the results that all others do.

        Raises:
            ProgramError: If it does not, or its outputs measure what a result needs.
        """
        with self._lock:
            if self._result_types is None:
                if self._check_results is not None:
                    self._check_results(trace.result_types)
                bases = joint_basis(trace.result_types, self._qubit_count)
                self._rotations = rotations(bases)
                self._result_types = trace.result_types
        if trace.result_types != self._result_types:
            raise ProgramError(
                f"A path of the program requests {len(trace.result_types)} results, another one "
                f"{len(self._result_types)} or different ones; all paths must request the same."
            )
        if trace.result_types and trace.sampled_outputs:
            raise ProgramError(
                "Qubits should not be explicitly measured when result types are requested."
            )

    def _column_bits(self, trace: Trace, states: NDArray[np.uint64], shots: int) -> Bits:
        known = [0 if isinstance(c.bit, Sampled) else c.bit for c in trace.columns]
        bits = np.tile(np.array(known, dtype=np.uint8), (shots, 1))
        open_ = [
            (place, column.bit.qubit)
            for place, column in enumerate(trace.columns)
            if isinstance(column.bit, Sampled)
        ]
        if open_:
            places, qubits = zip(*open_, strict=True)
            shifts = np.array(self._qubit_count - 1 - np.array(qubits), dtype=np.uint64)
            bits[:, places] = (states[:, None] >> shifts) & np.uint64(1)
        return bits

    def _outputs(
        self, trace: Trace, states: NDArray[np.uint64], shots: int, sampled: tuple[int, ...]
    ) -> Iterator[Outputs]:
        """Give the outputs of each shot; equal ones are one object."""
        if not trace.outputs:
            return
        if not sampled:
            yield from [trace.outputs] * shots
            return
        shifts = {qubit: self._qubit_count - 1 - qubit for qubit in sampled}
        mask = sum(1 << shift for shift in shifts.values())
        known: dict[int, Outputs] = {}
        for state in (states & np.uint64(mask)).tolist():
            outputs = known.get(state)
            if outputs is None:
                bits = {qubit: state >> shift & 1 for qubit, shift in shifts.items()}
                outputs = {name: resolve(value, bits) for name, value in trace.outputs.items()}
                known[state] = outputs
            yield outputs
