"""The tree of trajectories: shots share an evolution until something different happens to them.

All randomness is drawn before, so a shot is a list of *entries* that are ascending in time: an
error or an operator that is known, or a candidate, of which the state decides what becomes. A walk
starts with some shots on one state and follows what they have in common. Where entries differ,
shots leave on branches of their own, each with a copy of the state while there is room for copies;
without one a branch starts again from |0…0> with all that happened to it in one pass. Shots in
which the same happens stay together to the end and are sampled at once.

The outcome is a function of the draws alone, whatever the order in which threads meet the branches.
"""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.noisy_parts import Part
from openbraket.simulators.statevector.state import StateVector
from openbraket.simulators.trajectories.library import SCALES_MAX, Insertion, Library
from openbraket.simulators.trajectories.sites import channel_of, jumps_of
from openbraket.simulators.values import Floats

# Branches of narrower states go over threads; a wider state has all threads for itself.
WIDE_QUBIT_COUNT: Final = 18
# A branch copies a state that lies back at most one part in so many of the circuit.
_STRIDES: Final = 64
# Squared norms are brought back to 1 before they can be smaller than this.
_LOG_NORM_MIN: Final = -23.0

ERROR, JUMP, CANDIDATE = 0, 1, 2
# Step, kind, and: x and z of an error, or number of the operator and 0, or draw and 0.
Entry = tuple[int, int, float, int]


@dataclass(slots=True, eq=False)
class _Branch:
    """Shots on one state.

    Attributes:
        arrived: Shots that have just come here.
        path: What was inserted on the way.
        state: The state before step `applied`; None starts at |0…0>.
        applied: Steps that the state has behind it.
        applied_path: Insertions that it has behind it.
        scaled: The step at which the state was last known to have a norm near 1.
        heap: Step and kind of the next entry, and the shot, of shots that have one.
        finished: Shots to which nothing happens any more.
    """

    arrived: list[int]
    path: list[Insertion] = field(default_factory=list)
    state: StateVector | None = None
    applied: int = 0
    applied_path: int = 0
    scaled: int = 0
    heap: list[tuple[int, int, int]] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)


class Tree:
    """All trajectories of one part.

    Args:
        part: The part.
        entries: The entries of each shot, ascending.
        draws: For each shot the number in [0, 1) that decides what is measured in the end.
        thread_count: Threads to use.
        states_max: State vectors at one time, at least 1.
        is_single: Whether amplitudes are kept in single precision.
        report: Called as branches end, possibly from another thread, with the share of shots done.
    """

    def __init__(
        self,
        part: Part,
        entries: Sequence[tuple[Entry, ...]],
        draws: Floats,
        *,
        thread_count: int,
        states_max: int,
        is_single: bool,
        report: Callable[[float], None] | None = None,
    ) -> None:
        self.part = part
        self.library = Library(part)
        self.entries = entries
        self.cursors = [0] * len(entries)
        self.draws = draws
        self.measured = np.zeros(len(entries), dtype=np.uint64)
        self.stride = 1 + len(part.steps) // _STRIDES
        self.shrinking = _shrinking(part)
        is_wide = len(part.qubits) >= WIDE_QUBIT_COUNT
        self._walker_count = 1 if is_wide else max(1, min(thread_count, states_max))
        self._kernel_thread_count = thread_count if is_wide else 1
        self._is_single = is_single
        self._states_max = states_max
        self._state_count = 0
        self._report = report
        self._changed = threading.Condition()
        self._waiting: list[_Branch] = []
        self._free: list[StateVector] = []
        self._busy_count = 0
        self._done_count = 0
        self._failure: BaseException | None = None

    def run(self) -> NDArray[np.uint64]:
        """Follow all trajectories.

        Returns:
            The basis state that each shot measures.
        """
        self._waiting.append(_Branch(list(range(len(self.entries)))))
        if self._walker_count == 1:
            self._work()
        else:
            with ThreadPoolExecutor(self._walker_count) as pool:
                for _ in range(self._walker_count):
                    pool.submit(self._work)
        if self._failure is not None:
            raise self._failure
        return self.measured

    def copy(self, state: StateVector) -> StateVector | None:
        """Return a copy of a state, or None where there is no room."""
        with self._changed:
            if self._free:
                target = self._free.pop()
            elif self._state_count < self._states_max:
                self._state_count += 1
                target = self._new_state()
            else:
                return None
        target.copy_from(state)
        return target

    def start(self) -> StateVector:
        """Return |0…0>; a branch that waits may lose its state for it."""
        with self._changed:
            if self._free:
                self._free.pop()
            elif self._state_count < self._states_max:
                self._state_count += 1
            else:
                holder = next(branch for branch in self._waiting if branch.state is not None)
                holder.state, holder.applied, holder.applied_path = None, 0, 0
        return self._new_state()

    def wait(self, branches: Sequence[_Branch]) -> None:
        """Let branches wait; the last one is taken first."""
        with self._changed:
            self._waiting.extend(branches)
            self._changed.notify_all()

    def end(self, state: StateVector, shot_count: int) -> None:
        """Give a state back after so many shots were measured."""
        with self._changed:
            self._free.append(state)
            self._done_count += shot_count
            fraction = self._done_count / max(1, len(self.entries))
        if self._report is not None:
            self._report(fraction)

    def _new_state(self) -> StateVector:
        return StateVector(
            self.library.qubit_count,
            thread_count=self._kernel_thread_count,
            is_single=self._is_single,
        )

    def _work(self) -> None:
        while (branch := self._take()) is not None:
            try:
                _Walk(self, branch).run()
            except BaseException as error:  # goes to the caller of `run`
                with self._changed:
                    self._failure = self._failure or error
            with self._changed:
                self._busy_count -= 1
                self._changed.notify_all()

    def _take(self) -> _Branch | None:
        with self._changed:
            while not self._waiting and self._busy_count and self._failure is None:
                self._changed.wait()
            if not self._waiting or self._failure is not None:
                return None
            self._busy_count += 1
            return self._waiting.pop()


class _Walk:
    """One branch, until it ends or lets others go first."""

    def __init__(self, tree: Tree, branch: _Branch) -> None:
        self._tree = tree
        self._branch = branch
        self._heap, self._finished = branch.heap, branch.finished
        if branch.arrived:
            for shot in branch.arrived:
                self._wait_for_entry(shot, is_sorted=False)
            heapify(self._heap)
            branch.arrived = []

    def run(self) -> None:
        """Follow the branch."""
        while self._heap:
            place, kind, _ = self._heap[0]
            shots = []
            while self._heap and self._heap[0][:2] == (place, kind):
                shots.append(heappop(self._heap)[2])
            groups = self._examine(place, shots) if kind == CANDIDATE else self._group(shots)
            if groups and not self._heap and not self._finished:
                insertion, own = groups.pop()
                if groups:
                    self._leave(place, groups, insertion)
                self._branch.path.append(insertion)
                for shot in own:
                    self._wait_for_entry(shot)
                continue
            if self._leave(place, groups, None):
                return
        self._measure()

    def _wait_for_entry(self, shot: int, *, is_sorted: bool = True) -> None:
        entries, cursor = self._tree.entries[shot], self._tree.cursors[shot]
        if cursor == len(entries):
            self._finished.append(shot)
            return
        entry = (entries[cursor][0], entries[cursor][1], shot)
        if is_sorted:
            heappush(self._heap, entry)
        else:
            self._heap.append(entry)

    def _group(self, shots: list[int]) -> list[tuple[Insertion, list[int]]]:
        """Return the shots by what happens to them."""
        tree, groups = self._tree, dict[Entry, list[int]]()
        for shot in shots:
            groups.setdefault(tree.entries[shot][tree.cursors[shot]], []).append(shot)
            tree.cursors[shot] += 1
        return [(self._insertion(entry), own) for entry, own in groups.items()]

    def _insertion(self, entry: Entry) -> Insertion:
        place, kind, first, second = entry
        library = self._tree.library
        if kind == ERROR:
            return place, library.pauli_rows(int(first), second), 0
        return place, (library.jump_row(place, int(first)),), 1

    def _examine(self, place: int, shots: list[int]) -> list[tuple[Insertion, list[int]]]:
        """Return the candidates that become jumps, by the jump; the others go on."""
        tree = self._tree
        noise = tree.part.anchors[place]
        density = self._apply(place).density_matrix(noise.targets)
        trace = float(density.trace().real)
        self._scale(place, trace)
        draws = np.array([tree.entries[shot][tree.cursors[shot]][2] for shot in shots])
        choices, weights = jumps_of(channel_of(noise), density, draws)
        groups: dict[int, tuple[Insertion, list[int]]] = {}
        for shot, choice in zip(shots, choices.tolist(), strict=True):
            tree.cursors[shot] += 1
            if not choice:
                self._wait_for_entry(shot)
                continue
            if choice not in groups:
                scale = self._scale_rows(float(weights[choice - 1]))
                rows = (tree.library.jump_row(place, choice), *scale)
                groups[choice] = ((place, rows, 1), [])
            groups[choice][1].append(shot)
        return list(groups.values())

    def _leave(
        self,
        place: int,
        groups: list[tuple[Insertion, list[int]]],
        last: Insertion | None,
    ) -> bool:
        """Give groups of shots branches of their own.

        Args:
            place: Where they leave.
            groups: What happens to each of them, and the shots.
            last: What happens to the shots that stay, if anything.

        Returns:
            Whether the branch waits until the others, which have copies, are done.
        """
        if not groups:
            return False
        tree, own = self._tree, self._branch
        if own.applied == 0 and place < tree.stride:
            pass  # as near to |0…0> as to any copy
        elif place - own.applied >= tree.stride or own.state is None:
            self._apply(place)
        branches = []
        for insertion, shots in groups:
            path = [*own.path, insertion]
            branch = _Branch(shots, path, scaled=own.scaled)
            copied = tree.copy(own.state) if own.state is not None else None
            if copied is not None:
                branch.state, branch.applied = copied, own.applied
                branch.applied_path = own.applied_path
            branches.append(branch)
        if last is None and any(branch.state is not None for branch in branches):
            tree.wait([own, *branches])
            return True
        tree.wait(branches)
        return False

    def _apply(self, place: int) -> StateVector:
        """Bring the state to where step `place` is next."""
        own, tree = self._branch, self._tree
        if own.state is None:
            own.state = tree.start()
        shrinking = tree.shrinking
        while shrinking[place] - shrinking[own.scaled] < _LOG_NORM_MIN / 2:
            reach = shrinking[own.scaled] + _LOG_NORM_MIN / 2
            until = int(np.searchsorted(-shrinking, -reach, side="right")) - 1
            until = min(place, max(until, own.scaled + 1))
            if until > own.applied:
                self._run(until)
            self._scale(max(until, own.applied), float(own.state.probabilities(()).sum()))
        if own.applied < place or own.applied_path < len(own.path):
            self._run(place)
        return own.state

    def _run(self, stop: int) -> None:
        own = self._branch
        if own.state is None:
            return
        pending = [i for i in own.path[own.applied_path :] if i[0] < stop or i[2] == 0]
        pending = [i for i in pending if i[0] <= stop]
        own.applied = self._tree.library.apply(own.state, own.applied, stop, pending)
        own.applied_path += len(pending)

    def _scale(self, place: int, norm: float) -> None:
        """Bring a squared norm back to between 1/2 and 2 at `place`."""
        own = self._branch
        own.scaled = place
        rows = self._scale_rows(norm)
        if rows:
            own.path.insert(own.applied_path, (place, rows, 0))

    def _scale_rows(self, norm: float) -> tuple[int, ...]:
        exponent = -round(math.log2(norm) / 2) if norm > 0 else 0
        if exponent < 1:
            return ()
        return (self._tree.library.scale_row(min(exponent, SCALES_MAX)),)

    def _measure(self) -> None:
        tree = self._tree
        state = self._apply(tree.library.step_count)
        shots = np.array(self._finished, dtype=np.int64)
        draws = tree.draws[shots]
        order = np.argsort(draws)
        found = state.kernel.sample(draws[order], thread_count=state.thread_count)
        tree.measured[shots[order]] = found
        self._branch.state = None
        tree.end(state, shots.size)


def _shrinking(part: Part) -> Floats:
    """Return the least log of the norm before each step, the part's end included."""
    out = np.zeros(len(part.steps) + 1)
    for place, noise in part.anchors.items():
        out[place + 1] = channel_of(noise).shrinking
    return np.cumsum(out)
