"""Every kind of constraint, with AWS's message, and every kind of body that cannot be read."""

import json

import pytest

from openbraket.wire.http import Request

ASSOCIATION_ARN = r"arn:aws[a-z\-]*:braket:[a-z0-9\-]*:[0-9]{12}:.*"
TASK = {
    "clientToken": "t",
    "deviceArn": "arn",
    "shots": 10,
    "outputS3Bucket": "bucket",
    "outputS3KeyPrefix": "prefix",
    "action": "{}",
}
JOB = {
    "clientToken": "t",
    "algorithmSpecification": {},
    "outputDataConfig": {"s3Path": "s3://b/k"},
    "jobName": "job-1",
    "roleArn": "arn:aws:iam::123456789012:role/x",
    "instanceConfig": {"instanceType": "ml.t3.large", "volumeSizeInGb": 1},
    "deviceConfig": {"device": "arn"},
}


@pytest.fixture
def refuse(braket, caught_error):
    """Return a function that sends a body and returns the error."""

    def send(path: str, body: object, method: str = "POST"):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(method, path, "", {}, raw)
        operation, labels = braket.route(request)
        error = caught_error(operation.parse, request, labels)
        assert (error.code, error.status) == ("ValidationException", 400)
        return error.message

    return send


def _one(value: str, path: str, constraint: str) -> str:
    return (
        f"1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: "
        f"{constraint}"
    )


@pytest.mark.parametrize(
    ("changed", "value", "path", "constraint"),
    [
        ({"shots": -1}, "'-1'", "shots", "Member must have value greater than or equal to 0"),
        ({"shots": None}, "null", "shots", "Member must not be null"),
        (
            {"deviceArn": ""},
            "''",
            "deviceArn",
            "Member must have length greater than or equal to 1",
        ),
        (
            {"clientToken": "x" * 65},
            f"'{'x' * 65}'",
            "clientToken",
            "Member must have length less than or equal to 64",
        ),
        (
            {
                "associations": [
                    {"arn": "arn:aws:braket:::x", "type": "RESERVATION_TIME_WINDOW_ARN"}
                ]
            },
            "'arn:aws:braket:::x'",
            "associations.1.member.arn",
            f"Member must satisfy regular expression pattern: {ASSOCIATION_ARN}",
        ),
        (
            {"associations": [{"arn": "arn:aws:braket::123456789012:x", "type": "OTHER"}]},
            "'OTHER'",
            "associations.1.member.type",
            "Member must satisfy enum value set: [RESERVATION_TIME_WINDOW_ARN]",
        ),
        (
            {"experimentalCapabilities": {}},
            "'{}'",
            "experimentalCapabilities",
            "Member must have exactly one member set",
        ),
    ],
)
def test_broken_constraint_of_a_task(changed, value, path, constraint, refuse):
    assert refuse("/quantum-task", TASK | changed) == _one(value, path, constraint)


def test_several_errors_are_joined(refuse):
    message = refuse("/quantum-task", {**TASK, "shots": -1, "outputS3Bucket": "ab", "action": None})
    assert message == (
        "3 validation errors detected: "
        "Value '-1' at 'shots' failed to satisfy constraint: "
        "Member must have value greater than or equal to 0; "
        "Value 'ab' at 'outputS3Bucket' failed to satisfy constraint: "
        "Member must have length greater than or equal to 3; "
        "Value null at 'action' failed to satisfy constraint: Member must not be null"
    )


def test_list_of_strings_is_reported_as_a_whole(refuse):
    message = refuse("/devices", {"filters": [{"name": "x" * 65, "values": ["a", ""]}]})
    assert message == (
        "2 validation errors detected: "
        f"Value '{'x' * 65}' at 'filters.1.member.name' failed to satisfy constraint: "
        "Member must have length less than or equal to 64; "
        "Value '[a, ]' at 'filters.1.member.values' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length greater than or equal to 1, "
        "Member must have length less than or equal to 256]"
    )


def test_list_size(refuse):
    message = refuse("/devices", {"filters": [{"name": "n", "values": []}]})
    assert message == _one(
        "'[]'", "filters.1.member.values", "Member must have length greater than or equal to 1"
    )


def test_map_values_are_reported_as_a_whole(refuse):
    message = refuse("/job", JOB | {"hyperParameters": {"a": "", "b": "c"}})
    assert message == _one(
        "'{a=, b=c}'",
        "hyperParameters",
        "Map value must satisfy constraint: [Member must have length greater than or equal to 1, "
        "Member must have length less than or equal to 2500, "
        "Member must satisfy regular expression pattern: .*]",
    )


def test_map_size_and_keys(refuse):
    pairs = {f"k{index}": "v" for index in range(101)}
    assert "Member must have length less than or equal to 100" in refuse(
        "/job", JOB | {"hyperParameters": pairs}
    )
    assert "Map keys must satisfy constraint" in refuse(
        "/job", JOB | {"hyperParameters": {"": "v"}}
    )


def test_nested_structure(refuse):
    config = {"instanceType": "ml.t3.large", "volumeSizeInGb": 0}
    assert refuse("/job", JOB | {"instanceConfig": config}) == _one(
        "'0'", "instanceConfig.volumeSizeInGb", "Member must have value greater than or equal to 1"
    )


def test_pattern_matches_the_whole_value(refuse):
    for name in ("job_1", "job\n", "-job", "é"):
        assert "regular expression pattern" in refuse("/job", JOB | {"jobName": name})


def test_long_value_is_cut(refuse):
    message = refuse("/quantum-task", TASK | {"deviceParameters": "x" * 50_000})
    assert f"Value '{'x' * 256}...' (cut, 50000 characters) at 'deviceParameters'" in message
    assert len(message) < 600


def test_number_of_reported_errors_is_limited(refuse):
    message = refuse("/devices", {"filters": [{}] * 10_000})
    assert message.startswith("50 validation errors detected")


def test_label_is_validated(refuse):
    message = refuse("/job/x/cancel", b"", method="PUT")
    assert "Value 'x' at 'jobArn' failed to satisfy constraint" in message


def test_null_member_counts_as_absent(braket):
    request = Request("POST", "/quantum-task", "", {}, json.dumps(TASK | {"tags": None}).encode())
    operation, labels = braket.route(request)
    assert operation.parse(request, labels) == TASK


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shots": "10"}, "STRING_VALUE can not be converted to a Long at 'shots'"),
        ({"shots": True}, "TRUE_VALUE can not be converted to a Long at 'shots'"),
        ({"shots": 1.5}, "NUMBER_VALUE can not be converted to a Long at 'shots'"),
        ({"shots": 2**70}, "NUMBER_VALUE can not be converted to a Long at 'shots'"),
        ({"shots": [1]}, "Start of list found where not expected at 'shots'"),
        ({"action": {"a": 1}}, "Start of structure or map found where not expected at 'action'"),
        ({"action": 5}, "NUMBER_VALUE can not be converted to a String at 'action'"),
        ({"tags": {"k": None}}, "NULL_VALUE can not be converted to a String at 'tags.k.member'"),
        ({"tags": ["k"]}, "Start of list found where not expected at 'tags'"),
        ({"associations": "x"}, "STRING_VALUE can not be converted to a List at 'associations'"),
        (
            {"associations": [None]},
            "NULL_VALUE can not be converted to a structure Association at 'associations.1.member'",
        ),
        (
            {"associations": [{"arn": 1}]},
            "NUMBER_VALUE can not be converted to a String at 'associations.1.member.arn'",
        ),
    ],
)
def test_wrong_type_is_refused_with_its_place(changed, message, refuse):
    assert refuse("/quantum-task", TASK | changed) == message


def test_whole_number_may_be_written_with_a_point(braket):
    request = Request("POST", "/quantum-task", "", {}, json.dumps(TASK | {"shots": 10.0}).encode())
    operation, labels = braket.route(request)
    shots = operation.parse(request, labels)["shots"]
    assert (shots, type(shots)) == (10, int)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"shots": NaN}',
        b'{"shots": 1e999}',
        b"\xff\xfe",
        b'{"action": "\xff"}',
        b'{"action": "\\ud800"}',
        b"[]",
        b"null",
        b'"text"',
        b"5",
        b"{}{}",
        b"[" * 100_000,
        b'{"shots": ' + b"9" * 5000 + b"}",
    ],
)
def test_body_that_is_no_json_object_is_refused(body, refuse):
    assert refuse("/quantum-task", body)


def test_empty_body_lacks_every_required_member(refuse):
    assert refuse("/quantum-task", b"").startswith("6 validation errors detected")


def test_timestamps_become_milliseconds(braket):
    body = {
        "clientToken": "t",
        "deviceArn": "arn",
        "spendingLimit": "1.50",
        "timePeriod": {"startAt": 1747416199.107, "endAt": 1747416200},
    }
    request = Request("POST", "/spending-limit", "", {}, json.dumps(body).encode())
    operation, labels = braket.route(request)
    period = operation.parse(request, labels)["timePeriod"]
    assert period == {"startAt": 1747416199107, "endAt": 1747416200000}


@pytest.mark.parametrize("time", ["soon", "", 1e300, -1e300, True, "2025-13-01", []])
def test_timestamp_that_is_none_is_refused(time, refuse):
    body = {"timePeriod": {"startAt": time, "endAt": 0}}
    assert "timePeriod.startAt" in refuse("/spending-limit", body)


def test_time_in_a_response_has_milliseconds_and_z(braket):
    response = braket.operations["GetQuantumTask"].serialize({"createdAt": 1747416199107}, "r")
    assert response.body == b'{"createdAt":"2025-05-16T17:23:19.107Z"}'
