"""Multipart uploads through boto3."""

import base64
import hashlib
import zlib

import botocore.exceptions
import pytest

MIB = 1 << 20
FIRST = b"a" * (5 * MIB)
SECOND = b"b" * (5 * MIB + 1)
LAST = b"c" * 10


def code_of(error):
    return error.value.response["Error"]["Code"]


def etag_of(*parts):
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'


@pytest.fixture
def upload(s3_client, bucket):
    """Where to send parts: the arguments that every request of one upload has."""
    created = s3_client.create_multipart_upload(
        Bucket=bucket, Key="k", ContentType="text/x", Metadata={"a": "1"}
    )
    return {"Bucket": bucket, "Key": "k", "UploadId": created["UploadId"]}


def send(client, upload, *bodies):
    parts = []
    for number, body in enumerate(bodies, 1):
        etag = client.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    return parts


def complete(client, upload, parts, **more):
    return client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **more)


def test_parts_become_one_object(s3_client, bucket, upload):
    parts = send(s3_client, upload, FIRST, SECOND, LAST)
    done = complete(s3_client, upload, parts)
    assert done["ETag"] == etag_of(FIRST, SECOND, LAST)
    got = s3_client.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == FIRST + SECOND + LAST
    assert (got["ContentType"], got["Metadata"]) == ("text/x", {"a": "1"})
    assert got["ETag"] == done["ETag"]
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)


def test_object_is_absent_until_the_upload_is_complete(s3_client, bucket, upload):
    send(s3_client, upload, FIRST)
    with pytest.raises(s3_client.exceptions.NoSuchKey):
        s3_client.get_object(Bucket=bucket, Key="k")
    assert s3_client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_parts_may_come_in_any_order_twice_and_be_left_out(s3_client, bucket, upload):
    s3_client.upload_part(**upload, PartNumber=9, Body=LAST)
    s3_client.upload_part(**upload, PartNumber=4, Body=SECOND)
    s3_client.upload_part(**upload, PartNumber=2, Body=b"to be replaced")
    s3_client.upload_part(**upload, PartNumber=2, Body=FIRST)
    listed = s3_client.list_parts(**upload)["Parts"]
    assert [part["PartNumber"] for part in listed] == [2, 4, 9]
    chosen = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in listed]
    complete(s3_client, upload, [chosen[0], chosen[2]])
    assert s3_client.get_object(Bucket=bucket, Key="k")["Body"].read() == FIRST + LAST


def test_completion_may_be_repeated(s3_client, upload):
    parts = send(s3_client, upload, LAST)
    first = complete(s3_client, upload, parts)
    assert complete(s3_client, upload, parts)["ETag"] == first["ETag"]


def test_wrong_lists_of_parts_are_refused(s3_client, upload):
    first, second = send(s3_client, upload, FIRST, LAST)
    for parts, code in (
        ([], "MalformedXML"),
        ([second, first], "InvalidPartOrder"),
        ([first, first], "InvalidPartOrder"),
        ([first, {**second, "PartNumber": 3}], "InvalidPart"),
        ([first, {**second, "ETag": '"other"'}], "InvalidPart"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            complete(s3_client, upload, parts)
        assert code_of(error) == code


def test_part_below_5_mib_is_too_small_unless_last(s3_client, upload):
    parts = send(s3_client, upload, FIRST[:-1], LAST)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        complete(s3_client, upload, parts)
    assert code_of(error) == "EntityTooSmall"


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_number_is_1_to_10000(s3_client, upload, number):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.upload_part(**upload, PartNumber=number, Body=b"x")
    assert code_of(error) == "InvalidArgument"


def test_aborted_upload_is_gone_with_its_parts(s3_client, bucket, upload):
    parts = send(s3_client, upload, LAST)
    s3_client.abort_multipart_upload(**upload)
    for call in (
        lambda: complete(s3_client, upload, parts),
        lambda: s3_client.upload_part(**upload, PartNumber=1, Body=b"x"),
        lambda: s3_client.list_parts(**upload),
        lambda: s3_client.abort_multipart_upload(**upload),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            call()
        assert code_of(error) == "NoSuchUpload"


def test_upload_belongs_to_its_key(s3_client, upload):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.upload_part(**{**upload, "Key": "other"}, PartNumber=1, Body=b"x")
    assert code_of(error) == "NoSuchUpload"


def test_copied_parts(s3_client, bucket, upload):
    s3_client.put_object(Bucket=bucket, Key="source", Body=FIRST + SECOND)
    source = {"Bucket": bucket, "Key": "source"}
    ranges = [f"bytes=0-{5 * MIB - 1}", f"bytes=7-{5 * MIB + 6}", None]
    parts = []
    for number, text in enumerate(ranges, 1):
        more = {"CopySourceRange": text} if text else {}
        copied = s3_client.upload_part_copy(**upload, PartNumber=number, CopySource=source, **more)
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    complete(s3_client, upload, parts)
    body = FIRST + SECOND
    expected = body[: 5 * MIB] + body[7 : 5 * MIB + 7] + body
    assert s3_client.get_object(Bucket=bucket, Key="k")["Body"].read() == expected


@pytest.mark.parametrize("text", ["bytes=0-99", "bytes=5-", "bytes=-5", "bytes=9-1", "0-5"])
def test_copied_range_must_lie_inside_the_source(s3_client, bucket, upload, text):
    s3_client.put_object(Bucket=bucket, Key="source", Body=LAST)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.upload_part_copy(
            **upload, PartNumber=1, CopySource=f"{bucket}/source", CopySourceRange=text
        )
    assert code_of(error) == "InvalidArgument"


def test_parts_can_be_read_by_number(s3_client, bucket, upload):
    complete(s3_client, upload, send(s3_client, upload, FIRST, LAST))
    got = s3_client.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert got["Body"].read() == LAST
    assert got["PartsCount"] == 2
    assert s3_client.head_object(Bucket=bucket, Key="k", PartNumber=1)["ContentLength"] == 5 * MIB
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.get_object(Bucket=bucket, Key="k", PartNumber=3)
    assert code_of(error) == "InvalidPartNumber"
    attributes = s3_client.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"]
    )
    assert [part["Size"] for part in attributes["ObjectParts"]["Parts"]] == [5 * MIB, 10]
    for wrong in ({"PartNumberMarker": -9}, {"MaxParts": -1}):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            s3_client.get_object_attributes(
                Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], **wrong
            )
        assert code_of(error) == "InvalidArgument"


def test_listing_of_parts_has_pages(s3_client, upload):
    send(s3_client, upload, b"1", b"2", b"3")
    pages = list(
        s3_client.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 2})
    )
    numbers = [[part["PartNumber"] for part in page["Parts"]] for page in pages]
    assert numbers == [[1, 2], [3]]


def test_listing_of_uploads_has_pages_and_common_prefixes(s3_client, bucket):
    keys = ["a/1", "a/2", "b", "b", "b", "c/1", "d"]
    for key in keys:
        s3_client.create_multipart_upload(Bucket=bucket, Key=key)
    for size in (1, 2, 3, 100):
        paginator = s3_client.get_paginator("list_multipart_uploads")
        pages = paginator.paginate(
            Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}
        )
        listed, prefixes = [], []
        for page in pages:
            listed += [entry["Key"] for entry in page.get("Uploads", ())]
            prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
        assert listed == ["b", "b", "b", "d"]
        assert prefixes == ["a/", "c/"]
    uploads = s3_client.list_multipart_uploads(Bucket=bucket, Prefix="b")["Uploads"]
    assert len({entry["UploadId"] for entry in uploads}) == 3
    assert [entry["Initiated"] for entry in uploads] == sorted(
        entry["Initiated"] for entry in uploads
    )


def base64_of(value):
    return base64.b64encode(value).decode()


def crc32_of(body):
    return base64_of(zlib.crc32(body).to_bytes(4, "big"))


def sha256_of(body):
    return base64_of(hashlib.sha256(body).digest())


@pytest.mark.parametrize(("algorithm", "of"), [("CRC32", crc32_of), ("SHA256", sha256_of)])
def test_composite_checksum(s3_client, bucket, algorithm, of):
    key = {"Bucket": bucket, "Key": "k"}
    created = s3_client.create_multipart_upload(**key, ChecksumAlgorithm=algorithm)
    assert created["ChecksumType"] == "COMPOSITE"
    upload = {**key, "UploadId": created["UploadId"]}
    member = f"Checksum{algorithm}"
    parts = []
    for number, body in ((1, FIRST), (2, LAST)):
        sent = s3_client.upload_part(
            **upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm
        )
        assert sent[member] == of(body)
        parts.append({"PartNumber": number, "ETag": sent["ETag"], member: sent[member]})
    done = complete(s3_client, upload, parts)
    digests = b"".join(base64.b64decode(of(body)) for body in (FIRST, LAST))
    assert done[member] == of(digests) + "-2"
    head = s3_client.head_object(**key, ChecksumMode="ENABLED")
    assert (head[member], head["ChecksumType"]) == (done[member], "COMPOSITE")
    got = s3_client.get_object(**key, ChecksumMode="ENABLED")
    assert got["Body"].read() == FIRST + LAST


def test_full_object_crc32_is_joined_from_the_parts(s3_client, bucket):
    key = {"Bucket": bucket, "Key": "k"}
    created = s3_client.create_multipart_upload(
        **key, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
    )
    upload = {**key, "UploadId": created["UploadId"]}
    parts = send(s3_client, upload, FIRST, LAST)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        complete(s3_client, upload, parts, ChecksumCRC32=crc32_of(b"other"))
    assert code_of(error) == "BadDigest"
    done = complete(s3_client, upload, parts, ChecksumCRC32=crc32_of(FIRST + LAST))
    assert done["ChecksumCRC32"] == crc32_of(FIRST + LAST)
    got = s3_client.get_object(**key, ChecksumMode="ENABLED")
    assert got["Body"].read() == FIRST + LAST


def test_completion_can_be_conditional(s3_client, bucket, upload):
    parts = send(s3_client, upload, LAST)
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"in the way")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        complete(s3_client, upload, parts, IfNoneMatch="*")
    assert code_of(error) == "PreconditionFailed"
    s3_client.delete_object(Bucket=bucket, Key="k")
    complete(s3_client, upload, parts, IfNoneMatch="*")
