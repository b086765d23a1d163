"""The command `openbraket serve` starts fast, says where it is, and stops cleanly."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import pytest

import openbraket.testing
from support.patience import PATIENCE_S

COMMAND = [sys.executable, "-m", "openbraket.cli.main"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_with_status_zero_and_no_traceback(tmp_path, number):
    service = openbraket.testing.launch(tmp_path)
    with urllib.request.urlopen(service.endpoint_url + "/healthz") as answer:
        assert json.loads(answer.read())["status"] == "ok"
    service.process.send_signal(number)
    assert service.process.wait(PATIENCE_S) == 0
    service.stop()
    assert "Traceback" not in service.log_path.read_text()


def test_it_stops_when_standard_input_ends(tmp_path):
    service = openbraket.testing.launch(tmp_path)
    service.process.stdin.close()
    assert service.process.wait(PATIENCE_S) == 0
    service.process.stdout.close()


def test_first_line_on_stdout_is_ready_and_the_url(tmp_path):
    service = openbraket.testing.launch(tmp_path)
    assert service.endpoint_url.startswith("http://127.0.0.1:")
    assert int(service.endpoint_url.rpartition(":")[2]) > 0
    assert service.stop() == 0


def test_data_directory_in_use_refuses_a_second_server(tmp_path):
    service = openbraket.testing.launch(tmp_path)
    try:
        second = run("serve", "--port", "0", "--data-dir", str(tmp_path))
        assert second.returncode == 1
        assert str(tmp_path) in second.stderr
        assert "Traceback" not in second.stderr
    finally:
        service.stop()


def test_port_in_use_is_said_plainly(tmp_path):
    service = openbraket.testing.launch(tmp_path / "one")
    try:
        port = service.endpoint_url.rpartition(":")[2]
        second = run("serve", "--port", port, "--data-dir", str(tmp_path / "two"))
        assert second.returncode == 1
        assert port in second.stderr
        assert "Traceback" not in second.stderr
    finally:
        service.stop()


def test_address_beyond_loopback_without_keys_is_refused(tmp_path):
    done = run("serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "openbraket key create" in done.stderr


def test_with_a_registered_key_every_request_is_verified(tmp_path):
    printed = run("key", "create", "--data-dir", str(tmp_path), "--account", "123456789012").stdout
    access_key, secret_key = (line.partition("=")[2] for line in printed.splitlines())
    service = openbraket.testing.launch(tmp_path)
    try:

        def client(name, access, secret):
            return boto3.client(
                name,
                endpoint_url=service.endpoint_url,
                region_name="us-east-1",
                aws_access_key_id=access,
                aws_secret_access_key=secret,
                config=botocore.config.Config(retries={"total_max_attempts": 1}),
            )

        assert (
            client("sts", access_key, secret_key).get_caller_identity()["Account"] == "123456789012"
        )
        assert (
            client("braket", access_key, secret_key).search_quantum_tasks(filters=[])[
                "quantumTasks"
            ]
            == []
        )
        for wrong in (("stranger", secret_key), (access_key, "wrong")):
            for name, call in (
                ("braket", lambda c: c.search_devices(filters=[])),
                ("s3", lambda c: c.list_buckets()),
                ("sts", lambda c: c.get_caller_identity()),
            ):
                with pytest.raises(botocore.exceptions.ClientError) as caught:
                    call(client(name, *wrong))
                assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 403}
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(service.endpoint_url + "/device/arn:aws:braket:::device/x")
        assert refused.value.code == 403
        refused.value.close()
    finally:
        service.stop()


def run(*arguments):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serve", "--account", "me"), "twelve digits"),
        (("key", "create", "--account", "1"), "twelve digits"),
        (("serve", "--memory", "inf"), "inf"),
        (("serve", "--memory", "nan"), "--memory"),
    ],
)
def test_wrong_option_is_said_plainly(arguments, said):
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_url_of_an_ipv6_address_has_brackets(tmp_path):
    try:
        service = openbraket.testing.launch(tmp_path, options=("--host", "::1"))
    except openbraket.testing.ServiceStartError as error:
        pytest.skip(str(error))
    try:
        assert service.endpoint_url.startswith("http://[::1]:")
        with urllib.request.urlopen(f"{service.endpoint_url}/healthz") as answer:
            assert answer.status == 200
    finally:
        service.stop()


def test_variables_that_would_lead_elsewhere_are_put_aside(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://elsewhere.invalid")
    monkeypatch.setenv("BRAKET_ENDPOINT", "http://elsewhere.invalid")
    with openbraket.testing.start(data_dir=tmp_path, options=("--workers", "1")) as service:
        assert "AWS_ENDPOINT_URL_S3" not in os.environ
        assert "BRAKET_ENDPOINT" not in os.environ
        assert os.environ["AWS_ENDPOINT_URL"] == service.endpoint_url
    assert os.environ["AWS_ENDPOINT_URL_S3"] == "http://elsewhere.invalid"
