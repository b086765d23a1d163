"""The light cone of a measurement: the operations that can change what is asked, and no others.

Backwards from the end of the circuit, an operation is left out where it cannot matter:

- none of its targets is asked for or read by a later operation that stays;
- the targets that are asked for are measured in the computational basis only, and the operation is
  block-diagonal in them: it multiplies by phases, or changes only what is traced out;
- the same holds for noise channels, because each preserves the trace, and all named ones take
  diagonal observables to diagonal ones (the dephasing ones to themselves);
- (postponed) the operation is monomial and nothing that stays comes after it: it is a permutation
  of basis states, with phases, that is applied to the measured bits instead of the state.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from openbraket.circuits.steps import Step, is_channel, structure_of

# Permutations that are applied to measured bits; each costs a pass over the shots.
POSTPONED_MAX: Final = 20_000


@dataclass(slots=True)
class Cone:
    """What a measurement depends on.

    Attributes:
        steps: Operations that stay, in order.
        postponed: Monomial operations to be applied to the results, in order.
        active: Wires that are read before the postponed operations, or asked for.
    """

    steps: list[Step]
    postponed: list[Step]
    active: set[int]


def whole_cone(steps: list[Step], wires: Iterable[int]) -> Cone:
    """Return the cone that keeps everything, for results that need the whole state."""
    return Cone(steps, [], set(wires))


def light_cone(
    steps: list[Step],
    active: Iterable[int],
    computational: Iterable[int],
    *,
    postpones: bool = False,
) -> Cone:
    """Return the operations that can change a measurement.

    Args:
        steps: The circuit.
        active: Wires that are asked for.
        computational: Those of them that are measured in the computational basis only.
        postpones: Whether final permutations are to be applied to the measured bits; then every
            active wire must be computational.

    Returns:
        The cone.

    Cost: one pass over the steps.
    """
    needed, diagonal = set(active), set(computational)
    kept: list[Step] = []
    postponed: list[Step] = []
    touched: set[int] = set()  # wires of operations that stay
    all_wires = {target for step in steps for target in step.targets}
    for index in range(len(steps) - 1, -1, -1):
        if not diagonal and needed >= all_wires:
            # Nothing earlier can be left out any more.
            kept.extend(reversed(steps[: index + 1]))
            break
        step = steps[index]
        targets = step.targets
        asked = [t for t in targets if t in needed]
        if not asked:
            continue
        reads, is_monomial = structure_of(step)
        is_diagonal = all(t in diagonal for t in asked)
        only_reads = all(
            t not in needed or is_read for t, is_read in zip(targets, reads, strict=True)
        )
        if is_diagonal and only_reads:
            continue
        if is_monomial and is_diagonal:
            needed.update(targets)
            diagonal.update(targets)
            if (
                postpones
                and not is_channel(step)
                and len(postponed) < POSTPONED_MAX
                and not any(t in touched for t in targets)
            ):
                postponed.append(step)
                continue
        else:
            for target, is_read in zip(targets, reads, strict=True):
                if not is_read:
                    diagonal.discard(target)
                elif target not in needed:
                    diagonal.add(target)
            needed.update(targets)
        touched.update(targets)
        kept.append(step)
    kept.reverse()
    postponed.reverse()
    return Cone(kept, postponed, needed)


def final_permutation(steps: list[Step]) -> Cone:
    """Return a circuit with its final monomial operations set apart, phases included.

    Every wire counts as asked for; nothing is left out. For amplitudes: <x|P = phase · <x'|.
    """
    kept: list[Step] = []
    postponed: list[Step] = []
    touched: set[int] = set()
    for step in reversed(steps):
        is_last = not is_channel(step) and not any(t in touched for t in step.targets)
        if is_last and len(postponed) < POSTPONED_MAX and structure_of(step).is_monomial:
            postponed.append(step)
            continue
        touched.update(step.targets)
        kept.append(step)
    kept.reverse()
    postponed.reverse()
    return Cone(kept, postponed, {t for step in steps for t in step.targets})


def components(
    steps: list[Step], wires: Iterable[int], joined: Iterable[Iterable[int]] = ()
) -> list[list[int]]:
    """Return the groups of wires that steps connect, each ascending, ordered by their first wire.

    Args:
        steps: The circuit.
        wires: Wires that must be in a group; those of the steps are anyway.
        joined: Further groups that must stay together, for example the targets of one factor of
            an observable.
    """
    parent = {wire: wire for wire in wires}

    def root(wire: int) -> int:
        parent.setdefault(wire, wire)
        while parent[wire] != wire:
            parent[wire] = parent[parent[wire]]
            wire = parent[wire]
        return wire

    def join(group: Iterable[int]) -> None:
        first = -1
        for wire in group:
            other = root(wire)
            if first < 0:
                first = other
            elif other != first:
                parent[other] = first

    for step in steps:
        join(step.targets)
    for group in joined:
        join(group)
    groups: dict[int, list[int]] = {}
    for wire in sorted(parent):
        groups.setdefault(root(wire), []).append(wire)
    return list(groups.values())
