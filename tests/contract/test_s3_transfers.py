"""Whole clients at work: file transfers, presigned URLs, aws-chunked bodies, the CLI, the SDK."""

import base64
import contextlib
import hashlib
import io
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import botocore.exceptions
import psutil
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

MIB = 1 << 20
CLI = Path(sys.executable).with_name("aws")


def pseudo_random(size, seed=1):
    return hashlib.shake_128(str(seed).encode()).digest(size)


@pytest.mark.parametrize("size", [1000, 8 * MIB, 21 * MIB + 5])
def test_files_go_up_and_come_down(s3_client, bucket, tmp_path, size):
    config = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB)
    body = pseudo_random(size)
    (tmp_path / "up").write_bytes(body)
    extra = {"ContentType": "text/x", "Metadata": {"a": "1"}}
    s3_client.upload_file(str(tmp_path / "up"), bucket, "k", ExtraArgs=extra, Config=config)
    s3_client.download_file(bucket, "k", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == body
    s3_client.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", Config=config)
    assert s3_client.get_object(Bucket=bucket, Key="copy")["Body"].read() == body
    assert s3_client.head_object(Bucket=bucket, Key="copy")["ContentType"] == "text/x"


def test_resource_interface(endpoint_url, bucket):
    resource = boto3.resource(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="openbraket",
        aws_secret_access_key="openbraket",
    )
    with contextlib.closing(resource.meta.client):
        resource.Bucket(bucket).put_object(Key="a/results.json", Body=b"{}")
        assert resource.Object(bucket, "a/results.json").get()["Body"].read() == b"{}"
        assert [entry.key for entry in resource.Bucket(bucket).objects.filter(Prefix="a")] == [
            "a/results.json"
        ]
        resource.Bucket(bucket).objects.all().delete()
        assert list(resource.Bucket(bucket).objects.all()) == []


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_need_no_client(make_client, bucket, version):
    client = make_client(config=Config(signature_version=version))
    target = {"Bucket": bucket, "Key": "ä b+c%/d"}
    more = {"ContentType": "text/x"}
    url = client.generate_presigned_url("put_object", Params={**target, **more}, ExpiresIn=60)
    assert ("X-Amz-Signature" in url) == (version == "s3v4")
    request = urllib.request.Request(
        url, b"presigned", method="PUT", headers={"Content-Type": "text/x"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["ETag"] == f'"{hashlib.md5(b"presigned").hexdigest()}"'
    more = {"ResponseContentType": "text/csv"}
    url = client.generate_presigned_url("get_object", Params={**target, **more}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"presigned"
        assert answer.headers["Content-Type"] == "text/csv"
    url = client.generate_presigned_url("head_object", Params=target, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as answer:
        assert answer.headers["Content-Length"] == "9"
        assert answer.headers["Content-Type"] == "text/x"
    url = client.generate_presigned_url("delete_object", Params=target, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as answer:
        assert answer.status == 204


def aws_chunked(body, *, trailer="", chunk_size=MIB, signature=""):
    pieces = []
    for start in range(0, len(body), chunk_size):
        chunk = body[start : start + chunk_size]
        pieces.append(b"%x%s\r\n%s\r\n" % (len(chunk), signature.encode(), chunk))
    pieces.append(b"0%s\r\n" % signature.encode())
    pieces.append(f"{trailer}\r\n\r\n".encode() if trailer else b"\r\n")
    return b"".join(pieces)


CRC32 = base64.b64encode(zlib.crc32(pseudo_random(3 * MIB)).to_bytes(4, "big")).decode()
FAKE_SIGNATURE = ";chunk-signature=" + "0" * 64


@pytest.mark.parametrize(
    ("form", "trailer", "signature", "code"),
    [
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", CRC32, "", None),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "AAAAAA==", "", "BadDigest"),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", CRC32, FAKE_SIGNATURE, None),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", FAKE_SIGNATURE, None),
    ],
)
def test_aws_chunked_bodies_are_decoded(
    endpoint_url, s3_client, bucket, form, trailer, signature, code
):
    body = pseudo_random(3 * MIB)
    header = f"x-amz-checksum-crc32:{trailer}" if trailer else ""
    encoded = aws_chunked(body, trailer=header, signature=signature)
    request = urllib.request.Request(f"{endpoint_url}/{bucket}/k", encoded, method="PUT")
    request.add_header("Content-Encoding", "aws-chunked,gzip")
    request.add_header("x-amz-content-sha256", form)
    request.add_header("x-amz-decoded-content-length", str(len(body)))
    if trailer:
        request.add_header("x-amz-trailer", "x-amz-checksum-crc32")
    if code:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert f"<Code>{code}</Code>" in refused.value.read().decode()
        return
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    got = s3_client.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ContentEncoding"] == "gzip"
    assert got["Body"].read() == body
    assert got.get("ChecksumCRC32") == (CRC32 if trailer else None)


def test_chunked_body_shorter_than_announced_is_incomplete(endpoint_url, bucket):
    encoded = aws_chunked(b"short")
    request = urllib.request.Request(f"{endpoint_url}/{bucket}/k", encoded, method="PUT")
    request.add_header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    request.add_header("x-amz-decoded-content-length", "6")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert b"<Code>IncompleteBody</Code>" in refused.value.read()


def test_many_writers_of_one_key_leave_one_whole_object_and_no_orphans(service, s3_client, bucket):
    bodies = [pseudo_random(300_000, seed) for seed in range(12)]
    before = stored_files(service)

    def write(body):
        for _ in range(3):
            s3_client.put_object(Bucket=bucket, Key="k", Body=body)
            assert s3_client.get_object(Bucket=bucket, Key="k")["Body"].read() in bodies

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, bodies))
    got = s3_client.get_object(Bucket=bucket, Key="k")
    body = got["Body"].read()
    assert body in bodies
    assert got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert len(stored_files(service) - before) == 1


def stored_files(service):
    return {
        path
        for folder in ("objects", "incoming")
        for path in (service.data_dir / folder).rglob("*")
        if path.is_file()
    }


def test_refused_and_aborted_writes_leave_no_files(service, s3_client, bucket):
    before = stored_files(service)
    wrong = base64.b64encode(b"0000").decode()
    for _ in range(2):
        with pytest.raises(botocore.exceptions.ClientError):
            s3_client.put_object(Bucket=bucket, Key="k", Body=b"x" * 3 * MIB, ChecksumCRC32=wrong)
    upload = {"Bucket": bucket, "Key": "k"}
    upload["UploadId"] = s3_client.create_multipart_upload(**upload)["UploadId"]
    for _ in range(2):
        s3_client.upload_part(**upload, PartNumber=1, Body=b"part")
    assert len(stored_files(service) - before) == 1
    s3_client.abort_multipart_upload(**upload)
    assert stored_files(service) == before


def test_reader_of_a_deleted_object_reads_to_its_end(s3_client, bucket):
    body = pseudo_random(30 * MIB)
    s3_client.put_object(Bucket=bucket, Key="k", Body=body)
    reading = s3_client.get_object(Bucket=bucket, Key="k")["Body"]
    first = reading.read(1000)
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"new")
    s3_client.delete_object(Bucket=bucket, Key="k")
    assert first + reading.read() == body


class Zeros(io.RawIOBase):
    """A body of zeros that takes no memory."""

    def __init__(self, size):
        self._size = size
        self._position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self._position = offset + {0: 0, 1: self._position, 2: self._size}[whence]
        return self._position

    def tell(self):
        return self._position

    def readinto(self, buffer):
        count = min(len(buffer), self._size - self._position)
        buffer[:count] = bytes(count)
        self._position += count
        return count


@contextlib.contextmanager
def peak_of_memory(process_id):
    """Yield a list whose last entry becomes the process's largest growth in bytes."""
    process = psutil.Process(process_id)
    at_start = process.memory_info().rss
    growth = [0]
    is_over = threading.Event()

    def watch():
        while not is_over.wait(0.01):
            growth[0] = max(growth[0], process.memory_info().rss - at_start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield growth
    finally:
        is_over.set()
        watcher.join()


@pytest.mark.slow
@pytest.mark.parametrize("is_multipart", [False, True])
def test_400_mb_take_less_than_100_mb_of_memory(service, s3_client, bucket, is_multipart):
    size = 400 * MIB
    with peak_of_memory(service.process.pid) as growth:
        if is_multipart:
            s3_client.upload_fileobj(Zeros(size), bucket, "k")
        else:
            s3_client.put_object(Bucket=bucket, Key="k", Body=Zeros(size))
        body = s3_client.get_object(Bucket=bucket, Key="k")["Body"]
        received = sum(len(chunk) for chunk in body.iter_chunks(MIB))
    assert received == size
    assert growth[0] < 100 * MIB


def run_cli(endpoint_url, *arguments):
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "openbraket",
        "AWS_SECRET_ACCESS_KEY": "openbraket",
        "AWS_DEFAULT_REGION": "us-west-2",
    }
    done = subprocess.run(
        [CLI, "s3", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_aws_command_line(endpoint_url, tmp_path):
    body = pseudo_random(9 * MIB)
    (tmp_path / "big").write_bytes(body)
    assert "make_bucket" in run_cli(endpoint_url, "mb", "s3://by-cli")
    run_cli(endpoint_url, "cp", str(tmp_path / "big"), "s3://by-cli/a b/big")
    listed = run_cli(endpoint_url, "ls", "s3://by-cli", "--recursive")
    assert str(9 * MIB) in listed
    assert "a b/big" in listed
    run_cli(endpoint_url, "cp", "s3://by-cli/a b/big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == body
    assert "by-cli" in run_cli(endpoint_url, "ls")
    run_cli(endpoint_url, "rm", "s3://by-cli", "--recursive")
    run_cli(endpoint_url, "rb", "s3://by-cli")


@pytest.mark.slow
def test_default_bucket_of_the_braket_sdk_exists_at_once_and_again(endpoint_url, monkeypatch):
    from braket.aws import AwsSession

    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "openbraket")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "openbraket")
    for region in ("us-west-2", "us-west-2", "us-east-1", "us-east-1"):
        session = AwsSession(boto_session=boto3.Session(region_name=region))
        assert session.default_bucket() == f"amazon-braket-{region}-000000000000"
        for client in (session.s3_client, session.sts_client, session.braket_client):
            client.close()
