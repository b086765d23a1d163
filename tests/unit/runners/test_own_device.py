"""Devices of other packages: entry points, their profiles, and what they are asked to run."""

import sys
import textwrap

import numpy as np
import orjson
import pytest

from openbraket.base.errors import ProgramError
from openbraket.base.work import Work
from openbraket.devices import Catalogue
from openbraket.devices.plugins import GROUP, plugin_devices
from openbraket.runners import openqasm, plugins
from openbraket.runners.devices import device_of
from openbraket.runners.plugins import DeviceError, run_circuit

ARN = "arn:aws:braket:us-east-1::device/qpu/lab/Coin"
MODULE = """
    import json
    from pathlib import Path

    class Coin:
        profile = Path(__file__).with_name("coin.json")

        def run(self, program, shots):
            return ANSWER(program, shots)
"""


def profile(arn=ARN):
    garnet = Catalogue().find("garnet")[0]
    return {
        "arn": arn, "name": "Coin", "providerName": "Lab", "type": "QPU", "status": "ONLINE",
        "regions": ["us-east-1"], "capabilities": garnet.capabilities,
    }  # fmt: skip


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package with a device whose `run` is the given text."""

    def install(answer, *, name="coin", content=None):
        module = f"{name}_package"
        text = textwrap.dedent(MODULE).replace("ANSWER", f"({answer})")
        (tmp_path / f"{module}.py").write_text(text)
        (tmp_path / "coin.json").write_bytes(orjson.dumps(content or profile()))
        folder = tmp_path / f"{module}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}:Coin\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, module, raising=False)
        plugins._instance.cache_clear()
        return next(d for d in plugin_devices() if d.plugin == name)

    return install


def work(source, shots=10):
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    action = orjson.dumps({"braketSchemaHeader": header, "source": source, "inputs": {}})
    return Work(
        task_id="t", attempt=1, runner="", task_arn="arn:aws:braket:us-east-1:0:quantum-task/t",
        device_arn=ARN, shots=shots, action=action, device_parameters="", created_at=0,
        thread_count=1, memory_bytes=0,
    )  # fmt: skip


BELL = "OPENQASM 3; bit[2] b; qubit[2] q; h q[0]; cnot q[0], q[1]; b = measure q;"


def run(device, source, shots=10):
    output = plugins.run_plugin(work(source, shots), device, lambda fraction: None)
    return orjson.loads(output.objects[0].content)


def test_package_brings_a_device_into_the_catalogue(install):
    device = install("lambda program, shots: [[0, 1]] * shots")
    assert (device.arn, device.status, device.plugin) == (ARN, "ONLINE", "coin")
    assert Catalogue().get(ARN) == device
    assert device.offline_reason == ""
    document = run(device, BELL)
    assert document["measurements"] == [[0, 1]] * 10
    assert document["measuredQubits"] == [0, 1]
    assert "simulatorMetadata" not in document["additionalMetadata"]


def test_task_on_the_device_goes_to_its_class(install, monkeypatch):
    from openbraket.runners import devices

    install("lambda program, shots: {'11': shots}")
    devices._catalogue.cache_clear()
    try:
        assert device_of(work(BELL)).plugin == "coin"
        output = openqasm.run(work(BELL), lambda fraction: None)
    finally:
        devices._catalogue.cache_clear()
    assert orjson.loads(output.objects[0].content)["measurements"] == [[1, 1]] * 10


def test_counts_become_shots(install):
    device = install("lambda program, shots: {'00': 3, '11': shots - 3}")
    rows = run(device, BELL)["measurements"]
    assert sorted(rows) == [[0, 0]] * 3 + [[1, 1]] * 7


def test_program_is_flat_bound_rotated_and_measured(install):
    seen = "lambda program, shots: (_ for _ in ()).throw(RuntimeError(program.source))"
    device = install(seen)
    source = (
        "OPENQASM 3; const float a = 0.5; qubit[3] q; rx(2 * a) q[2]; ctrl @ x q[0], q[2];"
        "\n#pragma braket result expectation y(q[0]) @ x(q[2])"
    )
    with pytest.raises(DeviceError) as caught:
        run(device, source)
    text = str(caught.value)
    assert text.startswith("Device Coin failed: RuntimeError: OPENQASM 3.0;")
    lines = text.splitlines()[1:]
    assert lines == [
        "bit[2] b;", "qubit[3] q;", "rx(1.0) q[2];", "ctrl @ x q[0], q[2];",
        "si q[0];", "h q[0];", "h q[2];", "b[0] = measure q[0];", "b[1] = measure q[2];",
    ]  # fmt: skip


def test_results_are_computed_from_the_answer(install):
    device = install("lambda program, shots: {'01': shots // 2, '00': shots // 2}")
    source = "OPENQASM 3; qubit[2] q; h q;\n#pragma braket result expectation z(q[0]) @ x(q[1])"
    (result,) = run(device, source)["resultTypes"]
    assert result["value"] == 0.0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("lambda program, shots: [[0, 1]] * (shots - 1)", "must return 10 rows of 2 bits"),
        ("lambda program, shots: [[0, 2]] * shots", "must return 10 rows of 2 bits"),
        ("lambda program, shots: None", "gave NoneType; run must return 10 rows"),
        ("lambda program, shots: {'0': shots}", "gave '0': 10; run must return strings of 2"),
        ("lambda program, shots: {'00': 11}", "gave 11 shots instead of 10"),
        ("lambda program, shots: {'00': -1}", "gave '00': -1"),
        ("lambda program, shots: 1 / 0", "failed: ZeroDivisionError: division by zero"),
    ],
)
def test_wrong_answer_is_named(install, answer, message):
    with pytest.raises(DeviceError, match=message):
        run(install(answer), BELL)


def test_dynamic_program_is_refused(install):
    device = install("lambda program, shots: [[0]] * shots")
    source = "OPENQASM 3; bit b; qubit q; b = measure q; if (b) { x q; } b = measure q;"
    with pytest.raises(ProgramError, match="use outcomes before their end"):
        run(device, source)


def test_numpy_rows_are_taken_as_they_are(install):
    device = install("lambda program, shots: __import__('numpy').ones((shots, 2), dtype=bool)")
    circuit_bits = run_circuit(device, openqasm.parse_program(BELL), 4)
    np.testing.assert_array_equal(circuit_bits, np.ones((4, 2)))
    assert circuit_bits.dtype == np.uint8


def test_package_that_cannot_be_loaded_is_left_out_with_a_reason(install, caplog):
    with pytest.raises(StopIteration):
        install("lambda program, shots: None", content={"arn": ARN})
    assert "the device of entry point 'coin' is left out: A device profile has no" in caplog.text
    assert Catalogue().get(ARN) is None
