"""Admission's estimate against what a simulation takes."""

import subprocess
import sys

import pytest

from openbraket.circuits.memory import state_vector_bytes

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
