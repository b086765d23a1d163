"""Tasks, jobs, tags and spending limits in any order against a model, through boto3."""

import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from openbraket.testing.service import client_environment
from support.jobs import job_request, put_script
from support.office import EMERALD, GARNET, REGION
from support.patience import PATIENCE_S
from support.tasks import BUCKET, TERMINAL, task_request, wait_for

TESTS = Path(__file__).parents[1]
TASK_PRICE, SHOT_PRICE = Decimal("0.30"), Decimal("0.00145")
KEYS = ("color", "Team", "é key", "a/b")
tags = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(("", "red", "ünï €", "1")))
picks = st.integers(0, 1000)
amounts = st.sampled_from(("3", "1.5", "0.62", "0.31", "0"))


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """Clients of a service whose catalogue has a quantum processor that takes tasks."""
    command = [sys.executable, "-m", "support.qpu_server"]
    command += [str(tmp_path_factory.mktemp("machine") / "data"), "conflict"]
    process = subprocess.Popen(
        command,
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    variables = client_environment(process.stdout.readline().split()[1], region=REGION)
    options = {
        "endpoint_url": variables["AWS_ENDPOINT_URL"],
        "aws_access_key_id": "openbraket",
        "aws_secret_access_key": "openbraket",
        "region_name": REGION,
        "config": Config(retries={"total_max_attempts": 1}),
    }
    s3 = boto3.client("s3", **options)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    put_script(s3)
    braket = boto3.client("braket", **options)
    yield braket
    braket.close()
    s3.close()
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0
    process.stdout.close()


@dataclass
class Limit:
    arn: str
    amount: Decimal
    tags: dict
    spent: Decimal = Decimal(0)


@dataclass
class Made:
    """A task or job."""

    arn: str
    request: dict
    tags: dict
    limit: Limit | None = None
    cost: Decimal = Decimal(0)
    end: str = ""
    is_released: bool = False


class Machine(RuleBasedStateMachine):
    braket = None

    @initialize()
    def begin(self):
        self.mark = "machine-" + uuid.uuid4().hex[:12]
        self.tasks, self.jobs = [], []
        self.limit = None

    def teardown(self):
        if not hasattr(self, "mark"):
            return
        self.settle()
        self.spends_add_up()
        self.searches_find_the_tasks({})
        self.searches_find_the_jobs()
        for job in self.jobs:
            if not job.end:
                self.braket.cancel_job(jobArn=job.arn)
        if self.limit is not None:
            self.braket.delete_spending_limit(spendingLimitArn=self.limit.arn)

    def refusal(self, call, **params):
        """Return the name of the error that a call raises, or None, and its answer."""
        try:
            return None, call(**params)
        except ClientError as error:
            return type(error).__name__, None

    def settle(self):
        for task in self.tasks:
            if not task.end:
                task.end = wait_for(self.braket, task.arn, TERMINAL)["status"]
                self.release(task)

    def release(self, task):
        if task.limit is not None and task.end != "COMPLETED" and not task.is_released:
            task.is_released = True
            task.limit.spent -= task.cost

    @rule(
        device=st.sampled_from((EMERALD, GARNET, GARNET)),
        shots=st.sampled_from((1, 10, 200)),
        tags=tags,
    )
    def create_task(self, device, shots, tags):
        token = uuid.uuid4().hex
        marked = tags | {"run": self.mark}
        request = task_request(deviceArn=device, shots=shots, tags=marked, clientToken=token)
        limit = self.limit if device == GARNET else None
        cost = TASK_PRICE + shots * SHOT_PRICE
        code, answer = self.refusal(self.braket.create_quantum_task, **request)
        if limit is not None and cost > limit.amount - limit.spent:
            assert code == "ValidationException"
            return
        assert code is None
        task = Made(answer["quantumTaskArn"], request, marked, limit, cost)
        self.tasks.append(task)
        if limit is not None:
            limit.spent += cost

    @rule(tags=tags, name=st.sampled_from(("a", "b")))
    def create_job(self, tags, name):
        marked = tags | {"run": self.mark}
        request = job_request(
            jobName=f"{self.mark}-{name}", tags=marked, clientToken=uuid.uuid4().hex
        )
        arn = self.braket.create_job(**request)["jobArn"]
        self.jobs.append(Made(arn, request, marked))

    @rule(kind=st.sampled_from(("task", "job")), count=st.integers(2, 3))
    def create_at_once(self, kind, count):
        """Concurrent duplicates make one."""
        marked, token = {"run": self.mark}, uuid.uuid4().hex
        if kind == "task":
            request = task_request(deviceArn=EMERALD, tags=marked, clientToken=token)
            call, name, made = self.braket.create_quantum_task, "quantumTaskArn", self.tasks
        else:
            request = job_request(jobName=f"{self.mark}-c", tags=marked, clientToken=token)
            call, name, made = self.braket.create_job, "jobArn", self.jobs
        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(lambda _: call(**request)[name], range(count)))
        assert len(set(answers)) == 1
        made.append(Made(answers[0], request, marked))

    @precondition(lambda self: self.tasks or self.jobs)
    @rule(pick=picks, is_same=st.booleans())
    def repeat(self, pick, is_same):
        made = self.any_of(pick)
        if made in self.tasks:
            call, name, other = self.braket.create_quantum_task, "quantumTaskArn", {"shots": 11}
        else:
            call, name, other = self.braket.create_job, "jobArn", {"jobName": "other"}
        code, answer = self.refusal(call, **made.request | ({} if is_same else other))
        if is_same:
            assert answer[name] == made.arn
        else:
            assert code == "ValidationException"

    def any_of(self, pick):
        everything = [*self.tasks, *self.jobs]
        return everything[pick % len(everything)]

    @precondition(lambda self: self.tasks)
    @rule(pick=picks, is_repeated=st.booleans())
    def cancel_task(self, pick, is_repeated):
        task = self.tasks[pick % len(self.tasks)]
        code, answer = self.refusal(self.braket.cancel_quantum_task, quantumTaskArn=task.arn)
        end = wait_for(self.braket, task.arn, TERMINAL)["status"]
        assert task.end in {"", end}
        if code is None:
            assert answer["cancellationStatus"] in {"CANCELLING", "CANCELLED"}
            assert end == "CANCELLED"
        else:
            assert code == "ConflictException"
            assert end == "COMPLETED"
        task.end = end
        self.release(task)
        if is_repeated:
            again = self.refusal(self.braket.cancel_quantum_task, quantumTaskArn=task.arn)
            assert again[0] == code

    @precondition(lambda self: self.jobs)
    @rule(pick=picks)
    def cancel_job(self, pick):
        job = self.jobs[pick % len(self.jobs)]
        code, answer = self.refusal(self.braket.cancel_job, jobArn=job.arn)
        found = self.braket.get_job(jobArn=job.arn)
        if code is None:
            assert answer["cancellationStatus"] in {"CANCELLING", "CANCELLED"}
            assert found["status"] in {"CANCELLING", "CANCELLED"}
            job.end = "CANCELLED"
        else:
            assert code == "ConflictException"
            assert found["status"] in {"COMPLETED", "FAILED"}
            job.end = found["status"]

    @precondition(lambda self: self.tasks)
    @rule(pick=picks)
    def get_task(self, pick):
        task = self.tasks[pick % len(self.tasks)]
        found = self.braket.get_quantum_task(quantumTaskArn=task.arn)
        for name in ("deviceArn", "shots", "outputS3Bucket"):
            assert found[name] == task.request[name]
        assert found["tags"] == task.tags
        assert found["status"] == task.end or not task.end
        assert ("endedAt" in found) == (found["status"] in TERMINAL)

    @precondition(lambda self: self.jobs)
    @rule(pick=picks)
    def get_job(self, pick):
        job = self.jobs[pick % len(self.jobs)]
        found = self.braket.get_job(jobArn=job.arn)
        for name in ("jobName", "roleArn", "deviceConfig", "outputDataConfig"):
            assert found[name] == job.request[name]
        assert found["tags"] == job.tags
        assert job.end != "CANCELLED" or found["status"] in {"CANCELLING", "CANCELLED"}

    @precondition(lambda self: self.tasks or self.jobs or self.limit)
    @rule(pick=picks, tags=tags, is_limit=st.booleans())
    def tag(self, pick, tags, is_limit):
        made = self.taggable(pick, is_limit)
        self.braket.tag_resource(resourceArn=made.arn, tags=tags)
        made.tags = made.tags | tags
        self.tags_are_those_of(made)

    @precondition(lambda self: self.tasks or self.jobs or self.limit)
    @rule(pick=picks, keys=st.lists(st.sampled_from(KEYS), min_size=1), is_limit=st.booleans())
    def untag(self, pick, keys, is_limit):
        made = self.taggable(pick, is_limit)
        self.braket.untag_resource(resourceArn=made.arn, tagKeys=keys)
        made.tags = {key: value for key, value in made.tags.items() if key not in keys}
        self.tags_are_those_of(made)

    def taggable(self, pick, is_limit):
        if self.limit is not None and (is_limit or not (self.tasks or self.jobs)):
            return self.limit
        return self.any_of(pick)

    def tags_are_those_of(self, made):
        found = self.braket.list_tags_for_resource(resourceArn=made.arn)["tags"]
        assert found == made.tags

    @rule(amount=amounts, tags=tags)
    def create_limit(self, amount, tags):
        request = {"deviceArn": GARNET, "spendingLimit": amount, "tags": tags}
        code, answer = self.refusal(self.braket.create_spending_limit, **request)
        if self.limit is not None:
            assert code == "ValidationException"
            return
        self.limit = Limit(answer["spendingLimitArn"], Decimal(amount), tags)

    @precondition(lambda self: self.limit)
    @rule(amount=amounts)
    def update_limit(self, amount):
        request = {"spendingLimitArn": self.limit.arn, "spendingLimit": amount}
        code, _ = self.refusal(self.braket.update_spending_limit, **request)
        assert (code is None) == (Decimal(amount) >= self.limit.spent)
        if code is None:
            self.limit.amount = Decimal(amount)

    @precondition(lambda self: self.limit)
    @rule(is_sure=st.integers(0, 2))
    def delete_limit(self, is_sure):
        if is_sure == 2:
            arn, self.limit = self.limit.arn, None
            self.braket.delete_spending_limit(spendingLimitArn=arn)
            code, _ = self.refusal(self.braket.delete_spending_limit, spendingLimitArn=arn)
            assert code == "ResourceNotFoundException"

    @rule(tags=tags, page_size=st.integers(1, 5))
    def searches_find_the_tasks(self, tags, page_size=3):
        wanted = tags | {"run": self.mark}
        filters = [
            {"name": f"tags:{key}", "operator": "EQUAL", "values": [value]}
            for key, value in wanted.items()
            if value
        ]
        pages = self.braket.get_paginator("search_quantum_tasks").paginate(
            filters=filters, PaginationConfig={"PageSize": page_size}
        )
        found = [
            (task["quantumTaskArn"], task["tags"]) for p in pages for task in p["quantumTasks"]
        ]
        expected = [
            (task.arn, task.tags)
            for task in reversed(self.tasks)
            if all(task.tags.get(key) == value for key, value in wanted.items() if value)
        ]
        assert found == expected

    @rule(name=st.sampled_from(("a", "b", "")), page_size=st.integers(1, 5))
    def searches_find_the_jobs(self, name="", page_size=3):
        operator = "EQUAL" if name else "CONTAINS"
        wanted = f"{self.mark}-{name}" if name else self.mark
        pages = self.braket.get_paginator("search_jobs").paginate(
            filters=[{"name": "jobName", "operator": operator, "values": [wanted]}],
            PaginationConfig={"PageSize": page_size},
        )
        found = [(job["jobArn"], job["tags"]) for page in pages for job in page["jobs"]]
        assert found == [
            (job.arn, job.tags)
            for job in reversed(self.jobs)
            if job.request["jobName"].startswith(wanted)
        ]

    @invariant()
    def spends_add_up(self):
        if not hasattr(self, "mark"):
            return
        limits = self.braket.search_spending_limits()["spendingLimits"]
        assert len(limits) == (self.limit is not None)
        for found in limits:
            assert found["spendingLimitArn"] == self.limit.arn
            assert Decimal(found["spendingLimit"]) == self.limit.amount
            assert found["tags"] == self.limit.tags
            spent = Decimal(found["queuedSpend"]) + Decimal(found["totalSpend"])
            assert spent == self.limit.spent <= self.limit.amount
            own = [task for task in self.tasks if task.limit is self.limit]
            if all(task.end for task in own):
                assert Decimal(found["queuedSpend"]) == 0


def test_any_order_of_calls_agrees_with_the_model(clients, monkeypatch):
    monkeypatch.setattr(Machine, "braket", clients)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
