"""States of atoms that evolve step by step: the full space and the blockade subspace.

Both have the same face, so that step sizes, errors and samples are found in one way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

import numpy as np

from openbraket.kernels import (
    BlockadeState,
    BlockadeStateSingle,
    RydbergState,
    RydbergStateSingle,
)
from openbraket.simulators.rydberg.register import blocked_masks
from openbraket.simulators.rydberg.splitting import (
    A_WEIGHTS,
    SWEEP_WEIGHTS,
    flows,
    stage_columns,
    sweep_columns,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from openbraket.kernels import Monitor
    from openbraket.simulators.rydberg.drive import Amplitudes, Drive, Floats
    from openbraket.simulators.rydberg.interface import Precision
    from openbraket.simulators.rydberg.splitting import Flows, Steps
    from openbraket.simulators.rydberg.watch import Watch

# Steps whose flows are made at once: bounds the memory of the columns beside the state.
_STEPS_AT_ONCE_MAX: Final = 512


class Evolving(ABC):
    """Atoms in some space of configurations.

    Attributes:
        atom_count: Number of atoms.
    """

    _flow_weights: tuple[float, ...]
    _kernel: RydbergState | BlockadeState

    def __init__(self, atom_count: int) -> None:
        self.atom_count = atom_count

    @property
    @abstractmethod
    def configuration_count(self) -> int:
        """Number of amplitudes."""

    @abstractmethod
    def _apply(self, part: Flows, monitor: Monitor) -> bool:
        """Apply some steps; False if the monitor cancelled."""

    @abstractmethod
    def configurations(self) -> NDArray[np.uint64]:
        """Return the configuration of each amplitude, ascending; bit k is atom k excited."""

    @abstractmethod
    def sample(self, draws: Floats) -> NDArray[np.uint64]:
        """Return the configuration that each ascending number in [0, 1) falls on."""

    def evolve(self, drive: Drive, steps: Steps, watch: Watch) -> None:
        """Apply steps in order.

        Raises:
            CancelledError: If the work was stopped; the state is undefined then.
        """
        for _ in self.evolve_through([len(steps)], drive, steps, watch):
            pass

    def evolve_through(
        self, stops: Sequence[int], drive: Drive, steps: Steps, watch: Watch
    ) -> Iterator[int]:
        """Apply steps in order, and pause after each of the given numbers of steps.

        Args:
            stops: Ascending, at most the number of steps.
            drive: The drive.
            steps: The steps.
            watch: Follows the work.

        Yields:
            The number of steps that were made.

        Raises:
            CancelledError: If the work was stopped; the state is undefined then.
        """
        done = first = 0
        batch: Flows | None = None
        for stop in stops:
            while done < stop:
                if batch is None or done == first + len(batch):
                    first = done
                    some = steps.part(first, first + _STEPS_AT_ONCE_MAX)
                    batch = flows(drive, some, self._flow_weights)
                last = min(int(stop), first + len(batch))
                part = batch.part(done - first, last - first)
                watch.run(
                    len(part) * float(self.configuration_count),
                    lambda monitor, part=part: self._apply(part, monitor),  # type: ignore[misc]
                )
                done = last
            yield done

    def amplitudes(self) -> Amplitudes:
        """Return a copy of the amplitudes in their precision, in the order of `configurations`."""
        return self._kernel.amplitudes()

    def assign(self, amplitudes: Amplitudes) -> None:
        """Set the amplitudes."""
        self._kernel.assign(amplitudes)

    def exchange(self, amplitudes: Amplitudes) -> None:
        """Exchange the amplitudes for those of an array of their precision."""
        self._kernel.exchange(amplitudes)

    def distance(self, amplitudes: Amplitudes) -> float:
        """Return the norm of the difference to other amplitudes."""
        return self._kernel.distance(amplitudes)

    def norm(self) -> float:
        """Return <ψ|ψ>."""
        return self._kernel.norm()


class FullSpace(Evolving):
    """All 2^n configurations of n atoms.

    Args:
        couplings: V_jk in rad/s, shape (atoms, atoms).
        precision: Of the amplitudes.
        thread_count: Threads to use.

    Raises:
        ValueError: If there are more than 30 atoms.
    """

    _flow_weights = A_WEIGHTS

    def __init__(self, couplings: Floats, *, precision: Precision, thread_count: int) -> None:
        super().__init__(int(couplings.shape[0]))
        kind = RydbergState if precision == "double" else RydbergStateSingle
        self._kernel: RydbergState = kind(self.atom_count, np.ascontiguousarray(couplings).ravel())
        self._thread_count = thread_count

    @property
    def configuration_count(self) -> int:
        """2^n."""
        return 1 << self.atom_count

    def _apply(self, part: Flows, monitor: Monitor) -> bool:
        columns = stage_columns(part, self.atom_count)
        return self._kernel.apply(*columns, thread_count=self._thread_count, monitor=monitor)

    def sample(self, draws: Floats) -> NDArray[np.uint64]:
        """Return the configuration that each ascending number in [0, 1) falls on."""
        return self._kernel.sample(draws, thread_count=self._thread_count)

    def configurations(self) -> NDArray[np.uint64]:
        """Return 0 to 2^n - 1."""
        return np.arange(self.configuration_count, dtype=np.uint64)


class BlockadeSubspace(Evolving):
    """The configurations in which no two atoms of a blocked pair are excited together.

    Args:
        couplings: V_jk in rad/s; those of blocked pairs do not matter.
        is_blocked: Symmetric, shape (atoms, atoms), at most 63 atoms.
        precision: Of the amplitudes.
        thread_count: Threads to use.
        configuration_count_max: Limit of the number of configurations.

    Raises:
        ValueError: If there are more configurations or atoms.
    """

    _flow_weights = SWEEP_WEIGHTS

    def __init__(
        self,
        couplings: Floats,
        is_blocked: NDArray[np.bool_],
        *,
        precision: Precision,
        thread_count: int,
        configuration_count_max: int,
    ) -> None:
        super().__init__(int(couplings.shape[0]))
        kind = BlockadeState if precision == "double" else BlockadeStateSingle
        rest = np.where(is_blocked, 0.0, couplings)
        self._kernel: BlockadeState = kind(
            blocked_masks(is_blocked), rest.ravel(), configuration_count_max
        )
        self._thread_count = thread_count

    @property
    def configuration_count(self) -> int:
        """Number of configurations without a blocked pair."""
        return self._kernel.configuration_count

    def _apply(self, part: Flows, monitor: Monitor) -> bool:
        columns = sweep_columns(part, self.atom_count)
        return self._kernel.apply(*columns, thread_count=self._thread_count, monitor=monitor)

    def sample(self, draws: Floats) -> NDArray[np.uint64]:
        """Return the configuration that each ascending number in [0, 1) falls on."""
        return self._kernel.sample(draws)

    def configurations(self) -> NDArray[np.uint64]:
        """Return the configurations, ascending."""
        return self._kernel.configurations()
