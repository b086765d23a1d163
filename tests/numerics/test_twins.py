"""Twins of processors against what their figures predict, and against the SDK's emulator."""

import math
import warnings
from functools import cache

import numpy as np
import pytest

from openbraket.circuits.circuit import Circuit, Operations
from openbraket.circuits.gates import GATES
from openbraket.devices import Catalogue
from openbraket.programs.openqasm import parse_circuit, parse_feedback
from openbraket.runners.twins import machine_of
from openbraket.runners.twins.debias import histogram, sharpened
from openbraket.runners.twins.machine import Run
from openbraket.runners.twins.readout import misread
from support.chi_square import chi_square_p

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from braket.circuits import Circuit as SdkCircuit
    from braket.emulation.local_emulator import LocalEmulator
    from braket.schema_common import BraketSchemaBase

TWINS = [device for device in Catalogue().search() if device.backend == "qpu_twin"]
NAMES = [device.name for device in TWINS]
SEED = 20
MEMORY = 1 << 30
SIX_SIGMAS = 6.5  # of a normal distribution: false with a probability below 1e-10


@cache
def machine(name):
    return machine_of(next(device for device in TWINS if device.name == name))


def ghz(qubit_count):
    gates = "".join(f"cnot q[{k}], q[{k + 1}];" for k in range(qubit_count - 1))
    return parse_circuit(
        f"OPENQASM 3; bit[{qubit_count}] b; qubit[{qubit_count}] q; h q[0]; {gates} b = measure q;"
    )


def error_free_share(readings, calibration):
    """Return the product of the fidelities of gates and readouts, waiting left out: f_g f_r."""
    circuit = readings.compiled.circuit
    operations = circuit.operations
    share = 1.0
    for index in range(len(operations)):
        first, stop = operations.target_starts[index], operations.target_starts[index + 1]
        qubits = [circuit.qubits[t] for t in operations.targets[first:stop]]
        gate = operations.gate(index)
        if gate.name in calibration.virtual_gates:
            continue
        fidelity = calibration.qubits[qubits[0]].fidelity
        if len(qubits) == 2:
            fidelity = calibration.pair_fidelity(*qubits)
        size = 2 ** len(qubits)
        share *= ((size + 1) * fidelity - 1) / size  # entanglement fidelity: nothing happened
    for position in circuit.measured:
        own = calibration.qubits[circuit.qubits[position]]
        share *= 1 - (own.error_0_to_1 + own.error_1_to_0) / 2
    return share


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("qubit_count", [3, 6])
def test_ghz_state_is_as_good_as_the_figures_predict(name, qubit_count):
    shots = 20_000
    readings = machine(name).run(ghz(qubit_count), Run(shots, seed=SEED, memory_bytes=MEMORY))
    good = (readings.bits.all(axis=1) | ~readings.bits.any(axis=1)).mean()
    share = error_free_share(readings, machine(name).calibration)
    deviation = SIX_SIGMAS * 0.5 / math.sqrt(shots)
    # Errors that are not seen (phases) or that meet make it better; waiting makes it worse.
    assert share - 0.08 - deviation < good < min(1.0, share + (1 - share) * 0.75 + deviation)
    assert good < 1


@pytest.mark.parametrize("name", ["Garnet", "Emerald", "Cepheus-1-108Q"])
def test_longer_circuits_are_worse(name):
    shots = 4000
    found = []
    for qubit_count in (3, 8, 16):
        readings = machine(name).run(ghz(qubit_count), Run(shots, seed=SEED, memory_bytes=MEMORY))
        found.append((readings.bits.all(axis=1) | ~readings.bits.any(axis=1)).mean())
    assert found[0] > found[1] > found[2]


def mirror(layer_count, generator):
    """Return a circuit on four qubits and its inverse: without errors all bits are 0."""
    lines = []
    for _ in range(layer_count):
        for qubit in range(4):
            lines.append(("rx", round(float(generator.uniform(0, 6)), 3), qubit))
            lines.append(("rz", round(float(generator.uniform(0, 6)), 3), qubit))
        lines += [("cz", None, 0), ("cz", None, 2), ("cz", None, 1)]
    forward = [_line(*line) for line in lines]
    backward = [_line(name, None if a is None else -a, q) for name, a, q in reversed(lines)]
    head = "OPENQASM 3; bit[4] b; qubit[4] q;"
    # A barrier keeps the halves from being cancelled.
    return parse_circuit(
        head + "".join(forward) + "barrier q;" + "".join(backward) + "b = measure q;"
    )


def _line(name, angle, qubit):
    if angle is None:
        return f"{name} q[{qubit}], q[{qubit + 1}];"
    return f"{name}({angle}) q[{qubit}];"


@pytest.mark.parametrize("name", ["Garnet", "Forte 1", "Cepheus-1-108Q"])
def test_mirror_circuit_returns_as_often_as_the_figures_predict(name):
    shots = 10_000
    circuit = mirror(2, np.random.default_rng(SEED))
    readings = machine(name).run(circuit, Run(shots, seed=SEED, memory_bytes=MEMORY))
    returned = (~readings.bits.any(axis=1)).mean()
    share = error_free_share(readings, machine(name).calibration)
    deviation = SIX_SIGMAS * 0.5 / math.sqrt(shots)
    assert readings.compiled.two_qubit_count >= 12
    # A random error after which the state is mixed returns in one of sixteen cases, most in more.
    assert share * 0.85 - deviation < returned < share + (1 - share) * 0.6 + deviation


@pytest.mark.parametrize("name", NAMES)
def test_without_noise_the_distribution_is_the_ideal_one(name):
    shots = 4000
    circuit = mirror(1, np.random.default_rng(SEED))
    readings = machine(name).run(circuit, Run(shots, noise="off", seed=SEED))
    assert not readings.bits.any()


@pytest.mark.parametrize(
    ("name", "single", "double"),
    [("Garnet", "prx", "cz"), ("Forte 1", "gpi2", "zz"), ("IBEX Q1", "prx", "xx")],
)
def test_twin_agrees_with_the_sdk_s_emulator_of_the_same_figures(name, single, double):
    """A chain without waiting: the emulator has no relaxation, the twin no more error for it."""
    device = next(device for device in TWINS if device.name == name)
    graph = device.capabilities["paradigm"]["connectivity"]["connectivityGraph"]
    a = min(map(int, graph), default=0)
    b = min(map(int, graph.get(str(a), ["1"])))
    box, lines = SdkCircuit(), []
    for _ in range(6):
        for qubit in (a, b):
            angles = [0.9, 0.2] if single == "prx" else [0.9]
            getattr(box, single)(qubit, *angles)
            lines.append(f"{single}({', '.join(map(str, angles))}) ${qubit};")
        angles = [] if double == "cz" else [math.pi / 2]
        getattr(box, double)(a, b, *angles)
        angle = f"({angles[0]})" if angles else ""
        lines.append(f"{double}{angle} ${a}, ${b};")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = BraketSchemaBase.parse_raw_schema(device.capabilities_json())
        emulator = LocalEmulator.from_device_properties(document)
        circuit = SdkCircuit().add_verbatim_box(box).measure(a).measure(b)
        shots = 40_000
        counts = emulator.run(circuit, shots=shots).result().measurement_counts
        emulated = [counts[f"{number:02b}"] / shots for number in range(4)]
    text = (
        "OPENQASM 3; bit[2] c;\n#pragma braket verbatim\nbox {"
        + "".join(lines)
        + f"}}\nc[0] = measure ${a}; c[1] = measure ${b};"
    )
    readings = machine(name).run(parse_circuit(text), Run(shots, seed=SEED, memory_bytes=MEMORY))
    numbers = readings.bits @ [2, 1]
    own = np.bincount(numbers, minlength=4) / shots
    # Both are samples; the models differ in relaxation's direction: together at most one percent.
    deviation = 2 * SIX_SIGMAS * 0.5 / math.sqrt(shots)
    np.testing.assert_allclose(own, emulated, atol=0.01 + deviation)


def test_readout_flips_bits_with_the_published_probabilities():
    calibration = machine("Garnet").calibration
    shots = 200_000
    for value, figure in ((0, "error_0_to_1"), (1, "error_1_to_0")):
        bits = np.full((shots, 3), value, dtype=np.uint8)
        read = misread(bits, (1, 2, 5), calibration, np.random.default_rng(SEED))
        rates = (read != bits).mean(axis=0)
        wanted = [getattr(calibration.qubits[qubit], figure) for qubit in (1, 2, 5)]
        for rate, probability in zip(rates, wanted, strict=True):
            sigma = math.sqrt(probability / shots)
            assert rate == pytest.approx(probability, abs=SIX_SIGMAS * sigma)


def test_idle_qubits_of_the_device_cost_nothing():
    readings = machine("Cepheus-1-108Q").run(ghz(2), Run(100, seed=SEED, memory_bytes=MEMORY))
    assert readings.compiled.circuit.qubit_count == 2


@pytest.mark.parametrize(("name", "qubit_count"), [("Emerald", 54), ("Cepheus-1-108Q", 100)])
def test_clifford_programs_run_on_the_whole_device(name, qubit_count):
    readings = machine(name).run(ghz(qubit_count), Run(500, seed=SEED, memory_bytes=MEMORY))
    assert readings.bits.shape == (500, qubit_count)
    # Errors everywhere, and yet the ends of the chain agree more often than not with neighbours.
    agreement = (readings.bits[:, 1:] == readings.bits[:, :-1]).mean()
    assert 0.6 < agreement < 1


def feedback(source, shots, **changes):
    return machine("Garnet").run_feedback(
        parse_feedback(source), Run(shots, seed=SEED, memory_bytes=MEMORY, **changes)
    )


def test_feedback_without_noise_is_exact():
    source = (
        "OPENQASM 3; bit[3] b; qubit[3] q; h q[0]; measure_ff(1) q[0];"
        "cc_prx(3.141592653589793, 0, 1) q[1]; measure_ff(2) q[1];"
        "cc_prx(3.141592653589793, 0, 2) q[0]; cc_prx(3.141592653589793, 0, 2) q[2]; b = measure q;"
    )
    bits = feedback(source, 2000, noise="off").bits
    # q0 is reset by q1, which has its outcome; q2 is flipped with it.
    assert not bits[:, 0].any()
    assert (bits[:, 1] == bits[:, 2]).all()
    assert 0.4 < bits[:, 1].mean() < 0.6


def test_reset_by_feedback_leaves_the_errors_of_its_readout():
    shots = 40_000
    source = (
        "OPENQASM 3; bit[1] b;\n#pragma braket verbatim\nbox { prx(3.141592653589793, 0) $1; "
        "measure_ff(0) $1; cc_prx(3.141592653589793, 0, 0) $1; }\nb[0] = measure $1;"
    )
    bits = feedback(source, shots).bits
    own = machine("Garnet").calibration.qubits[1]
    # Missed (1 read as 0, left in 1) and then read right; or reset and then read wrong.
    wanted = own.error_1_to_0 * (1 - own.error_1_to_0) + (1 - own.error_1_to_0) * own.error_0_to_1
    assert bits.mean() == pytest.approx(wanted, abs=0.004 + SIX_SIGMAS * math.sqrt(wanted / shots))


def random_feedback(generator, qubit_count, length):
    """Return operations: a name, its angles and qubits; keys as last angles."""
    keys = 0
    lines = [("h", (), (q,)) for q in range(qubit_count)]
    for _ in range(length):
        a, b = (int(q) for q in generator.permutation(qubit_count)[:2])
        theta, phi = (round(float(angle), 3) for angle in generator.uniform(0, 6, 2))
        kind = int(generator.integers(7))
        if kind == 0 and keys < 4:
            lines.append(("measure_ff", (keys,), (a,)))
            keys += 1
        elif kind == 1 and keys:
            lines.append(("cc_prx", (theta, phi, int(generator.integers(keys))), (a,)))
        elif kind < 4:
            lines.append((("h", "s", "rx")[int(generator.integers(3))], (theta,), (a,)))
        else:
            lines.append((("cnot", "swap", "iswap")[kind - 4], (), (a, b)))
    return [(name, () if name in {"h", "s"} else angles, on) for name, angles, on in lines]


def feedback_distribution(lines, qubit_count):
    """Follow every outcome of every measurement: the slow definition."""
    branches = {(): np.eye(2**qubit_count)[0].reshape((2,) * qubit_count).astype(complex)}
    for name, values, on in lines:
        if name == "measure_ff":
            split = {}
            for outcomes, state in branches.items():
                for bit in (0, 1):
                    kept = np.zeros_like(state)
                    place = (slice(None),) * on[0] + (bit,)
                    kept[place] = state[place]
                    split[*outcomes, bit] = kept
            branches = split
            continue
        is_conditional = name == "cc_prx"
        matrix = np.array(GATES["prx" if is_conditional else name].matrix(*values[:2]))
        for outcomes, state in branches.items():
            if is_conditional and not outcomes[values[2]]:
                continue
            moved = np.moveaxis(state, on, range(len(on)))
            turned = (matrix @ moved.reshape(len(matrix), -1)).reshape(moved.shape)
            branches[outcomes] = np.moveaxis(turned, range(len(on)), on)
    return sum(np.abs(state.ravel()) ** 2 for state in branches.values())


def written(lines, qubit_count):
    calls = []
    for name, values, on in lines:
        arguments = f"({', '.join(map(str, values))})" if values else ""
        calls.append(f"{name}{arguments} {', '.join(f'q[{qubit}]' for qubit in on)};")
    head = f"OPENQASM 3; bit[{qubit_count}] b; qubit[{qubit_count}] q;"
    return "\n".join([head, *calls, "b = measure q;"])


@pytest.mark.parametrize("seed", range(8))
def test_feedback_is_compiled_to_the_same_distribution(seed):
    shots = 20_000
    qubit_count = 3 + seed % 3
    lines = random_feedback(np.random.default_rng(seed), qubit_count, 25)
    readings = feedback(written(lines, qubit_count), shots, noise="off")
    # What was compiled is a program of the device, and does the same on its own.
    again = feedback(readings.source, shots, noise="off")
    wanted = feedback_distribution(lines, qubit_count)
    for found in (readings, again):
        numbers = found.bits @ (1 << np.arange(qubit_count)[::-1])
        assert chi_square_p(np.bincount(numbers, minlength=2**qubit_count), wanted) > 1e-9


def test_feedback_exchanges_qubits_on_the_way():
    triangle = "cnot q[0], q[1]; cnot q[1], q[2]; cnot q[2], q[0];"
    source = (
        "OPENQASM 3; bit[3] b; qubit[3] q; h q[0]; measure_ff(0) q[0];"
        f"cc_prx(3.141592653589793, 0, 0) q[2]; {triangle} b = measure q;"
    )
    bits = feedback(source, 500, noise="off").bits
    # 000 or 101 goes through 111 to 110.
    assert {"".join(map(str, row)) for row in bits} == {"000", "110"}


def test_rotation_about_z_passes_a_measurement_and_a_conditional_gate():
    source = (
        "OPENQASM 3; bit[2] b; qubit[2] q; h q[0]; measure_ff(0) q[1];"
        "cc_prx(3.141592653589793, 0, 0) q[0]; h q[0]; b = measure q;"
    )
    assert not feedback(source, 100, noise="off").bits.any()


def test_barrier_of_a_program_with_feedback_is_kept():
    source = (
        "OPENQASM 3; bit[2] b; qubit[2] q; x q[0]; barrier q; x q[0]; measure_ff(0) q[0];"
        "cc_prx(3.141592653589793, 0, 0) q[1]; b = measure q;"
    )
    readings = feedback(source, 100, noise="off")
    assert readings.source.count("prx(1.0*pi,") == 3
    assert readings.source.count("barrier $") == 1
    assert not readings.bits.any()


def test_sharpening_is_a_vote_of_variants():
    rows = [[0, 0]] * 60 + [[1, 1]] * 40
    bits = np.array(rows * 2 + [[1, 1]] * 60 + [[0, 0]] * 40, dtype=np.uint8)
    assert sharpened(bits) == pytest.approx({"00": 2 / 3, "11": 1 / 3})
    assert histogram(bits) == pytest.approx({"00": 160 / 300, "11": 140 / 300})
    tied = np.array([[0]] * 50 + [[1]] * 50, dtype=np.uint8)
    assert sharpened(tied) == {"0": 0.5, "1": 0.5}


def test_program_with_too_many_qubits_for_the_memory_is_refused_with_the_number():
    from openbraket.base.errors import LimitError

    operations = Operations()
    for qubit in range(40):
        operations.append(GATES["rx"].code, (qubit,), (0.3 + qubit,))
    for qubit in range(39):
        operations.append(GATES["cz"].code, (qubit, qubit + 1))
    for qubit in range(40):
        operations.append(GATES["rx"].code, (qubit,), (0.3 + qubit,))
    circuit = Circuit(tuple(range(40)), operations)
    with pytest.raises(LimitError, match=r"\d"):
        machine("Emerald").run(circuit, Run(10, seed=SEED, memory_bytes=MEMORY))
