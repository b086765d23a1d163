"""Variables and documents by which a script learns of its job."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openbraket.jobs.spec import JobSpec
from openbraket.jobs.users import USER_NAME

PROGRAM = "braket_container.py"
NETWORK_INTERFACE = "eth0"
# The kernel takes no longer string in an environment or argument list (32 pages of 4 KiB).
STRING_BYTES_MAX = 131_071
# What of the server's own environment a job may see: how to reach the network, and what to use.
INHERITED = (
    "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Places:
    """Where a script finds things, as it sees them.

    Attributes:
        ml: `/opt/ml`, or the instance's own folder where there is no private view.
        braket: `/opt/braket`, or that same folder.
        checkpoints: Where checkpoints are restored to and read from.
        home: A writable home.
        tmp: A writable folder for temporary files.
        hosts: Names or addresses of the instances, the first one's first.
    """

    ml: str
    braket: str
    checkpoints: str
    home: str
    tmp: str
    hosts: tuple[str, ...]


def job_variables(spec: JobSpec, number: int, places: Places, python: str) -> dict[str, str]:
    """Return all the variables of an instance's processes.

    Args:
        spec: The attempt's specification.
        number: The instance, from 1.
        places: Where things are.
        python: Path of the interpreter that runs the script.

    Returns:
        Those of the contract, what is inherited, and `spec.environment`, which wins.
    """
    folders = [str(Path(python).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        **inherited(),
        "PATH": ":".join(folders),
        "HOME": places.home,
        "TMPDIR": places.tmp,
        "PYTHONUNBUFFERED": "1",
        **braket_variables(spec, places),
        **training_variables(spec, number, places),
        **spec.environment,
    }


def user_variables(user_id: int | None) -> dict[str, str]:
    """Return what tells programs their user's name, where that is no account of the machine.

    Args:
        user_id: The job's own user, None where it has none.
    """
    return {} if user_id is None else dict.fromkeys(("USER", "LOGNAME"), USER_NAME)


def inherited() -> dict[str, str]:
    """Return what processes of a job take over from the server's environment."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def pip_settings() -> dict[str, str]:
    """Return the server's settings for pip; only installations get them, never scripts."""
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


def braket_variables(spec: JobSpec, places: Places) -> dict[str, str]:
    """Return the `AMZN_BRAKET_…` variables.

    Args:
        spec: The attempt's specification.
        places: Where things are.

    Returns:
        Name to value; that of the input directory only where there are channels.
    """
    bucket, _, key = spec.output_s3_path.removeprefix("s3://").partition("/")
    variables = {
        "AMZN_BRAKET_JOB_NAME": spec.job_name,
        "AMZN_BRAKET_DEVICE_ARN": spec.device_arn,
        "AMZN_BRAKET_JOB_RESULTS_DIR": f"{places.braket}/model",
        "AMZN_BRAKET_CHECKPOINT_DIR": places.checkpoints,
        "AMZN_BRAKET_HP_FILE": f"{places.braket}/input/config/hyperparameters.json",
        "AMZN_BRAKET_OUT_S3_BUCKET": bucket,
        "AMZN_BRAKET_TASK_RESULTS_S3_URI": f"s3://{bucket}/jobs/{spec.job_name}/tasks",
        "AMZN_BRAKET_JOB_RESULTS_S3_PATH": "/".join(
            part for part in (key.rstrip("/"), spec.job_name, "output") if part
        ),
        "AMZN_BRAKET_SCRIPT_S3_URI": spec.script_s3_uri,
        "AMZN_BRAKET_SCRIPT_ENTRY_POINT": spec.entry_point,
        "AMZN_BRAKET_SCRIPT_COMPRESSION_TYPE": spec.compression_type,
    }
    if spec.channels:
        variables["AMZN_BRAKET_INPUT_DIR"] = f"{places.braket}/input/data"
    return variables


def resource_config(number: int, places: Places) -> dict[str, Any]:
    """Return the content of `resourceconfig.json`.

    Args:
        number: The instance, from 1.
        places: Where things are.

    Returns:
        The hosts and which of them this one is.
    """
    return {
        "current_host": places.hosts[number - 1],
        "hosts": list(places.hosts),
        "network_interface_name": NETWORK_INTERFACE,
    }


def input_data_config(spec: JobSpec) -> dict[str, Any]:
    """Return the content of `inputdataconfig.json`: each channel and how it was brought here."""
    return {
        channel.name: {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            **({"ContentType": channel.content_type} if channel.content_type else {}),
        }
        for channel in spec.channels
    }


def training_environment(spec: JobSpec, number: int, places: Places) -> dict[str, Any]:
    """Return what `SM_TRAINING_ENV` holds and the log shows before the script starts.

    Args:
        spec: The attempt's specification.
        number: The instance, from 1.
        places: Where things are.

    Returns:
        A document; no credential is in it.
    """
    channels = {channel.name: f"{places.ml}/input/data/{channel.name}" for channel in spec.channels}
    return {
        "additional_framework_parameters": {},
        "channel_input_dirs": channels,
        "current_host": places.hosts[number - 1],
        "current_instance_type": spec.instance_type,
        "hosts": list(places.hosts),
        "hyperparameters": spec.hyperparameters,
        "input_config_dir": f"{places.ml}/input/config",
        "input_data_config": input_data_config(spec),
        "input_dir": f"{places.ml}/input",
        "is_master": number == 1,
        "job_name": spec.job_name,
        "log_level": 20,
        "master_hostname": places.hosts[0],
        "model_dir": f"{places.ml}/model",
        "module_name": PROGRAM.removesuffix(".py"),
        "network_interface_name": NETWORK_INTERFACE,
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": _gpu_count(),
        "output_data_dir": f"{places.ml}/output/data",
        "output_dir": f"{places.ml}/output",
        "output_intermediate_dir": f"{places.ml}/output/intermediate",
        "resource_config": resource_config(number, places),
        "user_entry_point": PROGRAM,
    }


def training_variables(spec: JobSpec, number: int, places: Places) -> dict[str, str]:
    """Return the `SM_…` variables.

    Args:
        spec: The attempt's specification.
        number: The instance, from 1.
        places: Where things are.

    Returns:
        Name to value; what is not text is compact JSON with sorted keys.
    """
    environment = training_environment(spec, number, places)
    values: dict[str, Any] = {
        name: environment[name]
        for name in (
            "current_host", "current_instance_type", "hosts", "input_config_dir",
            "input_data_config", "input_dir", "log_level", "model_dir", "module_name",
            "network_interface_name", "num_cpus", "num_gpus", "output_data_dir", "output_dir",
            "output_intermediate_dir", "resource_config", "user_entry_point",
        )
    }  # fmt: skip
    values |= {
        "channels": sorted(environment["channel_input_dirs"]),
        "hps": spec.hyperparameters,
        "training_env": environment,
        "user_args": user_arguments(spec),
    }
    values |= {f"hp_{name}": value for name, value in spec.hyperparameters.items()}
    values |= {f"channel_{name}": at for name, at in environment["channel_input_dirs"].items()}
    return {f"SM_{name.upper()}": _text(value) for name, value in values.items()}


def user_arguments(spec: JobSpec) -> list[str]:
    """Return the hyperparameters as a command's arguments, `--name value`, by name."""
    return [part for name in sorted(spec.hyperparameters) for part in _argument(spec, name)]


def _argument(spec: JobSpec, name: str) -> tuple[str, str]:
    return ("-" if len(name) == 1 else "--") + name, spec.hyperparameters[name]


def without_unfit(variables: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Leave out what the kernel takes in no environment.

    Args:
        variables: Name to value.

    Returns:
        The others, and the names of those left out: too long, or with a NUL.
    """
    unfit = [
        name
        for name, value in variables.items()
        if "\0" in name + value
        or "=" in name
        or len(name.encode(errors="surrogateescape")) + len(value.encode(errors="surrogateescape"))
        > STRING_BYTES_MAX - 2
    ]
    return {name: value for name, value in variables.items() if name not in unfit}, unfit


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _gpu_count() -> int:
    devices = Path("/dev").glob("nvidia*")
    return sum(device.name.removeprefix("nvidia").isdigit() for device in devices)
