"""A whole simulation: from a circuit and a number of shots to everything the program asked for."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from openbraket.base.errors import ProgramError
from openbraket.circuits.circuit import Circuit
from openbraket.circuits.gradients import Jacobian
from openbraket.circuits.precision import Precision
from openbraket.circuits.reductions import REDUCED_QUBITS_MIN, is_reducible, plan_circuit
from openbraket.simulators.observables import joint_basis, rotations
from openbraket.simulators.parts import run_exact, run_samples
from openbraket.simulators.sampling import estimated, measured_bits
from openbraket.simulators.statevector.exact import exact_values
from openbraket.simulators.statevector.gradient import adjoint_gradient
from openbraket.simulators.statevector.plan import part_simulator
from openbraket.simulators.statevector.state import StateVector
from openbraket.simulators.values import Simulation, Value

# Share of the work that the forward pass of a gradient is.
_FORWARD: Final = 0.4


def simulate(
    circuit: Circuit,
    *,
    shots: int,
    thread_count: int = 1,
    seed: int | Sequence[int] | None = None,
    report: Callable[[float], None] | None = None,
    precision: Precision = "auto",
) -> Simulation:
    """Run a circuit on |0...0> and compute its results.

    From `REDUCED_QUBITS_MIN` qubits on only what `circuits.reductions` leaves is simulated; a
    gradient goes through the whole circuit, in double precision.

    Args:
        circuit: At least one qubit; not modified.
        shots: Number of measurements of the final state; 0 means exact values.
        thread_count: Threads to use, at least 1.
        seed: Makes samples reproducible: one number or several, at least 0; None draws fresh ones.
        report: Called now and then, from another thread, with the share that is done.
        precision: `double`, `single`, or `auto`: single where shots hide the difference.

    Returns:
        The values of all result types, and the measurements where shots > 0.

    Raises:
        ProgramError: If a result type does not go with the number of shots, or two result types
            want different bases for one qubit.
        LimitError: If a requested density matrix is too large.
        NumericsError: If a power of a matrix that is not unitary is asked for.
    """
    if circuit.qubit_count == 0:
        raise ProgramError("The program uses no qubits; at least 1 is needed")
    if shots == 0 and not circuit.result_types:
        raise ProgramError("Result types must be specified in the IR when shots=0")
    bases = joint_basis(circuit.result_types, circuit.qubit_count) if shots else []
    measured = circuit.measured or tuple(range(circuit.qubit_count))
    if circuit.qubit_count >= REDUCED_QUBITS_MIN and is_reducible(circuit, shots=shots):
        plan = plan_circuit(circuit, shots=shots, rotations=rotations(bases), precision=precision)
        simulate_part = part_simulator(thread_count=thread_count, is_single=plan.is_single)
        if shots == 0:
            values = run_exact(plan, circuit, simulate=simulate_part, report=report)
            return Simulation(values, None, measured)
        generator = np.random.default_rng(seed)
        bits = run_samples(plan, shots, generator, simulate=simulate_part, report=report)
        return estimated(circuit, bits, measured)
    has_gradient = "adjoint_gradient" in [result.kind for result in circuit.result_types]
    is_single = precision == "single" and not has_gradient
    state = StateVector(circuit.qubit_count, thread_count=thread_count, is_single=is_single)
    state.apply(circuit.operations, report=_share(report, 0.0, _FORWARD if has_gradient else 1.0))
    if shots == 0:
        if has_gradient:
            return Simulation(_values_and_gradient(state, circuit, report), None, measured)
        return Simulation(exact_values(state, circuit.result_types), None, measured)
    state.apply(rotations(bases))
    states = state.sample(shots, np.random.default_rng(seed))
    bits = measured_bits(states, circuit.qubit_count)
    return estimated(circuit, bits, measured)


def _values_and_gradient(
    state: StateVector, circuit: Circuit, report: Callable[[float], None] | None
) -> tuple[Value, ...]:
    # A gradient uses the state up, so it comes last.
    others = tuple(r for r in circuit.result_types if r.kind != "adjoint_gradient")
    values = iter(exact_values(state, others))
    found = {i: next(values) for i, r in enumerate(circuit.result_types) if r in others}
    for index, result_type in enumerate(circuit.result_types):
        if result_type.kind == "adjoint_gradient":
            jacobian = circuit.jacobian or Jacobian(())
            backward = _share(report, _FORWARD, 1.0)
            found[index] = adjoint_gradient(
                state, circuit.operations, jacobian, result_type, report=backward
            )
    return tuple(found[index] for index in range(len(circuit.result_types)))


def _share(
    report: Callable[[float], None] | None, start: float, stop: float
) -> Callable[[float], None] | None:
    """Return a report of a part of the work: 0 to 1 becomes `start` to `stop`."""
    if report is None:
        return None
    return lambda fraction: report(start + (stop - start) * fraction)
