"""Runs an OpenQASM program on the twin of a processor."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from openbraket.base.clock import elapsed_ms
from openbraket.base.work import ResultObject, RunnerOutput, Work
from openbraket.programs.actions import read_action
from openbraket.programs.openqasm import DynamicProgram, parse_feedback, parse_program
from openbraket.programs.parameters import read_document, read_parameters
from openbraket.programs.settings import TaskSettings, settings_of
from openbraket.results.gate_model import TaskFacts, gate_model_document
from openbraket.runners.twins.debias import DEBIAS, histogram, sharpened
from openbraket.runners.twins.machine import Readings, Run, machine_of
from openbraket.runners.twins.metadata import provider_metadata
from openbraket.simulators.sampling import sampled_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openbraket.circuits.circuit import Circuit
    from openbraket.devices import Device

# Providers whose devices give shares of bit strings instead of measurements.
HISTOGRAM_PROVIDERS = frozenset({"IonQ"})
NOISE_SETTING = "twin_noise"


def run_twin(work: Work, device: Device, report: Callable[[float], None]) -> RunnerOutput:
    """Read, compile, simulate and write the result document.

    Args:
        work: An action `braket.ir.openqasm.program`.
        device: The device.
        report: Called now and then, possibly from another thread, with the share that is done.

    Returns:
        The object `results.json`.

    Raises:
        ProgramError: If the program is wrong or cannot be compiled.
        LimitError: If it does not fit.
    """
    started_ns = time.perf_counter_ns()
    action = read_action(work.action)
    parameters = read_parameters(read_document(work.device_parameters))
    run = replace(
        run_of(work, settings_of(work)), keeps_qubits=parameters.keeps_qubits, report=report
    )
    program = parse_program(action.source, action.inputs)
    machine = machine_of(device)
    if isinstance(program, DynamicProgram):
        feedback = parse_feedback(action.source, action.inputs)
        circuit, readings = feedback.circuit, machine.run_feedback(feedback, run)
    else:
        circuit, readings = program, machine.run(program, run)
    if DEBIAS in parameters.error_mitigation:
        readings = replace(readings, sharpened=sharpened(readings.bits))
    facts = TaskFacts.of(work, execution_ms=elapsed_ms(started_ns))
    document = _document(facts, circuit, readings, device)
    return RunnerOutput((ResultObject("results.json", document),), work.shots)


def run_of(work: Work, settings: TaskSettings) -> Run:
    """Return how an attempt's programs are to be run on a twin.

    Args:
        work: The attempt.
        settings: Its settings.
    """
    is_off = work.settings.get(NOISE_SETTING) == "off"
    return Run(
        shots=work.shots,
        noise=settings.noise or ("off" if is_off else "calibrated"),
        relaxation=settings.relaxation,
        seed=settings.seed,
        thread_count=work.thread_count,
        memory_bytes=work.memory_bytes,
        precision=settings.precision,
    )


def _document(facts: TaskFacts, circuit: Circuit, readings: Readings, device: Device) -> bytes:
    is_histogram = device.provider_name in HISTOGRAM_PROVIDERS
    measured: Sequence[int] = circuit.measured or range(circuit.qubit_count)
    return gate_model_document(
        facts,
        qubits=circuit.qubits,
        result_types=circuit.result_types,
        values=[sampled_value(readings.bits, result) for result in circuit.result_types],
        measurements=None if is_histogram else readings.bits,
        measured=measured,
        probabilities=histogram(readings.bits) if is_histogram else None,
        metadata=provider_metadata(device.provider_name, readings),
    )
