"""The gateway without a server around it."""

import asyncio

import pytest

from openbraket.base.errors import StoreError
from openbraket.server.gateway import Binding, Gateway
from openbraket.wire.service import Service

STALL_S = 0.01


class NoKeys:
    """A key ring without keys: any signature is accepted."""

    def keys(self):
        return {}


class Client:
    """One request's ASGI callables: sends the given messages, then nothing, and keeps answers."""

    def __init__(self, *messages, takes=10**6):
        self.messages = list(messages)
        self.answers = []
        self.takes = takes

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def send(self, message):
        if len(self.answers) >= self.takes:
            await asyncio.get_running_loop().create_future()
        self.answers.append(message)

    @property
    def head(self):
        return self.answers[0]["status"], dict(self.answers[0]["headers"])


class Body:
    """An object's content that never ends, or breaks off."""

    def __init__(self, error=None):
        self.error = error
        self.is_closed = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.error is not None:
            raise self.error
        return b"x"

    async def aclose(self):
        self.is_closed = True


def gateway(s3_operations=None, *, stall_s=STALL_S):
    bindings = {
        "braket": Binding(Service.load("braket"), {}),
        "s3": Binding(Service.load("s3"), s3_operations or {}),
        "sts": Binding(Service.load("sts"), {}),
    }
    return Gateway(bindings, None, NoKeys(), account="000000000000", stall_s=stall_s)


def scope(method, path):
    return {
        "method": method,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
    }


WHOLE = {"type": "http.request", "body": b"", "more_body": False}


def test_body_that_stops_half_way_is_answered_and_the_connection_ends():
    client = Client({"type": "http.request", "body": b'{"filt', "more_body": True})
    asyncio.run(gateway()(scope("POST", "/devices"), client.receive, client.send))
    status, headers = client.head
    assert status == 400
    assert headers[b"connection"] == b"close"
    assert b'"__type":"RequestTimeout"' in client.answers[1]["body"]


def test_client_that_stops_reading_lets_go_of_the_content():
    body = Body()

    async def get_object(_context, _params):
        return {"Body": body, "ContentLength": 100}

    client = Client(WHOLE, takes=2)
    operations = {"GetObject": get_object}
    asyncio.run(gateway(operations)(scope("GET", "/bucket/key"), client.receive, client.send))
    assert body.is_closed


def test_content_that_breaks_off_is_told_in_one_line(caplog):
    body = Body(StoreError("Content 1 ends at byte 2."))

    async def get_object(_context, _params):
        return {"Body": body, "ContentLength": 100}

    client = Client(WHOLE)
    operations = {"GetObject": get_object}
    asyncio.run(gateway(operations)(scope("GET", "/bucket/key"), client.receive, client.send))
    assert body.is_closed
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "ends at byte 2" in record.getMessage()
    assert record.exc_info is None


def test_request_cut_off_by_a_stop_is_told_to_come_again():
    client = Client({"type": "http.request", "body": b'{"filt', "more_body": True})

    async def stop_meanwhile():
        answer = gateway(stall_s=60)
        task = asyncio.create_task(answer(scope("POST", "/devices"), client.receive, client.send))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(stop_meanwhile())
    assert client.head[0] == 503


@pytest.mark.parametrize(
    ("content_type", "start"), [("application/x-www-form-urlencoded", b"<"), ("text/plain", b"{")]
)
def test_unknown_service_is_refused_in_a_form_that_its_client_reads(content_type, start):
    client = Client(WHOLE)
    asked = scope("POST", "/")
    signature = "Credential=A/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0"
    asked["headers"] += [
        (b"content-type", content_type.encode()),
        (b"authorization", f"AWS4-HMAC-SHA256 {signature}".encode()),
    ]
    asyncio.run(gateway()(asked, client.receive, client.send))
    assert client.head[0] == 501
    assert client.answers[1]["body"].startswith(start)
