"""S3 on this port where the objects are in another store: every operation says where that is."""

from collections.abc import Iterable, Mapping
from typing import Any

from openbraket.services.context import Context, Handler
from openbraket.services.s3.errors import S3Error


async def refuse(context: Context, params: dict[str, Any]) -> dict[str, Any]:
    """Refuse an operation of S3.

    Raises:
        S3Error: InvalidRequest; names the store.
    """
    del params
    store = "another store" if context.remote is None else context.remote.endpoint_url
    raise S3Error(
        "InvalidRequest",
        f"The objects of this service are at {store}; point S3 clients there, for example with "
        f"AWS_ENDPOINT_URL_S3={store}",
    )


def refusing(names: Iterable[str]) -> Mapping[str, Handler]:
    """Return a handler that refuses, for each of these operations."""
    return dict.fromkeys(names, refuse)
