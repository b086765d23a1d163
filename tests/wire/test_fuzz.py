"""Whatever arrives, only a ServiceError comes out."""

import contextlib
import json

import hypothesis
import hypothesis.strategies as st
import pytest

from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request
from openbraket.wire.sigv4 import read_scope

LATIN = st.text(st.characters(max_codepoint=255), max_size=40)
PATHS = st.one_of(
    LATIN.map(lambda text: "/" + text),
    st.sampled_from(["/", "/quantum-task", "/devices", "/b", "/b/k", "/device/%ff", "/tags/x"]),
)
QUERIES = st.one_of(
    LATIN,
    st.sampled_from([
        "delete", "uploads", "uploadId=1", "list-type=2&max-keys=%31", "attributes", "policy",
        "AWSAccessKeyId=&x-amz-meta-a=%0d%0a", "X-Amz-Credential=a/b/c/s3/aws4_request", "&&==&",
        "partNumber=1&uploadId=", "location=%ff",
    ]),
)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from([
        "x-amz-target", "if-modified-since", "x-amz-copy-source", "x-amz-acl", "authorization",
        "x-amz-object-attributes", "content-length", "x-amz-date", "date", "range",
        "x-amz-server-side-encryption-bucket-key-enabled", "x-amz-meta-x", "host",
    ]),
    LATIN,
    max_size=4,
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["shots", "tags", "filters", "values", "name", "action", "timePeriod"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"<Delete><Object/></Delete>", b"<a", b"<!DOCTYPE a>", b"{", b"[]", b"&&"]),
    LATIN.map(lambda text: f"Action=AssumeRole&{text}".encode("latin-1")),
    JSON.map(lambda value: json.dumps(value).encode()),
)
METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"])


@pytest.mark.parametrize("name", ["braket", "s3", "sts", "logs"])
def test_any_request_is_parsed_or_refused(name, request):
    service = request.getfixturevalue(name)

    @hypothesis.settings(max_examples=300)
    @hypothesis.given(METHODS, PATHS, QUERIES, HEADERS, BODIES)
    def check(method, path, query, headers, body):
        wanted = Request(method, path, query, headers, body)
        read_scope(wanted)
        try:
            operation, labels = service.route(wanted)
            operation.parse(wanted, labels)
        except ServiceError as error:
            response = service.serialize_error(error, "r", path)
            assert 400 <= response.status < 600
            for key, value in response.headers:
                assert (key + value).isprintable()

    check()


@pytest.mark.parametrize("name", ["braket", "s3", "sts", "logs"])
def test_any_body_of_any_operation_is_parsed_or_refused(name, request):
    service = request.getfixturevalue(name)
    operations = sorted(service.operations)

    @hypothesis.settings(max_examples=300)
    @hypothesis.given(st.sampled_from(operations), QUERIES, HEADERS, BODIES)
    def check(operation, query, headers, body):
        labels = {"Bucket": "b", "Key": "k"}
        shape = service.operations[operation].input_shape
        labels |= {m.wire_name: "x" for m in shape.members if m.location == "uri"}
        with contextlib.suppress(ServiceError):
            service.operations[operation].parse(Request("PUT", "/", query, headers, body), labels)

    check()
