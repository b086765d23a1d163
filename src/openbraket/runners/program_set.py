"""Runs a program set, executables side by side."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from openbraket.base.errors import LimitError, NumericsError, OpenBraketError, ProgramError
from openbraket.base.work import RunnerOutput, Work
from openbraket.circuits.circuit import Circuit
from openbraket.programs.actions import read_action
from openbraket.programs.openqasm.templates import Parameters, Template, bind_program
from openbraket.programs.program_set import (
    SetProgram,
    divide_shots,
    new_allowance,
    read_program_set,
    refuse_results,
)
from openbraket.programs.settings import TaskSettings, settings_of
from openbraket.results.gate_model import TaskFacts
from openbraket.results.program_set import (
    ExecutableFailure,
    ExecutableResult,
    ProgramResult,
    program_set_objects,
)
from openbraket.runners.executing import Sampled, Sampling, executor_of

Execute = Callable[[Circuit, Sampling], Sampled]
# From this width one circuit uses all threads; below, each thread has circuits of its own.
WIDE_QUBIT_COUNT: Final = 18
WIDE_NOISY_QUBIT_COUNT: Final = 9


@dataclass(slots=True)
class _Job:
    """Executables that share one circuit.

    Attributes:
        program_index: The program's position in the set.
        template: The circuit.
        parameters: Its parameters.
        rows: Positions of the inputs that give them.
        results: One for each row, once it has run.
        execution_ns: Duration of the simulation.
        metadata: What the provider adds to the results of these executables.
    """

    program_index: int
    template: Template
    parameters: Parameters
    rows: list[int]
    results: list[ExecutableResult | ExecutableFailure] = field(default_factory=list)
    execution_ns: int = 0
    metadata: Mapping[str, Any] | None = None


def run(work: Work, report: Callable[[float], None]) -> RunnerOutput:
    """Bind, simulate and write the result documents.

    An executable that fails does not stop the others; where all fail, the task does.

    Args:
        work: An action `braket.ir.openqasm.program_set`.
        report: Called now and then, possibly from another thread, with the share that is done.

    Returns:
        The result objects, `results.json` last.

    Raises:
        ProgramError: If the set as a whole is wrong.
        LimitError: If it is too large.

    Cost:
        One simulation for each distinct set of parameters of each program.
    """
    programs = read_program_set(read_action(work.action).document)
    executable_count = sum(program.row_count for program in programs)
    shots = divide_shots(work.shots, executable_count)
    jobs, failures = _bind(programs)
    settings = settings_of(work)
    _run_jobs(jobs, shots, work.thread_count, settings, executor_of(work, settings), report)
    results = [
        _program_result(index, program, jobs, failures[index])
        for index, program in enumerate(programs)
    ]
    facts = TaskFacts.of(work, execution_ms=sum(result.execution_ms for result in results))
    objects = program_set_objects(
        facts,
        results,
        shots_per_executable=shots,
        bucket=work.output_bucket,
        directory=work.output_directory,
    )
    failed = [item for item in _executables(results) if isinstance(item, ExecutableFailure)]
    reason = None
    if len(failed) == executable_count:
        reason = f"All {executable_count} executables failed. The first: {failed[0].reason}"
    return RunnerOutput(objects, shots * (executable_count - len(failed)), reason)


def _bind(
    programs: Sequence[SetProgram],
) -> tuple[list[_Job], list[dict[int, ExecutableFailure]]]:
    allowance = new_allowance()
    jobs: list[_Job] = []
    failures = []
    for index, program in enumerate(programs):
        bindings = bind_program(
            program.source,
            program.inputs,
            row_count=program.row_count,
            rules=None,
            allowance=allowance,
            check=refuse_results,
        )
        jobs += [
            _Job(index, template, parameters, rows)
            for template, rows_by_parameters in bindings.templates
            for parameters, rows in rows_by_parameters.items()
        ]
        failures.append({row: _failure(error) for row, error in bindings.errors.items()})
    return jobs, failures


def _run_jobs(
    jobs: Sequence[_Job],
    shots: int,
    thread_count: int,
    settings: TaskSettings,
    execute: Execute,
    report: Callable[[float], None],
) -> None:
    narrow = [job for job in jobs if not _is_wide(job.template.circuit)]
    wide = [job for job in jobs if _is_wide(job.template.circuit)]
    done_count = 0

    def report_part(fraction: float) -> None:
        report((done_count + fraction) / len(jobs))

    def run_narrow(job: _Job) -> None:
        _run_job(job, shots, 1, settings, execute, None)

    with ThreadPoolExecutor(thread_count) as pool:
        finished: Iterator[None] = (
            pool.map(run_narrow, narrow) if thread_count > 1 else map(run_narrow, narrow)
        )
        for _ in finished:
            done_count += 1
            report_part(0.0)
    for job in wide:
        _run_job(job, shots, thread_count, settings, execute, report_part)
        done_count += 1
        report_part(0.0)


def _is_wide(circuit: Circuit) -> bool:
    least = WIDE_NOISY_QUBIT_COUNT if circuit.operations.noise else WIDE_QUBIT_COUNT
    return circuit.qubit_count >= least


def _run_job(
    job: _Job,
    shots: int,
    thread_count: int,
    settings: TaskSettings,
    execute: Execute,
    report: Callable[[float], None] | None,
) -> None:
    started_ns = time.perf_counter_ns()
    row_count = len(job.rows)
    try:
        # Independent samples of one state: each executable gets its own share of them.
        circuit = job.template.bind(job.parameters)
        # A stream of its own, whatever the other programs are and in which order they run.
        seed = None if settings.seed is None else (settings.seed, job.program_index, job.rows[0])
        found = execute(circuit, Sampling(shots * row_count, thread_count, seed, report))
    except (OpenBraketError, MemoryError) as error:
        job.results = [_failure(error)] * row_count
    else:
        measured = circuit.measured or range(circuit.qubit_count)
        qubits = tuple(circuit.qubits[position] for position in measured)
        job.metadata = found.metadata
        job.results = [
            ExecutableResult(found.bits[row * shots : (row + 1) * shots], qubits)
            for row in range(row_count)
        ]
    job.execution_ns = time.perf_counter_ns() - started_ns


def _failure(error: BaseException) -> ExecutableFailure:
    if isinstance(error, MemoryError):
        return ExecutableFailure("The simulation ran out of memory.", "SERVICE", is_retryable=True)
    is_programs = isinstance(error, ProgramError | LimitError | NumericsError)
    return ExecutableFailure(
        str(error), "COMPILATION" if is_programs else "SERVICE", is_retryable=not is_programs
    )


def _program_result(
    index: int, program: SetProgram, jobs: Sequence[_Job], failures: dict[int, ExecutableFailure]
) -> ProgramResult:
    by_row: dict[int, ExecutableResult | ExecutableFailure] = dict(failures)
    execution_ns = 0
    metadata: Mapping[str, Any] | None = None
    for job in jobs:
        if job.program_index == index:
            by_row.update(zip(job.rows, job.results, strict=True))
            execution_ns += job.execution_ns
            metadata = metadata or job.metadata
    executables = [by_row[row] for row in range(program.row_count)]
    return ProgramResult(program.document, executables, -(-execution_ns // 1_000_000), metadata)


def _executables(
    results: Sequence[ProgramResult],
) -> Iterator[ExecutableResult | ExecutableFailure]:
    for result in results:
        yield from result.executables
