"""What a simulation needs in memory: the one place where admission and simulators agree.

M(n) = a · 2^n · COPY_FACTOR + FIXED_BYTES, for n qubits simulated together and a bytes for each
amplitude: 16 in double precision, 8 in single. A density matrix of n qubits has 4^n real numbers of
8 bytes, whatever the precision asked for.
"""

from typing import Final

AMPLITUDE_BYTES: Final = 16
AMPLITUDE_BYTES_SINGLE: Final = 8
COEFFICIENT_BYTES: Final = 8  # of a density matrix
COPY_FACTOR_PERCENT: Final = 103  # buffers beside the state; measured: less than 1 %
TENSOR_NETWORK_BYTES: Final = 4 * 1024**3  # what a tensor network may use, if there is so much
AMPLITUDE_QUBITS_MAX: Final = 24  # wider circuits on a tensor-network device need no amplitudes
FIXED_BYTES: Final = 48 * 1024 * 1024
KEPT_STATES: Final = 24  # wished for beside the one of a dynamic program, for paths that part
KEPT_SHARE: Final = 4  # of the memory that its one state leaves, they get one part in so many


def simulation_bytes(width: int, *, is_single: bool = False) -> int:
    """Return the estimated memory of a simulation after reductions, in bytes.

    Args:
        width: Qubits of the largest state vector; 0 where none is needed.
        is_single: Whether amplitudes are kept in single precision.
    """
    return state_vector_bytes(width, is_single=is_single) if width else FIXED_BYTES


def state_vector_bytes(qubit_count: int, *, is_single: bool = False) -> int:
    """Return the estimated memory of a state-vector simulation, in bytes.

    Args:
        qubit_count: Number of qubits that are simulated together, at least 0.
        is_single: Whether amplitudes are kept in single precision.

    Returns:
        M(n); exact integer arithmetic, so that it never overflows.
    """
    return (_amplitude_bytes(is_single) << qubit_count) * COPY_FACTOR_PERCENT // 100 + FIXED_BYTES


def density_matrix_bytes(qubit_count: int, wide_qubit_count: int = 0) -> int:
    """Return the estimated memory of a density-matrix simulation, in bytes.

    Args:
        qubit_count: Number of qubits n that are simulated together, at least 0.
        wide_qubit_count: Targets k of the largest operation that is applied as a matrix of
            2^k rows, 0 where there is none; its blocks are copied.

    Returns:
        8 · 4^n · COPY_FACTOR + 64 · 4^k + FIXED_BYTES; 0 for 0 qubits.
    """
    if not qubit_count:
        return 0
    state_bytes = (COEFFICIENT_BYTES << 2 * qubit_count) * COPY_FACTOR_PERCENT // 100
    wide_bytes = 64 << 2 * wide_qubit_count if wide_qubit_count else 0
    return state_bytes + wide_bytes + FIXED_BYTES


def gradient_bytes(qubit_count: int, state_count: int) -> int:
    """Return the estimated peak memory of an adjoint gradient, which is in double precision.

    Args:
        qubit_count: Number of qubits n, at least 0.
        state_count: State vectors at once, 2 or 3.

    Returns:
        16 · 2^n · state_count + FIXED_BYTES; sums of overlaps and blocks are in the latter.
    """
    return (AMPLITUDE_BYTES << qubit_count) * state_count + FIXED_BYTES


def dynamic_bytes(qubit_count: int, memory_bytes_max: int, *, is_single: bool = False) -> int:
    """Return the estimated memory of a dynamic program's simulation, in bytes.

    Args:
        qubit_count: Number of qubits n, at least 0.
        memory_bytes_max: Memory of one worker, in bytes.
        is_single: Whether amplitudes are kept in single precision.

    Returns:
        M(n), and a · 2^n for each state that may be kept where paths part.
    """
    one = state_vector_bytes(qubit_count, is_single=is_single)
    state_bytes = _amplitude_bytes(is_single) << qubit_count
    room = max(0, memory_bytes_max - one) // KEPT_SHARE
    return one + state_bytes * min(KEPT_STATES, room // state_bytes)


def kept_state_count(qubit_count: int, memory_bytes: int, *, is_single: bool = False) -> int:
    """Return how many states beside the first fit into an estimate of `dynamic_bytes`.

    Args:
        qubit_count: Number of qubits n, at least 0.
        memory_bytes: The estimate, in bytes.
        is_single: Whether amplitudes are kept in single precision.

    Returns:
        The states that it adds, and those that fit into half of `FIXED_BYTES`.
    """
    added = max(0, memory_bytes - state_vector_bytes(qubit_count, is_single=is_single))
    return (added + FIXED_BYTES // 2) // (_amplitude_bytes(is_single) << qubit_count)


def _amplitude_bytes(is_single: bool) -> int:
    return AMPLITUDE_BYTES_SINGLE if is_single else AMPLITUDE_BYTES


def tensor_network_bytes(width: int, memory_bytes_max: int) -> int:
    """Return what a simulation on a tensor-network device may use, in bytes.

    Args:
        width: Qubits of the widest part after reductions.
        memory_bytes_max: What there is.
    """
    if width <= AMPLITUDE_QUBITS_MAX:
        return simulation_bytes(width)
    return min(TENSOR_NETWORK_BYTES, memory_bytes_max)
