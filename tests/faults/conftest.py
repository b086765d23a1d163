"""What tests with shared records need."""

import pytest

from support.postgresql import PostgresqlServer


@pytest.fixture(scope="module")
def postgresql():
    server = PostgresqlServer()
    try:
        yield server.start()
    finally:
        server.stop()
