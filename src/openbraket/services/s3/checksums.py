"""Checksums of contents: computed while bytes pass, compared with what the client said.

CRC-32, SHA-1, SHA-256, SHA-512 and MD5 are computed. Of the others (CRC-32C, CRC-64/NVME, XXHash),
for which the standard library has no fast version, the client's value is kept and returned.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from openbraket.services.s3.errors import S3Error

# The member that holds a checksum, by the value of `ChecksumAlgorithm`.
MEMBERS: Final[Mapping[str, str]] = {
    name: f"Checksum{name}"
    for name in (
        "CRC32",
        "CRC32C",
        "CRC64NVME",
        "SHA1",
        "SHA256",
        "SHA512",
        "MD5",
        "XXHASH64",
        "XXHASH3",
        "XXHASH128",
    )
}
_CRC32_POLYNOMIAL: Final = 0xEDB88320
_HEX_DIGITS: Final = frozenset("0123456789abcdef")
_HEADER: Final = "x-amz-checksum-"


class Digest(Protocol):
    """What takes in bytes and gives their checksum."""

    def update(self, data: bytes, /) -> None:
        """Take in the next bytes."""

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far."""


class Crc32:
    """CRC-32 with the interface of `hashlib`."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take in the next bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Return the checksum, most significant byte first."""
        return self._value.to_bytes(4, "big")


_COMPUTED: Final[Mapping[str, Callable[[], Digest]]] = {
    "CRC32": Crc32,
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
}


class Expectations:
    """What a client said about a content, and the digests that will tell.

    Args:
        params: Input of the operation: `ContentMD5`, `ChecksumCRC32` and so on.
        content_sha256: The header x-amz-content-sha256, or "".
        trailer: The header x-amz-trailer, which announces checksums that come after the content.

    Attributes:
        digests: To be updated with every byte of the content.

    Raises:
        S3Error: InvalidDigest or InvalidRequest where a value is no such checksum.
    """

    def __init__(
        self, params: Mapping[str, Any], content_sha256: str = "", trailer: str = ""
    ) -> None:
        self._md5 = _read_md5(params.get("ContentMD5"))
        # UNSIGNED-PAYLOAD and the STREAMING- values say that the body's hash is not signed.
        is_sha256 = len(content_sha256) == 64 and _HEX_DIGITS.issuperset(content_sha256)
        self._content_sha256 = content_sha256 if is_sha256 else ""
        self._given = {
            algorithm: params[member] for algorithm, member in MEMBERS.items() if member in params
        }
        announced = {
            name.strip().lower().removeprefix(_HEADER).upper() for name in trailer.split(",")
        }
        self._kept = {*self._given, *announced} & _COMPUTED.keys()
        wanted = self._kept | {"SHA256"} if self._content_sha256 else self._kept
        self._digests = {algorithm: _COMPUTED[algorithm]() for algorithm in wanted}
        self.digests: tuple[Digest, ...] = tuple(self._digests.values())
        for algorithm, text in self._given.items():
            self._check_form(algorithm, text)

    def add(self, trailers: Mapping[str, str]) -> None:
        """Take in checksums that came after the content.

        Args:
            trailers: Trailing headers by lower-case name.

        Raises:
            S3Error: InvalidRequest where a value is no such checksum.
        """
        for algorithm in MEMBERS:
            text = trailers.get(_HEADER + algorithm.lower())
            if text is not None:
                self._check_form(algorithm, text)
                self._given[algorithm] = text

    def check(self, md5: str) -> dict[str, str]:
        """Compare what was said with what came.

        Args:
            md5: MD5 of the content, hexadecimal.

        Returns:
            Checksums to keep with the object, base64 by member name.

        Raises:
            S3Error: BadDigest or XAmzContentSHA256Mismatch.
        """
        if self._md5 and self._md5 != md5:
            raise S3Error("BadDigest", ExpectedDigest=self._md5, CalculatedDigest=md5)
        if self._content_sha256:
            computed = self._digests["SHA256"].digest().hex()
            if computed != self._content_sha256:
                raise S3Error(
                    "XAmzContentSHA256Mismatch",
                    ClientComputedContentSHA256=self._content_sha256,
                    S3ComputedContentSHA256=computed,
                )
        for algorithm in self._kept:
            text = _base64(self._digests[algorithm].digest())
            if self._given.get(algorithm, text) != text:
                raise S3Error("BadDigest", mismatch(algorithm))
        return {MEMBERS[algorithm]: text for algorithm, text in self._given.items()}

    def _check_form(self, algorithm: str, text: str) -> None:
        digest = self._digests.get(algorithm)
        if digest is not None and len(_decode(text)) != len(digest.digest()):
            message = f"Value for {_HEADER}{algorithm.lower()} header is invalid."
            raise S3Error("InvalidRequest", message)


def check_body(headers: Mapping[str, str], body: bytes) -> None:
    """Compare a whole request body with the checksums in the headers.

    Args:
        headers: Request headers by lower-case name.
        body: The request's body.

    Raises:
        S3Error: A checksum is malformed or differs.
    """
    params = {
        member: headers[_HEADER + algorithm.lower()]
        for algorithm, member in MEMBERS.items()
        if _HEADER + algorithm.lower() in headers
    }
    if "content-md5" in headers:
        params["ContentMD5"] = headers["content-md5"]
    expectations = Expectations(params, headers.get("x-amz-content-sha256", ""))
    for digest in expectations.digests:
        digest.update(body)
    expectations.check(hashlib.md5(body, usedforsecurity=False).hexdigest())


def mismatch(algorithm: str) -> str:
    """Return the text of the BadDigest that says that a checksum differs."""
    return f"The {algorithm} you specified did not match the calculated checksum."


def composite(algorithm: str, parts: Iterable[str | None]) -> str | None:
    """Return the checksum of the checksums of an upload's parts.

    Args:
        algorithm: A key of `MEMBERS`.
        parts: The parts' checksums in base64; None where one has none.

    Returns:
        Base64, a hyphen and the number of parts; None where it cannot be computed.
    """
    if algorithm not in _COMPUTED:
        return None
    digest = _COMPUTED[algorithm]()
    count = 0
    for text in parts:
        if text is None:
            return None
        digest.update(base64.b64decode(text))
        count += 1
    return f"{_base64(digest.digest())}-{count}"


def joined_crc32(parts: Iterable[tuple[str | None, int]]) -> str | None:
    """Return the CRC-32 of a content from those of its parts, without reading it again.

    Appending n bytes multiplies the remainder of what came before by x^(8n) modulo the
    polynomial.

    Args:
        parts: CRC-32 in base64, or None where it is not known, and size in bytes, in order.

    Returns:
        The CRC-32 in base64; None where one part's is not known.
    """
    value = 0
    for text, size in parts:
        if text is None:
            return None
        crc = int.from_bytes(base64.b64decode(text), "big")
        value = _multiply(_power_of_x(8 * size), value) ^ crc
    return _base64(value.to_bytes(4, "big"))


def _multiply(first: int, second: int) -> int:
    """Return the product of two polynomials over GF(2) modulo CRC-32's, bits reversed."""
    product = 0
    mask = 1 << 31
    while mask:
        if first & mask:
            product ^= second
        second = (second >> 1) ^ _CRC32_POLYNOMIAL if second & 1 else second >> 1
        mask >>= 1
    return product


def _power_of_x(exponent: int) -> int:
    result, square = 1 << 31, 1 << 30
    while exponent:
        if exponent & 1:
            result = _multiply(square, result)
        square = _multiply(square, square)
        exponent >>= 1
    return result


def _read_md5(text: str | None) -> str:
    if text is None:
        return ""
    value = _decode(text)
    if len(value) != 16:
        raise S3Error("InvalidDigest", **{"Content-MD5": text})
    return value.hex()


def _decode(text: str) -> bytes:
    """Return the bytes that `text` has in base64; none where it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
