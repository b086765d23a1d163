"""Run one sweep of `bench_ahs` with a peer, in whatever interpreter has the peer installed.

Usage: python ahs_peers.py PEER SITES_JSON RADIUS_UM; prints one line of JSON with the seconds and,
where the peer gives it, the final distribution's file. Compilation is outside the timer. `emu-sv`
may have its step in ns behind it, and `emu-mps` its precision, too: `emu-mps:20:1e-4`.
"""

import json
import sys
import tempfile
import time
import warnings
from typing import Any

import numpy as np

Sites = list[tuple[float, float]]

TIMES_US = (0.0, 0.25, 3.75, 4.0)
RABI, DETUNING = 15.7, 55.0


def run_braket(sites: Sites, radius_um: float) -> tuple[float, Any]:
    from braket.ahs import AnalogHamiltonianSimulation, AtomArrangement, DrivingField
    from braket.devices import LocalSimulator
    from braket.timings import TimeSeries

    register = AtomArrangement()
    for x, y in sites:
        register.add((x * 1e-6, y * 1e-6))
    columns = []
    for values in ((0, RABI, RABI, 0), (0, 0, 0, 0), (-DETUNING, -DETUNING, DETUNING, DETUNING)):
        column = TimeSeries()
        for t, value in zip(TIMES_US, values, strict=True):
            column.put(t * 1e-6, value * 1e6)
        columns.append(column)
    program = AnalogHamiltonianSimulation(register, DrivingField(*columns))
    begun = time.perf_counter()
    LocalSimulator("braket_ahs").run(
        program, shots=1000, steps=1000, blockade_radius=radius_um * 1e-6
    ).result()
    return time.perf_counter() - begun, None


def run_bloqade(sites: Sites, radius_um: float) -> tuple[float, Any]:
    from bloqade.analog import start

    def once(positions: Sites) -> float:
        program = start.add_position(positions)
        program = program.rydberg.detuning.uniform.piecewise_linear(
            [0.25, 3.5, 0.25], [-DETUNING, -DETUNING, DETUNING, DETUNING]
        ).amplitude.uniform.piecewise_linear([0.25, 3.5, 0.25], [0.0, RABI, RABI, 0.0])
        begun = time.perf_counter()
        program.bloqade.python().run(1000, blockade_radius=radius_um)
        return time.perf_counter() - begun

    once(sites[:2])
    return once(sites), None


def pulser_sequence(sites: Sites) -> Any:
    import dataclasses

    from pulser import Pulse, Register, Sequence
    from pulser.devices import MockDevice
    from pulser.waveforms import CompositeWaveform, ConstantWaveform, RampWaveform

    register = Register.from_coordinates(sites, center=False, prefix="q")
    sequence = Sequence(register, dataclasses.replace(MockDevice, rydberg_level=70))
    sequence.declare_channel("c", "rydberg_global")
    rabi = CompositeWaveform(
        RampWaveform(250, 0, RABI), ConstantWaveform(3500, RABI), RampWaveform(250, RABI, 0)
    )
    detuning = CompositeWaveform(
        ConstantWaveform(250, -DETUNING),
        RampWaveform(3500, -DETUNING, DETUNING),
        ConstantWaveform(250, DETUNING),
    )
    sequence.add(Pulse(rabi, detuning, 0), "c")
    return sequence


def run_emu_sv(sites: Sites, _: float, step_ns: str = "10") -> tuple[float, Any]:
    from emu_sv import BitStrings, StateResult, SVBackend, SVConfig

    config = SVConfig(
        dt=float(step_ns),
        gpu=False,
        log_level=50,
        observables=[
            BitStrings(evaluation_times=[1.0], num_shots=1000),
            StateResult(evaluation_times=[1.0]),
        ],
    )
    sequence = pulser_sequence(sites)
    begun = time.perf_counter()
    results = SVBackend(sequence, config=config).run()
    seconds = time.perf_counter() - begun
    amplitudes = np.asarray(results.state[-1].data).reshape((2,) * len(sites))
    # Its first qubit is the most significant bit.
    return seconds, np.abs(amplitudes.transpose().ravel()) ** 2


def run_emu_mps(
    sites: Sites, _: float, step_ns: str = "10", precision: str = "1e-5"
) -> tuple[float, Any]:
    from emu_mps import BitStrings, MPSBackend, MPSConfig, Occupation

    config = MPSConfig(
        dt=float(step_ns),
        precision=float(precision),
        num_gpus_to_use=0,
        log_level=50,
        observables=[
            BitStrings(evaluation_times=[1.0], num_shots=1000),
            Occupation(evaluation_times=[1.0]),
        ],
    )
    sequence = pulser_sequence(sites)
    begun = time.perf_counter()
    results = MPSBackend(sequence, config=config).run()
    return time.perf_counter() - begun, np.asarray(results.occupation[-1]).real


PEERS = {
    "braket": run_braket,
    "bloqade": run_bloqade,
    "emu-sv": run_emu_sv,
    "emu-mps": run_emu_mps,
}


def main() -> None:
    warnings.simplefilter("ignore")
    (peer, *settings), sites = sys.argv[1].split(":"), json.loads(sys.argv[2])
    seconds, found = PEERS[peer]([tuple(s) for s in sites], float(sys.argv[3]), *settings)
    path = None
    if found is not None:
        with tempfile.NamedTemporaryFile(suffix=".npy", delete=False) as out:
            np.save(out, found)
            path = out.name
    print(json.dumps({"seconds": seconds, "path": path}))


if __name__ == "__main__":
    main()
