"""What no client library sends: broken requests, clients that vanish, connections without end."""

import contextlib
import re
import socket
import time
from pathlib import Path

import boto3
import pytest

from openbraket.testing import launch
from support.patience import PATIENCE_S

MIB = 1 << 20


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Return a service of its own with an object of 32 MiB, so that nothing else opens files."""
    running = launch(tmp_path_factory.mktemp("raw"), options=("--workers", "1"))
    assert b" 200 " in ask(running, request("PUT", "/raw-bucket"))
    assert b" 200 " in ask(running, request("PUT", "/raw-bucket/big", body=bytes(32 * MIB)))
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log_path.read_text(errors="replace")


def request(method, target, *, service="s3", body=b"", headers="", host="127.0.0.1", is_last=True):
    credential = f"AK/20260101/us-east-1/{service}/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00"
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"Authorization: {signature}"]
    if is_last:
        lines.append("Connection: close")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n" + headers + "\r\n").encode("latin-1") + body


def connect(service):
    host, port = service.endpoint_url.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def ask(service, data):
    """Send requests, the last one saying so, and return all that comes back."""
    with connect(service) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(MIB), b""))


def settle(read, wanted):
    deadline = time.monotonic() + PATIENCE_S
    while read() != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return read()


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /b\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET ?a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://host HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /devices HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(raw, data):
    assert ask(raw, data).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "GET", "PUT"])
@pytest.mark.parametrize("service", ["braket", "s3", "sts"])
def test_no_method_on_any_path_fails_the_server(raw, method, service):
    targets = ("/", "/bkt", "/bkt/k", "/device/%", "/device/%ff", "/tags/x", "/jobs", "//", "/%2F")
    for target in targets:
        headers = "" if method != "PUT" else "Content-Length: 0\r\n"
        answer = ask(raw, request(method, target, service=service, headers=headers))
        status = int(answer.split(b" ")[1])
        assert status < 500 or status == 501, (target, answer)


@pytest.mark.parametrize(
    "head",
    [
        request("GET", "/", headers="X-A: " + "a" * MIB + "\r\n"),
        request("GET", "/", headers="X-A: a\r\n" * 100_000),
        request("GET", "/" + "a" * MIB),
    ],
    ids=["header", "headers", "path"],
)
def test_a_head_without_end_is_refused(raw, head):
    with connect(raw) as connection:
        # The server may have answered already, and does not read the rest.
        with contextlib.suppress(ConnectionError):
            connection.sendall(head)
        assert connection.recv(64).startswith(b"HTTP/1.1 431 ")


def test_pipelined_requests_are_answered_in_order(raw):
    three = (
        request("PUT", "/no-such-bucket/k", body=b"x" * 100, is_last=False)
        + request("POST", "/devices", service="braket", body=b'{"filters":[]}', is_last=False)
        + request("GET", "/")
    )
    answers = ask(raw, three)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"404", b"200", b"200"]


@pytest.mark.parametrize("offer", ["Upgrade: h2c", "upgrade: TLS/1.2", "UPGRADE: websocket"])
def test_offer_to_change_the_protocol_is_ignored(raw, offer):
    headers = f"Connection: Upgrade\r\n{offer}\r\n"
    body = b'{"filters":[]}'
    both = request("POST", "/devices", service="braket", body=body, headers=headers, is_last=False)
    both += request("GET", "/")
    assert re.findall(rb"HTTP/1.1 (\d+)", ask(raw, both)) == [b"200", b"200"]


def test_garbage_behind_a_request_does_not_reach_its_answer(raw):
    with connect(raw) as connection:
        connection.sendall(
            request("GET", "/raw-bucket/big", is_last=False) + b"\x00garbage\r\n\r\n"
        )
        received = b"".join(iter(lambda: connection.recv(MIB), b""))
    assert received.count(b"HTTP/1.1") <= 1


@pytest.mark.parametrize("kind", ["download", "pipelined downloads", "upload", "chunked upload"])
def test_clients_that_vanish_leave_nothing_behind(raw, kind):
    sent = {
        "download": request("GET", "/raw-bucket/big"),
        "pipelined downloads": request("GET", "/raw-bucket/big", is_last=False) * 3,
        "upload": request("PUT", "/raw-bucket/x", headers=f"Content-Length: {9 * MIB}\r\n")
        + bytes(3 * MIB),
        "chunked upload": request("PUT", "/raw-bucket/x", headers="Transfer-Encoding: chunked\r\n")
        + b"100000\r\n"
        + bytes(MIB)
        + b"\r\n5\r\nab",
    }[kind]
    descriptors = Path(f"/proc/{raw.process.pid}/fd")
    if not descriptors.exists():
        pytest.skip("needs /proc")
    objects = len(list(raw.data_dir.glob("objects/*/*")))
    before = len(list(descriptors.iterdir()))
    connections = [connect(raw) for _ in range(8)]
    for connection in connections:
        connection.sendall(sent)
        if "download" in kind:
            connection.recv(1000)
    for connection in connections:
        connection.close()
    assert settle(lambda: len(list(descriptors.iterdir())), before) == before
    assert settle(lambda: len(list(raw.data_dir.glob("incoming/*"))), 0) == 0
    assert len(list(raw.data_dir.glob("objects/*/*"))) == objects


def test_body_beyond_the_limit_is_refused_with_the_limit(raw):
    answer = ask(raw, request("POST", "/quantum-task", service="braket", body=b"x" * 20_000_000))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the limit is 16777216" in answer


def test_an_unknown_service_is_refused_in_its_own_form(raw):
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    body = b"Action=DescribeRegions&Version=2016-11-15"
    answer = ask(raw, request("POST", "/", service="ec2", body=body, headers=form))
    assert answer.startswith(b"HTTP/1.1 501 ")
    assert b"<Code>NotImplemented</Code>" in answer
    answer = ask(raw, request("POST", "/", service="kms", body=b"{}"))
    assert b'"__type":"NotImplemented"' in answer


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/", "Date: Fri, 16 May 2025 17:23:19 +9999999999999\r\n", 200),
        ("/raw-bucket/big?response-expires=9999-12-31T23:59:59-23:59", "", 400),
        ("/raw-bucket/big", f"Range: bytes={32 * MIB - 1}-{'9' * 5000}\r\n", 206),
        ("/raw-bucket/big", f"Range: bytes={'9' * 5000}-\r\n", 416),
        ("/raw-bucket/big", f"Range: bytes=-{'9' * 5000}\r\n", 206),
    ],
)
def test_numbers_beyond_all_bounds_are_no_failure(raw, target, headers, status):
    answer = ask(raw, request("GET", target, headers=headers))
    assert int(answer.split(b" ")[1]) == status


def test_announced_length_beyond_all_bounds_is_too_large(raw):
    header = f"x-amz-decoded-content-length: {'9' * 5000}\r\n"
    answer = ask(raw, request("PUT", "/raw-bucket/k", body=b"x", headers=header))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>EntityTooLarge</Code>" in answer


def test_answers_without_a_body_have_no_length(raw):
    assert ask(raw, request("PUT", "/raw-bucket/small", body=b"x")).startswith(b"HTTP/1.1 200 ")
    unchanged = ask(
        raw, request("GET", "/raw-bucket/small", headers="If-None-Match: *\r\n")
    ).lower()
    assert unchanged.startswith(b"http/1.1 304 ")
    assert b"content-length" not in unchanged
    assert b'etag: "9dd4e461268c8034f5c8564e155c67a6"' in unchanged
    assert b"last-modified: " in unchanged
    deleted = ask(raw, request("DELETE", "/raw-bucket/small")).lower()
    assert deleted.startswith(b"http/1.1 204 ")
    assert b"content-length" not in deleted


def test_control_characters_of_a_client_stay_out_of_the_log(raw):
    arn = "arn%3Aaws%3Abraket%3A%1B%5B31m%00"
    assert ask(raw, request("GET", f"/device/{arn}", service="braket")).startswith(b"HTTP/1.1 400 ")
    log = raw.log_path.read_text(errors="replace")
    assert "\x1b" not in log
    assert "\x00" not in log


def test_bucket_in_the_host_name_is_read_below_localhost(raw):
    listed = ask(raw, request("GET", "/?list-type=2", host="raw-bucket.localhost:4567"))
    assert b"<Name>raw-bucket</Name>" in listed
    assert b"<Key>big</Key>" in listed


def test_a_stop_in_the_middle_of_transfers_is_clean(tmp_path):
    running = launch(tmp_path, options=("--workers", "1"))
    client = boto3.client(
        "s3",
        endpoint_url=running.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    client.create_bucket(Bucket="stopped")
    client.put_object(Bucket="stopped", Key="big", Body=bytes(32 * MIB))
    client.close()
    with connect(running) as upload, connect(running) as download:
        upload.sendall(request("PUT", "/stopped/k", headers="Content-Length: 99\r\n") + b"half")
        download.sendall(request("GET", "/stopped/big"))
        download.recv(1000)
        assert running.stop() == 0
        assert upload.recv(64).startswith((b"HTTP/1.1 503 ", b""))
    log = running.log_path.read_text()
    assert "Traceback" not in log
    assert not list(tmp_path.glob("incoming/*"))
