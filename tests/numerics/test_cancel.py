"""Cancelling a call while it prepares its work, and how often it looks."""

from array import array

import numpy as np
import pytest

from openbraket.circuits.circuit import Operations
from openbraket.circuits.gates import GATES

# Between two looks; at a few 1e9 operations a second some milliseconds.
FLOPS_MAX = 2**22


def columns(operations: Operations) -> tuple:
    return (
        operations.codes,
        operations.target_starts,
        operations.targets,
        operations.parameter_starts,
        operations.parameters,
        operations.control_counts,
        operations.control_values,
    )


def gradient(core, operations, qubit_count, monitor, **options):
    psi, image = core.StateVector(qubit_count), core.StateVector(qubit_count)
    return core.adjoint_derivatives(
        psi, image, *columns(operations), array("I", [0]), array("I"), np.zeros(0),
        monitor=monitor, **options,
    )  # fmt: skip


def wide_operations(target_count: int, qubit_count: int) -> Operations:
    """Return matrices on neighbouring qubits between rotations; the first parameter is an angle."""
    matrix = np.eye(1 << target_count)[::-1].tolist()
    operations = Operations()
    operations.append(GATES["ry"].code, [0], [0.3])
    for first in range(qubit_count - target_count + 1):
        operations.append_unitary(matrix, range(first, first + target_count))
        operations.append(GATES["ry"].code, [first], [0.1 + first])
    return operations


def ending_wrongly(operations: Operations) -> Operations:
    operations.append(GATES["x"].code, [40])
    return operations


@pytest.mark.parametrize("kind", ["StateVector", "StateVectorSingle"])
def test_a_cancelled_run_stops_before_it_has_fused_anything(core, kind):
    operations, monitor = ending_wrongly(wide_operations(2, 5)), core.Monitor()
    with pytest.raises(ValueError, match="qubit 40 is not below 5"):
        getattr(core, kind)(5).apply(*columns(operations), thread_count=1, monitor=monitor)
    assert monitor.preparation_look_count >= len(operations)
    monitor.cancel()
    state = getattr(core, kind)(5)
    assert not state.apply(*columns(operations), thread_count=1, monitor=monitor)
    assert (monitor.preparation_look_count, monitor.look_count) == (1, 0)
    assert monitor.fraction == 0
    assert state.amplitude(0) == 1


def test_a_cancelled_gradient_stops_before_it_has_fused_anything(core):
    operations, monitor = ending_wrongly(wide_operations(2, 5)), core.Monitor()
    with pytest.raises(ValueError, match="qubit 40 is not below 5"):
        gradient(core, operations, 5, monitor, thread_count=1)
    monitor.cancel()
    assert gradient(core, operations, 5, monitor, thread_count=1) is None
    assert (monitor.preparation_look_count, monitor.look_count) == (1, 0)


def test_a_cancelled_density_matrix_stops_before_it_has_fused_anything(core):
    operations, monitor, none = Operations(), core.Monitor(), array("I")
    for qubit in (0, 1, 40):
        operations.append(GATES["h"].code, [qubit])
    noise = (none, array("I", [0]), none, none, array("I", [0]), array("d"))
    with pytest.raises(ValueError, match="qubit 40 is not below 2"):
        core.PauliState(2).apply(*columns(operations), *noise, thread_count=1, monitor=monitor)
    monitor.cancel()
    assert not core.PauliState(2).apply(
        *columns(operations), *noise, thread_count=1, monitor=monitor
    )
    assert monitor.preparation_look_count == 1


@pytest.mark.parametrize("target_count", [3, 6, 7, 9])
@pytest.mark.parametrize("kind", ["StateVector", "StateVectorSingle"])
def test_preparations_look_at_every_row_and_every_operation(core, kind, target_count):
    operations, monitor = wide_operations(target_count, 10), core.Monitor()
    assert getattr(core, kind)(10).apply(*columns(operations), thread_count=1, monitor=monitor)
    matrices = 11 - target_count
    # Each matrix: before it is read, at each of its rows, and when it becomes a step or a sweep.
    assert monitor.preparation_look_count >= matrices * (2 + (1 << target_count))


@pytest.mark.parametrize("thread_count", [1, 2])
@pytest.mark.parametrize("target_count", [2, 6, 7, 9])
def test_a_gradient_looks_every_few_million_operations(core, target_count, thread_count):
    qubit_count = 16
    operations, monitor = Operations(), core.Monitor()
    operations.append(GATES["ry"].code, [0], [0.3])
    operations.append_unitary(np.eye(1 << target_count)[::-1].tolist(), range(target_count))
    found = gradient(core, operations, qubit_count, monitor, thread_count=thread_count)
    assert found is not None
    assert monitor.fraction == 1
    # The matrix is undone on both states.
    flops = 2 * 8 * 2 ** (qubit_count + target_count)
    assert flops / monitor.look_count <= FLOPS_MAX
    assert monitor.preparation_look_count >= len(operations) + (1 << target_count)
