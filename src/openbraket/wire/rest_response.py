"""Responses of the REST protocols: one dict to status, headers and body."""

import base64
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from openbraket.wire.codecs import Codec
from openbraket.wire.http import Response
from openbraket.wire.model import Member, Shape
from openbraket.wire.text import TextWriter, text_writer
from openbraket.wire.timestamps import RFC822

ResponseWriter = Callable[[Mapping[str, Any], str], Response]
Headers = list[tuple[str, str]]

_NOT_IN_NAME = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


def header_value(text: str) -> str:
    """Return `text` as a header's value.

    Control characters become spaces, so that a value from a client cannot start another header;
    what Latin-1 does not have is encoded after RFC 2047, as S3 does it.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _CONTROL.sub(" ", text)
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
        return f"=?UTF-8?B?{encoded}?="
    return text


def compile_response(shape: Shape, codec: Codec, status: int) -> ResponseWriter:
    """Return a function from an operation's output and a request id to the response.

    Args:
        shape: The operation's output.
        codec: The protocol's documents.
        status: The modeled status of success. A Content-Range in the output makes it 206.
    """
    write_headers = _headers_writer(shape)
    write_body = _body_writer(shape, codec)
    codes = [member.name for member in shape.members if member.location == "statusCode"]

    def write(output: Mapping[str, Any], request_id: str) -> Response:
        headers = codec.request_id_headers(request_id)
        write_headers(output, headers)
        is_partial = status == 200 and any(name == "Content-Range" for name, _ in headers)
        response = Response(206 if is_partial else status, headers)
        for name in codes:
            response.status = output.get(name, response.status)
        content_type = write_body(output, response)
        if content_type and not any(name == "Content-Type" for name, _ in headers):
            headers.append(("Content-Type", content_type))
        return response

    return write


def _headers_writer(shape: Shape) -> Callable[[Mapping[str, Any], Headers], None]:
    entries = [
        (member.name, member.wire_name, _header_writer(member))
        for member in shape.members
        if member.location == "header"
    ]
    prefixes = [
        (member.name, member.wire_name) for member in shape.members if member.location == "headers"
    ]

    def write(output: Mapping[str, Any], headers: Headers) -> None:
        for name, header, write_text in entries:
            value = output.get(name)
            if value is not None:
                headers.append((header, header_value(write_text(value))))
        for name, prefix in prefixes:
            for key, value in (output.get(name) or {}).items():
                headers.append((_NOT_IN_NAME.sub("", prefix + key), header_value(value)))

    return write


def _header_writer(member: Member) -> TextWriter:
    element = member.shape.element
    if element is None:
        return text_writer(member, RFC822)
    write_item = text_writer(element, RFC822)
    return lambda value: ",".join(write_item(item) for item in value)


def _body_writer(shape: Shape, codec: Codec) -> Callable[[Mapping[str, Any], Response], str]:
    """Return a function that sets the body and returns its content type, or ""."""
    members = tuple(member for member in shape.members if not member.location)
    if shape.payload:
        (payload,) = (member for member in members if member.name == shape.payload)
        return _payload_writer(payload, codec)
    if not members:
        empty_type = codec.content_type if codec.empty_document else ""

        def write_empty(_output: Mapping[str, Any], response: Response) -> str:
            # 204 has no body.
            response.body = b"" if response.status == 204 else codec.empty_document
            return empty_type if response.body else ""

        return write_empty
    write_document = codec.body_writer(shape, members)

    def write(output: Mapping[str, Any], response: Response) -> str:
        response.body = write_document(output)
        return codec.content_type

    return write


def _payload_writer(member: Member, codec: Codec) -> Callable[[Mapping[str, Any], Response], str]:
    name = member.name
    if member.shape.type in {"blob", "string"}:
        content_type = "text/plain" if member.shape.type == "string" else "binary/octet-stream"

        def write_raw(output: Mapping[str, Any], response: Response) -> str:
            _set_raw(response, output.get(name))
            return content_type

        return write_raw
    write_document = codec.payload_writer(member)

    def write(output: Mapping[str, Any], response: Response) -> str:
        value = output.get(name)
        if value is None:
            return ""
        response.body = write_document(value)
        return codec.content_type

    return write


def _set_raw(response: Response, value: str | bytes | AsyncIterator[bytes] | None) -> None:
    if isinstance(value, str):
        response.body = value.encode("utf-8")
    elif isinstance(value, bytes):
        response.body = value
    elif value is not None:
        response.stream = value
