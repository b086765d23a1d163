"""Density matrices with noise, against the SDK's braket_dm and Aer's density_matrix.

Run: `python benchmarks/bench_densitymatrix.py [qubits ...]`, by default 8, 10 and 12. Each layer
has rx and rz on all qubits, a brick of CNOTs, and depolarizing(0.01) and amplitude damping(0.02) on
all. All three sides run in turn within one run, each with one thread, and each has run something
small before the clock starts; a measured run goes from the circuit to the distribution of all
outcomes, and these must agree. Peers get their circuits in their own form, built outside the
measured time. `--layers N` runs fewer layers, `--threads N` more threads on every side, `--alone`
leaves the peers out and prints the peak memory.
"""

import argparse
import logging
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from common import print_machine, spread
from openbraket.circuits.circuit import Circuit, Noise, Operations, ResultType
from openbraket.circuits.gates import GATES
from openbraket.simulators.noisy import simulate

DEPOLARIZING, DAMPING = 0.01, 0.02
AGREEMENT_MAX = 1e-10
# Ratios to the faster peer that are wanted, by qubits, and seconds at 12 qubits.
GOALS = {10: 12.0, 12: 20.0}
SECONDS_MAX = 3.0
# Wide peers take minutes.
ROUNDS = {8: 5, 10: 5, 12: 3}
Run = Callable[[], np.ndarray]
# Name, targets and angles.
Line = tuple[str, tuple[int, ...], tuple[float, ...]]


def lines_of(qubit_count: int, layer_count: int) -> list[Line]:
    generator = np.random.default_rng(qubit_count)
    lines: list[Line] = []
    for layer in range(layer_count):
        for qubit in range(qubit_count):
            lines.append(("rx", (qubit,), (float(generator.uniform(0, np.pi)),)))
            lines.append(("rz", (qubit,), (float(generator.uniform(0, np.pi)),)))
        lines += [("cnot", (q, q + 1), ()) for q in range(layer % 2, qubit_count - 1, 2)]
        for qubit in range(qubit_count):
            lines.append(("depolarizing", (qubit,), (DEPOLARIZING,)))
            lines.append(("amplitude_damping", (qubit,), (DAMPING,)))
    return lines


def ours(lines: list[Line], qubit_count: int, threads: int) -> Run:
    operations = Operations()
    for name, targets, parameters in lines:
        if name in GATES:
            operations.append(GATES[name].code, targets, parameters)
        else:
            operations.noise.append(Noise(name, targets, parameters, (), len(operations)))
    circuit = Circuit(tuple(range(qubit_count)), operations, (ResultType("probability"),))
    return lambda: np.asarray(simulate(circuit, shots=0, thread_count=threads).values[0])


def braket_dm(lines: list[Line], qubit_count: int, threads: int) -> Run:
    import numba
    from braket.default_simulator import DensityMatrixSimulator
    from braket.ir.openqasm import Program

    numba.set_num_threads(threads)
    text = ["OPENQASM 3;", f"qubit[{qubit_count}] q;"]
    for name, targets, parameters in lines:
        shown = f"({', '.join(map(repr, parameters))})" if parameters else ""
        qubits = ", ".join(f"q[{t}]" for t in targets)
        text.append(
            f"{name}{shown} {qubits};"
            if name in GATES
            else f"#pragma braket noise {name}{shown} {qubits}"
        )
    text.append("#pragma braket result probability")
    program = Program(source="\n".join(text))
    simulator = DensityMatrixSimulator()
    return lambda: np.asarray(simulator.run(program, shots=0).resultTypes[0].value)


def aer(lines: list[Line], qubit_count: int, threads: int) -> Run:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import amplitude_damping_error, pauli_error

    share = DEPOLARIZING / 3
    errors = {
        "depolarizing": pauli_error([
            ("I", 1 - DEPOLARIZING),
            ("X", share),
            ("Y", share),
            ("Z", share),
        ]).to_instruction(),
        "amplitude_damping": amplitude_damping_error(DAMPING).to_instruction(),
    }
    circuit = QuantumCircuit(qubit_count)
    for name, targets, parameters in lines:
        own = [qubit_count - 1 - t for t in targets]
        if name in errors:
            circuit.append(errors[name], own)
        elif name == "cnot":
            circuit.cx(*own)
        else:
            getattr(circuit, name)(*parameters, *own)
    circuit.save_probabilities()
    simulator = AerSimulator(method="density_matrix", max_parallel_threads=threads)
    return lambda: np.asarray(simulator.run(circuit, shots=1).result().data()["probabilities"])


def timed(run: Run) -> tuple[float, np.ndarray]:
    started = time.perf_counter()
    found = run()
    return time.perf_counter() - started, found


def compare(qubit_count: int, layer_count: int, threads: int, *, is_alone: bool) -> None:
    lines = lines_of(qubit_count, layer_count)
    makers: dict[str, Callable[..., Run]] = {"OpenBraket": ours}
    if not is_alone:
        makers |= {"braket_dm": braket_dm, "aer": aer}
    runs = {name: make(lines, qubit_count, threads) for name, make in makers.items()}
    few = lines_of(2, 2)
    for make in makers.values():
        make(few, 2, threads)()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    found: dict[str, Any] = {}
    for _ in range(ROUNDS.get(qubit_count, 1)):
        for name, run in runs.items():
            taken, found[name] = timed(run)
            seconds[name].append(taken)
    print(f"{qubit_count} qubits, {layer_count} layers, {threads} thread(s)")
    for name, values in seconds.items():
        print(f"  {name:12} {spread(values)} s")
    if is_alone:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  peak memory of the process {peak:.0f} MiB")
        return
    deviation = max(float(np.abs(found["OpenBraket"] - values).max()) for values in found.values())
    if deviation > AGREEMENT_MAX:
        raise SystemExit(f"the distributions differ by {deviation:.3g}")
    pairs = zip(*seconds.values(), strict=True)
    ratio = statistics.median(min(peers) / own for own, *peers in pairs)
    goal = GOALS.get(qubit_count)
    wanted = "" if goal is None else f", goal {goal:g}x: {'met' if ratio >= goal else 'MISSED'}"
    print(f"  {ratio:.1f}x the faster peer{wanted}; distributions agree to {deviation:.1e}")
    if qubit_count == 12:
        own = statistics.median(seconds["OpenBraket"])
        print(f"  goal {SECONDS_MAX:g} s: {'met' if own <= SECONDS_MAX else 'MISSED'}")


def main() -> None:
    """Print seconds, minimum / median / maximum, and ratios for each number of qubits."""
    parser = argparse.ArgumentParser()
    parser.add_argument("qubits", nargs="*", type=int, default=[8, 10, 12])
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print_machine([] if options.alone else ["amazon-braket-default-simulator", "qiskit-aer"])
    for qubit_count in options.qubits:
        compare(qubit_count, options.layers, options.threads, is_alone=options.alone)


if __name__ == "__main__":
    main()
