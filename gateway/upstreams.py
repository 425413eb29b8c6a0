"""The services behind the gateway: one connection pool and one circuit breaker each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Iterable, Mapping
from json import dumps, loads
from typing import Any

import httpx
from prometheus_client import Counter, Gauge

from gateway.addresses import Client
from gateway.failures import BrokenReply, Down, Slow
from gateway.headers import Headers
from libs.patience import Breaker
from libs.telemetry import DEPLOY_FAILURES, correlation_id
from libs.web.problems import Problem
from libs.web.tokens import Asked, Signer

FAILURES = Counter("gateway_upstream_failures", "Requests that a service did not answer.", ["upstream", "reason"])
OPEN = Gauge("gateway_breaker_open", "1 while a service is given a rest after failing to connect.", ["upstream"])

# Well below the 75 s of libs.web: a connection must not be taken up again just as the service lets go of it.
_KEEPALIVE = 20.0  # seconds
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_WAKE = 30.0  # seconds after the last reply of a process that was stopping in which failures are put down to that
_FIRST_PAUSE, _PATIENCE = 0.05, 1.5  # seconds: of trying again where a service is being restarted


class _Refused(Down):
    """No connection came about, so nothing was sent."""


class Upstream:
    """One service. Uses httpx's transport, not its client: no redirects, cookies, added headers or logged addresses."""

    def __init__(self, name: str, url: str, connect_timeout: float, signer: Signer) -> None:
        self.name = name
        self._signer = signer
        self._url = httpx.URL(url)
        self._connect_timeout = connect_timeout
        self._breaker = Breaker()
        self._stopping_until = 0.0
        DEPLOY_FAILURES.labels(name)
        self._pool = _pool(max_connections=512, max_keepalive_connections=32, keepalive_expiry=_KEEPALIVE)
        # A service may close a kept connection just as a request goes out. What only reads is asked for again then; a change
        # can't be, and goes over a connection of its own.
        self._changes = _pool(max_connections=512, max_keepalive_connections=0)
        # Apart, so that a thousand open feeds neither use up nor slow down the connections of everything else.
        self._feeds = _pool(max_connections=None, max_keepalive_connections=0)

    async def send(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        content: bytes | AsyncIterable[bytes] | None = None,
        *,
        read_timeout: float,
        feed: bool = False,
    ) -> httpx.Response:
        """Send a request; return its reply with the body unread, which the caller reads or closes.

        ``target`` is path and query as they go over the wire; ``feed`` says that the reply has no end. Raises Down, Slow or
        BrokenReply.
        """
        request = httpx.Request(
            method,
            self._url,
            headers=headers,
            content=content,
            # As a target of its own, because a URL would be written anew, and the service token is made for what came.
            extensions={"timeout": self._timeouts(read_timeout), "target": target},
        )
        repeatable = method in _REPEATABLE and content is None
        pool = self._feeds if feed else self._pool if repeatable else self._changes
        until, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
        while True:
            try:
                return await self._attempt(request, pool)
            except (_Refused, BrokenReply) as failure:
                # Of what was refused nothing was sent, and of what broke off nobody has seen an answer. A service that is
                # being restarted is back in a moment; where it is away for longer, the breaker ends this.
                again = isinstance(failure, _Refused) or repeatable
                if not again or time.monotonic() + pause > until:
                    raise
            await asyncio.sleep(pause)
            pause *= 2

    async def ask(
        self, method: str, path: str, *, json: object = None, patience: float = 5.0, client: Client | None = None
    ) -> tuple[int, object]:
        """The gateway's own question to a service: its status and parsed JSON (None if it is none). Raises as ``send``.

        ``client`` is whom it is asked about, where the service wants to know.
        """
        content = None if json is None else dumps(json).encode()
        token = self._signer.sign(self.name, Asked.with_body(method, path, content or b""))
        headers = [(b"accept", b"application/json"), (b"x-service-token", token.encode())]
        headers.append((b"x-correlation-id", correlation_id().encode()))
        if client is not None:
            headers += [(b"x-forwarded-for", str(client.address).encode())]
            headers += [(b"user-agent", client.device.encode("latin-1", "replace"))]
        if content is not None:
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        response = await self.send(method, path.encode(), headers, content, read_timeout=patience)
        try:
            body = await response.aread()
        except httpx.TimeoutException as error:
            raise self._failure("slow", Slow(self.name)) from error
        except httpx.TransportError as error:
            raise self._failure("broken", BrokenReply(self.name)) from error
        finally:
            await response.aclose()
        try:
            return response.status_code, loads(body)
        except ValueError:
            return response.status_code, None

    def answered(self, status: int) -> None:
        """Take note of what somebody got: an error while the service was being restarted is counted as the deploy's."""
        if status >= 500 and time.monotonic() < self._stopping_until:
            DEPLOY_FAILURES.labels(self.name).inc()

    async def close(self) -> None:
        """Close all connections."""
        for pool in (self._pool, self._changes, self._feeds):
            await pool.aclose()

    def _timeouts(self, read: float) -> Mapping[str, float]:
        connect = self._connect_timeout
        return httpx.Timeout(connect=connect, read=read, write=read, pool=connect).as_dict()  # type: ignore[return-value]

    async def _attempt(self, request: httpx.Request, pool: httpx.AsyncHTTPTransport) -> httpx.Response:
        if not self._breaker.admits(time.monotonic()):
            raise self._failure("resting", Down(self.name))
        try:
            response = await pool.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            self._breaker.failed(time.monotonic())
            self._show()
            raise self._failure("unreachable", _Refused(self.name)) from error
        except httpx.PoolTimeout as error:
            raise self._failure("busy", Down(self.name)) from error
        except httpx.TimeoutException as error:
            raise self._failure("slow", Slow(self.name)) from error
        except httpx.TransportError as error:
            raise self._failure("broken", BrokenReply(self.name)) from error
        # libs.web closes the connection with every answer of a process that is stopping, and with no other.
        self._stopping_until = time.monotonic() + _WAKE if response.headers.get("connection") == "close" else 0.0
        self._breaker.succeeded()
        self._show()
        return response

    def _failure(self, reason: str, failure: Problem) -> Problem:
        FAILURES.labels(self.name, reason).inc()
        return failure

    def _show(self) -> None:
        OPEN.labels(self.name).set(self._breaker.failures >= self._breaker.threshold)


def _pool(**limits: Any) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(**limits))


class Upstreams:
    """All services by name."""

    def __init__(self, urls: Mapping[str, str], connect_timeout: float, signer: Signer) -> None:
        self._all = {name: Upstream(name, url, connect_timeout, signer) for name, url in urls.items()}

    def __getitem__(self, name: str) -> Upstream:
        """A service by name. Raises Down if this installation does not have it."""
        if name not in self._all:
            raise Down(name)
        return self._all[name]

    def names(self) -> Iterable[str]:
        """Every service that this installation has."""
        return self._all.keys()

    async def close(self) -> None:
        """Close all connections."""
        for upstream in self._all.values():
            await upstream.close()
