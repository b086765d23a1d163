"""The channel table, and noise among the steps that reductions look at."""

import math

import pytest

from openbraket.circuits.channels import (
    CHANNELS,
    CHANNELS_BY_CODE,
    kraus_operators,
    pauli_weights,
    refuse_kraus,
    refuse_parameters,
)
from openbraket.circuits.circuit import Circuit, Factor, Noise, Operations, ResultType
from openbraket.circuits.gates import GATES, UNITARY_CODE
from openbraket.circuits.memory import FIXED_BYTES, density_matrix_bytes
from openbraket.circuits.noisy import wide_qubit_count
from openbraket.circuits.reductions import plan_circuit
from openbraket.circuits.steps import operations_of, steps_of


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=list(CHANNELS))
def test_every_channel_at_its_limits_preserves_the_trace(channel):
    assert CHANNELS_BY_CODE[channel.code] is channel
    assert channel.code > UNITARY_CODE
    top = channel.parameter_max / (3 if channel.name == "pauli_channel" else 1)
    for share in (0.0, 0.5, 1.0):
        parameters = (share * top,) * channel.parameter_count
        assert refuse_parameters(channel, parameters) is None
        noise = Noise(channel.name, tuple(range(channel.qubit_count)), parameters, (), 0)
        operators = kraus_operators(noise)
        assert {len(matrix) for matrix in operators} == {1 << channel.qubit_count}
        assert refuse_kraus(operators) is None
        weights = pauli_weights(noise)
        assert weights is None or math.fsum(weights.values()) <= 1


def test_parameters_beyond_the_limits_are_refused_with_the_limit():
    for channel in CHANNELS.values():
        beyond = (channel.parameter_max + 1e-9,) + (0.0,) * (channel.parameter_count - 1)
        message = refuse_parameters(channel, beyond)
        assert message is not None
        assert f"from 0 to {channel.parameter_max:g}" in message
        assert refuse_parameters(channel, (math.nan,) * channel.parameter_count) is not None
    message = refuse_parameters(CHANNELS["pauli_channel"], (0.5, 0.4, 0.2))
    assert message is not None
    assert "together at most 1" in message


def test_steps_keep_noise_in_its_place():
    operations = Operations()
    kraus = (((0.6, 0), (0, 0.6)), ((0, 0.8j), (-0.8j, 0)))
    operations.noise.append(Noise("bit_flip", (2,), (0.1,), (), 0))
    operations.append(GATES["h"].code, [0])
    operations.noise.append(Noise("kraus", (1,), (), kraus, 1))
    operations.noise.append(Noise("two_qubit_dephasing", (0, 2), (0.3,), (), 1))
    operations.append(GATES["cnot"].code, [0, 1])
    operations.noise.append(Noise("pauli_channel", (0,), (0.1, 0.2, 0.3), (), 2))
    steps = steps_of(operations)
    assert [step.targets for step in steps] == [(2,), (0,), (1,), (0, 2), (0, 1), (0,)]
    back = operations_of(steps, range(3))
    assert back == operations


def noisy_line(qubit_count):
    operations = Operations()
    for q in range(qubit_count):
        operations.append(GATES["rx"].code, [q], [0.3])
    for q in range(0, qubit_count - 1, 2):
        operations.append(GATES["cz"].code, [q, q + 1])
    return operations


def plan_of(operations, qubit_count, *results, shots=0):
    return plan_circuit(Circuit(tuple(range(qubit_count)), operations, results), shots=shots)


def test_only_parts_with_noise_become_density_matrices():
    operations = noisy_line(10)
    operations.noise.append(Noise("bit_flip", (4,), (0.1,), (), len(operations)))
    observable = tuple(Factor("x", (q,)) for q in range(10))
    plan = plan_of(operations, 10, ResultType("expectation", observable))
    assert sorted(part.engine for part in plan.parts) == ["density_matrix", "state_vector"]
    assert (plan.width, plan.density_width) == (2, 2)


def test_noise_outside_the_light_cone_is_left_out():
    operations = noisy_line(10)
    operations.noise += [
        Noise("amplitude_damping", (7,), (0.1,), (), len(operations)),
        Noise("two_qubit_depolarizing", (8, 6), (0.1,), (), len(operations)),
        Noise("phase_flip", (0,), (0.1,), (), len(operations)),
    ]
    z = plan_of(operations, 10, ResultType("expectation", (Factor("z", (0,)),)))
    assert z.density_width == 0
    x = plan_of(operations, 10, ResultType("expectation", (Factor("x", (0,)),)))
    assert x.density_width == 2


def test_known_bits_stay_known_under_channels_that_keep_them():
    operations = Operations()
    operations.append(GATES["x"].code, [0])
    operations.noise += [
        Noise("phase_damping", (0,), (0.5,), (), 1),
        Noise("amplitude_damping", (1,), (0.5,), (), 1),
    ]
    assert not plan_of(operations, 2, shots=10).parts
    operations.noise.append(Noise("amplitude_damping", (0,), (0.5,), (), 1))
    assert plan_of(operations, 2, shots=10).density_width == 1


def test_noise_is_never_postponed_behind_the_measurement():
    operations = Operations()
    operations.append(GATES["h"].code, [0])
    operations.noise.append(Noise("bit_flip", (1,), (0.25,), (), 1))
    operations.append(GATES["cnot"].code, [0, 1])
    plan = plan_of(operations, 2, shots=10)
    (group,) = plan.groups
    assert [step.code for step in group.postponed] == [GATES["cnot"].code]
    assert plan.density_width == 1


def test_memory_of_a_density_matrix():
    assert density_matrix_bytes(0) == 0
    assert density_matrix_bytes(15) == (8 * 4**15) * 103 // 100 + FIXED_BYTES < 24 * 2**30
    assert density_matrix_bytes(16) > 24 * 2**30
    assert density_matrix_bytes(5, 4) - density_matrix_bytes(5) == 64 * 4**4


def test_wide_operations_are_those_that_are_not_written_out():
    operations = Operations()
    operations.append(GATES["ccnot"].code, [0, 1, 2])
    operations.append(GATES["cnot"].code, [0, 1])
    assert wide_qubit_count(operations) == 0
    operations.append(GATES["x"].code, [0, 1, 2], control_count=2, control_value=3)
    assert wide_qubit_count(operations) == 3
