"""Threads that create tasks and jobs, look at them, and cancel some, whatever is killed."""

import itertools
import json
import threading
import time
import uuid

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from support.jobs import job_request
from support.s3 import new_client
from support.storm.told import TERMINAL, Told
from support.tasks import BUCKET, long_action, task_request

SCRIPT = f"s3://{BUCKET}/script/algorithm.py"
SCRIPT_TEXT = b"""
import os
with open(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"] + "/done", "w") as file:
    file.write(os.environ["AMZN_BRAKET_JOB_NAME"])
"""
# One task in so many takes long enough to be met by a kill; one in so many is cancelled.
LONG_EVERY = 25
CANCEL_EVERY = 20
# A server that dies may cut off its answer anywhere.
_AWAY = (BotoCoreError, ClientError, OSError)


def client(endpoint_url, name):
    config = Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10)
    return new_client(endpoint_url, service=name, config=config)


def is_refusal(error):
    """Return whether a server answered that the request is wrong, which none of them is."""
    if not isinstance(error, ClientError):
        return False
    return error.response["ResponseMetadata"]["HTTPStatusCode"] < 500


class Client(threading.Thread):
    """Creates tasks one after the other; asks again, with the same token, until it is answered.

    Args:
        endpoint_urls: Servers of one service; after an error it goes on with the next one.
        tokens: A client token for each task.
        deadline_s: When it gives up.

    Attributes:
        arns: By token, what was accepted.
        accepted: The same in its order.
        refusals: Answers that say that a request is wrong.
        last_error: What it met last.
    """

    def __init__(self, endpoint_urls, tokens, deadline_s):
        super().__init__()
        self._servers = itertools.cycle([client(url, "braket") for url in endpoint_urls])
        self.tokens = tokens
        self.deadline_s = deadline_s
        self.arns = {}
        self.accepted = []
        self.refusals = []
        self.last_error = None

    def run(self):
        braket = next(self._servers)
        for number, token in enumerate(self.tokens):
            while token not in self.arns and time.monotonic() < self.deadline_s:
                try:
                    arn = self.create(braket, number, token)
                except _AWAY as error:
                    self.last_error = error
                    if is_refusal(error):
                        self.refusals.append(error)
                    braket = next(self._servers)
                    time.sleep(0.02)
                else:
                    self.arns[token] = arn
                    self.accepted.append(arn)
            time.sleep(0.01)

    def create(self, braket, number, token):
        changes = {"clientToken": token}
        if number % LONG_EVERY == 0:
            changes["action"] = long_action(qubit_count=17, layer_count=12)
        return braket.create_quantum_task(**task_request(**changes))["quantumTaskArn"]


class JobClient(Client):
    """The same with jobs."""

    def create(self, braket, number, token):
        algorithm = {"entryPoint": "algorithm", "s3Uri": SCRIPT, "compressionType": "NONE"}
        request = job_request(
            jobName=f"job-{token}",
            clientToken=token,
            algorithmSpecification={"scriptModeConfig": algorithm},
            outputDataConfig={"s3Path": f"s3://{BUCKET}/{token}"},
        )
        return braket.create_job(**request)["jobArn"]


class Watcher(threading.Thread):
    """Looks at what the others created until it has seen the end of each; cancels some.

    Args:
        endpoint_urls: Servers of one service; each question goes to the next one.
        creators: Those whose tasks and jobs it looks at.
        rng: Chooses.
        deadline_s: When it gives up.

    Attributes:
        told: What the servers said.
    """

    def __init__(self, endpoint_urls, creators, rng, deadline_s):
        super().__init__()
        self._servers = itertools.cycle([
            (client(url, "braket"), client(url, "s3")) for url in endpoint_urls
        ])
        self._creators = creators
        self._taken_counts = dict.fromkeys(creators, 0)
        self._rng = rng
        self.deadline_s = deadline_s
        self.told = Told()
        self.failure = None

    def run(self):
        try:
            while time.monotonic() < self.deadline_s:
                are_done = not any(thread.is_alive() for thread in self._creators)
                self._take_in()
                if are_done and not self.told.open:
                    return
                try:
                    self._look()
                except _AWAY as error:
                    if is_refusal(error):
                        self.told.wrong.append(repr(error))
                    time.sleep(0.02)
                time.sleep(0.003)
        except Exception as error:
            self.failure = error
            raise

    def _take_in(self):
        for thread, count in self._taken_counts.items():
            new = thread.accepted[count:]
            self._taken_counts[thread] += len(new)
            for arn in new:
                self.told.accept(arn)

    def _look(self):
        if not self.told.open:
            return
        braket, s3 = next(self._servers)
        place = self._rng.randrange(len(self.told.open))
        arn = self.told.open[place]
        answer = (
            braket.get_job(jobArn=arn)
            if ":job/" in arn
            else braket.get_quantum_task(quantumTaskArn=arn)
        )
        status = answer.get("status")
        if status is None:
            self.told.wrong.append(repr(answer))
            return
        self.told.see(arn, status)
        if status in TERMINAL:
            if status == "COMPLETED":
                self._open_result(s3, arn, answer)
            self.told.close(place)
        elif arn not in self.told.cancel_asked and self._rng.randrange(CANCEL_EVERY) == 0:
            self._cancel(braket, arn)

    def _open_result(self, s3, arn, answer):
        """Read the result of what was told to be COMPLETED, which must be there from then on."""
        if ":job/" in arn:
            bucket, _, prefix = answer["outputDataConfig"]["s3Path"][5:].partition("/")
            s3.head_object(Bucket=bucket, Key=f"{prefix}/output/model.tar.gz")
            return
        key = f"{answer['outputS3Directory']}/results.json"
        body = s3.get_object(Bucket=answer["outputS3Bucket"], Key=key)["Body"].read()
        if (found := json.loads(body)["taskMetadata"]["id"]) != arn:
            self.told.wrong.append(f"{arn} has the result of {found}")

    def _cancel(self, braket, arn):
        self.told.cancel_asked.add(arn)
        try:
            if ":job/" in arn:
                answer = braket.cancel_job(jobArn=arn)
            else:
                answer = braket.cancel_quantum_task(quantumTaskArn=arn, clientToken=_token())
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConflictException":  # it ended before
                raise
        else:
            self.told.promise_cancel(arn, answer["cancellationStatus"])


def _token():
    return str(uuid.uuid4())
