"""CreateJob, GetJob, SearchJobs and CancelJob through boto3."""

import datetime
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import openbraket.testing
from openbraket.engine import job_states
from openbraket.store import jobs
from openbraket.store.database import DATABASE_NAME, open_beside
from support.databases import database_url
from support.jobs import ROLE, SCRIPT_KEY, job_request, put_script
from support.tasks import BUCKET, SV1, TERMINAL, long_action, task_request, wait_for

EMBEDDED = "local:none/none"
SHORT_OF_NAMES = "a" * 50


@pytest.fixture
def braket(service, s3):
    put_script(s3)
    return boto3.client("braket")


@pytest.fixture
def name():
    return "job-" + uuid.uuid4().hex[:20]


def code_and_message(caught):
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_everything_asked_for_comes_back(braket, name):
    request = job_request(
        jobName=name,
        algorithmSpecification={
            "scriptModeConfig": {
                "entryPoint": "package.module:main",
                "s3Uri": f"s3://{BUCKET}/{SCRIPT_KEY}",
                "compressionType": "GZIP",
            },
            "containerImage": {
                "uri": "292282985366.dkr.ecr.us-east-1.amazonaws.com/amazon-braket-base-jobs:latest"
            },
        },
        inputDataConfig=[
            {
                "channelName": "input",
                "contentType": "text/csv",
                "dataSource": {"s3DataSource": {"s3Uri": f"s3://{BUCKET}/data/"}},
            }
        ],
        instanceConfig={
            "instanceType": "ml.g6.xlarge",
            "volumeSizeInGb": 7,
            "instanceCount": 2,
        },
        checkpointConfig={"s3Uri": f"s3://{BUCKET}/checkpoints", "localPath": "/opt/jobs/cp"},
        hyperParameters={"steps": "30", "note": "é" * 2500},
        stoppingCondition={"maxRuntimeInSeconds": 60},
        tags={"team": "a"},
    )
    arn = braket.create_job(**request)["jobArn"]
    job = braket.get_job(jobArn=arn)
    metadata = job.pop("ResponseMetadata")
    assert metadata["HTTPStatusCode"] == 200
    created_at = job.pop("createdAt")
    assert abs(created_at - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(hours=1)
    events = job.pop("events")
    assert events == [{"eventType": "QUEUED_FOR_EXECUTION", "timeOfEvent": created_at}]
    assert job == request | {"jobArn": arn, "status": "QUEUED"}


def test_documented_defaults_are_filled_in(braket, name):
    request = job_request(jobName=name, checkpointConfig={"s3Uri": f"s3://{BUCKET}/checkpoints"})
    job = braket.get_job(jobArn=braket.create_job(**request)["jobArn"])
    assert job["instanceConfig"]["instanceCount"] == 1
    assert job["stoppingCondition"] == {"maxRuntimeInSeconds": 432_000}
    assert job["checkpointConfig"]["localPath"] == "/opt/braket/checkpoints/"
    assert job["tags"] == {}
    absent = {"startedAt", "endedAt", "billableDuration", "failureReason", "queueInfo"}
    assert not absent & set(job)


def test_arn_names_the_region_and_the_account(braket, name):
    client = boto3.client("braket", region_name="eu-north-1")
    arn = client.create_job(**job_request(jobName=name))["jobArn"]
    assert arn.startswith("arn:aws:braket:eu-north-1:000000000000:job/")
    assert uuid.UUID(arn.rpartition("/")[2]).version == 4
    with pytest.raises(braket.exceptions.ResourceNotFoundException):
        braket.get_job(jobArn=arn)


def test_queue_positions_are_those_of_the_device(braket, name):
    device = f"local:queue/{name}"
    arns = [
        braket.create_job(**job_request(jobName=name, deviceConfig={"device": device}))["jobArn"]
        for _ in range(18)
    ]

    def info(arn):
        return braket.get_job(jobArn=arn, additionalAttributeNames=["QueueInfo"])["queueInfo"]

    assert info(arns[0]) == {"queue": "JOBS_QUEUE", "position": "0"}
    assert info(arns[15])["position"] == "15"
    assert info(arns[17])["position"] == ">15"
    braket.cancel_job(jobArn=arns[3])
    assert info(arns[15])["position"] == "14"
    assert info(arns[3]) == {
        "queue": "JOBS_QUEUE",
        "position": "None",
        "message": "Job is in CANCELLED status. "
        "AmazonBraket does not show queue position for this status.",
    }


def test_device_shows_its_waiting_jobs(braket, name):
    def size():
        info = braket.get_device(deviceArn=SV1)["deviceQueueInfo"]
        return int(next(item["queueSize"] for item in info if item["queue"] == "JOBS_QUEUE"))

    before = size()
    arn = braket.create_job(**job_request(jobName=name, deviceConfig={"device": SV1}))["jobArn"]
    assert size() == before + 1
    braket.cancel_job(jobArn=arn)
    assert size() == before


def test_cancel_of_a_waiting_job_ends_it_and_may_be_repeated(braket, name):
    arn = braket.create_job(**job_request(jobName=name))["jobArn"]
    for _ in range(2):
        answer = braket.cancel_job(jobArn=arn)
        assert (answer["jobArn"], answer["cancellationStatus"]) == (arn, "CANCELLED")
    job = braket.get_job(jobArn=arn)
    assert job["status"] == "CANCELLED"
    assert [event["eventType"] for event in job["events"]] == ["QUEUED_FOR_EXECUTION", "CANCELLED"]
    assert job["endedAt"] == job["events"][-1]["timeOfEvent"]


def test_same_token_makes_one_job_even_at_once(service, s3, name):
    put_script(s3)
    client = boto3.client("braket", config=Config(max_pool_connections=16))
    request = job_request(jobName=name, clientToken=uuid.uuid4().hex)
    with ThreadPoolExecutor(16) as pool:
        arns = set(pool.map(lambda _: client.create_job(**request)["jobArn"], range(32)))
    assert len(arns) == 1
    named = [{"name": "jobName", "operator": "EQUAL", "values": [name]}]
    assert len(client.search_jobs(filters=named)["jobs"]) == 1
    with pytest.raises(client.exceptions.ValidationException, match="different request"):
        client.create_job(**request | {"hyperParameters": {"a": "b"}})


def test_repetition_is_answered_after_the_script_has_gone(braket, s3, name):
    key = f"{name}/source.tar.gz"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"script")
    script = {"scriptModeConfig": {"entryPoint": "m", "s3Uri": f"s3://{BUCKET}/{key}"}}
    request = job_request(jobName=name, clientToken=name, algorithmSpecification=script)
    arn = braket.create_job(**request)["jobArn"]
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert braket.create_job(**request)["jobArn"] == arn


WRONG = {
    "missing script": (
        {"algorithmSpecification": {"scriptModeConfig": {
            "entryPoint": "m", "s3Uri": f"s3://{BUCKET}/nothing.tar.gz"}}},
        "nothing.tar.gz of scriptModeConfig does not exist",
    ),
    "no algorithm": ({"algorithmSpecification": {}}, "scriptModeConfig, containerImage or both"),
    "entry point": (
        {"algorithmSpecification": {"scriptModeConfig": {
            "entryPoint": "/etc/passwd", "s3Uri": f"s3://{BUCKET}/{SCRIPT_KEY}"}}},
        "'/etc/passwd' in scriptModeConfig.entryPoint",
    ),
    "output bucket": (
        {"outputDataConfig": {"s3Path": "s3://no-such-bucket-here/x"}},
        "Caller doesn't have access to s3://no-such-bucket-here",
    ),
    "output location": (
        {"outputDataConfig": {"s3Path": "https://example.com/x"}}, "not a location in S3",
    ),
    "kms key": (
        {"outputDataConfig": {"s3Path": f"s3://{BUCKET}/x", "kmsKeyId": "k"}}, "kmsKeyId",
    ),
    "checkpoint bucket": (
        {"checkpointConfig": {"s3Uri": "s3://no-such-bucket-here/x"}}, "no-such-bucket-here",
    ),
    "checkpoint path": (
        {"checkpointConfig": {"s3Uri": f"s3://{BUCKET}/x", "localPath": "relative"}},
        "'relative' in checkpointConfig.localPath",
    ),
    "input bucket": (
        {"inputDataConfig": [{"channelName": "c", "dataSource": {
            "s3DataSource": {"s3Uri": "s3://no-such-bucket-here/x"}}}]},
        "channel 'c'",
    ),
    "channel twice": (
        {"inputDataConfig": [{"channelName": "c", "dataSource": {
            "s3DataSource": {"s3Uri": f"s3://{BUCKET}/x"}}}] * 2},
        "channel 'c' more than once",
    ),
    "device of no region": (
        {"deviceConfig": {"device": "arn:aws:braket:::device/none/none/none"}}, "does not exist",
    ),
    "embedded device": ({"deviceConfig": {"device": "local:only"}}, "local:PROVIDER/NAME"),
    "instances on a device": (
        {"deviceConfig": {"device": SV1}, "instanceConfig": {
            "instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": 2}},
        "instanceCount is 2; more than 1 needs an embedded simulator",
    ),
    "many instances": (
        {"instanceConfig": {
            "instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": 6}},
        "instanceCount is 6; the limit is 5",
    ),
    "volume": (
        {"instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 100_000}},
        "the limit is 16384",
    ),
    "instance type": (
        {"instanceConfig": {"instanceType": "ml.none", "volumeSizeInGb": 1}}, "ml.none",
    ),
    "run time": ({"stoppingCondition": {"maxRuntimeInSeconds": 432_001}}, "432000"),
    "reserved embedded": (
        {"associations": [{"arn": "arn:aws:braket:us-east-1:000000000000:reservation/r",
                           "type": "RESERVATION_TIME_WINDOW_ARN"}]},
        "Braket Direct is not supported for local:none/none",
    ),
    "role": ({"roleArn": "arn:aws:iam::12:role/x"}, "roleArn"),
    "long name": ({"jobName": "a" * 51}, "jobName"),
    "name": ({"jobName": "-a"}, "jobName"),
    "name with a blank": ({"jobName": "a b"}, "jobName"),
    "many hyperparameters": ({"hyperParameters": {str(i): "v" for i in range(101)}}, "100"),
    "long hyperparameter": ({"hyperParameters": {"k": "v" * 2501}}, "2500"),
    "two lines": ({"hyperParameters": {"k": "a\nb"}}, "hyperParameters"),
    "many tags": ({"tags": {str(i): "" for i in range(51)}}, "at most 50 tags"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_request_is_refused_and_records_nothing(service, s3, case, name):
    put_script(s3)
    client = boto3.client("braket", config=Config(parameter_validation=False))
    changes, words = WRONG[case]
    token = uuid.uuid4().hex
    request = job_request(jobName=name, clientToken=token) | changes
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.create_job(**request)
    assert words in code_and_message(caught)[1]
    named = [{"name": "jobName", "operator": "EQUAL", "values": [name]}]
    assert client.search_jobs(filters=named)["jobs"] == []
    # The token is still free.
    client.create_job(**job_request(jobName=name, clientToken=token))


def test_role_of_another_account_is_denied(braket, name):
    role = "arn:aws:iam::111111111111:role/service-role/AmazonBraketJobsExecutionRole"
    with pytest.raises(braket.exceptions.AccessDeniedException, match="Cross-account pass role"):
        braket.create_job(**job_request(jobName=name, roleArn=role))


@pytest.mark.parametrize("role", [ROLE, "arn:aws:iam::000000000000:role/own"])
def test_roles_and_names_at_the_limit_are_accepted(braket, role):
    arn = braket.create_job(**job_request(jobName=SHORT_OF_NAMES, roleArn=role))["jobArn"]
    assert braket.get_job(jobArn=arn)["roleArn"] == role


@pytest.mark.parametrize("operation", ["get_job", "cancel_job"])
@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (
            "arn:aws:braket:us-east-1:000000000000:job/00000000-0000-4000-8000-000000000000",
            "ResourceNotFoundException",
        ),
        ("arn:aws:braket:us-east-1:111111111111:job/x", "ResourceNotFoundException"),
        ("arn:aws:braket:us-east-1:000000000000:quantum-task/x", "ValidationException"),
        ("nothing", "ValidationException"),
    ],
)
def test_unknown_job(braket, operation, arn, code):
    with pytest.raises(ClientError) as caught:
        getattr(braket, operation)(jobArn=arn)
    assert caught.value.response["Error"]["Code"] == code


def test_tags_of_a_job(braket, name):
    arn = braket.create_job(**job_request(jobName=name, tags={"a": "1", "b": "2"}))["jobArn"]
    braket.tag_resource(resourceArn=arn, tags={"b": "3", "c": "4"})
    braket.untag_resource(resourceArn=arn, tagKeys=["a", "none"])
    wanted = {"b": "3", "c": "4"}
    assert braket.list_tags_for_resource(resourceArn=arn)["tags"] == wanted
    assert braket.get_job(jobArn=arn)["tags"] == wanted
    tagged = [
        {"name": "tags:c", "operator": "EQUAL", "values": ["4"]},
        {"name": "jobName", "operator": "EQUAL", "values": [name]},
    ]
    (found,) = braket.search_jobs(filters=tagged)["jobs"]
    assert (found["jobArn"], found["tags"]) == (arn, wanted)


def test_search_pages_newest_first_and_binds_its_tokens(braket, name):
    arns = [
        braket.create_job(**job_request(jobName=f"{name}-{number}"))["jobArn"]
        for number in range(7)
    ]
    wanted = [{"name": "jobName", "operator": "CONTAINS", "values": [name]}]
    pages = braket.get_paginator("search_jobs").paginate(
        filters=wanted, PaginationConfig={"PageSize": 3}
    )
    pages = [page["jobs"] for page in pages]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [job["jobArn"] for page in pages for job in page] == arns[::-1]
    job = pages[0][0]
    assert job.pop("createdAt").tzinfo is not None
    assert job == {
        "jobArn": arns[-1],
        "jobName": f"{name}-6",
        "status": "QUEUED",
        "device": EMBEDDED,
        "tags": {},
    }
    token = braket.search_jobs(filters=wanted, maxResults=3)["nextToken"]
    other = [{"name": "jobName", "operator": "EQUAL", "values": [name]}]
    for operation, filters in ((braket.search_jobs, other), (braket.search_quantum_tasks, [])):
        with pytest.raises(braket.exceptions.ValidationException, match="nextToken"):
            operation(filters=filters, maxResults=3, nextToken=token)


def test_search_by_every_filter(braket, name):
    arn = braket.create_job(**job_request(jobName=name))["jobArn"]
    created_at = braket.get_job(jobArn=arn)["createdAt"]
    before, after = (
        (created_at + datetime.timedelta(seconds=seconds)).isoformat() for seconds in (-1, 1)
    )
    filters = [
        {"name": "jobArn", "operator": "EQUAL", "values": [arn]},
        {"name": "jobName", "operator": "CONTAINS", "values": ["zzz", name[4:]]},
        {"name": "deviceArn", "operator": "EQUAL", "values": [EMBEDDED]},
        {"name": "device", "operator": "EQUAL", "values": [EMBEDDED, SV1]},
        {"name": "status", "operator": "EQUAL", "values": ["QUEUED", "FAILED"]},
        {"name": "createdAt", "operator": "BETWEEN", "values": [before, after]},
        {"name": "createdAt", "operator": "GT", "values": [before]},
        {"name": "createdAt", "operator": "LTE", "values": [after]},
    ]
    assert [job["jobArn"] for job in braket.search_jobs(filters=filters)["jobs"]] == [arn]
    filters[4]["values"] = ["FAILED"]
    assert braket.search_jobs(filters=filters)["jobs"] == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "shots", "operator": "EQUAL", "values": ["1"]}, "not a filter of SearchJobs"),
        ({"name": "status", "operator": "CONTAINS", "values": ["QUEUED"]}, "EQUAL"),
        ({"name": "jobName", "operator": "GT", "values": ["a"]}, "EQUAL and CONTAINS"),
        ({"name": "createdAt", "operator": "GT", "values": ["soon"]}, "not a time"),
        ({"name": "createdAt", "operator": "CONTAINS", "values": ["2026"]}, "CONTAINS"),
        ({"name": "createdAt", "operator": "BETWEEN", "values": ["2026-01-01"]}, "2 values"),
    ],
)
def test_wrong_filter_is_refused(braket, wrong, words):
    with pytest.raises(braket.exceptions.ValidationException, match=words):
        braket.search_jobs(filters=[wrong])


def change_records(service, work):
    """Change the records beside the server, as the execution of jobs will from inside."""
    with open_beside(
        service.data_dir / DATABASE_NAME, url=database_url(service.data_dir)
    ) as connection:
        assert work(connection)


def test_tasks_with_a_job_token_belong_to_the_running_job(service, braket, name):
    arn = braket.create_job(**job_request(jobName=name))["jobArn"]
    job_id, token = arn.rpartition("/")[2], uuid.uuid4().hex
    change_records(
        service,
        lambda connection: jobs.apply(
            connection, job_states.START, job_id, at=1, attempt=1, token=token
        ),
    )
    quick = braket.create_quantum_task(**task_request(jobToken=token))["quantumTaskArn"]
    task = wait_for(braket, quick, TERMINAL)
    assert (task["status"], task["jobArn"]) == ("COMPLETED", arn)
    assert task["queueInfo"]["queuePriority"] == "Priority"
    of_job = [{"name": "jobArn", "operator": "EQUAL", "values": [arn]}]
    (found,) = braket.search_quantum_tasks(filters=of_job)["quantumTasks"]
    assert found["quantumTaskArn"] == quick

    slow = long_action(qubit_count=22, layer_count=400)
    arns = [
        braket.create_quantum_task(**task_request(action=slow, jobToken=token))["quantumTaskArn"]
        for _ in range(3)
    ]
    for _ in range(2):
        assert braket.cancel_job(jobArn=arn)["cancellationStatus"] == "CANCELLING"
    for task_arn in arns:
        assert wait_for(braket, task_arn, TERMINAL)["status"] == "CANCELLED"
    with pytest.raises(braket.exceptions.ValidationException, match="running job"):
        braket.create_quantum_task(**task_request(jobToken=token))

    change_records(
        service,
        lambda connection: jobs.apply(
            connection, job_states.END_CANCELLED, job_id, at=5, attempt=1
        ),
    )
    job = braket.get_job(jobArn=arn)
    assert (job["status"], job["billableDuration"]) == ("CANCELLED", 4)
    types = [event["eventType"] for event in job["events"]]
    assert types == ["QUEUED_FOR_EXECUTION", "STARTING_INSTANCE", "CANCELLED"]


@pytest.mark.parametrize("transition", [job_states.COMPLETE, job_states.FAIL])
def test_cancel_of_an_ended_job_raises_conflict(service, braket, name, transition):
    arn = braket.create_job(**job_request(jobName=name))["jobArn"]
    job_id = arn.rpartition("/")[2]
    change_records(
        service,
        lambda connection: (
            jobs.apply(connection, job_states.START, job_id, at=1, attempt=1)
            and jobs.apply(connection, transition, job_id, at=2, attempt=1, failure_reason="why")
        ),
    )
    words = f"cannot cancel a job in the {transition.target} status"
    with pytest.raises(braket.exceptions.ConflictException, match=words):
        braket.cancel_job(jobArn=arn)
    assert braket.get_job(jobArn=arn)["failureReason"] == "why"


def test_job_token_of_no_running_job_is_refused(braket):
    with pytest.raises(braket.exceptions.ValidationException, match="running job of this account"):
        braket.create_quantum_task(**task_request(jobToken="token"))


def test_quotas_of_aws_bound_the_live_jobs_and_their_instances(tmp_path):
    with openbraket.testing.start(
        data_dir=tmp_path, options=("--aws-quotas", "--job-instances", "0")
    ):
        client, s3 = boto3.client("braket"), boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        put_script(s3)
        arns = [client.create_job(**job_request())["jobArn"] for _ in range(3)]
        with pytest.raises(client.exceptions.ServiceQuotaExceededException, match="jobs is 3"):
            client.create_job(**job_request())
        client.cancel_job(jobArn=arns[0])
        two = {"instanceType": "ml.m5.large", "volumeSizeInGb": 1, "instanceCount": 2}
        with pytest.raises(client.exceptions.ServiceQuotaExceededException, match="2 instances"):
            client.create_job(**job_request(instanceConfig=two))
        client.create_job(**job_request())
