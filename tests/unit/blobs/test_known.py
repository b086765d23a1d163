import uuid

from openbraket.blobs.known import KnownIds


def test_exactly_the_given_names_are_known():
    names = [uuid.uuid4().hex for _ in range(1000)]
    known = KnownIds(iter(names[:500]))
    assert all(name in known for name in names[:500])
    assert not any(name in known for name in names[500:])


def test_what_is_no_name_is_not_known():
    known = KnownIds(["0" * 32])
    assert "0" * 32 in known
    assert "not a name of a content at all!!" not in known
    assert "" not in known
    assert "x" not in KnownIds([])
