"""Checksums of bodies, and of uploads made of parts."""

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbraket.services.s3 import checksums
from openbraket.services.s3.checksums import Expectations
from openbraket.wire.errors import ServiceError


def crc32_of(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6))
def test_joined_crc32_is_that_of_the_whole(parts):
    joined = checksums.joined_crc32((crc32_of(part), len(part)) for part in parts)
    assert joined == crc32_of(b"".join(parts))


def test_joined_crc32_of_gigabytes_of_zeros():
    block = bytes(1 << 20)
    expected = 0
    for _ in range(64):
        expected = zlib.crc32(block, expected)
    joined = checksums.joined_crc32([(crc32_of(block), len(block))] * 64)
    assert joined == base64.b64encode(expected.to_bytes(4, "big")).decode()


def test_checksum_of_parts_needs_every_part():
    assert checksums.joined_crc32([(crc32_of(b"a"), 1), (None, 1)]) is None
    assert checksums.composite("CRC32", [crc32_of(b"a"), None]) is None
    assert checksums.composite("CRC64NVME", ["AAAAAAAAAAA="]) is None


def checked(body, params, **more):
    expectations = Expectations(params, **more)
    for digest in expectations.digests:
        digest.update(body)
    return expectations.check(hashlib.md5(body).hexdigest())


def test_given_checksums_are_kept():
    params = {"ChecksumCRC32": crc32_of(b"x"), "ChecksumCRC32C": "AAAAAA=="}
    assert checked(b"x", params) == params


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"ChecksumCRC32": "AAAAAA=="}, "BadDigest"),
        ({"ChecksumCRC32": "AAAA"}, "InvalidRequest"),
        ({"ChecksumSHA256": "not base64"}, "InvalidRequest"),
        ({"ContentMD5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"ContentMD5": "AAAA"}, "InvalidDigest"),
    ],
)
def test_wrong_checksums_are_refused(params, code):
    with pytest.raises(ServiceError) as error:
        checked(b"x", params)
    assert error.value.code == code


def test_content_sha256_is_compared_but_not_kept():
    good = hashlib.sha256(b"x").hexdigest()
    assert checked(b"x", {}, content_sha256=good) == {}
    assert checked(b"x", {}, content_sha256="UNSIGNED-PAYLOAD") == {}
    with pytest.raises(ServiceError) as error:
        checked(b"y", {}, content_sha256=good)
    assert error.value.code == "XAmzContentSHA256Mismatch"


def test_checksum_in_the_trailer_is_compared():
    for text, is_good in ((crc32_of(b"x"), True), (crc32_of(b"y"), False)):
        expectations = Expectations({}, trailer="x-amz-checksum-crc32")
        for digest in expectations.digests:
            digest.update(b"x")
        expectations.add({"x-amz-checksum-crc32": text})
        if is_good:
            assert expectations.check(hashlib.md5(b"x").hexdigest()) == {"ChecksumCRC32": text}
            continue
        with pytest.raises(ServiceError):
            expectations.check(hashlib.md5(b"x").hexdigest())
