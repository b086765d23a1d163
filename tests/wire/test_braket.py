"""Braket's 17 operations and 9 errors against botocore, both directions, generated values."""

import hypothesis
import hypothesis.strategies as st
import pytest
from botocore.exceptions import ClientError

from openbraket.wire.http import Request
from openbraket.wire.service import Service

OPERATIONS = (
    "CancelJob", "CancelQuantumTask", "CreateJob", "CreateQuantumTask", "CreateSpendingLimit",
    "DeleteSpendingLimit", "GetDevice", "GetJob", "GetQuantumTask", "ListTagsForResource",
    "SearchDevices", "SearchJobs", "SearchQuantumTasks", "SearchSpendingLimits", "TagResource",
    "UntagResource", "UpdateSpendingLimit",
)  # fmt: skip

ERRORS = {
    "AccessDeniedException": 403,
    "ConflictException": 409,
    "DeviceOfflineException": 424,
    "DeviceRetiredException": 410,
    "InternalServiceException": 500,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 402,
    "ThrottlingException": 429,
    "ValidationException": 400,
}


def test_every_operation_of_the_model_is_listed_here(braket, braket_oracle):
    assert set(braket.operations) == set(OPERATIONS) == set(braket_oracle.model.operation_names)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_parser_returns_what_botocore_sent(operation, braket_oracle, json_values, to_plain):
    inputs = json_values.structure(braket_oracle.model.operation_model(operation).input_shape)

    @hypothesis.given(inputs)
    def check(params):
        assert braket_oracle.parsed(operation, params) == to_plain(params)

    check()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_botocore_returns_what_the_serializer_wrote(
    operation, braket_oracle, json_values, to_plain
):
    model = braket_oracle.model.operation_model(operation)
    params = _one(json_values.structure(model.input_shape))

    @hypothesis.given(json_values.structure(model.output_shape))
    def check(output):
        wanted = to_plain(output)
        assert to_plain(braket_oracle.returned(operation, params, wanted)) == wanted

    check()


def _one(strategy: st.SearchStrategy) -> dict:
    found = []

    @hypothesis.settings(max_examples=1)
    @hypothesis.given(strategy)
    def take(value):
        found.append(value)

    take()
    return found[0]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_status_of_success_is_the_modeled_one(operation, braket):
    created = {"CreateJob", "CreateQuantumTask", "CreateSpendingLimit"}
    response = braket.operations[operation].serialize({}, "request-1")
    assert response.status == (201 if operation in created else 200)
    assert response.body == b"{}"
    assert ("x-amzn-requestid", "request-1") in response.headers
    assert ("Content-Type", "application/json") in response.headers


@pytest.mark.parametrize("code", ERRORS)
def test_each_error_arrives_as_its_exception(code, braket, braket_oracle):
    error = braket.error(code, "What was wrong: -1 < 0")
    client = braket_oracle.client
    with pytest.raises(getattr(client.exceptions, code)) as caught:
        braket_oracle.call(
            "GetDevice", {"deviceArn": "arn"}, lambda _: braket.serialize_error(error, "request-2")
        )
    response = caught.value.response
    assert response["Error"] == {"Code": code, "Message": "What was wrong: -1 < 0"}
    assert response["message"] == "What was wrong: -1 < 0"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == ERRORS[code]
    assert response["ResponseMetadata"]["RequestId"] == "request-2"
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == code


def test_validation_error_carries_its_members(braket, braket_oracle):
    failures = [{"programIndex": 1, "inputsIndex": 0, "errors": ["[line 2] no"]}]
    error = braket.error(
        "ValidationException",
        "no",
        reason="ProgramSetValidationFailed",
        programSetValidationFailures=failures,
    )
    with pytest.raises(ClientError) as caught:
        braket_oracle.call(
            "GetDevice", {"deviceArn": "arn"}, lambda _: braket.serialize_error(error, "r")
        )
    assert caught.value.response["reason"] == "ProgramSetValidationFailed"
    assert caught.value.response["programSetValidationFailures"] == failures


def test_error_body_has_the_published_code_and_message(braket):
    body = braket.serialize_error(braket.error("ConflictException", "busy"), "r").body
    assert b'"Code":"ConflictException"' in body
    assert b'"Message":"busy"' in body


def test_unknown_error_code_is_a_programming_error(braket):
    with pytest.raises(LookupError, match="NoSuchException"):
        braket.error("NoSuchException", "x")


SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
TASK = "arn:aws:braket:us-west-2:123456789012:quantum-task/0f"


@pytest.mark.parametrize(
    "path",
    [
        "/device/arn%3Aaws%3Abraket%3A%3A%3Adevice%2Fquantum-simulator%2Famazon%2Fsv1",
        f"/device/{SV1}",
        "/device/arn:aws:braket:::device%2Fquantum-simulator/amazon%2fsv1",
    ],
)
def test_arn_routes_in_every_encoding(path, braket):
    request = Request("GET", path, "", {})
    operation, labels = braket.route(request)
    assert (operation.name, operation.parse(request, labels)) == ("GetDevice", {"deviceArn": SV1})


@pytest.mark.parametrize(
    ("method", "path", "name", "label"),
    [
        ("PUT", f"/quantum-task/{TASK}/cancel", "CancelQuantumTask", TASK),
        ("PUT", "/quantum-task/a%2Fcancel/cancel", "CancelQuantumTask", "a/cancel"),
        ("GET", f"/quantum-task/{TASK}/cancel", "GetQuantumTask", f"{TASK}/cancel"),
        ("GET", "/quantum-task/a%2520b", "GetQuantumTask", "a%20b"),
        ("PATCH", "/spending-limit/x/update", "UpdateSpendingLimit", "x"),
    ],
)
def test_label_takes_everything_up_to_the_literal_end(method, path, name, label, braket):
    operation, labels = braket.route(Request(method, path, "", {}))
    assert operation.name == name
    assert list(labels.values()) == [label]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/nothing"), ("POST", "/device/x"), ("GET", "/device/"), ("GET", "")],
)
def test_unknown_operation_is_404(method, path, braket: Service, caught_error):
    error = caught_error(braket.route, Request(method, path, "", {}))
    assert (error.status, error.code) == (404, "UnknownOperationException")
