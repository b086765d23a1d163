"""Bodies of streaming operations: aws-chunked decoding while they pass.

Memory stays constant: content is handed on as it arrives. A chunk's signature is checked when
the chunk has passed, length and trailer when the body has; a consumer must therefore drop what
it wrote when the iteration raises.

Source: "Signature calculations for the Authorization header: transferring payload in multiple
chunks", with and without trailing headers, in S3's documentation.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NoReturn, Protocol

from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request
from openbraket.wire.scope import Scope
from openbraket.wire.signature_errors import refuse_mismatch
from openbraket.wire.sigv4 import ChunkSigner

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_FORMS = frozenset({SIGNED, SIGNED_TRAILER})
CHUNKED_FORMS = frozenset({*SIGNED_FORMS, UNSIGNED_TRAILER})

LINE_LENGTH_MAX = 8192
TRAILER_COUNT_MAX = 32

_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})(?:;chunk-signature=([0-9a-f]{64}))?", re.ASCII)
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class ChunkDecoder:
    """Takes an aws-chunked body apart; free of input and output.

    Args:
        signer: Checks the signatures of chunks and trailer; None leaves them unchecked.
        decoded_length: How many bytes of content are announced, or None.
        is_trailer_signed: Whether a signature follows the trailing headers.

    Attributes:
        trailers: The headers after the content, lower case, without the signature.
    """

    def __init__(
        self,
        signer: ChunkSigner | None = None,
        *,
        decoded_length: int | None = None,
        is_trailer_signed: bool = False,
    ) -> None:
        self.trailers: dict[str, str] = {}
        self._signer = signer
        self._decoded_length = decoded_length
        self._is_trailer_signed = is_trailer_signed
        self._line = bytearray()
        self._length = 0
        self._left = 0
        self._signature = ""
        self._trailer_signature = ""
        self._hash = hashlib.sha256()
        self._is_at_end_of_chunk = False
        self._is_in_trailer = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the content in the next piece of the body.

        Raises:
            ServiceError: The body is not well-formed, or a chunk's signature is wrong.
        """
        position = 0
        while position < len(data):
            if self._left:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                self._take(piece)
                yield piece
                continue
            end = data.find(b"\n", position)
            stop = len(data) if end < 0 else end
            self._line += data[position:stop]
            if len(self._line) > LINE_LENGTH_MAX:
                _refuse_malformed("a line is too long")
            if end < 0:
                return
            position = end + 1
            line = bytes(self._line).rstrip(b"\r")
            self._line.clear()
            self._end_line(line)

    def _take(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._signer is not None:
            self._hash.update(piece)
        if self._left == 0:
            self._is_at_end_of_chunk = True
            self._check_chunk()

    def _check_chunk(self) -> None:
        if self._signer is not None:
            self._signer.check_chunk(self._signature, self._hash.hexdigest())
            self._hash = hashlib.sha256()

    def _end_line(self, line: bytes) -> None:
        if self._is_in_trailer:
            self._end_trailer_line(line)
        elif self._is_at_end_of_chunk:
            if line:
                _refuse_malformed("a chunk is longer than its size")
            self._is_at_end_of_chunk = False
        else:
            self._end_size_line(line)

    def _end_size_line(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None:
            _refuse_malformed("a chunk has no size")
        self._left = int(found[1], 16)
        self._signature = (found[2] or b"").decode("ascii")
        if self._decoded_length is not None and self._length + self._left > self._decoded_length:
            _refuse_incomplete()
        if self._left == 0:
            self._is_in_trailer = True
            self._check_chunk()

    def _end_trailer_line(self, line: bytes) -> None:
        if not line:
            return
        name, colon, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        if not colon or len(self.trailers) >= TRAILER_COUNT_MAX:
            _refuse_malformed_trailer()
        if name == _TRAILER_SIGNATURE:
            self._trailer_signature = value.strip()
        else:
            self.trailers[name] = value.strip()

    def finish(self) -> None:
        """Check that the body is complete, and the trailer's signature.

        Raises:
            ServiceError: The body ended early, has another length than announced, or its trailer
                is not signed as it should.
        """
        if self._is_in_trailer and self._line:
            line = bytes(self._line)
            self._line.clear()
            self._end_trailer_line(line.rstrip(b"\r"))
        if not self._is_in_trailer or self._decoded_length not in {None, self._length}:
            _refuse_incomplete()
        if self._signer is None or not self._is_trailer_signed:
            return
        if not self._trailer_signature:
            refuse_mismatch("s3")
        text = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        self._signer.check_trailer(self._trailer_signature, digest)


class TrailerSink(Protocol):
    """Who wants to know the headers that follow a content, to compare them with it."""

    def add(self, trailers: Mapping[str, str]) -> None:
        """Take in the trailing headers, by lower-case name."""


class SignedRequest(Protocol):
    """A request with what is known about its signer."""

    @property
    def request(self) -> Request:
        """The request."""

    @property
    def credential(self) -> Scope | None:
        """What the request says about its signature."""

    @property
    def secret_key(self) -> str | None:
        """The signer's secret, where signatures are verified."""


async def decoded(
    context: SignedRequest, body: AsyncIterator[bytes], sink: TrailerSink | None = None
) -> AsyncIterator[bytes]:
    """Yield the content of a streaming operation's body, freed from aws-chunked.

    A body in any other form passes unchanged. Hashes and checksums of the content are the
    caller's matter, who stores it anyway; it gets the trailing headers after the last piece.

    Args:
        context: The request and its signer. With a secret key the chunks' signatures are checked.
        body: The raw body, as the parsed input has it.
        sink: Takes the trailing headers.

    Raises:
        ServiceError: The body is not well-formed, ends early, is signed wrongly, or lacks a
            trailing header that was announced.
    """
    headers = context.request.headers
    form = headers.get("x-amz-content-sha256", "")
    if form not in CHUNKED_FORMS and "aws-chunked" not in headers.get("content-encoding", ""):
        async for data in body:
            yield data
        return
    decoder = ChunkDecoder(
        _signer(context) if form in SIGNED_FORMS else None,
        decoded_length=_decoded_length(headers),
        is_trailer_signed=form == SIGNED_TRAILER,
    )
    async for data in body:
        for piece in decoder.feed(data):
            yield piece
    decoder.finish()
    announced = headers.get("x-amz-trailer", "").lower() if form != SIGNED else ""
    names = [name.strip() for name in announced.split(",") if name.strip()]
    if any(name not in decoder.trailers for name in names):
        _refuse_malformed_trailer()
    if sink is not None:
        sink.add(decoder.trailers)


def _signer(context: SignedRequest) -> ChunkSigner | None:
    scope = context.credential
    if scope is None or not context.secret_key or scope.version != 4:
        return None
    return ChunkSigner(scope, context.secret_key)


def _decoded_length(headers: dict[str, str]) -> int | None:
    text = headers.get("x-amz-decoded-content-length", "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        message = "x-amz-decoded-content-length is not a length"
        raise ServiceError("InvalidArgument", message, status=400)
    return int(text)


def _refuse_malformed(what: str) -> NoReturn:
    raise ServiceError("InvalidRequest", f"The aws-chunked body is malformed: {what}.", status=400)


def _refuse_malformed_trailer() -> NoReturn:
    message = (
        "The request contained trailing data that was not well-formed or did not conform to our "
        "published schema."
    )
    raise ServiceError("MalformedTrailerError", message, status=400)


def _refuse_incomplete() -> NoReturn:
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    raise ServiceError("IncompleteBody", message, status=400)
