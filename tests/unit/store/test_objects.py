"""Objects' records: replaced contents are named, and listings equal a naive one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbraket.base.blob import Blob, new_inline_id
from openbraket.store import objects, schema
from openbraket.store.database import DATABASE_NAME, open_backend
from support.databases import IS_POSTGRESQL, database_url, sqlite_only

BUCKET = "b"


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    backend = open_backend(folder / DATABASE_NAME, url=database_url(folder))
    with backend.connect() as connection:
        schema.upgrade(connection, backend)
        yield connection
    backend.close()


@pytest.fixture(autouse=True)
def undo(connection):
    connection.exec_driver_sql("BEGIN")
    yield
    connection.exec_driver_sql("ROLLBACK")


def put(connection, key, blob_id="0" * 32):
    blob = Blob(id=blob_id, size=3, md5="abc")
    return objects.put_object(connection, bucket=BUCKET, key=key, blob=blob, last_modified=1000)


def test_put_names_the_replaced_content(connection):
    assert put(connection, "k", "1" * 32) is None
    assert put(connection, "k", "2" * 32) == "1" * 32
    assert put(connection, "k", "2" * 32) is None
    assert objects.delete_object(connection, bucket=BUCKET, key="k") == "2" * 32
    assert objects.delete_object(connection, bucket=BUCKET, key="k") is None


def put_inline(connection, key, content):
    blob = Blob(new_inline_id(), len(content), "abc", content)
    put = objects.put_object(connection, bucket=BUCKET, key=key, blob=blob, last_modified=1)
    assert put is None or put == "1" * 32
    return blob.id


def test_content_in_the_records_comes_and_goes_with_its_object(connection):
    assert put(connection, "k", "1" * 32) is None
    first = put_inline(connection, "k", b"first")
    second = put_inline(connection, "k", b"\0second")
    found = objects.get_object(connection, bucket=BUCKET, key="k")
    assert (found.blob_id, found.inline) == (second, b"\0second")
    assert objects.get_content(connection, first) is None
    assert objects.get_content(connection, second) == b"\0second"
    assert objects.known_file_ids(connection) == set()
    assert list(objects.list_held(connection)) == []
    ((held, content),) = objects.each_held_inline(connection)
    assert (held.name, held.size, content) == (f"s3://{BUCKET}/k", 7, b"\0second")
    # A file in its place: there is nothing to be removed after the commit.
    assert put(connection, "k", "3" * 32) is None
    assert objects.get_content(connection, second) is None
    last = put_inline(connection, "other", b"")
    assert objects.delete_object(connection, bucket=BUCKET, key="other") is None
    assert objects.get_content(connection, last) is None
    assert objects.known_file_ids(connection) == {"3" * 32}


def test_same_content_in_the_records_stays_when_it_is_recorded_again(connection):
    blob = Blob(new_inline_id(), 1, "abc", b"x")
    for _ in range(2):
        assert (
            objects.put_object(connection, bucket=BUCKET, key="k", blob=blob, last_modified=1)
            is None
        )
    assert objects.get_object(connection, bucket=BUCKET, key="k").inline == b"x"


def test_get_returns_what_was_put(connection):
    blob = Blob(id="3" * 32, size=7, md5="aa")
    objects.put_object(
        connection,
        bucket=BUCKET,
        key="k",
        blob=blob,
        last_modified=5,
        content_type="text/x",
        etag="aa-2",
        headers={"Metadata": {"a": "ä"}},
    )
    expected = objects.StoredObject(
        BUCKET, "k", blob.id, 7, "aa-2", "text/x", 5, {"Metadata": {"a": "ä"}}
    )
    assert objects.get_object(connection, bucket=BUCKET, key="k") == expected
    assert objects.get_object(connection, bucket="other", key="k") is None


@pytest.mark.parametrize(
    ("prefix", "end"),
    [("", None), ("a", "b"), ("a/", "a0"), ("\ud7ff", "\ue000"), ("a\U0010ffff", "b")],
)
def test_end_of_prefix(prefix, end):
    assert objects.end_of_prefix(prefix) == end


# Few letters, so that keys share prefixes; some of them where UTF-8 and UTF-16 order differ.
# PostgreSQL keeps U+0000 as U+0001.
LETTERS = "/a\1\ud7ff\ue000\U0010ffff" if IS_POSTGRESQL else "/a\0\ud7ff\ue000\U0010ffff"
TEXT = st.text(LETTERS, max_size=4)


@settings(max_examples=200, deadline=None)
@given(
    keys=st.sets(st.text(LETTERS, min_size=1, max_size=5), max_size=25),
    prefix=TEXT,
    delimiter=st.text("/a", max_size=2),
    count_max=st.integers(1, 6),
    after=TEXT,
)
def test_pages_equal_a_naive_listing(connection, keys, prefix, delimiter, count_max, after):
    for key in keys:
        put(connection, key)
    listed, common, start = [], [], objects.after(after) if after else ""
    while start is not None:
        page = objects.list_objects(
            connection,
            bucket=BUCKET,
            prefix=prefix,
            delimiter=delimiter,
            start=start,
            count_max=count_max,
        )
        count = len(page.objects) + len(page.common_prefixes)
        assert count == count_max or page.next_start is None
        listed += [entry.key for entry in page.objects]
        common += page.common_prefixes
        start = page.next_start
    connection.exec_driver_sql("ROLLBACK")
    connection.exec_driver_sql("BEGIN")
    assert (listed, common) == naive(keys, prefix, delimiter, after)


def naive(keys, prefix, delimiter, after):
    listed, common = [], []
    for key in sorted(keys, key=lambda key: key.encode()):
        if not key.startswith(prefix) or key <= after:
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            listed.append(key)
        elif key[: cut + len(delimiter)] not in common:
            common.append(key[: cut + len(delimiter)])
    return listed, common


def test_keys_under_a_common_prefix_are_passed_over_unread(connection, monkeypatch):
    for folder in range(3):
        for number in range(2000):
            put(connection, f"{folder}/{number}")
    read = []
    original = objects._read_rows

    def counted(*arguments):
        rows = original(*arguments)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(objects, "_read_rows", counted)
    page = objects.list_objects(connection, bucket=BUCKET, delimiter="/")
    assert page.common_prefixes == ["0/", "1/", "2/"]
    assert page.next_start is None
    assert sum(read) < 300


@sqlite_only
def test_listing_uses_the_index(connection):
    text = objects._LIST_BETWEEN.text(connection)
    values = ("b", "a", "b", 10, 0)
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).fetchall()
    details = " ".join(row[-1] for row in plan)
    assert "SEARCH objects USING PRIMARY KEY" in details
    assert "TEMP B-TREE" not in details
