"""What an operator's tools see of a running service: probes, metrics, structured logs."""

import json
import urllib.request
import uuid

import boto3
import botocore.exceptions
import pytest
from prometheus_client.parser import text_string_to_metric_families

import openbraket.testing
from support.tasks import BUCKET, SV1, TERMINAL, long_action, task_request, wait_for


def get(service, path):
    with urllib.request.urlopen(service.endpoint_url + path) as answer:
        return answer.headers["content-type"], answer.read().decode()


def samples(service):
    """Return the value of every sample by its name and labels."""
    _, text = get(service, "/metrics")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_requests_tasks_and_commits(service, braket):
    before = samples(service)
    arn = braket.create_quantum_task(**task_request())["quantumTaskArn"]
    wait_for(braket, arn, TERMINAL)
    with pytest.raises(botocore.exceptions.ClientError):
        braket.get_device(deviceArn="arn:aws:braket:::device/quantum-simulator/amazon/none")
    after = samples(service)

    def grown(name, **labels):
        key = (name, *sorted(labels.items()))
        return after.get(key, 0) - before.get(key, 0)

    created = {"service": "braket", "operation": "CreateQuantumTask"}
    assert grown("openbraket_requests_total", **created, status="201") == 1
    assert grown("openbraket_request_seconds_count", **created) == 1
    missing = {"service": "braket", "operation": "GetDevice", "status": "404"}
    assert grown("openbraket_requests_total", **missing) == 1
    assert grown("openbraket_quantum_tasks_ended_total", device=SV1, status="COMPLETED") == 1
    assert grown("openbraket_quantum_task_waiting_seconds_count", device=SV1) == 1
    assert grown("openbraket_quantum_task_run_seconds_count", device=SV1) == 1
    assert grown("openbraket_commit_seconds_count") >= 2
    assert after["openbraket_worker_starts_total",] >= 1
    assert after["openbraket_running_memory_bytes",] == 0
    assert after["openbraket_job_instances",] >= 0


def test_queue_depth_is_shown_while_tasks_wait(tmp_path):
    with openbraket.testing.start(data_dir=tmp_path, options=("--workers", "1")) as service:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        client = boto3.client("braket")
        request = task_request(action=long_action(qubit_count=24, layer_count=100))
        arns = [client.create_quantum_task(**request)["quantumTaskArn"] for _ in range(3)]
        wait_for(client, arns[0], {"RUNNING"})
        found = samples(service)
        waiting = {"device": SV1, "priority": "Normal"}
        depth = found["openbraket_queue_depth", *sorted(waiting.items())]
        running = found["openbraket_running", ("device", SV1)]
        assert depth + running == 3
        assert running == 1
        for arn in arns:
            client.cancel_quantum_task(quantumTaskArn=arn)


def test_probes_and_a_bucket_of_the_same_name(service, s3_client):
    content_type, text = get(service, "/readyz")
    assert content_type.startswith("application/json")
    assert json.loads(text) == {"status": "ready", "reasons": []}
    s3_client.create_bucket(Bucket="metrics")
    assert s3_client.list_objects_v2(Bucket="metrics")["KeyCount"] == 0
    s3_client.delete_bucket(Bucket="metrics")


def test_the_log_can_be_json_with_request_ids_and_arns(tmp_path):
    options = ("--workers", "1", "--log-format", "json", "--log-level", "debug")
    with openbraket.testing.start(data_dir=tmp_path, options=options) as service:
        client = boto3.client("braket")
        client.search_devices(filters=[])
        arn = f"arn:aws:braket:us-east-1:000000000000:quantum-task/{uuid.uuid4()}"
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            client.get_quantum_task(quantumTaskArn=arn)
    lines = [json.loads(line) for line in service.log_path.read_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    by_operation = {line.get("operation"): line for line in lines if line.get("status")}
    assert by_operation["SearchDevices"]["status"] == 200
    assert by_operation["SearchDevices"]["duration_ms"] > 0
    line = by_operation["GetQuantumTask"]
    request_id = refused.value.response["ResponseMetadata"]["RequestId"]
    assert (line["request_id"], line["arn"], line["status"]) == (request_id, arn, 404)
