"""How the circuits of a program set run: on the simulator, a twin or a device of others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from openbraket.devices.backends import PLUGIN, QPU_TWIN
from openbraket.runners.devices import device_of
from openbraket.simulators.noisy import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from openbraket.base.work import Work
    from openbraket.circuits.circuit import Circuit
    from openbraket.programs.settings import TaskSettings


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a circuit is to be sampled.

    Attributes:
        shots: How often, at least 1.
        thread_count: Threads to use.
        seed: Makes the samples reproducible; None draws fresh ones.
        report: Called now and then with the share that is done.
    """

    shots: int
    thread_count: int
    seed: Sequence[int] | None
    report: Callable[[float], None] | None


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a circuit gave.

    Attributes:
        bits: Measured bits, shape (shots, measured qubits).
        metadata: What the provider adds; None where it adds nothing.
    """

    bits: NDArray[np.uint8]
    metadata: Mapping[str, Any] | None = None


def executor_of(work: Work, settings: TaskSettings) -> Callable[[Circuit, Sampling], Sampled]:
    """Return what runs the circuits of an attempt.

    Args:
        work: The attempt.
        settings: Its settings.
    """
    device = device_of(work)
    if device is not None and device.backend == QPU_TWIN:
        from openbraket.runners.twins import machine_of, provider_metadata, run_of

        machine, run = machine_of(device), run_of(work, settings)

        def run_on_twin(circuit: Circuit, how: Sampling) -> Sampled:
            own = replace(
                run,
                shots=how.shots,
                thread_count=how.thread_count,
                seed=how.seed,
                report=how.report,
            )
            readings = machine.run(circuit, own)
            return Sampled(readings.bits, provider_metadata(device.provider_name, readings))

        return run_on_twin
    if device is not None and device.backend == PLUGIN:
        from openbraket.runners.plugins import run_circuit

        return lambda circuit, how: Sampled(run_circuit(device, circuit, how.shots))

    def run_ideally(circuit: Circuit, how: Sampling) -> Sampled:
        found = simulate(
            circuit,
            shots=how.shots,
            thread_count=how.thread_count,
            seed=how.seed,
            report=how.report,
            precision=settings.precision,
        )
        if found.measurements is None:
            raise AssertionError("a simulation with shots has measurements")
        return Sampled(found.measurements)

    return run_ideally
