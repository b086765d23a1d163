"""How large a processor's twin must be to run a program: a bound before it is compiled.

With noise no qubit is in a known basis state for sure, so of the reductions of ideal circuits only
three are left: light cones, parts that share no qubit, and stabilizers for parts of Clifford
operations alone. Compilation keeps all three, but routing on a chip may lead a qubit across others,
for which `ROUTING_QUBITS` are granted, and so join parts.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from openbraket.circuits.circuit import Circuit
from openbraket.circuits.clifford import is_clifford
from openbraket.circuits.cones import components, light_cone
from openbraket.circuits.questions import measurement_steps
from openbraket.circuits.steps import Step, steps_of
from openbraket.programs.rules import Rules

# Qubits that routing may add to a part, on devices whose qubits are not all coupled.
ROUTING_QUBITS: Final = 2
# Above this looking at every operation takes longer than it is worth; the whole circuit counts.
OPERATIONS_MAX: Final = 250_000


class TwinWidth(NamedTuple):
    """How many qubits must be simulated together.

    Attributes:
        least: At least so many: the largest part, with what routing may add to it.
        most: At most so many: routing may join parts. 0 where stabilizers do.
    """

    least: int
    most: int


def twin_width(circuit: Circuit, rules: Rules, classical: Sequence[int] = ()) -> TwinWidth:
    """Return bounds on the qubits that must be simulated together.

    Args:
        circuit: The program.
        rules: The device's rules, for its couplings and number of qubits.
        classical: Positions of qubits that hold measured bits, besides those of the device. Errors
            of readout on them are none that stabilizers follow.

    Cost: one pass over the operations.
    """
    # Where nothing is routed, parts stay apart; else it may join any that are not Clifford.
    is_routed = rules.couplings is not None and not circuit.boxes and _has_pairs(circuit, classical)
    if len(circuit.operations) > OPERATIONS_MAX:
        widths = [circuit.qubit_count]
    else:
        widths = _part_widths(circuit, frozenset(classical))
    if not widths:
        return TwinWidth(0, 0)
    least = max(widths)
    if not is_routed:
        return TwinWidth(least, least)
    limit = rules.qubit_count_max + len(classical)
    return TwinWidth(min(least + ROUTING_QUBITS, limit), min(sum(widths) + ROUTING_QUBITS, limit))


def _has_pairs(circuit: Circuit, classical: Sequence[int]) -> bool:
    """Return whether any operation acts on two qubits of the device."""
    starts, targets = circuit.operations.target_starts, circuit.operations.targets
    bits = frozenset(classical)
    return any(
        sum(target not in bits for target in targets[starts[k] : starts[k + 1]]) > 1
        for k in range(len(circuit.operations))
    )


def _part_widths(circuit: Circuit, classical: frozenset[int]) -> list[int]:
    """Return the number of qubits of each part that stabilizers do not simulate."""
    steps = steps_of(circuit.operations) + measurement_steps(circuit)
    measured = circuit.measured or range(circuit.qubit_count)
    cone = light_cone(steps, measured, ())
    own: dict[int, list[Step]] = {}
    groups = components(cone.steps, ())
    group_of = {wire: index for index, wires in enumerate(groups) for wire in wires}
    for step in cone.steps:
        own.setdefault(group_of[step.targets[0]], []).append(step)
    return [
        len(groups[index])
        for index, part in own.items()
        if not (classical.isdisjoint(groups[index]) and is_clifford(part))
    ]
