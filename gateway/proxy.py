"""Streams a request to a service and its reply back: a chunk is passed on before the next is read.

Small JSON bodies alone are held, since the service token is made for what they say.

Backpressure is end to end: the client's socket is read only as fast as the service takes it, and the other way round. When
one side leaves, the connection to the other is closed at once, unfinished, so that nobody mistakes a part for the whole.
"""

from __future__ import annotations

from asyncio import timeout
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from starlette.types import Message, Receive, Send

from gateway.failures import BrokenReply, ClientGone, Down, Slow, SlowBody
from gateway.headers import Headers
from gateway.upstreams import FAILURES, Reply, Upstream
from libs.telemetry import log
from libs.web.problems import Problem, TooLarge

Shape = Callable[[int, Headers], Headers]  # makes of a service's status and headers those for the client

Over = Callable[[], Awaitable[None]]  # returns when a reply without end has to end


class Body:
    """A client's body as it comes, and afterwards the watch for the client's departure."""

    def __init__(self, receive: Receive, *, present: bool, limit: int | None, patience: float) -> None:
        self._receive = receive
        self._limit = limit
        self._patience = patience
        self._read = anyio.Event()
        self._held: bytes | None = None
        self.present = present
        if not present:
            self._read.set()

    async def hold(self) -> bytes:
        """Read the whole body. Raises as ``chunks``."""
        self._held = b"".join([chunk async for chunk in self.chunks()]) if self.present else b""
        return self._held

    def content(self) -> bytes | AsyncIterator[bytes] | None:
        """What is to be sent on: the body if it is held, else as it comes; None if there is none."""
        if not self.present:
            return None
        return self.chunks() if self._held is None else self._held

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, chunk by chunk. Raises ClientGone, SlowBody or TooLarge."""
        size = 0
        try:
            while True:
                message = await self._next()
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if self._limit is not None and size > self._limit:
                    raise TooLarge(f"This takes at most {self._limit} bytes.")
                if chunk:
                    yield chunk
                if not message.get("more_body", False):
                    return
        finally:
            self._read.set()

    async def departed(self) -> None:
        """Return when the client has left. What it still sends of a body that nobody wants is let go of."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> Message:
        try:
            async with timeout(self._patience):
                message = await self._receive()
        except TimeoutError as error:
            raise SlowBody from error
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message


class Relay:
    """One request on its way to a service and back."""

    def __init__(self, upstream: Upstream, method: str, target: bytes, headers: Headers, body: Body) -> None:
        self._upstream = upstream
        self._method = method
        self._target = target
        self._headers = headers
        self._body = body
        self._failure: Problem | None = None
        self._begun = False
        self._over = False

    async def run(self, send: Send, shape: Shape, *, read_timeout: float, over: Over | None = None) -> None:
        """Pass the request on and the reply back through ``send``, its headers as ``shape`` wants them.

        Returns early when the client leaves, or, for a reply without end, when ``over`` returns. Raises a Problem only
        while nothing has been sent; after that, a reply that breaks off leaves the client's connection unfinished.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._stop_when_gone, group.cancel_scope)
            if over is not None:
                group.start_soon(self._stop_when_over, over, group.cancel_scope)
            await self._exchange(send, shape, read_timeout, feed=over is not None)
            group.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure
        if self._over:
            if not self._begun:
                raise Down(self._upstream.name)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stop_when_gone(self, scope: anyio.CancelScope) -> None:
        await self._body.departed()
        scope.cancel()

    async def _stop_when_over(self, over: Over, scope: anyio.CancelScope) -> None:
        await over()
        self._over = True
        scope.cancel()

    async def _exchange(self, send: Send, shape: Shape, read_timeout: float, *, feed: bool) -> None:
        try:
            response = await self._upstream.send(
                self._method,
                self._target,
                self._headers,
                self._body.content(),
                read_timeout=read_timeout,
                feed=feed,
            )
        except Problem as failure:
            self._failure = failure
            self._upstream.answered(failure.status)
            return
        try:
            await self._pass_back(response, send, shape)
        finally:
            # Even when cancelled: a connection that is left open holds a place in the pool, and the service's work.
            response.close()

    async def _pass_back(self, response: Reply, send: Send, shape: Shape) -> None:
        headers = shape(response.status, response.headers)
        self._begun = True
        self._upstream.answered(response.status)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        try:
            async for chunk in response.chunks():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (Slow, BrokenReply) as failure:
            FAILURES.labels(self._upstream.name, "broke_off").inc()
            self._upstream.answered(BrokenReply.status)
            log.warning("%s broke off its reply: %s", self._upstream.name, type(failure).__name__)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
