"""Objects in another S3 store, reached through boto3, which is imported when a store is opened.

Every method but `call` blocks and belongs in a thread; `call` has one for it. Attempts are made
once each: who asks decides whether and when to ask again, by the kind of the error.
"""

import asyncio
import base64
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from openbraket.base.blob import Blob
from openbraket.base.errors import OpenBraketError, StoreError

P = ParamSpec("P")
T = TypeVar("T")

REGION_DEFAULT: Final = "us-east-1"
THREAD_COUNT: Final = 16
CONNECT_S_MAX: Final = 3.0
READ_S_MAX: Final = 20.0
# Larger contents go up in parts of this size, at most 10,000 of them.
PART_BYTES: Final = 64 << 20
# How long a bucket that was there is taken to be there still.
BUCKET_KNOWN_S: Final = 5.0
BUCKETS_KNOWN_MAX: Final = 10_000
# What may pass without any change of the request: the store's state, the clock, the operator's
# keys and permissions. Nothing is given up for these.
_PASSING_STATUSES: Final = frozenset({401, 403, 408, 409, 425, 429})
_PASSING_CODES: Final = frozenset({"RequestTimeout", "SlowDown", "ExpiredToken", "BadDigest"})
_MISSING_BUCKET: Final = "NoSuchBucket"
# Input members that are times.
_TIMES: Final = frozenset({
    "CopySourceIfModifiedSince",
    "CopySourceIfUnmodifiedSince",
    "Expires",
    "IfModifiedSince",
    "IfUnmodifiedSince",
})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MissingExtraError(OpenBraketError):
    """boto3 is not installed."""


class ObjectsAwayError(StoreError):
    """The store does not answer, or refuses for a reason that may pass; ask again later."""


class ObjectRefusedError(StoreError):
    """The store will not do this, however often it is asked; the message says why."""


class NoSuchObjectError(ObjectRefusedError):
    """There is no such object, or no such bucket."""


class StoreAnswerError(OpenBraketError):
    """An error that the store has answered to somebody's own question.

    Args:
        message: The store's text.
        code: The store's code, for example `NoSuchKey`.
        status: The HTTP status.
    """

    def __init__(self, message: str, *, code: str = "InternalError", status: int = 500) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """One object of the store: its key and its length in bytes."""

    key: str
    size: int


class RemoteObjects:
    """An S3 store.

    Args:
        endpoint_url: Where it answers.
        region: What requests are signed for.
        access_key: Id of the access key.
        secret_key: The key's secret.

    Raises:
        MissingExtraError: boto3 is not installed.
    """

    def __init__(self, endpoint_url: str, *, region: str, access_key: str, secret_key: str) -> None:
        self.endpoint_url = endpoint_url
        self._client, self._errors = _open(endpoint_url, region, access_key, secret_key)
        methods = self._client.meta.method_to_api_mapping
        # Methods of the client by the names of operations.
        self._methods = {operation: method for method, operation in methods.items()}
        self._threads = ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="s3")
        # Until when a bucket is taken to be there, on the monotonic clock.
        self._known_until: dict[str, float] = {}
        self._asking: dict[str, asyncio.Future[bool]] = {}

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking method in one of the store's own threads."""
        return await self.submit(work, *args, **kwargs)

    def submit(
        self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Future[T]":
        """Do the same and return the future, which may be cancelled before a thread is free."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Let go of the connections; calls under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def has_bucket(self, name: str) -> bool:
        """Return whether a bucket is there and open to the store's key, as of seconds ago.

        Of several callers at once only one asks the store.

        Raises:
            ObjectsAwayError: The store does not say.
        """
        if self._known_until.get(name, 0.0) > time.monotonic():
            return True
        asking = self._asking.get(name)
        if asking is None:
            asking = self._asking[name] = self.submit(self.find_bucket, name)
            asking.add_done_callback(lambda done: self._see_bucket(name, done))
        return await asyncio.shield(asking)

    def _see_bucket(self, name: str, done: "asyncio.Future[bool]") -> None:
        del self._asking[name]
        if not done.cancelled() and done.exception() is None and done.result():
            if len(self._known_until) >= BUCKETS_KNOWN_MAX:
                self._known_until.clear()
            self._known_until[name] = time.monotonic() + BUCKET_KNOWN_S

    def find_bucket(self, name: str) -> bool:
        """Ask whether a bucket is there and open to the store's key; blocks.

        Raises:
            ObjectsAwayError: The store does not say.
        """
        try:
            self._client.head_bucket(Bucket=name)
        except self._errors as error:
            status = _status(error)
            if status in {301, 400, 403, 404} or type(error).__name__ == "ParamValidationError":
                return False
            raise self._translate(error, f"bucket {name}") from error
        return True

    def find(self, bucket: str, key: str) -> RemoteObject | None:
        """Return an object, None where there is none or its bucket is missing; blocks.

        Raises:
            ObjectsAwayError: The store does not say.
            ObjectRefusedError: The store refuses the question.
        """
        try:
            head = self._client.head_object(Bucket=bucket, Key=key)
        except self._errors as error:
            if _status(error) == 404:
                return None
            raise self._translate(error, f"s3://{bucket}/{key}") from error
        return RemoteObject(key, head["ContentLength"])

    def list(self, bucket: str, prefix: str) -> Iterator[RemoteObject]:
        """Yield every object whose key begins with a prefix, in order; blocks.

        Raises:
            ObjectsAwayError: The store does not answer.
            ObjectRefusedError: The store refuses, or there is no such bucket.
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield RemoteObject(entry["Key"], entry["Size"])
        except self._errors as error:
            raise self._translate(error, f"s3://{bucket}/{prefix}") from error

    def read(self, bucket: str, key: str) -> Iterator[bytes]:
        """Yield an object's bytes in order, in pieces of about 1 MiB; blocks.

        Raises:
            ObjectsAwayError: The store does not answer, or stops in the middle.
            ObjectRefusedError: The store refuses, or the object is not there any more.
        """
        try:
            body = self._client.get_object(Bucket=bucket, Key=key)["Body"]
            try:
                yield from body.iter_chunks(1 << 20)
            finally:
                body.close()
        except self._errors as error:
            raise self._translate(error, f"s3://{bucket}/{key}") from error

    def put(self, path: Path, blob: Blob, *, bucket: str, key: str, content_type: str) -> None:
        """Make a content an object, or replace one by it; blocks.

        The store checks the MD5 of what goes up in one piece.

        Args:
            path: Where the content lies.
            blob: The content.
            bucket: The bucket's name.
            key: The object's key.
            content_type: MIME type.

        Raises:
            ObjectsAwayError: The store does not take it now.
            ObjectRefusedError: The store will never take it; `NoSuchObjectError` without a bucket.
            StoreError: The content cannot be read.
        """
        where: dict[str, Any] = {"Bucket": bucket, "Key": key}
        try:
            with path.open("rb") as file:
                if blob.size > PART_BYTES:
                    self._put_parts(file, blob, where | {"ContentType": content_type})
                    return
                md5 = bytes.fromhex(blob.md5)
                self._client.put_object(
                    **where,
                    Body=file,
                    ContentLength=blob.size,
                    ContentMD5=base64.b64encode(md5).decode(),
                    ContentType=content_type,
                )
        except self._errors as error:
            raise self._translate(error, f"s3://{bucket}/{key}") from error
        except OSError as error:
            raise StoreError(f"Content {blob.id} cannot be read: {error.strerror}.") from error

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; one that is not there is no error; blocks.

        Raises:
            ObjectsAwayError: The store does not answer.
            ObjectRefusedError: The store refuses.
        """
        try:
            self._client.delete_object(Bucket=bucket, Key=key)
        except self._errors as error:
            raise self._translate(error, f"s3://{bucket}/{key}") from error

    def ask(
        self, operation: str, params: Mapping[str, Any], body: tuple[Path, Blob] | None = None
    ) -> dict[str, Any]:
        """Do any operation with the store's key for somebody else; blocks.

        Args:
            operation: Its name, for example `ListObjectsV2`.
            params: Its input; times in milliseconds since the epoch. Checksums are left out.
            body: A content to send, and where it lies; the store checks its MD5.

        Returns:
            The output, times as in the input; `Body` has `read` and `close`.

        Raises:
            StoreAnswerError: The store refuses.
            ObjectsAwayError: The store does not answer.
            StoreError: The content cannot be read.
        """
        call = _without_checksums({
            name: _EPOCH + timedelta(milliseconds=value)
            if name in _TIMES and isinstance(value, int)
            else value
            for name, value in params.items()
        })
        try:
            with contextlib.ExitStack() as closing:
                if body is not None:
                    path, blob = body
                    md5 = base64.b64encode(bytes.fromhex(blob.md5)).decode()
                    call["Body"] = closing.enter_context(path.open("rb"))
                    call |= {"ContentLength": blob.size, "ContentMD5": md5}
                output = getattr(self._client, self._methods[operation])(**call)
        except self._errors as error:
            status = _status(error)
            if status is not None:
                said = str(error.response.get("Error", {}).get("Message", error))  # type: ignore[attr-defined]
                raise StoreAnswerError(said, code=_code(error), status=status) from error
            if type(error).__name__ == "ParamValidationError":
                raise StoreAnswerError(str(error), code="InvalidRequest", status=400) from error
            raise self._translate(error, operation) from error
        except OSError as error:
            raise StoreError(f"A content cannot be read: {error.strerror}.") from error
        for name in ("ResponseMetadata", "Expires", "ExpiresString"):
            output.pop(name, None)
        found: dict[str, Any] = _in_milliseconds(output)
        return found

    def _put_parts(self, file: Any, blob: Blob, target: dict[str, Any]) -> None:  # noqa: ANN401
        """Upload in parts, one after the other; what fails in between is taken back."""
        upload = self._client.create_multipart_upload(**target)
        where = {"Bucket": target["Bucket"], "Key": target["Key"], "UploadId": upload["UploadId"]}
        part_bytes = max(PART_BYTES, -(-blob.size // 10_000))
        parts = []
        try:
            for number in range(1, -(-blob.size // part_bytes) + 1):
                # One part is in memory at a time, so that it can be signed and sent again whole.
                piece = file.read(part_bytes)
                answer = self._client.upload_part(**where, PartNumber=number, Body=piece)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self._client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        except BaseException:
            # Where this fails, too, the store's own rule for unfinished uploads removes it.
            with contextlib.suppress(*self._errors):
                self._client.abort_multipart_upload(**where)
            raise

    def _translate(self, error: Exception, what: str) -> StoreError:
        """Return our error for one of boto3's."""
        status, code = _status(error), _code(error)
        said = f"{what} in the object store at {self.endpoint_url}: {error}"
        if code in {_MISSING_BUCKET, "NoSuchKey"} or status == 404:
            return NoSuchObjectError(f"There is no {said}")
        is_passing = (
            status is None or status >= 500 or status in _PASSING_STATUSES or code in _PASSING_CODES
        )
        if is_passing and type(error).__name__ != "ParamValidationError":
            return ObjectsAwayError(f"Cannot reach {said}")
        return ObjectRefusedError(f"Refused: {said}")


def _open(
    endpoint_url: str, region: str, access_key: str, secret_key: str
) -> tuple[Any, tuple[type[Exception], ...]]:
    """Return a client, and the errors that its methods raise.

    Raises:
        MissingExtraError: boto3 is not installed.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    except ImportError as error:
        raise MissingExtraError(
            f"Objects in another store need boto3: pip install 'openbraket[s3]' ({error})"
        ) from error
    config = Config(
        connect_timeout=CONNECT_S_MAX,
        read_timeout=READ_S_MAX,
        retries={"total_max_attempts": 1},
        max_pool_connections=THREAD_COUNT,
        # Other stores may know neither the bucket in the host's name nor AWS's newer checksums.
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    for name in ("boto3", "botocore", "urllib3"):
        # Their debug lines are about themselves, and urllib3 warns of each connection that breaks.
        logging.getLogger(name).setLevel(logging.ERROR)
    session = boto3.session.Session(
        aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
    )
    client = session.client("s3", endpoint_url=endpoint_url, config=config)
    return client, (ClientError, BotoCoreError, HTTPClientError)


def _without_checksums(value: Any) -> Any:  # noqa: ANN401  (members of any type)
    if isinstance(value, dict):
        return {
            # The names of a user's own metadata are the user's.
            name: item if name == "Metadata" else _without_checksums(item)
            for name, item in value.items()
            if not name.startswith("Checksum")
        }
    return [_without_checksums(item) for item in value] if isinstance(value, list) else value


def _in_milliseconds(value: Any) -> Any:  # noqa: ANN401  (members of any type)
    if isinstance(value, dict):
        return {name: _in_milliseconds(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_milliseconds(item) for item in value]
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(milliseconds=1)
    return value


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    # Connection errors of botocore may carry None here.
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    status = metadata.get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    details = response.get("Error", {}) if isinstance(response, dict) else {}
    return str(details.get("Code", ""))
