"""Start a real service as a child process and point clients at it."""

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 15.0
# `services.pricing.PATH`, which would be slow to import here; a test compares the two.
PRICE_LIST_PATH: Final = "/offers/v1.0/aws/AmazonBraket/current/index.csv"
# Variables of the user's own that would win over `client_environment`, and send a test's requests
# elsewhere, in the worst case to AWS.
_OVERRIDING: Final = (
    "AWS_ENDPOINT_URL_BRAKET",
    "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
    "AWS_ENDPOINT_URL_ECR",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "BRAKET_ENDPOINT",
)


class ServiceStartError(RuntimeError):
    """The service did not become ready; the message ends with what it wrote."""


@dataclass(slots=True)
class Service:
    """A running service.

    Attributes:
        endpoint_url: What clients need, for example `http://127.0.0.1:40215`.
        data_dir: Its records and objects.
        log_path: What it writes to standard error.
        process: The server process.
    """

    endpoint_url: str
    data_dir: Path
    log_path: Path
    process: "subprocess.Popen[str]"

    def environment(self, *, region: str = "us-east-1") -> dict[str, str]:
        """Return the environment variables that point any AWS client at this service."""
        return client_environment(self.endpoint_url, region=region)

    def stop(self) -> int:
        """Stop the service cleanly and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self._wait()

    def kill(self) -> None:
        """Kill the server process with SIGKILL, as a crash would."""
        self.process.kill()
        self._wait()

    def _wait(self) -> int:
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        return status


def client_environment(endpoint_url: str, *, region: str = "us-east-1") -> dict[str, str]:
    """Return the environment variables that point any AWS client at `endpoint_url`."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "openbraket",
        "AWS_SECRET_ACCESS_KEY": "openbraket",
        "AWS_DEFAULT_REGION": region,
        # The cost tracker of the Braket SDK asks here, whatever the endpoint is.
        "BRAKET_PRICE_OFFERS_URL": endpoint_url + PRICE_LIST_PATH,
    }


def launch(data_dir: Path, *, port: int = 0, options: tuple[str, ...] = ()) -> Service:
    """Start `openbraket serve` and wait until it is ready.

    Args:
        data_dir: Folder of records and objects, created where missing.
        port: TCP port on 127.0.0.1; 0 picks a free one.
        options: Further options of `openbraket serve`.

    Returns:
        The running service; it also stops when this process ends.

    Raises:
        ServiceStartError: It ended, or was not ready within `START_TIMEOUT_S`.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    log_path = data_dir / "server.log"
    command = [sys.executable, "-m", "openbraket.cli.main", "serve", "--exit-on-stdin-close"]
    command += ["--port", str(port), "--data-dir", str(data_dir), *options]
    with log_path.open("a") as log:
        process = subprocess.Popen(  # noqa: S603  (our own command)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # Ctrl-C in the terminal is for the caller, who then stops the service.
            start_new_session=True,
        )
    service = Service("", data_dir, log_path, process)
    line = _first_line(process)
    if not line.startswith("ready "):
        service.stop()
        raise ServiceStartError(f"The service did not start:\n{log_path.read_text()[-4000:]}")
    service.endpoint_url = line.split()[1]
    return service


@contextmanager
def start(
    *,
    data_dir: Path | None = None,
    options: tuple[str, ...] = (),
    environment: bool = True,
    region: str = "us-east-1",
) -> Iterator[Service]:
    """Run a service for the length of a `with` block.

    Args:
        data_dir: Folder of records and objects; a temporary one where None.
        options: Further options of `openbraket serve`.
        environment: Whether to point this process's AWS clients at the service meanwhile.
        region: Default region of those clients.

    Yields:
        The running service.

    Raises:
        ServiceStartError: It did not become ready.

    Examples:
        >>> import openbraket.testing, boto3
        >>> with openbraket.testing.start() as service:
        ...     len(boto3.client("braket").search_devices(filters=[])["devices"]) > 0
        True
    """
    with tempfile.TemporaryDirectory(prefix="openbraket-") as temporary:
        if data_dir is None:
            # What is thrown away at the end need not survive a loss of power.
            data_dir, options = Path(temporary), ("--durability", "normal", *options)
        service = launch(data_dir, options=options)
        try:
            with _set_environment(service.environment(region=region) if environment else {}):
                yield service
        finally:
            service.stop()


def _first_line(process: "subprocess.Popen[str]") -> str:
    if process.stdout is None:
        raise AssertionError("the process was started with a pipe")
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.05)[0]:
            return process.stdout.readline()
        if process.poll() is not None:
            return ""
    return ""


@contextmanager
def _set_environment(variables: Mapping[str, str]) -> Iterator[None]:
    cleared = _OVERRIDING if variables else ()
    before = {name: os.environ.get(name) for name in (*variables, *cleared)}
    for name in cleared:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
