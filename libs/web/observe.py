"""One ASGI middleware: correlation id in and out, one log line and one measurement per request."""

from __future__ import annotations

import time
from asyncio import Event
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.telemetry import HTTP_REQUESTS, HTTP_SECONDS, PROBE_FAILURES, correlated, log

__all__ = ["CORRELATION", "Observe", "count_probe", "template"]

CORRELATION = "X-Correlation-Id"
PROBES = {"/health/live": "live", "/health/ready": "ready"}
QUIET = ("/health", "/metrics")


def template(scope: MutableMapping[str, Any]) -> str:
    """The route's template (``/v1/library/{id}``), never the raw path: labels must stay few."""
    route = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


def count_probe(service: str, path: str, status: int) -> None:
    """Count an answer to somebody who asked whether this process is well, if it was no."""
    if path in PROBES and status >= 400:
        PROBE_FAILURES.labels(service, PROBES[path]).inc()


class Observe:
    """Wraps an ASGI app.

    That the answers of a stopping process close their connections is also how the gateway knows what failed because of
    that; it counts for all services, since it outlives them (``gateway.upstreams``).
    """

    def __init__(self, app: ASGIApp, service: str, stopping: Event) -> None:
        """``stopping``: once it is set, answers ask the caller to come back over another connection."""
        self._app = app
        self._service = service
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        with correlated(Headers(scope=scope).get(CORRELATION)) as correlation:

            async def answer(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    headers = MutableHeaders(scope=message)
                    headers[CORRELATION] = correlation
                    if self._stopping.is_set():
                        headers["Connection"] = "close"
                await send(message)

            try:
                await self._app(scope, receive, answer)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        count_probe(self._service, scope["path"], status)
        if scope["path"].startswith(QUIET):
            return
        route = template(scope)
        HTTP_REQUESTS.labels(self._service, scope["method"], route, str(status)).inc()
        HTTP_SECONDS.labels(self._service, route).observe(seconds)
        log.info(
            "request",
            extra={
                "method": scope["method"],
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
            },
        )
