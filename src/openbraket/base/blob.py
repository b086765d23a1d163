"""What names a stored content: shared by the objects' files and the objects' records."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blob:
    """The name, size and digest of one content that lies complete on disk.

    Attributes:
        id: Random hexadecimal name, 32 characters; never used again after deletion.
        size: Length of the content in bytes.
        md5: MD5 of the content, 32 hexadecimal characters (S3's ETag of a simple object).
    """

    id: str
    size: int
    md5: str
