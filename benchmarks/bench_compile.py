"""Measures compilation against Qiskit's highest optimization level.

Circuits: layers of cnot on random pairs between random rotations; the same with random two-qubit
unitaries; QAOA on random 3-regular graphs. Targets: Garnet (20 qubits), Emerald (54) and
Cepheus-1-108Q (107) with their published fidelities, which both compilers are given. Each circuit
is compiled by one, then by the other, so ratios are of neighbours.

    python benchmarks/bench_compile.py [--threads N] [--seeds S]
"""

import argparse
import math
import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from common import print_machine, spread

GOAL = 1.0  # of Qiskit's number of two-qubit gates, and of its time
# Device, qubits of the circuits; kind, layers.
SIZES = (("Garnet", 20), ("Emerald", 20), ("Emerald", 54), ("Cepheus-1-108Q", 107))
KINDS = (("cnot", 10), ("unitary", 8), ("qaoa", 1), ("qaoa", 3))


@dataclass
class Outcome:
    """One compilation: two-qubit gates, seconds, and the logarithm of the gates' fidelities."""

    two_qubit_count: int
    time_s: float
    log_fidelity: float


def circuit_of(kind: str, qubit_count: int, layer_count: int, seed: int) -> Any:
    import networkx as nx

    from openbraket.circuits.circuit import Circuit, Operations
    from openbraket.circuits.gates import GATES

    generator, operations = np.random.default_rng(seed), Operations()
    if kind == "qaoa":
        graph = nx.random_regular_graph(3, qubit_count - qubit_count % 2, seed=seed)
        for qubit in range(qubit_count):
            operations.append(GATES["h"].code, [qubit])
    for _ in range(layer_count):
        order = generator.permutation(qubit_count).tolist()
        if kind == "qaoa":
            gamma, beta = generator.uniform(0.1, 3, 2).tolist()
            for edge in graph.edges:
                operations.append(GATES["zz"].code, edge, [gamma])
            for qubit in range(qubit_count):
                operations.append(GATES["rx"].code, [qubit], [beta])
            continue
        if kind == "cnot":
            for qubit in range(qubit_count):
                angles = generator.uniform(-np.pi, np.pi, 3).tolist()
                operations.append(GATES["U"].code, [qubit], angles)
        for k in range(0, qubit_count - 1, 2):
            if kind == "cnot":
                operations.append(GATES["cnot"].code, order[k : k + 2])
            else:
                matrix = generator.normal(size=(4, 4)) + 1j * generator.normal(size=(4, 4))
                operations.append_unitary(np.linalg.qr(matrix)[0].tolist(), order[k : k + 2])
    return Circuit(tuple(range(qubit_count)), operations)


def openbraket_run(circuit: Any, target: Any, seed: int, thread_count: int) -> Outcome:
    from openbraket.compilation import compile_circuit

    start = time.perf_counter()
    compiled = compile_circuit(circuit, target, seed=seed, thread_count=thread_count)
    time_s = time.perf_counter() - start
    log_fidelity = sum(
        math.log(target.fidelity_of(gate.qubits)) for gate in compiled.natives if gate.name != "rz"
    )
    return Outcome(compiled.two_qubit_count, time_s, log_fidelity)


def qiskit_circuit(circuit: Any) -> Any:
    from qiskit import QuantumCircuit
    from qiskit.circuit.library import UnitaryGate

    from openbraket.circuits.gates import GATES_BY_CODE, UNITARY_CODE
    from openbraket.circuits.steps import steps_of

    out = QuantumCircuit(circuit.qubit_count)
    names = {"U": "u", "cnot": "cx", "zz": "rzz"}
    for step in steps_of(circuit.operations):
        if step.code == UNITARY_CODE:
            matrix = np.array(step.parameters).view(complex).reshape(4, 4)
            out.append(UnitaryGate(matrix), list(step.targets)[::-1])  # its qubit 0 is the least
        else:
            name = GATES_BY_CODE[step.code].name
            getattr(out, names.get(name, name))(*step.parameters, *step.targets)
    return out


def qiskit_target(target: Any) -> Any:
    from qiskit.circuit import Parameter
    from qiskit.circuit.library import CZGate, Measure, RGate, RZGate
    from qiskit.transpiler import InstructionProperties, Target

    numbers = {qubit: number for number, qubit in enumerate(target.qubits)}
    out = Target(num_qubits=len(numbers))

    def figures(fidelity: float) -> Any:
        return InstructionProperties(error=1 - fidelity)

    out.add_instruction(
        RGate(Parameter("theta"), Parameter("phi")),
        {(n,): figures(target.fidelity_of((q,))) for q, n in numbers.items()},
    )
    out.add_instruction(RZGate(Parameter("theta")), {(n,): figures(1.0) for n in numbers.values()})
    pairs = [(numbers[a], numbers[b], target.fidelity_of((a, b))) for a, b in target.couplings]
    out.add_instruction(
        CZGate(), {key: figures(f) for a, b, f in pairs for key in ((a, b), (b, a))}
    )
    out.add_instruction(
        Measure(), {(n,): figures(target.readout_fidelity_of(q)) for q, n in numbers.items()}
    )
    return out


def qiskit_run(circuit: Any, target: Any, figures: Any, seed: int) -> Outcome:
    from qiskit import transpile

    start = time.perf_counter()
    compiled = transpile(circuit, target=figures, optimization_level=3, seed_transpiler=seed)
    time_s = time.perf_counter() - start
    log_fidelity, count = 0.0, 0
    for instruction in compiled.data:
        qubits = [target.qubits[compiled.find_bit(bit).index] for bit in instruction.qubits]
        if instruction.operation.name in {"r", "cz"}:
            log_fidelity += math.log(target.fidelity_of(qubits))
        count += instruction.operation.name == "cz"
    return Outcome(count, time_s, log_fidelity)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)  # Qiskit's threads
    from openbraket.compilation import Target
    from openbraket.devices import Catalogue

    print_machine(["openbraket", "qiskit", "numpy"])
    print(f"{options.threads} threads; minimum / median / maximum of {options.seeds} circuits")
    shares: dict[str, list[float]] = {"two-qubit gates": [], "time": []}
    for name, qubit_count in SIZES:
        (device,) = Catalogue().find(name)
        target = Target.from_capabilities(device.capabilities, provider_name=device.provider_name)
        figures = qiskit_target(target)
        for kind, layer_count in KINDS:
            pairs = []
            for seed in range(options.seeds + 1):
                circuit = circuit_of(kind, qubit_count, layer_count, seed)
                theirs = qiskit_circuit(circuit)
                own = openbraket_run(circuit, target, seed, options.threads)
                pairs.append((own, qiskit_run(theirs, target, figures, seed)))
            del pairs[0]  # warms both up
            counts = [a.two_qubit_count / b.two_qubit_count for a, b in pairs]
            times = [a.time_s / b.time_s for a, b in pairs]
            shares["two-qubit gates"] += counts
            shares["time"] += times
            own, peer = ([pair[side] for pair in pairs] for side in (0, 1))
            print(f"\n{name}, {qubit_count} qubits, {kind} x {layer_count}")
            for label, outcomes in (("openbraket", own), ("qiskit", peer)):
                print(
                    f"  {label:10s} two-qubit gates "
                    f"{spread(o.two_qubit_count for o in outcomes)}, "
                    f"{spread(o.time_s for o in outcomes)} s, log fidelity "
                    f"{statistics.median(o.log_fidelity for o in outcomes):.3g}"
                )
            print(f"  share of qiskit: two-qubit gates {spread(counts)}, time {spread(times)}")
    for label, values in shares.items():
        mean = statistics.geometric_mean(values)
        verdict = "met" if mean <= GOAL else "missed"
        print(f"\nAll: share of {label}, geometric mean {mean:.3f} (goal {GOAL}: {verdict})")


if __name__ == "__main__":
    main()
