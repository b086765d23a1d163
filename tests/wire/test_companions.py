"""The query protocol (STS) and json-1.1 (CloudWatch Logs) against botocore, both directions."""

import hypothesis
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import create_parser

from openbraket.wire.http import Request

STS_OPERATIONS = (
    "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetAccessKeyInfo",
    "GetCallerIdentity", "GetFederationToken", "GetSessionToken",
)  # fmt: skip
LOGS_OPERATIONS = (
    "CreateLogGroup", "DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents",
    "GetLogEvents", "GetQueryResults", "PutLogEvents", "StartQuery", "TestMetricFilter",
)  # fmt: skip


@pytest.fixture(scope="module")
def xml_values(new_generator, xml_text):
    return new_generator(xml_text, least=1)


@pytest.mark.parametrize("operation", STS_OPERATIONS)
def test_sts_parser_returns_what_botocore_sent(operation, sts_oracle, xml_values, to_plain):
    model = sts_oracle.model.operation_model(operation)

    @hypothesis.given(xml_values.structure(model.input_shape))
    def check(params):
        assert sts_oracle.parsed(operation, params) == to_plain(params)

    check()


@pytest.mark.parametrize("operation", STS_OPERATIONS)
def test_botocore_returns_what_the_sts_serializer_wrote(
    operation, sts, sts_oracle, xml_values, to_plain
):
    model = sts_oracle.model.operation_model(operation)

    @hypothesis.given(xml_values.structure(model.output_shape))
    def check(output):
        wanted = to_plain(output)
        response = sts.operations[operation].serialize(wanted, "request-1")
        result = _parse_with_botocore(sts_oracle, operation, response)
        assert result.pop("ResponseMetadata")["RequestId"] == "request-1"
        assert to_plain(result) == wanted

    check()


def _parse_with_botocore(oracle, operation, response):
    headers = {name.lower(): value for name, value in response.headers}
    shape = oracle.model.operation_model(operation).output_shape
    parser = create_parser(oracle.model.metadata["protocol"])
    raw = {"status_code": response.status, "headers": headers, "body": response.body}
    return parser.parse(raw, shape)


def test_caller_identity(sts_oracle):
    output = {"UserId": "AKID", "Account": "000000000000", "Arn": "arn:aws:iam::000000000000:root"}
    assert sts_oracle.returned("GetCallerIdentity", {}, output) == output
    assert sts_oracle.parsed("GetCallerIdentity", {}) == {}


def test_sts_action_in_the_url(sts):
    request = Request("GET", "/", "Action=GetCallerIdentity&Version=2011-06-15", {})
    assert sts.route(request)[0].name == "GetCallerIdentity"


def test_sts_error_arrives_with_code_and_message(sts, sts_oracle):
    error = sts.error("InvalidClientTokenId", "The token & so on")
    with pytest.raises(ClientError) as caught:
        sts_oracle.call("GetCallerIdentity", {}, lambda _: sts.serialize_error(error, "r"))
    response = caught.value.response
    assert response["Error"] == {
        "Type": "Sender",
        "Code": "InvalidClientTokenId",
        "Message": "The token & so on",
    }
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert response["ResponseMetadata"]["RequestId"] == "r"


def test_sts_modeled_error_is_its_exception(sts, sts_oracle):
    error = sts.error("MalformedPolicyDocument", "no")
    with pytest.raises(sts_oracle.client.exceptions.MalformedPolicyDocumentException):
        sts_oracle.call("GetCallerIdentity", {}, lambda _: sts.serialize_error(error, "r"))


@pytest.mark.parametrize("body", [b"", b"Action=", b"Action=Explode", b"Action=%00"])
def test_sts_unknown_action_is_refused(body, sts, caught_error):
    error = caught_error(sts.route, Request("POST", "/", "", {}, body))
    assert (error.status, error.code) == (400, "InvalidAction")


def test_sts_validation_message(sts, caught_error):
    request = Request("POST", "/", "", {}, b"Action=AssumeRole&RoleSessionName=x&DurationSeconds=1")
    operation, labels = sts.route(request)
    error = caught_error(operation.parse, request, labels)
    assert error.code == "ValidationError"
    assert error.message == (
        "3 validation errors detected: "
        "Value null at 'RoleArn' failed to satisfy constraint: Member must not be null; "
        "Value 'x' at 'RoleSessionName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 2; "
        "Value '1' at 'DurationSeconds' failed to satisfy constraint: "
        "Member must have value greater than or equal to 900"
    )


def test_sts_number_that_is_none_is_malformed(sts, caught_error):
    request = Request("POST", "/", "", {}, b"Action=AssumeRole&DurationSeconds=soon")
    operation, labels = sts.route(request)
    error = caught_error(operation.parse, request, labels)
    assert error.code == "MalformedInput"
    assert "DurationSeconds" in error.message


@pytest.mark.parametrize("operation", LOGS_OPERATIONS)
def test_logs_parser_returns_what_botocore_sent(operation, logs_oracle, json_values, to_plain):
    model = logs_oracle.model.operation_model(operation)

    @hypothesis.given(json_values.structure(model.input_shape))
    def check(params):
        assert logs_oracle.parsed(operation, params) == to_plain(params)

    check()


@pytest.mark.parametrize("operation", LOGS_OPERATIONS)
def test_botocore_returns_what_the_logs_serializer_wrote(
    operation, logs, logs_oracle, json_values, to_plain
):
    model = logs_oracle.model.operation_model(operation)

    @hypothesis.given(json_values.structure(model.output_shape))
    def check(output):
        wanted = to_plain(output)
        response = logs.operations[operation].serialize(wanted, "r")
        result = _parse_with_botocore(logs_oracle, operation, response)
        assert result.pop("ResponseMetadata")["RequestId"] == "r"
        assert to_plain(result) == wanted

    check()


def test_logs_error_is_its_exception(logs, logs_oracle):
    # Not `logs.error(...)` in one go: linters take `logs` for a logger.
    make_error = logs.error
    error = make_error("ResourceNotFoundException", "none")
    with pytest.raises(logs_oracle.client.exceptions.ResourceNotFoundException, match="none"):
        logs_oracle.call("DescribeLogGroups", {}, lambda _: logs.serialize_error(error, "r"))


def test_logs_refuses_in_its_own_codes(logs, caught_error):
    target = {"x-amz-target": "Logs_20140328.GetLogEvents"}
    request = Request("POST", "/", "", target, b"{}")
    operation, labels = logs.route(request)
    assert caught_error(operation.parse, request, labels).code == "InvalidParameterException"
    request.body = b"{"
    assert caught_error(operation.parse, request, labels).code == "SerializationException"
    request.headers = {"x-amz-target": "Other.GetLogEvents"}
    error = caught_error(logs.route, request)
    assert (error.status, error.code) == (400, "UnknownOperationException")
