"""The client of other stores, against our own S3 and against another one."""

import contextlib
import hashlib

import pytest

from openbraket.blobs import LocalBlobs, remote
from openbraket.blobs.remote import NoSuchObjectError, ObjectsAwayError, RemoteObjects
from openbraket.engine.executors.base import StoredObject, Succeeded
from openbraket.engine.spool import Spool, Spooled

MIB = 1 << 20


@pytest.fixture(params=["own", "other"])
def store(request):
    url = (
        request.getfixturevalue("service").endpoint_url
        if request.param == "own"
        else request.getfixturevalue("other_store_url")
    )
    with contextlib.closing(
        RemoteObjects(url, region="us-east-1", access_key="openbraket", secret_key="openbraket")
    ) as opened:
        with contextlib.suppress(opened._client.exceptions.BucketAlreadyOwnedByYou):
            opened._client.create_bucket(Bucket="remote-objects")
        yield opened


@pytest.mark.parametrize("size", [0, 1000, 12 * MIB + 5])
def test_contents_go_up_whole_or_in_parts_and_come_back(store, tmp_path, monkeypatch, size):
    monkeypatch.setattr(remote, "PART_BYTES", 5 * MIB)
    blobs = LocalBlobs(tmp_path, is_durable=False)
    body = hashlib.shake_128(b"seed").digest(size)
    blob = blobs.put(body)
    place = {"bucket": "remote-objects", "key": "a/ä b+c"}
    store.put(blobs.path(blob.id), blob, content_type="text/x", **place)
    assert b"".join(store.read("remote-objects", "a/ä b+c")) == body
    assert store.find("remote-objects", "a/ä b+c").size == size
    assert [found.key for found in store.list("remote-objects", "a/")] == ["a/ä b+c"]
    store.delete("remote-objects", "a/ä b+c")
    assert store.find("remote-objects", "a/ä b+c") is None


def test_missing_bucket_is_told_from_a_store_that_is_away(store, tmp_path):
    blobs = LocalBlobs(tmp_path, is_durable=False)
    blob = blobs.put(b"x")
    with pytest.raises(NoSuchObjectError):
        store.put(blobs.path(blob.id), blob, bucket="is-missing", key="k", content_type="a/b")
    assert not store.find_bucket("is-missing")
    assert not store.find_bucket("no bucket's name/")
    away = RemoteObjects("http://127.0.0.1:9", region="us-east-1", access_key="a", secret_key="b")
    with contextlib.closing(away):
        for call in (
            lambda: away.find_bucket("some-bucket"),
            lambda: away.find("some-bucket", "k"),
            lambda: list(away.list("some-bucket", "")),
            lambda: list(away.read("some-bucket", "k")),
            lambda: away.delete("some-bucket", "k"),
            lambda: away.put(
                blobs.path(blob.id), blob, bucket="some-bucket", key="k", content_type="a/b"
            ),
        ):
            with pytest.raises(ObjectsAwayError, match="Cannot reach"):
                call()


def test_spool_gives_back_what_it_was_given_and_drops_what_it_cannot_read(tmp_path):
    blob = LocalBlobs(tmp_path, is_durable=False).put(b"x")
    outcome = Succeeded((StoredObject("results.json", "application/json", blob),), 7, "why")
    spool = Spool(tmp_path / "spool", is_durable=True)
    assert list(spool.items()) == []
    item = Spooled("task", 3, 1234, outcome)
    spool.write(item)
    (tmp_path / "spool" / "broken-1.json").write_bytes(b'{"task_id":')
    (tmp_path / "spool" / "cut-1.tmp").write_bytes(b"")
    assert list(spool.items()) == [item]
    assert len(list((tmp_path / "spool").iterdir())) == 1
    spool.remove("task", 3)
    spool.remove("task", 3)
    assert list(spool.items()) == []
