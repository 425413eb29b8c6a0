"""Composition of the gateway: ``python -m libs.web http gateway`` serves what ``create`` makes."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import prometheus_client
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from gateway.csrf import Guard
from gateway.dispatch import Dispatch
from gateway.door import Door
from gateway.edge import Edge
from gateway.forgetting import Forgetting
from gateway.limits import Limits
from gateway.openapi import Documents
from gateway.own import Own
from gateway.routes import Table
from gateway.sessions import Cookie, Credential, Sessions
from gateway.settings import GatewaySettings, settings
from gateway.static import WebApp
from gateway.system import System
from gateway.upstreams import Upstreams
from libs import telemetry
from libs.telemetry import log
from libs.web.tokens import Signer

__all__ = ["create", "settings"]

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def create(configuration: GatewaySettings | None = None) -> Starlette:
    """Make the gateway. ``app.state.stopping`` is the event that ends feeds, so that a shutdown need not wait for them."""
    chosen = configuration or settings()
    telemetry.configure("gateway", chosen.log_level)
    telemetry.begin_probes("gateway", chosen.silences)
    version: str = tomllib.loads(_PROJECT.read_text())["project"]["version"]
    signer = Signer("gateway", chosen.service_key.get_secret_value())
    upstreams = Upstreams(chosen.service_urls, chosen.connect_timeout, signer)
    cookie = Cookie(secure=chosen.https)
    documents = Documents(upstreams, version, cookie.name)
    door = Door(
        sessions=Sessions(upstreams, ttl=chosen.identity_ttl, size=chosen.identity_cache),
        guard=Guard(chosen.csrf_secret.get_secret_value(), chosen.public_url, chosen.trusted_origins),
        limits=Limits(chosen.redis_url.get_secret_value(), chosen.rates()),
        cookie=cookie,
        otherwise=_signed_in_always(chosen.dev_auto_login_user_email),
    )
    forgetting = Forgetting(chosen.redis_url.get_secret_value(), door.sessions)
    own = Own(door.guard, System(upstreams, documents, version), documents)
    stopping = asyncio.Event()
    dispatch = Dispatch(Table(), door, upstreams, signer, own.handlers(), WebApp(chosen.web_dist), chosen, stopping)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        listening = asyncio.create_task(forgetting.run())
        with _metrics(chosen):
            yield
        listening.cancel()
        await asyncio.wait([listening])
        await door.limits.close()
        await upstreams.close()

    app = Starlette(
        routes=[Route("/health/live", _healthy), Route("/health/ready", _ready), Mount("/", dispatch)],
        middleware=[
            Middleware(Edge, https=chosen.https, dev_login=chosen.dev_auto_login_user_email, stopping=stopping)
        ],
        lifespan=lifespan,
    )
    app.state.stopping = stopping
    app.state.forgetting = forgetting
    return app


def _signed_in_always(email: str) -> Credential | None:
    """The person whom a developer wants to be without signing in."""
    if not email:
        return None
    log.warning(
        "EVERYBODY WHO REACHES THIS GATEWAY IS SIGNED IN AS %s: CLIPSTEAD_DEV_AUTO_LOGIN_USER_EMAIL is set", email
    )
    return Credential("dev_email", email)


async def _healthy(_: Request) -> Response:
    """Tell that the process runs."""
    return JSONResponse({"status": "ok"})


async def _ready(request: Request) -> Response:
    """Ready unless about to stop: shared pages play, and the web app loads, whichever service is down."""
    stopping: asyncio.Event = request.app.state.stopping
    return JSONResponse({"status": "stopping" if stopping.is_set() else "ok"}, 503 if stopping.is_set() else 200)


@contextmanager
def _metrics(chosen: GatewaySettings) -> Iterator[None]:
    """Serve measurements on a port of their own, if one is set: the public one must not tell them."""
    if not chosen.metrics_port:
        yield
        return
    server, thread = prometheus_client.start_http_server(chosen.metrics_port, addr=chosen.host)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
