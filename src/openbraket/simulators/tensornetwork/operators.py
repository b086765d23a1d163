"""A circuit's steps as operators that matrix product states take: sums of products.

Every operator is Σ_k ⊗_j F[k, j] with few terms k: a controlled gate with any number of controls
has two (1 and P ⊗ … ⊗ (U - 1)), a two-qubit gate at most four (its operator-Schmidt decomposition).
Diagonal two-qubit gates are gathered first: those that commute with what stands between them form
one block, from which fans, Π_j diag(…)_{center, j} = Σ_b |b><b| ⊗ (⊗_j D_{b, j}), take all gates
that share a qubit at once, with two terms.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import LimitError
from openbraket.circuits.gates import GATES_BY_CODE, UNITARY_CODE
from openbraket.circuits.steps import CONTROLLED, Step

Complexes = NDArray[np.complex128]

# A dense operator is split by singular-value decompositions of 2^k tensors of the state.
DENSE_QUBITS_MAX: Final = 8
# Singular values of operators below this share of the largest are rounding.
_RANK_TOLERANCE: Final = 1e-14
_IDENTITY: Final = np.eye(2, dtype=np.complex128)
_PROJECTORS: Final = (
    np.array([[1, 0], [0, 0]], dtype=np.complex128),
    np.array([[0, 0], [0, 1]], dtype=np.complex128),
)


@dataclass(frozen=True, slots=True)
class Local:
    """A matrix on one qubit.

    Attributes:
        qubit: The qubit.
        matrix: Shape (2, 2).
    """

    qubit: int
    matrix: Complexes


@dataclass(frozen=True, slots=True)
class Products:
    """Σ_k ⊗_j F[k, j].

    Attributes:
        qubits: At least two, all different; the j-th factor of every term acts on the j-th.
        factors: F, shape (terms, len(qubits), 2, 2).
    """

    qubits: tuple[int, ...]
    factors: Complexes

    @property
    def rank(self) -> int:
        """Number of terms."""
        return int(self.factors.shape[0])


@dataclass(frozen=True, slots=True)
class Diagonal:
    """Commuting diagonal gates on pairs of qubits.

    Attributes:
        edges: By pair of qubits, the lower first: the diagonal d[a, b], shape (2, 2).
    """

    edges: dict[tuple[int, int], Complexes]


@dataclass(frozen=True, slots=True)
class Dense:
    """A matrix on several qubits without known structure.

    Attributes:
        qubits: Its qubits, most significant first.
        matrix: Shape (2^k, 2^k).
    """

    qubits: tuple[int, ...]
    matrix: Complexes


Operator = Local | Products | Diagonal | Dense


def operators_of(steps: Iterable[Step]) -> list[Operator]:
    """Return the operators of steps, in order.

    Args:
        steps: Without powers.

    Raises:
        LimitError: If a gate on three qubits or more that is not a controlled one acts on more than
            8 qubits, its controls included.
    """
    gathered = _Gatherer()
    for step in steps:
        gathered.add(step)
    return gathered.finish()


class _Form(NamedTuple):
    """An operator without its qubits.

    Attributes:
        kind: Which operator; a `phase` has no qubit.
        numbers: Its matrix, diagonal or factors; must not be changed.
        is_diagonal: Whether the matrix is known to be diagonal.
    """

    kind: Literal["phase", "one", "edge", "products", "dense"]
    numbers: Complexes
    is_diagonal: bool = False


@dataclass(slots=True)
class _Gatherer:
    """Merges one-qubit matrices and holds diagonal gates back until something does not commute."""

    out: list[Operator] = field(default_factory=list)
    _ones: dict[int, Complexes] = field(default_factory=dict)
    _edges: dict[tuple[int, int], Complexes] = field(default_factory=dict)
    _neighbours: dict[int, set[int]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Add one step."""
        targets = step.targets
        form = _form(
            step.code, step.parameters, step.control_count, step.control_value, len(targets)
        )
        match form.kind:
            case "phase":
                self.out.append(Local(0, form.numbers))
            case "one":
                self._add_one(targets[0], form)
            case "edge":
                a, b = targets
                if a < b:
                    self._add_edge(a, b, form.numbers)
                else:
                    self._add_edge(b, a, form.numbers.T)
            case _:
                self._release(targets)
                is_dense = form.kind == "dense"
                self.out.append((Dense if is_dense else Products)(targets, form.numbers))

    def finish(self) -> list[Operator]:
        """Return everything that was added."""
        self._release(list(self._neighbours))
        for qubit in list(self._ones):
            self._flush_one(qubit)
        return self.out

    def _add_one(self, qubit: int, form: _Form) -> None:
        if qubit in self._neighbours and not form.is_diagonal:
            self._release_edges((qubit,))
        earlier = self._ones.get(qubit)
        self._ones[qubit] = form.numbers if earlier is None else form.numbers @ earlier

    def _add_edge(self, a: int, b: int, diagonal: Complexes) -> None:
        for qubit in (a, b):
            # What is held back must stay after earlier matrices, which need not be diagonal.
            self._flush_one(qubit)
        earlier = self._edges.get((a, b))
        self._edges[a, b] = diagonal if earlier is None else diagonal * earlier
        self._neighbours.setdefault(a, set()).add(b)
        self._neighbours.setdefault(b, set()).add(a)

    def _flush_one(self, qubit: int) -> None:
        matrix = self._ones.pop(qubit, None)
        if matrix is not None:
            self.out.append(Local(qubit, matrix))

    def _release(self, qubits: Sequence[int]) -> None:
        self._release_edges(qubits)
        for qubit in qubits:
            self._flush_one(qubit)

    def _release_edges(self, qubits: Sequence[int]) -> None:
        """Put out the diagonal gates of every connected group that has one of these qubits."""
        for start in qubits:
            group, waiting = {start}, [start]
            while waiting:
                for other in self._neighbours.pop(waiting.pop(), ()):
                    if other not in group:
                        group.add(other)
                        waiting.append(other)
            if len(group) > 1:
                own = [pair for pair in self._edges if pair[0] in group]
                self.out.append(Diagonal({pair: self._edges.pop(pair) for pair in own}))


def controls_of(step: Step) -> tuple[list[int], Complexes]:
    """Return what the controls of a step must be, those of a `cnot` and its like too, and the rest.

    Args:
        step: Without a power.

    Returns:
        The bit of each control; the controls are the first targets. And the matrix on the other
        targets, of which there is one at least unless the step has none at all.
    """
    return _controls_and_matrix(
        step.code, step.parameters, step.control_count, step.control_value, len(step.targets)
    )


def _controls_and_matrix(
    code: int,
    parameters: tuple[float, ...],
    control_count: int,
    control_value: int,
    target_count: int,
) -> tuple[list[int], Complexes]:
    controls = [control_value >> (control_count - 1 - k) & 1 for k in range(control_count)]
    if code == UNITARY_CODE:
        matrix = np.array(parameters).view(np.complex128)
        matrix = matrix.reshape(1 << (target_count - control_count), -1)
    else:
        if code in CONTROLLED:
            own_count, code = CONTROLLED[code]
            controls += [1] * own_count
        matrix = np.array(GATES_BY_CODE[code].matrix(*parameters), dtype=np.complex128)
    if len(matrix) == 1 and controls:
        # A controlled global phase is a phase on the last control.
        value, phase = controls.pop(), matrix[0, 0]
        matrix = np.diag([1, phase] if value else [phase, 1]).astype(np.complex128)
    return controls, matrix


@lru_cache(maxsize=8192)
def _form(
    code: int,
    parameters: tuple[float, ...],
    control_count: int,
    control_value: int,
    target_count: int,
) -> _Form:
    """Return the form of a step, all but its targets."""
    controls, matrix = _controls_and_matrix(
        code, parameters, control_count, control_value, target_count
    )
    if not target_count:
        return _Form("phase", matrix[0, 0] * _IDENTITY)
    is_diagonal = not np.any(matrix[~np.eye(len(matrix), dtype=np.bool_)])
    if target_count == 1:
        return _Form("one", matrix, is_diagonal)
    if target_count == 2 and is_diagonal:
        diagonal = matrix.diagonal().reshape(-1, 2).copy()
        if controls:
            diagonal = np.ones((2, 2), dtype=np.complex128)
            diagonal[controls[0]] = matrix.diagonal()
        return _Form("edge", diagonal, is_diagonal=True)
    return _general(matrix, controls, target_count)


def _general(matrix: Complexes, controls: list[int], target_count: int) -> _Form:
    """Return the form of a gate that is neither on one qubit nor a diagonal one on two.

    Raises:
        LimitError: If it has no known structure and too many qubits.
    """
    size, inner_count = len(matrix), target_count - len(controls)
    if inner_count > 2:
        if target_count > DENSE_QUBITS_MAX:
            raise LimitError(
                f"A gate acts on {target_count} qubits, its controls included; at most "
                f"{DENSE_QUBITS_MAX} are allowed for a gate without known structure."
            )
        offset = sum(value << (len(controls) - 1 - k) for k, value in enumerate(controls))
        whole = np.eye(size << len(controls), dtype=np.complex128)
        rows = slice(offset * size, (offset + 1) * size)
        whole[rows, rows] = matrix
        return _Form("dense", whole)
    if len(controls) == 1 and inner_count == 1:
        (value,) = controls
        pairs = [[_PROJECTORS[1 - value], _IDENTITY], [_PROJECTORS[value], matrix]]
        return _Form("products", np.array(pairs))
    if not controls:
        return _Form("products", split_pair(matrix))
    change = matrix - np.eye(size)
    inner = split_pair(change) if inner_count == 2 else change[None, None]
    factors = np.empty((1 + len(inner), target_count, 2, 2), dtype=np.complex128)
    factors[0] = _IDENTITY
    for k, value in enumerate(controls):
        factors[1:, k] = _PROJECTORS[value]
    factors[1:, len(controls) :] = inner
    return _Form("products", factors)


def split_pair(matrix: Complexes) -> Complexes:
    """Return a matrix on two qubits as a sum of products, shape (terms, 2, 2, 2).

    Args:
        matrix: Shape (4, 4).
    """
    flat = matrix.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    left, values, right = np.linalg.svd(flat)
    rank = max(1, int(np.count_nonzero(values > _RANK_TOLERANCE * values[0])))
    roots = np.sqrt(values[:rank])
    return np.stack(
        [
            (left[:, :rank] * roots).T.reshape(rank, 2, 2),
            (right[:rank] * roots[:, None]).reshape(rank, 2, 2),
        ],
        axis=1,
    )


def fan(center: int, partners: Sequence[tuple[int, Complexes]]) -> Products:
    """Return diagonal gates that share a qubit as one operator of two terms.

    Args:
        center: The qubit that they share.
        partners: The other qubits, each with its diagonal d[center, other].
    """
    factors = np.zeros((2, 1 + len(partners), 2, 2), dtype=np.complex128)
    factors[0, 0, 0, 0] = factors[1, 0, 1, 1] = 1
    diagonals = np.array([diagonal for _, diagonal in partners])
    factors[:, 1:, 0, 0], factors[:, 1:, 1, 1] = diagonals[:, :, 0].T, diagonals[:, :, 1].T
    return Products((center, *(qubit for qubit, _ in partners)), factors)
