"""The outermost layer: correlation id, refusal of odd paths, problem documents, careful headers, measurements."""

from __future__ import annotations

import time
from asyncio import Event

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import paths
from gateway.failures import HeadersTooLarge
from gateway.headers import Headers, secured, value_of
from gateway.limits import Tally
from libs.telemetry import DEPLOY_FAILURES, ERRORS, HTTP_REQUESTS, HTTP_SECONDS, correlated, log
from libs.web.observe import count_probe
from libs.web.problems import MEDIA_TYPE, BadRequest, Problem

SERVICE = "gateway"
_MOST_HEADERS = 32 << 10  # bytes; httptools sets no limit of its own


class Edge:
    """Wraps an ASGI app. Whatever happens inside, the client gets a reply or a broken connection, never a traceback."""

    def __init__(self, app: ASGIApp, *, https: bool, dev_login: str = "", stopping: Event) -> None:
        """``stopping``: once it is set, replies ask the client to come back over another connection.

        ``dev_login``: whom everybody is signed in as, which every reply tells.
        """
        self._app = app
        self._https = https
        self._dev_login = [(b"x-clipstead-dev-login", dev_login.encode())] if dev_login else []
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with correlated(value_of(scope["headers"], b"x-correlation-id")) as correlation_id:
            added = [(b"x-correlation-id", correlation_id.encode()), *self._dev_login]
            reply = _Reply(send, scope, added, https=self._https, stopping=self._stopping)
            started, cut = time.perf_counter(), True  # cut: this process ends before the reply does
            try:
                await self._answer(scope, receive, reply)
                cut = False
            finally:
                _record(scope, reply.status, time.perf_counter() - started)
                if self._stopping.is_set() and (cut or reply.status >= 500) and not scope["path"].startswith("/health"):
                    DEPLOY_FAILURES.labels(SERVICE).inc()

    async def _answer(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        try:
            _check(scope)
            await self._app(scope, receive, reply.send)
        except Problem as failure:
            await self._fail(failure, scope, receive, reply)
        except Exception:
            ERRORS.labels(SERVICE, "http").inc()
            log.exception("unexpected failure")
            await self._fail(Problem(), scope, receive, reply)

    async def _fail(self, failure: Problem, scope: Scope, receive: Receive, reply: _Reply) -> None:
        if reply.status == 0:
            await _written(failure)(scope, receive, reply.send)


def _check(scope: Scope) -> None:
    refusal = paths.refuse(scope["raw_path"], scope["query_string"])
    if refusal is not None:
        raise BadRequest(refusal)
    if sum(len(name) + len(value) for name, value in scope["headers"]) > _MOST_HEADERS:
        raise HeadersTooLarge(f"All headers together may have {_MOST_HEADERS} bytes. Clearing cookies may help.")


def _written(problem: Problem) -> Response:
    return JSONResponse(problem.document(), problem.status, problem.headers, MEDIA_TYPE)


class _Reply:
    """Adds to a reply's headers what every reply has, and remembers its status (0: none yet)."""

    def __init__(self, send: Send, scope: Scope, added: Headers, *, https: bool, stopping: Event) -> None:
        self._send = send
        self._scope = scope
        self._added = added
        self._https = https
        self._stopping = stopping
        self.status = 0

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            tally: Tally | None = self._scope.get("gateway.tally")
            added = self._added + (tally.headers() if tally is not None else [])
            ours = {name for name, _ in added}
            headers = secured(list(message.get("headers", [])), self._scope["path"], https=self._https)
            headers = [(name, value) for name, value in headers if name not in ours] + added
            if self._stopping.is_set():
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await self._send(message)


def _record(scope: Scope, status: int, seconds: float) -> None:
    """Count and log a request, by its route: a path may hold the key to a shared page."""
    count_probe(SERVICE, scope["path"], status)
    route = scope.get("gateway.route", "other")
    HTTP_REQUESTS.labels(SERVICE, scope["method"], route, str(status or 499)).inc()
    HTTP_SECONDS.labels(SERVICE, route).observe(seconds)
    log.info("%s %s %d", scope["method"], route, status or 499, extra={"seconds": round(seconds, 4)})
