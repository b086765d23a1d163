"""Operations one by one, and what the structure of their matrices allows without arithmetic.

A reduction asks two things of an operation: in which of its targets is it block-diagonal (a
control, or any target of a diagonal gate), and is it monomial (a permutation of basis states with
phases). Both are read off the gate table's matrices, so the table stays the only place that knows
gates.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from openbraket.circuits.channels import (
    CHANNEL_CODE_MIN,
    CHANNELS,
    CHANNELS_BY_CODE,
    KRAUS,
    KRAUS_CODE,
)
from openbraket.circuits.circuit import Noise, Operations
from openbraket.circuits.gates import GATES, GATES_BY_CODE, UNITARY_CODE, Matrix

# A unitary on more targets than this is taken as dense: its entries are not looked at.
EXAMINED_QUBITS_MAX: Final = 3
# Angles at which no entry of a parametrized gate vanishes by accident.
_GENERIC_ANGLES: Final = (0.7390851, 1.2345678, 0.3141592)


class Step(NamedTuple):
    """One operation, or one noise channel.

    Attributes:
        code: Gate code, `UNITARY_CODE`, or a code of `circuits.channels`.
        targets: Qubits, added controls first.
        parameters: Angles in radians, or the interleaved matrix of a unitary; a channel's
            probabilities, or its interleaved Kraus operators one after the other.
        control_count: How many leading targets are added controls.
        control_value: The bits that the controls must have, first control most significant.
        power: Exponent of the gate, before controls apply.
    """

    code: int
    targets: tuple[int, ...]
    parameters: tuple[float, ...] = ()
    control_count: int = 0
    control_value: int = 0
    power: float = 1.0


class Structure(NamedTuple):
    """What an operation's matrix allows.

    Attributes:
        block_diagonal: Whether each target is only read: the matrix never changes its bit. For a
            channel, which has one value for all targets: whether diagonal observables stay as they
            are.
        is_monomial: Whether every basis state goes to one basis state. For a channel: whether
            diagonal observables stay diagonal.
    """

    block_diagonal: tuple[bool, ...]
    is_monomial: bool


# Gates that are another gate with controls, all of which must be 1.
CONTROLLED: Final[dict[int, tuple[int, int]]] = {
    GATES[name].code: (count, GATES[base].code)
    for name, count, base in (
        ("cnot", 1, "x"),
        ("cy", 1, "y"),
        ("cz", 1, "z"),
        ("cv", 1, "v"),
        ("cphaseshift", 1, "phaseshift"),
        ("ccnot", 2, "x"),
        ("cswap", 1, "swap"),
    )
}


def steps_of(operations: Operations) -> list[Step]:
    """Return the operations and noise channels as steps, in order."""
    targets, parameters = tuple(operations.targets), tuple(operations.parameters)
    columns = zip(
        operations.codes,
        pairwise(operations.target_starts),
        pairwise(operations.parameter_starts),
        operations.control_counts,
        operations.control_values,
        strict=True,
    )
    steps = [
        Step(code, targets[a:b], parameters[c:d] if c != d else (), count, value)
        for code, (a, b), (c, d), count, value in columns
    ]
    for index, power in operations.powers.items():
        steps[index] = steps[index]._replace(power=power)
    return _with_noise(steps, operations.noise) if operations.noise else steps


def _with_noise(steps: Sequence[Step], noise: Sequence[Noise]) -> list[Step]:
    merged: list[Step] = []
    done = 0
    for channel in noise:
        merged += steps[done : channel.index]
        done = channel.index
        merged.append(_noise_step(channel))
    merged += steps[done:]
    return merged


def _noise_step(noise: Noise) -> Step:
    if noise.name != KRAUS:
        return Step(CHANNELS[noise.name].code, noise.targets, noise.probabilities)
    parts = (x for m in noise.matrices for row in m for z in row for x in (z.real, z.imag))
    return Step(KRAUS_CODE, noise.targets, tuple(parts))


def is_channel(step: Step) -> bool:
    """Return whether a step is a noise channel."""
    return step.code >= CHANNEL_CODE_MIN


def _noise_of(step: Step, targets: tuple[int, ...], index: int) -> Noise:
    if step.code != KRAUS_CODE:
        return Noise(CHANNELS_BY_CODE[step.code].name, targets, step.parameters, (), index)
    return Noise(KRAUS, targets, (), kraus_matrices(step), index)


def kraus_matrices(step: Step) -> tuple[Matrix, ...]:
    """Return the Kraus operators of a step of `KRAUS_CODE`."""
    size, flat = 1 << len(step.targets), step.parameters
    entries = [complex(*flat[k : k + 2]) for k in range(0, len(flat), 2)]
    rows = [tuple(entries[k : k + size]) for k in range(0, len(entries), size)]
    return tuple(tuple(rows[k : k + size]) for k in range(0, len(rows), size))


def operations_of(steps: Iterable[Step], positions: Sequence[int]) -> Operations:
    """Return steps as columns.

    Args:
        steps: The steps.
        positions: New position of every target.
    """
    operations = Operations()
    for step in steps:
        if is_channel(step):
            targets = tuple([positions[target] for target in step.targets])
            operations.noise.append(_noise_of(step, targets, len(operations)))
            continue
        operations.append(
            step.code,
            [positions[target] for target in step.targets],
            step.parameters,
            control_count=step.control_count,
            control_value=step.control_value,
            power=step.power,
        )
    return operations


def matrix_of(step: Step) -> Matrix | None:
    """Return the matrix of a step without its added controls.

    Returns:
        The matrix, or None for a channel, a power other than 1 and a unitary on more than
        `EXAMINED_QUBITS_MAX` targets.
    """
    if is_channel(step):
        return None
    if step.power != 1.0 or len(step.targets) - step.control_count > EXAMINED_QUBITS_MAX:
        return None
    if step.code != UNITARY_CODE:
        return GATES_BY_CODE[step.code].matrix(*step.parameters)
    size = 1 << (len(step.targets) - step.control_count)
    flat = step.parameters
    return tuple(
        tuple(complex(*flat[2 * k : 2 * k + 2]) for k in range(row * size, (row + 1) * size))
        for row in range(size)
    )


def unitary_step(matrix: Matrix, targets: tuple[int, ...]) -> Step:
    """Return the step of a matrix of shape (2^len(targets),) * 2."""
    flat = tuple(part for row in matrix for x in row for part in (x.real, x.imag))
    return Step(UNITARY_CODE, targets, flat)


def structure_of(step: Step) -> Structure:
    """Return a step's structure; of a gate that of its generic angles."""
    if is_channel(step):
        channel = CHANNELS_BY_CODE.get(step.code)
        is_read = channel is not None and channel.is_read
        return Structure((is_read,) * len(step.targets), channel is not None)
    if step.code == UNITARY_CODE:
        matrix = matrix_of(step)
        target_count = len(step.targets) - step.control_count
        base = Structure((False,) * target_count, False) if matrix is None else _examine(matrix)
        return Structure((True,) * step.control_count + base.block_diagonal, base.is_monomial)
    structure = _gate_structure(step.code, step.control_count)
    # A power is a function of the matrix: its blocks stay, a permutation need not.
    return structure if step.power == 1.0 else Structure(structure.block_diagonal, False)


@lru_cache(maxsize=4096)
def _gate_structure(code: int, control_count: int) -> Structure:
    gate = GATES_BY_CODE[code]
    base = _examine(gate.matrix(*_GENERIC_ANGLES[: gate.parameter_count]))
    return Structure((True,) * control_count + base.block_diagonal, base.is_monomial)


def _examine(matrix: Matrix) -> Structure:
    size = len(matrix)
    qubit_count = size.bit_length() - 1
    moved, is_monomial = 0, True
    for i, row in enumerate(matrix):
        entries = [j for j in range(size) if row[j] != 0]
        is_monomial = is_monomial and len(entries) == 1
        for j in entries:
            moved |= i ^ j
    reads = tuple(not moved >> (qubit_count - 1 - k) & 1 for k in range(qubit_count))
    return Structure(reads, is_monomial)


@lru_cache(maxsize=4096)
def monomial_images(step: Step) -> tuple[tuple[int, ...], tuple[complex, ...]]:
    """Return where a monomial step without its added controls takes basis states.

    Args:
        step: Its targets do not matter, so callers that want the cache to serve them should pass
            the same ones.

    Returns:
        The image of every basis state of the targets, and the phase that it gets.

    Raises:
        ValueError: If the step is not monomial.
    """
    matrix = matrix_of(step)
    if matrix is None:
        raise ValueError("the step has no matrix")
    images, phases = [0] * len(matrix), [0j] * len(matrix)
    for i, row in enumerate(matrix):
        entries = [j for j, x in enumerate(row) if x != 0]
        if len(entries) != 1:
            raise ValueError("the step is not monomial")
        images[entries[0]], phases[entries[0]] = i, row[entries[0]]
    return tuple(images), tuple(phases)
