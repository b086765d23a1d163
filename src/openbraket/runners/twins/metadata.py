"""What each provider adds to a result document: the compiled program, in its own language."""

from typing import Any, Final

from openbraket.results.gate_model import header
from openbraket.runners.twins.machine import Readings

_FIDELITY_MIN: Final = 1e-300  # the schema wants more than 0


def provider_metadata(provider_name: str, readings: Readings) -> dict[str, Any] | None:
    """Return the provider's member of `additionalMetadata`.

    Args:
        provider_name: `providerName` of the device.
        readings: What the twin did.

    Returns:
        One member by its name; None for providers that the schemas do not know.

    Source: `braket.task_result.*_metadata_v1` of amazon-braket-schemas 1.32.
    """
    match provider_name:
        case "AQT" | "IQM":
            name = provider_name.lower()
            return {
                f"{name}Metadata": {
                    "braketSchemaHeader": header(f"{name}_metadata"),
                    "compiledProgram": readings.source,
                }
            }
        case "Rigetti":
            return {
                "rigettiMetadata": {
                    "braketSchemaHeader": header("rigetti_metadata"),
                    "compiledProgram": readings.source,
                    "nativeQuilMetadata": _native_quil(readings),
                }
            }
        case "IonQ":
            member: dict[str, Any] = {"braketSchemaHeader": header("ionq_metadata")}
            if readings.sharpened is not None:
                member["sharpenedProbabilities"] = readings.sharpened
            return {"ionqMetadata": member}
        case _:
            return None


def _native_quil(readings: Readings) -> dict[str, Any]:
    compiled = readings.compiled
    shot_s = compiled.duration_s + readings.readout_s
    return {
        "finalRewiring": compiled.final_rewiring(readings.qubit_count),
        "gateDepth": compiled.depth,
        "gateVolume": sum(compiled.gate_counts.values()),
        "multiQubitGateDepth": compiled.two_qubit_depth,
        "programDuration": compiled.duration_s * 1e9,
        "programFidelity": max(compiled.fidelity, _FIDELITY_MIN),
        "qpuRuntimeEstimation": max(shot_s * len(readings.bits) * 1e3, _FIDELITY_MIN),
        "topologicalSwaps": compiled.swap_count,
    }
