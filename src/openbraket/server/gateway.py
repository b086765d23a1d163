"""The way of a request through the house: a list of named handlers over one exchange.

Each handler fills in what the next ones need, or raises `ServiceError`, which the service that
the request was meant for writes in its own form. Reading from top to bottom of `Gateway.handlers`
is reading the architecture.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol, runtime_checkable

from openbraket.base import metrics
from openbraket.base.errors import OpenBraketError
from openbraket.base.ids import new_id
from openbraket.server.keys import KeyRing
from openbraket.services.braket.quotas import Throttle, ThrottledError
from openbraket.services.context import Context, Handler, Resources
from openbraket.services.errors import translate
from openbraket.store.session_keys import SessionKey
from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request, Response
from openbraket.wire.route import virtual_bucket
from openbraket.wire.service import Operation, Service
from openbraket.wire.sigv4 import (
    Scope,
    missing_authentication,
    read_scope,
    unknown_access_key,
    verify,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_BYTES_MAX: Final = 16 << 20
REGION_DEFAULT: Final = "us-east-1"
# Some clients put the bucket before the host unless the host is an address.
BASE_HOSTS: Final = ("localhost",)
# A client that neither sends nor takes a byte for so long loses its connection, as in S3.
STALL_S: Final = 300.0
PATH_LOGGED_LENGTH_MAX: Final = 256
RETRY_AFTER_HEADER: Final = "x-amz-retry-after"
# Answers that have no body, and hence no length either.
_BODILESS: Final = frozenset({204, 304})

_log = logging.getLogger("openbraket.server")


@runtime_checkable
class AsyncClosable(Protocol):
    """A stream that lets go of its file when it is closed early."""

    async def aclose(self) -> None:
        """Let go of what the stream holds."""


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(slots=True)
class Binding:
    """A service of the gateway: its compiled model and the handlers of its operations."""

    service: Service
    operations: Mapping[str, Handler]


@dataclass(slots=True)
class Exchange:
    """One request and, in the end, its response; `is_last` ends the connection with it."""

    request: Request
    receive: Receive
    request_id: str
    started: float
    stall_s: float = STALL_S
    is_body_begun: bool = False
    is_last: bool = False
    credential: Scope | None = None
    account: str = ""
    secret_key: str | None = None
    session: SessionKey | None = None
    binding: Binding = field(init=False)
    operation: Operation = field(init=False)
    labels: dict[str, str] = field(init=False)
    params: dict[str, Any] = field(init=False)
    response: Response | None = None


class Gateway:
    """Raw ASGI application that answers every AWS request on the one port.

    Args:
        bindings: Services by the name in a credential scope.
        resources: What operation handlers work with, and the pages beside the AWS requests.
        keys: Registered access keys; none means that any signature is accepted.
        account: Account of requests signed with an unknown key, while no key is registered.
        stall_s: How long a client may neither send nor take a byte, in seconds.
        throttle: Refuses Braket requests beyond AWS's rates; None lets all pass.
    """

    def __init__(
        self,
        bindings: Mapping[str, Binding],
        resources: Resources,
        keys: KeyRing,
        *,
        account: str,
        stall_s: float = STALL_S,
        throttle: Throttle | None = None,
    ) -> None:
        self._throttle = throttle
        self._bindings = bindings
        self.resources = resources
        self._keys = keys
        self._account = account
        self._stall_s = stall_s
        self.handlers: tuple[Callable[[Exchange], Awaitable[None]], ...] = (
            self.identify,
            self.choose_service,
            self.route,
            self.read_body,
            self.authenticate,
            self.throttle,
            self.parse,
            self.invoke,
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        exchange = _open_exchange(scope, receive, self._stall_s)
        try:
            for handler in self.handlers:
                await handler(exchange)
        except ServiceError as error:
            self._refuse(exchange, error)
        except OpenBraketError as error:
            self._refuse(exchange, translate(error))
        except ClientGoneError:
            fields = _fields(exchange)
            _log.info("%s client closed the connection", _describe(exchange), extra=fields)
            return
        except asyncio.CancelledError:
            exchange.is_last = True
            text = "The server is stopping; please try again"
            self._refuse(exchange, ServiceError("ServiceUnavailable", text, status=503))
        except Exception:
            _log.exception("%s failed", _describe(exchange), extra=_fields(exchange))
            text = "The server failed; its log has the reason under this request id"
            self._refuse(exchange, ServiceError("InternalServiceException", text, status=500))
        _count(exchange)
        try:
            if exchange.response is not None:
                await _send_response(exchange, exchange.response, send)
        except asyncio.CancelledError:
            _log.info("%s answer cut off, since the server stops", _describe(exchange))
        except TimeoutError:
            _log.info("%s client stopped reading", _describe(exchange))
        except OpenBraketError as error:
            _log.error("%s answer cut off: %s", _describe(exchange), _one_line(str(error)))

    async def identify(self, exchange: Exchange) -> None:
        """Read who claims to have signed the request; unsigned requests pass as nobody."""
        exchange.credential = read_scope(exchange.request)

    async def choose_service(self, exchange: Exchange) -> None:
        """Choose the service by the credential scope; an unsigned request by its route.

        Raises:
            ServiceError: NotImplemented for a service that is not here.
        """
        if exchange.credential is not None:
            name = exchange.credential.service
        else:
            name = self._service_of_unsigned(exchange.request)
        binding = self._bindings.get(name)
        if binding is None:
            known = ", ".join(sorted(self._bindings))
            message = f"OpenBraket does not serve '{name}'; it serves {known}"
            raise ServiceError("NotImplemented", message, status=501)
        exchange.binding = binding

    async def route(self, exchange: Exchange) -> None:
        """Find the operation: on the raw path, or in the body where the protocol has it there."""
        service = exchange.binding.service
        if service.protocol == "query":
            exchange.request.body = await _read_whole_body(exchange)
        exchange.operation, exchange.labels = service.route(exchange.request)

    async def read_body(self, exchange: Exchange) -> None:
        """Take in the body, or leave it as a stream where the operation streams."""
        if exchange.operation.has_streaming_input:
            exchange.request.stream = _body_stream(exchange)
        elif exchange.binding.service.protocol != "query":
            exchange.request.body = await _read_whole_body(exchange)

    async def authenticate(self, exchange: Exchange) -> None:
        """Check the signature where keys are registered, and always that of a job; else accept any.

        Raises:
            ServiceError: The signature is missing or wrong, or its key is not registered.
        """
        exchange.account = self._account
        if exchange.credential is not None and KeyRing.is_temporary(exchange.credential.access_key):
            self._authenticate_job(exchange, exchange.credential)
            return
        keys = self._keys.keys()
        if not keys:
            return
        credential = exchange.credential
        if credential is None:
            refusal = missing_authentication(exchange.binding.service.name)
            raise refusal
        key = keys.get(credential.access_key)
        if key is None:
            refusal = unknown_access_key(credential)
            raise refusal
        _verify(exchange, credential, key.secret_key)
        exchange.account = key.account

    def _authenticate_job(self, exchange: Exchange, credential: Scope) -> None:
        """Check the signature of a job's temporary key; the key dies with the job.

        Raises:
            ServiceError: The signature or the session token is wrong, or the job has ended.
        """
        key = self._keys.session(credential.access_key)
        if key is None:
            refusal = unknown_access_key(credential)
            raise refusal
        _verify(exchange, credential, key.secret_key, session_token=key.session_token)
        exchange.account = key.account
        exchange.session = key

    async def throttle(self, exchange: Exchange) -> None:
        """Refuse a Braket request beyond AWS's rates, where the operator wants these."""
        if self._throttle is not None and exchange.binding.service.name == "braket":
            name = exchange.operation.name
            self._throttle.admit(exchange.account, _region(exchange), name)

    async def parse(self, exchange: Exchange) -> None:
        """Decode and validate the request's members against the model."""
        exchange.params = exchange.operation.parse(exchange.request, exchange.labels)

    async def invoke(self, exchange: Exchange) -> None:
        """Run the operation and serialize its output.

        Raises:
            ServiceError: The operation refuses the request, or is not here yet.
        """
        operation = exchange.operation
        handler = exchange.binding.operations.get(operation.name)
        if handler is None:
            refusal = _not_available(exchange.binding, operation.name)
            raise refusal
        context = Context(
            account=exchange.account,
            region=_region(exchange),
            request_id=exchange.request_id,
            request=exchange.request,
            resources=self.resources,
            credential=exchange.credential,
            secret_key=exchange.secret_key,
            session=exchange.session,
        )
        output = await handler(context, exchange.params)
        exchange.response = operation.serialize(output, exchange.request_id)

    def _service_of_unsigned(self, request: Request) -> str:
        try:
            self._bindings["braket"].service.route(request)
        except ServiceError:
            return "sts" if _is_form(request) else "s3"
        return "braket"

    def _binding_in_form_of(self, request: Request) -> Binding:
        """Return a service whose errors the client of an unknown service can read."""
        return self._bindings["sts" if _is_form(request) else "braket"]

    def _refuse(self, exchange: Exchange, error: ServiceError) -> None:
        binding = getattr(exchange, "binding", None) or self._binding_in_form_of(exchange.request)
        milliseconds = 1000 * (time.perf_counter() - exchange.started)
        _log.info(
            "%s %d %s: %s (%.1f ms)",
            _describe(exchange),
            error.status,
            error.code,
            _one_line(error.message),
            milliseconds,
            extra={**_fields(exchange), "status": error.status},
        )
        response = binding.service.serialize_error(
            error,
            exchange.request_id,
            exchange.request.raw_path,
            is_head=exchange.request.method == "HEAD",
        )
        if isinstance(error, ThrottledError):
            # Newer AWS SDKs wait at least so long before they try again.
            response.headers.append((RETRY_AFTER_HEADER, str(error.retry_after_ms)))
        exchange.response = response


def _verify(
    exchange: Exchange, credential: Scope, secret_key: str, *, session_token: str = ""
) -> None:
    host = exchange.request.headers.get("host", "")
    verify(
        exchange.request,
        credential,
        secret_key,
        now=datetime.now(UTC),
        session_token=session_token,
        virtual_bucket=virtual_bucket(host, BASE_HOSTS),
    )
    exchange.secret_key = secret_key


def _region(exchange: Exchange) -> str:
    credential = exchange.credential
    return (credential.region if credential else "") or REGION_DEFAULT


def _is_form(request: Request) -> bool:
    """Return whether a request speaks the query protocol."""
    content_type = request.headers.get("content-type", "")
    return request.method == "POST" and content_type.startswith("application/x-www-form-urlencoded")


def _open_exchange(scope: Message, receive: Receive, stall_s: float) -> Exchange:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    client = scope.get("client")
    request = Request(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query_string=scope["query_string"].decode("latin-1"),
        headers=headers,
        remote=client[0] if client else "",
    )
    return Exchange(request, receive, new_id(), time.perf_counter(), stall_s)


async def _body_stream(exchange: Exchange) -> AsyncIterator[bytes]:
    exchange.is_body_begun = True
    while True:
        message = await _receive(exchange)
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        if body := message.get("body", b""):
            yield body
        if not message.get("more_body", False):
            return


async def _receive(exchange: Exchange) -> Message:
    try:
        async with asyncio.timeout(exchange.stall_s):
            return await exchange.receive()
    except TimeoutError:
        exchange.is_last = True
        text = (
            "Your socket connection to the server was not read from or written to within the "
            "timeout period. Idle connections will be closed."
        )
        raise ServiceError("RequestTimeout", text, status=400) from None


async def _read_whole_body(exchange: Exchange) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in _body_stream(exchange):
        size += len(piece)
        if size > BODY_BYTES_MAX:
            # The rest is read and dropped, so that the client gets the answer, not a broken pipe.
            pieces.clear()
        else:
            pieces.append(piece)
    if size > BODY_BYTES_MAX:
        message = f"The request body has {size} bytes; the limit is {BODY_BYTES_MAX}"
        raise ServiceError("RequestEntityTooLargeException", message, status=413)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _send_response(exchange: Exchange, response: Response, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers]
    if not exchange.is_body_begun and "expect" in exchange.request.headers:
        # The client was never told to send its body, so what it sends next is another request.
        exchange.is_last = True
    if exchange.is_last:
        headers.append((b"connection", b"close"))
    start = {"type": "http.response.start", "status": response.status, "headers": headers}
    if response.stream is not None:
        await send(start)
        await _send_stream(exchange, response.stream, send)
        return
    has_length = exchange.request.method != "HEAD" and response.status not in _BODILESS
    if has_length and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send(start)
    await send({"type": "http.response.body", "body": response.body})


async def _send_stream(exchange: Exchange, stream: AsyncIterator[bytes], send: Send) -> None:
    """Send a body piece by piece, and stop reading it when the client has gone."""
    gone = asyncio.ensure_future(exchange.receive())
    try:
        async for piece in stream:
            if gone.done():
                return
            async with asyncio.timeout(exchange.stall_s):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        if isinstance(stream, AsyncClosable):
            await stream.aclose()


def _not_available(binding: Binding, operation_name: str) -> ServiceError:
    if "ValidationException" in binding.service.error_statuses:
        message = f"{operation_name} is not available in this version of OpenBraket"
        return ServiceError("ValidationException", message, status=400)
    message = f"{operation_name} is not implemented"
    return ServiceError("NotImplemented", message, status=501)


def _describe(exchange: Exchange) -> str:
    request = exchange.request
    operation = getattr(exchange, "operation", None)
    name = operation.name if operation else "-"
    path = request.raw_path[:PATH_LOGGED_LENGTH_MAX]
    return f"{exchange.request_id} {request.method} {path} {name}"


def _count(exchange: Exchange) -> None:
    """Count an answered request, and log it where the log says everything."""
    binding = getattr(exchange, "binding", None)
    operation = getattr(exchange, "operation", None)
    service_name = binding.service.name if binding is not None else "-"
    operation_name = operation.name if operation is not None else "-"
    status = exchange.response.status if exchange.response is not None else 0
    seconds = time.perf_counter() - exchange.started
    metrics.of_request(service_name, operation_name, status, seconds)
    if _log.isEnabledFor(logging.DEBUG):
        text = "%s %d (%.1f ms)"
        extra = {**_fields(exchange), "status": status}
        _log.debug(text, _describe(exchange), status, 1000 * seconds, extra=extra)


def _fields(exchange: Exchange) -> dict[str, object]:
    """Return what a structured log says of a request; see `server.log_format.FIELDS`."""
    operation = getattr(exchange, "operation", None)
    params = getattr(exchange, "params", {})
    arns = [value for name, value in params.items() if name.lower().endswith("arn")]
    return {
        "request_id": exchange.request_id,
        "operation": operation.name if operation is not None else None,
        "account": exchange.account or None,
        "duration_ms": round(1000 * (time.perf_counter() - exchange.started), 3),
        "arn": arns[0] if arns else None,
    }


def _one_line(text: str) -> str:
    # A client's control characters stay out of the log and off the terminal.
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())
