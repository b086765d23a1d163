"""The result documents of a program set, `braket.task_result.program_set_task_result`.

Small results stand in one document. Large ones are spread over one object for each executable, so
that a reader may take what it needs; `results.json` then names the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from openbraket.base.clock import iso8601
from openbraket.base.work import ResultObject
from openbraket.results.gate_model import TaskFacts, simulator_metadata

# Measurements up to this size stand in `results.json` itself.
INLINE_BYTES_MAX: Final = 1024 * 1024
_BYTES_PER_BIT: Final = 2  # a digit and a comma

Category = Literal["COMPILATION", "DEVICE", "SERVICE"]


@dataclass(frozen=True, slots=True)
class ExecutableResult:
    """Measurements of one executable.

    Attributes:
        measurements: Measured bits, shape (shots, len(measured_qubits)).
        measured_qubits: Indices of the measured qubits in the program.
    """

    measurements: NDArray[np.uint8]
    measured_qubits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExecutableFailure:
    """Why one executable gave no measurements.

    Attributes:
        reason: What was wrong.
        category: Where it failed.
        is_retryable: Whether the same executable may succeed another time.
    """

    reason: str
    category: Category
    is_retryable: bool


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """Results of one program.

    Attributes:
        program: The program as the client sent it.
        executables: What became of each executable, in the order of the inputs.
        execution_ms: Duration of their simulation in milliseconds; written as at least 1.
        metadata: Members of `additionalMetadata` in place of the simulator's own.
    """

    program: Mapping[str, Any]
    executables: Sequence[ExecutableResult | ExecutableFailure]
    execution_ms: int
    metadata: Mapping[str, Any] | None = None


def program_set_objects(
    facts: TaskFacts,
    programs: Sequence[ProgramResult],
    *,
    shots_per_executable: int,
    bucket: str,
    directory: str,
    inline_bytes_max: int = INLINE_BYTES_MAX,
) -> tuple[ResultObject, ...]:
    """Return the objects of a program set's results.

    Args:
        facts: What the documents say about the task; its action is not used.
        programs: Results in the order of the set.
        shots_per_executable: Shots of each executable.
        bucket: Bucket that the objects will be in.
        directory: What their keys begin with.
        inline_bytes_max: Size of the measurements up to which one object holds everything.

    Returns:
        The objects, `results.json` last.

    Source: `braket.task_result.ProgramSetTaskResult` of amazon-braket-schemas 1.32.
    """
    metadata = _task_metadata(facts, programs, shots_per_executable)
    size = sum(
        executable.measurements.size * _BYTES_PER_BIT
        for program in programs
        for executable in program.executables
        if isinstance(executable, ExecutableResult)
    )
    head = {"braketSchemaHeader": _header("program_set_task_result")}
    if size <= inline_bytes_max:
        document = head | {
            "programResults": [_inline_program(program) for program in programs],
            "taskMetadata": metadata,
        }
        return (_object("results.json", document),)
    objects = [_object("metadata.json", metadata)]
    for index, program in enumerate(programs):
        objects += _split_program(f"programs/{index}", program)
    document = head | {
        "programResults": [f"programs/{index}/results.json" for index in range(len(programs))],
        "taskMetadata": "metadata.json",
        "s3Location": [bucket, directory],
    }
    return (*objects, _object("results.json", document))


def _inline_program(program: ProgramResult) -> dict[str, Any]:
    executables = [
        _executable(index, executable) for index, executable in enumerate(program.executables)
    ]
    return _program(program, executables, _source(program))


def _split_program(prefix: str, program: ProgramResult) -> list[ResultObject]:
    """Return a program's objects; names inside are relative to the program's directory."""
    names = [f"executables/{index}.json" for index in range(len(program.executables))]
    objects = [
        _object(f"{prefix}/{name}", _executable(index, program.executables[index]))
        for index, name in enumerate(names)
    ]
    return [
        *objects,
        _object(f"{prefix}/program.json", _source(program)),
        _object(f"{prefix}/results.json", _program(program, names, "program.json")),
    ]


def _program(
    program: ProgramResult, executables: Sequence[object], source: object
) -> dict[str, Any]:
    return {
        "braketSchemaHeader": _header("program_result"),
        "executableResults": executables,
        "source": source,
        "additionalMetadata": simulator_metadata(program.execution_ms)
        if program.metadata is None
        else program.metadata,
    }


def _source(program: ProgramResult) -> dict[str, Any]:
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return {"braketSchemaHeader": header} | dict(program.program)


def _executable(index: int, executable: ExecutableResult | ExecutableFailure) -> dict[str, Any]:
    if isinstance(executable, ExecutableFailure):
        return {
            "braketSchemaHeader": _header("program_set_executable_failure"),
            "inputsIndex": index,
            "failureMetadata": _failure_metadata(executable),
        }
    return {
        "braketSchemaHeader": _header("program_set_executable_result"),
        "inputsIndex": index,
        "measurements": executable.measurements,
        "measuredQubits": executable.measured_qubits,
    }


def _failure_metadata(failure: ExecutableFailure) -> dict[str, Any]:
    return {
        "failureReason": failure.reason,
        "retryable": failure.is_retryable,
        "category": failure.category,
    }


def _task_metadata(
    facts: TaskFacts, programs: Sequence[ProgramResult], shots_per_executable: int
) -> dict[str, Any]:
    executables = [executable for program in programs for executable in program.executables]
    failed_count = sum(isinstance(item, ExecutableFailure) for item in executables)
    metadata: dict[str, Any] = {
        "braketSchemaHeader": _header("program_set_task_metadata"),
        "id": facts.task_arn,
        "deviceId": facts.device_arn,
        "requestedShots": facts.shots,
        "successfulShots": shots_per_executable * (len(executables) - failed_count),
        "programMetadata": [
            {
                "executables": [
                    _failure_metadata(item) if isinstance(item, ExecutableFailure) else {}
                    for item in program.executables
                ]
            }
            for program in programs
        ],
        "createdAt": iso8601(facts.created_at),
        "endedAt": iso8601(facts.ended_at),
        "status": "FAILED" if failed_count == len(executables) else "COMPLETED",
        "totalFailedExecutables": failed_count,
    }
    if facts.device_parameters:
        metadata["deviceParameters"] = orjson.Fragment(facts.device_parameters)
    return metadata


def _header(name: str) -> dict[str, str]:
    return {"name": f"braket.task_result.{name}", "version": "1"}


def _object(name: str, document: Mapping[str, Any]) -> ResultObject:
    return ResultObject(name, orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
