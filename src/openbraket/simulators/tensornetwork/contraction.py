"""Contraction by quimb and cotengra of what neither amplitudes nor matrix product states hold.

Each question is a network of its own, simplified and contracted along a path that cotengra finds,
in slices where an intermediate tensor would not fit. The paths are found first: that is the
rehearsal, which gives the width, the operations and the memory before anything is computed.
"""

import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from openbraket.base.errors import LimitError, ProgramError
from openbraket.circuits.circuit import ResultType
from openbraket.circuits.clifford import controlled_matrix
from openbraket.circuits.steps import Step, operations_of, steps_of
from openbraket.simulators.observables import basis_of
from openbraket.simulators.powers import resolve_powers
from openbraket.simulators.tensornetwork.operators import DENSE_QUBITS_MAX, controls_of
from openbraket.simulators.tensornetwork.rehearsal import COMPLEX_BYTES, FLOPS_PER_S, Prediction
from openbraket.simulators.values import Complexes, Value

# Samples are drawn from marginals of so many qubits at once.
_GROUP_QUBITS: Final = 8
# Paths tried for one network.
_TRIALS: Final = 16
_SEARCH_S: Final = 5.0
# Contractions that a quick path makes shorter than this are not worth a longer search.
_QUICK_S: Final = 2.0
# Nor are those that it makes longer than so many times the limit brought within it.
_HOPELESS: Final = 1e4
# Targets of one observable or one distribution: the open legs of one contraction.
OPEN_QUBITS_MAX: Final = 10
# A tensor of 2^60 numbers fits nowhere, in however many slices.
_WIDTH_VIABLE: Final = 60.0
# Operations of one network: a millisecond each before its path is known.
STEPS_MAX: Final = 10_000
# Gates on so many qubits are one tensor, whatever their controls.
_SMALL_QUBITS: Final = 3
_FLIP: Final = np.array([[0, 1], [1, 0]], dtype=np.complex128)
# Predictions beyond these, which fit no floating-point number when multiplied, say no more.
_WIDTH_MAX: Final = 900.0
_EXPONENT_MAX: Final = 290
# Overhead of one contraction: simplification and a path, measured on 300 to 400 gates.
_CONTRACTION_S: Final = 2e-2

NO_PATH: Final = "No viable contraction path found"
TOO_LONG: Final = "Predicted runtime based on best contraction path found exceeds TN1 limit"


def is_available() -> bool:
    """Return whether quimb and cotengra are installed (`pip install openbraket[tn]`)."""
    return find_spec("quimb") is not None and find_spec("cotengra") is not None


class Contraction:
    """U|0…0> as a network that is contracted anew for every question.

    Args:
        qubit_count: Number of qubits.
        steps: The circuit, on qubits 0 to n - 1.
        memory_bytes: What the largest intermediate tensor may take; wider ones are sliced.
        seed: Of the search for paths.

    Raises:
        LimitError: If a gate has more than eight targets besides its controls.
    """

    def __init__(
        self, qubit_count: int, steps: Sequence[Step], *, memory_bytes: int, seed: int = 0
    ) -> None:
        import quimb.tensor as qtn

        self._qubit_count = qubit_count
        self._report: Callable[[float], None] | None = None
        self._optimizer: Any = "greedy"
        self._memory_bytes = memory_bytes
        self._seed = seed
        self._circuit: qtn.Circuit = qtn.Circuit(qubit_count)
        operations = resolve_powers(operations_of(steps, range(qubit_count)))
        for step in steps_of(operations):
            self._add(step)

    def _add(self, step: Step) -> None:
        """Add a step: as one tensor where it is small, else with a bond through its controls.

        Raises:
            LimitError: If it acts on more than 8 qubits besides its controls.
        """
        targets = step.targets
        if not targets:
            return  # a global phase, which the reductions have taken out
        if len(targets) <= _SMALL_QUBITS:
            matrix = controlled_matrix(step)
            if matrix is not None:
                self._circuit.apply_gate_raw(np.array(matrix, dtype=np.complex128), targets)
                return
        bits, inner = controls_of(step)
        controls, others = targets[: len(bits)], targets[len(bits) :]
        if len(others) > DENSE_QUBITS_MAX:
            raise LimitError(
                f"A gate acts on {len(others)} qubits without known structure; at most "
                f"{DENSE_QUBITS_MAX} are allowed besides controls in a contraction."
            )
        flipped = [control for control, bit in zip(controls, bits, strict=True) if not bit]
        for control in flipped:
            self._circuit.apply_gate_raw(_FLIP, (control,))
        self._circuit.apply_gate_raw(inner, others, controls=controls or None)
        for control in flipped:
            self._circuit.apply_gate_raw(_FLIP, (control,))

    def search(self) -> None:
        """Look harder for paths from now on, and slice what is too wide."""
        import cotengra

        target = max(1 << 10, self._memory_bytes // (4 * COMPLEX_BYTES))
        self._optimizer = cotengra.ReusableHyperOptimizer(
            methods=("greedy", "labels"),
            max_repeats=_TRIALS,
            max_time=_SEARCH_S,
            parallel=False,
            optlib="random",
            slicing_opts={"target_size": 1 << (target.bit_length() - 1)},
            progbar=False,
            seed=self._seed,
        )

    def rehearse_amplitude(self) -> Prediction:
        """Return what one amplitude needs, which samples cannot do with less than."""
        found = self._circuit.amplitude_rehearse("0" * self._qubit_count, optimize=self._optimizer)
        return _summed([found["tree"]], 1)

    def rehearse_samples(self, shots: int, *, seconds_max: float = math.inf) -> Prediction:
        """Return what drawing samples needs.

        Args:
            shots: Number of samples.
            seconds_max: Where a group of qubits takes hopelessly longer, the rest is not looked at.
        """
        from cotengra.contract import default_implementation

        order = self._circuit.calc_qubit_ordering()
        fixed: dict[int, str] = {}
        trees: list[Any] = []
        for start in range(0, len(order), _GROUP_QUBITS):
            where = tuple(sorted(order[start : start + _GROUP_QUBITS]))
            # Outcomes are stood for by random vectors (r), which cotengra folds in lazily. autoray
            # 0.8.4, which PennyLane asks for, then takes numpy's functions for the lazy ones once
            # numpy's have been used in the process; these do not pass by its namespaces.
            with default_implementation("cotengra"):
                found = self._circuit.compute_marginal_rehearse(
                    where=where, fix=fixed, optimize=self._optimizer
                )
            trees.append(found["tree"])
            own = _summed(trees[-1:], shots)
            if own.width > _WIDTH_VIABLE or own.seconds > _HOPELESS * seconds_max:
                break
            fixed |= dict.fromkeys(where, "r")
            if self._report is not None:
                self._report(0.0)  # whoever ends the work by an exception may do so
        return _summed(trees, shots)

    def rehearse_values(self, result_types: Sequence[ResultType]) -> Prediction:
        """Return what exact values of result types need."""
        trees = []
        for asked in result_types:
            if asked.kind == "amplitude":
                found = self._circuit.amplitude_rehearse(
                    "0" * self._qubit_count, optimize=self._optimizer
                )
                trees += [found["tree"]] * len(asked.states)
            else:
                where = self._where(asked)
                if where:
                    found = self._circuit.partial_trace_rehearse(where, optimize=self._optimizer)
                    trees.append(found["tree"])
        return _summed(trees, 1)

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Return measured bits of all qubits, shape (qubit_count, shots)."""
        out = np.empty((self._qubit_count, shots), dtype=np.uint8)
        drawn = self._circuit.sample(
            shots,
            group_size=_GROUP_QUBITS,
            seed=int(generator.integers(1 << 62)),
            optimize=self._optimizer,
        )
        for shot, bits in enumerate(drawn):
            out[:, shot] = np.frombuffer(bits.encode(), dtype=np.uint8) - ord("0")
            if self._report is not None:
                self._report((shot + 1) / shots)
        return out

    def values(self, result_types: Sequence[ResultType]) -> list[Value]:
        """Return exact values of result types with explicit targets.

        Raises:
            ProgramError: If a kind is not among expectation, variance, probability, amplitude and
                density_matrix.
            LimitError: If a result has more than 10 targets.
        """
        found = []
        for index, asked in enumerate(result_types):
            found.append(self._value(asked))
            if self._report is not None:
                self._report((index + 1) / len(result_types))
        return found

    def watch(self, report: Callable[[float], None] | None) -> None:
        """Call `report` with the share that is done, from now on."""
        self._report = report

    def _value(self, asked: ResultType) -> Value:
        if asked.kind == "amplitude":
            return {
                state: complex(self._circuit.amplitude(state, optimize=self._optimizer))
                for state in asked.states
            }
        if asked.kind in {"expectation", "variance"}:
            factors = [factor for factor in asked.observable if factor.name != "i"]
            if not factors:
                return 1.0 if asked.kind == "expectation" else 0.0
            matrix: Complexes = np.eye(1, dtype=np.complex128)
            for factor in factors:
                matrix = np.kron(matrix, basis_of(factor).matrix).astype(np.complex128, copy=False)
            density = self._density(self._where(asked))
            mean = float((density * matrix.T).sum().real)
            if asked.kind == "expectation":
                return mean
            return max(0.0, float((density * (matrix @ matrix).T).sum().real) - mean * mean)
        if asked.kind in {"probability", "density_matrix"}:
            density = self._density(self._where(asked))
            if asked.kind == "density_matrix":
                return density
            return np.ascontiguousarray(density.diagonal().real.clip(0))
        message = f"Result type {asked.kind} is not available for so many qubits."
        raise ProgramError(message)

    def _where(self, asked: ResultType) -> tuple[int, ...]:
        """Return the open qubits of a question.

        Raises:
            LimitError: If there are too many.
        """
        where = asked.targets or tuple(
            q for factor in asked.observable if factor.name != "i" for q in factor.targets
        )
        if len(where) > OPEN_QUBITS_MAX:
            raise LimitError(
                f"{asked.kind} of {len(where)} qubits; a contraction gives at most "
                f"{OPEN_QUBITS_MAX}."
            )
        return where

    def _density(self, where: tuple[int, ...]) -> Complexes:
        found = self._circuit.partial_trace(where, optimize=self._optimizer)
        return np.asarray(found, dtype=np.complex128)


def _summed(trees: Sequence[Any], times: int) -> Prediction:
    """Return what contractions along these paths need together."""
    width = max((math.log2(max(1, tree.max_size())) for tree in trees), default=0.0)
    width = min(width, _WIDTH_MAX)
    # A complex multiplication and addition are eight real operations.
    flops = (
        8.0 * times * sum(float(min(tree.contraction_cost(), 10**_EXPONENT_MAX)) for tree in trees)
    )
    memory = COMPLEX_BYTES * 4.0 * 2.0**width
    seconds = flops / FLOPS_PER_S + _CONTRACTION_S * times * len(trees)
    return Prediction(width, flops, memory, seconds)


def rehearse(
    network: Contraction,
    result_types: Sequence[ResultType],
    *,
    shots: int,
    seconds_max: float,
    memory_bytes: int,
) -> Prediction:
    """Return what a network's contractions need, along quick paths or, if long, better ones.

    Args:
        network: The network.
        result_types: What is asked for, for shots = 0.
        shots: Number of samples; 0 means values.
        seconds_max: Limit of the duration.
        memory_bytes: Limit of the memory.

    Raises:
        LimitError: If a limit is exceeded, with the numbers.
    """

    def predict() -> Prediction:
        if not shots:
            return network.rehearse_values(result_types)
        least = network.rehearse_amplitude()
        if least.width > _WIDTH_VIABLE or least.seconds > seconds_max:
            return least
        return network.rehearse_samples(shots, seconds_max=seconds_max)

    prediction = predict()
    is_long = prediction.seconds > _QUICK_S * max(1, shots)
    is_hopeless = prediction.seconds > _HOPELESS * seconds_max
    if not is_hopeless and (is_long or prediction.memory_bytes > memory_bytes):
        network.search()
        prediction = predict()
    numbers = (
        f"predicted {prediction}, about {prediction.seconds:.3g} s; "
        f"limits {memory_bytes:,} bytes, {seconds_max:,.0f} s"
    )
    if prediction.width > _WIDTH_VIABLE or prediction.memory_bytes > memory_bytes:
        raise LimitError(f"{NO_PATH} ({numbers}).")
    if prediction.seconds > seconds_max:
        raise LimitError(f"{TOO_LONG} ({numbers}).")
    return prediction
