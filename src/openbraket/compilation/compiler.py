"""Compile a circuit: lower, fuse, place, route, synthesize."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.gates import GATES, GATES_BY_CODE, UNITARY_CODE
from openbraket.circuits.questions import measurement_steps
from openbraket.circuits.steps import Step, steps_of
from openbraket.compilation.compiled import Compiled, schedule
from openbraket.compilation.grouping import group_blocks
from openbraket.compilation.items import Item, merge, simplify
from openbraket.compilation.lowering import items_of
from openbraket.compilation.natives import Emitter, Native
from openbraket.compilation.routing import Graph, Router
from openbraket.compilation.target import Target

# Of the estimate: what a double can still tell from 0.
_LOG_FIDELITY_MIN: Final = -690.0


# Told where each part starts, and the physical qubit of each position there.
Visit = Callable[[int, Sequence[int]], None]


class _Placed(NamedTuple):
    """Where the program's positions are on the device, first and last, and what it took."""

    start: list[int]
    end: list[int]
    swap_count: int


class _Part(NamedTuple):
    """Operations between barriers, edges of verbatim boxes and other cuts."""

    start: int  # index of the first
    steps: list[Step]
    is_verbatim: bool
    barriers: list[tuple[int, ...]]  # in front of it, on positions


def compile_circuit(
    circuit: Circuit,
    target: Target,
    *,
    is_rewiring_disabled: bool = False,
    seed: int = 0,
    thread_count: int = 1,
) -> Compiled:
    """Return a circuit in the native gates of a device, on its qubits and couplings.

    Args:
        circuit: The program's circuit; noise is not allowed.
        target: The device.
        is_rewiring_disabled: Whether program qubit k must be physical qubit k: gates are then
            decomposed, never routed. A circuit with verbatim boxes is always compiled so.
        seed: Decides between equally good choices; the same seed gives the same program.
        thread_count: Threads for the searches; the outcome does not depend on it.

    Returns:
        The compiled circuit.

    Raises:
        ProgramError: If a qubit or coupling is needed that the device does not have, a gate in a
            verbatim box is not native, an observable is not a Pauli or Hadamard one, or the
            circuit has noise channels.
        LimitError: If the circuit has more qubits than the device can connect, or an operation
            acts on more than `lowering.WIDE_QUBITS_MAX` qubits.
    """
    return compile_visited(
        circuit,
        target,
        Emitter(target),
        is_rewiring_disabled=is_rewiring_disabled,
        seed=seed,
        thread_count=thread_count,
    )


def compile_visited(
    circuit: Circuit,
    target: Target,
    emitter: Emitter,
    *,
    cuts: Collection[int] = (),
    left_out: Collection[int] = (),
    visit: Visit | None = None,
    is_rewiring_disabled: bool = False,
    seed: int = 0,
    thread_count: int = 1,
) -> Compiled:
    """Return what `compile_circuit` does, with someone else's gates put in on the way.

    Args:
        circuit: The circuit.
        target: The device.
        emitter: Takes the gates.
        cuts: Indices of operations across which nothing is merged or reordered.
        left_out: Indices of operations that `visit` writes; each must stand alone between cuts.
        visit: Called at each cut with its index and the physical qubit of each position.
        is_rewiring_disabled: As of `compile_circuit`.
        seed: As of `compile_circuit`.
        thread_count: As of `compile_circuit`.

    Returns:
        The compiled circuit.

    Raises:
        ProgramError: As `compile_circuit`.
        LimitError: As `compile_circuit`.
    """
    _check(circuit)
    parts = [
        part._replace(steps=[]) if part.start in left_out else part
        for part in _parts(circuit, cuts)
    ]
    visit = visit or _visit_nothing
    if is_rewiring_disabled or circuit.boxes:
        _check_wiring(circuit, target)
        placed = _compile_in_place(circuit, parts, emitter, visit)
    else:
        placed = _compile_routed(circuit, target, parts, emitter, visit, seed, thread_count)
    emitter.finish()
    is_verbatim = bool(circuit.boxes) and all(part.is_verbatim or not part.steps for part in parts)
    return _assemble(circuit, target, emitter, placed, is_verbatim=is_verbatim)


def _visit_nothing(_start: int, _where: Sequence[int]) -> None:
    """Put nothing in."""


def _check(circuit: Circuit) -> None:
    if circuit.operations.noise:
        raise ProgramError("A program with noise channels cannot be compiled for a device.")
    for result in circuit.result_types:
        for factor in result.factors:
            if factor.name == "hermitian":
                raise ProgramError("An observable of a compiled program cannot be hermitian.")


def _check_wiring(circuit: Circuit, target: Target) -> None:
    """Check that a circuit can run on exactly the qubits that it names.

    Raises:
        ProgramError: If a qubit, a coupling or a native gate is missing.
    """
    known = set(target.qubits)
    for qubit in circuit.qubits:
        if qubit not in known:
            raise ProgramError(f"The program uses qubit {qubit}, which the device does not have.")
    inside = {k for start, stop in circuit.boxes for k in range(start, stop)}
    for index, step in enumerate(steps_of(circuit.operations)):
        qubits = [circuit.qubits[t] for t in step.targets]
        for k, a in enumerate(qubits):
            for b in qubits[k + 1 :]:
                if not target.is_coupled(a, b):
                    raise ProgramError(f"The program has disconnected qubits {a} and {b}")
        if index not in inside:
            continue
        name = "unitary" if step.code == UNITARY_CODE else GATES_BY_CODE[step.code].name
        if name not in target.native_gates or step.control_count or step.power != 1.0:
            raise ProgramError(
                f"In verbatim boxes, native gates are required. {name} is not a device native gate."
            )


def _parts(circuit: Circuit, others: Collection[int]) -> list[_Part]:
    """Cut a circuit at its barriers, at the edges of its verbatim boxes and where else is wanted.

    The rotations to the basis of its observables follow.
    """
    steps = steps_of(circuit.operations)
    edges = {edge for box in circuit.boxes for edge in box}
    cuts = sorted({0, len(steps), *edges, *others, *(index for index, _ in circuit.barriers)})
    starts = {start for start, _ in circuit.boxes}
    stops = {stop for _, stop in circuit.boxes}
    parts = []
    is_inside = False
    for k, start in enumerate(cuts):
        if start in stops:
            is_inside = False
        if start in starts:
            is_inside = True
        stop = cuts[k + 1] if k + 1 < len(cuts) else start
        barriers = [positions for index, positions in circuit.barriers if index == start]
        parts.append(_Part(start, steps[start:stop], is_inside and start != stop, barriers))
    last = parts[-1]  # behind all operations
    last.steps.extend(measurement_steps(circuit))
    is_cut = last.start in others or last.start - 1 in others
    if len(parts) > 1 and not last.barriers and not parts[-2].is_verbatim and not is_cut:
        parts.pop()
        parts[-1].steps.extend(last.steps)
    return [part for part in parts if part.steps or part.barriers or part.start in others]


def _compile_in_place(
    circuit: Circuit, parts: Sequence[_Part], emitter: Emitter, visit: Visit
) -> _Placed:
    """Decompose a circuit on the physical qubits that it names."""
    qubits = list(circuit.qubits)
    for part in parts:
        for positions in part.barriers:
            emitter.bar(tuple(qubits[p] for p in positions))
        visit(part.start, qubits)
        if part.is_verbatim:
            for step in part.steps:
                name = GATES_BY_CODE[step.code].name
                emitter.take(Native(name, tuple(qubits[t] for t in step.targets), step.parameters))
            continue
        items = [
            Item(tuple(qubits[q] for q in item.qubits), item.matrix)
            for item in simplify(items_of(part.steps), len(qubits), renames=False).items
        ]
        emitter.add(items)
    return _Placed(qubits, qubits, 0)


def _compile_routed(
    circuit: Circuit,
    target: Target,
    parts: Sequence[_Part],
    emitter: Emitter,
    visit: Visit,
    seed: int,
    thread_count: int,
) -> _Placed:
    """Place a circuit on the device and route it."""
    count = circuit.qubit_count
    if target.couplings is None:
        _check_width(count, len(target.qubits))
        return _compile_anywhere(circuit, target, parts, emitter, visit)
    graph = Graph.of(target)
    _check_width(count, len(graph.qubits))
    router = Router(graph, count, seed=seed, thread_count=thread_count)
    where: list[int] = []
    start: list[int] = []
    if len(parts) > 1 or circuit.barriers or visit is not _visit_nothing:
        items = [item for part in parts for item in items_of(part.steps)]
        whole = simplify(items, count, renames=True)
        start = where = router.layout(group_blocks(whole.items, whole.weyl))
    swap_count = 0
    for part in parts:
        for positions in part.barriers:
            emitter.bar(tuple(graph.qubits[where[p]] for p in positions))
        visit(part.start, [graph.qubits[q] for q in where])
        if not part.steps:
            continue
        simplified = simplify(items_of(part.steps), count, renames=True)
        routed = router.route(group_blocks(simplified.items, simplified.weyl), where)
        swap_count += routed.swap_count
        start = start or routed.start
        where = [routed.end[wire] for wire in simplified.wires]
        items = [
            Item(tuple(graph.qubits[q] for q in item.qubits), item.matrix) for item in routed.items
        ]
        emitter.add(merge(items))
    start = start or where or list(range(count))
    where = where or start
    return _Placed([graph.qubits[q] for q in start], [graph.qubits[q] for q in where], swap_count)


def _compile_anywhere(
    circuit: Circuit, target: Target, parts: Sequence[_Part], emitter: Emitter, visit: Visit
) -> _Placed:
    """Compile for a device that couples every pair."""
    start = list(target.qubits[: circuit.qubit_count])
    where = start
    for part in parts:
        for positions in part.barriers:
            emitter.bar(tuple(where[p] for p in positions))
        visit(part.start, where)
        simplified = simplify(items_of(part.steps), len(where), renames=True)
        emitter.add([Item(tuple(where[q] for q in i.qubits), i.matrix) for i in simplified.items])
        where = [where[wire] for wire in simplified.wires]
    return _Placed(start, where, 0)


def _check_width(count: int, limit: int) -> None:
    """Check that a device has enough qubits.

    Raises:
        LimitError: If it has not.
    """
    if count > limit:
        raise LimitError(
            f"The program has {count} qubits, more than the {limit} that the device connects."
        )


def _assemble(
    circuit: Circuit, target: Target, emitter: Emitter, placed: _Placed, *, is_verbatim: bool
) -> Compiled:
    used = sorted({*placed.start, *placed.end, *(q for g in emitter.gates for q in g.qubits)})
    positions = {qubit: position for position, qubit in enumerate(used)}
    operations = Operations()
    fidelity = 0.0
    for name, qubits, parameters in emitter.gates:
        operations.append(GATES[name].code, [positions[q] for q in qubits], parameters)
        if name != "rz":
            fidelity += math.log(target.fidelity_of(qubits))
    measured = circuit.measured or range(circuit.qubit_count)
    ends = [placed.end[position] for position in measured]
    fidelity += sum(math.log(target.readout_fidelity_of(qubit)) for qubit in ends)
    starts_s, duration_s = schedule(emitter.gates, emitter.barriers, target)
    barriers = tuple(
        (index, tuple(positions[q] for q in qubits)) for index, qubits in emitter.barriers
    )
    compiled = Circuit(
        qubits=tuple(used),
        operations=operations,
        measured=tuple(positions[qubit] for qubit in ends),
        barriers=barriers,
    )
    return Compiled(
        circuit=compiled,
        initial_layout=dict(zip(circuit.qubits, placed.start, strict=True)),
        final_layout=dict(zip(circuit.qubits, placed.end, strict=True)),
        starts_s=starts_s,
        duration_s=duration_s,
        swap_count=placed.swap_count,
        fidelity=math.exp(max(fidelity, _LOG_FIDELITY_MIN)),
        is_verbatim=is_verbatim,
        dialect=target.dialect,
    )
