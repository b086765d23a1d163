"""Buckets and their settings.

Bucket names are unique over all accounts, as in S3; a bucket of another account answers
AccessDenied. Access control lists and policies are accepted, and policies are returned, but
neither opens a bucket to other accounts. A bucket can be used from every region.
"""

import hashlib
import ipaddress
import re
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from openbraket.services.context import Context
from openbraket.services.s3.checksums import check_body
from openbraket.services.s3.contents import remove
from openbraket.services.s3.errors import S3Error
from openbraket.store import buckets, objects, uploads
from openbraket.store.buckets import Bucket

REGION_OF_NO_CONSTRAINT: Final = "us-east-1"
BUCKETS_PER_PAGE_MAX: Final = 10_000
POLICY_BYTES_MAX: Final = 20 << 10
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_RESERVED: Final = re.compile(r"(?:xn--|sthree-).*|.*(?:-s3alias|--ol-s3|--x-s3)")


def require_bucket(connection: Connection, context: Context, params: dict[str, Any]) -> Bucket:
    """Return the bucket that a request names.

    Args:
        connection: For reading.
        context: The request, for its account.
        params: Input of any operation on a bucket: `Bucket` and maybe `ExpectedBucketOwner`.

    Raises:
        S3Error: NoSuchBucket; AccessDenied for a bucket of another account, or another
            owner than expected.
    """
    return owned_bucket(
        connection, context, params["Bucket"], expected=params.get("ExpectedBucketOwner")
    )


def owned_bucket(
    connection: Connection, context: Context, name: str, *, expected: str | None = None
) -> Bucket:
    """Return the bucket `name` of the request's account; raises as `require_bucket`.

    Raises:
        S3Error: NoSuchBucket or AccessDenied.
    """
    bucket = buckets.get_bucket(connection, name)
    if bucket is None:
        raise S3Error("NoSuchBucket", BucketName=name)
    if bucket.account != context.account or (expected or bucket.account) != bucket.account:
        raise S3Error("AccessDenied")
    return bucket


def owner(account: str) -> dict[str, str]:
    """Return the owner as S3 names it: a canonical id made from the account."""
    return {"ID": hashlib.sha256(f"owner:{account}".encode()).hexdigest(), "DisplayName": account}


async def create_bucket(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Create a bucket: `PUT /{Bucket}`.

    Raises:
        S3Error: BucketAlreadyOwnedByYou for the account's own bucket in every region, us-east-1
            included, since the Braket SDK depends on it; BucketAlreadyExists for another account's;
            InvalidBucketName, IllegalLocationConstraintException, InvalidLocationConstraint.
    """
    name = params["Bucket"]
    _check_name(name)
    configuration = params.get("CreateBucketConfiguration") or {}
    constraint = configuration.get("LocationConstraint")
    region = _region(context.region, constraint)
    settings = {"tags": configuration["Tags"]} if configuration.get("Tags") else {}
    bucket = Bucket(name, context.account, region, context.now_ms(), settings)
    existing = await context.database.write(lambda c: buckets.create_bucket(c, bucket))
    if existing is not None:
        is_own = existing.account == context.account
        code = "BucketAlreadyOwnedByYou" if is_own else "BucketAlreadyExists"
        raise S3Error(code, BucketName=name)
    return {"Location": f"/{name}", "BucketArn": f"arn:aws:s3:::{name}"}


async def head_bucket(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a bucket exists, and its region: `HEAD /{Bucket}`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied.
    """
    with context.database.read() as connection:
        bucket = require_bucket(connection, context, params)
    return {"BucketRegion": bucket.region, "BucketArn": f"arn:aws:s3:::{bucket.name}"}


async def get_bucket_location(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return a bucket's region, or nothing for us-east-1: `GET /{Bucket}?location`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied.
    """
    with context.database.read() as connection:
        region = require_bucket(connection, context, params).region
    return {} if region == REGION_OF_NO_CONSTRAINT else {"LocationConstraint": region}


async def list_buckets(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return the account's buckets by name, in pages if asked for: `GET /`.

    Raises:
        S3Error: InvalidArgument for a page without room.
    """
    prefix = params.get("Prefix", "")
    count_max = min(params.get("MaxBuckets", BUCKETS_PER_PAGE_MAX), BUCKETS_PER_PAGE_MAX)
    if count_max < 1:
        message = f"max-buckets must be between 1 and {BUCKETS_PER_PAGE_MAX}"
        raise S3Error(
            "InvalidArgument", message, ArgumentName="max-buckets", ArgumentValue=count_max
        )
    with context.database.read() as connection:
        found = buckets.list_buckets(connection, context.account)
    region, following = params.get("BucketRegion"), params.get("ContinuationToken", "")
    found = [
        bucket
        for bucket in found
        if bucket.name.startswith(prefix)
        and bucket.name > following
        and region in {None, bucket.region}
    ]
    listed = [
        {
            "Name": bucket.name,
            "CreationDate": bucket.created_at,
            "BucketRegion": bucket.region,
            "BucketArn": f"arn:aws:s3:::{bucket.name}",
        }
        for bucket in found[:count_max]
    ]
    output: dict[str, Any] = {"Buckets": listed, "Owner": owner(context.account)}
    if prefix:
        output["Prefix"] = prefix
    if len(found) > count_max:
        output["ContinuationToken"] = listed[-1]["Name"]
    return output


async def delete_bucket(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Delete an empty bucket, with the uploads in progress in it: `DELETE /{Bucket}`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, BucketNotEmpty.
    """

    def work(connection: Connection) -> list[str]:
        bucket = require_bucket(connection, context, params)
        if objects.has_objects(connection, bucket.name):
            raise S3Error("BucketNotEmpty", BucketName=bucket.name)
        blob_ids: list[str] = []
        while found := uploads.list_uploads(connection, bucket=bucket.name):
            for upload in found:
                blob_ids += uploads.delete_upload(connection, upload.upload_id)
        buckets.delete_bucket(connection, bucket.name)
        return blob_ids

    await remove(context, await context.database.write(work))
    return {}


async def put_public_access_block(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Keep the configuration; nothing is public here anyway: `PUT /{Bucket}?publicAccessBlock`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied.
    """
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    given = params["PublicAccessBlockConfiguration"]
    await _put_setting(
        context, params, "public_access_block", {name: given.get(name, False) for name in names}
    )
    return {}


async def get_public_access_block(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return the kept configuration: `GET /{Bucket}?publicAccessBlock`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchPublicAccessBlockConfiguration.
    """
    document = _setting(
        context, params, "public_access_block", "NoSuchPublicAccessBlockConfiguration"
    )
    return {"PublicAccessBlockConfiguration": document}


async def delete_public_access_block(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Forget the configuration: `DELETE /{Bucket}?publicAccessBlock`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied.
    """
    await _put_setting(context, params, "public_access_block", None)
    return {}


async def put_bucket_policy(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Keep a policy without enforcing it; only the owner has access: `PUT /{Bucket}?policy`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, MalformedPolicy.
    """
    policy = params["Policy"]
    if len(policy.encode()) > POLICY_BYTES_MAX:
        message = f"Bucket policies are limited to {POLICY_BYTES_MAX} bytes"
        raise S3Error("MalformedPolicy", message)
    try:
        is_object = isinstance(orjson.loads(policy), dict)
    except orjson.JSONDecodeError:
        is_object = False
    if not is_object:
        raise S3Error("MalformedPolicy")
    await _put_setting(context, params, "policy", policy)
    return {}


async def get_bucket_policy(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return the kept policy: `GET /{Bucket}?policy`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchBucketPolicy.
    """
    return {"Policy": _setting(context, params, "policy", "NoSuchBucketPolicy")}


async def delete_bucket_policy(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Forget the policy: `DELETE /{Bucket}?policy`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied.
    """
    await _put_setting(context, params, "policy", None)
    return {}


async def put_bucket_tagging(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Set a bucket's tags: `PUT /{Bucket}?tagging`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied.
    """
    await _put_setting(context, params, "tags", params["Tagging"].get("TagSet") or None)
    return {}


async def get_bucket_tagging(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return a bucket's tags: `GET /{Bucket}?tagging`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied, NoSuchTagSet.
    """
    return {"TagSet": _setting(context, params, "tags", "NoSuchTagSet")}


async def delete_bucket_tagging(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Remove a bucket's tags: `DELETE /{Bucket}?tagging`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied.
    """
    await _put_setting(context, params, "tags", None)
    return {}


async def get_bucket_versioning(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Answer that versioning was never switched on: `GET /{Bucket}?versioning`.

    Raises:
        S3Error: NoSuchBucket, AccessDenied.
    """
    with context.database.read() as connection:
        require_bucket(connection, context, params)
    return {}


def _check_name(name: str) -> None:
    is_valid = _NAME.fullmatch(name) is not None and _RESERVED.fullmatch(name) is None
    if is_valid and name.replace(".", "").isdecimal():
        try:
            ipaddress.IPv4Address(name)
            is_valid = False
        except ValueError:
            pass
    if not is_valid:
        raise S3Error("InvalidBucketName", BucketName=name)


def _region(region: str, constraint: str | None) -> str:
    # us-east-1 has no name as a constraint; it is what no constraint means.
    if not constraint:
        if region != REGION_OF_NO_CONSTRAINT:
            raise S3Error("IllegalLocationConstraintException")
        return REGION_OF_NO_CONSTRAINT
    wanted = "eu-west-1" if constraint == "EU" else constraint
    if wanted == REGION_OF_NO_CONSTRAINT:
        raise S3Error("InvalidLocationConstraint", LocationConstraint=constraint)
    if region not in {wanted, REGION_OF_NO_CONSTRAINT}:
        message = (
            f"The {constraint} location constraint is incompatible for the region specific "
            "endpoint this request was sent to."
        )
        raise S3Error("IllegalLocationConstraintException", message)
    return wanted


async def _put_setting(
    context: Context, params: dict[str, Any], setting: str, document: object
) -> None:
    request = context.request
    check_body(request.headers, request.body)

    def work(connection: Connection) -> None:
        bucket = require_bucket(connection, context, params)
        buckets.set_setting(connection, bucket.name, setting, document)

    await context.database.write(work)


def _setting(context: Context, params: dict[str, Any], setting: str, missing_code: str) -> Any:  # noqa: ANN401
    with context.database.read() as connection:
        bucket = require_bucket(connection, context, params)
    if setting not in bucket.settings:
        raise S3Error(missing_code, BucketName=bucket.name)
    return bucket.settings[setting]
