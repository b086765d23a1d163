"""Listings through boto3, against a naive listing of the same keys."""

import random

import botocore.exceptions
import pytest

KEYS = sorted([
    "a",
    "a/",
    "a/1",
    "a/2",
    "a/b/1",
    "a/b/2",
    "a0",
    "b//x",
    "b/x",
    "c d/+",
    "c%20d/+",
    "é/1",
    "é/2",
    "日/本",
    "z",
    *(f"many/{number:03d}/x" for number in range(30)),
    *(f"deep/only/{number:03d}" for number in range(30)),
])


@pytest.fixture(scope="module")
def filled(s3_client):
    name = "listing-of-keys"
    s3_client.create_bucket(Bucket=name)
    for key in random.Random(7).sample(KEYS, len(KEYS)):
        s3_client.put_object(Bucket=name, Key=key, Body=b"")
    yield name
    for start in range(0, len(KEYS), 1000):
        entries = [{"Key": key} for key in KEYS[start : start + 1000]]
        s3_client.delete_objects(Bucket=name, Delete={"Objects": entries})
    s3_client.delete_bucket(Bucket=name)


def naive(prefix="", delimiter="", after=""):
    keys, prefixes = [], []
    for key in KEYS:
        if not key.startswith(prefix) or key <= after:
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            keys.append(key)
        elif key[: cut + len(delimiter)] not in prefixes:
            prefixes.append(key[: cut + len(delimiter)])
    return keys, prefixes


def collected(pages):
    keys, prefixes, sizes = [], [], []
    for page in pages:
        page_keys = [entry["Key"] for entry in page.get("Contents", ())]
        page_prefixes = [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
        sizes.append(len(page_keys) + len(page_prefixes))
        keys += page_keys
        prefixes += page_prefixes
    return keys, prefixes, sizes


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("page_size", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize(
    ("prefix", "delimiter"),
    [
        ("", ""),
        ("", "/"),
        ("a", "/"),
        ("a/", "/"),
        ("a/b", "/"),
        ("many/", "/"),
        ("m", "x"),
        ("b/", "//"),
        ("", "/x"),
        ("é", "/"),
        ("nothing", "/"),
        ("deep/", "nowhere"),
    ],
)
def test_pages_together_are_the_whole_listing(
    s3_client, filled, operation, page_size, prefix, delimiter
):
    pages = s3_client.get_paginator(operation).paginate(
        Bucket=filled, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": page_size}
    )
    keys, prefixes, sizes = collected(pages)
    assert (keys, prefixes) == naive(prefix, delimiter)
    assert all(size == page_size for size in sizes[:-1])
    assert sizes[-1] <= page_size


@pytest.mark.parametrize("after", ["a", "a/", "a/1", "b", "é/1", "zzz", "many/015/x"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_start_after(s3_client, filled, after, delimiter):
    page = s3_client.list_objects_v2(Bucket=filled, StartAfter=after, Delimiter=delimiter)
    keys, prefixes, _ = collected([page])
    assert (keys, prefixes) == naive(delimiter=delimiter, after=after)
    assert page["StartAfter"] == after


def test_marker_inside_a_common_prefix_passes_it_over(s3_client, filled):
    page = s3_client.list_objects(Bucket=filled, Delimiter="/", Marker="many/015/x")
    keys, prefixes, _ = collected([page])
    assert prefixes == ["é/", "日/"]
    assert keys == ["z"]
    assert page["Marker"] == "many/015/x"


def test_empty_listing_has_no_contents(s3_client, bucket):
    page = s3_client.list_objects_v2(Bucket=bucket)
    assert "Contents" not in page
    assert page["KeyCount"] == 0
    assert page["IsTruncated"] is False


def test_no_keys_wanted_gives_none(s3_client, filled):
    page = s3_client.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"], page["MaxKeys"]) == (0, False, 0)


def test_page_has_at_most_1000_keys(s3_client, bucket):
    for number in range(1001):
        s3_client.put_object(Bucket=bucket, Key=f"{number:04d}", Body=b"")
    page = s3_client.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    assert (page["KeyCount"], page["MaxKeys"], page["IsTruncated"]) == (1000, 1000, True)
    rest = s3_client.list_objects_v2(Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    assert [entry["Key"] for entry in rest["Contents"]] == ["1000"]


@pytest.mark.parametrize(
    "wrong", [{"ContinuationToken": "x"}, {"ContinuationToken": "MjphYg=="}, {"MaxKeys": -1}]
)
def test_wrong_arguments_are_refused(s3_client, filled, wrong):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.list_objects_v2(Bucket=filled, **wrong)
    assert error.value.response["Error"]["Code"] == "InvalidArgument"


def test_entries_say_what_head_says(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"abc")
    (entry,) = s3_client.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"]
    head = s3_client.head_object(Bucket=bucket, Key="k")
    assert (entry["Size"], entry["ETag"]) == (3, head["ETag"])
    assert entry["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert entry["Owner"]["ID"] == s3_client.list_buckets()["Owner"]["ID"]
