"""A whole service on a cluster: tasks run there, cancels kill, deaths of server and head."""

import asyncio
import json
import os
import select
import signal

import boto3
import pytest
from botocore.config import Config

import openbraket.testing
from openbraket.blobs import LocalBlobs
from openbraket.engine.executors.base import Lost, Succeeded
from support.ray_cluster import MIB, WAIT_S, RayNodes, open_pool
from support.tasks import BUCKET, long_action, task_request, wait_for

LONG = {"action": long_action(qubit_count=24, layer_count=400), "shots": 1}


def clients(service):
    return [
        boto3.client(
            name,
            endpoint_url=service.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        for name in ("braket", "s3")
    ]


@pytest.fixture
def launch(tmp_path, nodes):
    """Start a service on the same data, again and again; the last is stopped."""
    launched = []

    def start():
        launched.append(openbraket.testing.launch(tmp_path, options=("--executor", nodes.address)))
        return launched[-1]

    yield start
    for service in launched:
        service.stop()


def test_tasks_run_are_cancelled_and_outlive_the_server(launch):
    service = launch()
    braket, s3 = clients(service)
    s3.create_bucket(Bucket=BUCKET)
    arn = braket.create_quantum_task(**task_request())["quantumTaskArn"]
    task = wait_for(braket, arn, {"COMPLETED", "FAILED"})
    assert task["status"] == "COMPLETED", task
    key = f"{task['outputS3Directory']}/results.json"
    results = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert len(results["measurements"]) == 10

    arn = braket.create_quantum_task(**task_request(**LONG))["quantumTaskArn"]
    wait_for(braket, arn, {"RUNNING"})
    braket.cancel_quantum_task(quantumTaskArn=arn)
    wait_for(braket, arn, {"CANCELLED"})

    arn = braket.create_quantum_task(**task_request(**LONG))["quantumTaskArn"]
    waiting = braket.create_quantum_task(**task_request())["quantumTaskArn"]
    wait_for(braket, arn, {"RUNNING"})
    wait_for(braket, waiting, {"COMPLETED"})
    service.kill()
    service = launch()
    braket, _ = clients(service)
    assert wait_for(braket, arn, {"RUNNING"})["status"] == "RUNNING"
    assert wait_for(braket, waiting, {"COMPLETED"})["status"] == "COMPLETED"
    braket.cancel_quantum_task(quantumTaskArn=arn)
    wait_for(braket, arn, {"CANCELLED"})


@pytest.mark.anyio
async def test_cluster_can_be_reached_through_its_client_port(tmp_path, client_address):
    async with open_pool(tmp_path, client_address) as pool:
        assert isinstance(await pool.run(), Succeeded)
        (stored,) = (await pool.run({"do": "pieces", "size": 20 * MIB})).objects
        assert stored.blob.size == 20 * MIB
        outcome, reported = await pool.submit({"do": "spin"})
        await asyncio.wait_for(reported.wait(), WAIT_S)
        pool.executor.kill("task", 1)
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)

        seen = (await pool.run({"do": "describe"})).objects[0]
        pid = json.loads(LocalBlobs(pool.root).path(seen.blob.id).read_bytes())["pid"]
        worker = os.pidfd_open(pid)
        try:
            os.kill(pool.executor.bridge_pid, signal.SIGKILL)
            ended, _, _ = await asyncio.to_thread(select.select, [worker], [], [], WAIT_S)
            assert ended
        finally:
            os.close(worker)


@pytest.fixture
def lone_head():
    cluster = RayNodes(num_cpus=1)
    yield cluster
    cluster.close()


@pytest.mark.anyio
async def test_lost_head_loses_the_attempts_and_tasks_wait_for_it(tmp_path, lone_head, caplog):
    async with open_pool(tmp_path, lone_head.address) as pool:
        assert isinstance(await pool.run(), Succeeded)
        outcome, reported = await pool.submit({"do": "spin"})
        await asyncio.wait_for(reported.wait(), WAIT_S)
        await asyncio.to_thread(lone_head.kill, lone_head.head)
        assert await asyncio.wait_for(outcome, WAIT_S) == Lost(-signal.SIGKILL)
        await pool.until(lambda: pool.executor.free_count == 0)
    assert "the connection to Ray ended" in caplog.text


def test_executor_of_another_form_is_refused(tmp_path):
    with pytest.raises(openbraket.testing.ServiceStartError, match="is not local, auto, ray://"):
        openbraket.testing.launch(tmp_path, options=("--executor", "dask"))
