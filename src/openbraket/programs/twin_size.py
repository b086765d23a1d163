"""How large a processor's twin must be to run a program: a bound before it is compiled.

With noise no qubit is in a known basis state for sure, so of the reductions of ideal circuits only
three are left: light cones, parts that share no qubit, and stabilizers for parts of Clifford
operations alone. Compilation keeps all three, but routing on a chip may lead a qubit across others;
`ROUTING_QUBITS` are granted for that.
"""

from typing import Final

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


def twin_width(circuit: Circuit, rules: Rules) -> int:
    """Return a bound on the qubits that must be simulated together.

    Args:
        circuit: The program.
        rules: The device's rules, for its couplings and number of qubits.

    Returns:
        0 where stabilizers do.

    Cost: one pass over the operations.
    """
    width = _plain_width(circuit)
    if not width or rules.couplings is None or circuit.boxes:
        return width
    return min(width + ROUTING_QUBITS, rules.qubit_count_max)


def _plain_width(circuit: Circuit) -> int:
    if len(circuit.operations) > OPERATIONS_MAX:
        return circuit.qubit_count
    steps = steps_of(circuit.operations) + measurement_steps(circuit)
    measured = circuit.measured or range(circuit.qubit_count)
    cone = light_cone(steps, measured, ())
    own: dict[int, list[Step]] = {}
    groups = components(cone.steps, ())
    group_of = {wire: index for index, wires in enumerate(groups) for wire in wires}
    for step in cone.steps:
        own.setdefault(group_of[step.targets[0]], []).append(step)
    # Routing may join parts that are not Clifford, so they count together.
    return sum(len(groups[index]) for index, part in own.items() if not is_clifford(part))
