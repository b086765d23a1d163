"""Measurements and resets, put off until something needs their outcome.

A measurement commutes with everything that does not touch its qubit. It is therefore kept open
until a statement reads its outcome or its qubit is used again; one that stays open to the end is
a final measurement, which a simulator samples in bulk.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from openbraket.circuits.gates import GATES
from openbraket.programs.openqasm.builder import Cut, OperationBuilder
from openbraket.programs.openqasm.source import Source
from openbraket.programs.openqasm.values import Measurement

_X_CODE: Final = GATES["x"].code


class NeedsOutcomesError(Exception):
    """A program needs the outcome of a measurement or reset, but none may be given to it."""


class WaitingError(Exception):
    """A run has used all outcomes given to it and needs another one."""


@dataclass(frozen=True, slots=True)
class Needed:
    """Where a run needed an outcome.

    Attributes:
        kind: Of a measurement or a reset.
        qubit: The program qubit.
        cut: The operations and noise channels before.
    """

    kind: Literal["measure", "reset"]
    qubit: int
    cut: Cut


# Gives the outcome of a point, 0 or 1; raises WaitingError where it has none.
Choose = Callable[[Needed], int]


@dataclass(slots=True)
class FeedbackLog:
    """What `measure_ff` and `cc_prx` do, written down instead of done.

    Attributes:
        measurements: Each measurement: how many operations are before it, and its program qubit.
        conditions: Number of the measurement that each conditional operation needs, by the
            operation's index.
        by_key: Number of the last measurement of each feedback key.
    """

    measurements: list[tuple[int, int]] = field(default_factory=list)
    conditions: dict[int, int] = field(default_factory=dict)
    by_key: dict[int, int] = field(default_factory=dict)


class MeasuringState:
    """The measurements of a run.

    Args:
        source: The program.
        builder: Takes the operations.
        choose: Called for the outcome of each point; None where the program must not need any.

    Attributes:
        measured: Qubits that have been measured and not used since, with their measurement.
        touched_only: Qubits that no operation uses but that count as used.
        points: Where the run needed an outcome, in order.
        feedback: Measurements by feedback key.
        is_waiting: Whether the run has stopped at its last point.
        feedback_log: Where feedback is written down; None where it is done.
    """

    def __init__(self, source: Source, builder: OperationBuilder, choose: Choose | None) -> None:
        self.source = source
        self.builder = builder
        self.measured: dict[int, Measurement] = {}
        self.touched_only: set[int] = set()
        self.points: list[Needed] = []
        self.feedback: dict[int, Measurement] = {}
        self.is_waiting = False
        self.feedback_log: FeedbackLog | None = None
        self._choose = choose
        self._excited: set[int] = set()  # qubits that operations have touched since a reset
        self._seen_target_count = 0
        self._seen_noise_count = 0

    def measurement(self, qubit: int) -> Measurement:
        """Return the measurement of a qubit now: the last one if nothing has happened since."""
        found = self.measured.get(qubit)
        if found is None:
            found = self.measured[qubit] = Measurement(qubit)
            self.touched_only.add(qubit)
        return found

    def outcome(self, bit: int | Measurement) -> int:
        """Return the value of a bit.

        Raises:
            NeedsOutcomesError: If it is a measurement and no outcomes may be given.
            WaitingError: If it is one and the outcomes given are used up.
        """
        if not isinstance(bit, Measurement):
            return bit
        if bit.outcome is None:
            bit.outcome = self._next("measure", bit.qubit)
        return bit.outcome

    def touch(self, qubits: Iterable[int]) -> None:
        """Close the open measurements of qubits that are about to be used.

        Raises:
            NeedsOutcomesError: As `outcome`.
            WaitingError: As `outcome`.
        """
        if self.measured:
            for qubit in qubits:
                found = self.measured.get(qubit)
                if found is not None:
                    self.outcome(found)
                    del self.measured[qubit]

    def reset(self, qubit: int) -> None:
        """Put a qubit into |0>.

        Raises:
            NeedsOutcomesError: As `outcome`.
            WaitingError: As `outcome`.
        """
        self.touched_only.add(qubit)
        found = self.measured.get(qubit)
        self._look_at_targets()
        if found is not None:
            if self.outcome(found):
                self.builder.append(_X_CODE, (qubit,), ())
                self._look_at_targets()
            del self.measured[qubit]
        elif qubit in self._excited:
            self._next("reset", qubit)
        self._excited.discard(qubit)

    def _look_at_targets(self) -> None:
        targets = self.builder.targets
        self._excited.update(targets[self._seen_target_count :])
        for channel in self.builder.noise[self._seen_noise_count :]:
            self._excited.update(channel.targets)
        self._seen_target_count = len(targets)
        self._seen_noise_count = len(self.builder.noise)

    def _next(self, kind: Literal["measure", "reset"], qubit: int) -> int:
        if self._choose is None:
            raise NeedsOutcomesError
        needed = Needed(kind, qubit, self.builder.cut())
        self.points.append(needed)
        self.is_waiting = True
        outcome = self._choose(needed)
        self.is_waiting = False
        return outcome
