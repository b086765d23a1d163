"""Runs programs on the devices that other packages bring; docs/own_device.md is their side."""

from __future__ import annotations

import fcntl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openbraket.base.clock import elapsed_ms
from openbraket.base.errors import OpenBraketError, ProgramError
from openbraket.base.work import ResultObject, RunnerOutput, Work
from openbraket.devices.plugins import DeviceProgram, load_plugin
from openbraket.programs.actions import read_action
from openbraket.programs.openqasm import DynamicProgram, parse_program
from openbraket.programs.openqasm.writer import write_circuit
from openbraket.results.gate_model import TaskFacts, gate_model_document
from openbraket.simulators.observables import joint_basis, named_rotations
from openbraket.simulators.sampling import sampled_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbraket.circuits.circuit import Circuit
    from openbraket.devices import Device


class DeviceError(OpenBraketError):
    """A device of another package failed, or did not answer as agreed."""


def run_plugin(work: Work, device: Device, report: Callable[[float], None]) -> RunnerOutput:
    """Hand an OpenQASM program to its device and write the result document.

    Args:
        work: An action `braket.ir.openqasm.program`.
        device: The device.
        report: Called when the device has answered.

    Returns:
        The object `results.json`.

    Raises:
        ProgramError: If the program is wrong or uses outcomes before its end.
        DeviceError: If the device fails.
    """
    started_ns = time.perf_counter_ns()
    action = read_action(work.action)
    program = parse_program(action.source, action.inputs)
    if isinstance(program, DynamicProgram):
        raise ProgramError("The device takes no programs that use outcomes before their end.")
    bits = run_circuit(device, program, work.shots)
    report(1.0)
    facts = TaskFacts.of(work, execution_ms=elapsed_ms(started_ns))
    document = gate_model_document(
        facts,
        qubits=program.qubits,
        result_types=program.result_types,
        values=[sampled_value(bits, result) for result in program.result_types],
        measurements=bits,
        measured=program.measured or range(program.qubit_count),
        metadata={},
    )
    return RunnerOutput((ResultObject("results.json", document),), work.shots)


def run_circuit(device: Device, circuit: Circuit, shots: int) -> NDArray[np.uint8]:
    """Run a circuit on a device of another package.

    Args:
        device: The device.
        circuit: The circuit.
        shots: How often, at least 1.

    Returns:
        Measured bits, shape (shots, measured qubits), in the joint basis of the circuit's results.

    Raises:
        DeviceError: If the device fails, or does not give bits of every shot and qubit.
        ProgramError: If the results cannot be measured together.
    """
    extra = named_rotations(joint_basis(circuit.result_types, circuit.qubit_count))
    measured = circuit.measured or tuple(range(circuit.qubit_count))
    program = DeviceProgram(
        source=write_circuit(circuit, extra),
        qubits=tuple(circuit.qubits),
        measured_qubits=tuple(circuit.qubits[position] for position in measured),
    )
    own = _instance(device.plugin)
    with _alone(device.plugin, is_concurrent=bool(getattr(own, "is_concurrent", False))):
        try:
            answer = own.run(program, shots)
        except Exception as error:
            raise DeviceError(
                f"Device {device.name} failed: {type(error).__name__}: {error}"
            ) from error
    return _bits(answer, shots, len(measured), device.name)


@lru_cache(maxsize=16)
def _instance(name: str) -> Any:  # noqa: ANN401  (an object of a foreign class)
    try:
        return load_plugin(name)()
    except Exception as error:
        raise DeviceError(
            f"The device of entry point '{name}' cannot be started: {type(error).__name__}: {error}"
        ) from error


@contextmanager
def _alone(name: str, *, is_concurrent: bool) -> Iterator[None]:
    """Keep other workers of this machine from the device meanwhile, unless it takes them."""
    if is_concurrent:
        yield
        return
    safe = "".join(c if c.isalnum() else "-" for c in name)
    with (Path(tempfile.gettempdir()) / f"openbraket-device-{safe}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the worker, also with a killed one
        yield


def _bits(answer: object, shots: int, width: int, name: str) -> NDArray[np.uint8]:
    """Return a device's answer as bits.

    Raises:
        DeviceError: If it is none.
    """
    if isinstance(answer, Mapping):
        answer = _spread(answer, shots, width, name)
    try:
        bits = np.asarray(answer)
        is_right = bits.shape == (shots, width) and bool(np.isin(bits, (0, 1)).all())
    except (TypeError, ValueError):
        is_right = False
    if not is_right:
        shape = getattr(answer, "shape", None) or type(answer).__name__
        raise DeviceError(
            f"Device {name} gave {shape}; run must return {shots} rows of {width} bits, or how "
            f"often each string of {width} bits was seen, {shots} in all."
        )
    return np.ascontiguousarray(bits, dtype=np.uint8)


def _spread(counts: Mapping[Any, Any], shots: int, width: int, name: str) -> NDArray[np.uint8]:
    """Return one row for each time that a bit string was seen, in a random order.

    Raises:
        DeviceError: If these are no counts of bit strings, or not of all shots.
    """
    for text, count in counts.items():
        is_right = isinstance(text, str) and len(text) == width and set(text) <= {"0", "1"}
        if not is_right or not isinstance(count, int) or count < 0:
            raise DeviceError(
                f"Device {name} gave {text!r:.80}: {count!r:.80}; run must return strings of "
                f"{width} bits and how often each was seen."
            )
    if sum(counts.values()) != shots:
        raise DeviceError(f"Device {name} gave {sum(counts.values())} shots instead of {shots}.")
    rows = [[int(bit) for bit in text] for text in counts]
    bits = np.repeat(np.array(rows, dtype=np.uint8), list(counts.values()), axis=0)
    return np.random.default_rng().permutation(bits)
