"""What a script finds, and how its end is told."""

import io
import json
import zipfile

import pytest

from openbraket.jobs.outcome import failure_reason
from openbraket.jobs.spec import Channel
from support.instances import archive

TELL = """
import json, os, pathlib, sys
print("TOLD " + json.dumps({
    "variables": dict(os.environ), "cwd": os.getcwd(), "arguments": sys.argv,
    "hyperparameters": json.load(open(os.environ["AMZN_BRAKET_HP_FILE"])),
    "resources": json.load(open(os.environ["SM_INPUT_CONFIG_DIR"] + "/resourceconfig.json")),
    "input": sorted(str(p) for p in pathlib.Path(os.environ["SM_INPUT_DIR"], "data").rglob("*")),
    "checkpoints": os.listdir(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"]),
}))
pathlib.Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "results.json").write_text("{}")
pathlib.Path(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"], "new").write_text("new")
"""


def told(run):
    (line,) = [line for line in run.lines() if line.startswith("TOLD ")]
    return json.loads(line.removeprefix("TOLD "))


@pytest.mark.parametrize("checkpoint_path", ["/opt/jobs/checkpoints", "/opt/braket/checkpoints/"])
def test_script_sees_the_contract_at_its_absolute_paths(workplace, needs_view, checkpoint_path):
    run = workplace.job(
        TELL,
        hyperparameters={"depth": "3", "name": "a b"},
        channels=(Channel("one", "s3://bucket/one/"),),
        checkpoint_path=checkpoint_path,
        environment={"AWS_REGION": "us-west-2"},
    )
    (run.directory.channel("one") / "deep").mkdir()
    (run.directory.channel("one") / "deep" / "file").write_text("x")
    (run.directory.checkpoints / "old").write_text("old")
    state = run.start().wait()
    assert (state.phase, state.exit_code, state.failure, state.reason) == ("ENDED", 0, None, None)
    seen = told(run)
    variables = seen["variables"]
    for name, value in {
        "AMZN_BRAKET_JOB_NAME": "a-job",
        "AMZN_BRAKET_DEVICE_ARN": "local:none/none",
        "AMZN_BRAKET_JOB_RESULTS_DIR": "/opt/braket/model",
        "AMZN_BRAKET_CHECKPOINT_DIR": checkpoint_path,
        "AMZN_BRAKET_INPUT_DIR": "/opt/braket/input/data",
        "AMZN_BRAKET_HP_FILE": "/opt/braket/input/config/hyperparameters.json",
        "AMZN_BRAKET_OUT_S3_BUCKET": "bucket",
        "AMZN_BRAKET_TASK_RESULTS_S3_URI": "s3://bucket/jobs/a-job/tasks",
        "AWS_REGION": "us-west-2",
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_HP_DEPTH": "3",
        "SM_CHANNEL_ONE": "/opt/ml/input/data/one",
        "SM_MODEL_DIR": "/opt/ml/model",
    }.items():
        assert variables[name] == value
    assert seen["cwd"] == "/opt/ml/code/customer_code/extracted"
    assert seen["arguments"][1:] == ["--depth", "3", "--name", "a b"]
    assert seen["hyperparameters"] == {"depth": "3", "name": "a b"}
    assert seen["resources"]["hosts"] == ["algo-1"]
    assert "/opt/ml/input/data/one/deep/file" in seen["input"]
    assert seen["checkpoints"] == ["old"]
    assert (run.directory.instance(1).model / "results.json").read_text() == "{}"
    assert (run.directory.checkpoints / "new").read_text() == "new"


def test_without_a_view_variables_lead_to_the_same_files(workplace):
    run = workplace.job(TELL, private_view=False, channels=(Channel("one", "s3://bucket/one/"),))
    (run.directory.channel("one") / "file").write_text("x")
    (run.directory.checkpoints / "old").write_text("old")
    assert run.start().wait().exit_code == 0, run.text()
    seen = told(run)
    ml = run.directory.instance(1).ml
    assert seen["variables"]["AMZN_BRAKET_JOB_RESULTS_DIR"] == str(ml / "model")
    assert seen["checkpoints"] == ["old"]
    assert (ml / "model" / "results.json").exists()
    assert (run.directory.checkpoints / "new").exists()
    assert (ml / "input" / "data" / "one" / "file").read_text() == "x"


def test_lines_come_in_the_order_of_the_container(workplace):
    run = workplace.job("print('from the script')")
    run.start().wait()
    lines = run.lines()
    places = [
        lines.index(line)
        for line in (
            "Invoking script with the following command:",
            "Beginning Setup",
            "Checking for Additional Requirements",
            "Additional Requirements Check Finished",
            "Running Code As Process",
            "from the script",
            "Code Run Finished",
            "Reporting training SUCCESS",
        )
    ]
    assert places == sorted(places)
    assert '    "user_entry_point": "braket_container.py"' in lines


FUNCTION = """
def train(depth: int, rate: float, name, flag: "int" = 1):
    print("GOT", repr(depth), repr(rate), repr(name), repr(flag))
"""


def test_function_gets_hyperparameters_cast_by_annotation(workplace):
    script = archive({"package/__init__.py": "", "package/inner.py": FUNCTION})
    run = workplace.job(
        script,
        entry_point="package.inner:train",
        hyperparameters={"depth": "3", "rate": "0.5", "name": "7", "flag": "2"},
    )
    assert run.start().wait().exit_code == 0, run.text()
    assert "GOT 3 0.5 '7' 2" in run.lines()


def test_zip_with_a_package_runs_as_main(workplace):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        opened.writestr("pack/__init__.py", "")
        opened.writestr("pack/__main__.py", "print('ran', __name__)")
    run = workplace.job(
        target.getvalue(), entry_point="pack", compression_type="ZIP", script_file="s.zip"
    )
    (run.directory.script / "source.tar.gz").rename(run.directory.script / "s.zip")
    assert run.start().wait().exit_code == 0, run.text()
    assert "ran __main__" in run.lines()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "open('fake_file')",
            (
                "AlgorithmError: FileNotFoundError: [Errno 2] No such file or directory: "
                "'fake_file', exit code: 1"
            ),
        ),
        ("import sys; sys.exit(137)", "exit code: 137"),
        ("import os; os._exit(3)", "exit code: 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        (
            "import os\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('said so')",
            "AlgorithmError: said so, exit code: 0",
        ),
        (
            (
                "import os\nat = os.environ['SM_OUTPUT_DIR'] + '/failure'\n"
                "os.symlink('/etc/hostname', at)\nraise SystemExit(4)"
            ),
            (
                "AlgorithmError: The script ended with an error and without a failure file, "
                "exit code: 4"
            ),
        ),
    ],
)
def test_reason_of_a_failure(workplace, script, reason):
    run = workplace.job(script)
    state = run.start().wait()
    assert reason in failure_reason([state]), run.text()
    assert "Reporting training FAILURE" in run.lines()


@pytest.mark.parametrize(
    ("entry_point", "reason"),
    [
        ("nowhere", "AlgorithmError: ImportError: No module named nowhere, exit code: 1"),
        ("nowhere:f", "AlgorithmError: ModuleNotFoundError: No module named 'nowhere', exit code"),
        ("main:f", "AttributeError: module 'main' has no attribute 'f', exit code: 1"),
        ("main:greet.__doc__", "AttributeError"),
        ("", "No customer entry point specified"),
    ],
)
def test_missing_entry_point(workplace, entry_point, reason):
    run = workplace.job("x = 1", entry_point=entry_point)
    assert reason in failure_reason([run.start().wait()])


def test_missing_and_broken_scripts(workplace):
    missing, broken = workplace.job("x = 1"), workplace.job(b"this is no archive")
    (missing.directory.script / "main.py").unlink()
    for run in (missing, broken):
        run.start()
    state = missing.wait()
    assert (state.reason, state.message) == (
        "setup", "No customer script specified: main.py is missing",
    )  # fmt: skip
    assert "source.tar.gz is not a readable gzip archive" in broken.wait().message


def test_variable_too_long_for_the_kernel_is_left_out(workplace):
    hyperparameters = {f"p{number}": "x" * 2400 for number in range(100)}
    run = workplace.job("print('ran')", hyperparameters=hyperparameters)
    assert run.start().wait().exit_code == 0, run.text()
    assert any("left out: SM_HPS" in line for line in run.lines())


def test_two_ranks_meet_by_name(workplace, private_view):
    script = """
import json, os, socket
hosts, me = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
assert me == hosts[hosts.index(me)] and len(hosts) == 2
if hosts.index(me) == 0:
    listener = socket.create_server((hosts[0], 23456))
    greet("listening").close()
    peer, address = listener.accept()
    print("HEARD", peer.recv(100).decode())
    peer.sendall(b"hello from rank 0")
else:
    go = greet("asking")
    go.recv(1)
    peer = socket.create_connection((hosts[0], 23456))
    peer.sendall(b"hello from rank 1")
    print("HEARD", peer.recv(100).decode())
"""
    run = workplace.job(script, instance_count=2, private_view=private_view).start()
    first, other = dict(workplace.ear.hear() for _ in range(2)), None
    other = first["asking"]
    other.sendall(b"!")
    assert [run.wait(number).exit_code for number in (1, 2)] == [0, 0], run.text(2)
    assert "HEARD hello from rank 1" in run.lines(1)
    assert "HEARD hello from rank 0" in run.lines(2)


def test_sdk_inside_a_job_finds_everything(workplace, private_view):
    script = """
from braket.circuits import Circuit
from braket.devices import LocalSimulator
from braket.jobs.metrics import log_metric
from braket.jobs import (
    get_checkpoint_dir, get_hyperparameters, get_input_data_dir, get_job_device_arn,
    get_job_name, load_job_checkpoint, save_job_checkpoint, save_job_result,
)
provider, name = get_job_device_arn().removeprefix("local:").split("/")
assert (provider, name) == ("braket", "default")
counts = LocalSimulator().run(Circuit().h(0).cnot(0, 1), shots=10).result().measurement_counts
assert get_hyperparameters() == {"depth": "3"}
assert open(get_input_data_dir("one") + "/file").read() == "x"
old = load_job_checkpoint("earlier-job")
log_metric("Cost", 0.5, iteration_number=3)
save_job_checkpoint({"old": old["value"]}, "after")
save_job_result({"total": sum(counts.values()), "name": get_job_name()})
"""
    run = workplace.job(
        script,
        device_arn="local:braket/default",
        hyperparameters={"depth": "3"},
        channels=(Channel("one", "s3://bucket/one/"),),
        private_view=private_view,
    )
    (run.directory.channel("one") / "file").write_text("x")
    earlier = {
        "braketSchemaHeader": {"name": "braket.jobs_data.persisted_job_data", "version": "1"},
        "dataDictionary": {"value": 7},
        "dataFormat": "plaintext",
    }
    (run.directory.checkpoints / "earlier-job.json").write_text(json.dumps(earlier))
    assert run.start().wait().exit_code == 0, run.text()
    result = json.loads((run.directory.instance(1).model / "results.json").read_text())
    assert result["dataDictionary"] == {"total": 10, "name": "a-job"}
    saved = json.loads((run.directory.checkpoints / "a-job_after.json").read_text())
    assert saved["dataDictionary"] == {"old": 7}
    (metric,) = [line for line in run.lines() if "Metrics - " in line]
    assert metric.endswith("Cost=0.5; iteration_number=3;")


def test_instance_that_was_started_is_not_started_again(workplace):
    run = workplace.job("print('ran')").start()
    with pytest.raises(FileExistsError):
        run.start()
    assert run.wait().exit_code == 0
    assert run.lines().count("ran") == 1
