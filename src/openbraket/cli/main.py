"""The `openbraket` command."""

import gc
import math
import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from openbraket import __version__
from openbraket.base.errors import OpenBraketError
from openbraket.cli import data
from openbraket.cli.device import device_app
from openbraket.cli.doctor import doctor
from openbraket.cli.options import DATA_DIR_DEFAULT, DatabaseUrl, DataDir, fail

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A quantum cloud on your own machine that speaks Amazon Braket's wire protocol.",
)
key_app = typer.Typer(
    no_args_is_help=True, help="Access keys. With one registered, every request is verified."
)
app.add_typer(key_app, name="key")
app.add_typer(device_app, name="device")
app.command()(data.backup)
app.command()(data.check)
app.command("doctor")(doctor)


def _check_account(value: str) -> str:
    if not re.fullmatch("[0-9]{12}", value):
        raise typer.BadParameter(f"an account has twelve digits, unlike '{value}'")
    return value


def _check_number(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def _check_executor(value: str) -> str:
    if not re.fullmatch(r"local|auto|(ray://)?[^\s/:]+:[0-9]{1,5}", value):
        raise typer.BadParameter(f"'{value}' is not local, auto, ray://HOST:PORT or HOST:PORT")
    return value


def _check_url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/:@]+(:[0-9]{1,5})?/?", value):
        raise typer.BadParameter(f"'{value}' is not of the form http://HOST:PORT")
    return value.rstrip("/")


def _check_resources(value: list[str] | None) -> list[str] | None:
    from openbraket.server.executors import parse_resources

    try:
        parse_resources(value or ())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return value


def _read_user_ids(value: str) -> tuple[int, int] | None:
    from openbraket.jobs.users import read_user_ids

    try:
        return read_user_ids(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


class Durability(StrEnum):
    """How much a success response promises."""

    FULL = "full"
    NORMAL = "normal"


class CancelOfEnded(StrEnum):
    """What CancelQuantumTask answers for a task that completed or failed."""

    CONFLICT = "conflict"
    ACCEPT = "accept"


class AnalogNoise(StrEnum):
    """Whether analog devices err."""

    DEVICE = "device"
    NONE = "none"


class PhaseSign(StrEnum):
    """Which way the phase of an analog drive turns."""

    DOCUMENTED = "documented"
    LOCAL_SIMULATOR = "local_simulator"


class TwinNoise(StrEnum):
    """Whether twins of processors err."""

    OFF = "off"
    CALIBRATED = "calibrated"


class LogFormat(StrEnum):
    """How the log on standard error is written."""

    TEXT = "text"
    JSON = "json"


class JobRuntime(StrEnum):
    """Where hybrid jobs run."""

    PROCESS = "process"
    CONTAINER = "container"
    RAY = "ray"


def default_job_runtime(executor: str) -> JobRuntime:
    """Return where hybrid jobs run whose runtime the operator did not choose."""
    return JobRuntime.PROCESS if executor == "local" else JobRuntime.RAY


class LogLevel(StrEnum):
    """How much the log on standard error says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


@app.command()
def serve(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback needs keys.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="TCP port; 0 picks a free one.")
    ] = 4567,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    database: DatabaseUrl = "",
    account: Annotated[
        str,
        typer.Option(
            callback=_check_account, help="Account of requests while no access key is registered."
        ),
    ] = "000000000000",
    durability: Annotated[
        Durability,
        typer.Option(
            help="full: a 201 survives a power cut; normal: it survives any process's death."
        ),
    ] = Durability.FULL,
    workers: Annotated[
        int, typer.Option(min=0, help="Worker processes; 0 means one for each processor.")
    ] = 0,
    executor: Annotated[
        str,
        typer.Option(
            callback=_check_executor,
            help="Where quantum tasks run: local, or a Ray cluster: auto, ray://HOST:PORT or "
            "HOST:PORT. Ray's nodes then say how many, and how large.",
        ),
    ] = "local",
    ray_resource: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_resources,
            help="ARN=NAME:AMOUNT: what a device's tasks need on a Ray node besides processors "
            "and memory, as GPU:1. May be given several times.",
        ),
    ] = None,
    memory: Annotated[
        float,
        typer.Option(
            min=0,
            callback=_check_number,
            help="GiB for all simulations together; 0 means 85 % of memory.",
        ),
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Seed of the samples of tasks that name none."),
    ] = None,
    respect_windows: Annotated[
        bool,
        typer.Option(
            "--respect-windows",
            help="Start tasks of a device in its execution windows only; else at any time.",
        ),
    ] = False,
    aws_quotas: Annotated[
        bool, typer.Option("--aws-quotas", help="Limit request rates and live tasks as AWS does.")
    ] = False,
    cancel_of_ended: Annotated[
        CancelOfEnded,
        typer.Option(
            help="Cancelling a task that completed or failed: "
            "conflict refuses it; accept answers CANCELLED and changes nothing."
        ),
    ] = CancelOfEnded.CONFLICT,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Simulators refuse what AWS's refuse, instead of also taking what the SDK's "
            "local simulators take.",
        ),
    ] = False,
    events_to: Annotated[
        str,
        typer.Option(
            help="Where changes of status are told: file:PATH, a URL, sqs+URL or eventbridge+URL."
        ),
    ] = "",
    kept_days: Annotated[
        int,
        typer.Option(
            min=0,
            max=36500,
            help="Days that records of ended tasks and jobs are kept; 0 keeps them. "
            "Objects in S3 stay.",
        ),
    ] = 0,
    lenient: Annotated[
        bool,
        typer.Option("--lenient", help="Run analog programs beyond their device, with warnings."),
    ] = False,
    analog_noise: Annotated[
        AnalogNoise, typer.Option(help="Errors of analog devices: as the device states, or none.")
    ] = AnalogNoise.DEVICE,
    phase_sign: Annotated[
        PhaseSign,
        typer.Option(
            help="Sign of the phase of analog drives: as AWS documents it, "
            "or as the SDK's local simulator has it."
        ),
    ] = PhaseSign.DOCUMENTED,
    job_runtime: Annotated[
        JobRuntime | None,
        typer.Option(
            help="Hybrid jobs: in processes on this machine, by Docker or Podman, or on the nodes "
            "of --executor, which is the default where that is a Ray cluster."
        ),
    ] = None,
    job_endpoint: Annotated[
        str,
        typer.Option(
            callback=_check_url,
            help="Where hybrid jobs on other machines reach this service, http://HOST:PORT; "
            "by default the address that it listens on.",
        ),
    ] = "",
    job_instances: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Instances of hybrid jobs side by side; 0 lets jobs wait. "
            "By default 10 for each processor, as memory allows.",
        ),
    ] = None,
    job_memory: Annotated[
        float,
        typer.Option(
            min=0,
            callback=_check_number,
            help="GiB for one instance of a job; 0 means what its type has.",
        ),
    ] = 0,
    job_disk: Annotated[
        float,
        typer.Option(
            min=0.1, callback=_check_number, help="GiB that one instance of a job may write."
        ),
    ] = 30,
    job_log: Annotated[
        float,
        typer.Option(
            min=0.1, callback=_check_number, help="MiB that one instance of a job may print."
        ),
    ] = 256,
    job_inactivity: Annotated[
        float,
        typer.Option(
            min=0.01,
            callback=_check_number,
            help="Minutes for which a job keeps a QPU's priority without submitting a task.",
        ),
    ] = 5,
    job_users: Annotated[
        str,
        typer.Option(
            help="Where the service runs as root: FIRST-LAST, ids without an account of which "
            "each running job gets one as its user; or `none`, and jobs are root."
        ),
    ] = "60706-61183",
    keep_failed_jobs: Annotated[
        float,
        typer.Option(
            min=0, callback=_check_number, help="Days for which failed jobs' directories are kept."
        ),
    ] = 0,
    twin_noise: Annotated[
        TwinNoise,
        typer.Option(help="Errors of twins of processors: from the devices' figures, or none."),
    ] = TwinNoise.CALIBRATED,
    device_profile: Annotated[
        list[Path] | None,
        typer.Option(help="File of a device of your own, or of a newer calibration; repeatable."),
    ] = None,
    s3_endpoint: Annotated[
        str,
        typer.Option(
            help="URL of another S3 store for all objects; its keys come from "
            "OPENBRAKET_S3_ACCESS_KEY_ID and OPENBRAKET_S3_SECRET_ACCESS_KEY."
        ),
    ] = "",
    s3_region: Annotated[
        str, typer.Option(help="Region that requests to that store are signed for.")
    ] = "us-east-1",
    log_level: Annotated[
        LogLevel, typer.Option(help="How much goes to standard error.")
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(help="text for people; json for a collector, an object a line.")
    ] = LogFormat.TEXT,
    exports: Annotated[
        bool, typer.Option("--exports", help="Also print the lines that point clients here.")
    ] = False,
    exit_on_stdin_close: Annotated[
        bool, typer.Option("--exit-on-stdin-close", help="Stop when standard input ends.")
    ] = False,
) -> None:
    """Run the service until Ctrl-C or SIGTERM.

    Prints `ready URL` once it answers; its log goes to standard error.
    """
    # Start-up makes objects that stay; collecting among them costs a tenth of its time.
    gc.disable()
    from openbraket.base.machine import memory_bytes_available
    from openbraket.server.executors import parse_resources
    from openbraket.server.log_format import set_up_log
    from openbraket.server.object_store import read_store_settings
    from openbraket.server.run import run
    from openbraket.server.settings import Settings, cpu_count

    set_up_log(log_level.upper(), log_format.value)
    try:
        store = read_store_settings(s3_endpoint, s3_region, os.environ)
    except OpenBraketError as error:
        fail(error)
    settings = Settings(
        data_dir=data_dir.expanduser(),
        database_url=database,
        host=host,
        port=port,
        account=account,
        durability=durability.value,
        worker_count=workers or cpu_count(),
        executor=executor,
        ray_resources=parse_resources(ray_resource or ()),
        memory_bytes_max=int(memory * 2**30) or memory_bytes_available(),
        seed=seed,
        respects_windows=respect_windows,
        has_aws_quotas=aws_quotas,
        cancel_of_ended=cancel_of_ended.value,
        is_strict=strict,
        events_to=events_to,
        is_lenient=lenient,
        kept_days=kept_days,
        analog_noise=analog_noise.value,
        phase_sign=phase_sign.value,
        job_runtime=(job_runtime or default_job_runtime(executor)).value,
        job_endpoint_url=job_endpoint,
        job_instance_count_max=job_instances,
        job_memory_bytes_max=int(job_memory * 2**30) or None,
        job_disk_bytes_max=int(job_disk * 2**30),
        job_log_bytes_max=int(job_log * 2**20),
        job_inactivity_s=60 * job_inactivity,
        job_user_ids=_read_user_ids(job_users),
        failed_jobs_kept_s=86_400 * keep_failed_jobs,
        # A service for the length of a test leaves nothing running.
        ends_jobs_at_stop=exit_on_stdin_close,
        twin_noise=twin_noise.value,
        device_profiles=tuple(path.expanduser() for path in device_profile or ()),
        store=store,
    )

    def announce(url: str) -> None:
        gc.freeze()
        gc.enable()
        typer.echo(f"ready {url}")
        if exports:
            _print_exports(url, settings.data_dir)
        sys.stdout.flush()

    try:
        run(settings, announce=announce, exit_on_stdin_close=exit_on_stdin_close)
    except OpenBraketError as error:
        fail(error)


@app.command()
def demo() -> None:
    """Start a service, run real programs on it through unmodified clients, show the results.

    Raises:
        Exit: With the command's status.
    """
    try:
        from openbraket.cli.demo import run_demo
    except ImportError as error:
        typer.echo(
            f"The demonstration needs its clients: pip install 'openbraket[demo]' ({error})",
            err=True,
        )
        raise typer.Exit(1) from None
    try:
        status = run_demo()
    except KeyboardInterrupt:
        typer.echo("\nInterrupted; the service has stopped.", err=True)
        status = 130
    raise typer.Exit(status)


@key_app.command("create")
def create_key(
    *,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    database: DatabaseUrl = "",
    account: Annotated[
        str, typer.Option(callback=_check_account, help="Account that the key signs for.")
    ] = "000000000000",
) -> None:
    """Register a new access key and print it; the secret is shown this once."""
    from openbraket.server.keys import create_access_key

    try:
        access_key, secret_key = create_access_key(
            data_dir.expanduser(), account=account, url=database
        )
    except OpenBraketError as error:
        fail(error)
    typer.echo(f"export AWS_ACCESS_KEY_ID={access_key}")
    typer.echo(f"export AWS_SECRET_ACCESS_KEY={secret_key}")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"openbraket {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A quantum cloud on your own machine that speaks Amazon Braket's wire protocol."""


def _print_exports(url: str, data_dir: Path) -> None:
    from openbraket.testing.service import client_environment

    typer.echo("\nPoint any AWS client here by pasting:\n")
    for name, value in client_environment(url).items():
        typer.echo(f"export {name}={value}")
    typer.echo(f"\nRecords and objects are in {data_dir}. Ctrl-C stops the service.")


if __name__ == "__main__":
    app()
