"""The only way out for a URL import: a forward proxy that lives as long as the job.

Whatever fetches (yt-dlp, with its hundreds of extractors, redirects and manifests) is pointed at this proxy, so that the
rules stand in one place and hold for every hop. A target is resolved once; unless every address of it is plainly public
the request is refused; the connection then goes to that very address, so that a name that changes its mind in between
(DNS rebinding) gains nothing. Bytes, time and rate are counted here, because a declared length is only a claim.

Where the system has network namespaces, the fetcher stands in one of its own, and the proxy listens inside it (``move_to``):
there nothing else answers. Elsewhere the proxy listens on this machine's loopback and answers to a password alone.

HTTP/1.1 proxying as in RFC 9110 and 9112: CONNECT tunnels, and absolute-form requests, one per connection.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import secrets
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from services.ingest.engines import addresses

__all__ = ["PORTS", "Egress", "Policy", "Refused", "check_url", "system_resolver"]

PORTS = frozenset({80, 443, 8080, 8443})
"""Where web servers listen. Anything else (6379, 25, 5432, …) is somebody's other service."""

Resolver = Callable[[str, int], Awaitable[Iterable[str]]]

_HEAD_LIMIT = 64 * 1024
_HEAD_TIMEOUT = 30.0
_CONNECT_TIMEOUT = 15.0
_CHUNK = 64 * 1024
_TICK = 0.25
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "host",
}


class Refused(Exception):
    """A target or a transfer is against the rules. ``code`` is stable, ``detail`` a sentence for the person who asked.

    ``stderr``: the last words of the child that it happened to.
    """

    stderr = ""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class Policy:
    """What one import may do: ``cap`` bytes and ``deadline`` seconds in all, at least ``rate`` bytes/s over ``window`` s.

    ``allow`` holds ``host:port`` pairs that skip the address and port rules: private archives, by the operator's word.
    """

    cap: int
    deadline: float
    rate: int
    window: float
    allow: frozenset[str] = frozenset()


async def system_resolver(host: str, port: int) -> Iterable[str]:
    """Resolve a name the way this machine does."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def check_url(url: str, allow: frozenset[str]) -> None:
    """Refuse a URL that can be judged without asking anybody: its scheme, its port, an address spelt out. Raises Refused."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise Refused("import_unsupported", "That is not a valid URL.") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise Refused("import_unsupported", "Only http and https addresses can be imported.")
    if parts.username is not None or parts.password is not None:
        raise Refused("import_unsupported", "Addresses with a user name or password in them can't be imported.")
    _judge(host, port, allow)


def _forbidden(host: str) -> Refused:
    return Refused("import_forbidden_address", f"{host} is not a public web address, so nothing is fetched from there.")


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _judge(host: str, port: int, allow: frozenset[str]) -> bool:
    """Apply the rules that need no resolver. True where the operator vouches for the target."""
    if _authority(host.lower(), port) in allow:
        return True
    address = addresses.literal(host)
    loopback_name = host.lower().rstrip(".").endswith("localhost")
    if port not in PORTS or loopback_name or (address is not None and not addresses.is_public(address)):
        raise _forbidden(host)
    return False


class Egress:
    """The proxy, in a thread of its own. Use as a context manager; ``url`` is what the fetcher is given.

    ``received`` counts the bytes that came in; ``verdict`` is set once the transfer as a whole broke a rule, after which
    every connection is closed and no new one is let through; ``refusal`` is the last single target that was refused.
    """

    def __init__(self, policy: Policy, resolver: Resolver = system_resolver) -> None:
        self.received = 0
        self.verdict: Refused | None = None
        self.refusal: Refused | None = None
        self._policy, self._resolver = policy, resolver
        self._password = secrets.token_urlsafe(24)
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._relaying = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="egress", daemon=True)

    @property
    def url(self) -> str:
        """Address of the proxy, with the password without which it answers nobody."""
        return f"http://import:{self._password}@127.0.0.1:{self.port}"

    @property
    def problem(self) -> Refused | None:
        """Why a fetch that failed did fail, as far as the proxy knows."""
        return self.verdict or self.refusal

    def __enter__(self) -> Self:
        self._thread.start()
        self._up.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def move_to(self, listener: socket.socket) -> None:
        """From now on serve this listener, in the fetcher's own network namespace, and no longer this machine's loopback."""
        listener.setblocking(False)
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._move(listener), self._loop).result(_CONNECT_TIMEOUT)

    async def _move(self, listener: socket.socket) -> None:
        assert self._server is not None
        self._server.close()
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=_HEAD_LIMIT)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_HEAD_LIMIT)
            self.port = self._server.sockets[0].getsockname()[1]
        finally:
            self._up.set()
        watch = asyncio.create_task(self._watch())
        await self._stop.wait()
        watch.cancel()
        self._server.close()
        self._close_all()
        await asyncio.gather(watch, *self._open, return_exceptions=True)

    async def _watch(self) -> None:
        """Judge the transfer as a whole: total time, and the rate while anything is open."""
        started = time.monotonic()
        samples: deque[tuple[float, int]] = deque()
        while self.verdict is None:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            if now - started > self._policy.deadline:
                self._end(Refused("import_timeout", "The import took too long and was given up."))
            if not self._relaying:
                samples.clear()
                continue
            samples.append((now, self.received))
            while now - samples[0][0] > self._policy.window:
                since, then = samples.popleft()
                if self.received - then < self._policy.rate * (now - since):
                    self._end(Refused("import_timeout", "The server sent its data too slowly, or stopped sending."))
                    break

    def _end(self, verdict: Refused) -> None:
        self.verdict = self.verdict or verdict
        self._close_all()

    def _close_all(self) -> None:
        for task in self._open:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._exchange(reader, writer)
        except Refused as refusal:
            self.refusal = refusal
            _answer(writer, 403, refusal.code)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            _answer(writer, 502, "upstream")
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, headers = await _read_head(reader)
        if not self._knows(headers):
            _answer(writer, 407, "proxy authentication", "Proxy-Authenticate: Basic realm=import\r\n")
            return
        if self.verdict is not None:
            raise self.verdict
        tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if tunnel else target)
        if not parts.hostname or (not tunnel and parts.scheme != "http"):
            raise ValueError(target)
        port = parts.port or 80
        self._relaying += 1
        try:
            up_reader, up_writer = await self._connect(parts.hostname, port)
            try:
                if tunnel:
                    writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                    await self._tunnel(reader, writer, up_reader, up_writer)
                else:
                    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                    up_writer.write(_request_head(method, path, parts.netloc.rpartition("@")[2], headers))
                    await self._one_request(headers, reader, writer, up_reader, up_writer)
            finally:
                up_writer.transport.abort()
        finally:
            self._relaying -= 1

    def _knows(self, headers: list[tuple[str, str]]) -> bool:
        expected = "Basic " + base64.b64encode(f"import:{self._password}".encode()).decode()
        given = next((value for name, value in headers if name.lower() == "proxy-authorization"), "")
        return hmac.compare_digest(given.encode(), expected.encode())

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Resolve once, judge, and connect to what was judged. Raises Refused, OSError."""
        failure: OSError = ConnectionError(f"{host} has no address")
        for address in await self._admit(host, port):
            try:
                return await asyncio.wait_for(asyncio.open_connection(address, port), _CONNECT_TIMEOUT)
            except OSError as error:
                failure = error
        raise failure

    async def _admit(self, host: str, port: int) -> list[str]:
        vouched = _judge(host, port, self._policy.allow)
        try:
            found = [addresses.canonical(text) for text in await self._resolver(host, port)]
        except UnicodeError:
            raise _forbidden(host) from None
        if not vouched and not all(addresses.is_public(address) for address in found):
            raise _forbidden(host)
        return [str(address) for address in dict.fromkeys(found)]

    async def _tunnel(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        await _until_first(_copy(reader, up_writer), self._download(up_reader, writer))

    async def _one_request(
        self,
        headers: list[tuple[str, str]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        """Send one request and its reply, then close: a second one on this connection would escape the check of its host."""
        length = int(next((value for name, value in headers if name.lower() == "content-length"), "0"))
        if not 0 <= length <= _HEAD_LIMIT or any(name.lower() == "transfer-encoding" for name, _ in headers):
            raise ValueError("a fetch has no business sending so much")
        up_writer.write(await reader.readexactly(length))
        writer.write(await _reply_head(up_reader))
        await _until_first(_drained(reader), self._download(up_reader, writer))

    async def _download(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            self.received += len(data)
            if self.received > self._policy.cap:
                self._end(Refused("import_too_large", "The recording is larger than what may be imported."))
                return
            writer.write(data)
            await writer.drain()


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, str, list[tuple[str, str]]]:
    """Read a request's line and headers. Raises ValueError for anything but plain HTTP/1."""
    raw = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_TIMEOUT)
    line, *rest = raw.decode("latin-1").split("\r\n")[:-2]
    method, target, version = line.split(" ")
    if not version.startswith("HTTP/1.") or any(char in line for char in "\n\0"):
        raise ValueError(line)
    return method, target, [_header(each) for each in rest]


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip() or any(char in value for char in "\r\n\0"):
        raise ValueError(line)
    return name, value.strip()


def _request_head(method: str, path: str, authority: str, headers: list[tuple[str, str]]) -> bytes:
    kept = [f"{name}: {value}" for name, value in headers if name.lower() not in _HOP_BY_HOP]
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {authority}", *kept, "Connection: close", "", ""]).encode(
        "latin-1"
    )


async def _reply_head(reader: asyncio.StreamReader) -> bytes:
    """Read the head of the final reply (interim 1xx ones are dropped), and say that the connection closes."""
    while True:
        raw = await reader.readuntil(b"\r\n\r\n")
        line, *rest = raw.decode("latin-1").split("\r\n")[:-2]
        status = int(line.split(" ")[1])
        if status >= 200 or status == 101:
            kept = [each for each in rest if each.partition(":")[0].lower() not in _HOP_BY_HOP]
            return "\r\n".join([line, *kept, "Connection: close", "", ""]).encode("latin-1")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


async def _drained(reader: asyncio.StreamReader) -> None:
    """Wait until the client hangs up; what it still says goes nowhere."""
    while await reader.read(_CHUNK):
        pass


async def _until_first(*directions: Awaitable[None]) -> None:
    """Run both directions until one ends."""
    tasks = [asyncio.ensure_future(each) for each in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break off so that the client can't take what it got for the whole: a body may end with its connection."""
    line = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _answer(writer: asyncio.StreamWriter, status: int, reason: str, extra: str = "") -> None:
    writer.write(f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\n{extra}Connection: close\r\n\r\n".encode())
