"""Messages between the server and a worker: a JSON header and raw bytes, with their lengths.

JSON rather than pickle: the server executes nothing that a simulation's process has written.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

import orjson

from openbraket.base.errors import StoreError
from openbraket.base.work import Work

Frame = tuple[dict[str, Any], bytes]

_LENGTHS: Final = struct.Struct("!II")
# Larger than the largest action; anything beyond is a corrupted stream.
FRAME_BYTES_MAX: Final = 256 << 20
_HEADER_FIELDS: Final = tuple(field.name for field in fields(Work) if field.name != "action")


def pack(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Return a message's bytes."""
    text = orjson.dumps(header)
    return _LENGTHS.pack(len(text), len(body)) + text + body


def pack_work(work: Work) -> bytes:
    """Return the message that hands an attempt to a worker."""
    return pack({name: getattr(work, name) for name in _HEADER_FIELDS}, work.action)


def unpack_work(frame: Frame) -> Work:
    """Return the attempt in a message of `pack_work`."""
    header, body = frame
    return Work(**header, action=body)


class FrameReader:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take in bytes and yield the messages that are complete.

        Args:
            data: The stream's next bytes.

        Yields:
            Messages in order.

        Raises:
            StoreError: The stream is corrupted.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTHS.size:
            header_size, body_size = _lengths(self._buffer)
            size = _LENGTHS.size + header_size + body_size
            if len(self._buffer) < size:
                return
            header_stop = _LENGTHS.size + header_size
            header = orjson.loads(bytes(self._buffer[_LENGTHS.size : header_stop]))
            body = bytes(self._buffer[header_stop:size])
            del self._buffer[:size]
            yield header, body


def receive(channel: socket.socket) -> Frame | None:
    """Wait for the next message on a blocking socket.

    Args:
        channel: A stream socket.

    Returns:
        The message, or None where the other side is gone.

    Raises:
        StoreError: The stream is corrupted.
    """
    lengths = _receive_exactly(channel, _LENGTHS.size)
    if lengths is None:
        return None
    header_size, body_size = _lengths(lengths)
    content = _receive_exactly(channel, header_size + body_size)
    if content is None:
        return None
    return orjson.loads(bytes(content[:header_size])), bytes(content[header_size:])


def _lengths(data: bytes | bytearray) -> tuple[int, int]:
    header_size, body_size = _LENGTHS.unpack_from(data)
    if header_size + body_size > FRAME_BYTES_MAX:
        raise StoreError(
            f"A message of {header_size + body_size} bytes between server and worker is above "
            f"the limit of {FRAME_BYTES_MAX}."
        )
    return header_size, body_size


def _receive_exactly(channel: socket.socket, size: int) -> bytearray | None:
    content = bytearray(size)
    view = memoryview(content)
    while view:
        count = channel.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return content
