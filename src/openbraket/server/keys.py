"""Access keys: who may sign requests, once any key is registered."""

import secrets
import time
from pathlib import Path
from typing import Final

from openbraket.base.clock import now_ms
from openbraket.engine.jobs.credentials import ACCESS_KEY_PREFIX
from openbraket.store import access_keys, session_keys
from openbraket.store.access_keys import AccessKey
from openbraket.store.database import Database
from openbraket.store.session_keys import SessionKey

_REFRESH_S: Final = 1.0


class KeyRing:
    """The registered keys, as they were at most one second ago.

    Args:
        database: Records of the keys.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[str, AccessKey] = {}
        self._read_at = float("-inf")

    def keys(self) -> dict[str, AccessKey]:
        """Return the registered keys by access key; empty means that any signature is accepted."""
        if time.monotonic() - self._read_at > _REFRESH_S:
            with self._database.read() as connection:
                self._keys = {key.access_key: key for key in access_keys.list_keys(connection)}
            self._read_at = time.monotonic()
        return self._keys

    @staticmethod
    def is_temporary(access_key: str) -> bool:
        """Return whether an access key is a job's, or was."""
        return access_key.startswith(ACCESS_KEY_PREFIX)

    def session(self, access_key: str) -> SessionKey | None:
        """Return a temporary key; None where there is none, or its job has ended."""
        with self._database.read() as connection:
            return session_keys.get_key(connection, access_key)


def create_access_key(data_dir: Path, *, account: str, url: str = "") -> tuple[str, str]:
    """Register a fresh access key; works beside a running server.

    Args:
        data_dir: The service's data directory.
        account: Twelve-digit account that the key signs for.
        url: The database of the records; "" for the file in the data directory.

    Returns:
        The access key id and its secret.

    Raises:
        StoreError: The records cannot be opened.
    """
    access_key = "AKOB" + secrets.token_hex(8).upper()
    secret_key = secrets.token_urlsafe(30)
    access_keys.register(
        data_dir, access_key, secret_key, account=account, created_at=now_ms(), url=url
    )
    return access_key, secret_key
