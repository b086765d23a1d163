"""aws-chunked bodies: S3's published examples, botocore's own encoder, and broken bodies."""

import base64
import contextlib
import dataclasses
import io
import zlib
from collections.abc import AsyncIterator

import hypothesis
import hypothesis.strategies as st
import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum

from openbraket.wire.chunked import (
    LINE_LENGTH_MAX,
    SIGNED,
    SIGNED_TRAILER,
    UNSIGNED_TRAILER,
    ChunkDecoder,
    decoded,
)
from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request
from openbraket.wire.scope import Scope
from openbraket.wire.sigv4 import ChunkSigner

pytestmark = pytest.mark.anyio

# The examples of S3's documentation: 66,560 times "a" in a chunk of 64 KiB and one of 1 KiB.
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CONTENT = b"a" * 66_560
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILER_SIGNATURES = (
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER_SIGNATURE = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def scope(seed: str) -> Scope:
    return Scope(
        "AKIAIOSFODNN7EXAMPLE", "20130524", "us-east-1", "s3", 4, False, seed,
        time="20130524T000000Z",
    )  # fmt: skip


def chunks(signatures: tuple[str, ...], trailer: bytes = b"") -> bytes:
    pieces = (CONTENT[:65_536], CONTENT[65_536:], b"")
    body = b""
    for piece, signature in zip(pieces, signatures, strict=True):
        body += b"%x;chunk-signature=%s\r\n" % (len(piece), signature.encode())
        body += piece + b"\r\n" if piece else b""
    return body + trailer + b"\r\n"


SIGNED_BODY = chunks(SIGNATURES)
TRAILER = (
    f"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n".encode()
)
TRAILER_BODY = chunks(TRAILER_SIGNATURES, TRAILER)


@dataclasses.dataclass
class Context:
    """What `decoded` wants to know."""

    request: Request
    credential: Scope | None = None
    secret_key: str | None = None


class Sink:
    def __init__(self) -> None:
        self.trailers: dict[str, str] = {}

    def add(self, trailers) -> None:
        self.trailers.update(trailers)


async def in_pieces(body: bytes, size: int = 7_001) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def context(form: str, seed: str = "", secret: str | None = None, **headers: str) -> Context:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request("PUT", "/b/k", "", {"x-amz-content-sha256": form} | named)
    return Context(request, scope(seed) if seed else None, secret)


async def read(where: Context, body: bytes, size: int = 7_001, sink: Sink | None = None) -> bytes:
    return b"".join([piece async for piece in decoded(where, in_pieces(body, size), sink)])


@pytest.mark.parametrize("size", [1_000, 65_536, 100_000])
@pytest.mark.parametrize("secret", [SECRET, None])
async def test_signed_chunks_of_the_published_example(size, secret):
    where = context(SIGNED, SEED, secret, x_amz_decoded_content_length="66560")
    assert await read(where, SIGNED_BODY, size) == CONTENT


@pytest.mark.parametrize("body", [TRAILER_BODY, TRAILER_BODY.replace(b"==\r\n", b"==\n\r\n\r\n")])
async def test_signed_trailer_of_the_published_example(body):
    where = context(SIGNED_TRAILER, TRAILER_SEED, SECRET, x_amz_trailer="x-amz-checksum-crc32c")
    sink = Sink()
    assert await read(where, body, sink=sink) == CONTENT
    assert sink.trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


@pytest.mark.parametrize("length", [0, 1, 1024 * 1024, 2_500_000])
async def test_botocores_unsigned_chunks(length):
    content = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
    wrapper = AwsChunkedWrapper(io.BytesIO(content), Crc32Checksum, "x-amz-checksum-crc32")
    where = context(
        UNSIGNED_TRAILER,
        x_amz_trailer="x-amz-checksum-crc32",
        x_amz_decoded_content_length=str(length),
    )
    sink = Sink()
    assert await read(where, wrapper.read(), 65_536, sink) == content
    expected = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
    assert sink.trailers == {"x-amz-checksum-crc32": expected}


async def test_plain_body_passes_unchanged():
    assert await read(context("UNSIGNED-PAYLOAD"), b"5\r\nhello\r\n") == b"5\r\nhello\r\n"


async def test_content_encoding_alone_says_that_a_body_is_chunked():
    where = context("UNSIGNED-PAYLOAD", content_encoding="gzip,aws-chunked")
    assert await read(where, b"5\r\nhello\r\n0\r\n\r\n", 1) == b"hello"


async def refused(where: Context, body: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await read(where, body)
    return caught.value


@pytest.mark.parametrize("change", [(b"aa", b"ab"), (SIGNATURES[1].encode(), b"0" * 64)])
async def test_changed_chunk_is_refused(change):
    where = context(SIGNED, SEED, SECRET)
    error = await refused(where, SIGNED_BODY.replace(*change, 1))
    assert error.code == "SignatureDoesNotMatch"


async def test_chunk_without_a_signature_is_refused_where_signatures_count():
    where = context(SIGNED, SEED, SECRET)
    assert (await refused(where, b"1\r\na\r\n0\r\n\r\n")).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("trailer", [TRAILER.replace(b"sOO8", b"sOO9"), TRAILER[:31]])
async def test_changed_trailer_is_refused(trailer):
    where = context(SIGNED_TRAILER, TRAILER_SEED, SECRET)
    error = await refused(where, chunks(TRAILER_SIGNATURES, trailer))
    assert error.code in {"SignatureDoesNotMatch", "MalformedTrailerError"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "IncompleteBody"),
        (b"5\r\nhel", "IncompleteBody"),
        (b"5\r\nhello\r\n", "IncompleteBody"),
        (b"4\r\nhell\r\n0\r\n\r\n", "IncompleteBody"),
        (b"6\r\nhello!\r\n0\r\n\r\n", "IncompleteBody"),
        (b"ffffffffffff\r\n", "IncompleteBody"),
        (b"5\r\nhello!\r\n0\r\n\r\n", "InvalidRequest"),
        (b"x\r\n", "InvalidRequest"),
        (b"-5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"5;chunk-signature=00\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"0" * (LINE_LENGTH_MAX + 1), "InvalidRequest"),
        (b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n", "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\n" + b"a:b\r\n" * 33, "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"),
    ],
)
async def test_broken_body_is_refused(body, code):
    where = context(
        UNSIGNED_TRAILER,
        x_amz_decoded_content_length="5",
        x_amz_trailer="x-amz-checksum-crc32",
    )
    # The last body only lacks the announced trailer.
    assert (await refused(where, body)).code == code


async def test_announced_length_must_be_a_number():
    where = context(SIGNED, x_amz_decoded_content_length="many")
    assert (await refused(where, b"")).code == "InvalidArgument"


@hypothesis.given(st.lists(st.binary(max_size=40), max_size=6))
@hypothesis.settings(max_examples=300)
def test_any_bytes_are_decoded_or_refused(pieces):
    decoder = ChunkDecoder(ChunkSigner(scope(SEED), SECRET), decoded_length=5)
    with contextlib.suppress(ServiceError):
        for piece in pieces:
            list(decoder.feed(piece))
        decoder.finish()


@hypothesis.given(st.binary(max_size=300), st.integers(1, 50), st.integers(1, 50))
@hypothesis.settings(max_examples=100)
def test_content_survives_any_cut(content, chunk_size, piece_size):
    wrapper = AwsChunkedWrapper(io.BytesIO(content), chunk_size=chunk_size)
    body = wrapper.read() + b"\r\n"
    decoder = ChunkDecoder(decoded_length=len(content))
    parts = [body[start : start + piece_size] for start in range(0, len(body), piece_size)]
    assert b"".join(piece for part in parts for piece in decoder.feed(part)) == content
    decoder.finish()
