"""Exact values of a matrix product state: amplitudes, moments of observables, distributions.

With right-orthonormal tensors <O> for O on the sites a to b is tr Σ B† … L_a … B over those sites,
L_a the environment of everything to the left, which is computed once.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import Factor, ResultType
from openbraket.simulators.observables import basis_of
from openbraket.simulators.tensornetwork.mps import MatrixProductState
from openbraket.simulators.tensornetwork.operators import Complexes, split_pair
from openbraket.simulators.values import Floats, Value

# Products into which an observable is expanded at most.
_TERMS_MAX: Final = 4096
# Complex numbers of one environment with open qubits: 1 GiB.
_ENVIRONMENT_MAX: Final = 1 << 26
DENSITY_QUBITS_MAX: Final = 8

# Matrices by site.
Product = Mapping[int, Complexes]


class StateValues:
    """Answers questions on a state.

    Args:
        state: Right-canonical and normalised; not modified.
        position: The site of every qubit.
    """

    def __init__(self, state: MatrixProductState, position: Sequence[int]) -> None:
        self._tensors = state.tensors
        self._position = position
        self._left: list[Complexes] = [np.ones((1, 1), dtype=np.complex128)]

    def values(self, result_types: Sequence[ResultType]) -> list[Value]:
        """Return exact values of result types with explicit targets.

        Raises:
            ProgramError: If a kind is not among expectation, variance, probability, amplitude and
                density_matrix.
            LimitError: If a result needs too many numbers.
        """
        return [self._value(result_type) for result_type in result_types]

    def _value(self, asked: ResultType) -> Value:
        match asked.kind:
            case "expectation":
                return self._mean(asked.observable)
            case "variance":
                mean = self._mean(asked.observable)
                square = self._mean(tuple(_squared(factor) for factor in asked.observable))
                return max(0.0, square - mean * mean)
            case "probability":
                return self.probabilities(asked.targets or ())
            case "amplitude":
                found = self.amplitudes(asked.states)
                return dict(zip(asked.states, found.tolist(), strict=True))
            case "density_matrix":
                return self.density_matrix(asked.targets or ())
            case _:
                message = f"Result type {asked.kind} is not available for so many qubits."
                raise ProgramError(message)

    def amplitudes(self, states: Sequence[str]) -> Complexes:
        """Return <x|ψ> of every basis state x, shape (len(states),).

        Args:
            states: Bit strings, qubit 0 first.
        """
        bits = np.array([[int(bit) for bit in state] for state in states], dtype=np.int64)
        column = {site: qubit for qubit, site in enumerate(self._position)}
        rows: Complexes = np.ones((len(states), 1), dtype=np.complex128)
        for site, tensor in enumerate(self._tensors):
            chosen = bits[:, column[site]]
            out = np.empty((len(states), tensor.shape[2]), dtype=np.complex128)
            for bit in (0, 1):
                out[chosen == bit] = rows[chosen == bit] @ tensor[bit]
            rows = out
        return rows[:, 0]

    def _environment(self, site: int) -> Complexes:
        """Return L, shape (χ, χ): Σ over all beginnings of conj(ψ_l) ψ_l'."""
        while len(self._left) <= site:
            tensor = self._tensors[len(self._left) - 1]
            self._left.append(_step(self._left[-1], tensor, tensor))
        return self._left[site]

    def _mean(self, observable: Sequence[Factor]) -> float:
        factors = [factor for factor in observable if factor.name != "i"]
        wide = [factor for factor in factors if len(factor.targets) > 2]
        term_count = math.prod(4 if len(factor.targets) == 2 else 1 for factor in factors)
        if wide or term_count > _TERMS_MAX:
            return self._traced_mean(factors)
        lists = [self._terms(factor) for factor in factors]
        return sum(
            self._product_mean({s: m for one in choice for s, m in one.items()})
            for choice in itertools.product(*lists)
        )

    def _terms(self, factor: Factor) -> list[Product]:
        matrix = basis_of(factor).matrix
        sites = [self._position[qubit] for qubit in factor.targets]
        if len(sites) == 1:
            return [{sites[0]: matrix}]
        return [dict(zip(sites, pair, strict=True)) for pair in split_pair(matrix)]

    def _product_mean(self, product: Product) -> float:
        if not product:
            return 1.0
        first, last = min(product), max(product)
        environment = self._environment(first)
        for site in range(first, last + 1):
            tensor = self._tensors[site]
            matrix = product.get(site)
            changed = tensor
            if matrix is not None:
                changed = (matrix @ tensor.reshape(2, -1)).reshape(tensor.shape)
            environment = _step(environment, tensor, changed)
        return float(np.trace(environment).real)

    def _traced_mean(self, factors: Sequence[Factor]) -> float:
        qubits = [qubit for factor in factors for qubit in factor.targets]
        density = self.density_matrix(qubits)
        matrix: Complexes = np.eye(1, dtype=np.complex128)
        for factor in factors:
            matrix = np.kron(matrix, basis_of(factor).matrix).astype(np.complex128, copy=False)
        return float((density * matrix.T).sum().real)

    def probabilities(self, qubits: Sequence[int]) -> Floats:
        """Return the distribution of `qubits`, the first most significant; shape (2^k,).

        Raises:
            LimitError: If the environments get too large.
        """
        sites = [self._position[qubit] for qubit in qubits]
        environments, order = self._environment(min(sites))[None], sorted(sites)
        for site in range(min(sites), max(sites) + 1):
            tensor = self._tensors[site]
            if site in sites:
                self._check(2 * len(environments) * tensor.shape[2] ** 2)
                halves = [_half(environments, one) for one in tensor]
                environments = np.stack(halves, axis=1).reshape(-1, *halves[0].shape[1:])
            else:
                environments = _half(environments, tensor[0]) + _half(environments, tensor[1])
        found = np.trace(environments, axis1=1, axis2=2).real.clip(0).reshape((2,) * len(sites))
        axes = [order.index(site) for site in sites]
        return np.ascontiguousarray(found.transpose(axes).reshape(-1))

    def density_matrix(self, qubits: Sequence[int]) -> Complexes:
        """Return the reduced density matrix of at most 8 qubits, the first most significant.

        Raises:
            LimitError: If there are more, or the environments get too large.
        """
        count = len(qubits)
        if count > DENSITY_QUBITS_MAX:
            message = f"density_matrix of {count} qubits; at most {DENSITY_QUBITS_MAX} are allowed"
            raise LimitError(message)
        sites = [self._position[qubit] for qubit in qubits]
        order = sorted(sites)
        open_legs = self._environment(order[0])[None]
        for site in range(order[0], order[-1] + 1):
            tensor = self._tensors[site]
            if site in sites:
                self._check(4 * len(open_legs) * tensor.shape[2] ** 2)
                # Bra bit, then ket bit.
                legs = [
                    np.matmul(bra.conj().T, np.matmul(open_legs, ket))
                    for bra in tensor
                    for ket in tensor
                ]
                open_legs = np.stack(legs, axis=1).reshape(-1, *legs[0].shape[1:])
            else:
                open_legs = _half(open_legs, tensor[0]) + _half(open_legs, tensor[1])
        found = np.trace(open_legs, axis1=1, axis2=2).reshape((2,) * (2 * count))
        places = [order.index(site) for site in sites]
        axes = [2 * k + 1 for k in places] + [2 * k for k in places]
        return np.ascontiguousarray(found.transpose(axes).reshape(1 << count, 1 << count))

    def _check(self, numbers: int) -> None:
        if numbers > _ENVIRONMENT_MAX:
            raise LimitError(
                f"A result needs {numbers:,} complex numbers at once, more than the limit of "
                f"{_ENVIRONMENT_MAX:,}."
            )


def _step(environment: Complexes, bra: Complexes, ket: Complexes) -> Complexes:
    """Return Σ_x bra[x]† L ket[x]."""
    low, high = bra.shape[1:]
    return bra.reshape(2 * low, high).conj().T @ (environment @ ket).reshape(2 * low, high)


def _half(environments: Complexes, tensor: Complexes) -> Complexes:
    found: Complexes = np.matmul(tensor.conj().T, np.matmul(environments, tensor))
    return found


def _squared(factor: Factor) -> Factor:
    if factor.matrix is None:
        return Factor("i", factor.targets)
    matrix = np.array(factor.matrix, dtype=np.complex128)
    return Factor("hermitian", factor.targets, tuple(map(tuple, (matrix @ matrix).tolist())))
