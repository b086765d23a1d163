"""A service compiled from its model: routing, and per operation parsing and serializing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from openbraket.wire import error_bodies, query_body, route, xml_body
from openbraket.wire.codecs import Codec, JsonCodec, XmlCodec
from openbraket.wire.errors import COMMON_STATUSES, S3_STATUSES, MalformedError, ServiceError
from openbraket.wire.http import Request, Response
from openbraket.wire.model import Model, Shape
from openbraket.wire.rest_request import RequestReader, compile_request
from openbraket.wire.rest_response import ResponseWriter, compile_response
from openbraket.wire.validate import Check, Violation, new_check_compiler, summary

_MALFORMED_XML = (
    "The XML you provided was not well-formed or did not validate against our published schema"
)
# Members whose bad value has a code of its own in S3.
_S3_MEMBER_ERRORS = {
    "LocationConstraint": (
        "InvalidLocationConstraint",
        "The specified location-constraint is not valid",
    ),
    "StorageClass": ("InvalidStorageClass", "The storage class you specified is not valid"),
}


@dataclass(frozen=True, slots=True)
class Refusals:
    """How a service answers a request that it cannot accept.

    Attributes:
        malformed: The error for a body that cannot be read or has values of a wrong type.
        argument: The same for a header, a label or a query parameter.
        invalid: The error for broken constraints.
    """

    malformed: Callable[[MalformedError], ServiceError]
    argument: Callable[[MalformedError], ServiceError]
    invalid: Callable[[list[Violation]], ServiceError]


class Operation:
    """One operation of a service.

    Attributes:
        name: Name in the model.
        has_streaming_input: Whether the request's body is a stream that must not be collected.
        has_streaming_output: Whether the response's body may be a stream.
        is_implemented: Whether the model kept the operation's shapes.
        input_shape: The shape of what `parse` returns.
        output_shape: The shape of what `serialize` takes.
    """

    __slots__ = (
        "_check",
        "_read",
        "_refusals",
        "_write",
        "has_streaming_input",
        "has_streaming_output",
        "input_shape",
        "is_implemented",
        "name",
        "output_shape",
    )

    def __init__(
        self,
        name: str,
        shapes: tuple[Shape, Shape],
        closures: tuple[RequestReader, Check | None, ResponseWriter] | None,
        refusals: Refusals,
    ) -> None:
        self.name = name
        self.input_shape, self.output_shape = shapes
        self.is_implemented = closures is not None
        self.has_streaming_input = any(member.is_streaming for member in shapes[0].members)
        self.has_streaming_output = any(member.is_streaming for member in shapes[1].members)
        self._read, self._check, self._write = closures or (_no_input, None, _no_output)
        self._refusals = refusals

    def __repr__(self) -> str:
        """Return the operation's name, for messages of tests."""
        return f"Operation({self.name})"

    def parse(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """Return the input of the operation, checked against every constraint of the model.

        Args:
            request: The request, with its complete body or its stream.
            labels: The decoded labels that `Service.route` returned.

        Returns:
            Values by member name. Members that are absent or null are left out; timestamps are
            milliseconds since the epoch; a streaming member is an AsyncIterator of bytes.

        Raises:
            ServiceError: The request cannot be read or breaks a constraint, or the operation is
                not implemented.
        """
        if not self.is_implemented:
            raise ServiceError("NotImplemented", f"{self.name} is not implemented.", status=501)
        try:
            params = self._read(request, labels)
        except MalformedError as error:
            is_document = error.is_document
            refuse = self._refusals.malformed if is_document else self._refusals.argument
            raise refuse(error) from error
        if self._check is not None:
            violations: list[Violation] = []
            self._check(params, "", violations)
            if violations:
                raise self._refusals.invalid(violations)
        return params

    def serialize(self, output: Mapping[str, Any], request_id: str) -> Response:
        """Return the response of success.

        Args:
            output: Values by member name; None and unknown members are left out. Timestamps are
                milliseconds since the epoch; a streaming member is bytes or an AsyncIterator.
            request_id: The id that identifies this request in logs.

        Raises:
            ServiceError: The operation is not implemented.
        """
        if not self.is_implemented:
            raise ServiceError("NotImplemented", f"{self.name} is not implemented.", status=501)
        return self._write(output, request_id)


def _no_input(_request: Request, _labels: dict[str, str]) -> dict[str, Any]:
    return {}


def _no_output(_output: Mapping[str, Any], _request_id: str) -> Response:
    return Response(200, [])


class Service:
    """One compiled service model.

    Attributes:
        name: The name it was loaded by, for example `s3`.
        protocol: rest-json, rest-xml, json or query.
        operations: The operations by name.
        error_statuses: HTTP status of every error code that the service may answer.
    """

    def __init__(self, name: str, model: Model, *, base_hosts: tuple[str, ...] = ()) -> None:
        self.name = name
        self.protocol: str = model.metadata["protocol"]
        is_s3 = self.protocol == "rest-xml"
        s3_statuses = S3_STATUSES if is_s3 else {}
        self.error_statuses: Mapping[str, int] = {
            **COMMON_STATUSES,
            **s3_statuses,
            **model.error_statuses,
        }
        self._refusals = _refusals(self.protocol, model, self.error_statuses)
        build, self._router, self._write_error = _protocol(model, base_hosts)
        compile_check = new_check_compiler()
        self.operations: Mapping[str, Operation] = {
            operation: self._operation(operation, model, build, compile_check)
            for operation in model.operations
        }

    @classmethod
    def load(cls, name: str, *, base_hosts: tuple[str, ...] = ()) -> "Service":
        """Return the service with the packaged model `name`.

        Args:
            name: braket, s3 or sts.
            base_hosts: S3 only: host names under which `bucket.host` names a bucket.

        Raises:
            FileNotFoundError: No model of that name is packaged.
        """
        return cls(name, Model.read(name), base_hosts=base_hosts)

    def route(self, request: Request) -> tuple[Operation, dict[str, str]]:
        """Return the operation that a request asks for and the decoded labels of its path.

        Raises:
            ServiceError: No operation is there, or the path cannot be decoded.
        """
        try:
            name, labels = self._router(request)
        except MalformedError as error:
            raise self._refusals.argument(error) from error
        return self.operations[name], labels

    def error(self, code: str, message: str, /, **members: object) -> ServiceError:
        """Return an error of this service, with the status that its model gives.

        Args:
            code: A modeled code, or one that every AWS service has.
            message: What was wrong.
            **members: Further members of the modeled error.

        Raises:
            LookupError: The service has no such error.
        """
        status = self.error_statuses.get(code)
        if status is None:
            raise LookupError(f"{self.name} has no error {code}")
        return ServiceError(code, message, status=status, members=members)

    def serialize_error(
        self, error: ServiceError, request_id: str, resource: str = "", *, is_head: bool = False
    ) -> Response:
        """Return an error as a response.

        Args:
            error: The error.
            request_id: The id that identifies this request in logs.
            resource: S3 only: the path that the request named.
            is_head: Whether the request's method was HEAD, whose answers have no body.
        """
        response = self._write_error(error, request_id, resource)
        if is_head:
            response.body = b""
        return response

    def _operation(
        self,
        name: str,
        model: Model,
        build: Callable[[dict[str, Any], Shape, Shape], tuple[RequestReader, ResponseWriter]],
        compile_check: Callable[[Shape], Check | None],
    ) -> Operation:
        traits = model.operations[name]
        shapes = (model.structure(traits.get("input")), model.structure(traits.get("output")))
        if not traits.get("isImplemented", True):
            return Operation(name, shapes, None, self._refusals)
        read, write = build(traits, *shapes)
        return Operation(name, shapes, (read, compile_check(shapes[0]), write), self._refusals)


def _refusals(protocol: str, model: Model, statuses: Mapping[str, int]) -> Refusals:
    """Return how a service refuses; the codes are those that its model has."""
    if protocol == "rest-xml":
        return Refusals(
            malformed=lambda _: ServiceError("MalformedXML", _MALFORMED_XML, status=400),
            argument=lambda error: ServiceError("InvalidArgument", str(error), status=400),
            invalid=_s3_invalid(model),
        )
    if protocol == "query":
        invalid, malformed = "ValidationError", "MalformedInput"
    else:
        known = ("InvalidParameterException", "ValidationException")
        invalid = next((code for code in known if code in model.error_statuses), known[1])
        # A REST service without a modeled error for bad syntax answers the one that it has.
        is_modeled = protocol == "json" or "SerializationException" in model.error_statuses
        malformed = "SerializationException" if is_modeled else invalid

    def refuse(error: MalformedError) -> ServiceError:
        return ServiceError(malformed, str(error), status=statuses[malformed])

    def refuse_invalid(violations: list[Violation]) -> ServiceError:
        return ServiceError(invalid, summary(violations), status=statuses[invalid])

    return Refusals(malformed=refuse, argument=refuse, invalid=refuse_invalid)


def _s3_invalid(model: Model) -> Callable[[list[Violation]], ServiceError]:
    """Return the function that chooses among S3's codes by the place of a broken constraint."""
    inputs = (model.structure(traits.get("input")) for traits in model.operations.values())
    payloads = frozenset(shape.payload for shape in inputs if shape.payload)

    def refuse(violations: list[Violation]) -> ServiceError:
        path = violations[0].path
        code, message = _S3_MEMBER_ERRORS.get(path.rpartition(".")[2], ("", ""))
        if not code and path in payloads:
            code, message = "MissingRequestBodyError", "Request Body is empty"
        elif not code and "." in path:
            # Only members of a document have a path of several parts.
            code, message = "MalformedXML", _MALFORMED_XML
        elif not code:
            code, message = "InvalidArgument", summary(violations)
        return ServiceError(code, message, status=400)

    return refuse


_Build = Callable[[dict[str, Any], Shape, Shape], tuple[RequestReader, ResponseWriter]]


def _protocol(
    model: Model, base_hosts: tuple[str, ...]
) -> tuple[_Build, route.Router, error_bodies.ErrorWriter]:
    """Return how the model's protocol builds operations, routes, and writes errors."""
    protocol = model.metadata["protocol"]
    namespace = model.metadata.get("xmlNamespace", "")
    if protocol == "rest-json":
        codec = JsonCodec()
        writer = error_bodies.json_error_writer(model, codec.content_type)
        return _rest_builder(codec), route.rest_router(model), writer
    if protocol == "rest-xml":
        router = route.bucket_router(model, base_hosts)
        return _rest_builder(XmlCodec(namespace)), router, error_bodies.s3_error
    if protocol == "json":
        codec = JsonCodec(f"application/x-amz-json-{model.metadata['jsonVersion']}")
        writer = error_bodies.json_error_writer(model, codec.content_type)
        return _rest_builder(codec), route.target_router(model), writer
    if protocol == "query":
        writer = error_bodies.query_error_writer(namespace)
        return _query_builder(namespace), route.action_router(model), writer
    raise NotImplementedError(f"protocol {protocol}")


def _rest_builder(codec: Codec) -> _Build:
    """Return the builder for REST; json-1.1 is REST without labels, parameters and headers."""

    def build(
        traits: dict[str, Any], input_shape: Shape, output_shape: Shape
    ) -> tuple[RequestReader, ResponseWriter]:
        status = traits["http"].get("responseCode", 200)
        return compile_request(input_shape, codec), compile_response(output_shape, codec, status)

    return build


def _query_builder(namespace: str) -> _Build:
    """Return the builder for the query protocol."""
    compile_reader = query_body.new_reader_compiler()
    compile_writer = xml_body.new_writer_compiler()
    attribute = f' xmlns="{namespace}"' if namespace else ""

    def build(
        traits: dict[str, Any], input_shape: Shape, output_shape: Shape
    ) -> tuple[RequestReader, ResponseWriter]:
        read_fields = compile_reader(input_shape)
        write_members = compile_writer(output_shape)
        name = traits["name"]
        wrapper = traits.get("output", {}).get("resultWrapper", f"{name}Result")

        def read(request: Request, _labels: dict[str, str]) -> dict[str, Any]:
            params: dict[str, Any] = read_fields(query_body.tree(route.query_fields(request)))
            return params

        def write(output: Mapping[str, Any], request_id: str) -> Response:
            out = [f"<{name}Response{attribute}><{wrapper}>"]
            write_members(output, out)
            out.append(f"</{wrapper}><ResponseMetadata>")
            out.append(xml_body.element("RequestId", request_id))
            out.append(f"</ResponseMetadata></{name}Response>")
            headers = [("x-amzn-requestid", request_id), ("Content-Type", "text/xml")]
            return Response(200, headers, "".join(out).encode("utf-8"))

        return read, write

    return build
