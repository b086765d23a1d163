"""Signatures: botocore's own signers against our verification, and every kind of tampering."""

import dataclasses
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from botocore.auth import (
    HmacV1Auth,
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
    SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from openbraket.wire.http import Request
from openbraket.wire.sigv4 import missing_authentication, read_scope, unknown_access_key, verify

ENDPOINT = "http://127.0.0.1:4567"
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Credentials("ASIAEXAMPLE", KEYS.secret_key, "a/session+token==")

ARN = "/quantum-task/arn%3Aaws%3Abraket%3Aus-west-2%3A123456789012%3Aquantum-task%2F0f"
URLS = [
    "/devices",
    ARN,
    ARN + "/cancel",
    "/device/arn:aws:braket:::device/quantum-simulator/amazon/sv1",
    ARN + "?additionalAttributeNames=QueueInfo",
    "/tags/x?tagKeys=b&tagKeys=a%20b&tagKeys=",
    "/",
    "/a//b/../c/./d/",
]
S3_URLS = [
    "/",
    "/bucket",
    "/bucket?list-type=2&prefix=a%2Fb&delimiter=%2F&encoding-type=url",
    "/bucket/a%20b/%25/c~d-e_f.g",
    "/bucket//a/../b",
    "/bucket/%E2%82%AC?uploadId=x%2By&partNumber=1",
    "/bucket/key?uploads",
]


def now() -> datetime:
    return datetime.now(UTC)


def sign(signer, method, url, body=b"", headers=None, service="braket") -> AWSRequest:
    request = AWSRequest(method, ENDPOINT + url, dict(headers or {}), body)
    request.context["has_streaming_input"] = False
    signer.add_auth(request)
    return request


def received(signed: AWSRequest, **extra) -> Request:
    parts = urlsplit(signed.url)
    headers = {name.lower(): value for name, value in signed.headers.items()} | extra
    headers.setdefault("host", parts.netloc)
    return Request(signed.method, parts.path or "/", parts.query, headers, signed.data or b"")


def check(request: Request, secret: str = KEYS.secret_key, at: datetime | None = None, **extra):
    scope = read_scope(request)
    assert scope is not None
    verify(request, scope, secret, now=at or now(), **extra)
    return scope


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("body", [b"", b'{"shots": 1}'])
def test_header_signature_holds(url, body, keys):
    signer = SigV4Auth(keys, "braket", "us-west-2")
    headers = {"Content-Type": "application/json", "Braket-Trackers": " 0   1 "}
    scope = check(received(sign(signer, "POST", url, body, headers)))
    assert scope[:6] == (keys.access_key, scope.date, "us-west-2", "braket", 4, False)
    assert scope.session_token == (keys.token or "")


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
@pytest.mark.parametrize("url", S3_URLS)
def test_s3_header_signature_holds(url, keys):
    signer = S3SigV4Auth(keys, "s3", "eu-west-2")
    request = received(sign(signer, "PUT", url, b"hello", {"x-amz-meta-a": "b"}))
    assert request.headers["x-amz-content-sha256"]
    assert check(request).service == "s3"


def test_unsigned_payload_holds_with_any_body():
    signer = S3SigV4Auth(KEYS, "s3", "us-west-2")
    signed = AWSRequest("PUT", ENDPOINT + "/b/k", {}, b"hello")
    signed.context["client_config"] = type("C", (), {"s3": {"payload_signing_enabled": False}})
    signer.add_auth(signed)
    request = received(signed)
    assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    check(dataclasses.replace(request, body=b"other"))


def test_date_header_may_stand_for_x_amz_date():
    signer = SigV4Auth(KEYS, "braket", "us-west-2")
    request = received(sign(signer, "GET", "/devices", headers={"Date": "x"}))
    assert "x-amz-date" not in request.headers
    check(request)


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
@pytest.mark.parametrize("url", URLS)
def test_presigned_url_holds(url, keys):
    signer = SigV4QueryAuth(keys, "sts", "us-west-2", expires=60)
    request = received(sign(signer, "GET", url))
    scope = check(request)
    assert (scope.is_query, scope.expires, scope.session_token) == (True, 60, keys.token or "")


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
@pytest.mark.parametrize("url", S3_URLS)
def test_presigned_s3_url_holds(url, keys):
    signer = S3SigV4QueryAuth(keys, "s3", "us-west-2", expires=60)
    request = received(sign(signer, "PUT", url, headers={"x-amz-meta-a": "b"}))
    check(dataclasses.replace(request, body=b"anything"))


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
@pytest.mark.parametrize("url", S3_URLS)
def test_version_2_header_holds(url, keys):
    headers = {"Content-Type": "text/plain", "x-amz-meta-b": "c", "x-amz-acl": "private"}
    scope = check(received(sign(HmacV1Auth(keys), "PUT", url, b"x", headers)))
    assert scope[:6] == (keys.access_key, "", "", "s3", 2, False)


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY])
@pytest.mark.parametrize("url", S3_URLS)
def test_version_2_presigned_url_holds(url, keys):
    headers = {"Content-Type": "text/plain", "x-amz-meta-b": "c"}
    signed = sign(HmacV1QueryAuth(keys, expires=60), "PUT", url, b"x", headers)
    request = received(signed)
    # Whoever uses the URL sends no headers but those it must.
    request.headers = {"host": "127.0.0.1:4567"}
    scope = check(request)
    assert (scope.version, scope.is_query) == (2, True)
    assert int(time.time()) < (scope.expires or 0) <= int(time.time()) + 60


@pytest.mark.parametrize("operation", ["get_object", "put_object"])
@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_by_boto3(operation, version, new_oracle, s3):
    client = new_oracle("s3", s3, signature_version=version).client
    params = {"Bucket": "bucket", "Key": "a b/c+d%"}
    if operation == "put_object":
        params["Metadata"] = {"a": "b"}
    url = client.generate_presigned_url(operation, params, ExpiresIn=60)
    parts = urlsplit(url)
    method = operation[:3].upper()
    headers = {"host": parts.netloc}
    if version == "s3v4" and method == "PUT":
        headers["x-amz-meta-a"] = "b"
    request = Request(method, parts.path, parts.query, headers)
    check(request, "secret")
    found, labels = s3.route(request)
    parsed = found.parse(request, labels)
    assert (parsed["Bucket"], parsed["Key"]) == ("bucket", "a b/c+d%")
    assert parsed.get("Metadata") == params.get("Metadata")


def test_version_2_with_the_bucket_in_the_host():
    signed = AWSRequest("GET", "http://bucket.s3.test/key?acl", {}, auth_path="/bucket/key")
    HmacV1Auth(KEYS).add_auth(signed)
    request = received(signed)
    check(request, virtual_bucket="bucket")


def _refused(caught_error, request, code, status=403, **extra):
    error = caught_error(check, request, **extra)
    assert (error.code, error.status) == (code, status)
    return error


TAMPERED = {
    "method": lambda request: dataclasses.replace(request, method="DELETE"),
    "path": lambda request: dataclasses.replace(request, raw_path=request.raw_path + "x"),
    "query": lambda request: dataclasses.replace(request, query_string=request.query_string + "&a"),
    "host": lambda request: dataclasses.replace(
        request, headers=request.headers | {"host": "evil"}
    ),
}


@pytest.mark.parametrize("change", TAMPERED)
@pytest.mark.parametrize(
    ("signer", "code"),
    [
        (SigV4Auth(TEMPORARY, "braket", "us-west-2"), "InvalidSignatureException"),
        (SigV4Auth(TEMPORARY, "sts", "us-west-2"), "SignatureDoesNotMatch"),
        (S3SigV4Auth(TEMPORARY, "s3", "us-west-2"), "SignatureDoesNotMatch"),
        (SigV4QueryAuth(TEMPORARY, "sts", "us-west-2"), "SignatureDoesNotMatch"),
        (S3SigV4QueryAuth(TEMPORARY, "s3", "us-west-2"), "SignatureDoesNotMatch"),
    ],
)
def test_tampering_is_refused(change, signer, code, caught_error):
    request = received(sign(signer, "POST", "/bucket/key?a=b"))
    check(request)
    _refused(caught_error, TAMPERED[change](request), code)


@pytest.mark.parametrize("change", ["method", "path"])
@pytest.mark.parametrize("signer", [HmacV1Auth(KEYS), HmacV1QueryAuth(KEYS)])
def test_tampering_with_version_2_is_refused(change, signer, caught_error):
    request = received(sign(signer, "PUT", "/bucket/key?acl", b"body"))
    check(request)
    _refused(caught_error, TAMPERED[change](request), "SignatureDoesNotMatch")
    request.headers["x-amz-acl"] = "public-read"
    _refused(caught_error, request, "SignatureDoesNotMatch")


def test_changed_body_is_refused(caught_error):
    request = received(sign(SigV4Auth(KEYS, "braket", "us-west-2"), "POST", "/devices", b"body"))
    request.body = b"Body"
    _refused(caught_error, request, "InvalidSignatureException")
    request = received(sign(S3SigV4Auth(KEYS, "s3", "us-west-2"), "PUT", "/b/k", b"body"))
    request.body = b"Body"
    _refused(caught_error, request, "XAmzContentSHA256Mismatch", 400)


def test_wrong_secret_is_refused(caught_error):
    request = received(sign(SigV4Auth(KEYS, "braket", "us-west-2"), "GET", "/devices"))
    error = _refused(caught_error, request, "InvalidSignatureException", secret="other")
    assert error.message.startswith("The request signature we calculated does not match")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_clock_skew_is_refused(minutes, caught_error):
    at = now() + timedelta(minutes=minutes)
    request = received(sign(SigV4Auth(KEYS, "braket", "us-west-2"), "GET", "/devices"))
    error = _refused(caught_error, request, "InvalidSignatureException", at=at)
    expected = "Signature not yet current: " if minutes < 0 else "Signature expired: "
    assert error.message.startswith(expected + request.headers["x-amz-date"])
    request = received(sign(S3SigV4Auth(KEYS, "s3", "us-west-2"), "GET", "/b"))
    _refused(caught_error, request, "RequestTimeTooSkewed", at=at)
    request = received(sign(HmacV1Auth(KEYS), "GET", "/b"))
    _refused(caught_error, request, "RequestTimeTooSkewed", at=at)


@pytest.mark.parametrize("minutes", [-14, 14])
def test_small_skew_is_accepted(minutes):
    request = received(sign(SigV4Auth(KEYS, "braket", "us-west-2"), "GET", "/devices"))
    check(request, at=now() + timedelta(minutes=minutes))


def test_presigned_url_expires(caught_error):
    late = now() + timedelta(seconds=62)
    url = S3SigV4QueryAuth(KEYS, "s3", "us-west-2", expires=60)
    request = received(sign(url, "GET", "/b/k"))
    assert _refused(caught_error, request, "AccessDenied", at=late).message == "Request has expired"
    request = received(sign(HmacV1QueryAuth(KEYS, expires=60), "GET", "/b/k"))
    assert _refused(caught_error, request, "AccessDenied", at=late).message == "Request has expired"
    request = received(sign(SigV4QueryAuth(KEYS, "sts", "us-west-2", expires=60), "GET", "/"))
    _refused(caught_error, request, "SignatureDoesNotMatch", at=late)


def test_presigned_url_lives_longer_than_the_skew():
    url = S3SigV4QueryAuth(KEYS, "s3", "us-west-2", expires=3600)
    check(received(sign(url, "GET", "/b/k")), at=now() + timedelta(minutes=50))


def test_presigned_url_for_more_than_a_week_is_refused(caught_error):
    url = S3SigV4QueryAuth(KEYS, "s3", "us-west-2", expires=604_801)
    request = received(sign(url, "GET", "/b/k"))
    _refused(caught_error, request, "AuthorizationQueryParametersError", 400)


def test_s3_header_that_is_not_signed_is_refused(caught_error):
    request = received(sign(S3SigV4Auth(KEYS, "s3", "us-west-2"), "PUT", "/b/k", b""))
    request.headers["x-amz-acl"] = "public-read"
    error = _refused(caught_error, request, "AccessDenied")
    assert error.members == {"HeadersNotSigned": "x-amz-acl"}


def test_host_must_be_signed(caught_error):
    request = received(sign(SigV4Auth(KEYS, "braket", "us-west-2"), "GET", "/devices"))
    authorization = request.headers["authorization"].replace("host;", "")
    request.headers["authorization"] = authorization
    assert "host" in _refused(caught_error, request, "InvalidSignatureException").message


def test_session_token_is_compared(caught_error):
    request = received(sign(SigV4Auth(TEMPORARY, "braket", "us-west-2"), "GET", "/devices"))
    check(request, session_token=TEMPORARY.token)
    _refused(caught_error, request, "UnrecognizedClientException", session_token="other")


def test_s3_needs_a_payload_hash(caught_error):
    request = received(sign(SigV4Auth(KEYS, "s3", "us-west-2"), "GET", "/b"))
    _refused(caught_error, request, "InvalidRequest", 400)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer x",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x",
        "AWS4-HMAC-SHA256 Credential=a/20250101/r/s/aws4_request, Signature=x",
        "AWS4-HMAC-SHA256 Credential=a/20250101/r/s/other, SignedHeaders=host, Signature=x",
        "AWS key",
        "AWS :x",
    ],
)
def test_unreadable_authorization_is_no_scope(authorization):
    assert read_scope(Request("GET", "/", "", {"authorization": authorization})) is None


@pytest.mark.parametrize("query", ["", "a=b", "X-Amz-Credential=a", "AWSAccessKeyId=a&Expires=1"])
def test_unreadable_query_is_no_scope(query):
    assert read_scope(Request("GET", "/", query, {})) is None


def test_scope_needs_no_spaces_after_commas():
    credential = "Credential=AKID/20250101/us-east-1/braket/aws4_request"
    text = f"AWS4-HMAC-SHA256 {credential},SignedHeaders=host;x-amz-date,Signature=ab"
    scope = read_scope(Request("GET", "/", "", {"authorization": text}))
    assert scope is not None
    assert (scope.access_key, scope.region, scope.signature) == ("AKID", "us-east-1", "ab")


@pytest.mark.parametrize("date", ["20250101T000000Z", "99991231T235959Z", "20251399T000000Z", "x"])
def test_date_outside_the_scope_is_refused(date, caught_error):
    for service in ("braket", "sts", "s3"):
        signer = SigV4Auth(KEYS, service, "us-west-2")
        request = received(sign(signer, "GET", "/devices"))
        request.headers["x-amz-date"] = date
        scope = read_scope(request)
        assert scope is not None
        for one in (scope, scope._replace(date=date[:8], is_query=True, expires=600_000)):
            error = caught_error(verify, request, one, "secret", now=now())
            assert error.status in {400, 403}


def test_refusals_use_the_services_codes():
    scope = read_scope(received(sign(SigV4Auth(KEYS, "braket", "us-west-2"), "GET", "/")))
    assert scope is not None
    assert [
        unknown_access_key(scope._replace(service=name)).code for name in ("braket", "sts", "s3")
    ] == [
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
    ]
    assert [missing_authentication(name).code for name in ("braket", "sts", "s3")] == [
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        "AccessDenied",
    ]
