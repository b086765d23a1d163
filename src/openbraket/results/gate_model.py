"""The result document of a gate-model quantum task, `braket.task_result.gate_model_task_result`.

Arrays go to JSON without Python objects in between, and what the client sent (action, device
parameters) is put in as the bytes that came.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from openbraket.base.clock import iso8601, now_ms
from openbraket.base.work import Work
from openbraket.circuits.circuit import Factor, ResultType
from openbraket.circuits.gradients import shown_terms

# Names of result kinds in the documents, where they differ from those of OpenQASM.
_TYPE_NAMES: Final[Mapping[str, str]] = {
    "state_vector": "statevector",
    "density_matrix": "densitymatrix",
}
_OBSERVABLE_KINDS: Final = frozenset({"expectation", "variance", "sample"})


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What a result document says about its task.

    Attributes:
        task_arn: The task's ARN.
        device_arn: The device's ARN.
        shots: Requested shots, at least 0.
        action: The action document as the client sent it, JSON in UTF-8.
        device_parameters: The device parameters as the client sent them, JSON text; may be "".
        created_at: Milliseconds since the epoch.
        ended_at: Milliseconds since the epoch.
        execution_ms: Duration of the simulation in milliseconds; written as at least 1, because
            cost trackers divide by it.
    """

    task_arn: str
    device_arn: str
    shots: int
    action: bytes
    device_parameters: str
    created_at: int
    ended_at: int
    execution_ms: int

    @classmethod
    def of(cls, work: Work, *, execution_ms: int) -> Self:
        """Return the facts of a task whose simulation has just ended."""
        return cls(
            task_arn=work.task_arn,
            device_arn=work.device_arn,
            shots=work.shots,
            action=work.action,
            device_parameters=work.device_parameters,
            created_at=work.created_at,
            ended_at=now_ms(),
            execution_ms=execution_ms,
        )


def gate_model_document(
    facts: TaskFacts,
    *,
    qubits: Sequence[int],
    result_types: Sequence[ResultType],
    values: Sequence[object],
    measurements: NDArray[np.uint8] | None,
    measured: Sequence[int],
    outputs: Sequence[Mapping[str, object]] | None = None,
    log: Sequence[str] = (),
    probabilities: Mapping[str, float] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the result document of a simulated task.

    Args:
        facts: The task.
        qubits: Program index of each of the circuit's positions.
        result_types: The circuit's result types; their qubits are positions.
        values: One value per result type: floats, real arrays, complex arrays, lists of them,
            complex numbers by basis state, or expectation and gradient by name.
        measurements: Measured bits, shape (shots, len(measured)); None for shots = 0.
        measured: Positions of the measured qubits.
        outputs: Values of the output variables of each shot; None where there are none. Numbers
            that JSON does not have (infinities, nan) are written as null.
        log: How the simulation went, in sentences.
        probabilities: Share of the shots by bit string, for devices that give these instead of
            measurements; then `measurements` is None.
        metadata: Members of `additionalMetadata` in place of the simulator's own.

    Returns:
        JSON in UTF-8. A log is in a member `openbraketMetadata` of `additionalMetadata`, which
        clients ignore.

    Source: `braket.task_result.GateModelTaskResult` of amazon-braket-schemas 1.32.
    """
    document: dict[str, Any] = {
        "braketSchemaHeader": header("gate_model_task_result"),
        "measuredQubits": [qubits[position] for position in measured],
        "resultTypes": [
            {"type": _type_object(result_type, qubits), "value": _plain(value, result_type)}
            for result_type, value in zip(result_types, values, strict=True)
        ],
        "taskMetadata": task_metadata(facts),
        "additionalMetadata": {
            "action": orjson.Fragment(facts.action),
            **(simulator_metadata(facts.execution_ms) if metadata is None else metadata),
        },
    }
    if log:
        document["additionalMetadata"]["openbraketMetadata"] = {"log": list(log)}
    if probabilities is not None:
        document["measurementProbabilities"] = probabilities
    if measurements is not None:
        document["measurements"] = measurements
    if outputs is not None:
        document["outputs"] = orjson.Fragment(_outputs_text(outputs))
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def simulator_metadata(execution_ms: int) -> dict[str, Any]:
    """Return the member of `additionalMetadata` that a simulator writes.

    Args:
        execution_ms: Duration of the simulation in milliseconds; written as at least 1.
    """
    return {
        "simulatorMetadata": {
            "braketSchemaHeader": header("simulator_metadata"),
            "executionDuration": max(1, execution_ms),
        }
    }


def _outputs_text(outputs: Sequence[Mapping[str, object]]) -> bytes:
    """Return a list of objects as JSON; many shots share one object, which is written once."""
    texts: dict[int, bytes] = {}
    for shot in outputs:
        if id(shot) not in texts:
            texts[id(shot)] = _object_text(shot)
    return b"[" + b",".join([texts[id(shot)] for shot in outputs]) + b"]"


def _object_text(values: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(values)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(_finite(values), separators=(",", ":"), allow_nan=False).encode()


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def header(name: str) -> dict[str, str]:
    """Return the schema header of a part of a result document."""
    return {"name": f"braket.task_result.{name}", "version": "1"}


def task_metadata(facts: TaskFacts) -> dict[str, Any]:
    """Return the part of a result document that tells of the task."""
    metadata: dict[str, Any] = {
        "braketSchemaHeader": header("task_metadata"),
        "id": facts.task_arn,
        "shots": facts.shots,
        "deviceId": facts.device_arn,
        "createdAt": iso8601(facts.created_at),
        "endedAt": iso8601(facts.ended_at),
        "status": "COMPLETED",
    }
    if facts.device_parameters:
        metadata["deviceParameters"] = orjson.Fragment(facts.device_parameters)
    return metadata


def _type_object(result_type: ResultType, qubits: Sequence[int]) -> dict[str, Any]:
    """Return the result type in the form of JAQCD; absent targets mean all qubits."""
    out: dict[str, Any] = {"type": _TYPE_NAMES.get(result_type.kind, result_type.kind)}
    targets: Sequence[int] | None = result_type.targets
    if result_type.kind in _OBSERVABLE_KINDS:
        out["observable"] = [_factor_object(factor) for factor in result_type.observable]
        targets = [qubit for factor in result_type.observable for qubit in factor.targets] or None
    if result_type.kind == "adjoint_gradient":
        out["observable"] = shown_terms(result_type.terms)
        out["targets"] = [
            [qubits[position] for factor in term.observable for position in factor.targets]
            for term in result_type.terms
        ]
        out["parameters"] = list(result_type.parameters)
    if targets is not None:
        out["targets"] = [qubits[position] for position in targets]
    if result_type.kind == "amplitude":
        out["states"] = list(result_type.states)
    return out


def _factor_object(factor: Factor) -> object:
    if factor.matrix is None:
        return factor.name
    # 0 + x turns -0.0 into 0.0: clients compare these objects by their text.
    return [[[0.0 + x.real, 0.0 + x.imag] for x in row] for row in factor.matrix]


def _plain(value: object, result_type: ResultType) -> object:
    """Return a value in JSON's terms, complex numbers as [real, imaginary]."""
    if isinstance(value, np.ndarray) and np.iscomplexobj(value):
        pairs = np.ascontiguousarray(value, dtype=np.complex128).view(np.float64)
        return pairs.reshape((*value.shape, 2))
    if isinstance(value, dict) and result_type.kind == "amplitude":
        return {state: [number.real, number.imag] for state, number in value.items()}
    return value
