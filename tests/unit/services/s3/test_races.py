"""What happens when requests meet: handlers over real records and files, one step at a time."""

import asyncio
import dataclasses

import pytest

from openbraket.blobs import LocalBlobs
from openbraket.services import s3
from openbraket.services.context import Context, Resources
from openbraket.services.s3.errors import ERRORS
from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request
from openbraket.wire.service import Service
from support.databases import open_database

pytestmark = pytest.mark.anyio

PART = bytes(5 << 20)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def context(tmp_path):
    database = open_database(tmp_path / "records.sqlite3")
    blobs = LocalBlobs(tmp_path, is_durable=False)
    resources = Resources(
        database, blobs, catalogue=None, availability=None, dispatcher=None, memory_bytes_max=0
    )
    yield Context("000000000000", "us-east-1", "r", Request("PUT", "/", "", {}), resources)
    database.close()


async def call(context, name, **params):
    return await s3.OPERATIONS[name](context, {"Bucket": "bucket", **params})


async def pieces(*bodies):
    for body in bodies:
        yield body


async def put(context, key, body):
    return await call(context, "PutObject", Key=key, Body=pieces(body))


async def content(output):
    body = output["Body"]
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


def file_count(context):
    return len(list(context.blobs.root.glob("objects/*/*")))


async def test_bucket_deleted_during_an_upload_refuses_it_and_keeps_no_file(context):
    await call(context, "CreateBucket")

    async def body():
        yield b"begun"
        await call(context, "DeleteBucket")
        yield b"ended"

    with pytest.raises(ServiceError) as error:
        await call(context, "PutObject", Key="k", Body=body())
    assert error.value.code == "NoSuchBucket"
    assert file_count(context) == 0


async def test_conditional_create_that_lost_the_race_is_refused(context):
    await call(context, "CreateBucket")

    async def body():
        yield b"slow"
        await put(context, "k", b"fast")

    with pytest.raises(ServiceError) as error:
        await call(context, "PutObject", Key="k", Body=body(), IfNoneMatch="*")
    assert error.value.code == "PreconditionFailed"
    assert await content(await call(context, "GetObject", Key="k")) == b"fast"
    assert file_count(context) == 1


async def test_upload_aborted_during_a_part_refuses_it_and_keeps_no_file(context):
    await call(context, "CreateBucket")
    upload = await call(context, "CreateMultipartUpload", Key="k")

    async def body():
        yield b"part"
        await call(context, "AbortMultipartUpload", Key="k", UploadId=upload["UploadId"])

    with pytest.raises(ServiceError) as error:
        await call(
            context, "UploadPart", Key="k", UploadId=upload["UploadId"], PartNumber=1, Body=body()
        )
    assert error.value.code == "NoSuchUpload"
    assert file_count(context) == 0


async def test_same_completion_twice_at_once_succeeds_twice(context):
    await call(context, "CreateBucket")
    upload = {"Key": "k"}
    upload["UploadId"] = (await call(context, "CreateMultipartUpload", **upload))["UploadId"]
    parts = []
    for number in (1, 2):
        sent = await call(context, "UploadPart", **upload, PartNumber=number, Body=pieces(PART))
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    done = await asyncio.gather(
        *(
            call(context, "CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
            for _ in range(3)
        )
    )
    assert len({output["ETag"] for output in done}) == 1
    assert await content(await call(context, "GetObject", Key="k")) == PART * 2
    assert file_count(context) == 1


class SlipperyBlobs(LocalBlobs):
    """Contents that another request replaces just before they are opened."""

    before_read = None
    is_in_memory = True

    def read(self, blob_id, start, stop):
        self._act(blob_id)
        return super().read(blob_id, start, stop)

    def read_at_once(self, blob_id, start, stop):
        if not self.is_in_memory:
            return None
        self._act(blob_id)
        return super().read_at_once(blob_id, start, stop)

    def _act(self, blob_id):
        if self.before_read is not None:
            act, self.before_read = self.before_read, None
            act(blob_id)


@pytest.mark.parametrize("is_in_memory", [True, False])
async def test_object_replaced_between_record_and_file_is_read_anew(context, is_in_memory):
    await call(context, "CreateBucket")
    await put(context, "k", b"old")
    blobs = SlipperyBlobs(context.blobs.root, is_durable=False)
    resources = dataclasses.replace(context.resources, blobs=blobs)
    slippery = dataclasses.replace(context, resources=resources)
    new = context.blobs.put(b"new")

    def replace(old_id):
        from openbraket.store import objects

        context.database.write_soon(
            lambda connection: objects.put_object(
                connection, bucket="bucket", key="k", blob=new, last_modified=1
            )
        ).result()
        context.blobs.delete(old_id)

    blobs.before_read, blobs.is_in_memory = replace, is_in_memory
    assert await content(await call(slippery, "GetObject", Key="k")) == b"new"


async def test_cancelled_upload_leaves_nothing(context):
    await call(context, "CreateBucket")
    is_under_way = asyncio.Event()

    async def body():
        yield b"begun"
        is_under_way.set()
        await asyncio.sleep(3600)

    uploading = asyncio.create_task(call(context, "PutObject", Key="k", Body=body()))
    await is_under_way.wait()
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert file_count(context) == 0
    assert list((context.blobs.root / "incoming").iterdir()) == []


async def test_every_error_has_the_status_that_the_wire_knows():
    statuses = Service.load("s3").error_statuses
    for code, (status, text) in ERRORS.items():
        assert statuses.get(code, status) == status, code
        assert text


async def test_every_implemented_operation_of_the_model_has_a_handler():
    implemented = {
        name
        for name, operation in Service.load("s3").operations.items()
        if operation.is_implemented
    }
    assert implemented == set(s3.OPERATIONS)
