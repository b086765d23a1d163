"""The state-vector simulator's refusals, powers and progress."""

import threading

import numpy as np
import pytest

from openbraket.base.errors import LimitError, NumericsError, ProgramError
from openbraket.circuits.circuit import Circuit, Factor, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.simulators.observables import joint_basis
from openbraket.simulators.powers import resolve_powers, unitary_power
from openbraket.simulators.statevector import StateVector, simulate


def circuit(qubit_count: int, *results: ResultType) -> Circuit:
    return Circuit(tuple(range(qubit_count)), Operations(), results)


def expectation(*factors: Factor) -> ResultType:
    return ResultType("expectation", factors)


X0, Z0, ALL_X = Factor("x", (0,)), Factor("z", (0,)), Factor("x", ())
HERMITIAN = ((1 + 0j, 2j), (-2j, 0j))
PAIR = tuple(tuple(complex(r == c) for c in range(4)) for r in range(4))


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([expectation(X0), expectation(Z0)], "Conflicting result types"),
        ([expectation(X0), ResultType("probability")], "Conflicting result types"),
        ([expectation(ALL_X), expectation(Factor("y", (1,)))], "Conflicting result types"),
        (
            [
                expectation(Factor("hermitian", (0,), HERMITIAN)),
                expectation(Factor("hermitian", (0,), ((1, 0), (0, 2)))),
            ],
            "Conflicting result types",
        ),
        (
            [expectation(Factor("hermitian", (0, 1), PAIR)), expectation(Z0)],
            "Qubit part of incompatible results targets",
        ),
        (
            [
                expectation(Factor("hermitian", (0, 1), PAIR)),
                expectation(Factor("hermitian", (1, 0), PAIR)),
            ],
            "Qubit part of incompatible results targets",
        ),
    ],
)
def test_results_in_two_bases_are_refused_with_shots_only(results, message):
    with pytest.raises(ProgramError, match=message):
        simulate(circuit(2, *results), shots=10)
    assert len(simulate(circuit(2, *results), shots=0).values) == 2


def test_results_that_share_a_basis_are_measured_once():
    shared = Factor("hermitian", (1,), HERMITIAN)
    results = [
        expectation(X0, shared),
        expectation(shared, Factor("i", (0,))),
        ResultType("sample", (X0,)),
        ResultType("variance", (Factor("z", (2,)),)),
        ResultType("probability", targets=(2,)),
    ]
    assert sorted(basis.targets for basis in joint_basis(results, 3)) == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("result", "shots", "message"),
    [
        (ResultType("sample", (Z0,)), 0, "sample can only be specified when shots>0"),
        (ResultType("amplitude", states=("011",)), 0, "Length of state 011 .* qubits 2"),
        (ResultType("state_vector"), 5, "not available when shots>0"),
        (ResultType("amplitude", states=("00",)), 5, "not available when shots>0"),
        (ResultType("density_matrix"), 5, "not available when shots>0"),
        (ResultType("adjoint_gradient"), 5, "adjoint_gradient is not available when shots>0"),
    ],
)
def test_kinds_that_do_not_go_with_the_shots_are_refused(result, shots, message):
    with pytest.raises(ProgramError, match=message):
        simulate(circuit(2, result), shots=shots)


def test_program_without_result_types_needs_shots():
    with pytest.raises(ProgramError, match="Result types must be specified"):
        simulate(circuit(1), shots=0)


def test_program_without_qubits_is_refused():
    with pytest.raises(ProgramError, match="uses no qubits; at least 1"):
        simulate(circuit(0), shots=1)


def test_large_density_matrix_is_refused_with_both_numbers():
    with pytest.raises(LimitError, match="13 qubits; at most 12"):
        simulate(circuit(13, ResultType("density_matrix")), shots=0)


def test_power_of_minus_one_is_on_the_principal_branch():
    # An eigenvalue -1 with rounding on the wrong side of the branch cut.
    matrix = np.diag([1, np.exp(-1j * np.pi * (1 - 1e-15))])
    np.testing.assert_allclose(unitary_power(matrix, 0.5), np.diag([1, 1j]), atol=1e-12)


def test_power_of_a_matrix_that_is_not_unitary_is_refused():
    with pytest.raises(NumericsError, match=r"power 0\.5 of a matrix that is not unitary"):
        unitary_power(np.array([[1, 1], [0, 1]], dtype=complex), 0.5)


def test_fractional_powers_of_a_degenerate_unitary_multiply():
    generator = np.random.default_rng(2)
    vectors = np.linalg.qr(generator.normal(size=(8, 8)) + 1j * generator.normal(size=(8, 8)))[0]
    unitary = (
        vectors @ np.diag(np.exp(1j * np.array([1, 1, 1, -1, -1, 2, 0, 0]))) @ vectors.conj().T
    )
    third = unitary_power(unitary, 1 / 3)
    np.testing.assert_allclose(third @ third @ third, unitary, atol=1e-13)


def test_operations_without_powers_are_passed_on_as_they_are():
    operations = Operations()
    operations.append(GATES["h"].code, [0])
    assert resolve_powers(operations) is operations


def test_power_of_a_controlled_unitary_keeps_its_controls():
    operations = Operations()
    operations.append(GATES["h"].code, [0])
    operations.append(GATES["x"].code, [0, 1], control_count=1, control_value=1, power=3.0)
    state = StateVector(2)
    state.apply(operations)
    np.testing.assert_allclose(state.amplitudes(), np.array([1, 0, 0, 1]) / np.sqrt(2), atol=1e-15)
    assert operations.powers == {1: 3.0}


def test_progress_is_reported_between_zero_and_one(monkeypatch):
    monkeypatch.setattr("openbraket.simulators.progress.REPORT_INTERVAL_S", 1e-4)
    operations, seen = Operations(), []
    for _ in range(20):
        for qubit in range(18):
            operations.append(GATES["h"].code, [qubit])
            operations.append(GATES["ccnot"].code, [qubit, (qubit + 5) % 18, (qubit + 9) % 18])
    StateVector(18).apply(operations, report=seen.append)
    assert seen
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1
    assert "progress" not in {thread.name for thread in threading.enumerate()}
