"""kill -9 of the server while clients create jobs: what was answered is there, each job once."""

import threading
import uuid

from botocore.exceptions import BotoCoreError

import openbraket.testing
from support.jobs import job_request, put_script
from support.patience import PATIENCE_S
from support.s3 import new_client
from support.tasks import BUCKET

CLIENT_COUNT = 3
ANSWERED_MIN = 30


def client(name, service):
    return new_client(service.endpoint_url, service=name)


def create_until_killed(service, name, sent, answered, enough):
    """Send requests with fresh tokens until there is no server; note those that were answered."""
    braket = client("braket", service)
    try:
        while True:
            request = job_request(jobName=name, clientToken=uuid.uuid4().hex, tags={"run": name})
            sent.append(request)
            answered[request["clientToken"]] = braket.create_job(**request)["jobArn"]
            if len(answered) >= ANSWERED_MIN:
                enough.set()
    except BotoCoreError:
        enough.set()
    finally:
        braket.close()


def test_jobs_created_while_the_server_is_killed_are_there_once(tmp_path):
    options = ("--workers", "1", "--job-instances", "0")
    service = openbraket.testing.launch(tmp_path, options=options)
    s3 = client("s3", service)
    s3.create_bucket(Bucket=BUCKET)
    put_script(s3)
    s3.close()
    name, sent, answered, enough = "killed", [], {}, threading.Event()
    threads = [
        threading.Thread(target=create_until_killed, args=(service, name, sent, answered, enough))
        for _ in range(CLIENT_COUNT)
    ]
    for thread in threads:
        thread.start()
    assert enough.wait(PATIENCE_S)
    service.kill()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(answered) >= ANSWERED_MIN

    service = openbraket.testing.launch(tmp_path, options=options)
    braket = client("braket", service)
    try:
        pages = braket.get_paginator("search_jobs").paginate(
            filters=[{"name": "jobName", "operator": "EQUAL", "values": [name]}]
        )
        found = [job for page in pages for job in page["jobs"]]
        arns = {job["jobArn"] for job in found}
        assert len(arns) == len(found) <= len(sent)
        assert set(answered.values()) <= arns
        for job in found:
            whole = braket.get_job(jobArn=job["jobArn"])
            assert whole["roleArn"] == job_request()["roleArn"]
            assert whole["tags"] == {"run": name}
            assert whole["events"][0]["eventType"] == "QUEUED_FOR_EXECUTION"
        # Clients that got no answer ask again: each request has made, or makes, exactly one job.
        again = {request["clientToken"]: braket.create_job(**request)["jobArn"] for request in sent}
        assert again | answered == again
        assert arns <= set(again.values())
        assert len(set(again.values())) == len(sent)
    finally:
        braket.close()
        service.stop()
