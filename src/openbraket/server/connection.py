"""One client's connection: uvicorn's, with bounds on what a client can hold without asking."""

import asyncio
import re
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# S3 and Braket refuse heads far below this. What one read of the socket brings on top of it, a
# quarter of a MiB, may still pass.
HEAD_BYTES_MAX: Final = 64 << 10
# As much of an answer waits for the rest of it, until the event loop's next turn.
JOINED_BYTES_MAX: Final = 64 << 10

_UPGRADE: Final = re.compile(rb"(?<=\n)upgrade(?=[ \t]*:)", re.IGNORECASE)
_TOO_LARGE_TEXT: Final = b"The request line and headers are larger than 64 KiB"
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"content-length: " + str(len(_TOO_LARGE_TEXT)).encode() + b"\r\n"
    b"connection: close\r\n\r\n" + _TOO_LARGE_TEXT
)


class Connection(HttpToolsProtocol):
    """A connection that ends when it is idle, also before its first request or within a head.

    uvicorn looks at the time only between two requests, keeps heads of any size, tells the latest
    of several pipelined requests, not the one being answered, that the client has gone, and sends
    the head of an answer apart from its body.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (uvicorn's)
        super().__init__(*arguments, **options)
        self._is_in_head = True
        self._head_size = 0
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to look at the time."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered that its client has gone."""
        self._unset_keepalive_if_required()
        self._cut_off()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in the next bytes, unless the head has become too large."""
        if self._is_in_head:
            self._head_size += len(data)
            data = _declined(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_in_head and self._head_size > HEAD_BYTES_MAX:
            self.logger.warning("A request's head is larger than %d bytes.", HEAD_BYTES_MAX)
            self._refuse(_TOO_LARGE)
        elif self.timeout_keep_alive_task is None and not self._is_answering():
            self._wait_for_request()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; never in the middle of the answer to an earlier request."""
        if self._is_answering():
            self._refuse(b"")
        else:
            super().send_400_response(msg)

    def on_headers_complete(self) -> None:
        """Note that what follows is a body."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that what follows is the next request's head."""
        self._is_in_head = True
        self._head_size = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _wait_for_request(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _refuse(self, answer: bytes) -> None:
        if answer and not self._is_answering():
            self.transport.write(answer)
        self._cut_off()
        self.transport.close()

    def _cut_off(self) -> None:
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()


class JoinedWrites:
    """A transport that sends in one piece what is written within one turn of the event loop.

    A server that dies then leaves an answer whole or nothing of it: botocore takes a head without
    its body for an answer without members.

    Args:
        transport: What sends.
        loop: The event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send bytes with those that come after them at once; many are sent without waiting."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= JOINED_BYTES_MAX:
            self._flush()

    def close(self) -> None:
        """Send what waits, and close the connection."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (the transport's)
        """Do everything else as the transport does."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            self._transport.write(b"".join(pieces))


def _declined(data: bytes) -> bytes:
    """Return the beginning of a request without its offer to change the protocol.

    Java's clients offer HTTP/2 or TLS with every request, and httptools takes a request with such
    an offer for one without a body.
    """
    if b"pgrade" not in data and b"PGRADE" not in data:
        return data
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"declined-upgrade", head) + end + body
