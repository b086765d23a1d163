"""Runs an analog program on the neutral-atom simulator."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from openbraket.base.clock import elapsed_ms
from openbraket.base.errors import ProgramError
from openbraket.base.work import ResultObject, RunnerOutput, Work
from openbraket.circuits.memory import FIXED_BYTES
from openbraket.devices import Device
from openbraket.programs.actions import read_action
from openbraket.programs.ahs import (
    DEVICE_AS_IT_IS,
    AhsLimits,
    AhsParameters,
    Noise,
    read_ahs,
    read_ahs_parameters,
    violations,
)
from openbraket.programs.parameters import read_document
from openbraket.results.ahs import ahs_document
from openbraket.results.gate_model import TaskFacts
from openbraket.runners.devices import device_of
from openbraket.simulators.rydberg import RydbergSettings, simulate


def run(work: Work, report: Callable[[float], None]) -> RunnerOutput:
    """Read, evolve, measure and write the result document.

    Args:
        work: An action `braket.ir.ahs.program`.
        report: Called now and then, possibly from another thread, with the share that is done.

    Returns:
        The object `results.json`.

    Raises:
        ProgramError: If the program is wrong, or the device is not one for analog programs.
        LimitError: If the program does not fit.
        NumericsError: If the evolution does not converge.
    """
    started_ns = time.perf_counter_ns()
    paradigm, limits = _device(device_of(work), work.device_arn)
    action = read_action(work.action).document
    exact = read_ahs(action)
    parameters = read_ahs_parameters(read_document(work.device_parameters)).over(
        _chosen(work.settings)
    )
    noise = parameters.noise_on(paradigm)
    found = simulate(
        exact.to_program(),
        shots=work.shots,
        seed=work.seed if parameters.seed is None else parameters.seed,
        thread_count=work.thread_count,
        settings=_settings(parameters, paradigm, work.memory_bytes),
        noise=noise,
        report=report,
    )
    facts = TaskFacts.of(work, execution_ms=elapsed_ms(started_ns))
    content = ahs_document(
        facts,
        action=action,
        pre_sequences=found.pre_sequences,
        post_sequences=found.post_sequences,
        log=[
            f"noise: {_said(parameters.noise)}, sign of the phase: {parameters.phase_sign}",
            *found.log.lines(),
        ],
        # Only a lenient check lets a program with any of these come here.
        warnings=violations(exact, limits, is_experimental=True),
    )
    return RunnerOutput((ResultObject("results.json", content),), work.shots)


def _chosen(settings: Mapping[str, str]) -> AhsParameters:
    """Return the operator's choices, as the server hands them over."""
    is_ideal = settings.get("analog_noise") == "none"
    is_local = settings.get("phase_sign") == "local_simulator"
    return AhsParameters(
        noise="none" if is_ideal else None, phase_sign="local_simulator" if is_local else None
    ).over(DEVICE_AS_IT_IS)


def _said(noise: Noise | None) -> str:
    return " + ".join(noise) if isinstance(noise, tuple) else str(noise)


def _settings(
    parameters: AhsParameters, paradigm: Mapping[str, Any], memory_bytes: int
) -> RydbergSettings:
    defaults = RydbergSettings()
    return RydbergSettings(
        method=parameters.method,
        blockade_radius_m=parameters.blockade_radius_m,
        precision=parameters.ideal_precision,
        shot_precision=parameters.shot_precision,
        tolerance=parameters.tolerance or defaults.tolerance,
        phase_sign=parameters.phase_sign or defaults.phase_sign,
        c6_rad_m6_per_s=float(paradigm["rydberg"]["c6Coefficient"]),
        memory_bytes_max=memory_bytes - FIXED_BYTES,
        max_bond=parameters.max_bond,
    )


def _device(device: Device | None, arn: str) -> tuple[Mapping[str, Any], AhsLimits]:
    paradigm = device.capabilities.get("paradigm", {}) if device is not None else {}
    if device is None or "rydberg" not in paradigm:
        raise ProgramError(f"{arn} is not a device for analog programs.")
    return paradigm, AhsLimits.from_capabilities(device.capabilities)
