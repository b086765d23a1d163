"""The tensor-network simulator against quimb, Aer's matrix product states and mqt.ddsim.

Run: `python benchmarks/bench_tensornetwork.py --help`; `pip install openbraket[bench,tn]` has the
peers. Every peer's run is preceded by one of ours, planning and search for an order included;
ratios are medians over the pairs. All work: apply the circuit, then draw the samples or compute the
values. A run beyond the limit is stopped and counts as the limit. Goals are printed beside. Set
OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1 for one thread each.
"""

import argparse
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np

from common import print_machine
from openbraket.circuits.circuit import Circuit, Factor, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.simulators.tensornetwork import Limits, simulate

Gates = list[tuple[str, tuple[int, ...], tuple[float, ...]]]
LIMITS = Limits(memory_bytes=8 << 30)


def ghz(n: int, _seed: int) -> Gates:
    chain: Gates = [("cnot", (k, k + 1), ()) for k in range(n - 1)]
    return [("h", (0,), ()), *chain]


def fourier(n: int, seed: int) -> Gates:
    chance = np.random.default_rng(seed)
    gates: Gates = [("U", (k,), tuple(chance.uniform(0, 6, 3))) for k in range(n)]
    for k in range(n):
        gates.append(("h", (k,), ()))
        gates += [("cphaseshift", (j, k), (math.pi / 2 ** (j - k),)) for j in range(k + 1, n)]
    return gates


def brickwork(depth: int) -> Callable[[int, int], Gates]:
    def build(n: int, seed: int) -> Gates:
        chance, gates = np.random.default_rng(seed), Gates()
        for layer in range(depth):
            gates += [("U", (k,), tuple(chance.uniform(0, 6, 3))) for k in range(n)]
            gates += [("cz", (k, k + 1), ()) for k in range(layer % 2, n - 1, 2)]
        return gates

    return build


def qaoa(rounds: int) -> Callable[[int, int], Gates]:
    def build(n: int, seed: int) -> Gates:
        chance = np.random.default_rng(seed)
        gates: Gates = [("h", (k,), ()) for k in range(n)]
        for _ in range(rounds):
            gamma, beta = chance.uniform(0.2, 1, 2)
            gates += [("zz", (a, b), (gamma,)) for a, b in graph(n, seed).edges]
            gates += [("rx", (k,), (2 * beta,)) for k in range(n)]
        return gates

    return build


def graph(n: int, seed: int) -> Any:
    return nx.random_regular_graph(3, n, seed=seed)


def hayden_preskill(count: int, *, is_local: bool) -> Callable[[int, int], Gates]:
    """TN1's published example: one random gate after the other, of rotations, h and cz."""

    def build(n: int, seed: int) -> Gates:
        chance, gates = np.random.default_rng(seed), Gates()
        for _ in range(count):
            kind, qubit = chance.integers(3), int(chance.integers(n))
            if kind == 0:
                name = ("rx", "ry", "rz")[chance.integers(3)]
                gates.append((name, (qubit,), (float(chance.uniform(0, 2 * math.pi)),)))
            elif kind == 1:
                gates.append(("h", (qubit,), ()))
            elif is_local:
                qubit = int(chance.integers(n - 1))
                gates.append(("cz", (qubit, qubit + 1), ()))
            else:
                a, b = chance.choice(n, 2, replace=False)
                gates.append(("cz", (int(a), int(b)), ()))
        return gates

    return build


# name: circuit, shots (0: <z z> over the graph's edges), goal in seconds
WORKS: dict[str, tuple[Callable[[int, int], Gates], int, float]] = {
    "ghz": (ghz, 1000, 0.02),
    "fourier": (fourier, 1000, 0.1),
    "brickwork-8": (brickwork(8), 1000, math.inf),
    "brickwork-12": (brickwork(12), 1000, 0.15),
    "brickwork-16": (brickwork(16), 1000, 1.0),
    "qaoa-1": (qaoa(1), 1000, 6.0),
    "qaoa-2-cost": (qaoa(2), 0, 0.2),
    "scrambling-500": (hayden_preskill(500, is_local=True), 1000, 0.1),
    "scrambling-1000": (hayden_preskill(1000, is_local=True), 1000, 0.1),
    "scrambling-400-nonlocal": (hayden_preskill(400, is_local=False), 1, 3.0),
}


def own(gates: Gates, n: int, shots: int, seed: int) -> Callable[[], float]:
    operations = Operations()
    for name, targets, parameters in gates:
        operations.append(GATES[name].code, targets, parameters)
    asked = ()
    if not shots:
        asked = tuple(
            ResultType("expectation", (Factor("z", (a,)), Factor("z", (b,))))
            for a, b in graph(n, seed).edges
        )
    circuit = Circuit(tuple(range(n)), operations, asked)

    def run() -> float:
        found = simulate(circuit, shots=shots, limits=LIMITS, seed=1).simulation
        if found.measurements is not None:
            return float(found.measurements.mean())
        return float(sum(value for value in found.values if isinstance(value, float)))

    return run


def qiskit_circuit(gates: Gates, n: int) -> Any:
    from qiskit import QuantumCircuit

    names = {"cnot": "cx", "cphaseshift": "cp", "zz": "rzz"}
    out = QuantumCircuit(n)
    for name, targets, parameters in gates:
        if name == "U":
            out.u(*parameters, *targets)
        else:
            getattr(out, names.get(name, name))(*parameters, *targets)
    return out


def aer(gates: Gates, n: int, shots: int, seed: int) -> Callable[[], float]:
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_aer import AerSimulator

    circuit = qiskit_circuit(gates, n)
    simulator = AerSimulator(
        method="matrix_product_state", max_parallel_threads=1, fusion_enable=False
    )
    if shots:
        circuit.measure_all()
        return lambda: float(len(simulator.run(circuit, shots=shots).result().get_counts()))
    for k, (a, b) in enumerate(graph(n, seed).edges):
        pauli = SparsePauliOp("ZZ")
        circuit.save_expectation_value(pauli, [a, b], label=str(k))
    return lambda: float(sum(simulator.run(circuit, shots=1).result().data(0).values()))


def ddsim(gates: Gates, n: int, shots: int, _seed: int) -> Callable[[], float]:
    from mqt.core import load
    from mqt.ddsim import CircuitSimulator

    circuit = qiskit_circuit(gates, n)
    circuit.measure_all()
    loaded = load(circuit)
    return lambda: float(len(CircuitSimulator(loaded).simulate(shots)))


def quimb_lines(gates: Gates, n: int, shots: int, seed: int) -> Callable[[], float]:
    import quimb.tensor as qtn

    names = {"cnot": "CNOT", "cphaseshift": "CPHASE", "zz": "RZZ", "U": "U3"}

    def run() -> float:
        kind = qtn.CircuitMPS if shots else qtn.Circuit
        circuit = kind(n)
        for name, targets, parameters in gates:
            circuit.apply_gate(names.get(name, name.upper()), *parameters, *targets)
        if shots:
            return float(len(list(circuit.sample(shots, seed=1))))
        import quimb as qu

        pair = qu.pauli("Z") & qu.pauli("Z")
        return sum(
            float(circuit.local_expectation(pair, edge, optimize="greedy").real)
            for edge in graph(n, seed).edges
        )

    return run


def quimb_network(gates: Gates, n: int, shots: int, _seed: int) -> Callable[[], float]:
    import quimb.tensor as qtn

    names = {"cnot": "CNOT", "cphaseshift": "CPHASE", "zz": "RZZ", "U": "U3"}

    def run() -> float:
        circuit = qtn.Circuit(n)
        for name, targets, parameters in gates:
            circuit.apply_gate(names.get(name, name.upper()), *parameters, *targets)
        return float(len(list(circuit.sample(shots, seed=1, optimize="greedy"))))

    return run


PEERS = {
    "aer": aer,
    "ddsim": ddsim,
    "quimb-mps": quimb_lines,
    "quimb-tn": quimb_network,
}


def _timed(make: Any, work: str, n: int, seed: int, queue: Any) -> None:
    build, shots, _ = WORKS[work]
    run = make(build(n, seed), n, shots, seed)
    run()  # warm
    began = time.perf_counter()
    run()
    queue.put(time.perf_counter() - began)


def timed(make: Any, work: str, n: int, seed: int, limit_s: float) -> float:
    """Return the seconds of a warm run in a process of its own; inf beyond the limit."""
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    process = context.Process(target=_timed, args=(make, work, n, seed, queue))
    process.start()
    process.join(2 * limit_s + 20)
    if process.is_alive():
        process.kill()
        process.join()
        return math.inf
    return math.inf if queue.empty() else float(queue.get())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--qubits", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3, help="pairs per peer")
    parser.add_argument("--limit", type=float, default=60, help="seconds for one run of a peer")
    parser.add_argument("--works", nargs="*", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print_machine(["numpy", "quimb", "cotengra", "qiskit-aer", "mqt.ddsim"])
    print(f"{options.qubits} qubits, warm, one thread; seconds, medians of {options.runs} pairs")
    for work in options.works:
        build, shots, goal = WORKS[work]
        run = own(build(options.qubits, options.seed), options.qubits, shots, options.seed)
        run()
        ours: list[float] = []

        def once(run: Callable[[], float] = run, ours: list[float] = ours) -> float:
            began = time.perf_counter()
            run()
            ours.append(time.perf_counter() - began)
            return ours[-1]

        cells = []
        for peer in options.peers:
            if (peer == "ddsim" and not shots) or (peer == "quimb-tn" and shots != 1):
                continue
            ratios, times = [], []
            for _ in range(options.runs):
                mine = once()
                theirs = timed(PEERS[peer], work, options.qubits, options.seed, options.limit)
                times.append(theirs)
                ratios.append(min(theirs, options.limit) / mine)
                if theirs == math.inf:
                    break
            shown = statistics.median(times)
            text = f"> {options.limit:g}" if shown == math.inf else f"{shown:.3g}"
            cells.append(f"{peer} {text} ({statistics.median(ratios):.3g}x)")
        if not ours:
            once()
        median = statistics.median(ours)
        verdict = "met" if median <= goal else "MISSED"
        print(f"{work}: {median:.4g} (goal {goal:g}: {verdict}); " + "; ".join(cells), flush=True)


if __name__ == "__main__":
    main()
