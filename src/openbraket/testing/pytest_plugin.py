"""pytest fixtures: add `openbraket_service` to a test's arguments and clients reach a real service.

The service starts once for the whole run, on the first test that asks for it.
"""

from collections.abc import Iterator

import pytest

from openbraket.testing.service import Service, start


@pytest.fixture(scope="session")
def openbraket_service() -> Iterator[Service]:
    """Run one service for all tests and point this process's AWS clients at it."""
    with start() as service:
        yield service
