from pathlib import Path

import pytest


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def runners_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "runners"))


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"
