"""Buckets through boto3: names, regions, owners and settings."""

import json

import botocore.exceptions
import pytest


def code_and_status(error):
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_own_bucket_created_again_is_already_owned_by_you(s3_client, bucket):
    with pytest.raises(s3_client.exceptions.BucketAlreadyOwnedByYou) as error:
        s3_client.create_bucket(Bucket=bucket)
    assert code_and_status(error) == ("BucketAlreadyOwnedByYou", 409)


@pytest.mark.parametrize(
    "name",
    ["ab", "Upper", "dot..dot", "-dash", "dash-", "1.2.3.4", "xn--x", "a" * 64, "under_score"],
)
def test_invalid_bucket_names_are_refused(make_client, name):
    client = make_client()
    client.meta.events.unregister("before-parameter-build.s3", None)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        client.create_bucket(Bucket=name)
    assert code_and_status(error) == ("InvalidBucketName", 400)


def test_bucket_lies_in_the_region_of_its_location_constraint(make_client):
    client = make_client(region="eu-west-2")
    where = {"LocationConstraint": "eu-west-2"}
    client.create_bucket(Bucket="in-london", CreateBucketConfiguration=where)
    try:
        assert client.get_bucket_location(Bucket="in-london")["LocationConstraint"] == "eu-west-2"
        assert client.head_bucket(Bucket="in-london")["BucketRegion"] == "eu-west-2"
        with pytest.raises(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket="in-london", CreateBucketConfiguration=where)
    finally:
        client.delete_bucket(Bucket="in-london")


def test_us_east_1_has_no_location_constraint(s3_client, bucket):
    assert s3_client.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert s3_client.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"


@pytest.mark.parametrize(
    ("region", "constraint", "code"),
    [
        ("eu-west-2", None, "IllegalLocationConstraintException"),
        ("eu-west-2", "us-west-2", "IllegalLocationConstraintException"),
        ("us-east-1", "nowhere-9", "InvalidLocationConstraint"),
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
    ],
)
def test_location_constraint_must_fit_the_endpoint(make_client, region, constraint, code):
    client = make_client(region=region)
    where = {"CreateBucketConfiguration": {"LocationConstraint": constraint}} if constraint else {}
    with pytest.raises(botocore.exceptions.ClientError) as error:
        client.create_bucket(Bucket="nowhere", **where)
    assert code_and_status(error) == (code, 400)


def test_acl_is_accepted(s3_client):
    s3_client.create_bucket(Bucket="with-acl", ACL="private")
    s3_client.delete_bucket(Bucket="with-acl")


def test_missing_bucket_answers_404_everywhere(s3_client):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.head_bucket(Bucket="is-missing")
    assert code_and_status(error) == ("404", 404)
    for call in (
        lambda: s3_client.get_bucket_location(Bucket="is-missing"),
        lambda: s3_client.list_objects_v2(Bucket="is-missing"),
        lambda: s3_client.put_object(Bucket="is-missing", Key="k", Body=b"x"),
        lambda: s3_client.get_object(Bucket="is-missing", Key="k"),
        lambda: s3_client.delete_object(Bucket="is-missing", Key="k"),
        lambda: s3_client.delete_bucket(Bucket="is-missing"),
        lambda: s3_client.create_multipart_upload(Bucket="is-missing", Key="k"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            call()
        assert code_and_status(error) == ("NoSuchBucket", 404)


def test_upload_refused_unread_leaves_the_client_usable(s3_client, bucket):
    for _ in range(3):
        with pytest.raises(botocore.exceptions.ClientError):
            s3_client.put_object(Bucket="is-missing", Key="k", Body=b"x" * 200_000)
        s3_client.head_bucket(Bucket=bucket)


def test_bucket_with_objects_cannot_be_deleted(s3_client, bucket):
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.delete_bucket(Bucket=bucket)
    assert code_and_status(error) == ("BucketNotEmpty", 409)


def test_deleting_a_bucket_ends_its_uploads(s3_client):
    s3_client.create_bucket(Bucket="half-done")
    upload = s3_client.create_multipart_upload(Bucket="half-done", Key="k")
    s3_client.upload_part(
        Bucket="half-done", Key="k", UploadId=upload["UploadId"], PartNumber=1, Body=b"part"
    )
    s3_client.delete_bucket(Bucket="half-done")
    s3_client.create_bucket(Bucket="half-done")
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket="half-done")
    s3_client.delete_bucket(Bucket="half-done")


def test_buckets_are_listed_by_name_in_pages(s3_client):
    names = [f"listed-{number}" for number in range(5)]
    for name in reversed(names):
        s3_client.create_bucket(Bucket=name)
    pages = s3_client.get_paginator("list_buckets").paginate(
        Prefix="listed-", PaginationConfig={"PageSize": 2}
    )
    listed = [[entry["Name"] for entry in page["Buckets"]] for page in pages]
    assert listed == [names[:2], names[2:4], names[4:]]
    assert set(names) <= {entry["Name"] for entry in s3_client.list_buckets()["Buckets"]}
    for name in names:
        s3_client.delete_bucket(Bucket=name)


def test_public_access_block_is_kept(s3_client, bucket):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.get_public_access_block(Bucket=bucket)
    assert code_and_status(error) == ("NoSuchPublicAccessBlockConfiguration", 404)
    block = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": False,
    }
    s3_client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    got = s3_client.get_public_access_block(Bucket=bucket)
    assert got["PublicAccessBlockConfiguration"] == block
    s3_client.delete_public_access_block(Bucket=bucket)
    with pytest.raises(botocore.exceptions.ClientError):
        s3_client.get_public_access_block(Bucket=bucket)


def test_policy_is_kept_and_must_be_json(s3_client, bucket):
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    s3_client.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3_client.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.put_bucket_policy(Bucket=bucket, Policy="no")
    assert code_and_status(error) == ("MalformedPolicy", 400)
    s3_client.delete_bucket_policy(Bucket=bucket)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.get_bucket_policy(Bucket=bucket)
    assert code_and_status(error) == ("NoSuchBucketPolicy", 404)


def test_bucket_tags_are_kept(s3_client, bucket):
    tags = [{"Key": "team", "Value": "q & a"}, {"Key": "empty", "Value": ""}]
    s3_client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3_client.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3_client.delete_bucket_tagging(Bucket=bucket)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.get_bucket_tagging(Bucket=bucket)
    assert code_and_status(error) == ("NoSuchTagSet", 404)


def test_versioning_was_never_switched_on(s3_client, bucket):
    assert "Status" not in s3_client.get_bucket_versioning(Bucket=bucket)


def test_unexpected_owner_is_denied(s3_client, bucket):
    s3_client.head_bucket(Bucket=bucket, ExpectedBucketOwner="000000000000")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        s3_client.list_objects_v2(Bucket=bucket, ExpectedBucketOwner="111111111111")
    assert code_and_status(error) == ("AccessDenied", 403)


@pytest.mark.parametrize(
    "call",
    [
        lambda client, bucket: client.get_bucket_acl(Bucket=bucket),
        lambda client, bucket: client.get_bucket_lifecycle_configuration(Bucket=bucket),
        lambda client, bucket: client.get_object_tagging(Bucket=bucket, Key="k"),
        lambda client, bucket: client.list_object_versions(Bucket=bucket),
    ],
)
def test_operations_that_are_not_here_say_so(s3_client, bucket, call):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(s3_client, bucket)
    assert code_and_status(error) == ("NotImplemented", 501)
    assert error.value.operation_name in str(error.value)
    assert "is not implemented" in error.value.response["Error"]["Message"]


def test_caller_identity_has_the_account(make_client):
    identity = make_client(service="sts").get_caller_identity()
    assert identity["Account"] == "000000000000"
    assert identity["Arn"] == "arn:aws:iam::000000000000:root"
    assert identity["UserId"]
