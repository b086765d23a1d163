"""The SDK's own local simulator, `braket_sv`, finds the same.

Gate modifiers are left out: observed with amazon-braket-default-simulator 1.41.2, `braket_sv`
drops the gate of `ctrl @ x q[2], q[0]` and the exponents of `pow(0.5) @ cnot`, `pow(2) @ gphase`.
`test_gates.py` compares them with matrices.
"""

import json

import numpy as np
import pytest
from braket.default_simulator import StateVectorSimulator
from braket.ir.openqasm import Program
from braket.task_result import GateModelTaskResult
from braket.tasks import GateModelQuantumTaskResult

from openbraket.base.work import Work
from openbraket.circuits.gates import GATES
from openbraket.runners.openqasm import run

pytestmark = pytest.mark.filterwarnings("ignore:This program uses OpenQASM language features")

RESULTS = """
#pragma braket result expectation x(q[0]) @ z(q[2])
#pragma braket result expectation hermitian([[1, 2im], [-2im, -1]]) q[1]
#pragma braket result expectation h(q[3]) @ x(q[0])
#pragma braket result variance z(q[2])
#pragma braket result variance hermitian([[1, 2im], [-2im, -1]]) q[1]
"""
EXACT_RESULTS = (
    RESULTS
    + """
#pragma braket result variance y all
#pragma braket result probability
#pragma braket result probability q[3], q[1]
#pragma braket result amplitude "0000", "1010"
#pragma braket result state_vector
#pragma braket result density_matrix q[2], q[0]
"""
)
SHOTS_RESULTS = (
    RESULTS
    + """
#pragma braket result sample x(q[0]) @ z(q[2])
#pragma braket result sample h(q[3])
#pragma braket result probability q[2]
"""
)


def program(seed: int, count: int = 40) -> str:
    generator, lines = np.random.default_rng(seed), ["OPENQASM 3.0;", "qubit[4] q;"]
    lines += [f"ry({generator.uniform(0, 7)}) q[{qubit}];" for qubit in range(4)]
    names = list(GATES)
    for _ in range(count):
        gate = GATES[str(generator.choice(names))]
        parameters = ", ".join(
            repr(x) for x in generator.uniform(-7, 7, gate.parameter_count).tolist()
        )
        text = gate.name + (f"({parameters})" if parameters else "")
        qubits = generator.permutation(4)[: gate.qubit_count]
        lines.append(f"{text} {', '.join(f'q[{k}]' for k in qubits)};")
    return "\n".join(lines)


def ours(source: str, shots: int) -> GateModelTaskResult:
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    action = json.dumps({"braketSchemaHeader": header, "source": source, "inputs": {}})
    work = Work("t", 1, "", "arn:task", "arn:device", shots, action.encode(), "", 0, 1, 0)
    return GateModelTaskResult.parse_raw(run(work, lambda _: None).objects[0].content)


def local(source: str, shots: int) -> GateModelTaskResult:
    return StateVectorSimulator().run(Program(source=source), shots=shots)


def plain(value: object) -> np.ndarray:
    """One array of complex numbers for any form of value."""
    if isinstance(value, dict):
        return np.array([plain(value[key]) for key in sorted(value)])
    return np.asarray(value)


def as_complex(value: object) -> np.ndarray:
    array = plain(value)
    return array[..., 0] + 1j * array[..., 1]


@pytest.mark.parametrize("seed", range(12))
def test_exact_results_equal_those_of_braket_sv(seed):
    source = program(seed) + EXACT_RESULTS
    mine, theirs = ours(source, 0), local(source, 0)
    assert len(mine.resultTypes) == len(theirs.resultTypes) == 11
    for one, other in zip(mine.resultTypes, theirs.resultTypes, strict=True):
        assert one.type == other.type
        is_complex = one.type.type in {"amplitude", "statevector", "densitymatrix"}
        found = as_complex(one.value) if is_complex else plain(one.value)
        np.testing.assert_allclose(found, plain(other.value), atol=1e-12)


def test_estimated_results_equal_what_the_sdk_computes_from_our_measurements():
    source = program(3) + SHOTS_RESULTS
    mine, theirs = ours(source, 300), local(source, 300)
    assert mine.measuredQubits == theirs.measuredQubits
    assert np.shape(mine.measurements) == np.shape(theirs.measurements)
    assert [one.type for one in mine.resultTypes] == list(theirs.resultTypes)
    recomputed = GateModelQuantumTaskResult._calculate_result_types(
        json.dumps({"results": [json.loads(one.type.json()) for one in mine.resultTypes]}),
        np.array(mine.measurements),
        mine.measuredQubits,
    )
    for one, other in zip(mine.resultTypes, recomputed, strict=True):
        np.testing.assert_allclose(one.value, other.value, atol=1e-12)


def test_measured_qubits_and_bits_equal_those_of_braket_sv():
    source = (
        "OPENQASM 3.0;\nbit[2] b;\nqubit[4] q;\nx q[1];\nh q[3];\nh q[3];\n"
        "b[0] = measure q[1];\nb[1] = measure q[3];"
    )
    mine, theirs = ours(source, 5), local(source, 5)
    assert mine.measuredQubits == theirs.measuredQubits == [1, 3]
    assert mine.measurements == [[1, 0]] * 5
    assert np.array(theirs.measurements).astype(int).tolist() == mine.measurements
