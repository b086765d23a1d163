"""Matrix product states.

|ψ> = Σ_x B_0[x_0] B_1[x_1] … B_{n-1}[x_{n-1}] |x>, with B_i[x] of shape (χ_i, χ_{i+1}), χ_0 = χ_n =
1. The tensors are right-canonical, Σ_x B_i[x] B_i[x]† = 1, and λ_i holds the Schmidt values of the
cut to the left of site i. An operator on sites a to b changes only B_a … B_b and the λ between
them: weighted with λ_a the block is decomposed around it as if it were the whole state. Of the
decomposition λ_a B_a B_b = U S V only V and S are used, B_b' = V and B_a' = (B_a B_b) V†, so no
small λ is divided by.

Source: G. Vidal, Phys. Rev. Lett. 93, 040502 (2004); M. B. Hastings, J. Math. Phys. 50, 095207
(2009) for the form without division.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from openbraket.simulators.tensornetwork.operators import Complexes, split_pair
from openbraket.simulators.tensornetwork.placing import Placed

Floats = NDArray[np.float64]

# Weight that a truncation may discard without being told to: rounding.
SAMPLING_WEIGHT: Final = 1e-16
VALUE_WEIGHT: Final = 1e-26
# From this size on the eigenvectors of a Gram matrix cost less than singular vectors.
_GRAM_SIZE_MIN: Final = 24
# Bonds of states on which blocks of diagonals are applied at once, and bonds that are cheap.
_HARDLY_ENTANGLED: Final = 2
_SMALL_BOND: Final = 32
# Eigenvalues of a Gram matrix below this share of the largest are rounding.
_GRAM_NOISE: Final = 4e-16
_SWAP: Final = np.eye(4, dtype=np.complex128)[[0, 2, 1, 3]]
_SWAP_FACTORS: Final = split_pair(_SWAP)


@dataclass(frozen=True, slots=True)
class Truncation:
    """When singular values are left out.

    Attributes:
        weight: Squared singular values of a bond that may be left out together, as a share.
        max_bond: Largest bond dimension; None sets no limit.
        bond_limit: Where more than this is needed the work is given up.
        is_exact: Whether nothing but rounding may be lost.
    """

    weight: float = SAMPLING_WEIGHT
    max_bond: int | None = None
    bond_limit: int = 1 << 20
    is_exact: bool = True


class BondTooWideError(Exception):
    """More than the allowed bond dimension is needed.

    Args:
        bond: What is needed, at least.
    """

    def __init__(self, bond: int) -> None:
        super().__init__(f"bond dimension {bond}")
        self.bond = bond


@dataclass(slots=True)
class Loss:
    """What truncations have left out.

    Attributes:
        weight: Sum of the discarded weights.
        fidelity: Π (1 - w), the usual estimate of |<ψ|ψ'>|².
        angle: Σ arcsin √w, which the angle between ψ and ψ' cannot exceed.
    """

    weight: float = 0.0
    fidelity: float = 1.0
    angle: float = 0.0

    def add(self, weight: float) -> None:
        """Add the discarded weight of one truncation, as a share."""
        self.weight += weight
        self.fidelity *= 1.0 - weight
        self.angle += math.asin(math.sqrt(min(1.0, weight)))

    @property
    def fidelity_bound(self) -> float:
        """What |<ψ|ψ'>|² is at least: cos² of the sum of the angles."""
        return math.cos(self.angle) ** 2 if self.angle < math.pi / 2 else 0.0


@dataclass(slots=True)
class MatrixProductState:
    """|0…0> at first, then what the operators make of it.

    Attributes:
        tensors: B_i, each of shape (2, χ_i, χ_{i+1}).
        schmidt: λ_i; None where it is not known (any more).
        truncation: When singular values are left out.
        loss: What they were.
        peak_bond: The largest bond dimension so far.
    """

    tensors: list[Complexes]
    schmidt: list[Floats | None]
    truncation: Truncation
    loss: Loss = field(default_factory=Loss)
    peak_bond: int = 1

    @classmethod
    def zero(cls, qubit_count: int, truncation: Truncation) -> "MatrixProductState":
        """Return |0…0>."""
        one = np.zeros((2, 1, 1), dtype=np.complex128)
        one[0] = 1
        schmidt: list[Floats | None] = [np.ones(1) for _ in range(qubit_count)]
        return cls([one.copy() for _ in range(qubit_count)], schmidt, truncation)

    @property
    def qubit_count(self) -> int:
        """Number of qubits."""
        return len(self.tensors)

    @property
    def bonds(self) -> list[int]:
        """χ_1 … χ_{n-1}."""
        return [tensor.shape[1] for tensor in self.tensors[1:]]

    def apply(self, operator: Placed) -> None:
        """Apply an operator.

        Raises:
            BondTooWideError: If that needs a wider bond than allowed.
        """
        sites, factors = operator.sites, operator.factors
        if operator.parts:
            self._apply_diagonal(operator)
        elif factors is None:
            self._apply_dense(operator)
        elif len(sites) == 1:
            tensor = self.tensors[sites[0]]
            flat = factors[0, 0] @ tensor.reshape(2, -1)
            self.tensors[sites[0]] = flat.reshape(tensor.shape)
        elif sites[1] == sites[0] + 1 and len(sites) == 2:
            self._apply_pair(sites[0], factors, is_last=operator.is_last)
        elif len(factors) <= 2 or len(sites) > 2:
            self._stretch(sites, factors)
            self._compress(sites[0], sites[-1], is_last=operator.is_last)
        else:
            self._apply_far_pair(sites[0], sites[1], factors, is_last=operator.is_last)

    def _apply_pair(self, site: int, factors: Complexes, *, is_last: bool = False) -> None:
        """Apply Σ_k A_k ⊗ B_k on neighbours."""
        rank = len(factors)
        is_unweighted = is_last and self.truncation.is_exact
        weights = None if is_unweighted else self._weights(site)
        left, right = self.tensors[site], self.tensors[site + 1]
        low, middle, high = left.shape[1], left.shape[2], right.shape[2]
        size = rank * middle
        rows, columns = 2 * low, 2 * high
        # (s, k, s') · (s', l m) -> s, k, l, m
        x: Complexes = (
            factors[:, 0].transpose(1, 0, 2).reshape(2 * rank, 2) @ left.reshape(2, -1)
        ).reshape(2, rank, low, middle)
        x = x.transpose(0, 2, 1, 3).reshape(rows, size)
        y: Complexes = (factors[:, 1].reshape(2 * rank, 2) @ right.reshape(2, -1)).reshape(
            rank, 2, middle, high
        )
        y = y.transpose(0, 2, 1, 3).reshape(size, columns)
        if is_unweighted and size <= min(rows, columns):
            q, r = np.linalg.qr(y.T)
            self._set_pair(site, x @ r.T, q.T, None)
            return
        weighted = x
        if weights is not None and low > 1:
            weighted = (x.reshape(2, low, size) * weights[:, None]).reshape(rows, size)
        if 4 * size <= 3 * columns:
            q, r = np.linalg.qr(y.T)
            if self._has_gram and size >= _GRAM_SIZE_MIN:
                values, vectors = self._principal_of_gram(
                    r.conj() @ (weighted.conj().T @ weighted) @ r.T
                )
            else:
                short = np.linalg.qr(weighted, mode="r") if rows > size else weighted
                values, vectors = self._principal(short @ r.T)
            self._set_pair(site, x @ (r.T @ vectors.conj().T), vectors @ q.T, values)
        else:
            values, vectors = self._principal(weighted @ y)
            self._set_pair(site, (x @ y) @ vectors.conj().T, vectors, values)
        if is_unweighted:
            self.schmidt[site + 1] = None

    def _set_pair(
        self, site: int, left: Complexes, right: Complexes, values: Floats | None
    ) -> None:
        low, bond = left.shape[0] // 2, left.shape[1]
        self._check_bond(bond)
        self.tensors[site] = left.reshape(2, low, bond)
        self.tensors[site + 1] = np.ascontiguousarray(right.reshape(bond, 2, -1).transpose(1, 0, 2))
        self.schmidt[site + 1] = values

    def _check_bond(self, bond: int) -> None:
        if bond > self.peak_bond:
            if bond > self.truncation.bond_limit:
                raise BondTooWideError(bond)
            self.peak_bond = bond

    def _weights(self, site: int) -> Floats:
        """Return the Schmidt values of the cut to the left of a site, computed if necessary."""
        if self.schmidt[site] is None:
            self.restore_schmidt()
        values = self.schmidt[site]
        return np.ones(1) if values is None else values

    @property
    def _has_gram(self) -> bool:
        """Whether weights of 10^-16 may be lost, as where they come from a Gram matrix."""
        return self.truncation.weight >= SAMPLING_WEIGHT

    def _principal(self, matrix: Complexes) -> tuple[Floats, Complexes]:
        """Return the singular values and right singular vectors that stay."""
        rows, columns = matrix.shape
        if self._has_gram and _GRAM_SIZE_MIN <= columns <= 2 * rows:
            return self._principal_of_gram(matrix.conj().T @ matrix)
        _, values, vectors = np.linalg.svd(matrix, full_matrices=False)
        keep = self._count(values * values)
        values, vectors = values[:keep], vectors[:keep]
        return values / math.sqrt(float(values @ values)), vectors

    def _principal_of_gram(self, gram: Complexes) -> tuple[Floats, Complexes]:
        """Return what `_principal` does, from M† M."""
        squares, vectors = np.linalg.eigh(gram)
        squares = squares[::-1]
        squares = np.where(squares > _GRAM_NOISE * squares[0], squares, 0)
        keep = self._count(squares)
        values = np.sqrt(squares[:keep])
        return values / math.sqrt(float(values @ values)), vectors[:, ::-1][:, :keep].conj().T

    def _count(self, squares: Floats) -> int:
        """Return how many of the descending weights stay, and note what does not."""
        truncation = self.truncation
        tails = squares[::-1].cumsum()[::-1]
        total = float(tails[0])
        keep = max(1, int(np.count_nonzero(tails > truncation.weight * total)))
        if truncation.max_bond is not None:
            keep = min(keep, truncation.max_bond)
        if keep < len(squares):
            self.loss.add(float(tails[keep]) / total)
        return keep

    def _apply_diagonal(self, operator: Placed) -> None:
        """Apply a block of diagonal gates, at once where that makes no bond wider than it must.

        On qubits that are hardly entangled every bit that is carried doubles the bond for good;
        elsewhere the parts are applied one by one, and the bonds made small in between.
        """
        first, last = operator.sites[0], operator.sites[-1]
        before = [self.tensors[site].shape[2] for site in range(first, last)]
        after = [
            bond * tensor.shape[2] for bond, tensor in zip(before, operator.tensors, strict=False)
        ]
        if max(before) > _HARDLY_ENTANGLED and max(after) > _SMALL_BOND:
            for part in operator.parts:
                self.apply(part)
            return
        self._check_bond(max(after))
        for site, factor in zip(operator.sites, operator.tensors, strict=True):
            tensor = self.tensors[site]
            product = factor[:, :, None, :, None] * tensor[:, None, :, None, :]
            low, high = factor.shape[1] * tensor.shape[1], factor.shape[2] * tensor.shape[2]
            self.tensors[site] = product.reshape(2, low, high)
        self._compress(first, last, is_last=operator.is_last)

    def _stretch(self, sites: Sequence[int], factors: Complexes) -> None:
        """Apply Σ_k ⊗ F[k, j] with every bond in between multiplied by the number of terms."""
        rank, last = len(factors), len(sites) - 1
        self._check_bond(
            rank * max(self.tensors[site].shape[2] for site in range(sites[0], sites[-1]))
        )
        j = 0
        for site in range(sites[0], sites[-1] + 1):
            tensor = self.tensors[site]
            _, low, high = tensor.shape
            if site == sites[j]:
                terms = (factors[:, j].reshape(2 * rank, 2) @ tensor.reshape(2, -1)).reshape(
                    rank, 2, low, high
                )
                j += 1
            else:
                terms = np.broadcast_to(tensor, (rank, 2, low, high))
            if j == 1 and site == sites[0]:
                out = terms.transpose(1, 2, 0, 3).reshape(2, low, rank * high)
            elif site == sites[last]:
                out = terms.transpose(1, 0, 2, 3).reshape(2, rank * low, high)
            else:
                out = np.zeros((2, rank * low, rank * high), dtype=np.complex128)
                for k in range(rank):
                    out[:, k * low : (k + 1) * low, k * high : (k + 1) * high] = terms[k]
            self.tensors[site] = out

    def _compress(self, first: int, last: int, *, is_last: bool) -> None:
        """Make the block from `first` to `last` right-canonical again, and its bonds small."""
        if is_last and self.truncation.is_exact:
            self._sweep_left(last, first)
            return
        weights = self._weights(first)
        if self._has_gram:
            self._compress_by_gram(first, last, weights)
            return
        carry: Complexes = np.diag(weights).astype(np.complex128)
        for site in range(first, last):
            tensor = carry @ self.tensors[site]
            _, low, high = tensor.shape
            q, carry = np.linalg.qr(tensor.reshape(2 * low, high))
            self.tensors[site] = q.reshape(2, low, -1)
        center = carry @ self.tensors[last]
        for site in range(last, first, -1):
            _, low, high = center.shape
            matrix = center.transpose(1, 0, 2).reshape(low, 2 * high)
            values, vectors = self._principal(matrix)
            bond = len(values)
            self._check_bond(bond)
            self.tensors[site] = np.ascontiguousarray(
                vectors.reshape(bond, 2, high).transpose(1, 0, 2)
            )
            self.schmidt[site] = values
            # U S = M V†; its norm is that of the whole state.
            center = self.tensors[site - 1] @ (matrix @ vectors.conj().T)
        self.tensors[first] = center / weights[:, None]

    def _compress_by_gram(self, first: int, last: int, weights: Floats) -> None:
        """Do what `_compress` does, with G_i = Σ over everything left of site i of ψ ψ†."""
        tensors = self.tensors
        gram: Complexes = np.diag(weights * weights).astype(np.complex128)
        grams = []
        for site in range(first, last):
            tensor = tensors[site]
            low, high = tensor.shape[1:]
            left = tensor.reshape(2 * low, high)
            gram = left.conj().T @ (gram @ tensor).reshape(2 * low, high)
            grams.append(gram)
        center = tensors[last]
        for site in range(last, first, -1):
            low, high = center.shape[1:]
            matrix = center.transpose(1, 0, 2).reshape(low, 2 * high)
            values, vectors = self._principal_of_gram(
                matrix.conj().T @ (grams[site - first - 1] @ matrix)
            )
            bond = len(values)
            self._check_bond(bond)
            tensors[site] = np.ascontiguousarray(vectors.reshape(bond, 2, high).transpose(1, 0, 2))
            self.schmidt[site] = values
            center = tensors[site - 1] @ (matrix @ vectors.conj().T)
        tensors[first] = center

    def _sweep_left(self, last: int, first: int) -> None:
        """Make the sites from `last` down to `first` + 1 right-canonical without loss."""
        for site in range(last, first, -1):
            tensor = self.tensors[site]
            _, low, high = tensor.shape
            q, r = np.linalg.qr(tensor.transpose(0, 2, 1).reshape(2 * high, low))
            self.tensors[site] = np.ascontiguousarray(q.reshape(2, high, -1).transpose(0, 2, 1))
            self.tensors[site - 1] = self.tensors[site - 1] @ r.T
            self.schmidt[site] = None
            self._check_bond(q.shape[1])

    def finish(self) -> None:
        """Make the state exactly right-canonical where truncations left it nearly so; normalise."""
        if not self.truncation.is_exact:
            self._sweep_left(self.qubit_count - 1, 0)
        self.tensors[0] = self.tensors[0] / math.sqrt(float((abs(self.tensors[0]) ** 2).sum()))

    def restore_schmidt(self) -> None:
        """Compute all λ again, and with them a right-canonical form of smallest bonds."""
        self.schmidt[0] = np.ones(1)
        self._compress(0, self.qubit_count - 1, is_last=False)

    def _apply_far_pair(self, first: int, last: int, factors: Complexes, *, is_last: bool) -> None:
        """Apply Σ_k A_k ⊗ B_k on sites that are not neighbours, by exchanges there and back."""
        for site in range(last - 1, first, -1):
            self._apply_pair(site, _SWAP_FACTORS)
        self._apply_pair(first, factors)
        for site in range(first + 1, last):
            self._apply_pair(site, _SWAP_FACTORS, is_last=is_last and site == last - 1)

    def _apply_dense(self, operator: Placed) -> None:
        """Apply a matrix on several sites, brought side by side by exchanges.

        Raises:
            ValueError: If the operator has no matrix.
        """
        sites, matrix = operator.sites, operator.matrix
        if matrix is None:
            raise ValueError("the operator has no matrix")
        count, first = len(sites), sites[0]
        moves = [
            step for k, site in enumerate(sites) for step in range(site - 1, first + k - 1, -1)
        ]
        for site in moves:
            self._apply_pair(site, _SWAP_FACTORS)
        order = [operator.dense_sites.index(site) for site in sites]
        axes = [*order, *(count + k for k in order)]
        arranged = matrix.reshape((2,) * (2 * count)).transpose(axes).reshape(matrix.shape)
        self._apply_block(first, count, arranged)
        for site in reversed(moves):
            self._apply_pair(site, _SWAP_FACTORS)

    def _apply_block(self, first: int, count: int, matrix: Complexes) -> None:
        """Apply a matrix on `count` sites from `first` on."""
        block = self.tensors[first].transpose(1, 0, 2)  # left, bits, right
        low = block.shape[0]
        for site in range(first + 1, first + count):
            tensor = self.tensors[site]
            block = np.tensordot(block, tensor, axes=(2, 1)).reshape(low, -1, tensor.shape[2])
        high = block.shape[2]
        block = np.ascontiguousarray(np.matmul(matrix, block))
        weights = self._weights(first)
        for site in range(first + count - 1, first, -1):
            rest = block.shape[1] // 2
            plain = block.reshape(low * rest, 2 * high)
            values, vectors = self._principal((block * weights[:, None, None]).reshape(plain.shape))
            bond = len(values)
            self._check_bond(bond)
            self.tensors[site] = np.ascontiguousarray(
                vectors.reshape(bond, 2, high).transpose(1, 0, 2)
            )
            self.schmidt[site] = values
            block = (plain @ vectors.conj().T).reshape(low, rest, bond)
            high = bond
        self.tensors[first] = np.ascontiguousarray(block.transpose(1, 0, 2))
