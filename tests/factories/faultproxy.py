"""A TCP proxy that breaks on command: put it before the store, PostgreSQL, Valkey or a service, and let a fault loose.

    with FaultProxy("127.0.0.1", server.port) as proxy:
        connect(proxy.port)
        proxy.fault = Blackhole()   # from now on, for open connections and new ones
        proxy.fault = Clear()       # what was held goes on its way

It listens on one port for as long as it lives. A fault is a value; setting it takes effect at once, from any thread.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

__all__ = ["Blackhole", "Clear", "Cut", "Fault", "FaultProxy", "Garble", "Latency", "Reset"]

T = TypeVar("T")
Way = Literal["up", "down"]  # up: to the server; down: to the client
CHUNK = 64 * 1024


@dataclass(frozen=True)
class Clear:
    """Everything passes."""


@dataclass(frozen=True)
class Latency:
    """Each piece is ``seconds`` late, in each direction."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """After ``after`` bytes in one direction, counted per connection from when the fault was set, both sides are closed.

    The end looks like an ordinary one (FIN): only who counts finds that something is missing.
    """

    after: int
    way: Way = "down"


@dataclass(frozen=True)
class Reset:
    """Every connection is reset (RST), new ones as soon as they come."""


@dataclass(frozen=True)
class Blackhole:
    """Connections are taken, and nothing passes: bytes wait until the fault is over, as after a healed partition."""


@dataclass(frozen=True)
class Garble:
    """One byte is changed, ``after`` bytes into each connection from when the fault was set."""

    after: int
    way: Way = "down"


Fault = Clear | Latency | Cut | Reset | Blackhole | Garble


@dataclass(eq=False)
class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    passed: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})

    def sides(self) -> list[asyncio.StreamWriter]:
        """Both ends that are open."""
        return [self.client] + ([self.server] if self.server is not None else [])

    def close(self) -> None:
        """End both sides in an orderly way."""
        for side in self.sides():
            side.close()

    def reset(self) -> None:
        """End both sides so that the kernel says RST."""
        for side in self.sides():
            raw = side.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side.transport.abort()


class FaultProxy:
    """Passes connections on to ``host:port``, as well as the fault of the moment lets it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._fault: Fault = Clear()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._thread.start()
        self._changed = asyncio.Event()
        self.connections = 0  # that were ever taken
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def fault(self) -> Fault:
        """What goes wrong at the moment."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._do(self._let_loose(fault))

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def close(self) -> None:
        """End all connections and listen no more."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _let_loose(self, fault: Fault) -> None:
        self._fault = fault
        for link in list(self._links):
            link.passed = {"up": 0, "down": 0}
            if isinstance(fault, Reset):
                link.reset()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _end(self) -> None:
        self._server.close()
        for link in list(self._links):
            link.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = _Link(writer)
        self._links.add(link)
        self.connections += 1
        try:
            await self._join(link, reader)
        except (OSError, asyncio.CancelledError):
            link.close()
        finally:
            self._links.discard(link)
            self._tasks.discard(task)

    async def _join(self, link: _Link, reader: asyncio.StreamReader) -> None:
        if isinstance(self._fault, Reset):
            link.reset()
            return
        try:
            answers, link.server = await asyncio.open_connection(*self._target)
        except OSError:
            link.reset()  # the nearest to "refused" that is left once a connection was taken
            return
        up = self._pump(link, reader, link.server, "up")
        down = self._pump(link, answers, link.client, "down")
        await asyncio.gather(up, down)
        link.close()

    async def _pump(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        try:
            while data := await reader.read(CHUNK):
                await self._pass(link, writer, way, data)
            await self._until(lambda: not isinstance(self._fault, Blackhole))  # nobody hears of an end either
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
        except OSError:
            link.close()

    async def _pass(self, link: _Link, writer: asyncio.StreamWriter, way: Way, data: bytes) -> None:
        if isinstance(self._fault, Latency):
            await asyncio.sleep(self._fault.seconds)
        await self._until(lambda: not isinstance(self._fault, Blackhole))
        fault, before = self._fault, link.passed[way]
        link.passed[way] += len(data)
        if isinstance(fault, Cut) and fault.way == way and before + len(data) > fault.after:
            writer.write(data[: max(0, fault.after - before)])
            await writer.drain()
            link.close()
            return
        if isinstance(fault, Garble) and fault.way == way and before <= fault.after < before + len(data):
            at = fault.after - before
            data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        writer.write(data)
        await writer.drain()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()
