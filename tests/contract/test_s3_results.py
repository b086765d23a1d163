"""What S3 clients do with the results of quantum tasks, small ones and large ones."""

import json

import boto3
import pytest

from support.tasks import BUCKET, TERMINAL, task_request, wait_for


@pytest.fixture(scope="module", params=[10, 5000], ids=["small", "large"])
def result(service, request):
    """Return a key and its content; a small result is in the records, a large one a file."""
    client, s3 = boto3.client("braket"), boto3.client("s3")
    arn = client.create_quantum_task(**task_request(shots=request.param))["quantumTaskArn"]
    key = f"{wait_for(client, arn, TERMINAL)['outputS3Directory']}/results.json"
    content = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert (len(content) > 16 << 10) == (request.param == 5000)
    assert json.loads(content)["taskMetadata"]["id"] == arn
    return key, content


def test_what_is_said_of_a_result_is_what_is_read(s3, result):
    key, content = result
    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert (head["ContentLength"], head["ContentType"]) == (len(content), "application/json")
    (listed,) = s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]
    assert (listed["Size"], listed["ETag"]) == (len(content), head["ETag"])


def test_ranges_of_a_result(s3, result):
    key, content = result
    size = len(content)
    for text, part in (("0-0", content[:1]), ("7-99", content[7:100]), ("-5", content[-5:])):
        got = s3.get_object(Bucket=BUCKET, Key=key, Range=f"bytes={text}")
        assert got["Body"].read() == part
    got = s3.get_object(Bucket=BUCKET, Key=key, Range=f"bytes={size - 2}-{size + 10}")
    assert got["Body"].read() == content[-2:]
    with pytest.raises(s3.exceptions.ClientError, match="InvalidRange"):
        s3.get_object(Bucket=BUCKET, Key=key, Range=f"bytes={size}-")


def test_copies_of_a_result(s3, result):
    key, content = result
    source = {"Bucket": BUCKET, "Key": key}
    s3.copy_object(Bucket=BUCKET, Key=f"{key}.copy", CopySource=source)
    assert s3.get_object(Bucket=BUCKET, Key=f"{key}.copy")["Body"].read() == content
    whole = {"Bucket": BUCKET, "Key": f"{key}.parts"}
    upload = s3.create_multipart_upload(**whole)["UploadId"]
    part = s3.upload_part_copy(
        **whole, UploadId=upload, PartNumber=1, CopySource=source, CopySourceRange="bytes=3-42"
    )
    parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**whole, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**whole)["Body"].read() == content[3:43]


def test_result_is_replaced_and_deleted(s3, result):
    key, content = result
    own = f"{key}.own"
    s3.copy_object(Bucket=BUCKET, Key=own, CopySource={"Bucket": BUCKET, "Key": key})
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"mine")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"mine"
    s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=BUCKET, Key=key)
    assert s3.get_object(Bucket=BUCKET, Key=own)["Body"].read() == content
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": own}]})
