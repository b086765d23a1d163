"""Which simulator runs a circuit, with noise or without: the rule, and nothing else.

A circuit without noise is a state vector's. For one with noise there are two ways:

- the density matrix: what `circuits.reductions` leaves, each part with noise as a density matrix,
  each part without as a state vector or a stabilizer state; for shots or exact values;
- quantum trajectories, for shots: every shot is an exact sample, and nothing needs more memory than
  a state vector; Clifford parts with Pauli noise need no amplitudes.

Of those that fit into the memory the one runs whose estimated time is less. Circuits of fewer than
`NOISY_REDUCED_QUBITS_MIN` qubits always run as one density matrix.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit
from openbraket.circuits.memory import density_matrix_bytes, state_vector_bytes
from openbraket.circuits.noisy import is_reduced, wide_qubit_count
from openbraket.circuits.precision import Precision
from openbraket.circuits.reductions import NOISY_REDUCED_QUBITS_MIN, Part, Plan, plan_circuit
from openbraket.simulators import densitymatrix, statevector, trajectories
from openbraket.simulators.observables import joint_basis, rotations
from openbraket.simulators.parts import PartState, Report, run_exact, run_samples
from openbraket.simulators.sampling import estimated
from openbraket.simulators.statevector.plan import part_simulator
from openbraket.simulators.values import Simulation

DENSITY_MATRIX_QUBITS_MAX: Final = 20
_PURE_KINDS: Final = frozenset({"amplitude", "state_vector", "adjoint_gradient"})


def simulate(
    circuit: Circuit,
    *,
    shots: int,
    thread_count: int = 1,
    seed: int | Sequence[int] | None = None,
    report: Callable[[float], None] | None = None,
    precision: Precision = "auto",
    memory_bytes: int | None = None,
) -> Simulation:
    """Run a circuit on |0...0> and compute its results, by the simulator that suits it.

    Args:
        circuit: At least one qubit; not modified.
        shots: Number of measurements of the final state; 0 means exact values.
        thread_count: Threads to use, at least 1.
        seed: Makes samples reproducible: one number or several, at least 0; None draws fresh ones.
        report: Called now and then, from another thread, with the share that is done.
        precision: Of state vectors; density matrices are always in double precision.
        memory_bytes: What admission estimated, in bytes; None sets no limit.

    Returns:
        The values of all result types, and the measurements where shots > 0.

    Raises:
        ProgramError: If a result type does not go with noise or with the number of shots, or two
            result types want different bases for one qubit.
        LimitError: If the circuit does not fit into the memory, or a requested density matrix is
            too large.
        NumericsError: If a power of a matrix that is not unitary is asked for.
    """
    if not circuit.operations.noise:
        return statevector.simulate(
            circuit,
            shots=shots,
            thread_count=thread_count,
            seed=seed,
            report=report,
            precision=precision,
        )
    _check(circuit, shots)
    plan = None
    if is_reduced(circuit, shots=shots):
        bases = joint_basis(circuit.result_types, circuit.qubit_count) if shots else []
        plan = plan_circuit(circuit, shots=shots, rotations=rotations(bases), precision=precision)
    if choose(circuit, plan, shots=shots, memory_bytes=memory_bytes) == "trajectories":
        return trajectories.simulate(
            circuit,
            shots=shots,
            thread_count=thread_count,
            seed=seed,
            report=report,
            precision=precision,
            memory_bytes=memory_bytes or 0,
        )
    if plan is None:
        return densitymatrix.simulate(
            circuit, shots=shots, thread_count=thread_count, seed=seed, report=report
        )
    return _run(plan, circuit, shots, thread_count, seed, report)


def choose(circuit: Circuit, plan: Plan | None, *, shots: int, memory_bytes: int | None) -> str:
    """Return `density_matrix` or `trajectories`.

    Args:
        circuit: A circuit with noise.
        plan: Its plan; None where it is simulated as it is.
        shots: Number of shots.
        memory_bytes: The limit, in bytes; None sets none.

    Raises:
        LimitError: If neither fits.
    """
    width = circuit.qubit_count if plan is None else plan.density_width
    need = density_matrix_bytes(width, wide_qubit_count(circuit.operations))
    fits = width <= DENSITY_MATRIX_QUBITS_MAX and (memory_bytes is None or need <= memory_bytes)
    if fits and circuit.qubit_count < NOISY_REDUCED_QUBITS_MIN:
        return "density_matrix"
    sampled = trajectories.assess(circuit, shots)
    if sampled is not None and sampled.width and memory_bytes is not None:
        state_bytes = state_vector_bytes(sampled.width, is_single=True)
        sampled = sampled if state_bytes <= memory_bytes else None
    if fits:
        is_cheaper = sampled is not None and sampled.cost_s < _cost(circuit, plan)
        return "trajectories" if is_cheaper else "density_matrix"
    if sampled is not None:
        return "trajectories"
    raise LimitError(
        f"The program uses {circuit.qubit_count} qubits and needs {need:,} bytes of memory for a "
        f"density matrix of {width} qubits, more than the limit of {memory_bytes or 0:,} bytes."
    )


def _cost(circuit: Circuit, plan: Plan | None) -> float:
    if plan is None:
        return densitymatrix.cost(circuit)
    noisy = (part for part in plan.parts if part.engine == "density_matrix")
    return sum(
        densitymatrix.cost(Circuit(tuple(range(part.qubit_count)), part.operations()))
        for part in noisy
    )


def _run(
    plan: Plan,
    circuit: Circuit,
    shots: int,
    thread_count: int,
    seed: int | Sequence[int] | None,
    report: Report | None,
) -> Simulation:
    """Run a plan, parts with noise as density matrices."""
    pure = part_simulator(thread_count=thread_count, is_single=plan.is_single)
    noisy = densitymatrix.part_simulator(thread_count=thread_count)

    def simulate_part(index: int, part: Part, part_report: Report | None) -> PartState:
        return (noisy if part.engine == "density_matrix" else pure)(index, part, part_report)

    measured = circuit.measured or tuple(range(circuit.qubit_count))
    if shots == 0:
        values = run_exact(plan, circuit, simulate=simulate_part, report=report)
        return Simulation(values, None, measured)
    generator = np.random.default_rng(seed)
    bits = run_samples(plan, shots, generator, simulate=simulate_part, report=report)
    return estimated(circuit, bits, measured)


def _check(circuit: Circuit, shots: int) -> None:
    if circuit.qubit_count == 0:
        raise ProgramError("The program uses no qubits; at least 1 is needed")
    if shots == 0 and not circuit.result_types:
        raise ProgramError("Result types must be specified in the IR when shots=0")
    for result_type in circuit.result_types:
        if result_type.kind in _PURE_KINDS:
            message = (
                f"Result type {result_type.kind} is not available for programs with noise, whose "
                "state has no amplitudes."
            )
            raise ProgramError(message)
