"""From a request to the name of its operation and the labels in its path."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from openbraket.wire.errors import MalformedError, ServiceError
from openbraket.wire.http import Request
from openbraket.wire.model import Model
from openbraket.wire.query_body import parse_fields

# Returns the operation's name and the decoded labels.
Router = Callable[[Request], tuple[str, dict[str, str]]]

_LABEL = re.compile(r"\{(\w+)\+?\}")


def decode_label(text: str) -> str:
    """Return a part of a raw path with its percent-encoding undone once.

    Raises:
        MalformedError: The decoded bytes are not UTF-8.
    """
    # All that most ARNs need.
    plain = text.replace("%3A", ":").replace("%2F", "/")
    if "%" not in plain and plain.isascii():
        return plain
    try:
        return unquote_to_bytes(text.encode("latin-1", "replace")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("The path is not UTF-8", is_document=False) from error


@dataclass(frozen=True, slots=True)
class _Route:
    """One operation's place: the literal text around its labels, and what else it needs.

    Attributes:
        operation: The operation's name.
        prefix: Literal text up to the first label; the whole path where there is none.
        suffix: Literal text after the last label.
        labels: Names of the labels.
        pattern: Expression for the path where there are several labels.
        query: Parameters that must be there, with the value or None for any.
        headers: Headers that must be there.
    """

    operation: str
    prefix: str
    suffix: str
    labels: tuple[str, ...]
    pattern: re.Pattern[str] | None
    query: tuple[tuple[str, str | None], ...]
    headers: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, name: str) -> "_Route":
        """Return the route of operation `name`."""
        operation = model.operations[name]
        template, _, query = operation["http"]["requestUri"].partition("?")
        labels = tuple(_LABEL.findall(template))
        literals = _LABEL.split(template)[::2]
        pattern = None
        if len(labels) > 1:
            pattern = re.compile("([^/]+)".join(map(re.escape, literals)))
        needs_query, needs_headers = _requirements(model, operation)
        for pair in query.split("&") if query else ():
            key, _, value = pair.partition("=")
            needs_query.append((key, value or None))
        return cls(
            name,
            literals[0],
            literals[-1] if labels else "",
            labels,
            pattern,
            tuple(needs_query),
            tuple(needs_headers),
        )

    def match(self, path: str) -> dict[str, str] | None:
        """Return the raw labels in `path`, or None where it is not this route's.

        A single label takes everything up to the suffix, slashes too: an ARN may arrive with its
        slashes encoded or not.
        """
        if not self.labels:
            return {} if path == self.prefix else None
        if self.pattern is not None:
            found = self.pattern.fullmatch(path)
            return None if found is None else dict(zip(self.labels, found.groups(), strict=True))
        if not path.startswith(self.prefix) or not path.endswith(self.suffix):
            return None
        label = path[len(self.prefix) : len(path) - len(self.suffix)]
        return {self.labels[0]: label} if label else None

    def accepts(self, fields: Mapping[str, list[str]], headers: Mapping[str, str]) -> bool:
        """Return whether the parameters and headers that this route needs are there."""
        for name, value in self.query:
            found = fields.get(name)
            if found is None or (value is not None and value not in found):
                return False
        return all(name in headers for name in self.headers)


def _requirements(
    model: Model, operation: dict[str, Any]
) -> tuple[list[tuple[str, str | None]], list[str]]:
    """Return the query parameters and headers that tell an operation from others on its path."""
    if "required" in operation:
        required = operation["required"]
        names, headers = required.get("query", ()), required.get("headers", ())
    else:
        members = [m for m in model.structure(operation.get("input")).members if m.is_required]
        names = [m.wire_name for m in members if m.location == "querystring"]
        headers = [m.wire_name for m in members if m.location == "header"]
    query: list[tuple[str, str | None]] = [(name, None) for name in names]
    return query, [name.lower() for name in headers]


def rest_router(model: Model) -> Router:
    """Return a router on method and raw path, for services other than S3."""
    routes: dict[tuple[str, str], list[_Route]] = {}
    for name, operation in model.operations.items():
        route = _Route.of(model, name)
        # A missing parameter is a matter of validation here, not of routing.
        template = operation["http"]["requestUri"].partition("?")[0]
        key = (operation["http"]["method"], template.split("/", 2)[1])
        routes.setdefault(key, []).append(route)
    for entries in routes.values():
        entries.sort(key=lambda route: (-len(route.suffix), -len(route.prefix)))

    def route_request(request: Request) -> tuple[str, dict[str, str]]:
        path = request.raw_path
        end = path.find("/", 1)
        segment = path[1:] if end < 0 else path[1:end]
        for route in routes.get((request.method, segment), ()):
            labels = route.match(path)
            if labels is not None:
                return route.operation, {name: decode_label(text) for name, text in labels.items()}
        raise ServiceError(
            "UnknownOperationException",
            f"No operation is at {request.method} {path[:256]}",
            status=404,
        )

    return route_request


def split_bucket(request: Request, base_hosts: tuple[str, ...] = ()) -> tuple[str, str]:
    """Return the raw bucket and the raw key that a request names; each may be empty.

    Args:
        request: A request to S3.
        base_hosts: Host names under which `bucket.host` names a bucket. Any other host has the
            bucket as the first part of the path.
    """
    bucket = virtual_bucket(request.headers.get("host", ""), base_hosts) if base_hosts else ""
    if bucket:
        return bucket, request.raw_path[1:]
    bucket, _, key = request.raw_path[1:].partition("/")
    return bucket, key


def virtual_bucket(host: str, base_hosts: tuple[str, ...]) -> str:
    """Return the bucket in a virtual-host-style Host header, or ""."""
    name = host.lower().rpartition(":")[0] or host.lower()
    for base in base_hosts:
        if name.endswith("." + base.lower()):
            return name[: -len(base) - 1]
    return ""


def bucket_router(model: Model, base_hosts: tuple[str, ...] = ()) -> Router:
    """Return S3's router: on method, bucket and key, then on parameters and headers.

    Args:
        model: S3's model.
        base_hosts: Host names under which `bucket.host` names a bucket.
    """
    routes: dict[tuple[str, int], list[_Route]] = {}
    for name, operation in model.operations.items():
        route = _Route.of(model, name)
        if not route.labels and route.prefix != "/":
            continue  # WriteGetObjectResponse, at a path that could be a bucket's
        key = (operation["http"]["method"], len(route.labels))
        routes.setdefault(key, []).append(route)

    def rank(route: _Route) -> tuple[int, bool, bool]:
        operation = model.operations[route.operation]
        needs = len(route.query) + len(route.headers)
        return -needs, not operation.get("isImplemented", True), bool(operation.get("deprecated"))

    for entries in routes.values():
        entries.sort(key=rank)

    def route_request(request: Request) -> tuple[str, dict[str, str]]:
        bucket, key = split_bucket(request, base_hosts)
        if key and not bucket:
            raise ServiceError("InvalidURI", "Couldn't parse the specified URI.", status=400)
        level = 2 if key else 1 if bucket else 0
        fields = parse_fields(request.query_string) if request.query_string else {}
        for route in routes.get((request.method, level), ()):
            if route.accepts(fields, request.headers):
                texts = (decode_label(bucket), decode_label(key))
                return route.operation, dict(zip(route.labels, texts, strict=False))
        message = "The specified method is not allowed against this resource."
        raise ServiceError("MethodNotAllowed", message, status=405)

    return route_request


def target_router(model: Model) -> Router:
    """Return a router on the X-Amz-Target header (json-1.0 and json-1.1)."""
    prefix = model.metadata["targetPrefix"]

    def route_request(request: Request) -> tuple[str, dict[str, str]]:
        target = request.headers.get("x-amz-target", "")
        service, _, name = target.rpartition(".")
        if service != prefix or name not in model.operations:
            message = f"Unknown operation: {target[:256]}"
            raise ServiceError("UnknownOperationException", message, status=400)
        return name, {}

    return route_request


def query_fields(request: Request) -> dict[str, list[str]]:
    """Return the parameters of a query request, from its form or else from its URL.

    Raises:
        MalformedError: The parameters cannot be decoded.
    """
    form = request.body.decode("latin-1").strip()
    return parse_fields(form or request.query_string)


def action_router(model: Model) -> Router:
    """Return a router on the parameter Action (query protocol)."""
    version = model.metadata["apiVersion"]

    def route_request(request: Request) -> tuple[str, dict[str, str]]:
        name = query_fields(request).get("Action", [""])[-1]
        if name not in model.operations:
            message = f"Could not find operation {name[:256]} for version {version}"
            raise ServiceError("InvalidAction", message, status=400)
        return name, {}

    return route_request
