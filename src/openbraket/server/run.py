"""Start-up and stop of one server process."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import uvicorn
import uvloop

from openbraket.base.errors import OpenBraketError
from openbraket.devices import Catalogue
from openbraket.server.app import build_app
from openbraket.server.assembly import assemble
from openbraket.server.connection import Connection
from openbraket.server.jobs import reachable_url
from openbraket.server.settings import Settings

_log = logging.getLogger("openbraket.server")
_CONNECTION_DRAIN_S = 2
# Clients keep connections for later; closing one just as it is used again costs them a retry.
_IDLE_CONNECTION_S = 120


class AddressInUseError(OpenBraketError):
    """The address to listen on is taken or not allowed; the message names it."""


def run(
    settings: Settings,
    *,
    announce: Callable[[str], None],
    exit_on_stdin_close: bool = False,
    catalogue: Catalogue | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: What the operator chose.
        announce: Called with the endpoint URL once requests are answered.
        exit_on_stdin_close: Also stop when standard input ends, so that a service under test
            never outlives the test.
        catalogue: The devices; by default those of the package's profiles.

    Raises:
        AddressInUseError: The address cannot be listened on.
        LimitError: More instances of jobs may run than there are users for them.
        ProfileError: A device profile of the operator's is wrong.
        StoreError: Another server uses the data directory, or it cannot be opened.
    """
    with _listen(settings.host, settings.port) as listener, contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(settings, catalogue, listener, announce, exit_on_stdin_close))


class _Server(uvicorn.Server):
    """uvicorn, announcing when it answers and leaving its exit status to us."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then announce it."""
        await super().startup(sockets)
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop cleanly, with exit status 0, on SIGINT and SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _serve(
    settings: Settings,
    catalogue: Catalogue | None,
    listener: socket.socket,
    announce: Callable[[str], None],
    exit_on_stdin_close: bool,
) -> None:
    host, port = listener.getsockname()[:2]
    endpoint_url = reachable_url(host, port)
    async with assemble(settings, catalogue, endpoint_url=endpoint_url) as gateway:
        config = uvicorn.Config(
            build_app(gateway, data_dir=settings.data_dir),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=_CONNECTION_DRAIN_S,
            timeout_keep_alive=_IDLE_CONNECTION_S,
            proxy_headers=False,
        )
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        server = _Server(config, lambda: announce(url))
        if exit_on_stdin_close:
            _stop_when_stdin_closes(server)
        await server.serve(sockets=[listener])
        _log.info("stopping: running tasks return to the queue")


def _stop_when_stdin_closes(server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def on_readable() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            server.should_exit = True

    loop.add_reader(descriptor, on_readable)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        message = f"Cannot listen on {host} port {port}: {error.strerror}. "
        raise AddressInUseError(
            message + "Choose another with --port, or 0 for a free one"
        ) from None
    listener.listen(1024)
    return listener
