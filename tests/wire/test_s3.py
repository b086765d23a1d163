"""The served S3 operations against botocore: routes, both directions, errors."""

from datetime import UTC, datetime

import hypothesis
import hypothesis.strategies as st
import pytest
from botocore.exceptions import ClientError

from openbraket.wire.http import Request, Response
from openbraket.wire.route import virtual_bucket
from openbraket.wire.service import Service

OPERATIONS = (
    "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateBucket",
    "CreateMultipartUpload", "DeleteBucket", "DeleteBucketPolicy", "DeleteBucketTagging",
    "DeleteObject", "DeleteObjects", "DeletePublicAccessBlock", "GetBucketLocation",
    "GetBucketPolicy", "GetBucketTagging", "GetBucketVersioning", "GetObject",
    "GetObjectAttributes", "GetPublicAccessBlock", "HeadBucket", "HeadObject", "ListBuckets",
    "ListMultipartUploads", "ListObjects", "ListObjectsV2", "ListParts", "PutBucketPolicy",
    "PutBucketTagging", "PutObject", "PutPublicAccessBlock", "UploadPart", "UploadPartCopy",
)  # fmt: skip

# What botocore's client computes, encodes or checks by itself.
SKIPPED = ("SSECustomer", "CopySourceSSE", "Checksum", "ContentMD5", "ContentLength", "Expires",
           "EncodingType", "MFA")  # fmt: skip
FIXED = {"Bucket": "bucket-1", "CopySource": "other/key", "Policy": "{}"}


@pytest.fixture(scope="module")
def values(new_generator, xml_text):
    return new_generator(xml_text, SKIPPED, least=1)


def _inputs(values, s3_oracle, operation):
    shape = s3_oracle.model.operation_model(operation).input_shape
    fixed = {name: value for name, value in FIXED.items() if name in shape.members}
    # A client drops dot segments from a URL before it sends it.
    return values.structure(shape).map(lambda params: params | fixed).filter(_is_plain_key)


def _is_plain_key(params):
    key = params.get("Key", "k")
    return not set(key.split("/")) & {".", ".."} and not key.startswith("/")


async def _drain(stream):
    return b"".join([piece async for piece in stream])


def test_the_served_operations_are_implemented_and_no_others(s3):
    assert {name for name, one in s3.operations.items() if one.is_implemented} == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_parser_returns_what_botocore_sent(operation, s3_oracle, values, to_plain):
    @hypothesis.settings(max_examples=8)
    @hypothesis.given(_inputs(values, s3_oracle, operation))
    def check(params):
        body = params.pop("Body", None)
        parsed = s3_oracle.parsed(operation, params | ({"Body": body} if body else {}))
        if "Body" in parsed:
            assert _collected(parsed.pop("Body")) == (body or b"")
        assert {name: parsed.get(name) for name in params} == to_plain(params)

    check()


def _collected(stream):
    """Return the content of a stream that never waits."""
    pieces = []
    while True:
        try:
            stream.__anext__().send(None)
        except StopIteration as stop:
            pieces.append(stop.value)
        except StopAsyncIteration:
            return b"".join(pieces)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_botocore_returns_what_the_serializer_wrote(operation, s3_oracle, values, to_plain):
    model = s3_oracle.model.operation_model(operation)
    params = _one(_inputs(values, s3_oracle, operation))
    skipped = {"Expires", "ExpiresString"}

    @hypothesis.settings(max_examples=8)
    @hypothesis.given(values.structure(model.output_shape))
    def check(output):
        wanted = to_plain(output)
        result = to_plain(s3_oracle.returned(operation, params, wanted))
        if not wanted.get("Body", b"-"):
            wanted["Body"] = b""
        got = {name: value for name, value in result.items() if name not in skipped}
        if "Body" in got and "Body" not in wanted:
            assert got.pop("Body") == b""
        for name in set(got) - set(wanted):
            # botocore sets a payload structure or a location that it does not find.
            assert got.pop(name) in ({}, None, "", [], "binary/octet-stream")
        assert got == wanted

    check()


def _one(strategy: st.SearchStrategy) -> dict:
    found = []

    @hypothesis.settings(max_examples=1)
    @hypothesis.given(strategy)
    def take(value):
        found.append(value)

    take()
    return found[0]


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "name"),
    [
        ("GET", "/", "", {}, "ListBuckets"),
        ("GET", "/", "x-id=ListBuckets", {}, "ListBuckets"),
        ("PUT", "/b", "", {}, "CreateBucket"),
        ("PUT", "/b/", "", {}, "CreateBucket"),
        ("HEAD", "/b", "", {}, "HeadBucket"),
        ("GET", "/b", "", {}, "ListObjects"),
        ("GET", "/b", "prefix=uploads", {}, "ListObjects"),
        ("GET", "/b/", "list-type=2&prefix=x", {}, "ListObjectsV2"),
        ("GET", "/b", "list-type=1", {}, "ListObjects"),
        ("GET", "/b", "location", {}, "GetBucketLocation"),
        ("GET", "/b", "location=", {}, "GetBucketLocation"),
        ("GET", "/b", "uploads", {}, "ListMultipartUploads"),
        ("GET", "/b", "acl", {}, "GetBucketAcl"),
        ("GET", "/b", "lifecycle", {}, "GetBucketLifecycleConfiguration"),
        ("GET", "/b", "analytics&id=1", {}, "GetBucketAnalyticsConfiguration"),
        ("GET", "/b", "analytics", {}, "ListBucketAnalyticsConfigurations"),
        ("POST", "/b", "delete", {}, "DeleteObjects"),
        ("GET", "/b/k", "", {}, "GetObject"),
        ("GET", "/b/k", "versionId=1&x-id=GetObject", {}, "GetObject"),
        ("GET", "/b/k", "uploadId=1", {}, "ListParts"),
        ("GET", "/b/k", "attributes", {"x-amz-object-attributes": "ETag"}, "GetObjectAttributes"),
        ("PUT", "/b/k", "", {}, "PutObject"),
        ("PUT", "/b/k", "", {"x-amz-copy-source": "b/o"}, "CopyObject"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "/b/k", "partNumber=1&uploadId=u", {"x-amz-copy-source": "b/o"}, "UploadPartCopy"),
        ("PUT", "/b/k", "tagging", {}, "PutObjectTagging"),
        ("POST", "/b/k", "uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/k", "uploadId=u", {}, "CompleteMultipartUpload"),
        ("DELETE", "/b/k", "uploadId=u", {}, "AbortMultipartUpload"),
        ("DELETE", "/b/k", "", {}, "DeleteObject"),
        ("DELETE", "/b", "policy", {}, "DeleteBucketPolicy"),
    ],
)
def test_route(method, path, query, headers, name, s3):
    assert s3.route(Request(method, path, query, headers))[0].name == name


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b/a%20b%25c", "a b%c"),
        ("/b/a+b", "a+b"),
        ("/b//a/", "/a/"),
        ("/b/a%2Fb/c", "a/b/c"),
        ("/b/%2520", "%20"),
        ("/b/%E2%82%AC", "€"),
        ("/b/\xe2\x82\xac", "€"),
    ],
)
def test_key_is_decoded_once(path, key, s3):
    assert s3.route(Request("GET", path, "", {}))[1] == {"Bucket": "b", "Key": key}


def test_bucket_may_be_in_the_host_only_where_a_base_host_says_so(s3):
    request = Request("GET", "/a/b", "", {"host": "bucket.s3.localhost:4567"})
    assert s3.route(request)[1] == {"Bucket": "a", "Key": "b"}
    virtual = Service.load("s3", base_hosts=("s3.localhost",))
    assert virtual.route(request)[1] == {"Bucket": "bucket", "Key": "a/b"}
    request.headers["host"] = "127.0.0.1:4567"
    assert virtual.route(request)[1] == {"Bucket": "a", "Key": "b"}
    assert virtual_bucket("my.bucket.S3.localhost", ("s3.localhost",)) == "my.bucket"


def test_unsupported_operation_is_refused_by_name(s3, caught_error):
    request = Request("GET", "/b", "versions", {})
    operation, labels = s3.route(request)
    error = caught_error(operation.parse, request, labels)
    assert (error.status, error.code) == (501, "NotImplemented")
    assert error.message == "ListObjectVersions is not implemented."


@pytest.mark.parametrize(("method", "path"), [("POST", "/b/k"), ("PATCH", "/b"), ("HEAD", "/")])
def test_method_without_an_operation_is_405(method, path, s3, caught_error):
    error = caught_error(s3.route, Request(method, path, "", {}))
    assert (error.status, error.code) == (405, "MethodNotAllowed")


def _parse(s3, request):
    operation, labels = s3.route(request)
    return operation.parse(request, labels)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request("GET", "/b", "max-keys=many", {}), "InvalidArgument"),
        (Request("GET", "/b", "max-keys=99999999999", {}), "InvalidArgument"),
        (Request("PUT", "/b/k", "partNumber=x&uploadId=u", {}), "InvalidArgument"),
        (Request("PUT", "/b/k", "", {"x-amz-acl": "everybody"}), "InvalidArgument"),
        (Request("PUT", "/b/k", "", {"x-amz-storage-class": "WARM"}), "InvalidStorageClass"),
        (Request("POST", "/b", "delete", {}, b"<Delete>"), "MalformedXML"),
        (Request("POST", "/b", "delete", {}, b"<Other/>"), "MalformedXML"),
        (Request("POST", "/b", "delete", {}, b"<Delete/>"), "MalformedXML"),
        (Request("POST", "/b", "delete", {}), "MissingRequestBodyError"),
        (Request("POST", "/b", "delete", {}, b"\xff\xfe<\x00"), "MalformedXML"),
        (
            Request(
                "POST", "/b", "delete", {}, b"<!DOCTYPE d [<!ENTITY e 'x'>]><Delete>&e;</Delete>"
            ),
            "MalformedXML",
        ),
        (Request("POST", "/b", "delete", {}, b"<a>" * 100), "MalformedXML"),
        (
            Request(
                "PUT",
                "/b",
                "",
                {},
                b"<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint>"
                b"</CreateBucketConfiguration>",
            ),
            "InvalidLocationConstraint",
        ),
        (Request("GET", "/b/%ff", "", {}), "InvalidArgument"),
        (Request("GET", "//k", "", {}), "InvalidURI"),
    ],
)
def test_bad_request_has_s3s_code(request_, code, s3, caught_error):
    assert caught_error(_parse, s3, request_).code == code


def test_date_that_is_none_is_ignored(s3):
    request = Request("GET", "/b/k", "", {"if-modified-since": "yesterday"})
    assert _parse(s3, request) == {"Bucket": "b", "Key": "k"}
    request.headers["if-modified-since"] = "Fri, 16 May 2025 17:23:19 GMT"
    assert _parse(s3, request)["IfModifiedSince"] == 1747416199000


def test_expires_comes_back_as_it_was_sent(s3, s3_oracle):
    request = Request("PUT", "/b/k", "", {"expires": "whenever"})
    assert _parse(s3, request)["Expires"] == "whenever"
    output = s3_oracle.returned("HeadObject", {"Bucket": "b-1", "Key": "k"}, {"Expires": "0"})
    assert output["ExpiresString"] == "0"


def test_copy_source_has_the_clients_encoding(s3_oracle):
    params = {"Bucket": "b-1", "Key": "k", "CopySource": {"Bucket": "o-1", "Key": "a b+%"}}
    assert s3_oracle.parsed("CopyObject", params)["CopySource"] == "o-1/a%20b%2B%25"


def test_metadata_and_checksum_of_a_put(s3_oracle):
    params = {
        "Bucket": "bucket-1",
        "Key": "k",
        "Body": b"hello",
        "Metadata": {"Color": "blue"},
        "Expires": datetime(2030, 1, 1, tzinfo=UTC),
    }
    parsed = s3_oracle.parsed("PutObject", params)
    assert parsed["Metadata"] == {"color": "blue"}
    assert parsed["ChecksumCRC32"] == "NhCmhg=="
    assert parsed["Expires"] == "Tue, 01 Jan 2030 00:00:00 GMT"


@pytest.mark.parametrize(
    ("code", "status"),
    [("NoSuchKey", 404), ("NoSuchBucket", 404), ("BucketAlreadyOwnedByYou", 409),
     ("BucketNotEmpty", 409), ("InvalidRange", 416), ("PreconditionFailed", 412)],
)  # fmt: skip
def test_error_arrives_with_code_message_and_members(code, status, s3, s3_oracle):
    error = s3.error(code, "It is <not> there & gone", BucketName="b")
    with pytest.raises(ClientError) as caught:
        s3_oracle.call(
            "GetObject",
            {"Bucket": "b-1", "Key": "k"},
            lambda request: s3.serialize_error(error, "request-3", request.raw_path),
        )
    response = caught.value.response
    assert response["Error"]["Code"] == code
    assert response["Error"]["Message"] == "It is <not> there & gone"
    assert response["Error"]["BucketName"] == "b"
    assert response["Error"]["Resource"] == "/b-1/k"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["ResponseMetadata"]["RequestId"] == "request-3"


def test_modeled_errors_are_their_exceptions(s3, s3_oracle):
    error = s3.error("NoSuchBucket", "none")
    with pytest.raises(s3_oracle.client.exceptions.NoSuchBucket):
        s3_oracle.call("ListObjectsV2", {"Bucket": "b-1"}, lambda _: s3.serialize_error(error, "r"))


def test_error_to_head_has_no_body(s3, s3_oracle):
    error = s3.error("NoSuchKey", "none")
    response = s3.serialize_error(error, "r", "/b/k", is_head=True)
    assert (response.status, response.body) == (404, b"")
    with pytest.raises(ClientError) as caught:
        s3_oracle.call("HeadObject", {"Bucket": "b-1", "Key": "k"}, lambda _: response)
    assert caught.value.response["Error"]["Code"] == "404"


def test_not_modified_has_no_body(s3):
    response = s3.serialize_error(s3.error("NotModified", "same"), "r")
    assert (response.status, response.body) == (304, b"")


def test_partial_content_is_206(s3):
    output = {"ContentRange": "bytes 0-1/2", "Body": b"ab"}
    response = s3.operations["GetObject"].serialize(output, "r")
    assert (response.status, response.body) == (206, b"ab")


def test_header_from_a_client_cannot_start_another_header(s3):
    output = {"ContentDisposition": "a\r\nSet-Cookie: x", "Metadata": {"a\r\nb": "€"}}
    response: Response = s3.operations["GetObject"].serialize(output, "r")
    headers = dict(response.headers)
    assert headers["Content-Disposition"] == "a  Set-Cookie: x"
    assert headers["x-amz-meta-ab"] == "=?UTF-8?B?4oKs?="


def test_bucket_location_is_the_root_elements_text(s3):
    body = (
        s3.operations["GetBucketLocation"].serialize({"LocationConstraint": "eu-west-2"}, "r").body
    )
    assert body.endswith(
        b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-2'
        b"</LocationConstraint>"
    )


@pytest.mark.anyio
async def test_stream_is_passed_through(s3):
    async def pieces():
        yield b"a"
        yield b"b"

    request = Request("PUT", "/b/k", "", {}, stream=pieces())
    assert await _drain(_parse(s3, request)["Body"]) == b"ab"
    assert await _drain(_parse(s3, Request("PUT", "/b/k", "", {}, b"abc"))["Body"]) == b"abc"
    response = s3.operations["GetObject"].serialize({"Body": pieces()}, "r")
    assert await _drain(response.stream) == b"ab"
