"""Types of the built modules `_core_v2`, `_core_v3`, `_core_v4` and `_core_generic`."""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

lane_bytes: int
"""Bytes of one machine vector: 16, 32 or 64."""

def gate_names() -> list[str]:
    """Return the names of the gate table in the order of the codes."""

def gate_matrix(code: int, parameters: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the matrix that the core uses for a gate of the table."""

def measure_peaks(*, thread_count: int) -> dict[str, float]:
    """Measure the machine: `double` and `single` operations, and `bytes` moved, per second.

    Takes about a second and 256 MiB; for benchmarks.
    """

class Monitor:
    """How far a running `apply` is; usable from another thread than the one that runs it."""

    def __init__(self) -> None: ...
    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1."""

    @property
    def flop_count(self) -> int:
        """Floating-point operations of the last `apply`, on amplitudes only."""

    @property
    def look_count(self) -> int:
        """How often the last call looked whether it is cancelled, at work on amplitudes."""

    @property
    def preparation_look_count(self) -> int:
        """The same in its preparations: before each operation and each row of a matrix."""

    @property
    def byte_count(self) -> int:
        """Bytes of the state that the last `apply` read and wrote."""

    def cancel(self) -> None:
        """Make the running call stop: `apply` returns False.

        While it fuses and plans it looks before every operation and every row of a matrix; then
        before every operation on a tile of 2^10 (single precision: 2^11) amplitudes, and before
        every row of a matrix on 7 qubits or more.
        """

class StateVector:
    """2^n complex amplitudes in double precision; qubit 0 is the most significant bit.

    Every method releases the interpreter lock while it works and uses at most `thread_count`
    threads; states of fewer than 2^16 amplitudes use one. Wrong arguments raise ValueError.
    """

    def __init__(self, qubit_count: int) -> None:
        """Make |0...0> of 1 to 40 qubits; memory is taken as it is touched."""

    @property
    def qubit_count(self) -> int: ...
    def apply(
        self,
        codes: array[int],
        target_starts: array[int],
        targets: array[int],
        parameter_starts: array[int],
        parameters: array[float],
        control_counts: array[int],
        control_values: array[int],
        *,
        thread_count: int,
        monitor: Monitor | None = None,
    ) -> bool:
        """Apply the columns of `circuits.circuit.Operations`, whose powers must be resolved.

        Returns:
            False if the monitor cancelled, which leaves the state undefined.
        """

    def apply_rows(
        self,
        codes: array[int],
        target_starts: array[int],
        targets: array[int],
        parameter_starts: array[int],
        parameters: array[float],
        control_counts: array[int],
        control_values: array[int],
        rows: NDArray[np.uint32],
        *,
        thread_count: int,
    ) -> None:
        """Apply some rows of the columns, in the order given; matrices need not be unitary."""

    def amplitude(self, index: int) -> complex: ...
    def amplitudes(self, *, thread_count: int) -> NDArray[np.complex128]:
        """Return a copy of all amplitudes, shape (2^n,)."""

    def probabilities(self, qubits: Sequence[int], *, thread_count: int) -> NDArray[np.float64]:
        """Return the probability of each value of `qubits`, most significant first."""

    def pauli_expectations(
        self, strings: Sequence[tuple[str, Sequence[int]]], *, thread_count: int
    ) -> NDArray[np.float64]:
        """Return the expectation of Pauli strings: one letter of i, x, y, z per qubit."""

    def density_matrix(self, qubits: Sequence[int], *, thread_count: int) -> NDArray[np.complex128]:
        """Return the reduced density matrix of at most 8 qubits."""

    def sample(self, draws: NDArray[np.float64], *, thread_count: int) -> NDArray[np.uint64]:
        """Return the basis state that each of the ascending numbers in [0, 1) falls on."""

class StateVectorSingle(StateVector):
    """As `StateVector`, in single precision; `amplitudes` are complex64, other results double.

    In the built modules the two are unrelated types.
    """

def gate_derivative(
    code: int, parameters: NDArray[np.float64], which: int
) -> NDArray[np.complex128]:
    """Return the derivative of a table gate's matrix by its parameter `which`."""

def apply_pauli_sum(
    out: StateVector,
    state: StateVector,
    strings: Sequence[tuple[str, Sequence[int]]],
    weights: Sequence[float],
    *,
    thread_count: int,
    monitor: Monitor | None = None,
) -> bool:
    """Set `out` to the weighted sum of Pauli strings applied to `state`; False if cancelled."""

def add_scaled(out: StateVector, weight: float, state: StateVector, *, thread_count: int) -> None:
    """Add `weight` times `state` to `out`."""

def real_overlap(a: StateVector, b: StateVector, *, thread_count: int) -> float:
    """Return the real part of <a|b>."""

def adjoint_derivatives(
    psi: StateVector,
    lambda_: StateVector,
    codes: array[int],
    target_starts: array[int],
    targets: array[int],
    parameter_starts: array[int],
    parameters: array[float],
    control_counts: array[int],
    control_values: array[int],
    by_parameters: array[int],
    by_operations: array[int],
    matrices: NDArray[np.float64],
    *,
    thread_count: int,
    monitor: Monitor | None = None,
) -> list[float] | None:
    """Return derivatives of <psi_0|U^+ H U|psi_0>, with psi = U psi_0 and lambda_ = H psi.

    Both states are used up. Derivatives are those by entries of `parameters` that are angles of
    gates, then those by operations given by matrices, whose derivatives are in `matrices`.

    Returns:
        The derivatives, or None if the monitor cancelled.
    """

class PauliState:
    """The 4^n real coefficients c_P = tr(P rho) of a density matrix over Pauli strings.

    The index of a string has a base-4 digit for each qubit, I, X, Y, Z = 0, 1, 2, 3; qubit 0 is the
    most significant one. Wrong arguments raise ValueError.
    """

    def __init__(self, qubit_count: int) -> None:
        """Make |0...0><0...0| of 1 to 20 qubits; memory is taken as it is touched."""

    @property
    def qubit_count(self) -> int: ...
    def apply(
        self,
        codes: array[int],
        target_starts: array[int],
        targets: array[int],
        parameter_starts: array[int],
        parameters: array[float],
        control_counts: array[int],
        control_values: array[int],
        channel_indexes: array[int],
        channel_target_starts: array[int],
        channel_targets: array[int],
        channel_maps: array[int],
        map_starts: array[int],
        map_entries: array[float],
        *,
        thread_count: int,
        monitor: Monitor | None = None,
    ) -> bool:
        """Apply operations, and channels between them.

        The operations are the columns of `circuits.circuit.Operations`, whose powers must be
        resolved, each on at most two qubits with its controls.

        Args:
            codes: As in `Operations`.
            target_starts: Likewise.
            targets: Likewise.
            parameter_starts: Likewise.
            parameters: Likewise.
            control_counts: Likewise.
            control_values: Likewise.
            channel_indexes: Before which operation each channel acts, ascending.
            channel_target_starts: Where the targets of each channel begin, and the end.
            channel_targets: One or two qubits for each channel.
            channel_maps: The number of each channel's map.
            map_starts: Where each map begins in `map_entries`, and the end.
            map_entries: 16 or 256 numbers for each map, row-major; the first row is 1, 0, 0, ….
            thread_count: Threads to use, at least 1.
            monitor: To follow and to cancel.

        Returns:
            False if the monitor cancelled, which leaves the state undefined.
        """

    def coefficients(self) -> NDArray[np.float64]:
        """Return the coefficients themselves, not a copy; shape (4^n,)."""

class RydbergState:
    """Two-level atoms in all 2^n configurations, double precision; atom k is bit k.

    Every method releases the interpreter lock while it works; states of at most 2^14 amplitudes
    use one thread. Wrong arguments raise ValueError.
    """

    def __init__(self, atom_count: int, interactions: NDArray[np.float64]) -> None:
        """Make 1 to 30 atoms in the ground state; V_jk is symmetric, row-major."""

    @property
    def atom_count(self) -> int: ...
    def apply(
        self,
        mixings: NDArray[np.float64],
        phases: NDArray[np.complex128],
        scales: NDArray[np.complex128],
        betas: NDArray[np.float64],
        *,
        thread_count: int,
        monitor: Monitor | None = None,
    ) -> bool:
        """Apply stages in order.

        A stage mixes every atom k by [[1, -i t_k], [-i t_k, 1]], then multiplies configuration c by
        scale * prod_(k in c) phase_k * exp(-i beta V(c)).

        Args:
            mixings: t_k, a row of atom_count numbers for each stage.
            phases: phase_k, likewise.
            scales: One for each stage.
            betas: One for each stage.
            thread_count: Threads to use, at least 1.
            monitor: To follow and to cancel.

        Returns:
            False if the monitor cancelled, which leaves the state undefined.
        """

    def amplitudes(self) -> NDArray[np.complex128 | np.complex64]:
        """Return a copy of all amplitudes, shape (2^n,), in the precision of the state."""

    def assign(self, amplitudes: NDArray[np.complex128 | np.complex64]) -> None:
        """Set all amplitudes, shape (2^n,)."""

    def exchange(self, amplitudes: NDArray[np.complex128 | np.complex64]) -> None:
        """Exchange all amplitudes for those of an array of the same precision, in place."""

    def distance(self, amplitudes: NDArray[np.complex128 | np.complex64]) -> float:
        """Return the norm of the difference to other amplitudes."""

    def norm(self) -> float:
        """Return <ψ|ψ>."""

    def sample(self, draws: NDArray[np.float64], *, thread_count: int) -> NDArray[np.uint64]:
        """Return the configuration that each of the ascending numbers in [0, 1) falls on."""

class RydbergStateSingle(RydbergState):
    """The same in single precision."""

class BlockadeState:
    """Two-level atoms in the configurations without a blocked pair, double precision.

    Beside the amplitudes it keeps what the configurations have in common: small where atoms that
    block each other stand near each other in the order of the atoms, as on lattices, and where
    they do not, 2 bytes or so for each configuration, with sweeps half as fast.

    Wrong arguments raise ValueError, too many configurations as well.
    """

    def __init__(
        self,
        blocked: NDArray[np.uint64],
        interactions: NDArray[np.float64],
        configuration_count_max: int,
    ) -> None:
        """Make 1 to 63 atoms in the ground state.

        Args:
            blocked: For each atom the bits of those that cannot be excited with it.
            interactions: V_jk in row-major order, symmetric.
            configuration_count_max: Limit, at most 2^32 - 1.
        """

    @property
    def atom_count(self) -> int: ...
    @property
    def configuration_count(self) -> int: ...
    def configurations(self) -> NDArray[np.uint64]:
        """Return the configurations, ascending; bit k is atom k excited."""

    def apply(
        self,
        matrices: NDArray[np.complex128],
        is_descending: NDArray[np.uint8],
        betas: NDArray[np.float64],
        *,
        thread_count: int,
        monitor: Monitor | None = None,
    ) -> bool:
        """Apply sweeps in order.

        A sweep applies a 2x2 matrix to every atom, one after the other in ascending or descending
        order, then multiplies configuration c by exp(-i beta V(c)).

        Args:
            matrices: A row of atom_count matrices (row-major, g before r) for each sweep.
            is_descending: One for each sweep.
            betas: One for each sweep.
            thread_count: Threads to use, at least 1.
            monitor: To follow and to cancel.

        Returns:
            False if the monitor cancelled, which leaves the state undefined.
        """

    def amplitudes(self) -> NDArray[np.complex128 | np.complex64]:
        """Return a copy of the amplitudes in their precision, in the order of `configurations`."""

    def assign(self, amplitudes: NDArray[np.complex128 | np.complex64]) -> None:
        """Set the amplitudes, in the order of `configurations`."""

    def exchange(self, amplitudes: NDArray[np.complex128 | np.complex64]) -> None:
        """Exchange all amplitudes for those of an array of the same precision, in place."""

    def distance(self, amplitudes: NDArray[np.complex128 | np.complex64]) -> float:
        """Return the norm of the difference to other amplitudes."""

    def norm(self) -> float:
        """Return <ψ|ψ>."""

    def sample(self, draws: NDArray[np.float64]) -> NDArray[np.uint64]:
        """Return the configuration that each of the ascending numbers in [0, 1) falls on."""

class BlockadeStateSingle(BlockadeState):
    """The same in single precision."""

class ChainState:
    """Two-level atoms in a row as a matrix product state, double precision.

    Wrong arguments raise ValueError.
    """

    def __init__(
        self,
        interactions: NDArray[np.float64],
        *,
        atom_count: int,
        reach: int,
        max_bond: int,
        cutoff: float,
    ) -> None:
        """Make 1 to 1024 atoms in the ground state.

        Args:
            interactions: V_jk in row-major order, symmetric.
            atom_count: Number of atoms.
            reach: Pairs more places apart are left out; 1 to 12.
            max_bond: Largest bond dimension, at least 1.
            cutoff: Share of the weight that one truncation may leave out, from 0 to below 1.
        """

    @property
    def atom_count(self) -> int: ...
    @property
    def norm(self) -> float:
        """<ψ|ψ>."""

    @property
    def discarded_weight(self) -> float:
        """Sum of the weights that truncations have left out."""

    @property
    def peak_bond(self) -> int:
        """Largest bond dimension so far."""

    def bonds(self) -> NDArray[np.int32]:
        """Return the bond dimension behind every atom but the last."""

    def amplitudes(self) -> NDArray[np.complex128]:
        """Return all amplitudes, bit k of an index being atom k; at most 20 atoms."""

    def densities(self) -> NDArray[np.float64]:
        """Return <n_k> of every atom."""

    def apply(
        self,
        matrices: NDArray[np.complex128],
        betas: NDArray[np.float64],
        *,
        monitor: Monitor | None = None,
    ) -> bool:
        """Apply stages in order.

        A stage applies a 2x2 matrix to every atom, then exp(-i beta V) in one sweep over the
        atoms that cuts every bond down.

        Args:
            matrices: A row of atom_count matrices (row-major, g before r) for each stage.
            betas: One for each stage; 0 leaves out the sweep.
            monitor: Follows the work and may cancel it.

        Returns:
            False if cancelled; the state is undefined then.
        """

    def sample(self, draws: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return 1 where an atom is found excited, shape (shots, atoms).

        Args:
            draws: Numbers in [0, 1), a row of atom_count for each shot.
        """

def collapse(
    state: StateVector,
    qubit: int,
    outcome: bool,
    probability: float,
    *,
    is_reset: bool,
    thread_count: int,
) -> None:
    """Project onto an outcome of this probability and normalise; a reset then gives |0>."""

def copy_state(out: StateVector, state: StateVector, *, thread_count: int) -> None:
    """Make `out` equal to `state`."""
