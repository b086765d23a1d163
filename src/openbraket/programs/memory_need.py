"""What running a program needs of a worker's memory: decided before it runs."""

from dataclasses import dataclass, replace
from typing import Final

from openbraket.base.errors import LimitError
from openbraket.circuits.circuit import Circuit
from openbraket.circuits.deferred import defer
from openbraket.circuits.dynamic import FeedbackCircuit
from openbraket.circuits.gradients import gradient_state_count
from openbraket.circuits.memory import (
    density_matrix_bytes,
    dynamic_bytes,
    gradient_bytes,
    simulation_bytes,
)
from openbraket.circuits.noisy import is_reduced, wide_qubit_count
from openbraket.circuits.noisy_parts import plan_noisy, trajectory_bytes
from openbraket.circuits.precision import Precision
from openbraket.circuits.reductions import plan_circuit
from openbraket.programs.rules import Rules
from openbraket.programs.twin_size import TwinWidth, twin_width

# Names of `devices.backends`, which this layer does not import.
TWIN_BACKEND: Final = "qpu_twin"
PLUGIN_BACKEND: Final = "plugin"


@dataclass(frozen=True, slots=True)
class Need:
    """What a simulation keeps in memory.

    Attributes:
        width: Number of qubits that must be simulated together; 0 where none must.
        is_single: Whether in single precision.
        state_count: State vectors at once of an adjoint gradient; 0 where there is none.
        density_width: Number of qubits of the largest density matrix; 0 where there is no noise, or
            its shots are sampled.
        wide_qubit_count: Of `density_matrix_bytes`.
        sampled_bytes: Memory of trajectories, where no density matrix fits; else 0.
    """

    width: int
    is_single: bool
    state_count: int = 0
    density_width: int = 0
    wide_qubit_count: int = 0
    sampled_bytes: int = 0

    @property
    def memory_bytes(self) -> int:
        """Estimated memory."""
        memory_bytes = max(
            simulation_bytes(self.width, is_single=self.is_single),
            density_matrix_bytes(self.density_width, self.wide_qubit_count),
            self.sampled_bytes,
        )
        if self.state_count:
            return max(memory_bytes, gradient_bytes(self.width, self.state_count))
        return memory_bytes


@dataclass(frozen=True, slots=True)
class Memory:
    """What a task may use of the worker's memory, and in which precision it asks to."""

    precision: Precision
    memory_bytes_max: int
    rules: Rules
    backend: str

    def of_width(self, width: int) -> Need:
        """Return what so many qubits need that are simulated together."""
        return Need(width, is_single=self.precision == "single")

    def whole(self, circuit: Circuit, shots: int = 0) -> Need:
        """Return what a circuit needs whatever its inputs are."""
        if self.backend == PLUGIN_BACKEND:
            return self.of_width(0)
        if self.backend == TWIN_BACKEND:
            return self._twin(twin_width(circuit, self.rules))
        if circuit.operations.noise:
            rest = self.of_width(0)
            return self._noisy(circuit, shots, circuit.qubit_count, rest)
        return self.of_width(circuit.qubit_count)

    def feedback(self, program: FeedbackCircuit) -> Need:
        """Return what a twin needs that keeps each measured bit of a program in a qubit."""
        deferred = defer(program)
        boxed = replace(deferred.circuit, boxes=program.circuit.boxes)
        return self._twin(twin_width(boxed, self.rules, deferred.classical))

    def _twin(self, width: TwinWidth) -> Need:
        """Return what a twin needs, which samples on state vectors and keeps copies of them.

        Where parts that routing may join would need too much together, as much as there is: they
        run if routing leaves them apart.
        """
        for together in range(width.most, width.least, -1):
            need = self._sampled(together)
            if need.memory_bytes <= self.memory_bytes_max:
                return need
        return self._sampled(width.least)

    def _sampled(self, width: int) -> Need:
        need = self.of_width(width)
        if not width:
            return need
        sampled = dynamic_bytes(width, self.memory_bytes_max, is_single=need.is_single)
        return replace(need, sampled_bytes=sampled)

    def _noisy(self, circuit: Circuit, shots: int, density_width: int, rest: Need) -> Need:
        """Return what a circuit with noise needs, `rest` being that of its parts without noise.

        `simulators.noisy` follows the same rule: what fits as a density matrix may run as one, and
        other shots are sampled on state vectors.
        """
        if not density_width:
            return rest
        wide = wide_qubit_count(circuit.operations)
        need = replace(rest, density_width=density_width, wide_qubit_count=wide)
        if shots == 0 or need.memory_bytes <= self.memory_bytes_max:
            return need
        sampled = plan_noisy(circuit)
        sampled_bytes = trajectory_bytes(sampled, self.memory_bytes_max, is_single=rest.is_single)
        return Need(sampled.width, rest.is_single, sampled_bytes=sampled_bytes)

    def reduced(self, circuit: Circuit, shots: int) -> Need:
        """Return what a circuit needs after reductions; a gradient goes through all of it."""
        if self.backend in {TWIN_BACKEND, PLUGIN_BACKEND}:
            return self.whole(circuit)
        state_counts = [gradient_state_count(r.terms) for r in circuit.result_types if r.terms]
        if state_counts:
            return Need(circuit.qubit_count, is_single=False, state_count=max(state_counts))
        if is_reduced(circuit, shots=shots):
            plan = plan_circuit(circuit, shots=shots, precision=self.precision)
            rest = Need(plan.width, plan.is_single)
            return self._noisy(circuit, shots, plan.density_width, rest)
        return self.whole(circuit, shots)

    def check(self, circuit: Circuit, need: Need) -> None:
        """Refuse what needs more than the limit.

        Raises:
            LimitError: If it does.
        """
        if need.memory_bytes <= self.memory_bytes_max:
            return
        subject = f"The program uses {circuit.qubit_count} qubits"
        width = need.density_width or need.width
        if width > circuit.qubit_count:
            subject += f", may need {width} simulated together"
        elif width < circuit.qubit_count:
            subject += f", of which {width} must be simulated together,"
        detail = f"in {'single' if need.is_single else 'double'} precision"
        if need.density_width:
            detail = f"for a density matrix of {width} qubits"
        if need.state_count:
            detail = f"for {need.state_count} state vectors of its gradient"
        raise LimitError(
            f"{subject} and needs {need.memory_bytes:,} bytes of memory {detail}, more than the "
            f"limit of {self.memory_bytes_max:,} bytes."
        )
