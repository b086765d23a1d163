import socket

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'openbraket[ray]'")


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def nodes():
    """A cluster that every test leaves with nodes of 1 and 2 processors."""
    from support.ray_cluster import RayNodes

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cluster = RayNodes(ray_client_server_port=port)
    cluster.add(1)
    cluster.add(2)
    yield cluster
    cluster.close()
