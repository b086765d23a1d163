"""Runs a JAQCD program on its device's simulator."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from openbraket.base.clock import elapsed_ms
from openbraket.base.work import ResultObject, RunnerOutput, Work
from openbraket.circuits.circuit import Factor, ResultType
from openbraket.programs.actions import read_action
from openbraket.programs.jaqcd import has_rotations, read_jaqcd
from openbraket.programs.settings import settings_of
from openbraket.results.gate_model import TaskFacts, gate_model_document
from openbraket.runners.circuits import simulate_circuit


def run(work: Work, report: Callable[[float], None]) -> RunnerOutput:
    """Translate, simulate and write the result document.

    With shots, a program that brings its own basis rotations is measured as it asks, and its
    results are read from those measurements; for one that brings none, the rotations follow from
    its results.

    Args:
        work: An action `braket.ir.jaqcd.program`.
        report: Called now and then, possibly from another thread, with the share that is done.

    Returns:
        The object `results.json`.

    Raises:
        ProgramError: If the program is wrong.
        LimitError: If a result is too large.
    """
    started_ns = time.perf_counter_ns()
    document = read_action(work.action).document
    is_rotated = work.shots > 0 and has_rotations(document)
    circuit = read_jaqcd(document, with_rotations=is_rotated)
    measured = circuit
    if is_rotated:
        measured = replace(circuit, result_types=measured_in_place(circuit.result_types))
    found, log = simulate_circuit(measured, work, settings_of(work), report)
    facts = TaskFacts.of(work, execution_ms=elapsed_ms(started_ns))
    content = gate_model_document(
        facts,
        qubits=circuit.qubits,
        result_types=circuit.result_types,
        values=found.values,
        measurements=found.measurements,
        measured=found.measured,
        log=log,
    )
    return RunnerOutput((ResultObject("results.json", content),), work.shots or None)


def measured_in_place(result_types: Sequence[ResultType]) -> tuple[ResultType, ...]:
    """Return the results whose observables are diagonal, for a state that is rotated already.

    Args:
        result_types: The results as asked for.

    Returns:
        The same with z in place of x, y and h, and each matrix in its eigenbasis, its eigenvalues
        ascending as the SDK's rotations order them.
    """
    return tuple(
        replace(result, observable=tuple(_diagonal(factor) for factor in result.observable))
        for result in result_types
    )


def _diagonal(factor: Factor) -> Factor:
    if factor.matrix is None:
        return factor if factor.name == "i" else replace(factor, name="z")
    eigenvalues = np.linalg.eigvalsh(np.array(factor.matrix, dtype=np.complex128))
    diagonal = np.diag(eigenvalues).astype(np.complex128)
    return replace(factor, matrix=tuple(tuple(row) for row in diagonal.tolist()))
