"""The ASGI application: AWS requests go to the gateway, pages and probes to Starlette."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request as PageRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbraket import __version__
from openbraket.server.gateway import Gateway, Message, Receive, Send
from openbraket.server.observation import reasons_not_ready, state_registry
from openbraket.services import pricing

# Paths that no AWS client signs a request for; everything else is the gateway's.
PAGE_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics", pricing.PATH})
_SIGNATURE_HEADER: Final = b"authorization"


async def _health(request: PageRequest) -> JSONResponse:  # noqa: ARG001  (Starlette's signature)
    return JSONResponse({"status": "ok", "version": __version__})


def build_app(
    gateway: Gateway, *, data_dir: Path
) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """Return the ASGI application in front of `gateway`.

    Args:
        gateway: Answers every AWS request.
        data_dir: Folder of the records and contents, for the probe of readiness.

    Returns:
        A raw ASGI callable; the gateway comes before any framework, for speed.
    """
    resources = gateway.resources
    state = state_registry(resources.dispatcher, resources.jobs)

    async def price_list(request: PageRequest) -> Response:  # noqa: ARG001  (the same)
        text = pricing.price_list(resources.catalogue)
        return Response(text, headers={"content-type": pricing.CONTENT_TYPE})

    async def ready(request: PageRequest) -> JSONResponse:  # noqa: ARG001  (the same)
        reasons = await reasons_not_ready(resources, data_dir)
        status = "not ready" if reasons else "ready"
        return JSONResponse({"status": status, "reasons": reasons}, 503 if reasons else 200)

    async def metrics(request: PageRequest) -> Response:  # noqa: ARG001  (the same)
        text = generate_latest(REGISTRY) + generate_latest(state)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    pages = Starlette(
        routes=[
            Route("/healthz", _health),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route(pricing.PATH, price_list),
        ]
    )

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_page(scope):
            await gateway(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return app


def _is_page(scope: Message) -> bool:
    """Return whether a request is for a page; signed, the path is a bucket of that name."""
    return scope["path"] in PAGE_PATHS and all(
        name != _SIGNATURE_HEADER for name, _ in scope["headers"]
    )
