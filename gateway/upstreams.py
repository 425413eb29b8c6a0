"""The services behind the gateway: one connection pool and one circuit breaker each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from json import dumps, loads

import aiohttp
from prometheus_client import Counter, Gauge
from yarl import URL

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
_MOST = 512  # requests under way to one service, beside its feeds
_LONGEST_HEADER = 32 << 10  # bytes
# A client's headers go on as they came, and none is made up.
_AS_THEY_CAME = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class _Refused(Down):
    """No connection came about, so nothing was sent."""


class Reply:
    """What a service answers, its body unread. Whoever has it reads or closes it."""

    def __init__(self, response: aiohttp.ClientResponse, upstream: Upstream, place: asyncio.Semaphore | None) -> None:
        self._response = response
        self._upstream = upstream
        self._place = place  # among the requests under way
        self.status = response.status
        self.headers: Headers = list(response.raw_headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Slow or BrokenReply."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except TimeoutError as error:
            raise Slow(self._upstream.name) from error
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenReply(self._upstream.name) from error

    def close(self) -> None:
        """Let go of it: of the connection too, unless the body was read to its end."""
        self._response.close()
        if self._place is not None:
            self._place.release()
            self._place = None


class _Connections:
    """Connections to one service. They open with the first request, for they belong to the loop that runs then."""

    def __init__(self, *, kept: bool) -> None:
        self._kept = kept
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """No redirects, cookies, decoding or headers of its own."""
        if self._session is None:
            how = {"keepalive_timeout": _KEEPALIVE} if self._kept else {"force_close": True}
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, **how),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_AS_THEY_CAME,
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class Upstream:
    """One service. See decision 14 for the HTTP client."""

    def __init__(self, name: str, url: str, connect_timeout: float, signer: Signer) -> None:
        self.name = name
        self._signer = signer
        self._url = url.rstrip("/")
        self._connect_timeout = connect_timeout
        self._breaker = Breaker()
        self._stopping_until = 0.0
        DEPLOY_FAILURES.labels(name)
        self._kept = _Connections(kept=True)
        # A service may close a kept connection just as a request goes out. What only reads is asked for again then; a change
        # can't be, and goes over a connection of its own.
        self._fresh = _Connections(kept=False)
        self._places = asyncio.Semaphore(_MOST)

    async def send(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        content: bytes | AsyncIterable[bytes] | None = None,
        *,
        read_timeout: float,
        feed: bool = False,
    ) -> Reply:
        """Send a request; return its reply with the body unread, which the caller closes.

        ``target`` is path and query as they go over the wire; ``feed`` says that the reply has no end. Raises Down, Slow or
        BrokenReply.
        """
        repeatable = method in _REPEATABLE and content is None
        connections = self._kept if repeatable and not feed else self._fresh
        sending = _Sending(method, self._url + target.decode("ascii"), headers, content, read_timeout, feed=feed)
        until, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
        while True:
            try:
                return await self._attempt(sending, connections)
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
        reply = await self.send(method, path.encode(), headers, content, read_timeout=patience)
        try:
            body = b"".join([chunk async for chunk in reply.chunks()])
        except Slow as failure:
            raise self._failure("slow", failure) from failure.__cause__
        except BrokenReply as failure:
            raise self._failure("broken", failure) from failure.__cause__
        finally:
            reply.close()
        try:
            return reply.status, loads(body)
        except ValueError:
            return reply.status, None

    def answered(self, status: int) -> None:
        """Take note of what somebody got: an error while the service was being restarted is counted as the deploy's."""
        if status >= 500 and time.monotonic() < self._stopping_until:
            DEPLOY_FAILURES.labels(self.name).inc()

    async def close(self) -> None:
        """Close all connections."""
        await self._kept.close()
        await self._fresh.close()

    async def _attempt(self, sending: _Sending, connections: _Connections) -> Reply:
        if not self._breaker.admits(time.monotonic()):
            raise self._failure("resting", Down(self.name))
        place = None if sending.feed else await self._place()
        try:
            response = await sending.send(connections.session, self._connect_timeout)
        except BaseException as error:
            if place is not None:
                place.release()
            raise self._understood(error) from error
        # libs.web closes the connection with every answer of a process that is stopping, and with no other.
        stopping = response.headers.get("connection") == "close"
        self._stopping_until = time.monotonic() + _WAKE if stopping else 0.0
        self._breaker.succeeded()
        self._show()
        return Reply(response, self, place)

    async def _place(self) -> asyncio.Semaphore:
        """Wait for a place among the requests under way: a thousand open feeds neither take one nor wait for one."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._places.acquire()
        except TimeoutError as error:
            raise self._failure("busy", Down(self.name)) from error
        return self._places

    def _understood(self, error: BaseException) -> BaseException:
        """What went wrong, as the one who asked is told of it. A client's own failure to send is told as it is."""
        if isinstance(error.__cause__, Problem):
            return error.__cause__
        match error:
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                self._breaker.failed(time.monotonic())
                self._show()
                return self._failure("unreachable", _Refused(self.name))
            case TimeoutError():
                return self._failure("slow", Slow(self.name))
            case aiohttp.ClientError() | OSError():
                return self._failure("broken", BrokenReply(self.name))
        return error

    def _failure(self, reason: str, failure: Problem) -> Problem:
        FAILURES.labels(self.name, reason).inc()
        return failure

    def _show(self) -> None:
        OPEN.labels(self.name).set(self._breaker.failures >= self._breaker.threshold)


class _Sending:
    """A request that goes out, perhaps several times. ``url`` is what goes over the wire, letter for letter."""

    def __init__(
        self,
        method: str,
        url: str,
        headers: Headers,
        content: bytes | AsyncIterable[bytes] | None,
        patience: float,
        *,
        feed: bool,
    ) -> None:
        self._method = method
        # Not written anew: the service token is made for what came.
        self._url = URL(url, encoded=True)
        # Even of a connection that ends with this: a service that is asked to close it does so with the rest of a refused
        # body unread, which breaks the refusal off; and only one that is stopping may answer with "close".
        self._headers = [("Connection", "keep-alive")]
        self._headers += [(name.decode("ascii"), value.decode("utf-8", "replace")) for name, value in headers]
        self._content = content
        self._patience = patience
        self.feed = feed

    async def send(self, session: aiohttp.ClientSession, connect_timeout: float) -> aiohttp.ClientResponse:
        """Send it. A service that stops reading is as slow as one that does not answer: TimeoutError."""
        async with asyncio.timeout(None) as limit:
            content = self._content
            return await session.request(
                self._method,
                self._url,
                headers=self._headers,
                data=content if content is None or isinstance(content, bytes) else self._paced(content, limit),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=connect_timeout, sock_connect=connect_timeout, sock_read=self._patience
                ),
            )

    async def _paced(self, chunks: AsyncIterable[bytes], limit: asyncio.Timeout) -> AsyncIterator[bytes]:
        """Pass a body on, and have the time run while the service takes a chunk of it, not while the client makes one."""
        loop, answered = asyncio.get_running_loop(), False

        def until(when: float | None) -> None:
            nonlocal answered
            if not answered:
                try:
                    limit.reschedule(when)
                except RuntimeError:  # the answer came before the body's end
                    answered = True

        async for chunk in chunks:
            until(loop.time() + self._patience)
            yield chunk
            until(None)


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
