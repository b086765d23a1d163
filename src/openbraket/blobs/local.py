"""Contents in a local directory, one file each.

A content is written to `incoming/<id>` and renamed to `objects/<first two digits>/<id>` when it is
complete, so that a kill at any moment leaves it whole or absent. With `is_durable` the file and
its directory reach the disk before a method returns; without, they survive the death of the
process but not the loss of power, until `make_lasting` is called for them.
"""

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

from openbraket.base.blob import Blob, is_inline, new_file_id, new_inline_id
from openbraket.base.errors import StoreError
from openbraket.base.files import sync

# One hand-over to a thread, one write and one read move about this much.
PIECE_BYTES = 1 << 20
# Contents up to this size may be read without a thread.
AT_ONCE_BYTES_MAX: Final = 64 << 10
_ID_DIGITS = frozenset("0123456789abcdef")
# Contents brought to the disk side by side: one commit of the file system's journal serves all
# that ask for one meanwhile.
SYNC_THREAD_COUNT: Final = 16


class Digest(Protocol):
    """What `hashlib` objects and checksums have in common."""

    def update(self, data: bytes, /) -> None:
        """Take in the next bytes of the content."""


class LocalBlobs:
    """A directory of contents; any number of processes may write into it at once.

    Args:
        root: The directory; it and its two subdirectories are made when absent.
        is_durable: Whether contents must survive a loss of power.
        inline_bytes_max: Size up to which `keep` leaves a content to the records.

    Raises:
        StoreError: The directory cannot be made.
    """

    def __init__(self, root: Path, *, is_durable: bool = True, inline_bytes_max: int = 0) -> None:
        self.root = root
        self.is_durable = is_durable
        self.inline_bytes_max = inline_bytes_max
        self._incoming = root / "incoming"
        self._objects = root / "objects"
        self._syncing: ThreadPoolExecutor | None = None
        # Subdirectories that are on the disk themselves; at most 256.
        self._lasting_directories: set[str] = set()
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._objects.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"Cannot create {root}: {error.strerror}.") from error

    def put(self, content: bytes | Iterable[bytes], *, digests: Sequence[Digest] = ()) -> Blob:
        """Store a content and return its name once it is complete on disk.

        Args:
            content: The bytes, or pieces of them in order.
            digests: Further digests to update with every byte.

        Returns:
            The new content's name, size and MD5.

        Raises:
            StoreError: The content could not be written; nothing of it is left.
        """
        incoming = _Incoming(self, digests)
        try:
            for piece in (content,) if isinstance(content, bytes) else content:
                incoming.write((piece,))
            return incoming.finish()
        except BaseException:
            incoming.discard()
            raise

    def keep(self, content: bytes) -> Blob:
        """Store a content as a file, or leave it to the records where it is small.

        Args:
            content: The bytes.

        Returns:
            The new content; with the bytes where nothing was stored.

        Raises:
            StoreError: The content could not be written; nothing of it is left.
        """
        if len(content) > self.inline_bytes_max:
            return self.put(content)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return Blob(new_inline_id(), len(content), md5, content)

    async def put_stream(
        self, chunks: AsyncIterator[bytes], *, digests: Sequence[Digest] = ()
    ) -> Blob:
        """Store a stream and return its name once it is complete on disk.

        Chunks are collected to large pieces, which a thread hashes and writes while the next
        piece arrives; at most two pieces are in memory.

        Args:
            chunks: The content in order, in chunks of any size.
            digests: Further digests to update with every byte, in the thread.

        Returns:
            The new content's name, size and MD5.

        Raises:
            StoreError: The content could not be written; nothing of it is left. An error of
                `chunks` passes through, and nothing is left either.
        """
        incoming = _Incoming(self, digests)
        writing: asyncio.Future[Any] | None = None
        loop = asyncio.get_running_loop()
        try:
            collected: list[bytes] = []
            size = 0
            async for chunk in chunks:
                collected.append(chunk)
                size += len(chunk)
                if size >= PIECE_BYTES:
                    if writing is not None:
                        await asyncio.shield(writing)
                    writing = loop.run_in_executor(None, incoming.write, collected)
                    collected, size = [], 0
            if writing is not None:
                await asyncio.shield(writing)
            finishing = loop.run_in_executor(None, incoming.write_and_finish, collected)
            writing = finishing
            return await asyncio.shield(finishing)
        except BaseException:
            # The thread may still hold the file: let it end before the file goes.
            if writing is not None:
                await asyncio.wait((writing,))
            incoming.discard()
            raise

    async def make_lasting(self, blob_ids: Iterable[str]) -> None:
        """Bring contents to the disk that another process has stored without waiting for it.

        Args:
            blob_ids: Names of complete contents. Nothing is done where contents need not survive
                a loss of power, and for those that the records keep.

        Raises:
            StoreError: The disk has failed, or there is no such content. Not to be tried again: the
                system may take lost bytes for written ones after that.
        """
        names = [blob_id for blob_id in blob_ids if not is_inline(blob_id)]
        if not self.is_durable or not names:
            return
        if self._syncing is None:
            self._syncing = ThreadPoolExecutor(SYNC_THREAD_COUNT, "blobs-sync")
        loop = asyncio.get_running_loop()
        try:
            await asyncio.gather(
                *(loop.run_in_executor(self._syncing, self._sync, name) for name in names)
            )
        except OSError as error:
            raise StoreError(f"Cannot store an object's content: {error.strerror}.") from error

    def _sync(self, blob_id: str) -> None:
        path = self.path(blob_id)
        sync(path)
        sync(path.parent)
        if path.parent.name not in self._lasting_directories:
            sync(self._objects)
            self._lasting_directories.add(path.parent.name)

    def path(self, blob_id: str) -> Path:
        """Return where a content lies, whether or not it exists.

        Args:
            blob_id: A content's name, 32 hexadecimal characters.

        Raises:
            StoreError: `blob_id` is not such a name.
        """
        if len(blob_id) != 32 or not _ID_DIGITS.issuperset(blob_id):
            raise StoreError(f"'{blob_id}' is not the name of a content.")
        return self._objects / blob_id[:2] / blob_id

    def read(self, blob_id: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Return the bytes from `start` up to, not including, `stop`.

        The file is opened at once, so the content stays readable to its end when it is deleted
        meanwhile. Close the iterator (`aclose`) to let go of the file early.

        Args:
            blob_id: The content's name.
            start: First byte, at least 0.
            stop: One after the last byte, at most the content's size.

        Returns:
            The bytes in order, in pieces of at most `PIECE_BYTES`, read in a thread.

        Raises:
            StoreError: There is no such content.
        """
        try:
            descriptor = os.open(self.path(blob_id), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"Cannot read content {blob_id}: {error.strerror}.") from error
        return BlobReader(descriptor, blob_id, start, stop)

    def read_at_once(self, blob_id: str, start: int, stop: int) -> bytes | None:
        """Return the bytes from `start` up to, not including, `stop`, where that takes no time.

        Args:
            blob_id: The content's name.
            start: First byte, at least 0.
            stop: One after the last byte, at most the content's size.

        Returns:
            The bytes; None where there are more than `AT_ONCE_BYTES_MAX`, or where the system does
            not have all of them in memory: then `read` is the way.

        Raises:
            StoreError: There is no such content.
        """
        if stop - start > AT_ONCE_BYTES_MAX:
            return None
        buffer = bytearray(stop - start)
        try:
            descriptor = os.open(self.path(blob_id), os.O_RDONLY | os.O_CLOEXEC)
            try:
                count = os.preadv(descriptor, [buffer], start, os.RWF_NOWAIT)
            except OSError:
                return None  # it is on the disk, or the file system cannot say
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreError(f"Cannot read content {blob_id}: {error.strerror}.") from error
        return bytes(buffer) if count == len(buffer) else None

    def delete(self, blob_id: str) -> None:
        """Remove a content; one that is not there, or that the records keep, is no error.

        Raises:
            StoreError: The file exists and cannot be removed.
        """
        if is_inline(blob_id):
            return
        try:
            self.path(blob_id).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"Cannot delete content {blob_id}: {error.strerror}.") from error

    def sweep(self, known_ids: Container[str], older_than_s: float) -> int:
        """Remove contents that no record names, and writes that were never finished.

        A content's record is written after the content, so only files older than the longest
        time between the two may be judged; at start-up, before anything writes, 0 is right.

        Args:
            known_ids: The names that records hold.
            older_than_s: Younger files are left alone, in seconds, at least 0.

        Returns:
            The number of files removed.
        """
        newest = time.time() - older_than_s
        count = 0
        for directory in (self._incoming, *self._objects.iterdir()):
            with os.scandir(directory) as entries:
                for entry in entries:
                    if time.time() < newest:
                        # The clock was set back: what is new looks old.
                        return count
                    is_known = directory is not self._incoming and entry.name in known_ids
                    try:
                        if not is_known and entry.stat().st_mtime <= newest:
                            Path(entry.path).unlink()
                            count += 1
                    except FileNotFoundError:
                        continue  # finished or deleted by its owner meanwhile
        return count


class BlobReader(AsyncIterator[bytes]):
    """The bytes of one open content, in order; owns the file's descriptor."""

    def __init__(self, descriptor: int, blob_id: str, start: int, stop: int) -> None:
        self._descriptor = descriptor
        self._blob_id = blob_id
        self._position = start
        self._stop = stop

    async def __anext__(self) -> bytes:
        """Return the next piece.

        Raises:
            StopAsyncIteration: Everything was read, or the reader was closed.
            StoreError: The file ended early or could not be read.
        """
        size = min(PIECE_BYTES, self._stop - self._position)
        if size <= 0 or self._descriptor < 0:
            await self.aclose()
            raise StopAsyncIteration
        # A duplicate keeps the thread's descriptor its own when the reader is closed meanwhile.
        descriptor = os.dup(self._descriptor)
        try:
            piece = await asyncio.to_thread(_read_and_close, descriptor, size, self._position)
        except OSError as error:
            await self.aclose()
            raise StoreError(f"Cannot read content {self._blob_id}: {error.strerror}.") from error
        if not piece:
            await self.aclose()
            raise StoreError(f"Content {self._blob_id} ends at byte {self._position}.")
        self._position += len(piece)
        return piece

    async def aclose(self) -> None:
        """Let go of the file; later reads end at once."""
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        """Close the file of a reader that was dropped unread."""
        self._close()


def _read_and_close(descriptor: int, size: int, position: int) -> bytes:
    try:
        return os.pread(descriptor, size, position)
    finally:
        os.close(descriptor)


class _Incoming:
    """One content being written aside; becomes an object on `finish`."""

    def __init__(self, blobs: LocalBlobs, digests: Sequence[Digest]) -> None:
        self._blobs = blobs
        self._id = new_file_id()
        self._path = blobs.root / "incoming" / self._id
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._digests = (self._md5, *digests)
        self._size = 0
        self._descriptor = -1

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces and digest them.

        Raises:
            StoreError: The file cannot be written.
        """
        try:
            if self._descriptor < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o600)
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            for digest in self._digests:
                digest.update(data)
            self._size += len(data)
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise StoreError(f"Cannot write an object's content: {error.strerror}.") from error

    def finish(self) -> Blob:
        """Make the content an object.

        Raises:
            StoreError: The file cannot be flushed or renamed.
        """
        if self._descriptor < 0:
            self.write((b"",))
        final = self._blobs.path(self._id)
        try:
            try:
                self._path.rename(final)
            except FileNotFoundError:
                final.parent.mkdir(exist_ok=True)
                self._sync_directory(final.parent.parent)
                self._path.rename(final)
            # After the renaming, so that one commit of the file system's journal serves both. A
            # power cut in between may leave an incomplete object, but no record names it yet.
            if self._blobs.is_durable:
                os.fsync(self._descriptor)
            self._sync_directory(final.parent)
            os.close(self._descriptor)
            self._descriptor = -1
        except OSError as error:
            raise StoreError(f"Cannot store an object's content: {error.strerror}.") from error
        return Blob(id=self._id, size=self._size, md5=self._md5.hexdigest())

    def write_and_finish(self, pieces: Sequence[bytes]) -> Blob:
        """Append the last pieces and make the content an object, in one call to a thread."""
        if pieces:
            self.write(pieces)
        return self.finish()

    def discard(self) -> None:
        """Remove what was written, also when it is complete."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        # What cannot be removed is left to the next sweep: the reason for this call matters more.
        for path in (self._path, self._blobs.path(self._id)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _sync_directory(self, directory: Path) -> None:
        if self._blobs.is_durable:
            sync(directory)
