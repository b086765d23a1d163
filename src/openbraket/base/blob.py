"""What names a stored content: shared by the contents and the objects' records.

A content is a file, or, where it is small and a quantum task's result, a row of the records. Its
name tells which.
"""

import os
import time
import uuid
from dataclasses import dataclass
from typing import Final

# Results up to this size are kept in the records: above it a file's two waits for the disk count
# for less than bytes that are written twice, to the write-ahead log and to the database.
INLINE_BYTES_MAX: Final = 16 << 10
# No hexadecimal digit, so that such a name is none of a file.
INLINE_MARK: Final = "i"


@dataclass(frozen=True, slots=True)
class Blob:
    """The name, size and digest of one content that is complete.

    Attributes:
        id: 32 characters, hexadecimal where the content is a file; never used again after deletion.
        size: Length of the content in bytes.
        md5: MD5 of the content, 32 hexadecimal characters (S3's ETag of a simple object).
        inline: The content itself where it is no file: whoever records the name records it, too.
    """

    id: str
    size: int
    md5: str
    inline: bytes | None = None


def new_file_id() -> str:
    """Return a new name of a content that is a file."""
    return uuid.uuid4().hex


def new_inline_id() -> str:
    """Return a new name of a content that is kept in the records.

    Names begin with the time, so that those made one after the other lie side by side in an index.
    """
    return f"{INLINE_MARK}{time.time_ns() // 1_000_000:011x}{os.urandom(10).hex()}"


def is_inline(blob_id: str) -> bool:
    """Return whether a content is kept in the records, by its name."""
    return blob_id.startswith(INLINE_MARK)
