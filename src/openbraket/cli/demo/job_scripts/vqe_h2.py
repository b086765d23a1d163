"""The ground state of H2 by a variational eigensolver: the script of a hybrid job.

It runs inside a job and knows the Braket SDK alone; on AWS it would run as it is. Each iteration is
one quantum task, which gives the energy and its derivative (adjoint gradient). After each one the
state of the search is a checkpoint, so that another job can go on from there.
"""

import json
import os
import time
from pathlib import Path

from braket.aws import AwsDevice
from braket.circuits import Circuit, FreeParameter, Observable
from braket.jobs import load_job_checkpoint, save_job_checkpoint, save_job_result
from braket.jobs.metrics import log_metric

# H2 at 0.70 Å in the STO-3G basis, Jordan-Wigner; lowest eigenvalue -1.136189 hartree.
HAMILTONIAN = {
    "": -0.04207897647782276,
    "Z0": 0.17771287465139946,
    "Z1": 0.17771287465139946,
    "Z2": -0.24274280513140462,
    "Z3": -0.24274280513140462,
    "Z0 Z1": 0.17059738328801052,
    "Y0 X1 X2 Y3": 0.04475014401535161,
    "Y0 Y1 X2 X3": -0.04475014401535161,
    "X0 X1 Y2 Y3": -0.04475014401535161,
    "X0 Y1 Y2 X3": 0.04475014401535161,
    "Z0 Z2": 0.12293305056183797,
    "Z0 Z3": 0.1676831945771896,
    "Z1 Z2": 0.1676831945771896,
    "Z1 Z3": 0.12293305056183797,
    "Z2 Z3": 0.17627640804319586,
}
# Two files in turn, so that one of them is whole whenever the job is ended.
SUFFIXES = ("even", "odd")
# Longer than any client takes to see half of the search, and to cancel it.
PAUSE_S = 300.0
PAULIS = {"X": Observable.X, "Y": Observable.Y, "Z": Observable.Z}


def ansatz() -> Circuit:
    """Return the Hartree-Fock state |1100>, turned by exp(-iθ/2 · Y0 X1 X2 X3)."""
    circuit = Circuit().x(0).x(1)
    circuit.rx(0, 1.5707963267948966).h(1).h(2).h(3)
    circuit.cnot(0, 1).cnot(1, 2).cnot(2, 3)
    circuit.rz(3, FreeParameter("theta"))
    circuit.cnot(2, 3).cnot(1, 2).cnot(0, 1)
    return circuit.h(3).h(2).h(1).rx(0, -1.5707963267948966)


def energy() -> Observable:
    """Return the Hamiltonian without its constant, as a sum of tensor products."""
    terms = []
    for word, coefficient in HAMILTONIAN.items():
        factors = [PAULIS[letter[0]](int(letter[1])) for letter in word.split()]
        if factors:
            product = factors[0]
            for factor in factors[1:]:
                product @= factor
            terms.append(coefficient * product)
    total = terms[0]
    for term in terms[1:]:
        total += term
    return total


def newest_checkpoint(job_name: str) -> dict[str, float]:
    """Return the newest checkpoint of a job that is whole: a cancel may cut one off."""
    found = [{"theta": 0.0, "iteration": 0}]
    for suffix in SUFFIXES:
        try:
            found.append(load_job_checkpoint(job_name, suffix))
        except (OSError, ValueError):
            print(f"there is no whole checkpoint '{suffix}'", flush=True)
    return max(found, key=lambda state: state["iteration"])


def main() -> None:
    """Search from the start, or from another job's checkpoint."""
    hyperparameters = json.loads(Path(os.environ["AMZN_BRAKET_HP_FILE"]).read_text())
    iterations = int(hyperparameters["iterations"])
    step = float(hyperparameters["step"])
    pause_after = int(hyperparameters.get("pause_after", 0))
    state = {"theta": 0.0, "iteration": 0}
    if earlier_job := hyperparameters.get("resume_from"):
        state = newest_checkpoint(earlier_job)
        print(f"resumed from {earlier_job} at iteration {state['iteration']}", flush=True)
    device = AwsDevice(os.environ["AMZN_BRAKET_DEVICE_ARN"])
    program = ansatz().adjoint_gradient(observable=energy(), parameters=["theta"])
    theta, value = float(state["theta"]), 0.0
    for iteration in range(int(state["iteration"]), iterations):
        task = device.run(program, shots=0, inputs={"theta": theta})
        found = task.result().values[0]
        value = found["expectation"] + HAMILTONIAN[""]
        log_metric(metric_name="energy", value=value, iteration_number=iteration)
        theta -= step * found["gradient"]["theta"]
        save_job_checkpoint({"theta": theta, "iteration": iteration + 1}, SUFFIXES[iteration % 2])
        if iteration + 1 == pause_after:
            print("paused, to be cancelled", flush=True)
            time.sleep(PAUSE_S)
    save_job_result({"energy": value, "theta": theta})


if __name__ == "__main__":
    main()
