"""What a dynamic program is to a simulator: a tree of outcomes, one trace for each path into it.

A dynamic program measures or resets a qubit and goes on: it reads the outcome, or uses the qubit
again. Where it needs an outcome is a *point*. A simulator gives the outcomes of the first points
and gets back what the program does up to the next one:

1. `trace(())` gives the operations before the first point, and the point.
2. The simulator applies them, finds the probability of each outcome of `trace.points[-1]`,
   chooses or branches, and projects: on |outcome>, and for a `reset` then moves the qubit to |0>.
3. `trace((outcome,))` gives the operations up to the second point in its last segment, and so on
   until `is_ended`.

`trace` runs the program from its beginning each time. A simulator that goes along a path to its
end uses `follow` instead, which runs it once and asks for each outcome on the way.

Measurements that nothing needs before the end are no points. They are *sampled* bits of an ended
trace: measure all their qubits of the final state together, as often as the path has shots.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from openbraket.circuits.circuit import Circuit, Operations, ResultType


@dataclass(frozen=True, slots=True)
class Point:
    """Where a program needs the outcome of a measurement or reset.

    Attributes:
        kind: `measure`: the outcome decides how the program goes on. `reset`: it does not; the
            qubit continues in |0> whatever the outcome, so a density-matrix simulator may apply
            the reset channel and pass on 0.
        qubit: The qubit's position.
    """

    kind: Literal["measure", "reset"]
    qubit: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """A bit that a final measurement gives.

    Attributes:
        qubit: Position of the measured qubit.
    """

    qubit: int


Bit = int | Sampled

# Called at each point in turn, with what builds the operations since the point before; returns the
# point's outcome, 0 or 1.
Chooser = Callable[[Point, Callable[[], Operations]], int]


@dataclass(frozen=True, slots=True)
class Column:
    """One measured element of a classical register: a column of the task's measurements.

    Attributes:
        register: Index of the register among the program's, in order of declaration.
        index: The element.
        qubit: Position of the qubit last measured into it.
        bit: The outcome, or where to sample it.
    """

    register: int
    index: int
    qubit: int
    bit: Bit


@dataclass(frozen=True, slots=True)
class Trace:
    """A path into a dynamic program; qubits are positions among `DynamicCircuit.qubits`.

    Attributes:
        segments: The operations before the first point, between points, and after the last one.
            A trace of n outcomes has n + 1 segments, ended or not.
        points: The points in order: one for each outcome given and, where the program waits, the
            point that it waits for.
        is_ended: Whether the program has run to its end.
        columns: Ended: the measured bits in order of declaration, register by register. Two paths
            may measure different bits; a bit that one path leaves out has the value 0 there.
            Empty on every path: nothing was measured into a register, which means all qubits.
        outputs: Ended: value of each output variable: a number, a boolean, a `Bit`, or nested
            lists of these.
        result_types: Ended: requested results in order; empty where the program measures.
        step_count: Ended: classical work, operations and length of the program, for limits.
    """

    segments: Sequence[Operations]
    points: tuple[Point, ...]
    is_ended: bool
    columns: tuple[Column, ...] = ()
    outputs: Mapping[str, Any] | None = None
    result_types: tuple[ResultType, ...] = ()
    step_count: int = 0

    @property
    def sampled_qubits(self) -> tuple[int, ...]:
        """Positions of the qubits that `columns` and `outputs` sample, ascending."""
        found = {column.bit.qubit for column in self.columns if isinstance(column.bit, Sampled)}
        return tuple(sorted(found.union(self.sampled_outputs)))

    @property
    def sampled_outputs(self) -> tuple[int, ...]:
        """Positions of the qubits that `outputs` samples, ascending."""
        found: set[int] = set()
        _collect(list((self.outputs or {}).values()), found)
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class FeedbackMeasurement:
    """A measurement whose outcome conditions later operations.

    Attributes:
        index: It takes place before operation `index` and after those in front.
        qubit: The qubit's position.
    """

    index: int
    qubit: int


@dataclass(frozen=True, slots=True)
class FeedbackCircuit:
    """A circuit in which outcomes only switch operations on: its course is known beforehand.

    Attributes:
        circuit: All operations, the conditional ones as if they were not.
        measurements: In order.
        conditions: Number of the measurement that must give 1 for an operation to take place, by
            the operation's index.
    """

    circuit: Circuit
    measurements: tuple[FeedbackMeasurement, ...]
    conditions: Mapping[int, int]


class DynamicCircuit(Protocol):
    """A dynamic program, as a simulator sees it."""

    @property
    def qubits(self) -> tuple[int, ...]:
        """Program index of each position, ascending; all that some path may use."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the output variables, in order of declaration."""

    def trace(self, outcomes: Sequence[int]) -> Trace:
        """Return the path that the outcomes of the first points lead to.

        Args:
            outcomes: 0 or 1 for each of the first points; each must be possible, which is the
                caller's to know.

        Raises:
            ProgramError: If the program goes wrong on this path.
            LimitError: If it does more than a named limit.
            ValueError: If there are more outcomes than points.
        """

    def follow(self, choose: Chooser) -> Trace:
        """Go along one path to its end and return it.

        Args:
            choose: Decides each outcome; what it raises is passed on.

        Raises:
            ProgramError: If the program goes wrong on this path.
            LimitError: If it does more than a named limit.
        """


def resolve(value: object, sampled: Mapping[int, int]) -> object:
    """Return an output's value, or a column's bit, with its sampled bits put in.

    Args:
        value: The value.
        sampled: Outcome of each sampled qubit of one shot, by position.
    """
    if isinstance(value, Sampled):
        return sampled[value.qubit]
    if isinstance(value, list):
        return [resolve(item, sampled) for item in value]
    return value


def _collect(values: list[Any], found: set[int]) -> None:
    for value in values:
        if isinstance(value, Sampled):
            found.add(value.qubit)
        elif isinstance(value, list):
            _collect(value, found)
