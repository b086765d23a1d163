"""Stabilizer states: what Clifford operations make of |0…0>, without amplitudes.

The tableau is `stim`'s. What it does not give at once is here: the distribution of some qubits as
an affine subspace, and observables as sums of Pauli strings.

Source: S. Aaronson and D. Gottesman, Phys. Rev. A 70, 052328 (2004); C. Gidney, Quantum 5, 497
(2021).
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from openbraket.circuits.circuit import Factor, Operations, ResultType
from openbraket.circuits.clifford import clifford_images, controlled_matrix
from openbraket.circuits.gates import GATES
from openbraket.circuits.steps import Step
from openbraket.simulators.statevector.phased_tableau import PhasedTableau
from openbraket.simulators.statevector.state import StateVector
from openbraket.simulators.values import Complexes, Floats, Value

if TYPE_CHECKING:
    import stim

# Observables as sums: letters on the factors' qubits, with their coefficients.
Terms = list[tuple[str, float]]

_PAULIS: Final[dict[str, Complexes]] = {
    "_": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]], dtype=np.complex128),
    "Z": np.array([[1, 0], [0, -1]], dtype=np.complex128),
}
_TABLE_NAMES: Final = {"H": "h", "S": "s", "CX": "cnot"}
_R2: Final = math.sqrt(0.5)
_TERMS: Final[dict[str, Terms]] = {
    "i": [("_", 1.0)],
    "x": [("X", 1.0)],
    "y": [("Y", 1.0)],
    "z": [("Z", 1.0)],
    "h": [("X", _R2), ("Z", _R2)],
}


class StabilizerState:
    """U|0…0> for Clifford operations U.

    Args:
        qubit_count: Number of qubits.
        steps: Operations for which `circuits.clifford.is_clifford` holds, on 0 to n - 1.

    Cost: n² bits of memory, and n bit operations for each step.
    """

    def __init__(self, qubit_count: int, steps: Sequence[Step]) -> None:
        import stim  # here, so that only programs that need it load it

        self._qubit_count = qubit_count
        self._steps = tuple(steps)
        lines = []
        for step in steps:
            targets = step.targets
            for name, positions in elementary_gates(Step(step[0], (0,) * len(targets), *step[2:])):
                lines.append(f"{name} {' '.join([str(targets[k]) for k in positions])}")
        self._circuit = stim.Circuit("\n".join(lines))
        self._tableau: stim.TableauSimulator | None = None
        self._phased: PhasedTableau | None = None

    def sample(self, shots: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Return measured bits of all qubits, shape (qubit_count, shots)."""
        measured = self._circuit.copy()
        measured.append("M", range(self._qubit_count))
        sampler = measured.compile_sampler(seed=int(generator.integers(1 << 62)))
        bits = sampler.sample(shots)
        return np.ascontiguousarray(bits.T.astype(np.uint8))

    def values(self, result_types: Sequence[ResultType]) -> list[Value]:
        """Return exact values of result types.

        Args:
            result_types: Those for which `circuits.questions.is_cheap_for_stabilizers` holds, with
                explicit targets.

        Raises:
            ValueError: If a kind is not among them.
        """
        return [self._value(result_type) for result_type in result_types]

    def _value(self, result_type: ResultType) -> Value:
        match result_type.kind:
            case "expectation":
                return self._mean(result_type.observable)
            case "variance":
                mean = self._mean(result_type.observable)
                square = self._mean([_squared(factor) for factor in result_type.observable])
                return max(0.0, square - mean * mean)
            case "probability":
                return self.probabilities(result_type.targets or ())
            case "density_matrix":
                return self._density_matrix(result_type.targets or ())
            case "amplitude":
                return {bits: self.amplitude(bits) for bits in result_type.states}
            case _:
                message = f"a stabilizer simulation gives no {result_type.kind}"
                raise ValueError(message)

    def _simulator(self) -> "stim.TableauSimulator":
        import stim

        if self._tableau is None:
            self._tableau = stim.TableauSimulator()
            self._tableau.set_num_qubits(self._qubit_count)
            self._tableau.do(self._circuit)
        return self._tableau

    def pauli_expectation(self, letters: str, qubits: Sequence[int]) -> int:
        """Return <P> of a Pauli string, -1, 0 or 1; letters are `_`, `X`, `Y`, `Z`."""
        import stim

        string = stim.PauliString(self._qubit_count)
        for letter, qubit in zip(letters, qubits, strict=True):
            string[qubit] = letter
        return int(self._simulator().peek_observable_expectation(string))

    def amplitude(self, bits: str) -> complex:
        """Return <x|ψ> with its phase; the bit of qubit 0 is the first of `bits`."""
        if self._phased is None:
            self._phased = PhasedTableau(self._qubit_count)
            for step in self._steps:
                self._apply_with_phase(self._phased, step)
        return self._phased.amplitude(bits)

    def _apply_with_phase(self, state: PhasedTableau, step: Step) -> None:
        plain = Step(step[0], tuple(range(len(step.targets))), *step[2:])
        for name, positions in elementary_gates(plain):
            targets = [step.targets[k] for k in positions]
            match name:
                case "H":
                    state.h(*targets)
                case "S":
                    state.s(*targets)
                case "CX":
                    state.cx(*targets)
                case _:
                    message = f"{name} is not among H, S and CX"
                    raise ValueError(message)
        state.multiply(_phase(plain))

    def _mean(self, observable: Sequence[Factor]) -> float:
        qubits = [qubit for factor in observable for qubit in factor.targets]
        mean = 0.0
        for terms in itertools.product(*map(_terms, observable)):
            letters = "".join(term[0] for term in terms)
            mean += self.pauli_expectation(letters, qubits) * math.prod(term[1] for term in terms)
        return mean

    def probabilities(self, qubits: Sequence[int]) -> Floats:
        """Return the distribution of `qubits`, the first most significant; shape (2^k,).

        It is uniform on an affine subspace: an offset, where all bits that are free are 0, and one
        direction for each free bit.
        """
        offset, free = self._forced(qubits, -1)
        states = np.array([offset], dtype=np.int64)
        for bit in free:
            states = np.concatenate([states, states ^ (self._forced(qubits, bit)[0] ^ offset)])
        distribution = np.zeros(1 << len(qubits))
        distribution[states] = 1.0 / states.size
        return distribution

    def _forced(self, qubits: Sequence[int], one: int) -> tuple[int, list[int]]:
        """Measure qubits with free bits forced to 0, but to 1 for the `one`-th qubit.

        Returns:
            The bits as a number, the first most significant, and which of them were free.
        """
        simulator, free, number = self._simulator().copy(), [], 0
        for k, qubit in enumerate(qubits):
            sign = simulator.peek_z(qubit)
            if sign == 0:
                free.append(k)
                simulator.postselect_z(qubit, desired_value=k == one)
                sign = -1 if k == one else 1
            number = number << 1 | (sign < 0)
        return number, free

    def _density_matrix(self, qubits: Sequence[int]) -> Complexes:
        size = 1 << len(qubits)
        density = np.zeros((size, size), dtype=np.complex128)
        for choice in itertools.product("_XYZ", repeat=len(qubits)):
            mean = self.pauli_expectation("".join(choice), qubits)
            if mean:
                density += (mean / size) * _pauli_matrix(choice)
        return density


@lru_cache(maxsize=4096)
def elementary_gates(step: Step) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return gates H, S and CX that make up a step up to a phase, on positions among its targets.

    Raises:
        ValueError: If the step is no Clifford operation.
    """
    import stim

    count = len(step.targets)
    images = clifford_images(step)
    if images is None:
        raise ValueError("the step is no Clifford operation")
    if count == 0:
        return ()
    tableau = stim.Tableau.from_conjugated_generators(
        xs=[stim.PauliString(image) for image in images[0]],
        zs=[stim.PauliString(image) for image in images[1]],
    )
    return tuple(
        (gate.name, tuple(target.value for target in targets))
        for gate in tableau.to_circuit("elimination")
        for targets in gate.target_groups()
    )


@lru_cache(maxsize=4096)
def _phase(step: Step) -> complex:
    """Return the phase that the gates of `elementary_gates` lack.

    Raises:
        ValueError: If the step is no Clifford operation.
    """
    matrix, count = controlled_matrix(step), len(step.targets)
    if matrix is None:
        raise ValueError("the step is no Clifford operation")
    small = Operations()
    for name, positions in elementary_gates(step):
        small.append(GATES[_TABLE_NAMES[name]].code, positions)
    # One entry of the first column against that of the gates.
    state = StateVector(max(1, count))
    state.apply(small)
    amplitudes = state.amplitudes()
    row = int(np.abs(amplitudes).argmax())
    return complex(matrix[row >> (count == 0)][0] / amplitudes[row])


def _terms(factor: Factor) -> Terms:
    if factor.matrix is None:
        return _TERMS[factor.name]
    matrix = np.array(factor.matrix, dtype=np.complex128)
    size = matrix.shape[0]
    terms = []
    for choice in itertools.product("_XYZ", repeat=size.bit_length() - 1):
        # tr(M P) / 2^k; elementwise, as P is Hermitian.
        weight = float((matrix * _pauli_matrix(choice).conj()).sum().real) / size
        if weight:
            terms.append(("".join(choice), weight))
    return terms


def _squared(factor: Factor) -> Factor:
    if factor.matrix is None:
        return Factor("i", factor.targets)
    matrix = np.array(factor.matrix, dtype=np.complex128)
    return Factor("hermitian", factor.targets, tuple(map(tuple, (matrix @ matrix).tolist())))


def _pauli_matrix(letters: Sequence[str]) -> Complexes:
    matrix: Complexes = np.eye(1, dtype=np.complex128)
    for letter in letters:
        matrix = np.kron(matrix, _PAULIS[letter]).astype(np.complex128, copy=False)
    return matrix
