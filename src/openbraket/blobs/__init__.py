"""Object contents as files: written aside, renamed, streamed. No metadata, no HTTP."""

from openbraket.base.blob import Blob
from openbraket.blobs.local import LocalBlobs

__all__ = ["Blob", "LocalBlobs"]
