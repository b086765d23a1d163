"""Objects through boto3: content, metadata, ranges, conditions, checksums, copies, deletion."""

import base64
import datetime
import hashlib
import urllib.request
import zlib

import botocore.exceptions
import pytest

BODY = bytes(range(256)) * 40
LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
FAR_AHEAD = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)


def md5(body):
    return hashlib.md5(body).hexdigest()


def base64_of(value):
    return base64.b64encode(value).decode()


def code_and_status(error):
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("size", [0, 1, 2048, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_content_comes_back_byte_for_byte(s3_client, bucket, size):
    body = (BODY * (size // len(BODY) + 1))[:size]
    put = s3_client.put_object(Bucket=bucket, Key="k", Body=body)
    got = s3_client.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert got["ContentLength"] == size
    assert put["ETag"] == got["ETag"] == f'"{md5(body)}"'
    assert got["ContentType"] == "binary/octet-stream"


@pytest.mark.parametrize(
    "key",
    [
        "plain",
        "with space",
        "plus+sign",
        "per%20cent",
        "a//b",
        "/leading",
        "trailing/",
        "dot/./dot/../dot",
        "käse/日本語/🙂",
        "a?b&c=d#e",
        "quote'\"<>&",
        "tab\tand\nline",
        "~!@$^*()-_=;:,.",
        "k" * 1024,
    ],
)
def test_special_keys_survive_every_operation(s3_client, bucket, key):
    s3_client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3_client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert s3_client.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(key.encode())
    listed = s3_client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == [key]
    assert [entry["Key"] for entry in s3_client.list_objects(Bucket=bucket)["Contents"]] == [key]
    copied = s3_client.copy_object(
        Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key}
    )
    assert copied["CopyObjectResult"]["ETag"] == f'"{md5(key.encode())}"'
    s3_client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert s3_client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_key_of_more_than_1024_bytes_is_refused(s3_client, bucket):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.put_object(Bucket=bucket, Key="ä" * 513, Body=b"")
    assert code_and_status(error) == ("KeyTooLongError", 400)


def test_missing_key_answers_404(s3_client, bucket):
    with pytest.raises(s3_client.exceptions.NoSuchKey) as error:
        s3_client.get_object(Bucket=bucket, Key="missing")
    assert code_and_status(error) == ("NoSuchKey", 404)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.head_object(Bucket=bucket, Key="missing")
    assert code_and_status(error) == ("404", 404)


def test_everything_said_about_an_object_comes_back(s3_client, bucket):
    said = {
        "ContentType": "application/json; charset=utf-8",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="r.json"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "Metadata": {"mixed-case": "Value, with comma", "n": "1"},
        "WebsiteRedirectLocation": "/other",
    }
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"x", Expires=FAR_AHEAD, **said)
    read = s3_client.get_object(Bucket=bucket, Key="k")
    assert read["Body"].read() == b"x"
    for got in (read, s3_client.head_object(Bucket=bucket, Key="k")):
        assert {name: got[name] for name in said} == said
        assert got["ExpiresString"] == "Fri, 01 Jan 2100 00:00:00 GMT"
        assert got["AcceptRanges"] == "bytes"


def test_overwriting_forgets_what_was_said_before(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "1"}, CacheControl="no")
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"yy")
    got = s3_client.head_object(Bucket=bucket, Key="k")
    assert got["Metadata"] == {}
    assert "CacheControl" not in got
    assert got["ContentLength"] == 2


def test_response_parameters_replace_headers(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    got = s3_client.get_object(
        Bucket=bucket,
        Key="k",
        ResponseContentType="text/csv",
        ResponseContentDisposition="inline",
        ResponseCacheControl="no-store",
        ResponseContentEncoding="identity",
        ResponseContentLanguage="fr",
        ResponseExpires=FAR_AHEAD,
    )
    assert got["Body"].read() == b"x"
    assert got["ContentType"] == "text/csv"
    assert got["ContentDisposition"] == "inline"
    assert got["CacheControl"] == "no-store"
    assert got["ContentEncoding"] == "identity"
    assert got["ContentLanguage"] == "fr"
    assert got["ExpiresString"] == "Fri, 01 Jan 2100 00:00:00 GMT"


def test_too_much_metadata_is_refused(s3_client, bucket):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2048})
    assert code_and_status(error) == ("MetadataTooLarge", 400)


@pytest.mark.parametrize(
    "extra",
    [
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32},
        {"ServerSideEncryption": "aws:kms"},
        {"Tagging": "a=b"},
        {"ObjectLockLegalHoldStatus": "ON"},
    ],
)
def test_promises_that_cannot_be_kept_are_refused(endpoint_url, s3_client, bucket, extra):
    if "SSECustomerKey" in extra:  # the client sends this over TLS only
        request = urllib.request.Request(f"{endpoint_url}/{bucket}/k", b"x", method="PUT")
        request.add_header("x-amz-server-side-encryption-customer-algorithm", "AES256")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 501
        assert b"<Code>NotImplemented</Code>" in refused.value.read()
        return
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.put_object(Bucket=bucket, Key="k", Body=b"x", **extra)
    assert code_and_status(error) == ("NotImplemented", 501)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=0-9", slice(0, 10)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=-999999", slice(0, None)),
        ("bytes=10-999999", slice(10, None)),
    ],
)
def test_ranges(s3_client, bucket, text, expected):
    s3_client.put_object(Bucket=bucket, Key="k", Body=BODY)
    got = s3_client.get_object(Bucket=bucket, Key="k", Range=text)
    start, stop, _ = expected.indices(len(BODY))
    assert got["Body"].read() == BODY[expected]
    assert got["ContentRange"] == f"bytes {start}-{stop - 1}/{len(BODY)}"
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    head = s3_client.head_object(Bucket=bucket, Key="k", Range=text)
    assert head["ContentLength"] == stop - start


@pytest.mark.parametrize("text", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_range_outside_the_object_is_not_satisfiable(s3_client, bucket, text):
    s3_client.put_object(Bucket=bucket, Key="k", Body=BODY)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.get_object(Bucket=bucket, Key="k", Range=text)
    assert code_and_status(error) == ("InvalidRange", 416)


@pytest.mark.parametrize("text", ["bytes=5-2", "bytes=0-1,4-5", "chunks=0-1", "bytes=a-b"])
def test_range_that_is_none_is_ignored(s3_client, bucket, text):
    s3_client.put_object(Bucket=bucket, Key="k", Body=BODY)
    got = s3_client.get_object(Bucket=bucket, Key="k", Range=text)
    assert got["Body"].read() == BODY
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(("is_current", "status"), [(True, 206), (False, 200)])
def test_if_range_decides_whether_the_range_counts(
    endpoint_url, s3_client, bucket, is_current, status
):
    etag = s3_client.put_object(Bucket=bucket, Key="k", Body=BODY)["ETag"]
    request = urllib.request.Request(f"{endpoint_url}/{bucket}/k")
    request.add_header("Range", "bytes=0-3")
    request.add_header("If-Range", etag if is_current else '"other"')
    with urllib.request.urlopen(request) as answer:
        assert answer.status == status
        assert answer.read() == (BODY[:4] if is_current else BODY)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"IfMatch": "ETAG"}, None),
        ({"IfMatch": "*"}, None),
        ({"IfMatch": '"other"'}, "PreconditionFailed"),
        ({"IfNoneMatch": "ETAG"}, "304"),
        ({"IfNoneMatch": '"other"'}, None),
        ({"IfModifiedSince": LONG_AGO}, None),
        ({"IfModifiedSince": FAR_AHEAD}, "304"),
        ({"IfUnmodifiedSince": LONG_AGO}, "PreconditionFailed"),
        ({"IfUnmodifiedSince": FAR_AHEAD}, None),
        # An entity tag is stronger than a date.
        ({"IfMatch": "ETAG", "IfUnmodifiedSince": LONG_AGO}, None),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": FAR_AHEAD}, None),
    ],
)
def test_conditional_reads(s3_client, bucket, condition, code):
    etag = s3_client.put_object(Bucket=bucket, Key="k", Body=BODY)["ETag"]
    condition = {name: etag if value == "ETAG" else value for name, value in condition.items()}
    if code is None:
        assert s3_client.get_object(Bucket=bucket, Key="k", **condition)["Body"].read() == BODY
        return
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.get_object(Bucket=bucket, Key="k", **condition)
    assert code_and_status(error) == (code, 304 if code == "304" else 412)


def test_last_modified_of_the_object_itself_is_not_modified(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=BODY)
    modified = s3_client.head_object(Bucket=bucket, Key="k")["LastModified"]
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.head_object(Bucket=bucket, Key="k", IfModifiedSince=modified)
    assert code_and_status(error) == ("304", 304)
    s3_client.head_object(Bucket=bucket, Key="k", IfUnmodifiedSince=modified)


def test_put_if_none_match_star_creates_once(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"first", IfNoneMatch="*")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.put_object(Bucket=bucket, Key="k", Body=b"second", IfNoneMatch="*")
    assert code_and_status(error) == ("PreconditionFailed", 412)
    assert s3_client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first"


def test_put_if_match_replaces_only_what_was_read(s3_client, bucket):
    with pytest.raises(s3_client.exceptions.ClientError) as error:
        s3_client.put_object(Bucket=bucket, Key="k", Body=b"x", IfMatch='"e"')
    assert code_and_status(error) == ("NoSuchKey", 404)
    etag = s3_client.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"]
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"second", IfMatch=etag)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.put_object(Bucket=bucket, Key="k", Body=b"third", IfMatch=etag)
    assert code_and_status(error) == ("PreconditionFailed", 412)


CHECKSUMS = {
    "CRC32": base64_of(zlib.crc32(BODY).to_bytes(4, "big")),
    "SHA1": base64_of(hashlib.sha1(BODY).digest()),
    "SHA256": base64_of(hashlib.sha256(BODY).digest()),
}


@pytest.mark.parametrize("algorithm", CHECKSUMS)
def test_checksums_are_verified_and_returned_on_demand(s3_client, bucket, algorithm):
    member, text = f"Checksum{algorithm}", CHECKSUMS[algorithm]
    put = s3_client.put_object(Bucket=bucket, Key="k", Body=BODY, **{member: text})
    assert put[member] == text
    got = s3_client.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == BODY
    assert got[member] == text
    assert got["ChecksumType"] == "FULL_OBJECT"
    part = s3_client.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", Range="bytes=0-3")
    assert part["Body"].read() == BODY[:4]
    assert member not in part
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.put_object(Bucket=bucket, Key="k", Body=BODY + b"!", **{member: text})
    assert code_and_status(error) == ("BadDigest", 400)


def test_checksum_of_another_algorithm_is_kept_as_given(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumCRC64NVME="AAAAAAAAAAA=")
    got = s3_client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumCRC64NVME"] == "AAAAAAAAAAA="


def test_content_md5_is_verified(s3_client, bucket):
    good = base64_of(hashlib.md5(BODY).digest())
    s3_client.put_object(Bucket=bucket, Key="k", Body=BODY, ContentMD5=good)
    for text, code in ((base64_of(b"x" * 16), "BadDigest"), ("no md5", "InvalidDigest")):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            s3_client.put_object(Bucket=bucket, Key="k", Body=b"other", ContentMD5=text)
        assert code_and_status(error) == (code, 400)
    assert s3_client.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_body_that_is_not_the_signed_one_is_refused(endpoint_url, bucket):
    request = urllib.request.Request(f"{endpoint_url}/{bucket}/k", b"changed", method="PUT")
    request.add_header("x-amz-content-sha256", hashlib.sha256(b"signed").hexdigest())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 400
    assert b"<Code>XAmzContentSHA256Mismatch</Code>" in refused.value.read()


def test_object_attributes(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumSHA256=CHECKSUMS["SHA256"])
    wanted = ["ETag", "Checksum", "ObjectSize", "StorageClass", "ObjectParts"]
    got = s3_client.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)
    assert got["ETag"] == md5(BODY)
    assert got["ObjectSize"] == len(BODY)
    assert got["Checksum"]["ChecksumSHA256"] == CHECKSUMS["SHA256"]
    assert got["StorageClass"] == "STANDARD"


def test_delete_is_idempotent(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"x")
    for _ in range(2):
        answer = s3_client.delete_object(Bucket=bucket, Key="k")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(s3_client.exceptions.NoSuchKey):
        s3_client.get_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize("quiet", [False, True])
def test_delete_objects(s3_client, bucket, quiet):
    for number in range(3):
        s3_client.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
    entries = [{"Key": "k0"}, {"Key": "k1"}, {"Key": "missing"}, {"Key": "k2", "VersionId": "v7"}]
    answer = s3_client.delete_objects(Bucket=bucket, Delete={"Objects": entries, "Quiet": quiet})
    deleted = [entry["Key"] for entry in answer.get("Deleted", ())]
    assert deleted == ([] if quiet else ["k0", "k1", "missing"])
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [
        ("k2", "InvalidArgument")
    ]
    left = s3_client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in left] == ["k2"]


def test_delete_objects_takes_at_most_1000(s3_client, bucket):
    entries = [{"Key": str(number)} for number in range(1001)]
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.delete_objects(Bucket=bucket, Delete={"Objects": entries})
    assert code_and_status(error) == ("MalformedXML", 400)
    s3_client.delete_objects(Bucket=bucket, Delete={"Objects": entries[:1000]})


def test_copy_takes_metadata_over_or_replaces_it(s3_client, bucket):
    source = {"Bucket": bucket, "Key": "source"}
    s3_client.put_object(
        Bucket=bucket, Key="source", Body=BODY, ContentType="text/a", Metadata={"a": "1"}
    )
    s3_client.copy_object(Bucket=bucket, Key="same", CopySource=source)
    got = s3_client.get_object(Bucket=bucket, Key="same", ChecksumMode="ENABLED")
    assert got["Body"].read() == BODY
    assert (got["ContentType"], got["Metadata"]) == ("text/a", {"a": "1"})
    s3_client.copy_object(
        Bucket=bucket,
        Key="other",
        CopySource=source,
        MetadataDirective="REPLACE",
        ContentType="text/b",
        Metadata={"b": "2"},
    )
    got = s3_client.get_object(Bucket=bucket, Key="other")
    assert (got["ContentType"], got["Metadata"]) == ("text/b", {"b": "2"})
    assert got["Body"].read() == BODY


def test_copy_to_itself_needs_new_metadata(s3_client, bucket):
    source = {"Bucket": bucket, "Key": "k"}
    s3_client.put_object(Bucket=bucket, Key="k", Body=BODY, Metadata={"a": "1"})
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.copy_object(Bucket=bucket, Key="k", CopySource=source)
    assert code_and_status(error) == ("InvalidRequest", 400)
    s3_client.copy_object(
        Bucket=bucket, Key="k", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}
    )
    got = s3_client.get_object(Bucket=bucket, Key="k")
    assert got["Metadata"] == {"b": "2"}
    assert got["Body"].read() == BODY


@pytest.mark.parametrize(
    ("condition", "is_copied"),
    [
        ({"CopySourceIfMatch": "ETAG"}, True),
        ({"CopySourceIfMatch": '"other"'}, False),
        ({"CopySourceIfNoneMatch": "ETAG"}, False),
        ({"CopySourceIfNoneMatch": '"other"'}, True),
        ({"CopySourceIfModifiedSince": LONG_AGO}, True),
        ({"CopySourceIfModifiedSince": FAR_AHEAD}, False),
        ({"CopySourceIfUnmodifiedSince": LONG_AGO}, False),
        ({"CopySourceIfMatch": "ETAG", "CopySourceIfUnmodifiedSince": LONG_AGO}, True),
    ],
)
def test_conditional_copies(s3_client, bucket, condition, is_copied):
    etag = s3_client.put_object(Bucket=bucket, Key="source", Body=BODY)["ETag"]
    condition = {name: etag if value == "ETAG" else value for name, value in condition.items()}
    arguments = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/source", **condition}
    if is_copied:
        s3_client.copy_object(**arguments)
        return
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.copy_object(**arguments)
    assert code_and_status(error) == ("PreconditionFailed", 412)


def test_copy_of_nothing_is_refused(s3_client, bucket):
    for source, code in (
        (f"{bucket}/missing", "NoSuchKey"),
        ("is-missing/key", "NoSuchBucket"),
        ("nothing", "InvalidArgument"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            s3_client.copy_object(Bucket=bucket, Key="copy", CopySource=source)
        assert error.value.response["Error"]["Code"] == code
