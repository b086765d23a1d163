"""What the operator and the clock make of the devices."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from openbraket.devices import Catalogue, backends
from openbraket.engine import availability as module
from openbraket.engine.availability import Availability
from openbraket.store import device_statuses
from support.databases import open_database
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio
CATALOGUE = Catalogue()
SV1, HARMONY = (CATALOGUE.find(name)[0] for name in ("SV1", "Harmony"))
ALL = {device.arn for device in CATALOGUE.search()}
OTHERS_ONLINE = {
    device.arn for device in CATALOGUE.search() if device.status == "ONLINE" and device is not SV1
}


@pytest.fixture
def database(tmp_path):
    database = open_database(tmp_path / "openbraket.sqlite3")
    yield database
    database.close()


async def set_status(database, device, status):
    await database.write(lambda c: device_statuses.set_status(c, device.arn, status, changed_at=1))


async def test_status_is_the_profile_s_until_the_operator_sets_one(database):
    availability = Availability(CATALOGUE)
    assert SV1.arn not in availability.refresh(database)
    assert availability.status(SV1) == "ONLINE"
    for status in ("OFFLINE", "RETIRED"):
        await set_status(database, SV1, status)
        assert availability.refresh(database) == ALL - OTHERS_ONLINE
        assert availability.status(SV1) == status
    assert "operator" in availability.offline_reason(SV1)
    await database.write(lambda c: device_statuses.clear_status(c, SV1.arn))
    assert availability.refresh(database) == ALL - OTHERS_ONLINE - {SV1.arn}
    assert availability.status(SV1) == "ONLINE"


async def test_device_that_cannot_be_online_stays_as_its_profile_says(database, monkeypatch):
    # A version without the backend of the processors' twins.
    monkeypatch.setattr(backends, "BACKENDS", backends.BACKENDS - {backends.QPU_TWIN})
    catalogue = Catalogue()
    (garnet,) = catalogue.find("Garnet")
    availability = Availability(catalogue)
    for device in (garnet, HARMONY):
        await set_status(database, device, "ONLINE")
    closed = availability.refresh(database)
    assert {garnet.arn, HARMONY.arn} <= closed
    assert availability.status(HARMONY) == "RETIRED"
    assert availability.status(garnet) == "OFFLINE"
    assert "noise and compilation" in availability.offline_reason(garnet)


class Windowed:
    """SV1 with a window of one hour on Mondays."""

    def __init__(self):
        window = {"executionDay": "Monday", "windowStartHour": "09:00", "windowEndHour": "10:00"}
        service = {**SV1.capabilities["service"], "executionWindows": [window]}
        device = {name: getattr(SV1, name) for name in SV1.__dataclass_fields__}
        device.pop("_documents")
        device["capabilities"] = {**SV1.capabilities, "service": service}
        self.catalogue = Catalogue([type(SV1)(**device)])
        self.now = self.at(8)

    @staticmethod
    def at(hour):
        return int(datetime(2026, 5, 4, hour, 30, tzinfo=UTC).timestamp() * 1000)


async def test_windows_close_a_device_only_where_they_are_respected(database):
    windowed = Windowed()
    lenient = Availability(windowed.catalogue, clock=lambda: windowed.now)
    strict = Availability(windowed.catalogue, respects_windows=True, clock=lambda: windowed.now)
    assert lenient.refresh(database) == frozenset()
    assert strict.refresh(database) == {SV1.arn}
    # Closed is not offline: tasks are accepted and wait.
    assert strict.status(SV1) == "ONLINE"
    windowed.now = windowed.at(9)
    assert strict.refresh(database) == frozenset()
    windowed.now = windowed.at(10)
    assert strict.refresh(database) == {SV1.arn}


async def test_watch_tells_every_change_once(database, monkeypatch):
    monkeypatch.setattr(module, "REFRESH_S", 0)
    windowed = Windowed()
    availability = Availability(
        windowed.catalogue, respects_windows=True, clock=lambda: windowed.now
    )
    told = asyncio.Queue()
    watcher = asyncio.create_task(availability.watch(database, told.put_nowait))
    try:
        assert await asyncio.wait_for(told.get(), PATIENCE_S) == {SV1.arn}
        windowed.now = windowed.at(9)
        assert await asyncio.wait_for(told.get(), PATIENCE_S) == frozenset()
        await set_status(database, SV1, "OFFLINE")
        assert await asyncio.wait_for(told.get(), PATIENCE_S) == {SV1.arn}
        for _ in range(10):
            await asyncio.sleep(0)
        assert told.empty()
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


async def test_watch_outlives_records_that_cannot_be_read(database, monkeypatch, caplog):
    monkeypatch.setattr(module, "REFRESH_S", 0)
    availability = Availability(CATALOGUE)
    database.close()
    watcher = asyncio.create_task(availability.watch(database, lambda closed: None))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not watcher.done()
    assert "could not be read" in caplog.text
    watcher.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watcher
