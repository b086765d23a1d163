import dataclasses
import json

import pytest

from openbraket.jobs.container import container_places, run_arguments
from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.places import address, private_places
from openbraket.jobs.runtime import RUNTIMES, available, create
from openbraket.jobs.spec import Channel, JobSpec
from openbraket.jobs.variables import (
    STRING_BYTES_MAX,
    Places,
    braket_variables,
    job_variables,
    training_variables,
    user_arguments,
    without_unfit,
)
from openbraket.jobs.view import can_be_target

PLACES = Places(
    "/opt/ml", "/opt/braket", "/opt/jobs/checkpoints", "/root", "/tmp", ("algo-1", "algo-2")
)
SPEC = JobSpec(
    job_arn="arn:aws:braket:us-east-1:000000000000:job/an-id",
    job_id="an-id",
    job_name="name",
    attempt=3,
    device_arn="local:pennylane/lightning.qubit",
    script_s3_uri="s3://bucket/source.tar.gz",
    script_file="source.tar.gz",
    entry_point="main:train",
    compression_type="GZIP",
    data_directory="/data",
    environments_directory="/data/environments",
    output_s3_path="s3://bucket/jobs/name/1/data",
    channels=(Channel("two", "s3://bucket/two"), Channel("one", "s3://bucket/one", "text/csv")),
    hyperparameters={"x": "1", "long-name": "a b"},
    instance_count=2,
    image_uri="registry.example/image:tag",
    environment={"AMZN_BRAKET_JOB_TOKEN": "secret", "AMZN_BRAKET_JOB_NAME": "wins"},
)


def test_training_variables_are_compact_sorted_json():
    found = training_variables(SPEC, 2, PLACES)
    assert found["SM_HOSTS"] == '["algo-1","algo-2"]'
    assert found["SM_CURRENT_HOST"] == "algo-2"
    assert found["SM_HPS"] == '{"long-name":"a b","x":"1"}'
    assert found["SM_HP_LONG-NAME"] == "a b"
    assert found["SM_CHANNELS"] == '["one","two"]'
    assert found["SM_CHANNEL_TWO"] == "/opt/ml/input/data/two"
    assert found["SM_USER_ENTRY_POINT"] == "braket_container.py"
    assert json.loads(found["SM_INPUT_DATA_CONFIG"])["one"]["ContentType"] == "text/csv"
    assert json.loads(found["SM_RESOURCE_CONFIG"])["current_host"] == "algo-2"
    assert json.loads(found["SM_TRAINING_ENV"])["is_master"] is False
    expected = {
        "SM_NETWORK_INTERFACE_NAME", "SM_NUM_GPUS", "SM_NUM_CPUS", "SM_MODEL_DIR",
        "SM_OUTPUT_DATA_DIR", "SM_INPUT_DIR", "SM_MODULE_NAME", "SM_CURRENT_INSTANCE_TYPE",
        "SM_INPUT_CONFIG_DIR", "SM_OUTPUT_DIR", "SM_LOG_LEVEL", "SM_USER_ARGS",
        "SM_OUTPUT_INTERMEDIATE_DIR",
    }  # fmt: skip
    assert expected <= found.keys()


def test_input_variable_is_there_only_with_channels():
    assert braket_variables(SPEC, PLACES)["AMZN_BRAKET_INPUT_DIR"] == "/opt/braket/input/data"
    without = dataclasses.replace(SPEC, channels=())
    assert "AMZN_BRAKET_INPUT_DIR" not in braket_variables(without, PLACES)


def test_variables_of_the_service_win():
    found = job_variables(SPEC, 1, PLACES, "/env/bin/python")
    assert found["AMZN_BRAKET_JOB_NAME"] == "wins"
    assert found["PATH"].startswith("/env/bin:")


def test_arguments_are_the_hyperparameters():
    assert user_arguments(SPEC) == ["--long-name", "a b", "-x", "1"]


@pytest.mark.parametrize("value", ["x" * STRING_BYTES_MAX, "a\0b"])
def test_what_the_kernel_does_not_take_is_left_out(value):
    assert without_unfit({"GOOD": "x", "BAD": value}) == ({"GOOD": "x"}, ["BAD"])


def test_addresses_differ_by_job_and_instance():
    other = dataclasses.replace(SPEC, job_id="another")
    addresses = {address(spec, number) for spec in (SPEC, other) for number in (1, 2)}
    assert len(addresses) == 4
    assert all(address.startswith("127.") for address in addresses)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/opt/jobs/checkpoints", "/opt/jobs/checkpoints"),
        ("/opt/braket/checkpoints/", "/opt/braket/checkpoints/"),
        ("/no-such-folder/deep", "/no-such-folder/deep"),
        ("/tmp/mine", "/tmp/mine"),
        ("/", "/opt/ml/checkpoints"),
        ("/etc", "/opt/ml/checkpoints"),
        ("/proc/1", "/opt/ml/checkpoints"),
        ("/opt/ml", "/opt/ml/checkpoints"),
        ("/opt/../etc/x", "/opt/ml/checkpoints"),
        ("/tmp", "/opt/ml/checkpoints"),
    ],
)
def test_checkpoint_path_is_kept_where_it_harms_nothing(wanted, given):
    assert private_places(dataclasses.replace(SPEC, checkpoint_path=wanted)).checkpoints == given


def test_nothing_is_made_inside_a_folder_of_the_machine(tmp_path):
    assert can_be_target(str(tmp_path), [])
    assert not can_be_target(str(tmp_path / "new"), [])
    assert can_be_target(str(tmp_path / "new"), [str(tmp_path)])


def test_container_command_has_the_contract_the_limits_and_no_secret(tmp_path):
    directory = JobDirectory(tmp_path / "an-id" / "3")
    arguments = run_arguments("/usr/bin/docker", directory, SPEC, 2, ["AMZN_BRAKET_JOB_TOKEN"])
    text = " ".join(arguments)
    ml = directory.instance(2).ml
    for part in (
        "/usr/bin/docker run --name openbraket-an-id-3-algo-2 --label openbraket.job=an-id",
        f"--memory {SPEC.limits.memory_bytes} --memory-swap {SPEC.limits.memory_bytes}",
        f"--pids-limit {SPEC.limits.process_count}",
        f"--add-host=algo-1:{address(SPEC, 1)}",
        f"--volume {ml}:/opt/ml --volume {ml}:/opt/braket",
        f"--volume {directory.checkpoints}:{SPEC.checkpoint_path}",
        "--env AMZN_BRAKET_JOB_TOKEN",
        "--entrypoint python registry.example/image:tag /opt/ml/code/braket_container.py",
        "braket_container.py --long-name a b -x 1",
    ):
        assert part in text
    assert "secret" not in text
    assert container_places(SPEC).hosts == ("algo-1", "algo-2")


def test_container_without_a_script_runs_the_image_s_own_program(tmp_path):
    spec = dataclasses.replace(SPEC, entry_point="", script_file="")
    arguments = run_arguments("docker", JobDirectory(tmp_path), spec, 1, [])
    assert arguments[-2:] == ["registry.example/image:tag", "train"]
    assert "--entrypoint" not in arguments


def test_runtimes_are_made_by_name():
    assert [create(name).name for name in RUNTIMES] == list(RUNTIMES)
    assert available()[0] == "process"
    with pytest.raises(ValueError, match="no runtime 'ray'"):
        create("ray")
