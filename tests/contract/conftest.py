"""One live service for the contract tests, and clients that reach it.

The tests of S3 itself run against another store, too: what they expect is S3's, not ours.
"""

import contextlib

import boto3
import pytest

import openbraket.testing
from support.databases import IS_POSTGRESQL, serve_options
from support.other_store import other_store
from support.other_store_differences import NOT_RUN, other_differs
from support.s3 import new_client
from support.tasks import BUCKET

S3_MODULES = {
    "test_s3_buckets",
    "test_s3_listing",
    "test_s3_multipart",
    "test_s3_objects",
}


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    # Jobs wait here; those that run are in test_job_runs.py, on a service of their own.
    options = ("--workers", "2", "--job-instances", "0", "--durability", "normal")
    options += serve_options(data_dir)
    with openbraket.testing.start(data_dir=data_dir, options=options) as running:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture(scope="session")
def strict_service():
    """Return a service that answers as AWS does."""
    with openbraket.testing.start(
        options=("--workers", "1", "--strict"), environment=False
    ) as running:
        yield running


def pytest_generate_tests(metafunc):
    is_of_s3 = metafunc.module.__name__.rpartition(".")[2] in S3_MODULES
    if is_of_s3 and "endpoint_url" in metafunc.fixturenames:
        # The other store knows nothing of our records: once is enough.
        stores = ("own",) if IS_POSTGRESQL else ("own", "other")
        metafunc.parametrize("endpoint_url", stores, indirect=True, scope="session")


def pytest_collection_modifyitems(items):
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and callspec.params.get("endpoint_url") == "other":
            reason = other_differs(item.name)
            if reason is not None:
                is_run = item.originalname not in NOT_RUN
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True, run=is_run))


@pytest.fixture(scope="session")
def other_store_url():
    """Return the URL of another S3 store, in memory."""
    with other_store() as url:
        yield url


@pytest.fixture(scope="session")
def endpoint_url(request):
    if getattr(request, "param", "own") == "other":
        return request.getfixturevalue("other_store_url")
    return request.getfixturevalue("service").endpoint_url


@pytest.fixture
def braket(service):
    return boto3.client("braket")


@pytest.fixture
def s3(service):
    return boto3.client("s3")


@pytest.fixture(scope="session")
def s3_client(endpoint_url):
    client = new_client(endpoint_url)
    yield client
    client.close()


@pytest.fixture
def make_client(endpoint_url):
    """Return a function that makes clients, closed after the test; see `support.s3.new_client`."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            contextlib.closing(new_client(endpoint_url, **options))
        )


@pytest.fixture
def bucket(s3_client, request):
    name = "test-" + str(abs(hash(request.node.nodeid)))[:16]
    s3_client.create_bucket(Bucket=name)
    yield name
    pages = s3_client.get_paginator("list_objects_v2").paginate(Bucket=name)
    for page in pages:
        entries = [{"Key": entry["Key"]} for entry in page.get("Contents", ())]
        if entries:
            s3_client.delete_objects(Bucket=name, Delete={"Objects": entries})
    s3_client.delete_bucket(Bucket=name)
