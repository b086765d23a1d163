"""An object store that fails one call in five, kills on top of it, and a store that is away."""

import contextlib
import random
import time
from collections import Counter
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

import openbraket.testing
from support.other_store import KEYS, Proxy, other_store, wait_until
from support.patience import PATIENCE_S
from support.s3 import new_client
from support.tasks import BUCKET, TERMINAL, task_request

TASK_COUNT = 60
KILL_COUNT = 2


@pytest.fixture
def proxy(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    with other_store() as url, Proxy(url, seed=seed) as running:
        with contextlib.closing(client("s3", url)) as s3:
            s3.create_bucket(Bucket=BUCKET)
        yield running


def client(name, url):
    return new_client(url, service=name)


def launch(data_dir, proxy, *, port=0):
    options = ("--workers", "2", "--s3-endpoint", proxy.url)
    return openbraket.testing.launch(data_dir, port=port, options=options)


def create(braket, token):
    """Create a task; ask again, with the same token, until it is answered."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return braket.create_quantum_task(**task_request(clientToken=token))["quantumTaskArn"]
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def wait_for_all(braket, arns):
    deadline = time.monotonic() + PATIENCE_S
    tasks = []
    for arn in arns:
        while (task := braket.get_quantum_task(quantumTaskArn=arn))["status"] not in TERMINAL:
            assert time.monotonic() < deadline, f"{arn} does not end"
            time.sleep(0.05)
        tasks.append(task)
    return tasks


def result_keys(proxy):
    with contextlib.closing(client("s3", f"http://{proxy.target}")) as s3:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return Counter(entry["Key"] for page in pages for entry in page.get("Contents", ()))


def kill(service):
    descendants = psutil.Process(service.process.pid).children(recursive=True)
    service.kill()
    _, alive = psutil.wait_procs(descendants, timeout=PATIENCE_S)
    assert not alive, "workers outlived their server"


def test_store_that_fails_one_call_in_five_and_kills_lose_nothing(proxy, tmp_path):
    proxy.failing_share = 0.2
    service = launch(tmp_path, proxy)
    port = urlsplit(service.endpoint_url).port
    braket = client("braket", service.endpoint_url)
    try:
        arns = []
        for part in range(KILL_COUNT + 1):
            if part:
                kill(service)
                service = launch(tmp_path, proxy, port=port)
            tokens = [f"token-{part}-{number}" for number in range(TASK_COUNT // (KILL_COUNT + 1))]
            arns += [create(braket, token) for token in tokens]
        tasks = wait_for_all(braket, arns)
        assert {task["status"] for task in tasks} == {"COMPLETED"}
        expected = {f"{task['outputS3Directory']}/results.json": 1 for task in tasks}
        assert result_keys(proxy) == expected
        assert proxy.failed_count > 0
        wait_until(lambda: not list((tmp_path / "spool").glob("*")))
    finally:
        braket.close()
        service.stop()


@pytest.mark.parametrize("is_clean", [False, True])
def test_outcomes_that_wait_survive_the_server_and_do_not_run_again(proxy, tmp_path, is_clean):
    service = launch(tmp_path, proxy)
    port = urlsplit(service.endpoint_url).port
    braket = client("braket", service.endpoint_url)
    try:
        wait_for_all(braket, [create(braket, "first")])
        wait_until(lambda: not list((tmp_path / "spool").glob("*")))
        proxy.is_away = True
        arns = [create(braket, f"token-{number}") for number in range(5)]
        wait_until(lambda: len(list((tmp_path / "spool").glob("*.json"))) == len(arns))
        made = {path: path.stat().st_mtime_ns for path in (tmp_path / "spool").iterdir()}
        for _ in range(4):
            # More often than attempts may be lost: no attempt is.
            if is_clean:
                assert service.stop() == 0
            else:
                kill(service)
            service = launch(tmp_path, proxy, port=port)
            for arn in arns:
                assert braket.get_quantum_task(quantumTaskArn=arn)["status"] == "RUNNING"
        assert braket.cancel_quantum_task(quantumTaskArn=arns[0])["cancellationStatus"]
        assert {path: path.stat().st_mtime_ns for path in made if path.exists()}.items() <= (
            made.items()
        )
        proxy.is_away = False
        tasks = wait_for_all(braket, arns)
        assert [task["status"] for task in tasks] == ["CANCELLED"] + ["COMPLETED"] * 4
        keys = result_keys(proxy)
        for task in tasks:
            key = f"{task['outputS3Directory']}/results.json"
            assert keys[key] == (task["status"] == "COMPLETED")
    finally:
        braket.close()
        service.stop()


def test_object_of_a_task_that_was_cancelled_before_a_crash_is_taken_back(proxy, tmp_path):
    service = launch(tmp_path, proxy)
    port = urlsplit(service.endpoint_url).port
    braket = client("braket", service.endpoint_url)
    try:
        proxy.loses_puts = True
        arn = create(braket, "doomed")
        wait_until(lambda: result_keys(proxy))
        proxy.is_away = True
        braket.cancel_quantum_task(quantumTaskArn=arn)
        wait_for_all(braket, [arn])
        kill(service)
        service = launch(tmp_path, proxy, port=port)
        assert result_keys(proxy)
        proxy.is_away = proxy.loses_puts = False
        wait_until(lambda: not result_keys(proxy))
        wait_until(lambda: not list((tmp_path / "spool").glob("*")))
        (task,) = wait_for_all(braket, [arn])
        assert task["status"] == "CANCELLED"
    finally:
        braket.close()
        service.stop()
