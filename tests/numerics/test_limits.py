"""The core at its limits: it refuses or does with less, and never ends the process."""

import resource
import subprocess
import sys

import numpy as np
import pytest

from openbraket.circuits.circuit import Operations
from openbraket.circuits.gates import GATES, UNITARY_CODE
from openbraket.kernels import StateVector


def layer(qubit_count: int) -> Operations:
    operations = Operations()
    for qubit in range(qubit_count):
        operations.append(GATES["ry"].code, [qubit], [0.1 + qubit])
    return operations


@pytest.mark.parametrize("thread_count", [-5, 0, 100_000, 2**31 - 1])
def test_any_thread_count_gives_the_same_state(core, slow, thread_count):
    operations = layer(17)
    one = slow.run_kernel(core, operations, 17)
    other = slow.run_kernel(core, operations, 17, thread_count=thread_count)
    draws = np.linspace(0, 0.999, 100)
    for state, count in ((one, 1), (other, thread_count)):
        assert abs(state.probabilities([], thread_count=count)[0] - 1) <= 1e-13
    assert np.array_equal(
        one.sample(draws, thread_count=1), other.sample(draws, thread_count=thread_count)
    )
    assert np.array_equal(
        one.amplitudes(thread_count=1), other.amplitudes(thread_count=thread_count)
    )
    density = other.density_matrix([3], thread_count=thread_count)
    assert abs(np.trace(density) - 1) <= 1e-13
    assert other.pauli_expectations([("z", [2])], thread_count=thread_count)[0] == pytest.approx(
        np.cos(2.1)
    )


NO_MEMORY = """
import resource, sys
import numpy
from openbraket.kernels import StateVector
state = StateVector(20)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    print(state.density_matrix(range(8), thread_count=8).shape)
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="no address-space limit")
@pytest.mark.parametrize("room_mib", [1, 4, 12, 40])
def test_threads_and_memory_that_the_system_refuses_do_not_end_the_process(room_mib):
    done = subprocess.run(
        [sys.executable, "-c", NO_MEMORY, str(room_mib)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("MemoryError", "(256, 256)")


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="no address-space limit")
def test_a_state_beyond_memory_raises_memory_error():
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 37, hard))
    try:
        with pytest.raises(MemoryError):
            StateVector(34)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_matrix_on_too_many_qubits_is_refused(core, slow):
    operations = Operations()
    operations.append(UNITARY_CODE, range(17))
    with pytest.raises(ValueError, match="a matrix on 17 qubits; at most 16 are allowed"):
        slow.run_kernel(core, operations, 17)
