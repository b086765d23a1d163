"""Answers leave in one piece."""

import asyncio

import pytest

from openbraket.server.connection import JOINED_BYTES_MAX, JoinedWrites

pytestmark = pytest.mark.anyio


class Transport:
    def __init__(self):
        self.sent = []

    def write(self, data):
        self.sent.append(data)

    def close(self):
        self.sent.append("closed")

    def is_closing(self):
        return "closed" in self.sent


@pytest.fixture
def transport():
    return Transport()


async def test_head_and_body_are_one_piece(transport):
    joined = JoinedWrites(transport, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(b"body")
    assert transport.sent == []
    await asyncio.sleep(0)
    assert transport.sent == [b"headbody"]
    joined.write(b"next")
    await asyncio.sleep(0)
    assert transport.sent == [b"headbody", b"next"]


async def test_much_does_not_wait(transport):
    joined = JoinedWrites(transport, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(bytes(JOINED_BYTES_MAX))
    assert [len(piece) for piece in transport.sent] == [4 + JOINED_BYTES_MAX]
    await asyncio.sleep(0)
    assert len(transport.sent) == 1


async def test_what_waits_is_sent_before_the_connection_is_closed(transport):
    joined = JoinedWrites(transport, asyncio.get_running_loop())
    joined.write(b"last")
    joined.close()
    assert transport.sent == [b"last", "closed"]
    assert joined.is_closing()
