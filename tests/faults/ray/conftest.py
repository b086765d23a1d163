import asyncio
import contextlib
import os
import signal
import socket
import warnings

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'openbraket[ray]'")


@pytest.fixture(scope="session")
def anyio_backend():
    close_left_loop()
    return "asyncio"


def close_left_loop():
    """Close the event loop that the Braket SDK has left to this thread, before another is set."""
    with warnings.catch_warnings(), contextlib.suppress(RuntimeError):
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.get_event_loop_policy().get_event_loop().close()
        # A closed one would be taken again by the SDK.
        asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def nodes(tmp_path_factory):
    """A cluster that every test leaves with nodes of 1 and 2 processors."""
    from support.ray_cluster import ENVIRONMENT, RayNodes

    ENVIRONMENT["OPENBRAKET_NODE_DIR"] = str(tmp_path_factory.mktemp("node"))
    cluster = RayNodes()
    cluster.add(1)
    cluster.add(2)
    yield cluster
    cluster.close()


@pytest.fixture
def client_address(nodes, monkeypatch):
    """Ray's client port before the cluster, a process of its own."""
    # Sooner than in the field.
    monkeypatch.setenv("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "import runpy; runpy.run_module('ray.util.client.server', run_name='__main__')"
    options = (f"--address={nodes.address}", "--host=127.0.0.1", f"--port={port}", "--mode=proxy")
    from support.ray_cluster import run_python, wait_for_port

    server = run_python(code, *options, start_new_session=True)
    wait_for_port(port)
    yield f"ray://127.0.0.1:{port}"
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
