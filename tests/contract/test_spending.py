"""Spending limits, prices and cancels as boto3 and the Braket SDK see them, on a live service."""

import concurrent.futures
import csv
import os
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import boto3
import braket.tracking.pricing
import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsSession
from braket.circuits import Circuit
from braket.tracking import Tracker

from openbraket.services import pricing
from openbraket.testing.service import PRICE_LIST_PATH, client_environment
from support.office import EMERALD, GARNET, GONE, REGION, SV1
from support.patience import PATIENCE_S
from support.tasks import BUCKET, TERMINAL, task_request, wait_for

TESTS = Path(__file__).parents[1]
BELL = Circuit().h(0).cnot(0, 1)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Run a service with a quantum processor and return what points clients at it."""
    command = [sys.executable, "-m", "support.qpu_server"]
    command += [str(tmp_path_factory.mktemp("qpu") / "data"), "accept"]
    process = subprocess.Popen(
        command,
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    url = process.stdout.readline().split()[1]
    variables = client_environment(url, region=REGION)
    boto3.client("s3", endpoint_url=url, **credentials(variables)).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    yield variables
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0
    process.stdout.close()


def credentials(variables):
    return {
        "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
        "region_name": REGION,
    }


@pytest.fixture
def client(environment, monkeypatch):
    for name in os.environ:
        if name.startswith(("AWS_", "BRAKET_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # The SDK keeps the first price list that it has read.
    monkeypatch.setattr(braket.tracking.pricing._pricing, "_price_list", [])
    braket.tracking.pricing.Pricing.price_search.cache_clear()
    made = boto3.client("braket")
    yield made
    for limit in made.search_spending_limits()["spendingLimits"]:
        made.delete_spending_limit(spendingLimitArn=limit["spendingLimitArn"])
    made.close()


def on_garnet(**changes):
    return task_request(deviceArn=GARNET, shots=100) | changes


def only_limit(client, device_arn=GARNET):
    filters = [{"name": "deviceArn", "operator": "EQUAL", "values": [device_arn]}]
    (limit,) = client.search_spending_limits(filters=filters)["spendingLimits"]
    return limit


def test_limit_lives_through_all_four_operations(client):
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    arn = client.create_spending_limit(
        deviceArn=GARNET,
        spendingLimit="12.50",
        timePeriod={"startAt": start, "endAt": end},
        tags={"team": "blue"},
    )["spendingLimitArn"]
    limit = only_limit(client)
    assert limit.pop("createdAt") == limit.pop("updatedAt")
    assert limit == {
        "spendingLimitArn": arn,
        "deviceArn": GARNET,
        "timePeriod": {"startAt": start, "endAt": end},
        "spendingLimit": "12.50",
        "queuedSpend": "0",
        "totalSpend": "0",
        "tags": {"team": "blue"},
    }
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "blue"}
    client.update_spending_limit(spendingLimitArn=arn, spendingLimit="20")
    assert only_limit(client)["spendingLimit"] == "20"
    client.create_spending_limit(deviceArn=EMERALD, spendingLimit="1")
    assert client.can_paginate("search_spending_limits")
    pages = client.get_paginator("search_spending_limits").paginate(
        PaginationConfig={"PageSize": 1}
    )
    devices = [limit["deviceArn"] for page in pages for limit in page["spendingLimits"]]
    assert devices == [EMERALD, GARNET]
    client.delete_spending_limit(spendingLimitArn=arn)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.delete_spending_limit(spendingLimitArn=arn)


def test_errors_are_caught_by_their_names(client):
    with pytest.raises(client.exceptions.DeviceRetiredException):
        client.create_spending_limit(deviceArn=GONE, spendingLimit="1")
    east = boto3.client("braket", region_name="us-east-1")
    with pytest.raises(east.exceptions.ValidationException, match="simulators"):
        east.create_spending_limit(deviceArn=SV1, spendingLimit="1")
    client.create_spending_limit(deviceArn=GARNET, spendingLimit="1")
    with pytest.raises(client.exceptions.ValidationException, match="already exists"):
        client.create_spending_limit(deviceArn=GARNET, spendingLimit="1")
    for wrong in ("1.234", "-1", "1e3", "١"):
        with pytest.raises(ClientError) as caught:
            client.create_spending_limit(deviceArn=EMERALD, spendingLimit=wrong)
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_task_over_the_limit_is_refused_in_the_services_words(client):
    client.create_spending_limit(deviceArn=GARNET, spendingLimit="3")
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.create_quantum_task(**on_garnet(shots=10_000))
    message = caught.value.response["message"]
    assert message.startswith(
        "Attempted to spend over the spending limit or outside the spending limit time window. "
        "Spending limit: 3, current spend: 0, estimated cost: 14.8000000000, start time: 20"
    )
    assert message.endswith("Z, end time: 2125-12-30T00:00:00.000Z")


def test_concurrent_clients_stay_under_the_limit_together(client):
    client.create_spending_limit(deviceArn=GARNET, spendingLimit="2.30")

    def create(_):
        try:
            return boto3.client("braket").create_quantum_task(**on_garnet())["quantumTaskArn"]
        except client.exceptions.ClientError:
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        arns = [arn for arn in pool.map(create, range(12)) if arn]
    assert len(arns) == 5  # 0.445 each
    for arn in arns:
        assert wait_for(client, arn, TERMINAL)["status"] == "COMPLETED"
    limit = only_limit(client)
    assert (limit["queuedSpend"], limit["totalSpend"]) == ("0", "2.2250000000")


def test_cost_tracker_of_the_sdk_gives_the_total_spend(client):
    client.create_spending_limit(deviceArn=GARNET, spendingLimit="100")
    device = AwsDevice(GARNET, AwsSession(boto3.Session(region_name=REGION)))
    with Tracker() as tracker:
        for shots in (1, 100, 999):
            task = device.run(BELL, shots=shots, s3_destination_folder=(BUCKET, "tracked"))
            task.result()
    total = only_limit(client)["totalSpend"]
    assert tracker.qpu_tasks_cost() == Decimal(total) == Decimal("0.90") + 1100 * Decimal("0.00145")
    assert tracker.quantum_tasks_statistics()[GARNET]["tasks"] == {"COMPLETED": 3}


def test_cost_tracker_of_the_sdk_knows_the_simulator(client):
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket=f"{BUCKET}-east")
    device = AwsDevice(SV1, AwsSession(boto3.Session(region_name="us-east-1")))
    with Tracker() as tracker:
        device.run(BELL, shots=10, s3_destination_folder=(f"{BUCKET}-east", "x")).result()
    assert tracker.simulator_tasks_cost() == Decimal("0.00375")


def test_price_list_has_one_row_for_each_query_of_the_tracker(endpoint_url):
    assert PRICE_LIST_PATH == pricing.PATH
    with urllib.request.urlopen(endpoint_url + PRICE_LIST_PATH) as answer:
        assert answer.headers["content-type"] == pricing.CONTENT_TYPE
        lines = answer.read().decode().splitlines()[5:]
    rows = list(csv.DictReader(lines))
    assert {row["Currency"] for row in rows} == {"USD"}
    devices = {}
    for region in ("us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1"):
        pages = boto3.client(
            "braket",
            endpoint_url=endpoint_url,
            **{**credentials(client_environment(endpoint_url)), "region_name": region},
        ).get_paginator("search_devices")
        for device in pages.paginate(filters=[]).build_full_result()["devices"]:
            devices[region, device["deviceArn"]] = device
    count = 0
    for (region, arn), device in devices.items():
        if device["deviceStatus"] == "RETIRED":
            continue
        name = arn.rpartition("/")[2]
        if device["deviceType"] == "QPU":
            name = "IBEX-Q1" if name == "Ibex-Q1" else name
            queries = [
                {"DeviceName": name, "Product Family": "Quantum Task"},
                {"DeviceName": name, "Product Family": "Quantum Task-Shot"},
                {"Device Name": name, "Product Family": "Braket Managed Jobs QPU Task"},
                {"Device Name": name, "Product Family": "Braket Managed Jobs QPU Task Shot"},
            ]
        else:
            families = ("Simulator Task", "Braket Managed Jobs Simulator Task")
            queries = [
                {"Version": name.upper(), "Product Family": family, "operation": operation}
                for family, operation in zip(
                    families, ("CompleteTask", "Managed-Jobs"), strict=True
                )
            ]
        for query in queries:
            query["Region Code"] = region
            found = [row for row in rows if query.items() <= row.items()]
            assert len(found) == 1, query
            assert Decimal(found[0]["PricePerUnit"]) > 0
            count += 1
    assert count == len(rows)


def test_cancel_of_an_ended_task_is_accepted_where_the_operator_says_so(client):
    arn = client.create_quantum_task(**on_garnet())["quantumTaskArn"]
    ended = wait_for(client, arn, TERMINAL)
    answer = client.cancel_quantum_task(quantumTaskArn=arn)
    assert answer["cancellationStatus"] == "CANCELLED"
    assert client.get_quantum_task(quantumTaskArn=arn)["endedAt"] == ended["endedAt"]


def test_reservation_of_a_quantum_processor_is_refused(client):
    association = {
        "arn": f"arn:aws:braket:{REGION}:000000000000:reservation/x",
        "type": "RESERVATION_TIME_WINDOW_ARN",
    }
    with pytest.raises(client.exceptions.ValidationException, match="Reservation arn is invalid"):
        client.create_quantum_task(**on_garnet(associations=[association]))
