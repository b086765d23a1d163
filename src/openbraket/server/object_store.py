"""The object store of one server process, from the operator's settings."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from openbraket.base.errors import OpenBraketError
from openbraket.blobs import LocalBlobs
from openbraket.blobs.remote import RemoteObjects
from openbraket.engine.spool import Spool
from openbraket.engine.uploads import Uploads
from openbraket.server.settings import Settings, StoreSettings

ACCESS_KEY_VARIABLE: Final = "OPENBRAKET_S3_ACCESS_KEY_ID"
SECRET_KEY_VARIABLE: Final = "OPENBRAKET_S3_SECRET_ACCESS_KEY"  # noqa: S105  (a variable's name)
SPOOL_NAME: Final = "spool"


class StoreSettingsError(OpenBraketError):
    """The object store's address or keys are missing or wrong; the message says which."""


def read_store_settings(
    endpoint_url: str, region: str, environment: Mapping[str, str]
) -> StoreSettings | None:
    """Return the store that the operator chose; None for this service's own.

    Args:
        endpoint_url: An http or https URL; "" for none.
        region: What requests are signed for.
        environment: Has the keys.

    Raises:
        StoreSettingsError: The URL is none, or a key is missing.
    """
    if not endpoint_url:
        return None
    parts = urlsplit(endpoint_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise StoreSettingsError(
            f"--s3-endpoint {endpoint_url} is not the URL of a store; expected http://HOST:PORT or "
            "https://HOST"
        )
    missing = [
        name for name in (ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE) if not environment.get(name)
    ]
    if missing:
        raise StoreSettingsError(
            f"--s3-endpoint needs the store's access key; {' and '.join(missing)} not set"
        )
    return StoreSettings(
        endpoint_url.rstrip("/"),
        region,
        environment[ACCESS_KEY_VARIABLE],
        environment[SECRET_KEY_VARIABLE],
    )


def open_store(settings: Settings) -> RemoteObjects | None:
    """Return the store, not asked anything yet; None where objects are here.

    Raises:
        MissingExtraError: boto3 is not installed.
    """
    store = settings.store
    if store is None:
        return None
    return RemoteObjects(
        store.endpoint_url,
        region=store.region,
        access_key=store.access_key,
        secret_key=store.secret_key,
    )


def open_uploads(
    settings: Settings, remote: RemoteObjects | None, blobs: LocalBlobs
) -> Uploads | None:
    """Return what takes the results of quantum tasks to the store, where there is one."""
    if remote is None:
        return None
    is_durable = settings.durability == "full"
    return Uploads(remote, blobs, Spool(settings.data_dir / SPOOL_NAME, is_durable=is_durable))
