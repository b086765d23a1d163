"""Page tokens of SearchDevices."""

import asyncio
import base64

import pytest

from openbraket.devices import Catalogue
from openbraket.services.braket.devices import search_devices
from openbraket.services.context import Context, Resources
from openbraket.wire.errors import ServiceError
from openbraket.wire.http import Request


@pytest.fixture
def context():
    resources = Resources(
        database=None, blobs=None, catalogue=Catalogue(), dispatcher=None, memory_bytes_max=1 << 30
    )
    request = Request("POST", "/devices", "", {})
    return Context("000000000000", "us-east-1", "id", request, resources)


def test_pages_together_are_all_devices(context):
    everything = asyncio.run(search_devices(context, {"filters": [], "maxResults": 100}))["devices"]
    found, more = [], {}
    for _ in range(len(everything) + 1):
        page = asyncio.run(search_devices(context, {"filters": [], "maxResults": 1, **more}))
        found += page["devices"]
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert found == everything


@pytest.mark.parametrize(
    "token",
    [
        "",
        "€",
        "nonsense",
        base64.urlsafe_b64encode(b"devices:-1").decode(),
        base64.urlsafe_b64encode("devices:²".encode()).decode(),
        base64.urlsafe_b64encode(b"devices:" + b"9" * 5000).decode(),
    ],
)
def test_foreign_token_is_refused(context, token):
    with pytest.raises(ServiceError) as error:
        asyncio.run(search_devices(context, {"filters": [], "nextToken": token}))
    assert error.value.code == "ValidationException"
