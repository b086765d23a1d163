"""Errors as responses, one function per protocol."""

from collections.abc import Callable
from typing import Any

from openbraket.wire import json_body, xml_body
from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Response
from openbraket.wire.model import Model
from openbraket.wire.rest_response import header_value
from openbraket.wire.timestamps import format_rfc822

# Takes the error, the request id and the resource that the request named.
ErrorWriter = Callable[[ServiceError, str, str], Response]


def json_error_writer(model: Model, content_type: str) -> ErrorWriter:
    """Return the writer of rest-json and json-1.1 errors.

    The text stands as `message`, which clients read, and as `Message` with `Code`, which the
    service's published description has.
    """
    compile_shape = json_body.new_writer_compiler()
    writers = {code: compile_shape(shape) for code, shape in model.error_shapes.items()}

    def write(error: ServiceError, request_id: str, _resource: str) -> Response:
        write_members = writers.get(error.code)
        document: dict[str, Any] = write_members(error.members) if write_members else {}
        document |= {
            "__type": error.code,
            "Code": error.code,
            "Message": error.message,
            "message": error.message,
        }
        headers = [
            ("Content-Type", content_type),
            ("x-amzn-requestid", request_id),
            ("x-amzn-errortype", header_value(error.code)),
        ]
        return Response(error.status, headers, json_body.dump(document))

    return write


def query_error_writer(namespace: str) -> ErrorWriter:
    """Return the writer of the query protocol's errors."""
    attribute = f' xmlns="{namespace}"' if namespace else ""

    def write(error: ServiceError, request_id: str, _resource: str) -> Response:
        fault = "Sender" if error.status < 500 else "Receiver"
        inner = (
            xml_body.element("Type", fault)
            + xml_body.element("Code", error.code)
            + xml_body.element("Message", error.message)
            + _members(error)
        )
        body = (
            f"<ErrorResponse{attribute}><Error>{inner}</Error>"
            f"{xml_body.element('RequestId', request_id)}</ErrorResponse>"
        )
        headers = [("Content-Type", "text/xml"), ("x-amzn-requestid", request_id)]
        return Response(error.status, headers, body.encode("utf-8"))

    return write


def s3_error(error: ServiceError, request_id: str, resource: str) -> Response:
    """Return S3's form of an error; 304 has no body, but the headers that caches look at."""
    headers = [("x-amz-request-id", request_id), ("x-amz-id-2", request_id)]
    if error.status == 304:
        etag, time_ms = error.members.get("ETag"), error.members.get("LastModified")
        if isinstance(etag, str):
            headers.append(("ETag", header_value(etag)))
        if isinstance(time_ms, int):
            headers.append(("Last-Modified", format_rfc822(time_ms)))
        return Response(304, headers)
    body = (
        f"{xml_body.DECLARATION}<Error>"
        f"{xml_body.element('Code', error.code)}{xml_body.element('Message', error.message)}"
        f"{_members(error)}{xml_body.element('Resource', resource)}"
        f"{xml_body.element('RequestId', request_id)}{xml_body.element('HostId', request_id)}"
        "</Error>"
    )
    return Response(error.status, [*headers, ("Content-Type", "application/xml")], body.encode())


def _members(error: ServiceError) -> str:
    return "".join(
        xml_body.element(name, str(value))
        for name, value in error.members.items()
        if value is not None
    )
