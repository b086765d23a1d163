"""Admission's estimate against what a simulation takes."""

import json
import subprocess
import sys

import pytest

from openbraket.circuits.memory import state_vector_bytes
from openbraket.devices import Catalogue
from openbraket.programs.check import check_program
from openbraket.programs.openqasm import parse_circuit
from openbraket.simulators import noisy

DM1 = Catalogue().get("arn:aws:braket:::device/quantum-simulator/amazon/dm1")

SIMULATION = """
import sys
from openbraket.circuits.circuit import Circuit, Factor, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.simulators.statevector import simulate

qubit_count, shots, precision = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
operations = Operations()
for qubit in range(qubit_count):
    operations.append(GATES["rx"].code, [qubit], [0.3 + qubit])
for qubit in range(qubit_count - 1):
    operations.append(GATES["cz"].code, [qubit, qubit + 1])
for qubit in range(qubit_count):
    operations.append(GATES["rx"].code, [qubit], [0.4])
observable = tuple(Factor("xyzh"[qubit % 4], (qubit,)) for qubit in range(qubit_count))
circuit = Circuit(
    tuple(range(qubit_count)), operations, (ResultType("variance", observable),)
)
simulate(circuit, shots=shots, precision=precision)
# Not ru_maxrss, which may be the peak of the process that started this one.
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("qubit_count", "shots", "precision"),
    [(24, 0, "double"), (26, 100_000, "single")],
)
def test_estimate_is_within_ten_percent_of_the_peak(qubit_count, shots, precision):
    arguments = [sys.executable, "-c", SIMULATION, str(qubit_count), str(shots), precision]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True)
    estimate = state_vector_bytes(qubit_count, is_single=precision == "single")
    assert 0.9 <= int(found.stdout) / estimate <= 1.1


MATRICES = """
import sys
from openbraket.circuits.circuit import Operations
from openbraket.kernels import load_variant
import numpy

def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024

generator, operations = numpy.random.default_rng(1), Operations()
for _ in range(200):
    matrix = numpy.eye(64)[generator.permutation(64)]
    operations.append_unitary(matrix.tolist(), generator.permutation(13)[:6].tolist())
state = getattr(load_variant(sys.argv[1]), sys.argv[2])(13)
before = peak()
state.apply(operations.codes, operations.target_starts, operations.targets,
    operations.parameter_starts, operations.parameters, operations.control_counts,
    operations.control_values, thread_count=1)
print((peak() - before) / (8 * len(operations.parameters)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["StateVector", "StateVectorSingle"])
def test_many_matrices_take_little_more_than_themselves(core, kind):
    # Made ready all at once they would take 8 times (single precision: 16 times) their size.
    name = core.__name__.rpartition("_core_")[2]
    arguments = [sys.executable, "-c", MATRICES, name, kind]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert float(found.stdout) <= 2


@pytest.mark.parametrize("gate", ["h q;", "rx(0.3) q;"])
@pytest.mark.parametrize("noise", ["depolarizing(0.01)", "amplitude_damping(0.1)"])
@pytest.mark.parametrize("qubit_count", [3, 9, 12, 16, 17])
def test_noisy_program_runs_in_the_memory_that_it_was_admitted_with(qubit_count, gate, noise):
    chain = "".join(f"cnot q[{k}], q[{k + 1}]; " for k in range(qubit_count - 1))
    source = (
        f"OPENQASM 3; qubit[{qubit_count}] q; {gate} {chain}\n"
        f"#pragma braket noise {noise} q\n{gate} {chain}"
    )
    action = {
        "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
        "source": source,
    }
    checked = check_program(json.dumps(action), DM1, shots=50, memory_bytes_max=1 << 30)
    bits = noisy.simulate(
        parse_circuit(source), shots=50, seed=1, memory_bytes=checked.memory_bytes
    ).measurements
    assert bits.shape == (50, qubit_count)
