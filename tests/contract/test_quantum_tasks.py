"""The life of quantum tasks as boto3 sees it."""

import concurrent.futures
import json
import urllib.parse
import urllib.request
import uuid

import boto3
import pytest

from support.tasks import BUCKET, SV1, TERMINAL, long_action, task_request, wait_for


def test_completed_task_has_every_documented_member(braket):
    arn = braket.create_quantum_task(**task_request(tags={"team": "blue"}, deviceParameters="{}"))[
        "quantumTaskArn"
    ]
    task = wait_for(braket, arn, TERMINAL)
    task.pop("ResponseMetadata")
    created, ended = task.pop("createdAt"), task.pop("endedAt")
    assert created <= ended
    assert task == {
        "quantumTaskArn": arn,
        "status": "COMPLETED",
        "deviceArn": SV1,
        "deviceParameters": "{}",
        "shots": 10,
        "outputS3Bucket": BUCKET,
        "outputS3Directory": "tests/" + arn.rpartition("/")[2],
        "tags": {"team": "blue"},
        "numSuccessfulShots": 10,
        "actionMetadata": {"actionType": "braket.ir.openqasm.program"},
        "queueInfo": {
            "queue": "QUANTUM_TASKS_QUEUE",
            "position": "None",
            "queuePriority": "Normal",
            "message": "Task is in COMPLETED status. "
            "AmazonBraket does not show queue position for this status.",
        },
    }


def test_timestamps_on_the_wire_have_milliseconds_and_z(service, braket):
    arn = braket.create_quantum_task(**task_request())["quantumTaskArn"]
    wait_for(braket, arn, TERMINAL)
    for path in (urllib.parse.quote(arn, safe=""), urllib.parse.quote(arn, safe=":"), arn):
        with urllib.request.urlopen(f"{service.endpoint_url}/quantum-task/{path}") as answer:
            created = json.loads(answer.read())["createdAt"]
        assert len(created) == 24
        assert created.endswith("Z")


def test_concurrent_duplicates_of_one_client_token_create_one_task(service):
    token = str(uuid.uuid4())

    def create(_):
        return boto3.client("braket").create_quantum_task(clientToken=token, **task_request())[
            "quantumTaskArn"
        ]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        arns = set(pool.map(create, range(8)))
    assert len(arns) == 1


def test_running_task_is_cancelled_and_stays_cancelled(braket, s3):
    arn = braket.create_quantum_task(
        **task_request(action=long_action(qubit_count=22, layer_count=2000))
    )["quantumTaskArn"]
    task = wait_for(braket, arn, {"RUNNING"})
    assert task["queueInfo"]["position"] == "None"
    answer = braket.cancel_quantum_task(quantumTaskArn=arn)
    assert answer["cancellationStatus"] in {"CANCELLING", "CANCELLED"}
    task = wait_for(braket, arn, TERMINAL)
    assert task["status"] == "CANCELLED"
    assert "endedAt" in task
    assert braket.cancel_quantum_task(quantumTaskArn=arn)["cancellationStatus"] == "CANCELLED"
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=task["outputS3Directory"])
    assert listed["KeyCount"] == 0


def test_cancel_of_completed_task_raises_conflict(braket):
    arn = braket.create_quantum_task(**task_request())["quantumTaskArn"]
    wait_for(braket, arn, TERMINAL)
    with pytest.raises(braket.exceptions.ConflictException) as caught:
        braket.cancel_quantum_task(quantumTaskArn=arn)
    said = "Amazon Braket cannot cancel a quantum task in the COMPLETED status"
    assert caught.value.response["message"].startswith(said)


def test_queue_positions_count_the_tasks_ahead(braket):
    action = long_action(qubit_count=22, layer_count=2000)
    arns = [
        braket.create_quantum_task(**task_request(action=action))["quantumTaskArn"]
        for _ in range(6)
    ]
    try:
        wait_for(braket, arns[0], {"RUNNING"})
        waiting = []
        for arn in arns:
            task = braket.get_quantum_task(
                quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"]
            )
            if task["status"] == "QUEUED":
                waiting.append(task["queueInfo"])
        assert [info["position"] for info in waiting] == [str(i) for i in range(len(waiting))]
        assert len(waiting) >= 3
        sizes = braket.get_device(deviceArn=SV1)["deviceQueueInfo"]
        assert {item["queue"] for item in sizes} == {"QUANTUM_TASKS_QUEUE", "JOBS_QUEUE"}
        assert int(sizes[0]["queueSize"]) == len(waiting)
    finally:
        for arn in reversed(arns):
            braket.cancel_quantum_task(quantumTaskArn=arn)
    assert {wait_for(braket, arn, TERMINAL)["status"] for arn in arns} == {"CANCELLED"}


def test_search_is_newest_first_and_pages_stay_stable_while_tasks_are_added(braket):
    mark = uuid.uuid4().hex
    arns = [
        braket.create_quantum_task(**task_request(tags={"mark": mark}))["quantumTaskArn"]
        for _ in range(7)
    ]
    filters = [{"name": "tags:mark", "operator": "EQUAL", "values": [mark]}]
    page = braket.search_quantum_tasks(filters=filters, maxResults=3)
    seen = [task["quantumTaskArn"] for task in page["quantumTasks"]]
    for _ in range(3):
        braket.create_quantum_task(**task_request(tags={"mark": mark}))
    while "nextToken" in page:
        page = braket.search_quantum_tasks(
            filters=filters, maxResults=3, nextToken=page["nextToken"]
        )
        seen += [task["quantumTaskArn"] for task in page["quantumTasks"]]
    assert seen == arns[::-1]


def test_next_token_of_another_query_is_refused(braket):
    for _ in range(2):
        braket.create_quantum_task(**task_request())
    page = braket.search_quantum_tasks(filters=[], maxResults=1)
    other = [{"name": "status", "operator": "EQUAL", "values": ["COMPLETED"]}]
    with pytest.raises(braket.exceptions.ValidationException):
        braket.search_quantum_tasks(filters=other, maxResults=1, nextToken=page["nextToken"])


def test_filters_join_by_and_and_their_values_by_or(braket):
    mark = uuid.uuid4().hex
    first = braket.create_quantum_task(**task_request(tags={"mark": mark}))["quantumTaskArn"]
    second = braket.create_quantum_task(**task_request(tags={"mark": mark}))["quantumTaskArn"]
    for arn in (first, second):
        wait_for(braket, arn, TERMINAL)

    def search(*filters):
        tasks = braket.search_quantum_tasks(
            filters=[
                {"name": name, "operator": operator, "values": values}
                for name, operator, values in filters
            ]
        )["quantumTasks"]
        return {task["quantumTaskArn"] for task in tasks}

    tagged = ("tags:mark", "EQUAL", [mark])
    assert search(tagged) == {first, second}
    assert search(tagged, ("quantumTaskArn", "EQUAL", [first, "other"])) == {first}
    assert search(tagged, ("status", "EQUAL", ["COMPLETED", "FAILED"])) == {first, second}
    assert search(tagged, ("status", "EQUAL", ["FAILED"])) == set()
    assert search(tagged, ("deviceArn", "EQUAL", [SV1])) == {first, second}
    created = braket.get_quantum_task(quantumTaskArn=second)["createdAt"].isoformat()
    assert search(tagged, ("createdAt", "GTE", [created])) >= {second}
    assert search(tagged, ("createdAt", "LT", ["2020-01-01T00:00:00Z"])) == set()
    assert search(tagged, ("createdAt", "BETWEEN", ["2020-01-01T00:00:00Z", created])) >= {second}


def test_regions_are_apart(service):
    here = boto3.client("braket", region_name="us-east-1")
    arn = here.create_quantum_task(**task_request())["quantumTaskArn"]
    there = boto3.client("braket", region_name="us-west-2")
    with pytest.raises(there.exceptions.ResourceNotFoundException):
        there.get_quantum_task(quantumTaskArn=arn)
    assert all(
        task["quantumTaskArn"] != arn
        for task in there.search_quantum_tasks(filters=[])["quantumTasks"]
    )
    stockholm = boto3.client("braket", region_name="eu-north-1")
    with pytest.raises(stockholm.exceptions.ResourceNotFoundException):
        stockholm.get_device(deviceArn=SV1)


def test_tags_are_added_replaced_and_removed(braket):
    arn = braket.create_quantum_task(**task_request(tags={"a": "1"}))["quantumTaskArn"]
    braket.tag_resource(resourceArn=arn, tags={"a": "2", "b": "é ü"})
    assert braket.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "2", "b": "é ü"}
    braket.untag_resource(resourceArn=arn, tagKeys=["a", "never there"])
    assert braket.get_quantum_task(quantumTaskArn=arn)["tags"] == {"b": "é ü"}


def test_tags_are_reached_by_the_exact_arn_only(braket):
    arn = braket.create_quantum_task(**task_request(tags={"a": "1"}))["quantumTaskArn"]
    oregon = boto3.client("braket", region_name="us-west-2")
    for client, other in (
        (braket, arn.replace("arn:aws:", "arn:aws-cn:")),
        (braket, arn.replace("us-east-1", "us-west-2")),
        (oregon, arn),
    ):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.tag_resource(resourceArn=other, tags={"b": "2"})
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.list_tags_for_resource(resourceArn=other)
    assert braket.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1"}


def test_result_bucket_deleted_meanwhile_fails_the_task_with_a_reason(braket, s3):
    s3.create_bucket(Bucket="amazon-braket-short-lived")
    arn = braket.create_quantum_task(
        **task_request(
            action=long_action(qubit_count=20, layer_count=200),
            outputS3Bucket="amazon-braket-short-lived",
        )
    )["quantumTaskArn"]
    s3.delete_bucket(Bucket="amazon-braket-short-lived")
    task = wait_for(braket, arn, TERMINAL)
    assert task["status"] == "FAILED"
    assert "amazon-braket-short-lived" in task["failureReason"]


def test_devices_of_the_region_are_found_and_described(braket):
    devices = (
        braket.get_paginator("search_devices").paginate(filters=[]).build_full_result()["devices"]
    )
    by_arn = {device["deviceArn"]: device for device in devices}
    assert by_arn[SV1]["deviceStatus"] == "ONLINE"
    assert any(device["deviceStatus"] == "RETIRED" for device in devices)
    only = braket.search_devices(filters=[{"name": "deviceArn", "values": [SV1]}])["devices"]
    assert only == [by_arn[SV1]]
    capabilities = json.loads(braket.get_device(deviceArn=SV1)["deviceCapabilities"])
    assert 20 <= capabilities["paradigm"]["qubitCount"] <= 34
