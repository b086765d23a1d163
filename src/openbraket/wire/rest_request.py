"""Requests of the REST protocols: labels, query, headers and body to one dict."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from openbraket.wire.codecs import Codec
from openbraket.wire.errors import MalformedError
from openbraket.wire.http import Request
from openbraket.wire.model import Member, Shape, Value
from openbraket.wire.query_body import parse_fields
from openbraket.wire.text import TextReader, text_reader

RequestReader = Callable[[Request, dict[str, str]], dict[str, Any]]
Fields = dict[str, list[str]]


def compile_request(shape: Shape, codec: Codec) -> RequestReader:
    """Return a function from a request and its labels to the input of an operation.

    Args:
        shape: The operation's input.
        codec: The protocol's documents.
    """
    by_location: dict[str, list[Member]] = {}
    for member in shape.members:
        by_location.setdefault(member.location, []).append(member)
    labels = [_text_entry(member) for member in by_location.get("uri", ())]
    queries = [_query_entry(member) for member in by_location.get("querystring", ())]
    read_headers = _headers_reader(by_location)
    read_body = _body_reader(shape, tuple(by_location.get("", ())), codec)

    def read(request: Request, values: dict[str, str]) -> dict[str, Any]:
        result = {name: read_text(values[wire_name]) for name, wire_name, read_text in labels}
        if queries and request.query_string:
            fields = parse_fields(request.query_string)
            for name, wire_name, read_values in queries:
                found = fields.get(wire_name)
                if found is not None:
                    _set(result, name, read_values, found)
        if read_headers is not None:
            read_headers(request, result)
        if read_body is not None:
            read_body(request, result)
        return result

    return read


def _set(result: dict[str, Any], name: str, read: Callable[[Any], Any], source: object) -> None:
    try:
        value = read(source)
    except MalformedError as error:
        raise error.inside(name) from None
    if value is not None:
        result[name] = value


def _text_entry(member: Member) -> tuple[str, str, TextReader]:
    return member.name, member.wire_name, text_reader(member)


def _query_entry(member: Member) -> tuple[str, str, Callable[[list[str]], Any]]:
    element = member.shape.element
    if element is not None:
        read_item = text_reader(element)
        return member.name, member.wire_name, lambda values: [read_item(text) for text in values]
    read_text = _optional(member)
    return member.name, member.wire_name, lambda values: read_text(values[-1])


def _optional(member: Member) -> TextReader:
    """Return a reader that takes an empty text as no value, unless the member is a string."""
    read_text = text_reader(member)
    if member.shape.type == "string":
        return read_text
    return lambda text: read_text(text) if text.strip() else None


def _headers_reader(
    by_location: dict[str, list[Member]],
) -> Callable[[Request, dict[str, Any]], None] | None:
    entries = [_header_entry(member) for member in by_location.get("header", ())]
    prefixes = [
        (member.name, member.wire_name.lower()) for member in by_location.get("headers", ())
    ]
    if not entries and not prefixes:
        return None

    def read(request: Request, result: dict[str, Any]) -> None:
        headers = request.headers
        if "AWSAccessKeyId=" in request.query_string:
            headers = _headers_in_query(request.query_string) | headers
        for name, header, read_header in entries:
            text = headers.get(header)
            if text is not None:
                _set(result, name, read_header, text)
        for name, prefix in prefixes:
            start = len(prefix)
            found = {key[start:]: text for key, text in headers.items() if key.startswith(prefix)}
            if found:
                result[name] = found

    return read


def _headers_in_query(query_string: str) -> dict[str, str]:
    """Return the headers that a URL presigned with version 2 has among its parameters."""
    return {
        name.lower(): values[-1]
        for name, values in parse_fields(query_string).items()
        if name.lower().startswith("x-amz-") or name.lower() in {"content-md5", "content-type"}
    }


def _header_entry(member: Member) -> tuple[str, str, TextReader]:
    header = member.wire_name.lower()
    element = member.shape.element
    if element is not None:
        read_item = text_reader(element)
        return (
            member.name,
            header,
            lambda text: [read_item(part.strip()) for part in text.split(",") if part.strip()],
        )
    if member.shape.type == "timestamp":
        return member.name, header, _lenient_time(text_reader(member))
    return member.name, header, _optional(member)


def _lenient_time(read_time: TextReader) -> TextReader:
    """Return a reader that ignores what is no date, as RFC 9110 13.1.3 wants it."""

    def read(text: str) -> Value:
        try:
            return read_time(text)
        except MalformedError:
            return None

    return read


def _body_reader(
    shape: Shape, members: tuple[Member, ...], codec: Codec
) -> Callable[[Request, dict[str, Any]], None] | None:
    if shape.payload:
        (payload,) = (member for member in members if member.name == shape.payload)
        return _payload_reader(payload, codec)
    if not members:
        return None
    read_document = codec.body_reader(shape, members)

    def read(request: Request, result: dict[str, Any]) -> None:
        result.update(read_document(request.body))

    return read


def _payload_reader(member: Member, codec: Codec) -> Callable[[Request, dict[str, Any]], None]:
    name = member.name
    if member.is_streaming:

        def read_stream(request: Request, result: dict[str, Any]) -> None:
            result[name] = request.stream if request.stream is not None else _once(request.body)

        return read_stream

    readers: dict[str, Callable[[bytes], Any]] = {"blob": bytes, "string": _read_string}
    read_document = readers.get(member.shape.type) or codec.payload_reader(member)

    def read(request: Request, result: dict[str, Any]) -> None:
        if request.body:
            _set(result, name, read_document, request.body)

    return read


def _read_string(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("The request body is not UTF-8") from error


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
