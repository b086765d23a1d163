"""The check of an analog program at CreateQuantumTask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from openbraket.base.errors import ProgramError
from openbraket.programs.ahs.document import read_ahs
from openbraket.programs.ahs.limits import AhsLimits
from openbraket.programs.ahs.parameters import AhsParameters
from openbraket.programs.ahs.rules import violations
from openbraket.programs.ahs.size import memory_bytes, step_count, vacancies_filled

# Broken rules that one refusal names.
VIOLATIONS_SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class AhsSize:
    """What an acceptable analog program needs.

    Attributes:
        atom_count: Atoms of the program.
        memory_bytes: Estimated memory.
        operation_count: Time steps times atoms, over all evolutions.
    """

    atom_count: int
    memory_bytes: int
    operation_count: int


def check_ahs(
    document: Mapping[str, Any],
    capabilities: Mapping[str, Any],
    *,
    shots: int,
    memory_bytes_max: int,
    parameters: AhsParameters,
    is_experimental: bool = False,
) -> AhsSize:
    """Check whether a device can run an analog program.

    Args:
        document: The decoded action document.
        capabilities: The device's capabilities document, decoded.
        shots: Shots of the task; with noise each is an evolution of its own.
        memory_bytes_max: Memory that one worker may use, in bytes.
        parameters: What the task has asked for, with the service's own choices filled in.
        is_experimental: Whether the task has asked for experimental capabilities.

    Returns:
        The program's size.

    Raises:
        ProgramError: If it is not well formed, or beyond the device and `parameters` not lenient.
        LimitError: If it is larger than a named limit.
    """
    exact_program = read_ahs(document)
    if not parameters.is_lenient:
        found = violations(
            exact_program,
            AhsLimits.from_capabilities(capabilities),
            is_experimental=is_experimental,
        )
        if found:
            raise ProgramError(refusal(found))
    program = exact_program.to_program()
    noise = parameters.noise_on(capabilities["paradigm"])
    has_noise = noise is not None
    steps = step_count(program)
    vacancies = len(exact_program.filling) - exact_program.atom_count
    filled = vacancies_filled(vacancies, noise.vacancy_error if noise else 0.0, shots)
    return AhsSize(
        exact_program.atom_count,
        memory_bytes(
            program,
            parameters,
            has_noise=has_noise,
            vacancies_filled=filled,
            memory_bytes_max=memory_bytes_max,
        ),
        min(steps * exact_program.atom_count * (shots if has_noise else 1), 1 << 40),
    )


def refusal(found: list[str]) -> str:
    """Return one message for all rules that a program breaks."""
    shown = " ".join(found[:VIOLATIONS_SHOWN_MAX])
    others = len(found) - VIOLATIONS_SHOWN_MAX
    return f"{shown} And {others} more." if others > 0 else shown
