"""Noisy shots against Qiskit Aer, and noisy Clifford circuits against the clock.

Run: `python benchmarks/bench_trajectories.py --help`; `pip install openbraket[bench]` has the peer.

Layers of rx·rz on every qubit, cnots in bricks, depolarizing noise of 0.001 on every qubit, and the
same with amplitude damping of 0.001. Aer evolves every shot for itself, so a few of its shots are
timed and its time for all is in proportion. With shot branching, which shares beginnings, that is
an upper bound, nearer the more `--peer-shots`. Every run of the peer is preceded by one of ours.

Goals: at most half of the time of Aer's best method; Clifford circuits of 50 qubits, 50 layers and
100,000 shots in less than a second, conversion included.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from common import print_machine, spread
from openbraket.circuits.circuit import Circuit, Noise, Operations
from openbraket.circuits.gates import GATES
from openbraket.simulators.trajectories import cost, simulate

ERROR: Final = 1e-3
RATIO_GOAL: Final = 0.5
CLIFFORD_GOAL_S: Final = 1.0
METHODS: Final[dict[str, dict[str, Any]]] = {
    "statevector": {"method": "statevector"},
    "statevector single": {"method": "statevector", "precision": "single"},
    "statevector single, branching": {
        "method": "statevector",
        "precision": "single",
        "shot_branching_enable": True,
    },
    "matrix product state": {"method": "matrix_product_state"},
}


def layers(qubit_count: int, depth: int) -> Iterator[tuple[str, tuple[int, ...], float]]:
    """Yield gates and `noise` on single qubits."""
    generator = np.random.default_rng(1)
    for layer in range(depth):
        for qubit in range(qubit_count):
            yield "rx", (qubit,), float(generator.uniform(0, 2 * math.pi))
            yield "rz", (qubit,), float(generator.uniform(0, 2 * math.pi))
        for qubit in range(layer % 2, qubit_count - 1, 2):
            yield "cnot", (qubit, qubit + 1), 0.0
        for qubit in range(qubit_count):
            yield "noise", (qubit,), 0.0


def own_circuit(qubit_count: int, depth: int, damping: float) -> Circuit:
    """Return the circuit as the simulator reads it."""
    operations = Operations()
    for name, targets, angle in layers(qubit_count, depth):
        if name != "noise":
            operations.append(GATES[name].code, targets, () if name == "cnot" else (angle,))
            continue
        at = len(operations)
        operations.noise.append(Noise("depolarizing", targets, (ERROR,), (), at))
        if damping:
            operations.noise.append(Noise("amplitude_damping", targets, (damping,), (), at))
    return Circuit(tuple(range(qubit_count)), operations)


def aer_run(
    qubit_count: int, depth: int, damping: float, method: dict[str, Any], threads: int
) -> Callable[[int], float]:
    """Return a function that runs some shots on Aer and returns its seconds."""
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import amplitude_damping_error, depolarizing_error

    circuit = QuantumCircuit(qubit_count)
    # Aer's parameter is the share of the completely mixed state.
    depolarizing = depolarizing_error(4 * ERROR / 3, 1)
    decay = amplitude_damping_error(damping) if damping else None
    for name, targets, angle in layers(qubit_count, depth):
        match name:
            case "rx":
                circuit.rx(angle, targets[0])
            case "rz":
                circuit.rz(angle, targets[0])
            case "cnot":
                circuit.cx(*targets)
            case _:
                circuit.append(depolarizing, targets)
                if decay is not None:
                    circuit.append(decay, targets)
    circuit.measure_all()
    simulator = AerSimulator(max_parallel_threads=threads, **method)

    def run(shots: int) -> float:
        began = time.perf_counter()
        if not simulator.run(circuit, shots=shots).result().success:
            return math.inf
        return time.perf_counter() - began

    return run


def compare(arguments: argparse.Namespace, damping: float) -> None:
    """Print our time, each method's and their ratios."""
    circuit = own_circuit(arguments.qubits, arguments.depth, damping)
    print(f"\n{arguments.qubits} qubits, {arguments.depth} layers, damping {damping:g}")
    print(f"estimate {cost(circuit, arguments.shots):.3g} s on one thread")

    def own() -> float:
        began = time.perf_counter()
        simulate(circuit, shots=arguments.shots, thread_count=arguments.threads, seed=1)
        return time.perf_counter() - began

    best = math.inf
    for name in arguments.methods:
        run = aer_run(arguments.qubits, arguments.depth, damping, METHODS[name], arguments.threads)
        ours, theirs = [], []
        for _ in range(arguments.pairs):
            ours.append(own())
            theirs.append(run(arguments.peer_shots) * arguments.shots / arguments.peer_shots)
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        best = max(ratio, best) if math.isfinite(best) else ratio
        print(f"{name:30} ours {spread(ours)} s, Aer {spread(theirs)} s, ratio {ratio:.4f}")
    verdict = "met" if best <= RATIO_GOAL else "missed"
    print(f"goal {RATIO_GOAL} of the best method: {best:.4f}, {verdict}")


def clifford(pairs: int) -> None:
    """Print the time of 50 qubits, 50 layers and 100,000 shots."""
    generator, operations = np.random.default_rng(1), Operations()
    for layer in range(50):
        for qubit in range(50):
            operations.append(GATES[generator.choice(["h", "s", "v", "x"])].code, (qubit,))
        for qubit in range(layer % 2, 49, 2):
            operations.append(GATES["cnot"].code, (qubit, qubit + 1))
        for qubit in range(50):
            noise = Noise("depolarizing", (qubit,), (ERROR,), (), len(operations))
            operations.noise.append(noise)
    circuit = Circuit(tuple(range(50)), operations)
    times = []
    for seed in range(pairs):
        began = time.perf_counter()
        simulate(circuit, shots=100_000, seed=seed)
        times.append(time.perf_counter() - began)
    print(f"\nnoisy Clifford 50 x 50 x 100,000: {spread(times)} s, goal {CLIFFORD_GOAL_S} s")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--qubits", type=int, default=20)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--shots", type=int, default=1000)
    parser.add_argument("--peer-shots", type=int, default=10, help="shots that Aer is timed with")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS)[:3])
    arguments = parser.parse_args()
    print_machine(["openbraket", "qiskit-aer", "stim", "numpy"])
    clifford(5)
    for damping in (0.0, ERROR):
        compare(arguments, damping)


if __name__ == "__main__":
    main()
