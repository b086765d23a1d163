from itertools import count

import pytest

from openbraket.store.quantum_tasks import NewTask
from support.databases import open_database
from support.patience import PATIENCE_S

ACCOUNT = "000000000000"
REGION = "us-east-1"
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def database(tmp_path):
    database = open_database(tmp_path / "data" / "openbraket.sqlite3")
    yield database
    database.close()


@pytest.fixture
def write(database):
    """Run a change and wait for its commit."""

    def write(work):
        return database.write_soon(work).result(timeout=PATIENCE_S)

    return write


@pytest.fixture
def new_task():
    numbers = count(1)

    def make(**values):
        number = next(numbers)
        task_id = f"00000000-0000-4000-8000-{number:012}"
        return NewTask(**{
            "id": task_id,
            "account": ACCOUNT,
            "region": REGION,
            "device_arn": SV1,
            "shots": 100,
            "output_bucket": "amazon-braket-results",
            "output_directory": f"tasks/{task_id}",
            "action": b'{"source": "OPENQASM 3;"}',
            "action_type": "braket.ir.openqasm.program",
            "created_at": 1_700_000_000_000 + number,
            **values,
        })

    return make
