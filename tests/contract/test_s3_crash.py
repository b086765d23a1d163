"""The server is killed with SIGKILL: an object is whole or absent, and nothing is left over."""

import contextlib
import hashlib
import http.client
import random
import threading
import time
import urllib.parse

import botocore.exceptions
import pytest

from openbraket.testing import launch
from support.patience import PATIENCE_S
from support.s3 import new_client

MIB = 1 << 20


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("is_overwrite", [False, True])
def test_kill_during_an_upload_leaves_the_key_as_it_was(tmp_path, is_overwrite):
    service = launch(tmp_path)
    with contextlib.closing(new_client(service.endpoint_url)) as client:
        client.create_bucket(Bucket="crashed")
        if is_overwrite:
            client.put_object(Bucket="crashed", Key="k", Body=b"before")
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(service.endpoint_url).netloc)
    connection.putrequest("PUT", "/crashed/k")
    connection.putheader("Content-Length", str(20 * MIB))
    connection.endheaders()
    for _ in range(8):
        connection.send(bytes(MIB))
    wait_until(lambda: files_in(tmp_path / "incoming"))
    service.kill()
    connection.close()

    service = launch(tmp_path)
    try:
        with contextlib.closing(new_client(service.endpoint_url)) as client:
            if is_overwrite:
                assert client.get_object(Bucket="crashed", Key="k")["Body"].read() == b"before"
            else:
                with pytest.raises(client.exceptions.NoSuchKey):
                    client.get_object(Bucket="crashed", Key="k")
            wait_until(lambda: files_in(tmp_path / "incoming") == [])
            client.put_object(Bucket="crashed", Key="k", Body=b"after")
            assert client.get_object(Bucket="crashed", Key="k")["Body"].read() == b"after"
    finally:
        service.kill()


def test_kills_at_any_moment_lose_nothing_that_was_acknowledged(tmp_path):
    chance = random.Random(11)
    acknowledged = {}
    for round_number in range(4):
        service = launch(tmp_path)
        writers = [
            threading.Thread(target=write, args=(service, f"{round_number}-{name}", acknowledged))
            for name in range(4)
        ]
        if round_number == 0:
            with contextlib.closing(new_client(service.endpoint_url)) as client:
                client.create_bucket(Bucket="crashed")
        for writer in writers:
            writer.start()
        count = len(acknowledged)
        wait_until(lambda count=count: len(acknowledged) >= count + 8)
        time.sleep(chance.random() / 10)
        service.kill()
        for writer in writers:
            writer.join()

    service = launch(tmp_path)
    try:
        with contextlib.closing(new_client(service.endpoint_url)) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket="crashed")
            entries = {entry["Key"]: entry for page in pages for entry in page["Contents"]}
            assert acknowledged.keys() <= entries.keys()
            for key, entry in entries.items():
                body = client.get_object(Bucket="crashed", Key=key)["Body"].read()
                assert entry["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
                if key in acknowledged:
                    assert entry["ETag"] == acknowledged[key]
            wait_until(lambda: len(files_in(tmp_path / "objects")) == len(entries))
            wait_until(lambda: files_in(tmp_path / "incoming") == [])
    finally:
        service.kill()


def write(service, name, acknowledged):
    with contextlib.closing(new_client(service.endpoint_url)) as client:
        for number in range(1000):
            body = f"{name}/{number}".encode() * chance_of_size(number)
            key = f"{name}/{number}"
            try:
                acknowledged[key] = client.put_object(Bucket="crashed", Key=key, Body=body)["ETag"]
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return


def chance_of_size(number):
    return (1, 300, 20_000)[number % 3]


def test_kill_during_completion_leaves_an_upload_that_can_be_completed(tmp_path):
    service = launch(tmp_path)
    body = bytes(6 * MIB)
    with contextlib.closing(new_client(service.endpoint_url)) as client:
        client.create_bucket(Bucket="crashed")
        upload = {"Bucket": "crashed", "Key": "k"}
        upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
        parts = []
        for number in range(1, 21):
            etag = client.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        completing = threading.Thread(target=complete, args=(service, upload, parts))
        completing.start()
        wait_until(lambda: files_in(tmp_path / "incoming"))
        service.kill()
        completing.join()

    service = launch(tmp_path)
    try:
        with contextlib.closing(new_client(service.endpoint_url)) as client:
            assert client.list_objects_v2(Bucket="crashed")["KeyCount"] == 0
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
            assert client.head_object(Bucket="crashed", Key="k")["ContentLength"] == 20 * len(body)
            wait_until(lambda: len(files_in(tmp_path / "objects")) == 1)
    finally:
        service.kill()


def complete(service, upload, parts):
    is_killed = contextlib.suppress(botocore.exceptions.BotoCoreError)
    with contextlib.closing(new_client(service.endpoint_url)) as client, is_killed:
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
