"""AWS's quotas, on a clock that the test moves."""

import asyncio
import json
import random

import boto3
import botocore.endpoint
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from openbraket.server.gateway import Binding, Gateway
from openbraket.services.braket import quotas
from openbraket.services.braket.quotas import RATES, Rate, Throttle
from openbraket.wire.errors import ServiceError
from openbraket.wire.service import Service
from support.office import SV1, Office

ME = ("000000000000", "us-east-1")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def is_admitted(throttle, who, operation):
    try:
        throttle.admit(*who, operation)
    except ServiceError as error:
        if (error.code, error.status) == ("ThrottlingException", 429):
            return False
        raise
    return True


def admitted(throttle, operation, count, who=ME):
    """Return how many of so many requests at once pass."""
    return sum(is_admitted(throttle, who, operation) for _ in range(count))


@pytest.mark.parametrize("operation", sorted(RATES.keys() - {quotas.ALL_OPERATIONS}))
def test_burst_passes_and_then_the_rate(operation):
    clock, rate = Clock(), RATES[operation]
    throttle = Throttle(clock)
    assert admitted(throttle, operation, rate.burst + 10) == rate.burst
    clock.now += 2
    assert admitted(throttle, operation, rate.burst + 10) == 2 * rate.per_s
    clock.now += 10_000
    assert admitted(throttle, operation, rate.burst + 10) == rate.burst


def test_all_operations_together_have_a_rate_of_their_own():
    throttle = Throttle(Clock())
    assert admitted(throttle, "ListTagsForResource", 1000) == 600
    assert admitted(throttle, "GetQuantumTask", 1) == 0


def test_accounts_regions_and_operations_have_buckets_of_their_own():
    throttle = Throttle(Clock())
    assert admitted(throttle, "CreateJob", 9) == 5
    assert admitted(throttle, "CancelJob", 9) == 5
    assert admitted(throttle, "CreateJob", 9, ("111111111111", "us-east-1")) == 5
    assert admitted(throttle, "CreateJob", 9, ("000000000000", "us-west-2")) == 5


def test_refused_request_takes_no_token():
    clock = Clock()
    throttle = Throttle(clock, {"CreateJob": Rate(1, 1), quotas.ALL_OPERATIONS: Rate(1, 100)})
    admitted(throttle, "CreateJob", 50)
    assert admitted(throttle, "Other", 100) == 99


def test_regions_without_end_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(quotas, "BUCKETS_MAX", 10)
    throttle = Throttle(Clock())
    for number in range(100):
        throttle.admit(ME[0], f"region-{number}", "GetJob")
    assert len(throttle) == 10


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_boto3_gets_through_by_its_own_retries(monkeypatch, mode):
    """The client's own pauses move the clock; nobody sleeps."""
    clock = Clock()
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(botocore.endpoint.time, "sleep", pause)
    # The older mode draws its pauses and heeds no header.
    monkeypatch.setattr(random, "random", lambda: 0.5)

    async def tags(context, params):
        return {"tags": {}}

    binding = Binding(Service.load("braket"), {"ListTagsForResource": tags})
    keys = type("NoKeys", (), {"keys": lambda self: {}})()
    rates = {"ListTagsForResource": Rate(per_s=1, burst=2)}
    gateway = Gateway(
        {"braket": binding, "sts": binding},
        None,
        keys,
        account="000000000000",
        throttle=Throttle(clock, rates),
    )
    # As many attempts as each mode makes by default.
    patient = client(gateway, {"legacy": 5, "standard": 3}[mode], mode)
    hasty = client(gateway, 1, mode)
    for _ in range(40):
        assert patient.list_tags_for_resource(resourceArn="arn")["tags"] == {}
    assert pauses
    admitted(gateway._throttle, "ListTagsForResource", 2)
    with pytest.raises(ClientError) as caught:
        hasty.list_tags_for_resource(resourceArn="arn")
    assert isinstance(caught.value, hasty.exceptions.ClientError)
    assert caught.value.response["Error"] == {
        "Code": "ThrottlingException",
        "Message": "Rate exceeded",
    }
    metadata = caught.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 429
    assert 0 < int(metadata["HTTPHeaders"]["x-amz-retry-after"]) <= 1000


def client(gateway, attempts, mode):
    """Return a boto3 client whose connection is the gateway."""
    made = boto3.client(
        "braket",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": attempts, "mode": mode}),
    )
    made.meta.events.register("before-send", lambda request, **_: answer(gateway, request))
    return made


def answer(gateway, request):
    path, _, query = request.url.removeprefix("http://127.0.0.1:9").partition("?")
    headers = [
        (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in request.headers.items()
    ]
    scope = {
        "type": "http",
        "method": request.method,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(gateway(scope, receive, send))
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    json.loads(body)
    raw = type("Raw", (), {"stream": lambda self, **_: iter([body])})()
    return botocore.awsrequest.AWSResponse(request.url, sent[0]["status"], head, raw)


def test_simulators_take_as_many_live_tasks_as_on_aws(tmp_path):
    async def check():
        office = Office(tmp_path / "data", region="us-west-1", has_aws_quotas=True)
        await office.open()
        request = office.task(deviceArn=SV1)
        tasks = [office.call("CreateQuantumTask", **request) for _ in range(60)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        refusals = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
        assert {error.code for error in refusals} == {"ServiceQuotaExceededException"}
        assert (len(refusals), refusals[0].status) == (10, 402)
        await office.call("CreateQuantumTask", region="us-east-1", **request)
        await office.house.settle()
        (first,) = office.house.executor.running
        office.house.executor.end(first, office.house.result())
        await office.house.settle()
        await office.call("CreateQuantumTask", **request)
        with pytest.raises(ServiceError, match="quota of concurrent tasks is 50"):
            await office.call("CreateQuantumTask", **request)
        await office.close()

    async def check_without():
        office = Office(tmp_path / "more", region="us-west-1")
        await office.open()
        for _ in range(51):
            await office.call("CreateQuantumTask", **office.task(deviceArn=SV1))
        await office.close()

    asyncio.run(check())
    asyncio.run(check_without())


def test_jobs_and_their_instances_have_quotas():
    quotas.require_job_room("us-east-1", 2)
    with pytest.raises(ServiceError, match="quota of concurrent jobs is 3") as caught:
        quotas.require_job_room("us-east-1", 3)
    assert caught.value.status == 402
    with pytest.raises(ServiceError, match="quota of instances per job is 1"):
        quotas.require_job_room("us-east-1", 0, instance_count=2)


@pytest.mark.parametrize(
    ("region", "instance_type", "live_count", "wanted", "is_allowed"),
    [
        ("us-east-1", "ml.m5.large", 4, 1, True),
        ("us-east-1", "ml.m5.large", 5, 1, False),
        ("us-east-1", "ml.m5.large", 3, 3, False),
        ("us-east-1", "ml.c5.9xlarge", 0, 1, True),
        ("us-east-1", "ml.c5.9xlarge", 1, 1, False),
        ("us-east-1", "ml.p3.2xlarge", 0, 1, False),
        ("us-west-1", "ml.g6.xlarge", 0, 1, False),
        ("eu-west-2", "ml.g6.xlarge", 0, 1, True),
        ("eu-west-2", "ml.g6e.xlarge", 0, 1, False),
        ("eu-north-1", "ml.m4.xlarge", 0, 1, False),
    ],
)
def test_instances_of_a_type_are_limited(region, instance_type, live_count, wanted, is_allowed):
    def ask():
        quotas.require_instance_room(region, instance_type, live_count, wanted=wanted)

    if is_allowed:
        ask()
    else:
        with pytest.raises(ServiceError, match=f"instances of {instance_type}"):
            ask()
