"""Simulates the circuit of a gate-model task with its device's simulator."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from openbraket.base.work import Work
from openbraket.circuits.circuit import Circuit
from openbraket.circuits.memory import FIXED_BYTES
from openbraket.devices import Catalogue
from openbraket.devices.backends import TENSOR_NETWORK
from openbraket.programs.settings import TaskSettings
from openbraket.simulators import noisy, tensornetwork
from openbraket.simulators.values import Simulation


class Simulated(NamedTuple):
    """What a simulator found.

    Attributes:
        found: Values and measurements.
        log: How the simulation went, in sentences.
    """

    found: Simulation
    log: tuple[str, ...]


def simulate_circuit(
    circuit: Circuit, work: Work, settings: TaskSettings, report: Callable[[float], None]
) -> Simulated:
    """Run a circuit as its device does.

    Args:
        circuit: At least one qubit.
        work: The attempt.
        settings: Of the task.
        report: Called now and then, possibly from another thread, with the share that is done.

    Raises:
        ProgramError: If a result type does not go with the shots or the simulator.
        LimitError: If the program does not fit, or its predicted cost is beyond the limits.
        NumericsError: If a power of a matrix that is not unitary is asked for.
    """
    if _backend(work.device_arn) == TENSOR_NETWORK:
        limits = tensornetwork.Limits(
            memory_bytes=max(FIXED_BYTES, work.memory_bytes - FIXED_BYTES),
            max_bond=settings.max_bond,
            cutoff=settings.cutoff,
        )
        done = tensornetwork.simulate(
            circuit,
            shots=work.shots,
            limits=limits,
            thread_count=work.thread_count,
            seed=settings.seed,
            report=report,
            precision=settings.precision,
        )
        return Simulated(done.simulation, done.log)
    found = noisy.simulate(
        circuit,
        shots=work.shots,
        thread_count=work.thread_count,
        seed=settings.seed,
        report=report,
        precision=settings.precision,
        memory_bytes=work.memory_bytes,
    )
    return Simulated(found, ())


@lru_cache(maxsize=8)
def _backend(arn: str) -> str:
    device = Catalogue().get(arn)
    return "" if device is None else device.backend
