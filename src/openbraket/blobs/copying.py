"""Copies of contents in another directory, for backups."""

import shutil
from collections.abc import Callable, Collection

from openbraket.base.errors import StoreError
from openbraket.base.files import sync
from openbraket.blobs.local import LocalBlobs


def copy_contents(
    source: LocalBlobs,
    target: LocalBlobs,
    blob_ids: Collection[str],
    report: Callable[[float], None],
) -> list[str]:
    """Copy contents that the target does not have; a content never changes.

    Args:
        source: Where they are.
        target: Where they are to be; a copy is there whole or not at all.
        blob_ids: Their names.
        report: Called after each with the share that has been looked at, 0 to 1.

    Returns:
        The names that the source does not have, in no order.

    Raises:
        StoreError: A content cannot be copied.
    """
    missing = []
    for count, blob_id in enumerate(blob_ids, start=1):
        final = target.path(blob_id)
        if not final.exists():
            aside = target.root / "incoming" / blob_id
            try:
                final.parent.mkdir(exist_ok=True)
                shutil.copyfile(source.path(blob_id), aside)
                sync(aside)
                aside.rename(final)
            except FileNotFoundError:
                missing.append(blob_id)
            except OSError as error:
                raise StoreError(f"Cannot copy content {blob_id}: {error.strerror}.") from error
        report(count / len(blob_ids))
    return missing
