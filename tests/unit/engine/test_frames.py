import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbraket.base.errors import StoreError
from openbraket.base.work import Work
from openbraket.engine.executors import frames

HEADERS = st.dictionaries(st.text(), st.integers(-(2**53), 2**53) | st.text())


@given(st.lists(st.tuples(HEADERS, st.binary()), max_size=5), st.integers(1, 20))
def test_messages_survive_any_cutting_of_the_stream(messages, size):
    stream = b"".join(frames.pack(*message) for message in messages)
    reader = frames.FrameReader()
    found = []
    for at in range(0, len(stream), size):
        found += reader.feed(stream[at : at + size])
    assert found == messages


def test_work_survives_the_way_to_the_worker():
    work = Work("t", 2, "runner", "arn", "device", 7, b"\x00\xff{}", "{}", 5, 4, 1 << 50)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frames.pack_work(work))
        assert frames.unpack_work(frames.receive(theirs)) == work
        ours.sendall(frames.pack({"kind": "cut"})[:-1])
        ours.shutdown(socket.SHUT_WR)
        assert frames.receive(theirs) is None


def test_corrupted_stream_is_refused():
    with pytest.raises(StoreError, match="above the limit"):
        list(frames.FrameReader().feed(b"\xff" * 8))
