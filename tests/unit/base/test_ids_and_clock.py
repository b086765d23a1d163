"""Identifiers and times."""

from hypothesis import given
from hypothesis import strategies as st

from openbraket.base.clock import iso8601
from openbraket.base.ids import new_id, parse_arn, quantum_task_arn


def test_times_are_written_as_the_service_does():
    assert iso8601(1_747_416_199_107) == "2025-05-16T17:23:19.107Z"
    assert iso8601(0) == "1970-01-01T00:00:00.000Z"


@given(st.text(max_size=60))
def test_only_arns_are_parsed_and_they_come_back(text):
    arn = parse_arn(text)
    assert arn is None or str(arn) == text


def test_task_arn_has_its_parts():
    task_id = new_id()
    arn = parse_arn(quantum_task_arn(region="us-east-1", account="000000000000", task_id=task_id))
    assert arn is not None
    assert (arn.service, arn.region, arn.account) == ("braket", "us-east-1", "000000000000")
    assert (arn.kind, arn.name) == ("quantum-task", task_id)


def test_arns_with_colons_and_slashes_in_the_resource():
    arn = parse_arn("arn:aws:braket:::device/quantum-simulator/amazon/sv1")
    assert arn is not None
    assert (arn.kind, arn.name) == ("device", "quantum-simulator/amazon/sv1")
    assert parse_arn("arn:aws:braket") is None
