"""S3 with registered keys: signatures are verified, and accounts are apart."""

import contextlib
import io
import urllib.error
import urllib.parse
import urllib.request

import botocore.exceptions
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from openbraket.base.clock import now_ms
from openbraket.store import access_keys
from openbraket.testing import launch
from support.s3 import new_client

MIB = 1 << 20
KEY = "ä +%/k"
OWNER = {"key": "AKOWNER", "secret": "secret of the owner"}
OTHER = {"key": "AKOTHER", "secret": "secret of another"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("locked")
    for signer, account in ((OWNER, "111111111111"), (OTHER, "222222222222")):
        access_keys.register(
            data_dir, signer["key"], signer["secret"], account=account, created_at=now_ms()
        )
    service = launch(data_dir)
    with contextlib.closing(new_client(service.endpoint_url, **OWNER)) as client:
        client.create_bucket(Bucket="locked")
        client.put_object(Bucket="locked", Key=KEY, Body=b"secret")
    yield service
    service.kill()


@pytest.fixture
def owner(locked):
    with contextlib.closing(new_client(locked.endpoint_url, **OWNER)) as client:
        yield client


@pytest.fixture
def other(locked):
    with contextlib.closing(new_client(locked.endpoint_url, **OTHER)) as client:
        yield client


def test_signed_transfers_work(owner):
    body = io.BytesIO(b"x" * (6 * MIB))
    config = TransferConfig(multipart_threshold=5 * MIB)
    owner.upload_fileobj(body, "locked", "big", Config=config)
    assert owner.get_object(Bucket="locked", Key="big")["Body"].read() == b"x" * (6 * MIB)
    assert owner.get_object(Bucket="locked", Key=KEY)["Body"].read() == b"secret"
    owner.delete_objects(Bucket="locked", Delete={"Objects": [{"Key": "big"}]})


def test_wrong_secret_does_not_match(locked):
    with contextlib.closing(
        new_client(locked.endpoint_url, key=OWNER["key"], secret="wrong")
    ) as client:
        for call in (
            lambda: client.get_object(Bucket="locked", Key=KEY),
            lambda: client.put_object(Bucket="locked", Key="k", Body=b"x" * MIB),
        ):
            with pytest.raises(botocore.exceptions.ClientError) as error:
                call()
            assert error.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_unsigned_requests_are_refused(locked):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{locked.endpoint_url}/locked/{urllib.parse.quote(KEY)}")
    assert refused.value.code == 403
    refused.value.close()


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_url_opens_one_object_only(locked, version):
    config = Config(signature_version=version)
    with contextlib.closing(new_client(locked.endpoint_url, config=config, **OWNER)) as client:
        url = client.generate_presigned_url("get_object", Params={"Bucket": "locked", "Key": KEY})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"secret"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("/locked/", "/locked/other"))
    assert refused.value.code == 403
    refused.value.close()


def test_another_account_is_denied_and_sees_only_its_own(other):
    for call in (
        lambda: other.list_objects_v2(Bucket="locked"),
        lambda: other.get_object(Bucket="locked", Key=KEY),
        lambda: other.put_object(Bucket="locked", Key="k", Body=b"x"),
        lambda: other.delete_object(Bucket="locked", Key=KEY),
        lambda: other.delete_bucket(Bucket="locked"),
        lambda: other.create_multipart_upload(Bucket="locked", Key="k"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            call()
        assert error.value.response["Error"]["Code"] == "AccessDenied"
    with pytest.raises(other.exceptions.BucketAlreadyExists):
        other.create_bucket(Bucket="locked")
    other.create_bucket(Bucket="own")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        other.copy_object(Bucket="own", Key="k", CopySource={"Bucket": "locked", "Key": KEY})
    assert error.value.response["Error"]["Code"] == "AccessDenied"
    assert [entry["Name"] for entry in other.list_buckets()["Buckets"]] == ["own"]
