"""A client for benches: raw HTTP/1.1 over kept connections, so light that what is measured is the other side."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

__all__ = ["Asking", "at_a_rate", "percentile", "request", "run", "together"]

T = TypeVar("T")


@dataclass(frozen=True)
class Asking:
    """One request as bytes, and to whom. Every answer has to have this status."""

    host: str
    port: int
    message: bytes
    status: int = 200


def request(
    url: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"", status: int = 200
) -> Asking:
    """Write a request out."""
    parts = urlsplit(url)
    lines = {"Host": parts.netloc, **(headers or {}), **({"Content-Length": str(len(body))} if body else {})}
    head = f"{method} {parts.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return Asking(parts.hostname or "", parts.port or 80, f"{head}\r\n".encode() + body, status)


def run(work: Coroutine[None, None, T]) -> T:
    """Run on the fastest event loop that there is."""
    try:
        import uvloop
    except ImportError:  # on Windows there is none
        return asyncio.run(work)
    return uvloop.run(work)


async def together(asking: Callable[[], Asking], lines: int, seconds: float) -> list[float]:
    """Send over so many connections, on each again as soon as it was answered. The seconds that each answer took."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        wanted = asking()
        async with _line(wanted) as line:
            while time.perf_counter() < end:
                began = time.perf_counter()
                await line.ask(wanted)
                took.append(time.perf_counter() - began)
                wanted = asking()

    await asyncio.gather(*(one() for _ in range(lines)))
    return took


async def at_a_rate(asking: Asking, rate: float, seconds: float, lines: int = 16) -> list[float]:
    """Send so many requests a second, evenly, whether or not the ones before were answered. The seconds that each took.

    Time in which a request waits for one of the connections counts: it is the other side that is late.
    """
    took: list[float] = []
    free: asyncio.Queue[_Line] = asyncio.Queue()

    async def one() -> None:
        began = time.perf_counter()
        line = await free.get()
        await line.ask(asking)
        free.put_nowait(line)
        took.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        opened = [await _opened(asking) for _ in range(lines)]
        for line in opened:
            free.put_nowait(line)
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            group.create_task(one())
    for line in opened:
        line.close()
    return took


def percentile(took: list[float], percent: int) -> float:
    """In milliseconds."""
    return 1000 * statistics.quantiles(took, n=100, method="inclusive")[percent - 1]


class _Line:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, asking: Asking) -> None:
        """Send a request and read the whole answer. Raises RuntimeError if it has another status."""
        self._writer.write(asking.message)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        content = b""
        if b"\r\ntransfer-encoding: chunked" in head:
            while size := int(await self._reader.readline(), 16):
                content += await self._reader.readexactly(size + 2)
            await self._reader.readline()
        else:
            _, found, rest = head.partition(b"\r\ncontent-length:")
            content = await self._reader.readexactly(int(rest.partition(b"\r\n")[0])) if found else b""
        if status != asking.status:
            raise RuntimeError(f"{status} in place of {asking.status}: {content[:300]!r}")

    def close(self) -> None:
        self._writer.close()


async def _opened(asking: Asking) -> _Line:
    return _Line(*await asyncio.open_connection(asking.host, asking.port))


@asynccontextmanager
async def _line(asking: Asking) -> AsyncIterator[_Line]:
    line = await _opened(asking)
    try:
        yield line
    finally:
        line.close()
