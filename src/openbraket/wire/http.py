"""The HTTP request and response that the wire reads and writes, free of any server's types."""

from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(slots=True)
class Request:
    """One HTTP request as it was received.

    Attributes:
        method: Upper-case HTTP method.
        raw_path: Percent-encoded path exactly as received, without the query; starts with `/`.
        query_string: Raw query without the question mark; may be empty.
        headers: Header values by lower-case name; repeated headers joined with `,`.
        body: Complete body, unless the operation streams.
        stream: The body of an operation with streaming input; `body` is then empty.
        remote: The peer's address, for logs.
    """

    method: str
    raw_path: str
    query_string: str
    headers: dict[str, str]
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    remote: str = ""


@dataclass(slots=True)
class Response:
    """One HTTP response, ready to be written.

    Attributes:
        status: HTTP status code.
        headers: Names and values in order. Without a Content-Length the server adds the body's
            size; an answer to HEAD may carry the Content-Length of a body that is not sent.
        body: Complete body.
        stream: Pieces of the body, used instead of `body` when set.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
