"""Runs an OpenQASM program: on its device's simulator, a twin or a device of others."""

import time
from collections.abc import Callable, Mapping, Sequence

from openbraket.base.clock import elapsed_ms
from openbraket.base.work import ResultObject, RunnerOutput, Work
from openbraket.circuits.circuit import Circuit, Operations, ResultType
from openbraket.devices.backends import PLUGIN, QPU_TWIN
from openbraket.programs.actions import read_action
from openbraket.programs.check import refuse_dynamic_without_shots, refuse_noise_in_dynamic
from openbraket.programs.openqasm import DynamicProgram, parse_program
from openbraket.programs.result_rules import check_results
from openbraket.programs.settings import TaskSettings, settings_of
from openbraket.results.gate_model import TaskFacts, gate_model_document
from openbraket.runners.circuits import simulate_circuit
from openbraket.runners.devices import device_of
from openbraket.simulators.statevector import (
    DynamicSimulation,
    Simulation,
    simulate_dynamic,
)


def run(work: Work, report: Callable[[float], None]) -> RunnerOutput:
    """Parse, simulate and write the result document.

    Args:
        work: An action `braket.ir.openqasm.program`.
        report: Called now and then, possibly from another thread, with the share that is done.

    Returns:
        The object `results.json`.

    Raises:
        ProgramError: If the program is wrong.
        LimitError: If a result is too large.
        NumericsError: If a matrix is not unitary where it must be.
    """
    device = device_of(work)
    if device is not None and device.backend == QPU_TWIN:
        from openbraket.runners.twins import run_twin

        return run_twin(work, device, report)
    if device is not None and device.backend == PLUGIN:
        from openbraket.runners.plugins import run_plugin

        return run_plugin(work, device, report)
    started_ns = time.perf_counter_ns()
    action = read_action(work.action)
    program = parse_program(action.source, action.inputs)
    settings = settings_of(work)
    outputs: Sequence[Mapping[str, object]] | None = None
    log: Sequence[str] = ()
    found: Simulation | DynamicSimulation
    if isinstance(program, DynamicProgram):
        found = _simulate_dynamic(program, work, settings, report)
        outputs, result_types = found.outputs, found.result_types
    else:
        found, log = simulate_circuit(program, work, settings, report)
        result_types = program.result_types
    facts = TaskFacts.of(work, execution_ms=elapsed_ms(started_ns))
    document = gate_model_document(
        facts,
        qubits=program.qubits,
        result_types=result_types,
        values=found.values,
        measurements=found.measurements,
        measured=found.measured,
        outputs=outputs,
        log=log,
    )
    return RunnerOutput((ResultObject("results.json", document),), work.shots or None)


def _simulate_dynamic(
    program: DynamicProgram,
    work: Work,
    settings: TaskSettings,
    report: Callable[[float], None],
) -> DynamicSimulation:
    refuse_dynamic_without_shots(work.shots)
    refuse_noise_in_dynamic(program.noise_names)

    def check(result_types: tuple[ResultType, ...]) -> None:
        circuit = Circuit(program.qubits, Operations(), result_types)
        check_results(circuit, shots=work.shots, rules=None)

    return simulate_dynamic(
        program,
        shots=work.shots,
        thread_count=work.thread_count,
        memory_bytes=work.memory_bytes,
        is_single=settings.precision == "single",
        seed=settings.seed,
        check_results=check,
        report=report,
    )
