import asyncio
import hashlib
import os
import time
import zlib
from pathlib import Path

import pytest

from openbraket.base.blob import is_inline, new_inline_id
from openbraket.base.errors import StoreError
from openbraket.blobs import LocalBlobs
from openbraket.blobs.local import AT_ONCE_BYTES_MAX, PIECE_BYTES
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=[True, False], ids=["durable", "fast"])
def blobs(tmp_path, request):
    return LocalBlobs(tmp_path / "objects", is_durable=request.param)


async def chunks(*pieces):
    for piece in pieces:
        yield piece


async def read_all(blobs, blob_id, start, stop):
    return b"".join([piece async for piece in blobs.read(blob_id, start, stop)])


def incoming(blobs):
    return list((blobs.root / "incoming").iterdir())


def stored(blobs):
    return [path for path in (blobs.root / "objects").rglob("*") if path.is_file()]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


class Crc:
    value = 0

    def update(self, data, /):
        self.value = zlib.crc32(data, self.value)


@pytest.fixture
def synced(monkeypatch):
    """Inodes that were brought to the disk, in order."""
    found = []
    fsync = os.fsync

    def note(descriptor):
        found.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return found


async def test_contents_of_another_process_are_brought_to_the_disk_with_their_names(
    tmp_path, synced
):
    worker = LocalBlobs(tmp_path / "objects", is_durable=False)
    blobs = [worker.put(text) for text in (b"one", b"two")]
    assert synced == []
    server = LocalBlobs(tmp_path / "objects", is_durable=True)
    await server.make_lasting([blob.id for blob in blobs])
    for blob in blobs:
        path = server.path(blob.id)
        places = [synced.index(p.stat().st_ino) for p in (path, path.parent, path.parent.parent)]
        assert places[0] < places[1]
    # The directory of directories only once more would be needed for a new one.
    count = len(synced)
    await server.make_lasting([blobs[0].id])
    assert len(synced) == count + 2


async def test_short_contents_in_memory_are_read_at_once(blobs):
    content = bytes(range(256)) * 16
    blob = blobs.put(content)
    assert blobs.read_at_once(blob.id, 0, 4096) in {content, None}
    found = [blobs.read_at_once(blob.id, start, stop) for start, stop in ((1, 3), (4000, 4096))]
    assert found in ([content[1:3], content[4000:]], [None, None])
    # Beyond the end, which the records would have to say wrongly.
    assert blobs.read_at_once(blob.id, 4000, 4097) is None
    long = blobs.put(b"x" * (AT_ONCE_BYTES_MAX + 1))
    assert blobs.read_at_once(long.id, 0, long.size) is None
    blobs.delete(blob.id)
    with pytest.raises(StoreError, match="No such file"):
        blobs.read_at_once(blob.id, 0, 1)


async def test_contents_of_the_records_are_not_synced(tmp_path, synced):
    await LocalBlobs(tmp_path, is_durable=True).make_lasting([new_inline_id()])
    assert not synced


async def test_nothing_is_synced_where_it_need_not_last(tmp_path, synced):
    blobs = LocalBlobs(tmp_path / "objects", is_durable=False)
    await blobs.make_lasting([blobs.put(b"one").id])
    assert synced == []


async def test_content_that_cannot_be_brought_to_the_disk_is_an_error(tmp_path, monkeypatch):
    blobs = LocalBlobs(tmp_path / "objects", is_durable=True)
    blob = blobs.put(b"one")
    blobs.delete(blob.id)
    with pytest.raises(StoreError, match="No such file"):
        await blobs.make_lasting([blob.id])


def test_put_stores_bytes_under_a_fresh_name(blobs):
    first, second = blobs.put(b"content"), blobs.put(b"content")
    assert first.id != second.id
    assert (first.size, first.md5) == (7, hashlib.md5(b"content").hexdigest())
    assert blobs.path(first.id).read_bytes() == b"content"
    assert incoming(blobs) == []


@pytest.mark.parametrize(("size", "is_file"), [(0, False), (10, False), (11, True)])
def test_small_content_is_left_to_the_records(tmp_path, size, is_file):
    blobs = LocalBlobs(tmp_path, is_durable=False, inline_bytes_max=10)
    content = b"x" * size
    blob = blobs.keep(content)
    assert (blob.size, blob.md5) == (size, hashlib.md5(content).hexdigest())
    assert blob.inline == (None if is_file else content)
    assert is_inline(blob.id) != is_file
    assert len(blob.id) == 32
    assert len(stored(blobs)) == is_file
    blobs.delete(blob.id)
    assert stored(blobs) == []


def test_names_of_contents_in_the_records_are_ordered_by_time():
    first = new_inline_id()
    time.sleep(0.002)
    assert first < new_inline_id()


def test_put_takes_pieces_and_further_digests(blobs):
    crc = Crc()
    blob = blobs.put((b"ab", b"", b"cd"), digests=[crc])
    assert blobs.path(blob.id).read_bytes() == b"abcd"
    assert crc.value == zlib.crc32(b"abcd")


def test_put_of_nothing_is_an_empty_object(blobs):
    assert blobs.path(blobs.put(b"").id).read_bytes() == b""
    assert blobs.path(blobs.put(()).id).read_bytes() == b""


def test_put_that_fails_leaves_nothing(blobs):
    def pieces():
        yield b"some"
        raise OSError("the source broke")

    with pytest.raises(OSError, match="source broke"):
        blobs.put(pieces())
    assert incoming(blobs) == []
    assert stored(blobs) == []


async def test_put_stream_equals_put(blobs):
    content = os.urandom(2 * PIECE_BYTES + 12345)
    pieces = [content[at : at + 70_000] for at in range(0, len(content), 70_000)]
    crc = Crc()
    blob = await blobs.put_stream(chunks(*pieces), digests=[crc])
    assert (blob.size, blob.md5) == (len(content), hashlib.md5(content).hexdigest())
    assert crc.value == zlib.crc32(content)
    assert await read_all(blobs, blob.id, 0, blob.size) == content


async def test_put_stream_of_nothing_is_an_empty_object(blobs):
    blob = await blobs.put_stream(chunks())
    assert blob.size == 0
    assert await read_all(blobs, blob.id, 0, 0) == b""


async def test_put_stream_that_breaks_leaves_nothing(blobs):
    async def broken():
        yield b"x" * (PIECE_BYTES + 1)
        yield b"y" * (PIECE_BYTES + 1)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.put_stream(broken())
    assert incoming(blobs) == []
    assert stored(blobs) == []


async def test_put_stream_that_is_cancelled_leaves_nothing(blobs):
    is_waiting = asyncio.Event()

    async def endless():
        yield b"x" * (PIECE_BYTES + 1)
        is_waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(blobs.put_stream(endless()))
    await asyncio.wait_for(is_waiting.wait(), PATIENCE_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert incoming(blobs) == []
    assert stored(blobs) == []


async def test_read_gives_the_range_in_large_pieces(blobs):
    content = os.urandom(PIECE_BYTES + 100)
    blob = blobs.put(content)
    assert await read_all(blobs, blob.id, 50, PIECE_BYTES + 60) == content[50 : PIECE_BYTES + 60]
    pieces = [piece async for piece in blobs.read(blob.id, 0, blob.size)]
    assert [len(piece) for piece in pieces] == [PIECE_BYTES, 100]


async def test_read_outlives_deletion(blobs):
    blob = blobs.put(b"still here")
    reader = blobs.read(blob.id, 0, blob.size)
    blobs.delete(blob.id)
    assert [piece async for piece in reader] == [b"still here"]
    with pytest.raises(StoreError, match="No such file"):
        blobs.read(blob.id, 0, 1)


async def test_read_beyond_the_end_raises(blobs):
    blob = blobs.put(b"short")
    with pytest.raises(StoreError, match="ends at byte 5"):
        await read_all(blobs, blob.id, 0, 6)


async def test_closed_reader_lets_go_of_its_file(blobs):
    blob = blobs.put(b"content")
    before = open_files()
    reader = blobs.read(blob.id, 0, 7)
    assert open_files() == before + 1
    await reader.aclose()
    assert [piece async for piece in reader] == []
    dropped = blobs.read(blob.id, 0, 7)
    del dropped
    assert open_files() == before


def test_delete_is_repeatable(blobs):
    blob = blobs.put(b"content")
    blobs.delete(blob.id)
    blobs.delete(blob.id)
    assert stored(blobs) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 32, "a" * 31, "." * 32])
def test_path_refuses_what_is_not_a_name(blobs, name):
    with pytest.raises(StoreError, match="not the name of a content"):
        blobs.path(name)


def test_sweep_removes_orphans_and_unfinished_writes_only(blobs):
    known, orphan = blobs.put(b"known"), blobs.put(b"orphan")
    (blobs.root / "incoming" / ("0" * 32)).write_bytes(b"half")
    assert blobs.sweep({known.id}, older_than_s=3600) == 0
    assert blobs.sweep({known.id}, older_than_s=0) == 2
    assert [path.name for path in stored(blobs)] == [known.id]
    assert not blobs.path(orphan.id).exists()
    assert incoming(blobs) == []


def test_root_that_is_a_file_is_a_store_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="Cannot create"):
        LocalBlobs(tmp_path / "file")


def test_sweep_stops_when_the_clock_is_set_back(blobs, monkeypatch):
    now = time.time()
    # Written by a request of this server, after the clock had been set back by an hour.
    fresh = blobs.put(b"fresh")
    os.utime(blobs.path(fresh.id), (now - 3600, now - 3600))
    times = iter([now])
    monkeypatch.setattr("openbraket.blobs.local.time.time", lambda: next(times, now - 3600))
    assert blobs.sweep(set(), older_than_s=10) == 0
    assert blobs.path(fresh.id).exists()
